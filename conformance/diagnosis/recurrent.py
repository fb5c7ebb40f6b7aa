"""Why a recurrence fails: which mistake in the equations, or in how states are handed on, gives the target's numbers.

Each mode is looked at alone. It is asked a few cases in the widest precision that is claimed; a mistake is named if it
gives what the target gives on all of them, those that are right included.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from conformance.claims.allowed import sequences
from conformance.events import Diagnosis, Finding
from conformance.faults.recurrences import Mistake, mistakes_of
from conformance.harness.load import Target
from conformance.judging.evidence import ULPS, distance, largest
from conformance.judging.oracle import Failure
from conformance.judging.recurrent_subject import UNIT, RecurrentSubject
from reference_rnn import Recurrence, RecurrenceCase, handed
from strategies.recurrences import Sequences

STEPS = (1, 3, 2, 5, 9, 17, 33, 70)
CASES = 14  # that a mode is asked
BOUND = 2.0**4 * ULPS  # times the roundoff, that a number may be from that of a mistake


@dataclass(frozen=True)
class Answered:
    """What a mode gave for a case; None for one that it failed on.  right: whether the equations give that."""

    case: RecurrenceCase
    given: dict[str, np.ndarray] | None
    right: bool


def diagnose_recurrences(target: Target) -> Diagnosis:
    """The mistakes that give the numbers of a target that fails, mode by mode."""
    subject = RecurrentSubject(target, anew=True)
    subject.restart()
    named: dict[Mistake, dict[str, int]] = {}
    known: list[str] = []
    modes: list[str | None] = [*subject.capabilities.modes] or [None]
    for cell in subject.capabilities.recurrences:
        if cell.step is None:
            known.append(f"Only the shapes of {cell} are known. Give its equations, and a mistake can be named.")
            continue
        for mode in modes:
            answered = answers(subject, cell, mode)
            wrong = [one for one in answered if one.given is not None and not one.right]
            where = f"in mode {mode}" if mode else ""
            said = f"{where}, " if where else ""
            silent = sum(one.given is None for one in answered)
            mistake = next((m for m in mistakes_of(cell).values() if wrong and explains(m, answered)), None)
            if mistake:
                named.setdefault(mistake, {})[where] = len(wrong)
            elif wrong:
                known.append(f"{said}{len(wrong)} of {len(answered)} answers are not those of the equations, and no "
                             f"known mistake gives them; {told(answered)}")  # fmt: skip
            elif silent:
                others = ", the others what is right" if silent < len(answered) else ""
                known.append(f"{said}{silent} of {len(answered)} calls gave no answer{others}")
            else:
                known.append(f"{said}all {len(answered)} answers are those of the equations")
    return Diagnosis([finding(mistake, where, len(modes)) for mistake, where in named.items()], known)


def answers(subject: RecurrentSubject, cell: Recurrence, mode: str | None) -> list[Answered]:
    """What a mode gives for some cases of a recurrence."""
    claims, draw = subject.capabilities, random.Random(0)
    dtype = max(claims.dtypes, key=lambda name: -UNIT[name])
    allowed = sequences(claims, recurrences=(cell,), dtypes=(dtype,))
    found = []
    for number in range(CASES):
        chosen = {"mode": mode, "steps": STEPS[number % len(STEPS)], "kind": ("uniform", "dyadic")[number % 5 == 4]}
        case = bounded(allowed, draw, chosen)
        try:
            given = dict(subject(case).numbers)
        except Failure:
            found.append(Answered(case, None, False))
            subject.restart()
            continue
        found.append(Answered(case, given, alike(given, dict(handed(case).items()), dtype)))
    return found


def bounded(allowed: Sequences, draw: random.Random, chosen: dict) -> RecurrenceCase:
    """A case with what is chosen, at an allowed size."""
    if "steps" in allowed.sizes:
        del chosen["steps"]
    return allowed.filled(draw, chosen)


@np.errstate(all="ignore")
def alike(given: dict[str, np.ndarray], expected: dict[str, np.ndarray], dtype: str) -> bool:
    """Whether numbers are the same, but for rounding."""
    for name, a in given.items():
        b = np.asarray(expected[name], np.float64)
        if a.shape != b.shape or not (distance(a, b) <= BOUND * UNIT[dtype] * max(largest(a, b), 2.0**-20)).all():
            return False
    return True


def explains(mistake: Mistake, answered: Sequence[Answered]) -> bool:
    """Whether a mistake gives all that a target gave."""
    for one in answered:
        if one.given is None:
            continue
        try:
            expected = dict(mistake.handed(one.case).items())
        except Exception:  # it gives nothing for this case
            return False
        if not alike(one.given, expected, one.case.config.dtype):
            return False
    return True


def finding(mistake: Mistake, where: Mapping[str, int], modes: int) -> Finding:
    """A mistake as a report has it.  where: how many wrong answers it explains there"""
    only = "" if len(where) == modes else f", {' and '.join(where)} only"
    wrong, hint = sum(where.values()), mistake.hint and mistake.hint + only
    return Finding(mistake.id, mistake.title + only, mistake.patch, wrong, wrong, "carried-state", hint=hint)


def told(answered: Sequence[Answered]) -> str:
    """Which of the answers are wrong, and where, in words."""
    wrong, right = ([one for one in answered if one.given and one.right is value] for value in (False, True))
    only = [
        name for name, has in TRAITS.items() if all(has(o.case) for o in wrong) and not any(has(o.case) for o in right)
    ]
    kinds = f"only those with {' and '.join(only)} are" if only and right else "wrong are cases of every kind"
    places = [place for one in wrong for place in wrong_places(one)]
    arrays = list(dict.fromkeys(name for name, _ in places))
    earliest = min((step for _, step in places if step is not None), default=0)
    since = f", never before step {earliest}" if earliest else ""
    return f"{kinds}, in {' and '.join(arrays)}{since}"


def wrong_places(one: Answered) -> Iterator[tuple[str, int | None]]:
    """The arrays that are wrong, and the first wrong step of each that has steps."""
    expected, u = dict(handed(one.case).items()), UNIT[one.case.config.dtype]
    for name, array in (one.given or {}).items():
        apart = distance(array, expected[name]) > BOUND * u * max(largest(array, expected[name]), 2.0**-20)
        if not apart.any():
            continue
        if name in one.case.states:
            yield name, None
        elif one.case.offsets is None:
            yield name, int(np.argwhere(apart)[:, 0].min())
        else:
            yield name, int(one.case.valid[0][np.argwhere(apart)[:, 0]].min())


TRAITS: dict[str, Callable[[RecurrenceCase], bool]] = {
    "one step": lambda c: c.num_steps == 1,
    "more than 16 steps": lambda c: c.num_steps > 16,
    "states that are given": lambda c: not c.stateless,
    "no states": lambda c: c.stateless,
    "packed rows": lambda c: c.offsets is not None,
    "padded rows": lambda c: c.lengths is not None,
    "several rows": lambda c: c.num_rows > 1,
    "several heads": lambda c: c.config.heads > 1,
}
