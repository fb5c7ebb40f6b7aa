"""Options. What ONNX' operators offer beside the usual cells: each alone, and all that are claimed together.

An option is judged where cases already are: the case gets it, and every step must be that of the equations.
"""

from __future__ import annotations

import numpy as np

from conformance.properties import prop, steps_agree
from reference_rnn.case import ACTIVATIONS, GATE_ACTIVATIONS, USUAL_ACTIVATIONS, suffix

CLIPS = (0.5, 0.125, 1.0, 2.0)


@prop(needs="options.peepholes", cells=["LSTM"])
def test_peepholes(target, case):
    """With peepholes the gates see the cell state: i and f the one before, o the one after."""
    steps_agree(target(with_peepholes(case)))


@prop(needs="options.coupled_gates", cells=["LSTM"])
def test_coupled_gates(target, case):
    """With coupled gates the forget gate is 1 - i, whatever the weights of the forget gate say."""
    steps_agree(target(case.replace(coupled_gates=True)))


@prop(needs="options.clip")
def test_clip(target, case):
    """With a clip, whatever an activation reads is first cut off at both ends."""
    steps_agree(target(with_clip(case)))


@prop(needs="options.activations")
def test_activations(target, case):
    """Every activation can be any other one; a gate stays between 0 and 1."""
    steps_agree(target(with_activations(case)))


@prop(needs="options")
def test_together(target, case):
    """All options that are claimed work together."""
    for name in target.capabilities.options:
        case = WITH[name](case)
    steps_agree(target(case))


def with_peepholes(case):
    """The case with peepholes that differ by gate and unit; only an LSTM has any."""
    if case.config.cell != "LSTM":
        return case
    c, weights = case.config, {}
    for layer in range(c.num_layers):
        for direction in range(c.num_directions):
            numbers = np.cos(np.arange(3.0 * c.hidden_size) + 1 + layer + 7 * direction)
            weights["weight_ch" + suffix(layer, direction)] = (np.round(16 * numbers) / 16).astype(case.x.dtype)
    return case.replace(peepholes=True, parameters=case.parameters | weights)


def with_coupled_gates(case):
    """The case with coupled gates; only an LSTM has any."""
    return case.replace(coupled_gates=case.config.cell == "LSTM")


def with_clip(case):
    """The case with a clip that many of its sums exceed."""
    return case.replace(clip=CLIPS[(case.config.hidden_size + case.num_steps) % len(CLIPS)])


def with_activations(case):
    """The case with other activations than the usual ones."""
    usual = USUAL_ACTIVATIONS[case.config.cell]
    turn = case.config.hidden_size + case.config.input_size + case.num_rows
    names = []
    for number, name in enumerate(usual):
        choices = GATE_ACTIVATIONS if name == "sigmoid" else ACTIVATIONS
        names.append(choices[(turn + number) % len(choices)])
    return case.replace(activations=tuple(names))


WITH = {
    "peepholes": with_peepholes,
    "coupled_gates": with_coupled_gates,
    "clip": with_clip,
    "activations": with_activations,
}
