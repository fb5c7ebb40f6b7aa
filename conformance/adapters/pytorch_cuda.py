"""torch.nn.RNN, GRU and LSTM on an NVIDIA card, by cuDNN where it takes them, without TF32.

Source: https://docs.pytorch.org/docs/stable/notes/cuda.html
"""

from dataclasses import replace

import torch

from conformance.adapters import pytorch

torch.zeros(1, device="cuda")  # says at once that there is no card, or that this build cannot use it
capabilities = replace(pytorch.capabilities, dtypes=("float32", "float64"))


def on_card(function, allow_tf32=False):
    """A function of the layers, as one that runs on the card."""

    def called(*given):
        with torch.device("cuda"), torch.backends.cudnn.flags(allow_tf32=allow_tf32):
            return function(*given)

    return called


forward, gradients = on_card(pytorch.forward), on_card(pytorch.gradients)
