"""Recurrences of packages on PyTorch: a function of tensors as a target."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

torch.set_num_threads(1)

Run = Callable[[Any, dict, dict, dict], tuple[dict, dict]]


def of_tensors(run: Run, state_dtype: str = "") -> tuple[Callable, Callable]:
    """``forward`` and ``gradients`` of a target whose run is ``run(case, inputs, states, parameters)``.

    It is given tensors by name, None for states that are not given, and returns outputs and states by name.
    state_dtype: of the states, where that is another one than that of the case
    """

    @torch.no_grad()
    def forward(case: Any) -> tuple[dict, dict]:
        outputs, states = run(case, *tensors(case, state_dtype))
        return arrays(outputs), arrays(states)

    def gradients(case: Any, d_outputs: dict, d_states: dict) -> dict:
        given = tensors(case, state_dtype)
        leaves = {name: tensor for part in given for name, tensor in part.items() if tensor is not None}
        for leaf in leaves.values():
            leaf.requires_grad_()
        outputs, states = run(case, *given)
        weighed = [(value, d) for part, ds in ((outputs, d_outputs), (states, d_states))
                   for name, value in part.items() if (d := ds.get(name)) is not None]  # fmt: skip
        values, ds = zip(*((value, torch.tensor(d).to(value)) for value, d in weighed if value.requires_grad))
        found = torch.autograd.grad(values, leaves.values(), ds, materialize_grads=True)
        return arrays(dict(zip(leaves, found)))

    return forward, gradients


def with_weights(module: torch.nn.Module, weights: dict, call: Callable) -> Any:
    """``call(module)`` while the module has these weights, through which gradients flow."""
    return torch.func.functional_call(Held(module), {f"module.{name}": w for name, w in weights.items()}, (call,))


class Held(torch.nn.Module):
    """A module whose other methods can be called with other weights, too."""

    def __init__(self, module: torch.nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, call: Callable) -> Any:
        """Calls the function with the module."""
        return call(self.module)


def tensors(case: Any, state_dtype: str) -> tuple[dict, dict, dict]:
    """The inputs, states and parameters of a case, copied."""
    own = case.config.dtype
    parts = (case.inputs, own), (case.states, state_dtype or own), (case.parameters, own)
    inputs, states, parameters = ({name: tensor(array, dtype) for name, array in part.items()} for part, dtype in parts)
    return inputs, states, parameters


def tensor(array: Any, dtype: str) -> torch.Tensor | None:
    """A tensor with a copy of the numbers, whatever their memory layout; None of None."""
    return None if array is None else torch.tensor(np.ascontiguousarray(array), dtype=getattr(torch, dtype))


def arrays(part: dict) -> dict:
    """Tensors by name as arrays; bfloat16 in float32."""
    return {name: as_numpy(value) for name, value in part.items()}


def as_numpy(value: torch.Tensor) -> np.ndarray:
    """A tensor as an array."""
    return (value.float() if value.dtype == torch.bfloat16 else value).detach().numpy()
