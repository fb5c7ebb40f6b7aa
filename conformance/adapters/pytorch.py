"""torch.nn.RNN. Names and layouts of the parameters are already theirs."""

from functools import lru_cache

import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from conformance.target.capabilities import Capabilities

torch.set_num_threads(1)

capabilities = Capabilities(
    cells=("RNN_TANH", "RNN_RELU"),
    dtypes=("float32", "float64"),
    bidirectional=True,
    max_layers=None,
    no_bias=True,
    default_state=True,
    lengths=True,
    nonfinite=True,
    batch_first=True,
    unbatched=True,
    dropout=True,
)


def forward(case):
    """output and h_n of one case, as NumPy arrays."""
    module = build(
        case.config.cell, case.config.input_size, case.config.hidden_size, case.config.num_layers,
        case.config.bias, case.config.batch_first, case.config.dropout, case.config.bidirectional, case.config.dtype,
    )  # fmt: skip
    dtype = getattr(torch, case.config.dtype)
    module.load_state_dict({name: tensor(array, dtype) for name, array in case.parameters.items()})
    h_0 = None if case.h_0 is None else tensor(case.h_0, dtype)
    module.train(case.training)
    with torch.no_grad():
        output, h_n = module(packed(case, dtype), h_0)
    if case.lengths is not None:
        steps = case.x.shape[1 if case.config.batch_first else 0]
        output, _ = pad_packed_sequence(output, case.config.batch_first, total_length=steps)
    return as_numpy(output), as_numpy(h_n)


@lru_cache(maxsize=256)
def build(cell, input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, dtype):
    """A module of this shape; its weights are set for every case."""
    return torch.nn.RNN(
        input_size, hidden_size, num_layers, cell.removeprefix("RNN_").lower(), bias, batch_first, dropout,
        bidirectional, dtype=getattr(torch, dtype),
    )  # fmt: skip


def packed(case, dtype):
    """x, packed by lengths where there are any."""
    if case.lengths is None:
        return tensor(case.x, dtype)
    lengths = torch.as_tensor(case.lengths)
    return pack_padded_sequence(tensor(case.x, dtype), lengths, case.config.batch_first, enforce_sorted=False)


def tensor(array, dtype):
    """A tensor with a copy of the numbers, whatever their memory layout."""
    return torch.tensor(array.copy(), dtype=dtype)


def as_numpy(tensor):
    """The numbers as NumPy has them: bfloat16 in float32."""
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()
