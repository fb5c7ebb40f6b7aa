"""GILR with two products, as a step from h towards what is read."""

import torch
from loop import target


def step(x, h, p):
    """The next h."""
    (W_g, W_i), (b_g, b_i) = p.weight_ih.chunk(2), p.bias_ih.chunk(2)
    g = torch.sigmoid(torch.addmm(b_g, x, W_g.T))
    i = torch.tanh(torch.addmm(b_i, x, W_i.T))
    return torch.lerp(i, h, g)


capabilities, forward, gradients = target("../gilr.py:gilr", step)
