"""Localisation: where a target is wrong and where it is right, learnt from its answers to the probes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import combinations
from math import comb
from typing import Any, NamedTuple

import numpy as np

from conformance.claims.capabilities import Capabilities
from conformance.harness.call import Call
from conformance.judging.metamorphic import lowest_layers
from conformance.judging.oracle import Failure, NotApplicable, ordinal, steps_before
from conformance.judging.subject import Subject
from reference_rnn import Case, anchored, forward, result_shapes
from reference_rnn.layers import time_major_output
from strategies.integers import valid_steps

from .asking import has_processes
from .probes import Answered, asked, forward_is_wrong
from .work import PROCESS, Work

CAUSES = 2  # conditions that are joined by "or"
SELDOM = 0.2  # of the right cases: a condition that so few of them meet says enough
RARE = 0.08  # the same for two conditions
CHANCE = 0.01  # that some feature is common to all wrong cases, though it has nothing to do with them
DEEP = 4  # wrong answers of stacked layers that are looked into
ALONE = 5  # wrong answers that are asked for again, each of a new instance
FRESH = 2  # of these, each of a new process
FEWEST = 3  # wrong answers from which something follows about all: of one or two, too much is true by chance

# What a case can be, in words that go behind "where".
FEATURES: dict[str, Callable[[Case], bool]] = {
    "there are two directions": lambda c: c.config.bidirectional,
    "there is more than one layer": lambda c: c.config.num_layers > 1,
    "there are more than two layers": lambda c: c.config.num_layers > 2,
    "T > 1": lambda c: c.num_steps > 1,
    "T > 4": lambda c: c.num_steps > 4,
    "T > 8": lambda c: c.num_steps > 8,
    "N = 1": lambda c: c.num_rows == 1,
    "N > 1": lambda c: c.num_rows > 1,
    "N > 8": lambda c: c.num_rows > 8,
    "H > 4": lambda c: c.config.hidden_size > 4,
    "H > 8": lambda c: c.config.hidden_size > 8,
    "H > 16": lambda c: c.config.hidden_size > 16,
    "H is no multiple of 4": lambda c: c.config.hidden_size % 4 > 0,
    "I > 4": lambda c: c.config.input_size > 4,
    "I > 8": lambda c: c.config.input_size > 8,
    "I is not H": lambda c: c.config.input_size != c.config.hidden_size,
    "lengths are given": lambda c: c.lengths is not None,
    "a length is less than T": lambda c: bool((c.row_lengths < c.num_steps).any()),
    "lengths are unsigned integers": lambda c: c.lengths is not None and c.lengths.dtype.kind == "u",
    "a length is 0": lambda c: c.num_steps > 0 and bool((c.row_lengths == 0).any()),
    "T = 0": lambda c: c.num_steps == 0,
    "there is NaN in the padding": lambda c: c.lengths is not None and bool(np.isnan(c.x).any()),
    "there are no biases": lambda c: not c.config.bias,
    "there are biases": lambda c: c.config.bias,
    "the initial state is not zero": lambda c: c.h_0 is not None and bool(np.any(c.h_0)),
    "no initial state is given": lambda c: c.h_0 is None,
    "an initial state is given": lambda c: c.h_0 is not None,
    "an array is not contiguous": lambda c: not all(a.flags.c_contiguous for _, a in c.arrays()),
    "an array is read-only": lambda c: not all(a.flags.writeable for _, a in c.arrays()),
    "the batch comes first": lambda c: c.config.batch_first,
    "there is no batch": lambda c: c.unbatched,
    "there is a projection": lambda c: c.config.proj_size > 0,
    "dropout is set": lambda c: c.config.dropout > 0,
    "it is training": lambda c: c.training,
    "x is not finite": lambda c: not np.isfinite(valid_steps(c)).all(),
    "there are peepholes": lambda c: c.config.peepholes,
    "gates are coupled": lambda c: c.config.coupled_gates,
    "there is a clip": lambda c: c.config.clip > 0,
    "activations are not the usual ones": lambda c: bool(c.config.activations),
    "numbers are large": lambda c: bool((abs(np.nan_to_num(c.x, posinf=0, neginf=0)) > 20).any()),
    "the dtype is float32": lambda c: c.config.dtype == "float32",
    "the dtype is float64": lambda c: c.config.dtype == "float64",
    "the dtype is float16": lambda c: c.config.dtype == "float16",
    "the dtype is bfloat16": lambda c: c.config.dtype == "bfloat16",
}


def shared(answers: Sequence[Answered]) -> list[str]:
    """What the cases of all these answers are."""
    return [name for name, is_so in FEATURES.items() if all(is_so(a.probe.case) for a in answers)]


@np.errstate(all="ignore")
def what_is_known(
    answered: Sequence[Answered], cells: Sequence[str], subject: Subject | None = None, calls: Work | None = None,
    stated: Collection[str] = (), shown: Sequence[Call] = (), told_where: Collection[str] = (),
) -> list[str]:  # fmt: skip
    """Sentences about where these cells are wrong, and which cells are right.

    subject  the target, to be asked for its lower layers by these calls
    stated   cells about which more is said than how many probes are wrong: that alone is left out
    shown    the calls that are shown to be wrong elsewhere: what is said of all wrong answers holds for them, too
    told_where  cells of which it is said already where they are wrong
    """
    lines = []
    asked = dict.fromkeys(a.probe.case.config.cell for a in answered)
    right = [cell for cell in asked if all(a.right for a in answered if a.probe.case.config.cell == cell)]
    right = [cell for cell in right if cell not in stated]
    if cells and right:
        lines.append(f"{', '.join(right)} {'is' if len(right) == 1 else 'are'} right in every probe")
    told: dict[tuple[str, str], list[str]] = {}
    for cell in cells:
        mine = [a for a in answered if a.probe.case.config.cell == cell]
        forwards = [a for a in mine if a.probe.d is None]
        for label, do, group in (("", "forward", forwards), ("gradients of ", "gradients", gradients_of(mine))):
            if any(not a.right for a in group):
                mine_shown = [call.case for call in shown if call.do == do and call.case.config.cell == cell]
                mine_told = facts(group, cell in stated, mine_shown, cell in told_where)
                for fact in (*mine_told, *depth(group, subject, calls)):
                    told.setdefault((label, fact), []).append(cell)
    return lines + [f"{label}{', '.join(alike)}: {fact}" for (label, fact), alike in told.items()]


def right_alone(subject: Subject, answered: Sequence[Answered], calls: Work) -> list[str]:
    """A sentence, where what was wrong is right if a new instance is called with it alone, or a new process.

    If it takes a new process, the target gets one for each instance from then on, see Subject.
    """
    wrong = smallest(a for a in answered if not a.right)
    for fresh, new, asked_for in ((False, "instance", wrong), (True, "process", wrong[:FRESH])):
        subject.fresh = fresh and has_processes(subject)
        right = 0
        for a in asked_for if subject.fresh is fresh else ():
            if calls.over:
                break
            calls.spend(PROCESS if fresh else 1)
            right += right_anew(subject, a)
        if right:
            return [
                f"{right} of {len(asked_for)} wrong answers are right when a new {new} is called with them alone: "
                "something is kept between calls, or it is not the same every time"
            ]
    subject.fresh = False
    return []


def right_anew(subject: Subject, answered: Answered) -> bool:
    """Whether a new instance that is called with a probe alone gives the right answer to it."""
    try:
        subject.restart()
        return replace(answered, given=asked(subject, answered.probe)).right
    except (Failure, NotApplicable):
        return False


def smallest(wrong: Iterable[Answered]) -> list[Answered]:
    """The answers to the smallest probes, a few of those that there are."""
    return sorted((a for a in wrong if a.given is not None), key=lambda a: a.probe.size)[:ALONE]


def silent(answered: Sequence[Answered], cells: Collection[str]) -> list[str]:
    """Where cells of which the mistakes are named give no result at all: that is something else."""
    mine = [a for a in answered if a.probe.case.config.cell in cells]
    none = [a.probe.case for a in mine if a.given is None]
    heard = [a.probe.case for a in mine if a.given is not None]
    if not none or not heard:
        return []
    where = condition(none, heard)
    there = "" if where is None else f": {where.told('those', 'and no others')}"
    return [f"{len(none)} of {len(mine)} probes give no result at all{there}"]


def left_out(answered: Sequence[Answered], claims: Capabilities) -> list[str]:
    """What could not be compared, since the results that it builds on are wrong."""
    if not claims.gradients or not forward_is_wrong(answered):
        return []
    return ["gradients were not compared where the results that they belong to are wrong"]


def gradients_of(answered: Sequence[Answered]) -> list[Answered]:
    """The probes that ask for gradients, if all that is wrong is among them."""
    return [] if forward_is_wrong(answered) else [a for a in answered if a.probe.d is not None]


def facts(
    answered: Sequence[Answered], stated: bool = False, shown: Sequence[Case] = (), told_where: bool = False
) -> Iterator[str]:
    """When it is wrong, and in what part of the results.

    stated: how many probes are wrong is of no interest;  told_where: nor under which condition
    """
    wrong = [a for a in answered if not a.right]
    right = [a for a in answered if a.right]
    silent = [a for a in wrong if a.given is None]
    none = f"{len(silent)} of {len(answered)} probes give no result at all"
    if len(silent) == len(answered) or 0 < len(silent) < len(wrong):
        yield none
    if len(silent) == len(answered):
        return
    where = None if told_where else condition([a.probe.case for a in wrong], [a.probe.case for a in right], shown)
    what, of = "wrong", f"{len(wrong)} of {len(answered)} probes are wrong"
    if len(silent) == len(wrong):
        what, of = "no result at all", none
    if where is not None:
        yield where.told(what, "right in all other probes") if where.only else f"{of}, {where.told('', '')}"
    elif len(silent) == len(wrong):
        yield none
    elif not stated:
        yield of if right else "every probe is wrong"
    heard = [a for a in wrong if a.given is not None]
    yield from misshapen(heard)
    if len(heard) >= FEWEST:
        yield from parts(heard)
        steps = [a for a in heard if a.probe.d is None and a.probe.case.num_steps]
        if len(steps) >= FEWEST:
            yield from places(steps)


class Condition(NamedTuple):
    """Under which condition all of some cases are what they are, and whether no other case meets it."""

    where: str
    only: bool

    def told(self, what: str, elsewhere: str) -> str:
        """In words; what they are there, and what others are that do not meet it."""
        return f"{what} where {self.where}, {elsewhere}" if self.only else f"all of them where {self.where}"


def condition(wrong: Sequence[Case], right: Sequence[Case], shown: Sequence[Case] = ()) -> Condition | None:
    """The simplest condition under which the cases are wrong, and never else; or what comes nearest to one, if any.

    shown  other cases that are wrong, not counted: no condition is said that does not hold for them
    """
    if not right or len(wrong) < FEWEST:
        return None
    bad, good = (
        {name: np.array([has(case) for case in cases]) for name, has in FEATURES.items()}
        for cases in ([*wrong, *shown], right)
    )
    if either := cover(bad, good, 0.0):
        return Condition(either, True)
    always = {name: good[name] for name in FEATURES if bad[name].all()}
    seldom = min(always, key=lambda name: always[name].mean(), default=None)
    share = float(always[seldom].mean()) if seldom else 1.0
    if not told_by(len(wrong), len(FEATURES), share):
        seldom = None
    if seldom and share <= SELDOM:  # a mistake need not show every time
        return Condition(seldom, False)
    if told_by(len(wrong), comb(len(FEATURES), CAUSES), CAUSES * RARE) and (either := cover(bad, good, RARE)):
        return Condition(either, False)
    for one, other in combinations(always, 2):
        if not (always[one] & always[other]).any():
            return Condition(f"{one} and {other}", True)
    return Condition(seldom, False) if seldom else None


def told_by(wrong: int, conditions: int, share: float) -> bool:
    """Whether so many wrong answers tell: all meet one of so many conditions, as does this share of the right ones."""
    return conditions * share**wrong <= CHANCE


def cover(bad: dict[str, np.ndarray], good: dict[str, np.ndarray], most: float) -> str:
    """One or two features of which each wrong case has one, and several have each; "" if there are none.

    bad, good: which of the wrong and of the right cases have each feature;  most: the share of the right that may
    """
    left = np.ones(len(next(iter(bad.values()))), bool)
    damning = {name: has for name, has in bad.items() if has.any() and good[name].mean() <= most}
    chosen: list[str] = []
    while left.any() and damning and len(chosen) < CAUSES:
        name = max(damning, key=lambda name: (damning[name] & left).sum())
        if chosen and (damning[name] & left).sum() < 2:
            return ""
        chosen.append(name)
        left &= ~damning[name]
    return "" if left.any() else ", or where ".join(chosen)


@np.errstate(all="ignore")
def depth(answered: Sequence[Answered], subject: Subject | None, calls: Work | None) -> Iterator[str]:
    """The lowest layer that is wrong, if that is not the first. Hidden layers show by running the lower ones alone."""
    deep = [a for a in answered if not a.right and telling(a) and a.probe.case.config.num_layers > 1]
    lowest = []
    for a in sorted(deep, key=lambda a: a.probe.size)[:DEEP]:
        layer = lowest_wrong_layer(a.probe.case, subject, calls) if subject and calls else None
        lowest += [] if layer is None else [layer]
    if lowest and min(lowest) > 0:
        yield f"layers below layer {min(lowest)} are right when they run alone (counted from 0)"


def lowest_wrong_layer(case: Case, subject: Subject, calls: Work) -> int | None:
    """The lowest layer of a time-major case whose output is wrong; None if that cannot be told."""
    for layer in range(case.config.num_layers):
        if calls.over or case.config.batch_first:
            return None
        calls.spend()
        below = lowest_layers(case, layer + 1)
        try:
            run = subject(below)
        except (Failure, NotApplicable):
            return layer
        if not forward(below, run.arithmetic).output.contains(run.result.output).all():
            return layer
    return None


def misshapen(wrong: Sequence[Answered]) -> Iterator[str]:
    """An example of each result that has another shape than it must have, of several steps if there is one."""
    told = set()
    for a in sorted(wrong, key=lambda a: (a.probe.case.num_steps < 2, a.probe.size)):
        for name, shape in result_shapes(a.probe.case).items() if a.probe.d is None else ():
            given = (a.given or {}).get(name)
            if given is not None and given.shape != shape.sizes and name not in told:
                told.add(name)
                directions = "two directions" if a.probe.case.config.bidirectional else "one direction"
                yield f"{name} has shape {given.shape}, must be {shape}, with {directions}"


def parts(wrong: Sequence[Answered]) -> Iterator[str]:
    """Which of the results are wrong at all."""
    names: dict[str, bool] = {}
    for a in wrong:
        for name, value in (a.given or {}).items():
            names[name] = names.get(name, False) or not a.close(name, value, a.expected[name]).all()
    bad = [name for name, is_bad in names.items() if is_bad]
    if bad and len(bad) < len(names):
        yield f"only {', '.join(bad[:6])} {'is' if len(bad) == 1 else 'are'} wrong"


def places(wrong: Sequence[Answered]) -> Iterator[str]:
    """Directions and steps in which the top layer departs from its own previous step."""
    directions, first, rows = set(), [], set()
    told = [a for a in wrong if telling(a)]
    for a in told:
        case, output = a.probe.case, (a.given or {})["output"]
        ball = anchored(case, output, a.arithmetic).output
        for at in map(tuple, np.argwhere(~ball.contains(output)).tolist()):
            first.append(steps_before(case, at) + 1)
            directions.add(at[-1] >= case.config.state_size)
            rows.add(at[1 if len(at) == 3 and not case.config.batch_first else 0])
    if not told:
        return
    if not first:
        yield "each step of the top layer follows from the one before: look at lower layers and final states"
        return
    if min(first) > 1:
        yield f"right up to the {ordinal(min(first) - 1)} step, wrong from the {ordinal(min(first))} on"
    if directions == {True}:
        yield "only the reverse direction is wrong"
    elif directions == {False} and any(a.probe.case.config.bidirectional for a in wrong):
        yield "only the forward direction is wrong"
    if rows == {0} and any(a.probe.case.num_rows > 1 for a in wrong):
        yield "only the first row is wrong"
    elif 0 not in rows:
        yield "the first row is right"


@np.errstate(all="ignore")
def error_map(answered: Sequence[Answered]) -> dict[str, Any] | None:
    """The errors of one row's output by step and unit, as shares of what rounding explains; of a wrong output."""
    wrong = [a for a in answered if a.probe.d is None and a.given and not a.right and telling(a)]
    ranked = sorted(wrong, key=lambda a: (a.probe.case.num_steps < 3, a.probe.size))
    return next((drawn for drawn in map(drawing, ranked) if drawn["first"]), None)


def drawing(a: Answered) -> dict[str, Any]:
    """The errors of the row of an answer that is most wrong."""
    case, output = a.probe.case, (a.given or {})["output"]
    ball = anchored(case, output, a.arithmetic).output
    shares = time_major_output(case, abs(output - ball.mid) / np.maximum(ball.rad, a.arithmetic.eta))
    row = int(np.argmax(np.nan_to_num(shares).max((0, 2), initial=0)))
    given, right = (time_major_output(case, array)[:, row].tolist() for array in (output, ball.mid))
    return {
        "case": repr(case)[:2000],
        "row": row,
        "shares": [[number(s) for s in step] for step in shares[:, row].tolist()],
        "given": [[number(v, 9) for v in step] for step in given],
        "right": [[number(v, 9) for v in step] for step in right],
        "first": first_wrong(shares[:, row], case.config.num_directions),
    }


def first_wrong(shares: np.ndarray, directions: int) -> list[int] | None:
    """Step and unit of the first error that rounding does not explain, in the order in which they are computed.

    shares: (T, D*H) errors of one row as shares of what rounding explains
    """
    wrong = ~(shares <= 1)
    forward, *reverse = np.split(wrong, directions, axis=1)
    if forward.any():
        step, unit = np.argwhere(forward)[0]
        return [int(step), int(unit)]
    if reverse and reverse[0].any():  # which begins at the end
        step = int(np.argwhere(reverse[0].any(1))[-1][0])
        return [step, forward.shape[1] + int(np.argmax(reverse[0][step]))]
    return None


def telling(a: Answered) -> bool:
    """Whether the answer has numbers to show."""
    case, output = a.probe.case, (a.given or {}).get("output")
    shape = (*case.x.shape[:-1], case.config.num_directions * case.config.state_size)
    return output is not None and output.shape == shape and output.size > 0 and not case.training


def number(value: float, digits: int = 3) -> float | None:
    """A number as JSON can hold it, in so many digits."""
    return float(f"{value:.{digits}g}") if np.isfinite(value) else None
