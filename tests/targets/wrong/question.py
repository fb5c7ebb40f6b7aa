"""The network in question: two directions raise, no state is carried, the output has an axis too many."""

import numpy as np

from conformance import Capabilities

capabilities = Capabilities(cells=("RNN_TANH",), bidirectional=True, max_layers=None)


def rnn(xs, h, w0, w=None, b=None, num_layers=2, nonlinearity="tanh", dropout=0.0, bidirectional=False, training=True):
    """xs (T, N, I); h (L, D, N, H); w0 (D, 2H, I+H); w (L-1, D, H, D*H+H); b (L, D, H)."""
    I, H = xs.shape[2], h.shape[3]
    ys, finals = list(xs), []
    for layer in range(num_layers):
        for direction in range(2 if bidirectional else 1):
            if layer == direction == 0:
                w_x, w_h = w0[0, :H, :I], w0[0, H:, I:]
            else:
                packed = w[max(layer - 1, 0), direction]
                w_x, w_h = packed[:, :H], packed[:, H:]
            for t, y in enumerate(ys):
                ys[t] = np.tanh(y @ w_x.T + h[layer, direction] @ w_h.T + b[layer, direction])
            finals.append(ys[-1])
    return np.array(ys)[..., None], np.array(finals)


def forward(case):
    """Packs the parameters as rnn wants them."""
    c, p = case.config, case.parameters
    L, D, I, H = c.num_layers, c.num_directions, c.input_size, c.hidden_size
    w0 = np.zeros((D, 2 * H, I + H), case.x.dtype)
    w = np.zeros((L - 1, D, H, D * H + H), case.x.dtype)
    b = np.zeros((L, D, H), case.x.dtype)
    for layer, direction in np.ndindex(L, D):
        end = f"_l{layer}" + "_reverse" * direction
        b[layer, direction] = p["bias_ih" + end] + p["bias_hh" + end]
        if layer == 0:
            w0[direction, :H, :I], w0[direction, H:, I:] = p["weight_ih" + end], p["weight_hh" + end]
        else:
            w[layer - 1, direction] = np.concatenate([p["weight_ih" + end], p["weight_hh" + end]], axis=1)
    return rnn(case.x, case.h_0.reshape(L, D, -1, H), w0, w, b, num_layers=L, bidirectional=c.bidirectional)
