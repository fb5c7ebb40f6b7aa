"""Dropout. In training it silences numbers between layers, each with probability p, and nowhere else."""

from __future__ import annotations

import math

import numpy as np

from conformance.judging.judgement import index
from conformance.judging.properties import agree, claimed, fail, prop
from conformance.judging.transforms import part, saturated
from reference_rnn.case import gate_rows

# Every statistical statement may be false of a correct target once in so many cases: with at most
# 5,024 cases of eleven statements each in a run, that is less than 1e-12 in all.
FALSE_ALARM = 1e-17
PROBABILITIES = (0.25, 0.3, 0.75, 0.1)  # 1 / (1 - p) is a number of few digits in one of two


@prop(needs="dropout")
def test_off_in_evaluation(target, case):
    """Outside training, dropout does nothing."""
    run = target(case)
    for p in (0.5, 1.0) if target.capabilities.dropout is True else (0.5,):
        agree(target(case.replace(dropout=p, training=False)), run)


@prop(needs="dropout")
def test_nothing_at_zero(target, case):
    """In training with p = 0, nothing is dropped."""
    agree(target(case.replace(dropout=0.0, training=True)), target(case))


@prop(needs=("dropout", "layers"))
def test_everything_at_one(target, case):
    """With p = 1 nothing that lies between layers gets through, and the final states of the lowest layer stay."""
    claimed(target.capabilities.dropout is True)
    dropped = case.replace(dropout=1.0, training=True)
    deaf = case.map(
        lambda name, array: np.zeros_like(array) if name.startswith("weight_ih") and "_l0" not in name else array
    )
    agree(target(dropped), target(deaf))


@prop(needs="dropout", max_layers=1, bidirectional=False, empty=(), lengths=False, memory=False)
def test_not_on_the_last_layer(target, case):
    """What leaves the last layer is not dropped, so with one layer there is nothing to drop."""
    agree(target(case.replace(dropout=0.5, training=True)), target(case))


@prop(needs=("dropout", "layers"))
def test_lowest_layer_stays(target, case):
    """What lies below the first dropout is as in evaluation: the final states of the lowest layer."""
    D = case.config.num_directions
    training = case.replace(dropout=0.5, training=True)

    def lowest(name, array):
        return array[..., :0] if name == "output" else array[:D]

    expected = part(target(case), case, lowest)
    # what is above it depends on masks that nobody knows, so the bounds are those of evaluation
    trained = target(training)
    agree(expected.joined(trained.result.map(lowest), trained), expected)


def passes(cell):
    """Whether it is known what makes a cell let its candidate through."""
    return cell.passes is not None


@prop(
    needs=("dropout", "layers"), about=passes, max_layers=3, bias=True, projections=False, empty=(), lengths=False,
    memory=False,
)  # fmt: skip
def test_mask(target, case):
    """Between layers a number is 0 or x / (1 - p), with the right frequency, and at random wherever it stands."""
    kept, p = seen(target, case, masks=1)
    for axis, name in enumerate(("step", "row", "unit")):
        slices = np.moveaxis(kept, axis, 0).reshape(kept.shape[axis], -1)
        n, size = slices.shape
        if (p**n + (1 - p) ** n) ** size < FALSE_ALARM and (slices == slices[0]).all():
            fail("pattern:output", f"the same numbers are dropped in every {name}; masks must be drawn for each {name}")
        if n * n * (p**2 + (1 - p) ** 2) ** size < FALSE_ALARM and len(np.unique(slices, axis=0)) < n:
            fail("pattern:output", f"the same numbers are dropped in two {name}s; masks must be drawn for each {name}")
        for number, mine in enumerate(slices):
            if n * max(p, 1 - p) ** size < FALSE_ALARM and len(np.unique(mine)) == 1:
                done = "kept" if mine.any() else "dropped"
                fail("pattern:output", f"{name} {number} is {done} as a whole; every number is dropped by itself")
    if case.config.num_layers > 2:
        seen(target, case, masks=2)


def seen(target, case, masks):
    """Which numbers one or two masks on top of each other let through, and p; their size and frequency are judged."""
    claimed("output" in target.capabilities.outputs)
    visible, p, value = see_through(case, masks, target.capabilities.sizes_drawn)
    a = target.arithmetic(visible)
    whole = (1 - p) ** -masks  # what is kept is scaled up, once for each mask
    room = a.u * (64 + 4 * a.ka / value) * whole
    claimed(room < whole / 4)  # a tanh that is this rough near zero hides what is dropped
    run = target(visible)
    output = run.result.output / value - 1
    kept = abs(output) > whole / 2
    wrong = np.where(kept, abs(output - whole), abs(output)) > room
    if wrong.any():
        at = tuple(np.argwhere(wrong)[0].tolist())
        place = list(index(run, "output", at))
        fail("mask:output", f"output{place} shows {output[at]:.6g} of x, must be 0 or {whole:.6g}, for p = {p}")
    share, spread = kept.mean(), math.sqrt(math.log(2 / FALSE_ALARM) / (2 * kept.size))
    if abs(share - 1 / whole) > spread:
        between = "one mask" if masks == 1 else "two masks together"
        fail(
            "frequency:output",
            f"{between} kept {share:.3f} of {kept.size} numbers, must be {1 / whole:.3f} +/- {spread:.3f}, for p = {p}",
        )
    return kept, p


def see_through(case, masks, restricted):
    """A case in which one layer gives a constant and all above it hand it on, plus as much again in the last one.

    So the masks between them are all there is to see. Returns the case, p and the constant.
    """
    c = case.config
    p = PROBABILITIES[(c.hidden_size + c.num_layers) % len(PROBABILITIES)]
    if not restricted:
        x = np.zeros((12, 12, c.input_size), case.x.dtype)
        shape = (c.num_layers * c.num_directions, 12, c.hidden_size)
        states = {
            name: None if s is None else np.zeros(shape, x.dtype) for name, s in (("h_0", case.h_0), ("c_0", case.c_0))
        }
        case = case.replace(x=x, **states)
    # small enough for tanh to be the identity
    value = 1.0 if c.cell == "RNN_RELU" else 2.0 ** -(30 if c.dtype == "float64" else 13)
    handing = tuple(f"_l{c.num_layers - 1 - k}" for k in range(masks))
    giving = (handing[0], f"_l{c.num_layers - 1 - masks}")

    def change(name, array):
        plain, changed = name.removesuffix("_reverse"), np.zeros_like(array)
        candidate = gate_rows(c, c.cell.candidate, name)
        if plain.startswith("weight_ih") and plain.endswith(handing):
            changed[candidate] = np.eye(c.hidden_size, array.shape[1], k=c.hidden_size * (plain != name))
        if plain.startswith("bias_ih") and plain.endswith(giving):
            changed[candidate] = value
        return changed

    return saturated(case.map(change), **c.cell.passes).replace(dropout=p, training=True), p, value
