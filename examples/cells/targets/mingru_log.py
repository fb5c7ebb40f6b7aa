"""minGRU in logarithms: h_t is exp(A_t + the logsumexp of log h_0 and all log b_s - A_s); A_t adds up log(1 - z)."""

import torch
from loop import target
from torch.nn.functional import logsigmoid


def along(x, h, p):
    """All states; where one is below zero, it and those after it are not a number."""
    z, n = (x @ p.weight_ih.T + p.bias_ih).chunk(2, -1)
    log_g = torch.where(n > 0, torch.log(n.clamp(min=0) + 0.5), logsigmoid(n))
    log_terms = torch.cat([torch.log(h)[None], logsigmoid(z) + log_g])
    log_a = torch.cat([torch.zeros_like(h)[None], torch.cumsum(logsigmoid(-z), 0)])
    every = torch.exp(log_a + torch.logcumsumexp(log_terms - log_a, 0))
    return [torch.cat([h[None], every[1:]])]


claims = {"order": "log", "gradients": False}
capabilities, forward, _ = target("../mingru_positive.py:mingru_positive", along=along, **claims)
