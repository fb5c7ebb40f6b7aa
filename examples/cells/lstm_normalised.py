"""An LSTM that normalises what each activation reads, and its new c."""

from reference_rnn import cell, normalised, sigmoid, tanh


@cell("ifgo", states="hc", vectors=("a_i", "a_f", "a_g", "a_o", "a_c", "b_i", "b_f", "b_g", "b_o", "b_c"))
def lstm_normalised(x, h, c, p):
    """Ba, Kiros and Hinton (2016), arXiv:1607.06450; each gate by itself, as TensorFlow's LayerNormBasicLSTMCell."""
    i = sigmoid(p.a_i * normalised(p.i(x, h)) + p.b_i)
    f = sigmoid(p.a_f * normalised(p.f(x, h)) + p.b_f)
    g = tanh(p.a_g * normalised(p.g(x, h)) + p.b_g)
    o = sigmoid(p.a_o * normalised(p.o(x, h)) + p.b_o)
    c = p.a_c * normalised(f * c + i * g) + p.b_c
    return o * tanh(c), c
