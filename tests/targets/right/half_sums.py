"""Half precision throughout: products, partial sums and everything else are rounded to float16 one after the other."""

import numpy as np

from conformance import Capabilities

capabilities = Capabilities(
    cells=("RNN_TANH", "RNN_RELU", "GRU", "LSTM"), dtypes=("float16",), max_layers=2, arithmetic="half-sums"
)


def summed(x, W, z):
    """Z + W x, term after term."""
    for x_k, W_k in zip(x.T, W.T):
        z = z + x_k[:, None] * W_k
    return z


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def gru(x, state, W_ih, W_hh, b_ih, b_hh):
    (h,) = state
    r, z, n = np.split(summed(x, W_ih, b_ih), 3, axis=-1)
    r_h, z_h, n_h = np.split(summed(h, W_hh, b_hh), 3, axis=-1)
    n = np.tanh(n + sigmoid(r + r_h) * n_h)
    z = sigmoid(z + z_h)
    return (n + z * (h - n),)


def lstm(x, state, W_ih, W_hh, b_ih, b_hh):
    h, c = state
    i, f, g, o = np.split(summed(h, W_hh, summed(x, W_ih, b_ih + b_hh)), 4, axis=-1)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def rnn(activation):
    def step(x, state, W_ih, W_hh, b_ih, b_hh):
        return (activation(summed(state[0], W_hh, summed(x, W_ih, b_ih + b_hh))),)

    return step


STEPS = {"RNN_TANH": rnn(np.tanh), "RNN_RELU": rnn(lambda z: np.maximum(z, 0)), "GRU": gru, "LSTM": lstm}


@np.errstate(all="ignore")
def forward(case):
    step, x, finals = STEPS[case.config.cell], case.x, []
    for layer in range(case.config.num_layers):
        p = [case.parameters[f"{name}_l{layer}"] for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
        state = tuple(s[layer] for s in (case.h_0, case.c_0) if s is not None)
        output = np.empty((*x.shape[:2], case.config.hidden_size), np.float16)
        for t in range(len(x)):
            state = step(x[t], state, *p)
            output[t] = state[0]
        x = output
        finals.append(state)
    states = [np.stack(s) for s in zip(*finals)]
    return x, states[0] if len(states) == 1 else tuple(states)
