"""torch.nn.RNN, GRU and LSTM on the GPU of an Apple computer, in float32, the widest type that it has.

Source: https://docs.pytorch.org/docs/stable/notes/mps.html
"""

from dataclasses import replace

import torch

from conformance.adapters.pytorch import capabilities as PYTORCH
from conformance.adapters.pytorch import forward_of, gradients_of, prepare

torch.zeros(1, device="mps")  # says at once that there is none
capabilities = replace(PYTORCH, dtypes=("float32",), projections=False)


def on_gpu(function):
    """A function of the layers, as one that runs there."""

    def called(*given):
        with torch.device("mps"):
            return function(*given)

    return called


forward = on_gpu(forward_of(prepare))
gradients = on_gpu(gradients_of(prepare))
