"""torch.nn.RNN, GRU and LSTM on an NVIDIA card with TF32, which is how PyTorch comes: products of 10 bits.

Source: https://docs.pytorch.org/docs/stable/notes/cuda.html
"""

from dataclasses import replace

from conformance.adapters.pytorch import forward_of, gradients_of, prepare
from conformance.adapters.pytorch_cuda import capabilities as CARD
from conformance.adapters.pytorch_cuda import on_card

capabilities = replace(CARD, dtypes=("float32",), arithmetic="tf32")
forward = on_card(forward_of(prepare), allow_tf32=True)
gradients = on_card(gradients_of(prepare), allow_tf32=True)
