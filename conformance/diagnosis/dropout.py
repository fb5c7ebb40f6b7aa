"""What dropout does between two layers of which the upper one hands on what it reads: each factor is seen.

So is that by which a gradient goes back, where the lower layer does so, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace

import numpy as np

from conformance.judging.gradients import gradient_run
from conformance.judging.mask_probes import handing_on, passes, see_through, with_candidate
from conformance.judging.mask_statistics import FALSE_ALARM, evenest, range_text
from conformance.judging.oracle import Failure, NotApplicable, NotRun, applicable
from conformance.judging.subject import Subject
from conformance.judging.words import enumeration
from reference_rnn import Case, Cell, Config, forward
from reference_rnn.case import gate_rows

from .asking import Bench
from .earlier import given
from .influence import generic
from .work import Work

P = 0.25  # of which 1 / (1 - p), 1 / p, 1 - p and p are all different
SIZES = {"steps": 7, "batch": 5, "input_size": 3, "hidden_size": 6}
NEAR = 2.0**-4  # to a factor; rounding is far below it
SIGMAS = 7  # of how often numbers are kept: farther off is no chance
USUAL = 4  # what chance gives, for all that is told
SEVERAL = 15  # more calls, where the same numbers are kept along an axis: these may be few
ENOUGH = 60  # numbers that are all kept, or all like another one, which is no chance either
FACTORS = {"1 / p": 1 / P, "1": 1.0, "1 - p": 1 - P, "p": P}
CALLS = 120  # of one target
OFTEN = 32  # calls after which what has never dropped anything drops nothing: a mask may be of one number
FEW = 3  # calls for how many numbers two masks let through
POOLED = 40  # calls for how often numbers are dropped
SMALL = 2.0**-8  # so that tanh is all but the identity
INPUTS = ("x", "h_0", "c_0")
AXES = {"all steps": 0, "all rows": 1, "both directions": 2, "all units": 3}
HALF = 0.5  # a p with which one mask and two on top of each other are told apart


@np.errstate(all="ignore")
def dropout(bench: Bench) -> list[str]:
    """What is wrong with dropout; nothing if it is right. Raises NotApplicable where it cannot be seen, and NotRun."""
    if outside := list(of_evaluation(bench)):
        return outside
    taken = seen_through(bench)
    ways = (
        lambda: of_last_output(bench, taken[0]), lambda: said(bench, taken[0]), lambda: of_layers(bench, taken[-1]),
        lambda: of_ends(bench, taken[-1]), lambda: said_of_gradients(bench, taken[-1]),
    )  # fmt: skip
    found = next(filter(None, (list(way()) for way in ways)), [])
    with suppress(Failure, NotApplicable, NotRun):
        found += of_all(bench, taken[0])  # which is apart: it hides nothing, and is hidden by nothing
    return found


def of_evaluation(bench: Bench) -> Iterator[str]:
    """Whether numbers are dropped outside training as they must be in it, where all goes through with p = 0."""
    for case in of_two_layers(bench):
        shown = [see_through(case, 1, p, case.num_steps, case.num_rows) for p in (0.0, P)]
        usual, found = (evaluated(bench, constant) / value - 1 for constant, value in shown)
        kept = abs(found) > NEAR
        often = abs(kept.mean() - (1 - P)) <= SIGMAS * np.sqrt(P * (1 - P) / kept.size)
        if near(usual, 1.0).all() and not kept.all() and often and near(found[kept], 1 / (1 - P)).all():
            yield "outside training numbers between layers are dropped, too"
            return


def seen_through(bench: Bench) -> list[Case]:
    """Those networks of two layers of which each hands on what it reads; raises NotApplicable."""
    taken = [case for case in of_two_layers(bench) if hands_on(bench, case)]
    applicable(bool(taken) and taken[0].x[..., 0].size * taken[0].config.hidden_size >= ENOUGH)
    return taken


def of_two_layers(bench: Bench) -> list[Case]:
    """Networks of two layers, in two directions and in one, as far as they are taken; raises NotApplicable."""
    claims = bench.subject.capabilities
    seen = claims.dropout and passes(bench.cell) and "output" in claims.outputs and bench.allowed.max_layers > 1
    applicable(bool(seen))
    T, N, I, H = (bench.size(name, size) for name, size in SIZES.items())  # noqa: E741
    cases = [generic(bench, Config(bench.cell, I, H, 2, two, dtype=bench.dtype), T, N) for two in (True, False)]
    return [case for case in cases if bench.subject.takes(case)]


def hands_on(bench: Bench, case: Case) -> bool:
    """Whether each layer hands on what it reads to its own place, where nothing is dropped: else factors are not seen.

    One constant is handed on, as factors are seen, and numbers that are all different, in both ways; these times any
    number, since layers below may read or give something else.
    """
    constant, value = see_through(case, 1, 0.0, case.num_steps, case.num_rows)
    if not near(evaluated(bench, constant) / value - 1, 1.0).all():
        return False
    for apart in (True, False):
        different = with_small_numbers(handing_on(case, range(case.config.num_layers), apart=apart))
        given, wanted = evaluated(bench, different), forward(different.replace(training=False)).output
        scaled = wanted * (given * wanted).sum() / (wanted * wanted).sum()
        if not (scaled.any() and (abs(given - scaled) <= NEAR * abs(scaled).max()).all()):
            return False
    return True


def evaluated(bench: Bench, case: Case) -> np.ndarray:
    """What a new instance gives outside training."""
    bench.restart()
    bench.count_a_call()
    return bench.subject(case.replace(training=False)).result.output.astype(np.float64)


@np.errstate(all="ignore")
def frequency(bench: Bench, p: float) -> list[str]:
    """How often numbers are dropped with this p, if that is wrong; raises like ``dropout``."""
    case = seen_through(bench)[0]
    bench.restart()
    dropped = [abs(shown_factors(bench, case, p)) <= NEAR for _ in range(POOLED)]
    if len({mask.tobytes() for mask in dropped}) < POOLED:
        return []  # some are drawn once for several calls
    often = float(np.mean(dropped))
    if abs(often - p) <= SIGMAS * np.sqrt(p * (1 - p) / np.size(dropped)):
        return []
    return [f"with p = {p:.4g} numbers between layers are dropped with probability {often:.2g}"]


def drops(subject: Subject, cell: Cell) -> list[str] | None:
    """The same of a target, in its first dtype; None where that cannot be seen."""
    with suppress(Failure, NotApplicable, NotRun):
        return dropout(Bench(subject, cell, subject.capabilities.dtypes[0], Work(CALLS)))
    return None


def said(bench: Bench, case: Case) -> Iterator[str]:
    """What is wrong with dropout in networks of these sizes."""
    found = factors(bench, case, P)
    halves = dict(zip(("the forward", "the reverse"), np.split(found, 2, -1))) if case.config.bidirectional else {}
    whole = [name for name, half in halves.items() if near(half, 1.0).all()]
    if near(found, 1.0).all():
        yield "in training nothing is dropped between layers"
    elif whole:
        yield f"in training nothing of {whole[0]} direction is dropped between layers"
    else:
        shape = (*found.shape[:2], case.config.num_directions, -1)
        again = lambda: abs(shown_factors(bench, case, P)).reshape(shape) > NEAR  # noqa: E731
        seen = [*of_factors(found.reshape(shape), again), *of_directions(bench, case)]
        yield from seen or of_shares(bench, again)


def of_all(bench: Bench, case: Case) -> Iterator[str]:
    """What is wrong where p is 1, so that all must be dropped."""
    if bench.subject.capabilities.dropout is not True:
        return
    shown, value = see_through(case, 1, 1.0, case.num_steps, case.num_rows)
    bench.restart()
    bench.count_a_call()
    output = bench.subject(shown).result.output
    if not np.isfinite(output).all():
        yield "with p = 1 results are not finite"
    elif near(output / value - 1, 1.0).all():
        yield "with p = 1 nothing is dropped between layers"


def of_last_output(bench: Bench, case: Case) -> Iterator[str]:
    """Whether the output of the last layer is dropped, which its final states show: they are the ends of it."""
    if "h_n" not in bench.subject.capabilities.outputs:
        return
    shown, _ = see_through(case, 1, P, case.num_steps, case.num_rows)
    bench.restart()
    bench.count_a_call()
    result, c = bench.subject(shown).result, case.config
    halves = np.split(result.output, c.num_directions, -1)
    ends = zip(halves, (-1, 0), result.h_n[-c.num_directions :])
    if any(((half[last] == 0) & (final != 0)).any() for half, last, final in ends):
        yield "in training numbers of the last layer's output are dropped"


def of_directions(bench: Bench, case: Case) -> Iterator[str]:
    """Whether two directions that read the same numbers read them with the same ones dropped."""
    if case.config.bidirectional:
        bench.restart()
        forwards, backwards = np.split(shown_factors(bench, case, P, apart=False), 2, -1)
        if (abs(forwards - backwards) > NEAR).any():
            yield "each direction of the next layer reads a mask of its own"


def of_shares(bench: Bench, again: Callable[[], np.ndarray]) -> Iterator[str]:
    """Whether a share of the numbers is dropped, and not each by itself.  again: which are kept in another call."""
    bench.restart()
    kept = np.stack([again() for _ in range(SEVERAL)])
    even = evenest(kept.reshape(*kept.shape[:3], -1), P)
    if even.surprise > -np.log(FALSE_ALARM):
        yield (
            f"dropout takes a share p of each {even.where}, must take each number with probability p: with p = {P} "
            f"{range_text(even.low, even.high)} of {even.size}"
        )


def of_layers(bench: Bench, case: Case) -> Iterator[str]:
    """Whether something is dropped between higher layers, too, and two masks let through what one of them does."""
    high = generic(bench, replace(case.config, num_layers=3), case.num_steps, case.num_rows)
    if bench.allowed.max_layers < 3 or not bench.subject.takes(high):
        return
    if near(factors(bench, high, P), 1.0).all():
        yield "in training nothing is dropped between layers 1 and 2 (counted from 0)"
        return
    bench.restart()  # the weights are others
    kept = np.stack([abs(shown_factors(bench, high, HALF, 2)) > NEAR for _ in range(FEW)])
    shares = np.array([1 - HALF, (1 - HALF) ** 2])  # of one mask, and of two
    one, two = abs(kept.mean() - shares) / np.sqrt(shares * (1 - shares) / kept.size)
    if one < USUAL and two > SIGMAS:
        yield "dropout has one mask for all layers"


def of_ends(bench: Bench, case: Case) -> Iterator[str]:
    """Whether something else is dropped than what goes between layers: of a single layer, or of final states."""
    single = generic(bench, replace(case.config, num_layers=1), case.num_steps, case.num_rows)
    if bench.subject.takes(single):
        bench.restart()
        found, final = single_factors(bench, single)
        if found.size >= ENOUGH and not (abs(found) > NEAR).all():
            yield of_one_layer(found, final, lambda: single_factors(bench, single)[0], single.config)
            return
    if "h_n" not in bench.subject.capabilities.outputs:
        return
    shown, value = see_through(case, 1, P, case.num_steps, case.num_rows)
    bench.restart()
    bench.count_a_call()
    if (abs(bench.subject(shown).result.h_n[: case.config.num_directions] / value - 1) > NEAR).any():
        yield "in training the final states of a layer are dropped with its output"


def read_apart(config: Config) -> int:
    """How many numbers of x a single layer is shown, so that two units at least read each of them."""
    return min(config.input_size, config.hidden_size // 2)


def single_factors(bench: Bench, case: Case) -> tuple[np.ndarray, np.ndarray]:
    """The factor of each number that one layer hands on in the forward direction, (T, N, H), those of x in turn.

    And those of its final state, (N, H), ones where none is handed out. Raises NotApplicable where what is given is no
    multiple of that.
    """
    shown = with_small_numbers(handing_on(case, [0]))
    gates = gate_rows(case.config, case.config.cell.candidate, "weight_ih_l0")
    read = np.arange(case.config.hidden_size) % read_apart(case.config)

    def change(name: str, array: np.ndarray) -> np.ndarray:
        changed = array.copy()
        if name == "weight_ih_l0":
            changed[gates] = np.eye(array.shape[1])[read]
        return changed

    shown = shown.map(change)
    bench.count_a_call()
    given, wanted = bench.subject(shown).result, forward(shown.replace(training=False))
    found = (given.output / wanted.output)[..., : case.config.hidden_size].astype(np.float64)
    applicable(bool(np.isfinite(found).all()))
    return found, np.ones(found.shape[1:]) if given.h_n is None else given.h_n[0] / wanted.h_n[0]


def of_one_layer(found: np.ndarray, final: np.ndarray, again: Callable[[], np.ndarray], config: Config) -> str:
    """What a single layer drops, and how, if not as it is done between layers. found, final: see ``single_factors``.

    Units that read the same number are dropped together where that is x.
    """
    each, kept = read_apart(config), abs(found) > NEAR
    reads = (kept[..., each:] == kept[..., :-each]).all()
    dropped, width = ("x", each) if reads else ("output", config.hidden_size)
    masks = [kept, *(abs(again()) > NEAR for _ in range(SEVERAL))]
    masks = [mask[..., :width].reshape(*mask.shape[:2], 1, width) for mask in masks]
    how = list(how_dropped(found[kept], masks))
    if not reads and not (abs(final) > NEAR).all():
        how.append("so are those of the final state")
    said = f"in training numbers of {dropped} are dropped, as a network of one layer shows"
    return f"{said}: {', '.join(how)}" if how else said


def how_dropped(factors: np.ndarray, masks: Sequence[np.ndarray]) -> Iterator[str]:
    """In which way numbers are dropped that must not be, if not as they are between layers: in a few words each."""
    if not near(factors, 1 / (1 - P)).all():
        words = next((words for words, factor in FACTORS.items() if near(factors, factor).all()), "something else")
        yield f"what is kept is multiplied by {words}"
    if alike := alike_along(masks[0]) and always_alike(masks):
        yield f"one mask serves {enumeration(alike)}"
        return
    dropped = 1 - np.stack(masks)
    if abs(dropped.mean() - P) > SIGMAS * np.sqrt(P * (1 - P) / dropped.size):
        yield f"with p = {P} it is done with probability {dropped.mean():.2g}"


def said_of_gradients(bench: Bench, case: Case) -> Iterator[str]:
    """What is wrong with how gradients go back through dropout."""
    c = case.config
    numbers = case.num_steps * case.num_rows * min(c.input_size, c.hidden_size)
    if bench.subject.capabilities.gradients is True and not c.bidirectional and numbers >= ENOUGH:
        found, terms = factors_back(bench, case)
        if any(near(found, factor).all() for factor in (1.0, 1 / (1 - P))):
            yield "in training gradients go back as if nothing were dropped between layers"
            return
        yield from of_kept(found, "gradients of what dropout keeps are")
        if terms == "all":
            yield "in training the gradient of weights is that of numbers of which none is dropped"
        elif terms != "kept":
            yield "in training gradients go back through another mask than the one that dropped in this run"


def of_factors(found: np.ndarray, again: Callable[[], np.ndarray]) -> Iterator[str]:
    """What is wrong with the factors, of which some are zero: how large the others are, which, and how many.

    found  (T, N, D, H);  again: which are kept in another call
    """
    yield from of_kept(found, "what dropout keeps is")
    kept = abs(found) > NEAR
    if kept.all() or not kept.any():
        return
    alike = alike_along(kept)
    if alike:
        alike = always_alike([kept, *(again() for _ in range(SEVERAL))])
    if alike:
        yield f"dropout has one mask for {enumeration(alike)}"
    often, chance = kept.mean(), SIGMAS * np.sqrt(P * (1 - P) / kept.size)
    if not alike and 2 * chance < 1 - 2 * P and abs(often - P) < chance:
        yield f"dropout keeps with probability p, must drop with it: with p = {P} about as many are kept"


def alike_along(kept: np.ndarray) -> list[str]:
    """The axes along which the same numbers are kept."""
    several = {name: axis for name, axis in AXES.items() if kept.shape[axis] > 1}
    return [name for name, axis in several.items() if (kept == kept.take([0], axis)).all()]


def always_alike(masks: Sequence[np.ndarray]) -> list[str]:
    """The axes along which the same numbers are kept in each of some calls, where that is no chance in such masks."""
    alike = [name for name in alike_along(masks[0]) if all(name in alike_along(mask) for mask in masks)]
    drawn = len(masks) if len({mask.tobytes() for mask in masks}) > 1 else 1  # anew for each call, or once
    for axis, size in enumerate(masks[0].shape):
        drawn *= 1 if axis in [AXES[name] for name in alike] else size
    return [name for name in alike if drawn * (masks[0].shape[AXES[name]] - 1) >= ENOUGH]


def of_kept(found: np.ndarray, what: str) -> Iterator[str]:
    """That what is not zero is multiplied by another factor than it must be, if that is known."""
    kept = found[abs(found) > NEAR]
    for words, factor in FACTORS.items():
        if kept.size and near(kept, factor).all():
            right = f"by {factor:.4g}, must be by {1 / (1 - P):.4g}"
            yield f"{what} multiplied by {words}, must be by 1 / (1 - p): with p = {P} {right}"


def factors(bench: Bench, case: Case, p: float) -> np.ndarray:
    """The factor of each number between two layers, (T, N, D*H), in the first call of a new instance that drops any."""
    bench.restart()
    for _ in range(OFTEN):
        found = shown_factors(bench, case, p)
        if not (abs(found) > NEAR).all():
            break
    return found


def shown_factors(bench: Bench, case: Case, p: float, masks: int = 1, apart: bool = True) -> np.ndarray:
    """The same in the next call of an instance, or that of some masks on top of each other; apart: see_through."""
    shown, value = see_through(case, masks, p, case.num_steps, case.num_rows, apart=apart)
    bench.count_a_call()
    found = bench.subject(shown).result.output / value - 1
    applicable(bool(np.isfinite(found).all()))
    return found


def factors_back(bench: Bench, case: Case) -> tuple[np.ndarray, str]:
    """The factor by which the gradient of each number goes back between two layers, (T, N, D*H) or narrower.

    And of which numbers the gradient of the weights between them is, as far as rounding lets that be seen: "kept" are
    those with these factors, or with the right ones where these are not zero; "all" of them; or "" for others.
    """
    c = case.config
    small = with_small_numbers(handing_on(case, range(c.num_layers)))
    above = 2 * float(abs(small.x).max()) if c.bias else 0.0  # what is dropped has a slope in ReLU, too
    for layer in range(c.num_layers):
        small = with_candidate(small, layer, above)
    d = {
        name: array if array is None else np.full_like(array, name == "d_output")
        for name, array in given(bench.subject, small).items()
    }
    width = min(c.input_size, c.hidden_size)
    bench.restart()
    for _ in range(OFTEN):
        bench.count_a_call()
        gradients = gradient_run(bench.subject, small, d).result.arrays
        found, weights = gradients["x"][..., :width], gradients["weight_ih_l1"]
        if not (abs(found) > NEAR).all():
            break
    summed = weights[gate_rows(c, c.cell.candidate, "weight_ih_l1")].diagonal()[:width]
    applicable(bool(np.isfinite(found).all() and np.isfinite(summed).all()))
    divided, read = (abs(found) > NEAR) / (1 - P), small.x[..., :width].astype(np.float64) + above
    ways = (("kept", found), ("kept", divided), ("all", np.ones_like(divided)))
    terms = (said for said, factors in ways if explains(bench, factors * read, summed, c.num_layers))
    return found, next(terms, "")


def with_small_numbers(case: Case) -> Case:
    """The case in training with states of zero and an x that tanh all but leaves as it is."""
    return case.replace(dropout=P, training=True).map(
        lambda name, array: (array * (SMALL if name == "x" else 0)).astype(array.dtype) if name in INPUTS else array
    )


def explains(bench: Bench, terms: np.ndarray, summed: np.ndarray, layers: int) -> bool:
    """Whether sums over steps and rows, through so many layers, are those of these terms, or may be by rounding."""
    room = layers * terms[..., 0].size * bench.unit * abs(terms).sum((0, 1))
    least = NEAR * abs(terms).max((0, 1))
    return bool(((abs(summed - terms.sum((0, 1))) <= least) | (room > least)).all())


def near(array: np.ndarray, factor: float) -> np.ndarray:
    """Which numbers are a factor, but for rounding."""
    return abs(array - factor) < NEAR * factor
