"""mindspore.nn.RNN (tanh and relu), GRU (reset after) and LSTM on the CPU, with PyTorch's names and layouts.

Source: https://www.mindspore.cn/docs/en/master/api_python/nn/mindspore.nn.LSTM.html
"""

from functools import lru_cache

import mindspore
from mindspore import Tensor, nn

from conformance.claims.capabilities import Capabilities

capabilities = Capabilities(
    cells=("RNN_TANH", "RNN_RELU", "GRU", "LSTM"),
    dtypes=("float32", "float16"),
    bidirectional=True,
    max_layers=None,
    no_bias=True,
    lengths=True,
    nonfinite=True,
    batch_first=True,
    dropout="open",
    gradients=True,
)
KINDS = {
    "RNN_TANH": (nn.RNN, {"nonlinearity": "tanh"}),
    "RNN_RELU": (nn.RNN, {"nonlinearity": "relu"}),
    "GRU": (nn.GRU, {}),
    "LSTM": (nn.LSTM, {}),
}
mindspore.set_device("CPU")


def forward(case):
    """output and h_n, or output and (h_n, c_n), of one case."""
    output, *final = (tensor.asnumpy() for tensor in run(case, load(case))(*tensors(case)))
    return output, tuple(final) if case.config.cell == "LSTM" else final[0]


def gradients(case, *cotangents):
    """The gradients of x, the states and the parameters, and the results of the same run."""
    module = load(case)
    function, given, weights = run(case, module), tensors(case), list(module.trainable_params())
    results = function(*given)
    sens = tuple(
        mindspore.ops.zeros_like(result) if d is None else Tensor(d.copy()) for result, d in zip(results, cotangents)
    )
    both = mindspore.ops.GradOperation(get_all=True, get_by_list=True, sens_param=True)(function, weights)
    of_inputs, of_weights = both(*given, sens)
    found = dict(zip(("x", "h_0", "c_0"), of_inputs)) | dict(zip((w.name for w in weights), of_weights))
    return {name: tensor.asnumpy() for name, tensor in (found | dict(zip(("output", "h_n", "c_n"), results))).items()}


def run(case, module):
    """A function from x and the states to output, h_n and, for LSTM, c_n."""
    lengths = None if case.lengths is None else Tensor(case.lengths.astype("int32"))

    def function(x, *states):
        output, final = module(x, states if len(states) == 2 else states[0], lengths)
        return (output, *final) if len(states) == 2 else (output, final)

    return function


def load(case):
    """The module of a case, with its parameters."""
    c = case.config
    module = build(
        c.cell, c.input_size, c.hidden_size, c.num_layers, c.bias, c.batch_first, c.dropout, c.bidirectional, c.dtype
    )
    for parameter in module.trainable_params():
        parameter.set_data(Tensor(case.parameters[parameter.name].copy()))
    module.set_train(case.training)
    return module


@lru_cache(maxsize=256)
def build(cell, input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, dtype):
    """A module of this shape; its weights are set for every case."""
    kind, options = KINDS[cell]
    return kind(
        input_size, hidden_size, num_layers, has_bias=bias, batch_first=batch_first, dropout=float(dropout),
        bidirectional=bidirectional, dtype=getattr(mindspore, dtype), **options,
    )  # fmt: skip


def tensors(case):
    """x and the initial states."""
    return [Tensor(array.copy()) for array in (case.x, case.h_0, case.c_0) if array is not None]
