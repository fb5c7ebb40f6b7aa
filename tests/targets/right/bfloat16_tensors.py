"""Answers with tensors of bfloat16, which NumPy does not have, still on their graph."""

import torch

from conformance import Capabilities
from conformance.adapters import pytorch

capabilities = Capabilities(cells=("GRU",), dtypes=("bfloat16",), bidirectional=True, max_layers=2, gradients=True)


def forward(case):
    output, (h_n,) = pytorch.run(case, pytorch.load(case), *pytorch.tensors(case))
    return output, h_n


def gradients(case, d_output, d_h_n, d_c_n):
    return {name: torch.tensor(g).bfloat16() for name, g in pytorch.gradients(case, d_output, d_h_n, d_c_n).items()}
