"""Stages of chains that begin with PyTorch: programs, and the ways out of it.

Sources: https://docs.pytorch.org/docs/stable/onnx.html and https://docs.pytorch.org/docs/stable/export.html
"""

import copy
import io
import logging

import torch

from conformance.adapters.pytorch import load

STEPS, ROWS = 6, 3  # of the example that a program is exported with; both are declared to be dynamic
logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # which tells what else is not installed
INPUTS, RESULTS = ("x", "h_0", "c_0"), ("output", "h_n", "c_n")
T, N = torch.export.Dim("T"), torch.export.Dim("N")


class OneState(torch.nn.Module):
    """A module of torch.nn whose arguments and results are tensors and no tuples."""

    def __init__(self, layers):
        super().__init__()
        self.layers = layers

    def forward(self, x: torch.Tensor, h_0: torch.Tensor):
        """Output and h_n."""
        output, h_n = self.layers(x, h_0)
        return output, h_n


class TwoStates(torch.nn.Module):
    """The same for LSTM."""

    def __init__(self, layers):
        super().__init__()
        self.layers = layers

    def forward(self, x: torch.Tensor, h_0: torch.Tensor, c_0: torch.Tensor):
        """Output, h_n and c_n."""
        output, (h_n, c_n) = self.layers(x, (h_0, c_0))
        return output, h_n, c_n


class Program:
    """Something to call with tensors, and an example of them; called with arrays by name, it returns arrays by name."""

    def __init__(self, function, example):
        self.function = function
        self.example = example

    def __call__(self, inputs):
        """Results by name, of arrays by name."""
        with torch.no_grad():
            results = self.function(*(torch.tensor(inputs[name]) for name in INPUTS if name in inputs))
        return {name: result.numpy() for name, result in zip(RESULTS, results)}

    @property
    def states(self):
        """How many states there are."""
        return len(self.example) - 1


def program(case):
    """The module of torch.nn of a case, with its parameters."""
    c, layers = case.config, copy.deepcopy(load(case)).eval()
    states = 2 if c.cell == "LSTM" else 1
    x = torch.zeros(STEPS, ROWS, c.input_size)
    example = x, *[torch.zeros(c.num_layers * c.num_directions, ROWS, c.hidden_size) for _ in range(states)]
    return Program((TwoStates if states == 2 else OneState)(layers).eval(), example)


def export(program):
    """torch.export, with steps and rows declared to be dynamic."""
    exported = torch.export.export(program.function, program.example, dynamic_shapes=dynamic(program))
    return Program(exported.module(), program.example)


def script(program):
    """torch.jit.script."""
    return Program(torch.jit.script(program.function), program.example)


def compile(program):
    """torch.compile as one graph; it is compiled here, so that what cannot be is refused."""
    compiled = torch.compile(program.function, fullgraph=True, dynamic=True)
    with torch.no_grad():
        compiled(*program.example)
    return Program(compiled, program.example)


def onnx(program):
    """torch.onnx.export as it comes."""
    return exported(program, dynamic_shapes=dynamic(program))


def onnx_dynamo(program):
    """torch.onnx.export by torch.export."""
    return exported(program, dynamic_shapes=dynamic(program), dynamo=True)


def onnx_script(program):
    """torch.onnx.export by TorchScript, the way before that."""
    inputs, results = names(program)
    axes = {name: {0: "T", 1: "N"} if name in ("x", "output") else {1: "N"} for name in (*inputs, *results)}
    return exported(program, dynamic_axes=axes, dynamo=False)


def exported(program, **options):
    """An onnx.ModelProto of a program."""
    import onnx

    inputs, results = names(program)
    file = io.BytesIO()
    torch.onnx.export(program.function, program.example, file, input_names=inputs, output_names=results, **options)
    return onnx.load_from_string(file.getvalue())


def names(program):
    """The names of arguments and results."""
    return list(INPUTS[: 1 + program.states]), list(RESULTS[: 1 + program.states])


def dynamic(program):
    """Which axes of the arguments are dynamic."""
    return ({0: T, 1: N}, *[{1: N}] * program.states)
