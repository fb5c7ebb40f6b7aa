"""A bare cell as a target: the kit brings the loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, cast

import numpy as np

from conformance.claims.capabilities import Capabilities

CLAIMS = {
    "max_layers": None,
    "bidirectional": True,
    "no_bias": False,
    "lengths": True,
    "empty": True,
    "default_state": True,
}


class FromCell(Protocol):
    """A target: what it claims, and the results for a case."""

    capabilities: Capabilities

    def __call__(self, case: Any) -> tuple[Any, Any]:
        """The output, and the final states."""


def from_cell(step: Callable[..., Any], cell: Any = "RNN_TANH", **claims: Any) -> FromCell:
    """A target made of one step: ``step(x, h, parameters)`` returns the next h.

    For LSTM, the pair of h and c takes the place of h: ``step(x, (h, c), parameters)`` returns the next pair.
    x (N, I); h, c (N, H); parameters: a dict of weight_ih (G*H, I), weight_hh (G*H, H), bias_ih (G*H,), bias_hh (G*H,),
    as far as the cell has them, and of its vectors
    cell: what it must be: a name, a reference_rnn.Cell, or "spec.py:name" beside the file that the step stands in
    claims: further capabilities, such as dtypes; what belongs to the loop is claimed already

    Raises CapabilityError for a claim that does not exist.
    """

    def forward(case: Any) -> Any:
        c, x, finals = case.config, case.x, list[tuple]()
        initial = initial_states(case)
        for layer in range(c.num_layers):
            halves = []
            for reverse in range(c.num_directions):
                end = f"_l{layer}" + "_reverse" * reverse
                own = {k.removesuffix(end): v for k, v in case.parameters.items() if k.endswith(end)}
                output, final = walk(step, own, x, initial[len(finals)], case.lengths, reverse)
                halves.append(output)
                finals.append(final)
            x = np.concatenate(halves, axis=-1)
        h_n, *c_n = (np.stack(states) for states in zip(*finals))
        return x, ((h_n, *c_n) if c_n else h_n)

    forward.capabilities = Capabilities(**({"cells": (cell,)} | CLAIMS | claims))  # type: ignore[attr-defined]
    return cast(FromCell, forward)


def initial_states(case: Any) -> list[tuple]:
    """The initial state of each layer and direction: (h,), or (h, c) of two; zeros where none is given."""
    c, rows = case.config, case.x.shape[1]
    shape = (c.num_layers * c.num_directions, rows, c.hidden_size)
    given = (case.h_0, case.c_0)[: c.num_states]
    return list(zip(*(np.zeros(shape, case.x.dtype) if state is None else state for state in given)))


def walk(step: Callable, own: dict, x: Any, state: tuple, lengths: Any, reverse: int) -> tuple[np.ndarray, tuple]:
    """The output of every step of one direction, and the state at each row's end."""
    T, N = x.shape[:2]
    lengths = np.full(N, T) if lengths is None else lengths
    output = np.zeros((T, N, state[0].shape[-1]), x.dtype)
    for t in reversed(range(T)) if reverse else range(T):
        alive = (t < lengths)[:, None]
        new = step(x[t], state if len(state) == 2 else state[0], own)
        new = new if len(state) == 2 else (new,)
        state = tuple(np.where(alive, n, s) for n, s in zip(new, state, strict=True))
        output[t] = np.where(alive, state[0], 0)
    return output, state
