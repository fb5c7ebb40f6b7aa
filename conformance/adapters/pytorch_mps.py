"""torch.nn.RNN, GRU and LSTM on the GPU of an Apple computer, in float32, the widest type that it has.

Source: https://docs.pytorch.org/docs/stable/notes/mps.html
"""

from dataclasses import replace

import torch

from conformance.adapters import pytorch

torch.zeros(1, device="mps")  # says at once that there is none
capabilities = replace(pytorch.capabilities, dtypes=("float32",), projections=False)


def forward(case):
    """output and h_n, or output and (h_n, c_n), of one case."""
    with torch.device("mps"):
        return pytorch.forward(case)


def gradients(case, d_output, d_h_n, d_c_n):
    """The gradients of x, the states and the parameters, and the results of the same run."""
    with torch.device("mps"):
        return pytorch.gradients(case, d_output, d_h_n, d_c_n)
