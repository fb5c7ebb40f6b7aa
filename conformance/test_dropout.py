"""Dropout. In training it silences numbers between layers, each with probability p, and nowhere else."""

from __future__ import annotations

from conformance.judging.mask_probes import (
    PROBABILITIES,
    TWICE,
    drawn_anew,
    each_number,
    passes,
    read_alike,
    recorded_anew,
    shares_vary,
    unheard,
    visible_numbers,
    with_wide_layers,
)
from conformance.judging.mask_statistics import check_share, drawn_apart
from conformance.judging.properties import agree, claimed, prop


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
    memory=False, models=2,
)  # fmt: skip
def test_mask(target, case):
    """Between layers a number is 0 or x / (1 - p), with the right frequency, and at random wherever it stands."""
    p = PROBABILITIES[(case.config.hidden_size + case.config.num_layers) % len(PROBABILITIES)]
    kept = visible_numbers(target, case, masks=1, p=p)
    drawn_apart(kept, p)
    if case.config.num_layers > 2:
        check_share(visible_numbers(target, case, masks=2, p=TWICE), 2, TWICE)
    if case.config.bidirectional:
        read_alike(target, case, p)
    if not target.capabilities.sizes_drawn:
        drawn_anew(target, case, kept, p)
        if sum(case.x.shape) % 6 == 3:
            recorded_anew(target, case, kept, p)
        if sum(case.x.shape) % 6 == 0:
            each_number(target, case)
            drawn_apart(visible_numbers(target, with_wide_layers(case), masks=1, p=p), p)


@prop(
    needs=("dropout", "layers"), about=passes, max_layers=2, bias=True, projections=False, empty=(), lengths=False,
    memory=False, models=1,
)  # fmt: skip
def test_independent(target, case):
    """How many numbers of a mask, a step or a row are dropped varies as chance has it: no share is drawn, but each."""
    p = PROBABILITIES[(case.config.hidden_size + case.config.num_layers) % len(PROBABILITIES)]
    shares_vary(target, case, p)
