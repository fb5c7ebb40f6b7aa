"""Multiplies by masks wherever others select: in ReLU, past the end of a row, and where something is dropped."""

from gated import capabilities, run  # noqa: F401


def relu(z):
    return z * (z > 0)


def keep(alive, new, old):
    return alive.astype(new.dtype) * new + (~alive).astype(new.dtype) * old


def forward(case):
    return run(case, relu=relu, keep=keep)
