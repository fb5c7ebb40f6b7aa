"""Dropout. In training it silences numbers between layers, each with probability p, and nowhere else."""

from __future__ import annotations

import numpy as np

from conformance.judging.masks import ENOUGH, FALSE_ALARM, PROBABILITIES, TWICE, passes, seen, unheard
from conformance.judging.properties import agree, claimed, fail, prop


@prop(needs="dropout", models=1)
def test_off_in_evaluation(target, case):
    """Outside training, dropout does nothing, whatever was done in training just before."""
    run = target(case)
    p = 1.0 if target.capabilities.dropout is True and sum(case.x.shape) % 2 else 0.5
    target.answer(case.replace(dropout=p, training=True))
    agree(target(case.replace(dropout=p, training=False)), run)


@prop(needs="dropout")
def test_nothing_at_zero(target, case):
    """In training with p = 0, nothing is dropped."""
    agree(target(case.replace(dropout=0.0, training=True)), target(case))


@prop(needs=("dropout", "layers"), models=2)
def test_everything_at_one(target, case):
    """With p = 1 nothing that lies between layers gets through, and the final states of the lowest layer stay."""
    claimed(target.capabilities.dropout is True)
    target.answer(case.replace(dropout=1.0, training=False))  # after which it may not stay outside training
    agree(target(case.replace(dropout=1.0, training=True)), target(unheard(case)))


@prop(needs="dropout", max_layers=1, bidirectional=False, empty=(), lengths=False, memory=False, models=2)
def test_not_on_the_last_layer(target, case):
    """What leaves the last layer is not dropped, so with one layer there is nothing to drop."""
    agree(target(case.replace(dropout=0.5, training=True)), target(case))


@prop(needs=("dropout", "layers"), models=2)
def test_lowest_layer_stays(target, case):
    """Only what goes from layer to layer is dropped: layers that read nothing of it are as in evaluation."""
    alone = unheard(case)
    expected, trained = target(alone), target(alone.replace(dropout=0.5, training=True))
    # nobody knows the masks, but nothing depends on them: the bounds are those of evaluation
    agree(trained.bounded_like(expected), expected)


@prop(
    needs=("dropout", "layers"), about=passes, max_layers=3, bias=True, projections=False, empty=(), lengths=False,
    memory=False, models=1,
)  # fmt: skip
def test_mask(target, case):
    """Between layers a number is 0 or x / (1 - p), with the right frequency, and at random wherever it stands."""
    p = PROBABILITIES[(case.config.hidden_size + case.config.num_layers) % len(PROBABILITIES)]
    kept = seen(target, case, masks=1, p=p)
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
        seen(target, case, masks=2, p=TWICE, enough=ENOUGH)
