"""Dropout's masks made visible: networks that show what was kept."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from itertools import islice, pairwise
from typing import Any

import numpy as np

from conformance.harness.local import Cotangents
from reference_rnn import Arithmetic, Case, Cell, forward, gradients, parameter_shapes
from reference_rnn.case import gate_rows

from .gradients import accepted_cotangents, cotangents, gradient_run, gradients_within, recorded_run
from .mask_statistics import (
    APART,
    FALSE_ALARM,
    ORDERS,
    SELDOM,
    check_each_number,
    check_slices_differ,
    check_variation,
    come_again,
)
from .metamorphic import saturated, states_as
from .oracle import Failure, Run, applicable, claimed, fail, first, index_in_answer
from .subject import Subject

CALLS = 10  # that may be made for enough numbers, of a target whose sizes are restricted; of others it takes two
# The statements of a case, each after any number of these calls, since what they gave says whether there is one more.
# Where sizes are not restricted: of masks of two widths, of two masks together, of those of other sizes, and of small
# ones, how often each number is kept, and how alike calls are in two ways; and of runs that are recorded for gradients.
# Else of one width and of two masks together. In either case also how much shares vary, of large masks and small ones.
STATEMENTS = max(2 * (2 * APART + 1 + 1 + 3) + 1, CALLS * (APART + 1)) + CALLS + 1
# 1 / (1 - p) is a number of few digits in one of them, large in one, and p is no whole number of percents or 256ths in
# one each.
PROBABILITIES = (0.25, 0.3125, 0.75, 0.1, 0.9375)
TWICE = 0.75  # where one mask and two on top of each other differ most
ENOUGH = 1000  # numbers that tell these two apart, with room for bad luck
SHOWN = 8  # different numbers by which mistakes are told apart
SEEN = (12, 40), (41, 13)  # steps and rows: a mask that repeats every 16, or every 20, shows in one of two
SMALL = (3, 1), (1, 3), (1, 1), (5, 1)  # steps and rows of a few numbers, each of which is looked at
WIDE = 130  # units, so that a mask that repeats after 64 shows
OFTEN = 72  # calls, after which none of them may have been dropped each time, or never
HALF = 0.5  # p with which shares of a few numbers vary most
LOW = 0.25  # p with which much is kept of what goes through several masks
FEW = 32  # numbers of which some are dropped and some are not


def passes(cell: Cell) -> bool:
    """Whether it is known what makes a cell let its candidate through."""
    return cell.passes is not None


def unheard(case: Case) -> Case:
    """The case with layers that read nothing of the one below."""
    return case.map(
        lambda name, array: np.zeros_like(array) if name.startswith("weight_ih") and "_l0" not in name else array
    )


def handing_on(case: Case, layers: Collection[int], factor: float = 1.0, apart: bool = True) -> Case:
    """The case with some layers that give what they read, times a factor, each number by itself; nothing else does.

    apart  whether the reverse direction reads the numbers of the one below it, else those that the forward one reads
    """
    c = case.config

    def change(name: str, array: np.ndarray) -> np.ndarray:
        changed, plain = np.zeros_like(array), name.removesuffix("_reverse")
        if plain.startswith("weight_ih"):
            offset = c.hidden_size * (apart and plain != name and not plain.endswith("_l0"))
            changed[gate_rows(c, c.cell.candidate, name)] = factor * np.eye(c.hidden_size, array.shape[1], k=offset)
        return changed

    def of_these(name: str, array: np.ndarray) -> np.ndarray:
        ends = tuple(f"_l{layer}" for layer in layers)
        return changed[name] if name.removesuffix("_reverse").endswith(ends) else array

    changed = dict(saturated(case.map(change), **(c.cell.passes or {})).arrays())
    return case.map(of_these)


def with_candidate(case: Case, layer: int, value: float) -> Case:
    """The case with one number as b_ih of the candidate in a layer."""
    c = case.config

    def change(name: str, array: np.ndarray) -> np.ndarray:
        if not name.removesuffix("_reverse").endswith(f"bias_ih_l{layer}"):
            return array
        changed = array.copy()
        changed[gate_rows(c, c.cell.candidate, name)] = value
        return changed

    return case.map(change)


def see_through(
    case: Case, masks: int, p: float, steps: int, rows: int, ragged: bool = False, apart: bool = True
) -> tuple[Case, float]:
    """A case in which one layer gives a constant and all above it hand it on, plus as much again in the last one.

    So the masks between them are all there is to see. Returns the case and the constant.

    ragged  whether one more row, the last one, ends before the others
    apart   whether the two directions of a layer hand on numbers of their own, else the same
    """
    c = case.config
    rows += ragged
    shape = (c.num_layers * c.num_directions, rows, c.hidden_size)
    # of which a gate that is all but shut would let a trace through
    states = states_as(case, lambda s: np.zeros(shape, s.dtype))
    lengths = np.array([steps] * (rows - 1) + [steps // 2]) if ragged else None
    case = case.replace(x=np.zeros((steps, rows, c.input_size), case.x.dtype), lengths=lengths, **states)
    # small enough for tanh to be the identity
    value = 1.0 if c.cell == "RNN_RELU" else 2.0 ** -(30 if c.dtype == "float64" else 13)
    top = c.num_layers - 1
    case = handing_on(handing_on(case, range(top), 0.0), range(top + 1 - masks, top + 1), apart=apart)
    for layer in (top - masks, top):
        case = with_candidate(case, layer, value)
    return case.replace(dropout=p, training=True), value


def kept_numbers(run: Run, value: float, whole: float, room: float, p: float) -> np.ndarray:
    """Which numbers reached the output of a case that can be seen through; all others are 0, these are scaled up.

    Rows that end before the others are not looked at.
    """
    rows = np.flatnonzero(run.case.row_lengths == run.case.num_steps)
    output = run.result.output[:, rows] / value - 1
    kept = abs(output) > whole / 2
    must = np.where(kept, whole, 0.0)
    off = abs(output - must)
    if not (off <= room).all():
        farthest = off == off.max() if np.isfinite(off).all() else ~np.isfinite(off)
        at = first(farthest)  # which shows the same whatever is drawn
        place, given = list(index_in_answer(run, "output", (at[0], int(rows[at[1]]), at[2]))), float(output[at])
        fail(
            "mask:output", f"output{place} shows {given:.6g} of x, must be 0 or {whole:.6g}, for p = {p}",
            given=given, must=float(must[at]), room=room, shows=str(np.unique(output.round(3) + 0.0)[:SHOWN]),
        )  # fmt: skip
    return kept


def visible_numbers(target: Subject, case: Case, masks: int, p: float) -> np.ndarray:
    """Which numbers one or two masks on top of each other let through; their size is judged.

    Of two calls, and of more where sizes are restricted: (calls, T, N, D*H). One call stands for all that give the
    same: who starts at the same place in every call says nothing new. Where lengths are claimed, each other case is
    ragged.
    """
    steps, rows, ragged = case.num_steps, case.num_rows, False
    if not target.capabilities.sizes_drawn:
        ragged = target.capabilities.lengths and steps % 2 == 1
        steps, rows = large(case, steps + rows)
    found: list[np.ndarray] = []
    for kept in islice(runs(target, see_through(case, masks, p, steps, rows, ragged), masks, p), CALLS):
        if any(np.array_equal(kept, before) for before in found):
            break
        found.append(kept)
        if len(found) > 1 and len(found) * kept.size >= ENOUGH:
            break
    return np.stack(found)


def with_wide_layers(case: Case) -> Case:
    """The case with WIDE units, without numbers."""
    c = replace(case.config, hidden_size=WIDE, proj_size=0)
    parameters = {name: np.zeros(shape.sizes, c.numpy_dtype) for name, shape in parameter_shapes(c).items()}
    state = np.zeros((c.num_layers * c.num_directions, case.num_rows, WIDE), c.numpy_dtype)
    return replace(case, config=c, parameters=parameters, **states_as(case, lambda _: state))


def large(case: Case, number: int) -> tuple[int, int]:
    """So many steps and rows that a mask has ENOUGH numbers; number: which of two ways."""
    steps, rows = SEEN[number % 2]
    width = case.config.num_directions * case.config.hidden_size
    return steps, max(rows, ENOUGH // (steps * width) + 1)


def drawn_anew(target: Subject, case: Case, kept: np.ndarray, p: float) -> None:
    """Fails where a call of other sizes has the mask that the first of these calls has, though not each call has."""
    if len(kept) == 1:
        return
    steps, rows = large(case, case.num_steps + case.num_rows + 1)
    other = next(runs(target, see_through(case, 1, p, steps, rows), 1, p))
    for order in ORDERS:
        come_again(kept[0].transpose(order).ravel(), other.transpose(order).ravel(), p, "a call of other sizes")


def read_alike(target: Subject, case: Case, p: float) -> None:
    """Fails where a number is dropped for one direction of the next layer alone: both read the same mask."""
    [kept] = islice(runs(target, see_through(case, 1, p, case.num_steps, case.num_rows, apart=False), 1, p), 1)
    forwards, backwards = np.split(kept, 2, -1)
    if alone := int((forwards != backwards).sum()):
        fail(
            "pattern:output",
            f"of {forwards.size} numbers that both directions of a layer read, {alone} are dropped for one of them "
            f"alone, for p = {p}; there is one mask for both",
        )


def recorded_anew(target: Subject, case: Case, kept: np.ndarray, p: float) -> None:
    """Fails where two runs that are recorded for gradients have the same mask, though not each call has."""

    def recorded(case: Case) -> Run | None:
        return recorded_run(target, case, accepted_cotangents(target, cotangents(case)))[1]

    if len(kept) > 1 and target.capabilities.gradients:
        shown = see_through(case, 1, p, *large(case, case.num_steps + case.num_rows))
        for one, other in pairwise(islice(runs(target, shown, 1, p, recorded), 2)):
            come_again(one.ravel(), other.ravel(), p, "the next run that is recorded for gradients")


def runs(
    target: Subject, shown: tuple[Case, float], masks: int, p: float, ask: Callable[[Case], Run | None] | None = None
) -> Iterator[np.ndarray]:
    """Which numbers are let through in each call, until one shows no results; their size is judged.

    ask  makes a call in another way
    """
    claimed("output" in target.capabilities.outputs)
    visible, value = shown
    a = target.arithmetic(visible)
    whole = (1 - p) ** -masks  # what is kept is scaled up, once for each mask
    room = a.u * (64 + 4 * a.ka / value) * whole
    claimed(room < whole / 4)  # a tanh that is this rough near zero hides what is dropped
    while run := (ask or target)(visible):
        yield kept_numbers(run, value, whole, room, p)


def of_small_masks(target: Subject, case: Case, p: float) -> np.ndarray:
    """Which numbers of a small mask are let through in OFTEN calls."""
    shown = see_through(case, 1, p, *SMALL[case.config.hidden_size % len(SMALL)])
    return np.stack(list(islice(runs(target, shown, 1, p), OFTEN)))


def shares_vary(target: Subject, case: Case, p: float) -> None:
    """Fails where a share of each mask, or of its steps or rows, is dropped, instead of each number by itself."""
    check_variation(visible_numbers(target, case, masks=1, p=p), p)
    if not target.capabilities.sizes_drawn and sum(case.x.shape) % 6 == 0:
        small = of_small_masks(target, case, HALF)
        if (small != small[0]).any():  # else it starts at the same place in every call
            check_variation(small, HALF)


def each_number(target: Subject, case: Case) -> None:
    """Fails where chance does not explain how often one number of a small mask is kept, or how alike calls are."""
    kept = of_small_masks(target, case, HALF)
    if (kept != kept[0]).any():  # else it starts at the same place in every call, which says nothing of chance
        check_each_number(kept, HALF)
        check_slices_differ({"call": kept.reshape(OFTEN, -1)}, HALF)


def gradients_through_masks(target: Subject, case: Case, p: float) -> None:
    """The gradients of two layers in training, of which the upper one shows what was dropped before it.

    It shows in the output that comes beside the gradients; where there is none, in the gradient of x, if the lower
    layer hands on x. So the mask is known, and the reference has the same. 1 / (1 - p) must not round.
    """
    case = with_candidate(handing_on(case, [1], 1 - p), 1, float(case.config.cell == "RNN_RELU"))
    case = case.replace(dropout=p, training=True)
    shown = MaskView(case, target.arithmetic(case))
    d = accepted_cotangents(target, shown.heard(cotangents(case)))
    run, own = recorded_run(target, case, d)
    if not own:
        claimed(target.capabilities.has_gradient("x"))
        case = handing_on(case, [0], 0.5)
        case = case.map(lambda name, array: np.zeros_like(array) if name == "weight_ih_l0_reverse" else array)
        case = case.replace(x=np.clip(case.x, -1, 1))  # no unit is saturated: each lets its gradient through
        shown = MaskView(case, target.arithmetic(case))
        d = {
            name: array * (name == "d_output")
            for name, array in accepted_cotangents(target, shown.heard(cotangents(case))).items()
        }
        run, _ = recorded_run(target, case, d)
    for left in reversed(range(-(-FEW // int(shown.clear.sum())))):  # of few numbers, none may be dropped, or all
        kept = shown.kept(own.result.output) if own else shown.kept_by_gradient(run.result.x, d)
        right_with([kept / (1 - p)], target, case, d, run)
        if left:
            run, own = recorded_run(target, case, d)


def gradients_through_many_masks(target: Subject, case: Case, p: float) -> None:
    """The gradients of more than two layers in training, of one step of one row, which each layer hands on.

    The gradient of a bias is what flows back to its layer: the cotangent of its own final state, and more where nothing
    was dropped on the way to the next one. So each mask is known, and the reference has the same.
    """
    applicable(case.x.size > 0)
    claimed(target.capabilities.has_gradient("bias_ih_l0"))
    layers = range(case.config.num_layers)
    case = handing_on(case, layers, 1 - p)
    for layer in layers if case.config.cell == "RNN_RELU" else ():
        case = with_candidate(case, layer, 1.0)
    states = states_as(case, lambda s: s[:, :1])
    x = np.clip(case.x[:1, :1], -1, 1) / 16  # where tanh is all but the identity
    case = case.replace(x=x, lengths=None, dropout=p, training=True, **states)
    d = {name: np.ones_like(array) for name, array in accepted_cotangents(target, cotangents(case)).items()}
    claimed("d_h_n" in d)
    for _ in range(-(-FEW // (case.config.num_directions * case.config.hidden_size))):
        run = gradient_run(target, case, d)
        right_with(masks_by_gradient(case, d, run), target, case, d, run)


def gradients_through_zeros(target: Subject, case: Case) -> None:
    """Fails where no gradient flows back through numbers that are all zero, as if each of them had been dropped.

    Nothing but the mask can tell which were. Layers hand on the zeros of x, each its own.
    """
    c = case.config
    steps, rows = case.num_steps, case.num_rows
    if not target.capabilities.sizes_drawn:
        steps, rows = large(case, steps + rows)
    shape = (c.num_layers * c.num_directions, rows, c.hidden_size)
    states = states_as(case, lambda s: np.zeros(shape, s.dtype))
    x = np.zeros((steps, rows, c.input_size), case.x.dtype)
    case = handing_on(case.replace(x=x, lengths=None, dropout=LOW, training=True, **states), range(c.num_layers))
    d = {
        name: np.full_like(array, name == "d_output")
        for name, array in accepted_cotangents(target, cotangents(case)).items()
    }
    kept = [np.ones((steps, rows, c.num_directions * c.hidden_size))] * (c.num_layers - 1)
    through = int((gradients(case, **d, masks=kept)["x"] > 1 / 2).sum())  # but for what a shut gate lets through
    if (1 - (1 - LOW) ** len(kept)) ** through >= FALSE_ALARM:
        return  # too few numbers, or of a slope that is zero there
    run = gradient_run(target, case, d)
    if not run.result.x.any():
        fail(
            "frequency:x",
            f"no gradient flows back through numbers that are zero, as if each of {through} had been dropped, in "
            f"training with p = {LOW}: {SELDOM}", run,
        )  # fmt: skip


def right_with(masks: list[np.ndarray], target: Subject, case: Case, d: Mapping[str, Any], run: Run) -> None:
    """Fails where the gradients of a run are not those with these masks."""
    try:
        gradients_within(target, run, case, d, masks=masks)
    except Failure as failure:
        fail("mask:gradients", f"{failure.message}, with what was dropped in this run of training", run)


def masks_by_gradient(case: Case, d: Mapping[str, Any], run: Run) -> list[np.ndarray]:
    """The masks of a run, from the top down, by the gradients of the biases below each."""
    c = case.config
    scale = np.full((1, 1, c.num_directions * c.hidden_size), 1 / (1 - c.dropout))
    masks = [scale] * (c.num_layers - 1)

    def reaching(layer: int, found: Mapping[str, np.ndarray]) -> np.ndarray:
        names = [f"bias_ih_l{layer}{direction}" for direction in ("", "_reverse")[: c.num_directions]]
        return np.concatenate([found[name][gate_rows(c, c.cell.candidate, name)] for name in names])

    for layer in reversed(range(c.num_layers - 1)):
        most, least = (
            reaching(layer, gradients(case, **d, masks=[*masks[:layer], keeps * scale, *masks[layer + 1 :]]))
            for keeps in (1, 0)
        )
        given = reaching(layer, dict(run.result.items()))
        masks[layer] = (abs(given - most) < abs(given - least)) * scale
    return masks


class MaskView:
    """What the output of two layers in training tells about the mask between them.

    clear  (T, N, D*H) where a number that was kept is told from one that was dropped; elsewhere both are the same
    """

    def __init__(self, case: Case, arithmetic: Arithmetic) -> None:
        self.case = case
        self.all_kept, self.none_kept = (self.masks(keeps) for keeps in (True, False))
        every = forward(case, arithmetic, masks=self.all_kept).output
        self.every, self.none = every.mid, forward(case, masks=self.none_kept).output
        self.clear = abs(self.every - self.none) > 8 * every.rad
        applicable(bool(self.clear.any() and (self.clear | (self.every == self.none)).all()))

    def masks(self, keeps: bool) -> list[np.ndarray]:
        """The masks that keep everything, or nothing."""
        c = self.case.config
        shape = (self.case.num_steps, self.case.num_rows, c.num_directions * c.hidden_size)
        return [np.full(shape, keeps / (1 - c.dropout))]

    def heard(self, d: Mapping[str, Any]) -> Cotangents:
        """Cotangents that are zero where it is not known what was dropped."""
        D = self.case.config.num_directions
        lower = (np.arange(2 * D) < D)[:, None, None]
        return {
            name: np.where(self.clear if name == "d_output" else lower, array, 0).astype(array.dtype)
            for name, array in d.items()
        }

    def kept(self, output: np.ndarray) -> np.ndarray:
        """What was kept in the run that gave this output."""
        return ~self.clear | (abs(output - self.every) < abs(output - self.none))

    def kept_by_gradient(self, d_x: np.ndarray, d: Cotangents) -> np.ndarray:
        """What was kept in the run that gave this gradient of x; fails if it is too much for chance."""
        most = gradients(self.case, **d, masks=self.all_kept)["x"]  # type: ignore[arg-type]
        kept = np.ones(self.clear.shape, bool)
        width = min(d_x.shape[-1], self.case.config.hidden_size)
        kept[..., :width] = abs(d_x[..., :width]) >= abs(most[..., :width]) / 2
        kept |= ~self.clear
        if kept.all() and (1 - self.case.config.dropout) ** self.clear.sum() < FALSE_ALARM:
            fail("frequency:x", f"in training with p = {self.case.config.dropout}, every number has a gradient")
        return kept
