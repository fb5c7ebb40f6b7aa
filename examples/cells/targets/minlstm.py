"""minLSTM with one product for all gates, and the quotients made by softmax of the logarithms of both gates."""

import torch
from loop import target
from torch.nn.functional import logsigmoid


def step(x, h, p):
    """The next h."""
    f, i, n = torch.addmm(p.bias_ih, x, p.weight_ih.T).chunk(3, 1)
    f, i = torch.softmax(logsigmoid(torch.stack([f, i])), 0)
    return f * h + i * n


capabilities, forward, gradients = target("../minlstm.py:minlstm", step)
