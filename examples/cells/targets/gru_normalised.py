"""A layer-normalised GRU with PyTorch's own layer normalisation."""

import torch
from loop import target
from torch.nn.functional import layer_norm, linear


def step(x, h, p):
    """The next h."""
    x_r, x_z, x_n = linear(x, p.weight_ih, p.bias_ih).chunk(3, 1)
    h_r, h_z, h_n = linear(h, p.weight_hh, p.bias_hh).chunk(3, 1)
    r = torch.sigmoid(layer_norm(x_r + h_r, p.a_r.shape, p.a_r, p.b_r))
    z = torch.sigmoid(layer_norm(x_z + h_z, p.a_z.shape, p.a_z, p.b_z))
    n = torch.tanh(layer_norm(torch.addcmul(x_n, r, h_n), p.a_n.shape, p.a_n, p.b_n))
    return torch.lerp(n, h, z)


capabilities, forward, gradients = target("../gru_normalised.py:gru_normalised", step)
