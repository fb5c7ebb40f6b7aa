"""An LSTM with coupled gates that moves c towards g by i."""

import torch
from loop import target
from torch.nn.functional import linear


def step(x, h, c, p):
    """The next h and c."""
    i, g, o = (linear(h, p.weight_hh, p.bias_hh) + linear(x, p.weight_ih, p.bias_ih)).chunk(3, 1)
    c = torch.lerp(c, torch.tanh(g), torch.sigmoid(i))
    return torch.sigmoid(o) * torch.tanh(c), c


capabilities, forward, gradients = target("../lstm_coupled.py:lstm_coupled", step)
