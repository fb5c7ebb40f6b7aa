"""A layer-normalised LSTM with PyTorch's own layer normalisation of all gates at once."""

import torch
from loop import target
from torch.nn.functional import layer_norm, linear


def step(x, h, c, p):
    """The next h and c."""
    H = h.shape[1]
    sums = linear(torch.cat([x, h], 1), torch.cat([p.weight_ih, p.weight_hh], 1), p.bias_ih + p.bias_hh)
    gains, shifts = (torch.stack([vars(p)[f"{kind}_{gate}"] for gate in "ifgo"]) for kind in "ab")
    i, f, g, o = torch.addcmul(shifts, layer_norm(sums.reshape(-1, 4, H), (H,)), gains).unbind(1)
    c = layer_norm(torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g), (H,), p.a_c, p.b_c)
    return torch.sigmoid(o) * torch.tanh(c), c


capabilities, forward, gradients = target("../lstm_normalised.py:lstm_normalised", step)
