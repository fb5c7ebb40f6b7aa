"""Every number is NaN."""

import numpy as np


def forward(case):
    output = np.full((*case.x.shape[:2], case.config.hidden_size), np.nan, case.x.dtype)
    return output, output[-1:].copy()
