"""paddle.nn.SimpleRNN (tanh and relu), GRU (reset after) and LSTM. Names and layouts of the parameters are PyTorch's.

A state that is not given is zero. What stands in a row's padding is ignored.
Source: https://www.paddlepaddle.org.cn/documentation/docs/en/api/paddle/nn/LSTM_en.html
"""

from functools import lru_cache

import paddle

from conformance.claims.capabilities import Capabilities

capabilities = Capabilities(
    cells=("RNN_TANH", "RNN_RELU", "GRU", "LSTM"),
    dtypes=("float32", "float64"),
    bidirectional=True,
    max_layers=None,
    default_state=True,
    lengths=True,
    nonfinite=True,
    batch_first=True,
    dropout=True,
    gradients=True,
)
KINDS = {
    "RNN_TANH": (paddle.nn.SimpleRNN, {"activation": "tanh"}),
    "RNN_RELU": (paddle.nn.SimpleRNN, {"activation": "relu"}),
    "GRU": (paddle.nn.GRU, {}),
    "LSTM": (paddle.nn.LSTM, {}),
}


def forward(case):
    """output and h_n, or output and (h_n, c_n), of one case."""
    with paddle.no_grad():
        output, *final = (tensor.numpy() for tensor in run(case, load(case), *tensors(case)))
    return output, tuple(final) if case.config.cell == "LSTM" else final[0]


def gradients(case, d_output, d_h_n, d_c_n):
    """The gradients of x, the states and the parameters, and the results of the same run."""
    module, (x, states) = load(case), tensors(case)
    parameters = dict(module.named_parameters())
    named = {name: parameters[name] for name in case.parameters} | {"x": x} | dict(zip(("h_0", "c_0"), states))
    for tensor in named.values():
        tensor.stop_gradient = False
        tensor.clear_grad()
    results = run(case, module, x, states)
    given = [(result, d) for result, d in zip(results, (d_output, d_h_n, d_c_n)) if d is not None]
    paddle.autograd.backward([r for r, _ in given], [paddle.to_tensor(d.copy(), r.dtype) for r, d in given])
    found = {name: paddle.zeros_like(t) if t.grad is None else t.grad for name, t in named.items()}
    found |= dict(zip(("output", "h_n", "c_n"), results))
    return {name: tensor.numpy() for name, tensor in found.items()}


def run(case, module, x, states):
    """output, h_n and, for LSTM, c_n."""
    state = tuple(states) if len(states) == 2 else states[0] if states else None
    lengths = None if case.lengths is None else paddle.to_tensor(case.lengths.astype("int32"))
    output, final = module(x, state, lengths)
    return output, *(final if isinstance(final, tuple) else (final,))


def load(case):
    """The module of a case, with its parameters."""
    c = case.config
    module = build(
        c.cell, c.input_size, c.hidden_size, c.num_layers, c.bidirectional, c.batch_first, c.dropout, c.bias, c.dtype
    )
    parameters = dict(module.named_parameters())
    for name, array in case.parameters.items():
        parameters[name].set_value(array.copy())
    module.train() if case.training else module.eval()
    return module


@lru_cache(maxsize=256)
def build(cell, input_size, hidden_size, num_layers, bidirectional, batch_first, dropout, bias, dtype):
    """A module of this shape; its weights are set for every case."""
    kind, options = KINDS[cell]
    paddle.set_default_dtype(dtype)
    attr = None if bias else False
    return kind(
        input_size, hidden_size, num_layers, "bidirect" if bidirectional else "forward", time_major=not batch_first,
        dropout=dropout, bias_ih_attr=attr, bias_hh_attr=attr, **options,
    )  # fmt: skip


def tensors(case):
    """x and the initial states that are given, as tensors."""
    return paddle.to_tensor(case.x.copy()), [
        paddle.to_tensor(state.copy()) for state in (case.h_0, case.c_0) if state is not None
    ]
