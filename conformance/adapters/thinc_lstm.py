"""thinc.api.LSTM ("LSTM.v1"), Thinc's own LSTM: a list of sequences goes in and comes out, without final states.

Its parameters are one array: for each layer and direction W, b, U and b, each with the gates f, i, o, c. Their initial
states are parameters too, which all rows share, and zero here.
Source: https://thinc.ai/docs/api-layers#lstm
"""

import numpy as np
from thinc.api import LSTM, with_padded

from conformance.claims.capabilities import Capabilities
from reference_rnn.layouts import reordered

capabilities = Capabilities(
    cells=("LSTM",),
    bidirectional=True,
    max_layers=None,
    initial_state=False,
    lengths=True,
    nonfinite=True,
    gradients=True,
    outputs=("output",),
    cotangents=("d_output",),
)


def forward(case):
    """output of one case, and no final states."""
    rows = load(case).predict(sequences(case, case.x))
    return padded(case, rows), (None, None)


def gradients(case, d_output, _d_h_n, _d_c_n):
    """The gradients of x and of the parameters, and the output of the same run."""
    model = load(case)
    rows, backprop = model.begin_update(sequences(case, case.x))
    output = padded(case, rows)
    d_x = padded(case, backprop(sequences(case, d_output)))
    found, at = {"x": d_x, "output": output}, 0
    d_parameters = model.layers[0].get_grad("LSTM")
    for name in in_order(case):
        shape = case.parameters[name].shape
        part = d_parameters[at : at + np.prod(shape)].reshape(shape)
        found[name], at = reordered(part, "fiog", "ifgo"), at + part.size
    return found


def load(case):
    """The model of a case, with its parameters."""
    c = case.config
    model = with_padded(LSTM(c.num_directions * c.hidden_size, c.input_size, bi=c.bidirectional, depth=c.num_layers))
    model.initialize()
    parts = [reordered(case.parameters[name], "ifgo", "fiog").ravel() for name in in_order(case)]
    model.layers[0].set_param("LSTM", np.concatenate(parts))
    return model


def in_order(case):
    """The names of the parameters as Thinc has them in a row."""
    ends = [name.removeprefix("weight_ih") for name in case.parameters if name.startswith("weight_ih")]
    return [kind + end for end in ends for kind in ("weight_ih", "bias_ih", "weight_hh", "bias_hh")]


def sequences(case, array):
    """The rows of an array (T, N, *), each at its length."""
    lengths = [len(array)] * array.shape[1] if case.lengths is None else case.lengths
    return [np.ascontiguousarray(array[:length, row]) for row, length in enumerate(lengths)]


def padded(case, rows):
    """The array (T, N, *) of rows, with zeros behind their ends."""
    array = np.zeros((len(case.x), len(rows), rows[0].shape[1]), "float32")
    for row, values in enumerate(rows):
        array[: len(values), row] = values
    return array
