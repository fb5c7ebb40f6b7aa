"""Dropout. In training it silences numbers between layers, each with probability p, and nowhere else."""

from __future__ import annotations

import math

import numpy as np

from conformance.properties import agree, claimed, fail, prop

# Every statistical statement may be false of a correct target once in so many cases: with at most
# 5,024 cases of three statements each in a run, that is less than 1e-12 in all.
FALSE_ALARM = 1e-17
P = 0.25


@prop(needs="dropout")
def test_off_in_evaluation(target, case):
    """Outside training, dropout does nothing."""
    agree(target(case.replace(dropout=0.5, training=False)), target(case))


@prop(needs="dropout")
def test_nothing_at_zero(target, case):
    """In training with p = 0, nothing is dropped."""
    agree(target(case.replace(dropout=0.0, training=True)), target(case))


@prop(needs=("dropout", "layers"))
def test_everything_at_one(target, case):
    """With p = 1 nothing that lies between layers gets through, and the final states of the lowest layer stay."""
    claimed(target.capabilities.dropout is True)
    dropped = case.replace(dropout=1.0, training=True)
    deaf = case.map(lambda name, array: 0 * array if name.startswith("weight_ih") and "_l0" not in name else array)
    agree(target(dropped), target(deaf))


@prop(needs="dropout", max_layers=1, bidirectional=False, empty=(), lengths=False, memory=False)
def test_not_on_the_last_layer(target, case):
    """What leaves the last layer is not dropped, so with one layer there is nothing to drop."""
    agree(target(case.replace(dropout=0.5, training=True)), target(case))


@prop(needs=("dropout", "layers"), max_layers=2, bidirectional=False, bias=True, empty=(), lengths=False, memory=False)
def test_mask(target, case):
    """Between layers a number is 0 or x / (1 - p), with the right frequency, and at random by step, row and unit."""
    visible, value = see_through(target, case)
    output = target(visible).result.output / value - 1
    kept = abs(output) > 0.5 / (1 - P)
    a = target.arithmetic(visible)
    room = a.u * (64 + 4 * a.ka / value)
    wrong = np.where(kept, abs(output * (1 - P) - 1), abs(output)) > room
    if wrong.any():
        at = tuple(np.argwhere(wrong)[0].tolist())
        fail(
            "mask:output", f"output{list(at)} shows {output[at]:.6g} of x, must be 0 or 1 / (1 - p) = {1 / (1 - P):.6g}"
        )
    share, spread = 1 - kept.mean(), math.sqrt(math.log(2 / FALSE_ALARM) / (2 * kept.size))
    if abs(share - P) > spread:
        fail("frequency:output", f"{share:.3f} of {kept.size} numbers were dropped, must be p = {P} +/- {spread:.3f}")
    for axis, name in enumerate(("step", "row", "unit")):
        n = kept.shape[axis]
        chance = (P**n + (1 - P) ** n) ** (kept.size // n)
        if chance < FALSE_ALARM and (kept == kept.take([0], axis)).all():
            fail("mask:output", f"the same numbers are dropped in every {name}; masks must be drawn for each")


def see_through(target, case):
    """A case whose two layers hand their input on, plus 1 in the last, so that the mask is all there is to see."""
    sizes = target.capabilities.sizes_drawn
    if not sizes:
        x = np.ones((12, 12, case.config.input_size), case.x.dtype)
        h_0 = None if case.h_0 is None else np.zeros((2, 12, case.config.hidden_size), case.x.dtype)
        case = case.replace(x=x, h_0=h_0)
    # small enough for tanh to be the identity
    value = 1.0 if case.config.cell == "RNN_RELU" else 2.0 ** -(30 if case.config.dtype == "float64" else 13)

    def change(name, array):
        if name.startswith("weight_ih_l0"):
            return (np.arange(array.shape[1]) == 0) * np.ones_like(array)
        if name.startswith("weight_ih"):
            return np.eye(len(array), dtype=array.dtype)
        return np.full_like(array, value) if name in ("x", "bias_ih_l1") else 0 * array

    case = case.map(change)
    return case.replace(dropout=P, training=True), value
