"""Returns an output of a gigabyte."""

import numpy as np


def forward(case):
    return np.zeros((len(case.x), 2**14, 2**13), np.float32), case.h_0.copy()
