"""Localisation: where a target is wrong and where it is right, learnt from its answers to the probes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from conformance.judging.metamorphic import lowest_layers
from conformance.judging.oracle import Failure, NotApplicable, ordinal, steps_before
from conformance.judging.subject import Subject
from reference_rnn import Case, anchored, forward, result_shapes
from reference_rnn.layers import time_major_output

from .asking import has_processes
from .probes import Answered, asked, forward_is_wrong
from .work import PROCESS, Work

DEEP = 4  # wrong answers of stacked layers that are looked into
ALONE = 5  # wrong answers that are asked for again, each of a new instance
FRESH = 2  # of these, each of a new process
FEWEST = 3  # wrong answers from which something follows about all: of one or two, too much is true by chance


@np.errstate(all="ignore")
def what_is_known(
    answered: Sequence[Answered], cells: Sequence[str], subject: Subject | None = None, calls: Work | None = None,
    stated: Collection[str] = (),
) -> list[str]:  # fmt: skip
    """Sentences about where these cells are wrong, and which cells are right.

    subject  the target, to be asked for its lower layers by these calls
    stated   cells about which more is said than how many probes are wrong: that alone is left out
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
        for label, group in (("", forwards), ("gradients of ", gradients_of(mine))):
            if any(not a.right for a in group):
                for fact in (*facts(group, cell in stated), *depth(group, subject, calls)):
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
    none = [a for a in mine if a.given is None]
    return [f"{len(none)} of {len(mine)} probes give no result at all"] if 0 < len(none) < len(mine) else []


def gradients_of(answered: Sequence[Answered]) -> list[Answered]:
    """The probes that ask for gradients, if all that is wrong is among them."""
    return [] if forward_is_wrong(answered) else [a for a in answered if a.probe.d is not None]


def facts(answered: Sequence[Answered], stated: bool = False) -> Iterator[str]:
    """How much is wrong, and in what part of the results.  stated: how many probes are wrong is of no interest"""
    wrong = [a for a in answered if not a.right]
    silent = [a for a in wrong if a.given is None]
    if silent:
        yield f"{len(silent)} of {len(answered)} probes give no result at all"
    if len(silent) < len(wrong) and not stated:
        yield (
            f"{len(wrong)} of {len(answered)} probes are wrong"
            if len(wrong) < len(answered)
            else "every probe is wrong"
        )
    heard = [a for a in wrong if a.given is not None]
    yield from misshapen(heard)
    if len(heard) >= FEWEST:
        yield from parts(heard)
        steps = [a for a in heard if a.probe.d is None and a.probe.case.num_steps]
        if len(steps) >= FEWEST:
            yield from places(steps)


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
