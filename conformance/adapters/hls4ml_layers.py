"""hls4ml: GRU and LSTM of PyTorch, converted for its backend Vivado in fixed point, and compiled for this CPU.

A layer shows its last output. Numbers of 16 bits, 6 of them before the point, are its default; tanh and sigmoid are
read off tables. A C++ compiler makes a library of each model, which takes some ten seconds.
Source: https://fastmachinelearning.org/hls4ml/frontend/pytorch.html
"""

from copy import copy
from tempfile import TemporaryDirectory

import numpy as np
import torch
from hls4ml.converters import convert_from_pytorch_model
from hls4ml.utils import config_from_pytorch_model

from conformance.adapters.pytorch import load
from conformance.claims.capabilities import Capabilities

capabilities = Capabilities(
    cells=("GRU", "LSTM"),
    outputs=("h_n",),
    sizes={"steps": (4,), "input_size": (3,), "hidden_size": (5,)},
    recompiles="model",
    arithmetic="fixed<16,6>",
    fixed={"rounding": "cut", "entries": 1024, "reach": 8},
)


models: dict = {}  # by configuration and parameters


class OneState(torch.nn.Module):
    """A layer that is given its initial state."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x, h_0):
        """The output."""
        return self.layer(x, h_0)[0]


class TwoStates(OneState):
    """The same for LSTM."""

    def forward(self, x, h_0, c_0):
        """The output."""
        return self.layer(x, (h_0, c_0))[0]


def forward(case):
    """h_n of one case; what is not shown is None."""
    states = [state[0] for state in (case.h_0, case.c_0) if state is not None]
    inputs = [np.ascontiguousarray(array) for array in (case.x.swapaxes(0, 1), *states)]
    key = (repr(case.config), *(array.tobytes() for array in case.parameters.values()))
    if key not in models:
        models[key] = compiled(case, [(None, *array.shape[1:]) for array in inputs])
    h_n = models[key][0].predict(inputs).reshape(1, *states[0].shape)
    return None, (h_n, None) if case.config.cell == "LSTM" else h_n


def compiled(case, shapes):
    """The model of a case, and the folder that it reads its weights from."""
    layer, folder = copy(load(case)), TemporaryDirectory()
    layer.batch_first = True  # it takes no other
    module = (OneState if case.c_0 is None else TwoStates)(layer).eval()
    config = config_from_pytorch_model(module, shapes, channels_last_conversion="off", transpose_outputs=False)
    model = convert_from_pytorch_model(module, output_dir=folder.name, backend="Vivado", hls_config=config)
    model.compile()
    return model, folder
