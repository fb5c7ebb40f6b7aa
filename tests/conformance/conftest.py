"""The text of a small target that is right; a test that wants a wrong one replaces a few words of it."""

import pytest


@pytest.fixture(scope="session")
def right():
    """The text of RIGHT, for any test here."""
    return RIGHT


RIGHT = """
import numpy as np

def forward(case):
    p, h, output = case.parameters, case.h_0[0], []
    for x in case.x:
        h = np.tanh(x @ p["weight_ih_l0"].T + p["bias_ih_l0"] + h @ p["weight_hh_l0"].T + p["bias_hh_l0"])
        output.append(h)
    return np.stack(output), h[None].copy()
"""
