"""brevitas.nn.QuantRNN (tanh and relu) and QuantLSTM with all quantizers off: layers in floating point.

They load the parameters of torch.nn.RNN and LSTM; an LSTM takes h and c as arguments of their own.
Source: https://xilinx.github.io/brevitas/dev/api_reference/brevitas.nn.html
"""

from functools import lru_cache

import brevitas.nn

from conformance.adapters.pytorch import forward_of, tensor
from conformance.claims.capabilities import Capabilities

capabilities = Capabilities(
    cells=("RNN_TANH", "RNN_RELU", "LSTM"),
    dtypes=("float32",),
    bidirectional=True,
    max_layers=None,
    no_bias=True,
    default_state=True,
    nonfinite=True,
    batch_first=True,
)
OFF = dict.fromkeys(("weight_quant", "bias_quant", "io_quant", "gate_acc_quant"))


def prepare(case):
    """The module of a case as a function of x and the states; its parameters are those of gates, and not handed out."""
    c = case.config
    module = build(c.cell, c.input_size, c.hidden_size, c.num_layers, c.bias, c.batch_first, c.bidirectional)
    module.load_state_dict({name: tensor(array, c.dtype) for name, array in case.parameters.items()})

    def call(x, states):
        output, final = module(x, *states)
        return output, final if isinstance(final, tuple) else (final,)

    return call, {}


@lru_cache(maxsize=256)
def build(cell, *sizes_and_options):
    """A module of this shape; its weights are set for every case."""
    if cell == "LSTM":
        others = dict.fromkeys(("sigmoid_quant", "tanh_quant", "cell_state_quant"))
        return brevitas.nn.QuantLSTM(*sizes_and_options, **OFF, **others).eval()
    *sizes, bias, batch_first, bidirectional = sizes_and_options
    return brevitas.nn.QuantRNN(
        *sizes,
        nonlinearity=cell.removeprefix("RNN_").lower(),
        bias=bias,
        batch_first=batch_first,
        bidirectional=bidirectional,
        **OFF,
    ).eval()


forward = forward_of(prepare)
