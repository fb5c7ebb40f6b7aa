"""torch.nn.RNN, GRU and LSTM on an NVIDIA card with TF32, which is how PyTorch comes: products of 10 bits.

Source: https://docs.pytorch.org/docs/stable/notes/cuda.html
"""

from dataclasses import replace

from conformance.adapters import pytorch, pytorch_cuda

capabilities = replace(pytorch_cuda.capabilities, dtypes=("float32",), arithmetic="tf32")
forward = pytorch_cuda.on_card(pytorch.forward, allow_tf32=True)
gradients = pytorch_cuda.on_card(pytorch.gradients, allow_tf32=True)
