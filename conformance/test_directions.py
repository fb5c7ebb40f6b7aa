"""Directions. The reverse direction reads each row from its last valid step to its first."""

from __future__ import annotations

import numpy as np

from conformance.judging.metamorphic import layer, mirror, negative, part, states_as
from conformance.judging.properties import agree, prop


@prop(needs="bidirectional", models=1)
def test_reversal(target, case):
    """Reversing time and swapping the directions reverses the output and swaps its halves."""
    agree(target(mirror(case)), mirror(target(case)))


@prop(needs="bidirectional", max_layers=1, models=1)
def test_two_runs(target, case):
    """The forward half of a bidirectional layer is a one-directional run."""
    forward = forward_half(case)
    agree(target(forward), part(target(case), forward, forward_part(case)))


@prop(needs="bidirectional", max_layers=1, models=1)
def test_reverse_is_forward_on_reversed_time(target, case):
    """The reverse half of a bidirectional layer is a forward run over reversed time."""
    mirrored = mirror(case)
    forward = forward_half(mirrored)
    agree(target(forward), part(mirror(target(case)), forward, forward_part(case)))


@prop(needs="bidirectional", max_layers=1, models=2)
def test_halves_are_independent(target, case):
    """Each half of a bidirectional layer ignores the weights and states of the other."""
    run = target(case)
    for reverse in (False, True):

        def change(name, array, other=not reverse):
            if name in ("h_0", "c_0"):
                return np.where(np.arange(len(array))[:, None, None] % 2 == other, negative(array), array)
            return negative(array) if name != "x" and name.endswith("_reverse") == other else array

        changed = case.map(change)
        own = slice(int(reverse), None, 2)
        H = case.config.state_size

        def half(name, array, own=own, start=H * reverse):
            return array[..., start : start + H] if name == "output" else array[own]

        agree(part(target(changed), changed, half), part(run, changed, half))


def forward_half(case):
    """The forward direction of a one-layer case as a case of its own."""
    alone = layer(case, 0, case.x)
    parameters = {name: array for name, array in alone.parameters.items() if not name.endswith("_reverse")}
    states = states_as(case, lambda s: s[:1])
    return alone.replace(bidirectional=False, parameters=parameters, **states)


def forward_part(case):
    """Chooses the forward direction's part of a result."""
    return lambda name, array: array[..., : case.config.state_size] if name == "output" else array[:1]
