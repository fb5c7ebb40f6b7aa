"""torch.nn.RNN, GRU and LSTM on an NVIDIA card, by cuDNN where it takes them, without TF32.

Source: https://docs.pytorch.org/docs/stable/notes/cuda.html
"""

from dataclasses import replace

import torch

from conformance.adapters.pytorch import capabilities as PYTORCH
from conformance.adapters.pytorch import forward_of, gradients_of, prepare

torch.zeros(1, device="cuda")  # says at once that there is no card, or that this build cannot use it
capabilities = replace(PYTORCH, dtypes=("float32", "float64"))


def on_card(function, allow_tf32=False):
    """A function of the layers, as one that runs on the card."""

    def called(*given):
        with torch.device("cuda"), torch.backends.cudnn.flags(allow_tf32=allow_tf32):
            return function(*given)

    return called


forward = on_card(forward_of(prepare))
gradients = on_card(gradients_of(prepare))
