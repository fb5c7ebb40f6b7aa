"""Options. What ONNX' operators offer beside the usual cells: each alone, and all that are claimed together.

An option is judged where cases already are: the case gets it, and every step must be that of the equations.
"""

from __future__ import annotations

from conformance.judging.option_cases import WITH, with_activations, with_clip, with_peepholes
from conformance.judging.properties import prop, steps_agree


@prop(needs="options.peepholes", about=lambda cell: bool(cell.packing("weight_ch")), models=1)
def test_peepholes(target, case):
    """With peepholes the gates see the cell state: i and f the one before, o the one after."""
    steps_agree(target(with_peepholes(case)))


@prop(needs="options.coupled_gates", about=lambda cell: cell.couples, models=1)
def test_coupled_gates(target, case):
    """With coupled gates the forget gate is 1 - i, whatever the weights of the forget gate say."""
    steps_agree(target(case.replace(coupled_gates=True)))


@prop(needs="options.clip", about=lambda cell: bool(cell.activations), models=1)
def test_clip(target, case):
    """With a clip, whatever an activation reads is first cut off at both ends."""
    steps_agree(target(with_clip(case)))


@prop(needs="options.activations", about=lambda cell: bool(cell.activations))
def test_activations(target, case):
    """Every activation can be any other one; a gate stays between 0 and 1."""
    steps_agree(target(with_activations(case)))


@prop(needs="options", about=lambda cell: bool(cell.activations), models=1)
def test_together(target, case):
    """All options that are claimed work together."""
    for name in target.capabilities.options:
        case = WITH[name](case)
    steps_agree(target(case))
