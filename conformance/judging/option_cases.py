"""The options of ONNX' operators as changes of a case."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from reference_rnn import Case
from reference_rnn.case import GATE_ACTIVATIONS
from reference_rnn.cell import ACTIVATIONS
from reference_rnn.layouts import suffix

CLIPS = (0.5, 0.125, 1.0, 2.0)


def with_peepholes(case: Case) -> Case:
    """The case with peepholes that differ by gate and unit, if its cell has any."""
    gates = len(case.config.cell.packing("weight_ch"))
    if not gates:
        return case
    c, weights = case.config, {}
    for layer in range(c.num_layers):
        for direction in range(c.num_directions):
            numbers = np.cos(np.arange(float(gates) * c.hidden_size) + 1 + layer + 7 * direction)
            weights["weight_ch" + suffix(layer, direction)] = (np.round(16 * numbers) / 16).astype(case.x.dtype)
    return case.replace(peepholes=True, parameters=case.parameters | weights)


def with_coupled_gates(case: Case) -> Case:
    """The case with coupled gates, if its cell has any."""
    return case.replace(coupled_gates=case.config.cell.couples)


def with_clip(case: Case) -> Case:
    """The case with a clip that many of its sums exceed, if its cell can have one."""
    if not case.config.cell.activations:
        return case
    return case.replace(clip=CLIPS[(case.config.hidden_size + case.num_steps) % len(CLIPS)])


def with_activations(case: Case) -> Case:
    """The case with other activations than the usual ones, if its cell has any to choose."""
    usual, activations = case.config.cell.activations, tuple(ACTIVATIONS)
    turn = case.config.hidden_size + case.config.input_size + case.num_rows
    names = []
    for number, name in enumerate(usual):
        choices = GATE_ACTIVATIONS if name == "sigmoid" else activations
        names.append(choices[(turn + number) % len(choices)])
    return case.replace(activations=tuple(names))


WITH: dict[str, Callable[[Case], Case]] = {
    "peepholes": with_peepholes,
    "coupled_gates": with_coupled_gates,
    "clip": with_clip,
    "activations": with_activations,
}
