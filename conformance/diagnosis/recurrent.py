"""Why a recurrence fails: which mistake in the equations, or in how states are handed on, gives the target's numbers.

Each mode is looked at alone. It is asked a few cases in the widest precision that is claimed; a mistake is named if it
gives what the target gives on all of them, those that are right included. Else it is said in which calls it is wrong.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from conformance.claims.allowed import sequences
from conformance.events import MEASURED, Diagnosis, Finding, PropertyResult
from conformance.faults.recurrences import Mistake, mistakes_of
from conformance.harness.answer import Problem
from conformance.harness.call import Call
from conformance.harness.load import Target
from conformance.judging.evidence import ULPS, distance, largest
from conformance.judging.oracle import Failure
from conformance.judging.recurrent_subject import UNIT, RecurrentSubject
from conformance.judging.words import enumeration
from reference_rnn import Recurrence, RecurrenceCase, handed
from strategies.recurrences import Sequences

from .measured import shown_by
from .raised import Observed, Raised, asking, merged, raised
from .triggers import DRAWN, trigger
from .work import Work

STEPS = (1, 3, 2, 5, 9, 17, 33, 70)
CASES = 14  # that a mode is asked
CALLS = 600  # to learn which calls of a mode raise
BOUND = 2.0**4 * ULPS  # times the roundoff, that a number may be from that of a mistake


@dataclass(frozen=True)
class Answered:
    """What a mode gave for a case; None for one that it failed on.

    right: whether the equations give that, as far as they are known;  problem: why nothing was given
    """

    case: RecurrenceCase
    given: dict[str, np.ndarray] | None
    right: bool
    problem: Problem | None = None

    @property
    def call(self) -> Call:
        """The call that it is the answer to."""
        return Call("forward", self.case)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Place:
    """One mode of one recurrence of a target.  several: whether it claims more recurrences than this"""

    subject: RecurrentSubject
    cell: Recurrence
    mode: str | None
    several: bool

    @property
    def words(self) -> str:
        """Where it is, in words: nothing where there is only one."""
        return ", ".join(filter(None, (str(self.cell) * self.several, self.mode and f"in mode {self.mode}")))

    def said(self, text: str) -> str:
        """What is so there."""
        return f"{self.words}{': ' if self.words else ''}{text}"

    @property
    def dtype(self) -> str:
        """The widest that is claimed."""
        return max(self.subject.capabilities.dtypes, key=lambda name: -UNIT[name])

    def cases(self, seed: int, count: int) -> Iterator[RecurrenceCase]:
        """Cases of it in that dtype."""
        draw = random.Random(seed)
        allowed = sequences(self.subject.capabilities, recurrences=(self.cell,), dtypes=(self.dtype,))
        for number in range(count):
            steps, kind = STEPS[number % len(STEPS)], ("uniform", "dyadic")[number % 5 == 4]
            yield bounded(allowed, draw, {"mode": self.mode, "steps": steps, "kind": kind})

    def shown(self, failed: Sequence[PropertyResult]) -> Iterator[RecurrenceCase]:
        """The cases of it that failures show."""
        for call in (call for found in shown_by(failed) for call in found.calls if call.do == "forward"):
            case: Any = call.case
            if case.mode == self.mode and case.config.cell == self.cell:
                yield case

    def answer(self, case: RecurrenceCase) -> Answered:
        """What the target gives for a case."""
        try:
            given = dict(self.subject(case).numbers)
        except Failure as failure:
            self.subject.restart()
            return Answered(case, None, False, failure.problem)
        right = self.cell.step is None or alike(given, dict(handed(case).items()), case.config.dtype)
        return Answered(case, given, right)

    def is_wrong(self, call: Call) -> bool | None:
        """Whether a new instance gives wrong numbers for a call; None where it gives none."""
        self.subject.restart()
        answered = self.answer(call.case)  # type: ignore[arg-type]
        return None if answered.given is None else not answered.right

    def raised(self, answered: Sequence[Answered]) -> list[Raised]:
        """The mistakes by which it raises."""
        ask = asking(self.subject, Work(CALLS))
        return raised([Observed(one.call, one.problem) for one in answered], ask, self.fresh)

    def fresh(self) -> Iterator[Call]:
        """Calls that are no others, always the same ones."""
        return (Call("forward", case) for case in self.cases(1, DRAWN))  # type: ignore[arg-type]


def diagnose_recurrences(target: Target, failed: Sequence[PropertyResult] = ()) -> Diagnosis:
    """The mistakes that give the numbers of a target that fails, mode by mode.  failed: with their counterexamples"""
    subject = RecurrentSubject(target, anew=True)
    subject.restart()
    named: dict[Mistake, dict[str, int]] = {}
    raising: list[Raised] = []
    known, findings, seen = [], [], 0
    modes: list[str | None] = [*subject.capabilities.modes] or [None]
    recurrences = subject.capabilities.recurrences
    for place in (Place(subject, cell, mode, len(recurrences) > 1) for cell in recurrences for mode in modes):
        cell = place.cell
        if cell.step is None and place.mode == modes[0]:
            known.append(f"Only the shapes of {cell} are known. Give its equations, and a mistake can be named.")
        drawn = [place.answer(case) for case in place.cases(0, CASES)]
        answered = [*drawn, *map(place.answer, place.shown(failed))]
        seen += len(answered)
        for one in place.raised(answered):
            raising.append(one)
            one.cells.append(place.words or str(cell))
        heard = [one for one in answered if one.given is not None]
        wrong = [one.call for one in heard if not one.right]
        right = [one.call for one in drawn if one.right]  # what is shown is so simple that it may be right by chance
        silent = len(answered) - len(heard)
        mistake = next((m for m in mistakes_of(cell).values() if wrong and explains(m, answered)), None)
        if mistake:
            named.setdefault(mistake, {})[place.words] = len(wrong)
        elif wrong:
            rule = trigger(wrong, right, place.is_wrong, place.fresh())
            if rule:
                title = place.said(f"{wrong_parts(answered)}, {rule}")
                findings.append(Finding("measured.trigger", title, "", 0, len(wrong), MEASURED))
            else:
                known.append(place.said(f"{len(wrong)} of {len(answered)} answers are not those of the equations, and "
                             f"no known mistake gives them; {wrong_parts(answered)}"))  # fmt: skip
        elif silent and heard and cell.step is not None:
            known.append(place.said(f"what the other {len(heard)} of {len(answered)} calls give is right"))
        elif heard and cell.step is not None:
            known.append(place.said(f"all {len(answered)} answers are those of the equations"))
    places = len(recurrences) * len(modes)
    exact = [finding(mistake, where, places) for mistake, where in named.items()]
    return Diagnosis([*exact, *(one.finding(seen) for one in merged(raising)), *findings], known)


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


def finding(mistake: Mistake, where: Mapping[str, int], places: int) -> Finding:
    """A mistake as a report has it.  where: how many wrong answers it explains there"""
    only = "" if len(where) == places else f", {' and '.join(where)} only"
    wrong, hint = sum(where.values()), mistake.hint and mistake.hint + only
    return Finding(mistake.id, mistake.title + only, mistake.patch, wrong, wrong, "carried-state", hint=hint)


def wrong_parts(answered: Sequence[Answered]) -> str:
    """Which arrays are wrong, and from which step on, in words."""
    places = [place for one in answered if one.given and not one.right for place in wrong_places(one)]
    arrays = list(dict.fromkeys(name for name, _ in places))
    earliest = min((step for _, step in places if step is not None), default=0)
    since = f", never before step {earliest}" if earliest else ""
    return f"{enumeration(arrays)} {'is' if len(arrays) == 1 else 'are'} wrong{since}"


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
