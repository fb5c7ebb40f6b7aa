"""An LSTM whose gates see the cell's state; the output gate sees the new one."""

from reference_rnn import cell, sigmoid, tanh


@cell("ifgo", states="hc", vectors=("w_ci", "w_cf", "w_co"))
def lstm_peephole(x, h, c, p):
    """Gers and Schmidhuber (2000); as in Greff et al. (2017), arXiv:1503.04069, section 2."""
    i = sigmoid(p.i(x, h) + p.w_ci * c)
    f = sigmoid(p.f(x, h) + p.w_cf * c)
    g = tanh(p.g(x, h))
    c = f * c + i * g
    o = sigmoid(p.o(x, h) + p.w_co * c)
    return o * tanh(c), c
