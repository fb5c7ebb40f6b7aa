"""The independently recurrent network: each unit reads its own state only, by the vector u."""

from reference_rnn import cell, relu


@cell("h", vectors=("u",))
def indrnn(x, h, p):
    """Li, Li, Cook, Zhu and Gao (2018), Independently recurrent neural network, arXiv:1803.04831."""
    return relu(p.h.input(x) + p.u * h)
