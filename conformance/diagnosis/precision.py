"""Precision: numbers of the form 1 + 2^-k say how many bits are kept of what is multiplied, of sums and of results.

The last 2^-k that still moves a result is the last bit that is kept. Rounding goes by size: where the bits that are
kept are not as many for small numbers as for large ones, it is no rounding, and nothing is said. Gradients are right to
as many bits as what they are made of, and all right where that has few.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np

from conformance.faults.stored import short_operands
from conformance.judging.gradients import accepted_cotangents, cotangents, gradient_run
from conformance.judging.oracle import Failure, NotApplicable
from conformance.judging.words import enumeration
from reference_rnn import PRECISION, Case, arithmetic, gradients
from reference_rnn.case import gate_rows

from . import influence
from .asking import Bench, mapped
from .curves import ANY, FINE, FORMATS, NEAR, built, places, reading
from .earlier import of_dtype
from .settings import STATES, Setting, settings

LARGE, SMALL = 0.5, 0.5 * 2.0**-5
MANY = 6  # bits of the dtype that must be lost: the last ones go with rounding of other kinds
FEW = 4  # bits, and results of numbers between 0.5 and 0.6 that differ: where there are fewer, nothing moves at all
LUCK = 4  # bits to which the gradients of one case may be right beyond those of another
TERMS = 64  # of a long sum
SIZES = [{"T": steps, "N": 2, "I": 3, "H": 3, "L": 1, "D": D} for steps in (2, 5) for D in (1, 2)]
LARGER = [{"T": 9, "N": 2, "I": 3, "H": 3, "L": L, "D": D} for L in (1, 2) for D in (1, 2)]
SINGLE = "double precision is computed in single precision"
LOST = "sums lose {} terms that are each too small to move them: they are kept in {} significant bits"


def precision(bench: Bench) -> list[str]:
    """How many bits are kept where more must be: of all, of results, else of sums, else of what is multiplied."""
    if bench.dtype == "float64" and in_single_precision(bench):
        return [SINGLE]
    setting = next(filter(straight, settings(bench.cell, bench.allowed.initial_state)), None)
    if setting is None:
        return []
    try:
        if PRECISION[bench.dtype] < PRECISION["float32"]:  # fewer bits cannot be told from rounding, but in long sums
            return [LOST.format(TERMS, PRECISION[bench.dtype])] if loses(bench, setting) else []
        moved = [last_kept(bench, setting, sums, base) for base in (LARGE, SMALL)]
        results = of_results(bench, setting) if None not in moved else None
    except (Failure, NotApplicable):  # what cannot be told from sums is not said
        return []
    if results is not None and all(bits is not None and abs(bits - results) <= 1 for bits in moved):
        return [said(f"{setting.result} is", results)]
    if moved[0] is not None and {moved[0]} == {*moved, *kept(bench, setting, summands)}:
        return [said("sums are", moved[0])]
    found: dict[str, list[str]] = {}
    cut: dict[tuple[int, bool], list[str]] = {}
    for name, cases in OPERANDS.items():
        large, small = kept(bench, setting, cases)
        if how := rounded_to(large, small):
            found.setdefault(how, []).append(name)
        if how and large is not None and large == small:
            cut.setdefault((large, middle_goes_up(bench, setting, cases, large)), []).append(name)
    others = len(bench.subject.capabilities.dtypes) > 1  # in which it may not be so
    for (bits, up), names in cut.items():
        bench.leads += short_operands(tuple(names), bits, up, bench.dtype * others)
    return [
        f"{enumeration(names)} {'are' if len(names) > 1 else 'is'} rounded to {how}" for how, names in found.items()
    ]


@np.errstate(all="ignore")
def in_single_precision(bench: Bench) -> bool:
    """Whether results are numbers of float32, and right for the case in that, where some are wrong in double precision.

    In networks of some sizes, with numbers of which float32 keeps less than what is given; some are off by more than a
    result that is rounded once.
    """
    bench.restart()
    cases = [case for case in (influence.built(bench, rung) for rung in (*SIZES, *LARGER)) if case]
    wrong, once = False, arithmetic("float32").u
    for case in cases:
        thirds = case.map(lambda _, array: array / 3)
        given, (mid, rad) = bench.ask(thirds), bench.ball(thirds)
        its, room = bench.ball(of_dtype(thirds, "float32"))
        if (given != given.astype(np.float32)).any() or (abs(given - its) > room).any():
            return False
        wrong |= bool((abs(given - mid) > rad + once * abs(mid)).any())
    return wrong


@np.errstate(all="ignore")
def precision_of_gradients(bench: Bench) -> list[str]:
    """To how many significant bits gradients are right, where those of numbers that have few bits are right."""
    if not bench.subject.capabilities.gradients or PRECISION[bench.dtype] < PRECISION["float32"]:
        return []
    cases = [case for case in (influence.built(bench, rung) for rung in SIZES) if case]
    if not cases or bits_of_gradients(bench, few_bits(cases[0]), cotangents(cases[0], "signs")) is not None:
        return []
    found = [bits_of_gradients(bench, case, cotangents(case)) for case in cases]
    bits = [some for some in found if some is not None]
    if len(bits) < len(found) or max(bits) > min(bits) + LUCK:
        return []
    kept = min(FORMATS, key=lambda some: abs(some - min(bits)))
    if abs(min(bits) - kept) > NEAR or kept > PRECISION[bench.dtype] - MANY:
        return []
    return [f"gradients are right to about {kept} significant bits only, {FORMATS[kept]}"]


def bits_of_gradients(bench: Bench, case: Case, d: Mapping[str, np.ndarray]) -> float | None:
    """To how many bits, of the largest number of each array, the gradients are right; None if they are right."""
    bench.restart()
    bench.count_a_call()
    d = accepted_cotangents(bench.subject, d)
    given = gradient_run(bench.subject, case, d).result.arrays
    off = []
    for name, ball in gradients(case, **d, arithmetic=bench.arithmetic(case)).items():
        if name not in given:
            continue
        mid, rad = getattr(ball, "mid", ball), getattr(ball, "rad", 0.0)
        away = abs(given[name] - mid)
        off += [away.max() / abs(mid).max()] if (away > rad).any() else []
    return -float(np.log2(max(off))) if off else None


def few_bits(case: Case) -> Case:
    """The case without weights, and with other numbers that have few bits: so have all states, and all activations."""

    def change(name: str, array: np.ndarray) -> np.ndarray:
        return (np.round(4 * array) / 4 if name in ("x", "h_0") else 0 * array).astype(array.dtype)

    return case.map(change)


def straight(setting: Setting) -> bool:
    """Whether the result of a small number is as small, so that rounding by size shows."""
    small = ANY[setting.activation](np.zeros(1))
    return setting.swept not in STATES and setting.alone and not setting.through and not small.any()


def said(what: str, bits: int) -> str:
    """That something keeps so many bits, in words."""
    return f"{what} rounded to {rounded_to(bits, bits)}"


def rounded_to(large: int | None, small: int | None) -> str:
    """What numbers are rounded to, by the bits that are kept of large ones and of small ones, in words; "" if neither.

    >>> rounded_to(11, 11)
    '11 significant bits, as in float16 and tf32'
    >>> rounded_to(24, 19)
    'about 7 decimals'
    """
    if large is None or small is None:
        return ""
    if large == small:
        return f"{large} significant bits" + (f", {FORMATS[large]}" if large in FORMATS else "")
    fixed = large - small == round(np.log2(LARGE / SMALL))
    return f"about {round((large - 1) * np.log10(2))} decimals" if fixed else ""


@np.errstate(all="ignore")
def of_results(bench: Bench, setting: Setting) -> int | None:
    """How many significant bits the results have, large ones and small ones; None if there are enough."""
    bits = set()
    for size in (LARGE, SMALL):
        read = reading(bench, setting, FINE / LARGE * size)
        if read.right.all() or not np.isfinite(read.theirs).all() or len(set(read.theirs.tolist())) < FEW:
            return None
        bits.add(max(map(significant, read.theirs.tolist())))
    return bits.pop() if len(bits) == 1 and max(bits) < PRECISION[bench.dtype] - MANY else None


def significant(number: float) -> int:
    """The significant bits of a number: 1 for a power of two."""
    numerator = abs(number.as_integer_ratio()[0])
    return (numerator >> ((numerator & -numerator).bit_length() - 1)).bit_length() if numerator else 0


def kept(bench: Bench, setting: Setting, cases: Changed) -> tuple[int | None, int | None]:
    """How many significant bits of something move the result, of large and small numbers; None if enough do."""
    try:
        return last_kept(bench, setting, cases, LARGE), last_kept(bench, setting, cases, SMALL)
    except (Failure, NotApplicable):  # it has no answer to this
        return None, None


@np.errstate(all="ignore")
def last_kept(bench: Bench, setting: Setting, cases: Changed, base: float) -> int | None:
    """The significant bits that are kept of base (1 + 2^-k); None if there are enough, or rounding explains that."""
    most = PRECISION[bench.dtype] - 1
    given, mid, rad = [], [], []
    for extra in (0.0, *(2.0**-k for k in range(1, most + 1))):
        case = cases(bench, setting, base, extra)
        at = places(case, setting, 1)[0]
        ball = bench.ball(case)
        given.append(bench.ask(case)[at])
        mid.append(ball[0][at])
        rad.append(ball[1][at])
    # the first bit that is lost may be rounded up: then it gives what the last that is kept does
    last = max((k for k in range(1, most + 1) if given[k] not in (given[0], given[k - 1])), default=0)
    explained = (abs(np.array(given) - mid) <= rad).all()
    return None if not FEW <= last <= most - MANY or explained else last + 1


def middle_goes_up(bench: Bench, setting: Setting, cases: Changed, bits: int) -> bool:
    """Whether what lies in the middle between LARGE and the next number of so many bits becomes that one."""
    made = [cases(bench, setting, LARGE, extra) for extra in (2.0**-bits, 2.0 ** (1 - bits))]
    middle, following = (bench.ask(case)[places(case, setting, 1)[0]] for case in made)
    return bool(middle == following)


@np.errstate(all="ignore")
def loses(bench: Bench, setting: Setting) -> bool:
    """Whether many terms do not move a sum that each of them is too small to move, in the bits of the dtype.

    Raises NotApplicable where there are not as many inputs.
    """
    case = built(bench, setting, np.array([LARGE]), inputs=TERMS + 1)
    x = case.x.copy()
    x[0, 0, 1 : TERMS + 1] = LARGE
    long = mapped(case, {"x": x})
    for column in range(1, TERMS + 1):
        long = weighing(long, setting, "weight_ih", column, 2.0 ** -(PRECISION[bench.dtype] + 1))
    at = places(case, setting, 1)[0]
    short, given = bench.ask(case)[at], bench.ask(long)[at]
    mid, rad = (array[at] for array in bench.ball(long))
    return bool(given == short and abs(given - mid) > rad)


def inputs(bench: Bench, setting: Setting, base: float, extra: float) -> Case:
    """x is base (1 + extra)."""
    return built(bench, setting, np.array([base * (1 + extra)]))


def weights(bench: Bench, setting: Setting, base: float, extra: float) -> Case:
    """W_ih is base (1 + extra)."""
    return weighing(built(bench, setting, np.array([1.0])), setting, "weight_ih", 0, base * (1 + extra))


def sums(bench: Bench, setting: Setting, base: float, extra: float) -> Case:
    """base + base extra, as two products. Raises NotApplicable where there is one input alone."""
    return summed(bench, setting, base, base, extra)


def summands(bench: Bench, setting: Setting, base: float, extra: float) -> Case:
    """The same where x has the small number, not the weight; raises like ``sums``."""
    return summed(bench, setting, base, base * extra, 1.0)


def summed(bench: Bench, setting: Setting, base: float, x_1: float, weight: float) -> Case:
    """base + x_1 weight; raises like ``sums``."""
    case = built(bench, setting, np.array([base]), inputs=2)
    x = case.x.copy()
    x[0, 0, 1] = x_1
    return weighing(mapped(case, {"x": x}), setting, "weight_ih", 1, weight)


def states(bench: Bench, setting: Setting, base: float, extra: float) -> Case:
    """h_0 is base (1 + extra), and x is 0. Raises NotApplicable where the gate reads no state, or none is given."""
    case = built(bench, setting, np.array([0.0]))
    if case.h_0 is None or setting.swept not in case.config.cell.packing("weight_hh"):
        raise NotApplicable
    h_0 = case.h_0.copy()
    h_0[0, 0, 0] = base * (1 + extra)
    return weighing(mapped(case, {"h_0": h_0}), setting, "weight_hh", 0, 1.0)


def recurrent(bench: Bench, setting: Setting, base: float, extra: float) -> Case:
    """W_hh is base (1 + extra), and x is 0; raises like ``states``."""
    return weighing(states(bench, setting, 1.0, 0.0), setting, "weight_hh", 0, base * (1 + extra))


def biased(kind: str, bench: Bench, setting: Setting, base: float, extra: float) -> Case:
    """A bias is base (1 + extra), and x is 0. Raises NotApplicable where there is none."""
    case = built(bench, setting, np.array([0.0]))
    name = f"{kind}_l0"
    if name not in case.parameters or setting.swept not in case.config.cell.packing(kind):
        raise NotApplicable
    bias = case.parameters[name].copy()
    bias[gate_rows(case.config, setting.swept, name).start] = base * (1 + extra)
    return mapped(case, {name: bias})


def weighing(case: Case, setting: Setting, kind: str, column: int, weight: float) -> Case:
    """The case with another weight of the first unit."""
    array = case.parameters[f"{kind}_l0"].copy()
    array[gate_rows(case.config, setting.swept, f"{kind}_l0").start, column] = weight
    return mapped(case, {f"{kind}_l0": array})


Changed = Callable[[Bench, Setting, float, float], Case]
OPERANDS: dict[str, Changed] = {
    "x": inputs, "W_ih": weights, "h_0": states, "W_hh": recurrent,
    "b_ih": partial(biased, "bias_ih"), "b_hh": partial(biased, "bias_hh"),
}  # fmt: skip
