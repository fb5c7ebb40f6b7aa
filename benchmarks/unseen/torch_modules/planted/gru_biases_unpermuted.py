"""Recurrent networks as modules of PyTorch: rows sorted and packed, loops over steps, gradients by autograd."""

from functools import lru_cache

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from conformance import Capabilities

capabilities = Capabilities(
    cells=("RNN_TANH", "RNN_RELU", "GRU", "GRU_RESET_BEFORE", "LSTM"),
    dtypes=("float32", "float64", "float16", "bfloat16"),
    max_layers=None,
    bidirectional=True,
    no_bias=True,
    projections=True,
    default_state=True,
    lengths=True,
    empty=True,
    batch_first=True,
    unbatched=True,
    dropout=True,
    nonfinite=True,
    gradients=True,
)
torch.set_num_threads(1)


class Cell(nn.Module):
    """One step of one layer and direction; x comes in projected."""

    gates = 1
    states = 1

    def __init__(self, input_size, hidden_size, bias, proj_size, dtype):
        super().__init__()
        self.hidden_size = hidden_size
        self.width = proj_size or hidden_size
        rows = self.gates * hidden_size

        def parameter(*shape):
            return nn.Parameter(torch.empty(*shape, dtype=dtype))

        self.weight_ih = parameter(rows, input_size)
        self.weight_hh = parameter(rows, self.width)
        self.bias_ih = parameter(rows) if bias else None
        self.bias_hh = parameter(rows) if bias else None
        self.weight_hr = parameter(proj_size, hidden_size) if proj_size else None

    def project(self, x):
        return F.linear(x, self.weight_ih, self.bias_ih)

    def step(self, x, state):
        raise NotImplementedError

    def widths(self):
        return (self.width, self.hidden_size)[: self.states]


class TanhCell(Cell):
    def step(self, x, state):
        (h,) = state
        return (torch.tanh(x + F.linear(h, self.weight_hh, self.bias_hh)),)


class ReluCell(Cell):
    def step(self, x, state):
        (h,) = state
        return (torch.relu(x + F.linear(h, self.weight_hh, self.bias_hh)),)


class GRUCell(Cell):
    """The reset gate after the recurrent product."""

    gates = 3

    def step(self, x, state):
        (h,) = state
        x_r, x_z, x_n = x.chunk(3, dim=-1)
        h_r, h_z, h_n = F.linear(h, self.weight_hh, self.bias_hh).chunk(3, dim=-1)
        r = torch.sigmoid(x_r + h_r)
        z = torch.sigmoid(x_z + h_z)
        n = torch.tanh(x_n + r * h_n)
        return ((1 - z) * n + z * h,)


class ResetBeforeCell(Cell):
    """The reset gate before the recurrent product."""

    gates = 3

    def step(self, x, state):
        (h,) = state
        H = self.hidden_size
        weight_rz, weight_n = self.weight_hh.split([2 * H, H])
        bias_rz, bias_n = (None, None) if self.bias_hh is None else self.bias_hh.split([2 * H, H])
        x_rz, x_n = x.split([2 * H, H], dim=-1)
        z, r = torch.sigmoid(x_rz + F.linear(h, weight_rz, bias_rz)).chunk(2, dim=-1)
        n = torch.tanh(x_n + F.linear(r * h, weight_n, bias_n))
        return ((1 - z) * n + z * h,)


class LSTMCell(Cell):
    gates = 4
    states = 2

    def step(self, x, state):
        h, c = state
        i, f, g, o = (x + F.linear(h, self.weight_hh, self.bias_hh)).chunk(4, dim=-1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        if self.weight_hr is not None:
            h = F.linear(h, self.weight_hr)
        return h, c


CELLS = {
    "RNN_TANH": TanhCell,
    "RNN_RELU": ReluCell,
    "GRU": GRUCell,
    "GRU_RESET_BEFORE": ResetBeforeCell,
    "LSTM": LSTMCell,
}


class Direction(nn.Module):
    """A cell in its loop over packed steps: of step t, the first rows[t] rows are there."""

    def __init__(self, cell, reverse):
        super().__init__()
        self.cell = cell
        self.reverse = reverse

    def forward(self, data, rows, state):
        projected = self.cell.project(data).split(rows)
        outputs = [None] * len(rows)
        steps = range(len(rows))
        for t in reversed(steps) if self.reverse else steps:
            live = rows[t]
            new = self.cell.step(projected[t], [s[:live] for s in state])
            outputs[t] = new[0]
            state = [torch.cat([n, s[live:]]) for n, s in zip(new, state)]
        output = torch.cat(outputs) if outputs else data.new_zeros(0, self.cell.width)
        return output, state


class Network(nn.Module):
    """Layers of one or two directions."""

    def __init__(
        self, cell, input_size, hidden_size, num_layers, bidirectional, bias, batch_first, dropout, proj_size, dtype
    ):
        super().__init__()
        self.batch_first = batch_first
        self.dropout = dropout
        self.num_directions = 2 if bidirectional else 1
        self.layers = nn.ModuleList()
        for layer in range(num_layers):
            width = self.num_directions * (proj_size or hidden_size) if layer else input_size
            self.layers.append(
                nn.ModuleList(
                    Direction(CELLS[cell](width, hidden_size, bias, proj_size, dtype), reverse=direction == 1)
                    for direction in range(self.num_directions)
                )
            )

    def named(self):
        """Each parameter, by the name that PyTorch gives it."""
        for layer, directions in enumerate(self.layers):
            for direction in directions:
                suffix = f"_l{layer}" + ("_reverse" if direction.reverse else "")
                for name, parameter in direction.cell.named_parameters():
                    yield name + suffix, parameter

    @torch.no_grad()
    def load(self, parameters):
        for name, parameter in self.named():
            value = torch.tensor(np.ascontiguousarray(parameters[name]))
            if isinstance(self.layers[0][0].cell, ResetBeforeCell) and value.dim() == 2:
                r, z, n = value.chunk(3)
                value = torch.cat([z, r, n])
            parameter.copy_(value)

    def forward(self, x, states=None, lengths=None):
        """Output and final states of x, in the layout of x."""
        batched = x.dim() == 3
        if not batched:
            x = x.unsqueeze(1)
            states = states and [s.unsqueeze(1) for s in states]
        elif self.batch_first:
            x = x.transpose(0, 1)
        T, N, _ = x.shape
        if states is None:
            count = len(self.layers) * self.num_directions
            states = [x.new_zeros(count, N, width) for width in self.layers[0][0].cell.widths()]
        rows = [N] * T
        if lengths is not None:
            order = lengths.argsort(descending=True)
            x = x.index_select(1, order)
            states = [s.index_select(1, order) for s in states]
            rows = [int((lengths > t).sum()) for t in range(T)]
        data, finals = self.run(pack(x, rows), rows, states)
        output = pad(data, rows, N)
        if lengths is not None:
            back = order.argsort()
            output = output.index_select(1, back)
            finals = [s.index_select(1, back) for s in finals]
        if not batched:
            return output.squeeze(1), [s.squeeze(1) for s in finals]
        return output.transpose(0, 1) if self.batch_first else output, finals

    def run(self, data, rows, states):
        """The same for packed rows."""
        finals = []
        for layer, directions in enumerate(self.layers):
            if layer > 0:
                data = F.dropout(data, self.dropout, self.training)
            halves = []
            for k, direction in enumerate(directions, layer * self.num_directions):
                half, final = direction(data, rows, [s[k] for s in states])
                halves.append(half)
                finals.append(final)
            data = torch.cat(halves, dim=-1)
        return data, [torch.stack(parts) for parts in zip(*finals)]


def pack(x, rows):
    """The first rows[t] rows of each step, one step behind the other."""
    parts = [step[:live] for step, live in zip(x, rows)]
    return torch.cat(parts) if parts else x.new_zeros(0, x.shape[-1])


def pad(data, rows, N):
    """The steps one behind the other as an array, zeros in the place of rows that have ended."""
    steps = [F.pad(step, (0, 0, 0, N - live)) for step, live in zip(data.split(rows), rows)]
    return torch.stack(steps) if steps else data.new_zeros(0, N, data.shape[-1])


@lru_cache(maxsize=64)
def build(cell, input_size, hidden_size, num_layers, bidirectional, bias, batch_first, dropout, proj_size, dtype):
    """A network of this shape; its weights are loaded at every call."""
    return Network(
        cell, input_size, hidden_size, num_layers, bidirectional, bias, batch_first, dropout, proj_size, dtype
    )


def work(case):
    """The dtype that is computed in: sums of half precision are those of float32."""
    return torch.float64 if case.config.dtype == "float64" else torch.float32


def network(case):
    c = case.config
    module = build(
        str(c.cell),
        c.input_size,
        c.hidden_size,
        c.num_layers,
        c.bidirectional,
        c.bias,
        c.batch_first,
        c.dropout,
        c.proj_size,
        work(case),
    )
    module.load(case.parameters)
    return module.train(case.training)


def tensor(array, dtype):
    return torch.tensor(np.ascontiguousarray(array)).to(dtype)


def inputs(case):
    """x, the states or None, the lengths or None."""
    x = tensor(case.x, work(case))
    given = [case.h_0, case.c_0] if str(case.config.cell) == "LSTM" else [case.h_0]
    states = None if case.h_0 is None else [tensor(s, work(case)) for s in given]
    lengths = None if case.lengths is None else torch.tensor(np.ascontiguousarray(case.lengths, np.int64))
    return x, states, lengths


def array(result, case):
    """A result in the dtype of the case; bfloat16 in float32."""
    result = result.detach().to(getattr(torch, case.config.dtype))
    return (result.float() if result.dtype == torch.bfloat16 else result).numpy()


@torch.no_grad()
def forward(case):
    output, finals = network(case)(*inputs(case))
    output, *finals = (array(result, case) for result in (output, *finals))
    return output, tuple(finals) if len(finals) == 2 else finals[0]


def restored(name, grad, case):
    """The gradient of a weight in the order of the case."""
    if str(case.config.cell) != "GRU_RESET_BEFORE" or not name.startswith("weight"):
        return grad
    z, r, n = grad.chunk(3)
    return torch.cat([r, z, n])


def gradients(case, d_output, d_h_n, d_c_n):
    module = network(case)
    x, states, lengths = inputs(case)
    leaves = {"x": x} | dict(zip(("h_0", "c_0"), states or ()))
    for leaf in leaves.values():
        leaf.requires_grad_()
    module.zero_grad()
    output, finals = module(x, states, lengths)
    results = dict(zip(("output", "h_n", "c_n"), (output, *finals)))
    pairs = [
        (result, tensor(d, result.dtype))
        for result, d in zip(results.values(), (d_output, d_h_n, d_c_n))
        if d is not None and result.requires_grad
    ]
    if pairs:  # without a step and a given state nothing depends on anything
        torch.autograd.backward(*zip(*pairs))
    found = {
        name: array(torch.zeros_like(leaf) if leaf.grad is None else restored(name, leaf.grad, case), case)
        for name, leaf in (leaves | dict(module.named())).items()
    }
    return found | {name: array(result, case) for name, result in results.items()}
