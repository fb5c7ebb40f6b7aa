"""Dropout's masks made visible: networks that show what was kept, and how much chance explains."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from conformance.harness.local import Cotangents
from reference_rnn import Arithmetic, Case, Cell, forward, gradients, parameter_shapes
from reference_rnn.case import gate_rows

from .gradients import cotangents, gradients_within, recorded_run, taken
from .judgement import Failure, Run, applicable, claimed, fail, first, index
from .subject import Subject
from .transforms import saturated

# Every statistical statement may be false of a correct target once in so many cases: with at most 5,024 cases in a
# run, that is less than 1e-12 in all. The statements of a case: how often one mask keeps a number, and two together;
# of each of four axes, that no slice is all the same, and that no two agree by more or less than chance; and how often
# each number of a small mask is kept, how alike those of many calls are, and whether numbers come again elsewhere. Each
# may be made after any number of calls, since what these gave says whether there is one more.
STATEMENTS = 2 + 4 * 2 + 1 + 2 + 3
CALLS = 10  # that may be made for enough numbers, of a target whose sizes are restricted
FALSE_ALARM = 1e-18
# 1 / (1 - p) is a number of few digits in one of them, large in one, and p is no whole number of percents or 256ths in
# one each.
PROBABILITIES = (0.25, 0.3125, 0.75, 0.1, 0.9375)
TWICE = 0.75  # where one mask and two on top of each other differ most
ENOUGH = 1000  # numbers that tell these two apart, with room for bad luck
SHOWN = 8  # different numbers by which mistakes are told apart
AXES = ("call", "step", "row", "unit")  # of masks
ORDERS = (0, 1, 2), (0, 2, 1), (1, 0, 2)  # in which the numbers of a mask may be drawn: of steps, rows and units
SEEN = (12, 40), (41, 13)  # steps and rows: a mask that repeats every 16, or every 20, shows in one of two
SMALL = (3, 1), (1, 3), (1, 1), (5, 1)  # steps and rows of a few numbers, each of which is looked at
WIDE = 130  # units, so that a mask that repeats after 64 shows
OFTEN = 72  # calls, after which none of them may have been dropped each time, or never
FEW = 32  # numbers of which some are dropped and some are not


def passes(cell: Cell) -> bool:
    """Whether it is known what makes a cell let its candidate through."""
    return cell.passes is not None


def unheard(case: Case) -> Case:
    """The case with layers that read nothing of the one below."""
    return case.map(
        lambda name, array: np.zeros_like(array) if name.startswith("weight_ih") and "_l0" not in name else array
    )


def handing_on(case: Case, layers: Collection[int], factor: float = 1.0) -> Case:
    """The case with some layers that give what they read, times a factor, each number by itself; nothing else does."""
    c = case.config

    def change(name: str, array: np.ndarray) -> np.ndarray:
        changed, plain = np.zeros_like(array), name.removesuffix("_reverse")
        if plain.startswith("weight_ih"):
            offset = c.hidden_size * (plain != name and not plain.endswith("_l0"))
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


def see_through(case: Case, masks: int, p: float, steps: int, rows: int) -> tuple[Case, float]:
    """A case in which one layer gives a constant and all above it hand it on, plus as much again in the last one.

    So the masks between them are all there is to see. Returns the case and the constant.
    """
    c = case.config
    shape = (c.num_layers * c.num_directions, rows, c.hidden_size)
    given = (("h_0", case.h_0), ("c_0", case.c_0))  # of which a gate that is all but shut would let a trace through
    states = {name: None if s is None else np.zeros(shape, s.dtype) for name, s in given}
    case = case.replace(x=np.zeros((steps, rows, c.input_size), case.x.dtype), **states)
    # small enough for tanh to be the identity
    value = 1.0 if c.cell == "RNN_RELU" else 2.0 ** -(30 if c.dtype == "float64" else 13)
    top = c.num_layers - 1
    case = handing_on(handing_on(case, range(top), 0.0), range(top + 1 - masks, top + 1))
    for layer in (top - masks, top):
        case = with_candidate(case, layer, value)
    return case.replace(dropout=p, training=True), value


def kept_of(run: Run, value: float, whole: float, room: float, p: float) -> np.ndarray:
    """Which numbers reached the output of a case that can be seen through; all others are 0, these are scaled up."""
    output = run.result.output / value - 1
    kept = abs(output) > whole / 2
    must = np.where(kept, whole, 0.0)
    off = abs(output - must)
    if not (off <= room).all():
        farthest = off == off.max() if np.isfinite(off).all() else ~np.isfinite(off)
        at = first(farthest)  # which shows the same whatever is drawn
        place, given = list(index(run, "output", at)), float(output[at])
        fail(
            "mask:output", f"output{place} shows {given:.6g} of x, must be 0 or {whole:.6g}, for p = {p}",
            given=given, must=float(must[at]), room=room, shows=str(np.unique(output.round(3) + 0.0)[:SHOWN]),
        )  # fmt: skip
    return kept


def seen(target: Subject, case: Case, masks: int, p: float) -> np.ndarray:
    """Which numbers one or two masks on top of each other let through; their size is judged.

    Of two calls, and of more where sizes are restricted: (calls, T, N, D*H). One call stands for all that give the
    same: who starts at the same place in every call says nothing new.
    """
    steps, rows = case.num_steps, case.num_rows
    if not target.capabilities.sizes_drawn:
        steps, rows = large(case, steps + rows)
    found: list[np.ndarray] = []
    for kept in islice(runs(target, see_through(case, masks, p, steps, rows), masks, p), CALLS):
        if any(np.array_equal(kept, before) for before in found):
            break
        found.append(kept)
        if len(found) > 1 and len(found) * kept.size >= ENOUGH:
            break
    return np.stack(found)


def widened(case: Case) -> Case:
    """The case with WIDE units, without numbers."""
    c = replace(case.config, hidden_size=WIDE, proj_size=0)
    parameters = {name: np.zeros(shape.sizes, c.numpy_dtype) for name, shape in parameter_shapes(c).items()}
    state = np.zeros((c.num_layers * c.num_directions, case.num_rows, WIDE), c.numpy_dtype)
    h_0, c_0 = (None if given is None else state for given in (case.h_0, case.c_0))
    return replace(case, config=c, parameters=parameters, h_0=h_0, c_0=c_0)


def large(case: Case, number: int) -> tuple[int, int]:
    """So many steps and rows that a mask has ENOUGH numbers; number: which of two ways."""
    steps, rows = SEEN[number % 2]
    width = case.config.num_directions * case.config.hidden_size
    return steps, max(rows, ENOUGH // (steps * width) + 1)


def not_there_too(target: Subject, case: Case, kept: np.ndarray, p: float) -> None:
    """Fails where a call of other sizes has the mask that the first of these calls has, though not each call has."""
    if len(kept) == 1:
        return
    steps, rows = large(case, case.num_steps + case.num_rows + 1)
    other = next(runs(target, see_through(case, 1, p, steps, rows), 1, p))
    for order in ORDERS:
        begins, there = kept[0].transpose(order).ravel(), other.transpose(order).ravel()
        size = min(begins.size, there.size)
        come_again(begins[:size], there[:size], p, "a call of other sizes")


def runs(target: Subject, shown: tuple[Case, float], masks: int, p: float) -> Iterator[np.ndarray]:
    """Which numbers are let through in each call, without end; their size is judged."""
    claimed("output" in target.capabilities.outputs)
    visible, value = shown
    a = target.arithmetic(visible)
    whole = (1 - p) ** -masks  # what is kept is scaled up, once for each mask
    room = a.u * (64 + 4 * a.ka / value) * whole
    claimed(room < whole / 4)  # a tanh that is this rough near zero hides what is dropped
    while True:
        yield kept_of(target(visible), value, whole, room, p)


def each_number(target: Subject, case: Case) -> None:
    """Fails where chance does not explain how often one number of a small mask is kept, or how alike calls are."""
    p = 0.5
    shown = see_through(case, 1, p, *SMALL[case.config.hidden_size % len(SMALL)])
    kept = np.stack(list(islice(runs(target, shown, 1, p), OFTEN)))
    if (kept == kept[0]).all():
        return  # it starts at the same place in every call, which says nothing of chance
    shares = kept.mean(0)
    step, row, unit = first(abs(shares - p) == abs(shares - p).max())
    share = float(shares[step, row, unit])
    if 2 * shares.size * math.exp(-OFTEN * divergence(share, 1 - p)) < FALSE_ALARM:
        fail(
            "frequency:output",
            f"in {OFTEN} calls, unit {unit} of step {step} and row {row} was kept with a frequency of {share:.3f}, "
            f"must be about {1 - p:.3f}, for p = {p}: chance explains that less than once in {1 / FALSE_ALARM:.0e} "
            "times",
            given=share, must=1 - p, room=spread(OFTEN),
        )  # fmt: skip
    alike({"call": kept.reshape(OFTEN, -1)}, p)


def often(kept: np.ndarray, masks: int, p: float) -> None:
    """Fails where chance does not explain how many numbers were kept."""
    must, share = (1 - p) ** masks, float(kept.mean())
    if 2 * math.exp(-kept.size * divergence(share, must)) < FALSE_ALARM:
        between = "one mask" if masks == 1 else "two masks together"
        fail(
            "frequency:output",
            f"{between} kept {share:.3f} of {kept.size} numbers, must be about {must:.3f}, for p = {p}: "
            f"chance explains that less than once in {1 / FALSE_ALARM:.0e} times",
            given=share, must=must, room=spread(kept.size),
        )  # fmt: skip


def drawn_apart(kept: np.ndarray, p: float) -> None:
    """Fails where chance does not explain what a mask (calls, T, N, D*H) kept: how often, how alike, or a whole slice.

    Slices that are the same are said first, then what chance explains least: where rows share a mask, the steps have
    too few numbers to agree about as often as they must.
    """
    along = {name: np.moveaxis(kept, axis, 0).reshape(kept.shape[axis], -1) for axis, name in enumerate(AXES)}
    if kept.any() and not kept.all():
        alike(along, p, kept.size * divergence(float(kept.mean()), 1 - p))
    often(kept, 1, p)
    for name, slices in along.items():
        for number, mine in enumerate(slices):
            if len(slices) * max(p, 1 - p) ** mine.size < FALSE_ALARM and len(np.unique(mine)) == 1:
                done = "kept" if mine.any() else "dropped"
                fail("pattern:output", f"{name} {number} is {done} as a whole; every number is dropped by itself")
    for order in ORDERS:
        begins, *rest = (one.transpose(order).ravel() for one in kept)
        if middle := begins.size // 2:
            come_again(begins[:middle], begins[middle:], p, "the second half of the same mask")
        if rest:
            come_again(begins, rest[0], p, "the next call")


def come_again(one: np.ndarray, other: np.ndarray, p: float, where: str) -> None:
    """Fails where chance does not explain how alike one part of a mask (n,) and another, shifted by any number, are."""
    must, limit = p**2 + (1 - p) ** 2, -math.log(FALSE_ALARM)
    agree = correlated(one, other) + correlated(~one, ~other)
    sizes = correlated(np.ones_like(one), np.ones_like(other))
    surprise = sizes * divergence(agree / sizes, must) - math.log(2 * sizes.size * len(ORDERS))
    most = int(surprise.argmax())
    if surprise[most] > limit:
        size, share = int(sizes[most]), float(agree[most] / sizes[most])
        fail(
            "pattern:output",
            f"{size} numbers in a row of a mask agree in {share:.3f} with some of {where}, must agree in about "
            f"{must:.3f}, for p = {p}; masks must be drawn for each number",
            given=share, must=must, room=spread(size), shows=where,
        )  # fmt: skip


def correlated(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """In how many places both are true, for each shift of one against the other."""
    size = one.size + other.size
    spectra = np.fft.rfft(one, size) * np.fft.rfft(other[::-1], size)
    return np.fft.irfft(spectra, size)[: size - 1].round()


def alike(along: Mapping[str, np.ndarray], p: float, how_many: float = 0.0) -> None:
    """Fails where chance does not explain how alike the slices (n, size) of an axis are.

    how_many  how little chance explains how many numbers were kept, as minus a logarithm
    """
    must, limit = p**2 + (1 - p) ** 2, -math.log(FALSE_ALARM)
    found = [one for name, slices in along.items() for one in agreements(slices, name)]
    odd = max(
        (one for one in found if one.surprise(must) > limit),
        key=lambda one: (one.share == 1, one.surprise(must)), default=None,
    )  # fmt: skip
    if odd and (odd.share == 1 or odd.surprise(must) > how_many):
        slices = along[odd.axis]
        text = (
            f"the same numbers are dropped in every {odd.axis}" if (slices == slices[0]).all() else
            f"the masks of {odd.where} agree in {odd.share:.3f} of {odd.size} numbers, must be about {must:.3f}, "
            f"for p = {p}"
        )  # fmt: skip
        fail(
            "pattern:output", f"{text}; masks must be drawn for each {odd.axis}",
            given=odd.share, must=must, room=spread(odd.size), shows=odd.where,
        )  # fmt: skip


class Agreement(NamedTuple):
    """In what share of so many numbers slices of a mask agree with others: one of the statements about an axis."""

    axis: str
    where: str
    share: float
    size: int
    statements: int

    def surprise(self, must: float) -> float:
        """Minus the logarithm of a bound on the chance that any of the statements is as far from what it must be."""
        return float(self.size * divergence(self.share, must)) - math.log(2 * self.statements)


def agreements(slices: np.ndarray, axis: str) -> Iterator[Agreement]:
    """The slices (n, size) of an axis with each other: all that lie equally far apart, then the pairs that stand out.

    Two numbers that are drawn apart agree with the same chance. But of three in a row, the first agrees with the second
    more often where the second agrees with the third. So no number is counted twice: of those that lie k apart, each
    block of k is taken with the next one, first the blocks 0 and 1, 2 and 3 and so on, then 1 and 2, 3 and 4. These are
    up to 2 (n - 1) statements, with those about pairs not more than n².
    """
    n, size = slices.shape
    if n < 2:
        return
    signs = 2.0 * slices - 1
    table = (1 + signs @ signs.T / size) / 2
    for apart in range(1, n):
        begins = np.arange(n - apart)
        for second in range(2):
            mine = begins[begins // apart % 2 == second]
            if mine.size:
                share = float(table[mine, mine + apart].mean())
                yield Agreement(axis, f"{axis}s {apart} apart", share, mine.size * size, n**2)
    rows, columns = np.triu_indices(n, 1)
    shares = table[rows, columns]
    for at in (shares.argmax(), shares.argmin()):
        yield Agreement(axis, f"{axis}s {rows[at]} and {columns[at]}", float(shares[at]), size, n**2)


def spread(size: int) -> float:
    """How far chance leads a share of so many numbers (Hoeffding)."""
    return math.sqrt(-math.log(FALSE_ALARM / 2) / (2 * size))


def divergence(share: Any, must: float) -> Any:
    """Kullback and Leibler's, of two coins; exp(-n) times it bounds the chance of such a share or more (Chernoff)."""
    return sum(a * np.log(np.where(a > 0, a / b, 1.0)) for a, b in ((share, must), (1 - share, 1 - must)))


def gradients_through_masks(target: Subject, case: Case, p: float) -> None:
    """The gradients of two layers in training, of which the upper one shows what was dropped before it.

    It shows in the output that comes beside the gradients; where there is none, in the gradient of x, if the lower
    layer hands on x. So the mask is known, and the reference has the same. 1 / (1 - p) must not round.
    """
    case = with_candidate(handing_on(case, [1], 1 - p), 1, float(case.config.cell == "RNN_RELU"))
    case = case.replace(dropout=p, training=True)
    shown = Shown(case, target.arithmetic(case))
    d = taken(target, shown.heard(cotangents(case)))
    run, own = recorded_run(target, case, d)
    if not own:
        case = handing_on(case, [0], 0.5)
        case = case.map(lambda name, array: np.zeros_like(array) if name == "weight_ih_l0_reverse" else array)
        case = case.replace(x=np.clip(case.x, -1, 1))  # no unit is saturated: each lets its gradient through
        shown = Shown(case, target.arithmetic(case))
        d = {name: array * (name == "d_output") for name, array in taken(target, shown.heard(cotangents(case))).items()}
        run, _ = recorded_run(target, case, d)
    for left in reversed(range(-(-FEW // int(shown.clear.sum())))):  # of few numbers, none may be dropped, or all
        kept = shown.kept(own.result.output) if own else shown.kept_by_gradient(run.result.x, d)
        right = gradients(case, **d, arithmetic=run.arithmetic, masks=[kept / (1 - p)])
        try:
            gradients_within(target, run, right)
        except Failure as failure:
            fail("mask:gradients", f"{failure.message}, with what was dropped in this run of training", run)
        if left:
            run, own = recorded_run(target, case, d)


class Shown:
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
