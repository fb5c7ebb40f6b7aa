"""A linear recurrence whose matrix is diagonal and real."""

from reference_rnn import cell


@cell("b", vectors=("a",))
def diagonal(x, h, p):
    """Orvieto et al. (2023), Resurrecting recurrent neural networks, arXiv:2303.06349, section 3.2, real."""
    return p.a * h + p.b.input(x)
