"""Returns rows that end where they end, as lists of unequal lengths."""

import numpy as np

from conformance import Capabilities

capabilities = Capabilities(lengths=True)


def forward(case):
    p = case.parameters
    lengths = [len(case.x)] * case.x.shape[1] if case.lengths is None else case.lengths
    rows, h_n = [], case.h_0.copy()
    for row, length in enumerate(lengths):
        h, states = case.h_0[0, row], []
        for x in case.x[:length, row]:
            h = np.tanh(p["weight_ih_l0"] @ x + p["bias_ih_l0"] + p["weight_hh_l0"] @ h + p["bias_hh_l0"])
            states.append(h.tolist())
        rows.append(states)
        h_n[0, row] = h
    return rows, h_n
