"""A GRU that normalises what each activation reads."""

from reference_rnn import cell, mix, normalised, sigmoid, tanh


@cell("rzn", vectors=("a_r", "a_z", "a_n", "b_r", "b_z", "b_n"))
def gru_normalised(x, h, p):
    """Ba, Kiros and Hinton (2016), arXiv:1607.06450, section 3.1, of each gate of a GRU."""
    r = sigmoid(p.a_r * normalised(p.r(x, h)) + p.b_r)
    z = sigmoid(p.a_z * normalised(p.z(x, h)) + p.b_z)
    q = p.n.recurrent(h)
    n = tanh(p.a_n * normalised(p.n.input(x) + r * q) + p.b_n)
    return mix(z, n, h)
