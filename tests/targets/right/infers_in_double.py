"""Infers in double precision; what is recorded for gradients is in single, and is returned beside them."""

from types import SimpleNamespace

import numpy as np

from conformance import Capabilities
from conformance.adapters import pytorch

capabilities = Capabilities(cells=("GRU", "LSTM"), bidirectional=True, max_layers=3, gradients=True)


def forward(case):
    wide = SimpleNamespace(**vars(case))
    wide.config = SimpleNamespace(**{**vars(case.config), "dtype": "float64"})
    wide.config.num_directions = case.config.num_directions
    output, final = pytorch.forward(wide)
    return rounded(output), tuple(map(rounded, final)) if case.config.cell == "LSTM" else rounded(final)


def rounded(array):
    return array.astype(np.float32)


def gradients(case, d_output, d_h_n, d_c_n):
    return pytorch.gradients(case, d_output, d_h_n, d_c_n)
