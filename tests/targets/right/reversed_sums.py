"""Adds its products one by one, the last one first."""

from plain import capabilities, run  # noqa: F401


def step(x, h, p):
    z = p.b_hh + p.b_ih
    for k in reversed(range(h.shape[1])):
        z = z + h[:, k, None] * p.W_hh[:, k]
    for k in reversed(range(x.shape[1])):
        z = z + x[:, k, None] * p.W_ih[:, k]
    return p.f(z)


def forward(case):
    return run(case, step=step)
