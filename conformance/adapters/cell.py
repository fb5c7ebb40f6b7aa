"""A bare cell as a target: the kit brings the loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from conformance.target.capabilities import Capabilities

CLAIMS = {
    "max_layers": None,
    "bidirectional": True,
    "no_bias": False,
    "lengths": True,
    "empty": True,
    "default_state": True,
}


def from_cell(step: Callable[..., Any], cell: str = "RNN_TANH", **claims: Any) -> Callable[[Any], Any]:
    """A target made of one step: ``step(x, h, parameters)`` returns the next h.

    x (N, I); h (N, H); parameters: a dict of weight_ih (H, I), weight_hh (H, H), bias_ih (H,), bias_hh (H,)
    claims: further capabilities, such as dtypes; what belongs to the loop is claimed already

    Raises CapabilityError for a claim that does not exist.
    """

    def forward(case: Any) -> Any:
        D, lengths = case.config.num_directions, case.lengths
        T, N = case.x.shape[:2]
        states = case.h_0
        if states is None:
            states = np.zeros((case.config.num_layers * D, N, case.config.hidden_size), case.x.dtype)
        lengths = np.full(N, T) if lengths is None else lengths
        x, finals = case.x, list[np.ndarray]()
        for layer in range(case.config.num_layers):
            halves = []
            for reverse in range(D):
                end = f"_l{layer}" + "_reverse" * reverse
                own = {k.removesuffix(end): v for k, v in case.parameters.items() if k.endswith(end)}
                h, output = states[len(finals)], np.zeros((T, N, case.config.hidden_size), case.x.dtype)
                for t in reversed(range(T)) if reverse else range(T):
                    alive = (t < lengths)[:, None]
                    h = np.where(alive, step(x[t], h, own), h)
                    output[t] = np.where(alive, h, 0)
                halves.append(output)
                finals.append(h)
            x = np.concatenate(halves, axis=-1)
        return x, np.stack(finals)

    forward.capabilities = Capabilities(**({"cells": (cell,)} | CLAIMS | claims))  # type: ignore[attr-defined]
    return forward
