"""Answers with tensors of bfloat16, which NumPy does not have, still on their graph.

Without oneDNN, whose products in bfloat16 let a NaN of one row into the row before, on processors with AMX, where a row
has, for example, an odd number of columns: https://github.com/uxlfoundation/oneDNN/issues/5717.
"""

import torch

from conformance import Capabilities
from conformance.adapters import pytorch

capabilities = Capabilities(cells=("GRU",), dtypes=("bfloat16",), bidirectional=True, max_layers=2, gradients=True)


def forward(case):
    with torch.backends.mkldnn.flags(enabled=False):
        output, (h_n,) = pytorch.run(case, pytorch.load(case), *pytorch.tensors(case))
    return output, h_n


def gradients(case, d_output, d_h_n, d_c_n):
    with torch.backends.mkldnn.flags(enabled=False):
        found = pytorch.gradients(case, d_output, d_h_n, d_c_n)
    return {name: torch.tensor(gradient).bfloat16() for name, gradient in found.items()}
