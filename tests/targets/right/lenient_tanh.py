"""tanh as 2 sigmoid(2 z) - 1, which loses the digits of small numbers; claims the lenient profile."""

from dataclasses import replace

import numpy as np
from plain import capabilities, run

capabilities = replace(capabilities, arithmetic="lenient")


def tanh(z):
    return 2 / (1 + np.exp(-2 * z)) - 1


def forward(case):
    return run(case, tanh=tanh)
