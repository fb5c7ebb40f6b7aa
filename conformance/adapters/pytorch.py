"""torch.nn.RNN, GRU and LSTM. Names and layouts of the parameters are already theirs.

Other forms of PyTorch prepare a case in another way: see pytorch_script.py.
Source: https://docs.pytorch.org/docs/stable/nn.html#recurrent-layers
"""

from functools import lru_cache, partial

import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from conformance.claims.capabilities import Capabilities

torch.set_num_threads(1)

capabilities = Capabilities(
    cells=("RNN_TANH", "RNN_RELU", "GRU", "LSTM"),
    dtypes=("float32", "float64", "float16", "bfloat16"),
    bidirectional=True,
    max_layers=None,
    no_bias=True,
    default_state=True,
    lengths=True,
    nonfinite=True,
    batch_first=True,
    unbatched=True,
    dropout=True,
    projections=True,
    gradients=True,
)


def forward_of(prepare):
    """The forward of a form: ``prepare(case)`` returns a function of x and the states, and parameters by name."""

    def forward(case):
        """output and h_n, or output and (h_n, c_n), of one case, as NumPy arrays."""
        call, _ = prepare(case)
        with torch.no_grad():
            output, final = call(*tensors(case))
        return as_numpy(output), tuple(map(as_numpy, final)) if case.config.cell == "LSTM" else as_numpy(final[0])

    return forward


def gradients_of(prepare):
    """The gradients of a form: ``prepare`` as in ``forward_of``."""

    def gradients(case, d_output, d_h_n, d_c_n):
        """The gradients of x, the states and the parameters, as autograd has them, and the results of the same run."""
        (call, parameters), (x, states) = prepare(case), tensors(case)
        named = parameters | {"x": x} | dict(zip(("h_0", "c_0"), states))
        for tensor in named.values():
            tensor.requires_grad_().grad = None
        output, final = call(x, states)
        given = [(result, d) for result, d in zip((output, *final), (d_output, d_h_n, d_c_n)) if d is not None]
        torch.autograd.backward(
            [result for result, _ in given], [torch.from_numpy(d.copy()).to(result) for result, d in given]
        )
        found = {name: torch.zeros_like(t) if t.grad is None else t.grad for name, t in named.items()}
        own = zip(("output", "h_n", "c_n"), (output, *final))
        return {name: as_numpy(array) for name, array in (*found.items(), *own)}

    return gradients


def prepare(case):
    """The module as it is, and its parameters."""
    module = load(case)
    return partial(run, case, module), dict(module.named_parameters())


def run(case, module, x, states):
    """output, and the final states as a tuple; x is packed by lengths where there are any."""
    if case.lengths is not None:
        lengths = torch.as_tensor(case.lengths.astype("int64"), device="cpu")  # wherever x is
        x = pack_padded_sequence(x, lengths, case.config.batch_first, enforce_sorted=False)
    output, final = module(x, as_state(states))
    if case.lengths is not None:
        steps = case.x.shape[1 if case.config.batch_first else 0]
        output, _ = pad_packed_sequence(output, case.config.batch_first, total_length=steps)
    return output, final if isinstance(final, tuple) else (final,)


def as_state(states):
    """The states as a module takes them: a pair, one, or none."""
    return tuple(states) if len(states) == 2 else states[0] if states else None


def load(case):
    """The module of a case, with its parameters."""
    c = case.config
    module = build(
        c.cell, c.input_size, c.hidden_size, c.num_layers, c.bias, c.batch_first, c.dropout, c.bidirectional,
        c.proj_size, c.dtype, torch.get_default_device(),
    )  # fmt: skip
    for name, parameter in module.named_parameters():  # as load_state_dict, in a quarter of its time
        parameter.data = tensor(case.parameters[name], c.dtype)
    return module.train(case.training)


@lru_cache(maxsize=256)
def build(cell, *sizes_and_options):
    """A module of this shape; its weights are set for every case."""
    *options, proj_size, dtype, device = sizes_and_options
    others = {"dtype": getattr(torch, dtype), "device": device}
    if cell in ("RNN_TANH", "RNN_RELU"):
        others["nonlinearity"] = cell.removeprefix("RNN_").lower()
    if cell == "LSTM":
        others["proj_size"] = proj_size
    names = ("input_size", "hidden_size", "num_layers", "bias", "batch_first", "dropout", "bidirectional")
    return getattr(torch.nn, cell.partition("_")[0])(**dict(zip(names, options)), **others)


def tensors(case):
    """x and the initial states that are given, as tensors."""
    states = [state for state in (case.h_0, case.c_0) if state is not None]
    return tensor(case.x, case.config.dtype), [tensor(state, case.config.dtype) for state in states]


def tensor(array, dtype):
    """A tensor with a copy of the numbers, whatever their memory layout, on the default device."""
    return torch.as_tensor(array.copy(), dtype=getattr(torch, dtype))


def as_numpy(tensor):
    """The numbers as NumPy has them: bfloat16 in float32."""
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).detach().cpu().numpy()


forward = forward_of(prepare)
gradients = gradients_of(prepare)
