"""Keras 3: the layers SimpleRNN, GRU (reset_after both ways) and LSTM, with Bidirectional around them.

The backend is the one that KERAS_BACKEND names, else torch. A step that is masked is ignored, so a row
without steps keeps its state. Keras' ``dropout`` drops something else than what lies between layers.
Source: https://keras.io/api/layers/recurrent_layers/
"""

import os
from functools import lru_cache

import numpy as np

os.environ.setdefault("KERAS_BACKEND", "torch")  # before the import, which reads it
import keras

from conformance.claims.capabilities import Capabilities
from reference_rnn.layouts import to_keras

capabilities = Capabilities(
    cells=("RNN_TANH", "RNN_RELU", "GRU", "GRU_RESET_BEFORE", "LSTM"),
    dtypes=("float32", "float64"),
    bidirectional=True,
    max_layers=None,
    no_bias=True,
    default_state=True,
    lengths=True,
    empty=("length",),
    nonfinite=True,
    recompiles=keras.backend.backend() == "jax",
)
LAYERS = {
    "RNN_TANH": (keras.layers.SimpleRNN, {"activation": "tanh"}),
    "RNN_RELU": (keras.layers.SimpleRNN, {"activation": "relu"}),
    "GRU": (keras.layers.GRU, {"reset_after": True}),
    "GRU_RESET_BEFORE": (keras.layers.GRU, {"reset_after": False}),
    "LSTM": (keras.layers.LSTM, {}),
}


def forward(case):
    """output and h_n, or output and (h_n, c_n), of one case."""
    c, x, finals = case.config, case.x.swapaxes(0, 1), []  # Keras is batch-first
    mask = None if case.lengths is None else np.arange(case.x.shape[0]) < case.lengths[:, None]
    per_direction = 2 if c.cell == "LSTM" else 1  # states, which Keras takes and gives as h, c, h, c
    made = build(c.cell, c.input_size, c.hidden_size, c.num_layers, c.bidirectional, c.bias, c.dtype)
    for index, layer in enumerate(made):
        directions = range(c.num_directions)
        layer.set_weights([array for d in directions for array in to_keras(case.parameters, c.cell, index, d)])
        rows = [index * c.num_directions + d for d in directions]
        given = [state[row] for row in rows for state in (case.h_0, case.c_0) if state is not None]
        x, *states = layer(x, mask=mask, initial_state=given or None)
        finals += map(keras.ops.convert_to_numpy, states)
    output = keras.ops.convert_to_numpy(x).swapaxes(0, 1)
    h_n, *c_n = (np.stack(finals[kind::per_direction]) for kind in range(per_direction))
    return output, (h_n, *c_n) if c_n else h_n


@lru_cache(maxsize=256)
def build(cell, input_size, hidden_size, num_layers, bidirectional, bias, dtype):
    """The layers of a configuration; their weights are set for every case."""
    kind, options = LAYERS[cell]
    made = []
    for index in range(num_layers):
        layer = kind(
            hidden_size, return_sequences=True, return_state=True, zero_output_for_mask=True, use_bias=bias,
            dtype=dtype, **options,
        )  # fmt: skip
        made.append(keras.layers.Bidirectional(layer, dtype=dtype) if bidirectional else layer)
        width = hidden_size * (1 + bidirectional) if index else input_size
        made[-1].build((None, None, width))
    return made
