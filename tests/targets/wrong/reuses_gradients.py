"""The gradient of x lies in one buffer for each shape, used again by the next call."""

import numpy as np

from conformance.adapters import reference

capabilities = {"gradients": True}
BUFFERS = {}

forward = reference.forward


def gradients(case, d_output, d_h_n, d_c_n):
    found = reference.gradients(case, d_output, d_h_n, d_c_n)
    kept = BUFFERS.setdefault(case.x.shape, np.empty(case.x.shape, case.x.dtype))
    kept[...] = found["x"]
    return found | {"x": kept}
