"""Why a recurrence fails: which mistake in the equations, or in how states are handed on, gives the target's numbers.

Each mode is looked at alone. It is asked a few cases in the widest precision that is claimed; a mistake is named if it
gives what the target gives on all of them, those that are right included. Else it is said in which calls it is wrong.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import inf
from typing import Any

import numpy as np

from conformance.claims.allowed import sequences
from conformance.events import MEASURED, Diagnosis, Finding
from conformance.faults.recurrences import Mistake, mistakes_of
from conformance.harness.answer import DEATHS, Problem
from conformance.harness.call import Call
from conformance.harness.load import Target
from conformance.judging.evidence import ULPS, distance, largest
from conformance.judging.oracle import Failure, NotRun
from conformance.judging.recurrent_subject import UNIT, RecurrentSubject
from conformance.judging.words import enumeration
from reference_rnn import Recurrence, RecurrenceCase, handed
from strategies.recurrences import Sequences

from .errors import Error, Observation, asked_anew, find_errors, join_cells
from .features import sizes_of
from .triggers import DRAWN, find_rule
from .work import OUT_OF_TIME, Deadline, Work

STEPS = (1, 3, 2, 5, 9, 17, 33, 70)
NAMES = {"T": "steps", "N": "batch", "M": "heads"}  # of sizes that no letter has
CASES = 14  # that a mode is asked
CALLS = 600  # to learn which calls of a mode are wrong, or raise what
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
    """One mode of one recurrence of a target.

    several: whether it claims more recurrences than this;  work: the calls that are left
    """

    subject: RecurrentSubject
    cell: Recurrence
    mode: str | None
    several: bool
    work: Work

    @property
    def words(self) -> str:
        """Where it is, in words: nothing where there is only one."""
        cell, mode = [str(self.cell)] if self.several else [], [f"in mode {self.mode}"] if self.mode else []
        return ", ".join([*cell, *mode])

    def sentence(self, text: str) -> str:
        """What is so there."""
        return f"{self.words}: {text}" if self.words else text

    @property
    def allowed(self) -> Sequences:
        """Its cases, in the widest dtype that is claimed."""
        claims = self.subject.capabilities
        return sequences(claims, recurrences=(self.cell,), dtypes=(max(claims.dtypes, key=lambda name: -UNIT[name]),))

    def cases(self, seed: int, count: int) -> Iterator[RecurrenceCase]:
        """So many of these."""
        allowed, draw = self.allowed, random.Random(seed)
        for number in range(count):
            steps, kind = STEPS[number % len(STEPS)], ("uniform", "dyadic")[number % 5 == 4]
            yield bounded(allowed, draw, {"mode": self.mode, "steps": steps, "kind": kind})

    def fresh(self) -> Iterator[Call]:
        """Other calls, always the same ones."""
        return (Call("forward", case) for case in self.cases(1, DRAWN))  # type: ignore[arg-type]

    def resized(self, call: Call, axis: str, size: int) -> Call | None:
        """A call like one, but for one size; None if the target claims no such call."""
        old: Any = call.case
        sizes = sizes_of(old) | {axis: size}
        by_name = {NAMES.get(letter, letter): number for letter, number in sizes.items()}
        allowed = self.allowed
        multiple = allowed.multiples[self.mode]
        if size < 1 or any(
            number not in allowed.sizes.get(name, (number,)) or number % multiple.get(name, 1)
            for name, number in by_name.items()
        ):
            return None
        arranged = "packed" if old.offsets is not None else "padded" if old.lengths is None else "lengths"
        chosen = {"mode": self.mode, "kind": "uniform", "stateless": old.stateless, "arranged": arranged}
        only = {name: (number,) for name, number in by_name.items()}
        try:
            case = replace(allowed, sizes=only).filled(random.Random(size), chosen)
        except IndexError:  # it is smaller than any that is claimed
            return None
        return Call("forward", case) if sizes_of(case) == sizes else None  # type: ignore[arg-type]

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
        """Whether a new instance gives wrong numbers for a call; None where it gives none. Raises NotRun."""
        if self.work.over:
            raise NotRun("no calls are left")
        self.work.spend()
        self.subject.restart()
        answered = self.answer(call.case)  # type: ignore[arg-type]
        if answered.problem and answered.problem.kind in DEATHS:
            raise NotRun("the target's process ended")
        return None if answered.given is None else not answered.right

    def errors(self, answered: Sequence[Answered]) -> list[Error]:
        """The errors that are raised there."""
        seen = [Observation(one.call, one.problem) for one in answered if one.given is not None or one.problem]
        return find_errors(seen, asked_anew(self.subject, self.work), self, self.words or str(self.cell))


def diagnose_recurrences(target: Target, seconds: float = inf) -> Diagnosis:
    """The mistakes that give the numbers of a target that fails, mode by mode; within a time if one is given."""
    deadline = Deadline(seconds)
    subject = RecurrentSubject(target, anew=True)
    subject.restart()
    named: dict[Mistake, dict[str, int]] = {}
    errors: list[Error] = []
    known, findings = [], []
    modes: list[str | None] = [*subject.capabilities.modes] or [None]
    recurrences = subject.capabilities.recurrences
    for cell, mode in product(recurrences, modes):
        place = Place(subject, cell, mode, len(recurrences) > 1, Work(CALLS, deadline))
        if cell.step is None and mode == modes[0]:
            known.append(f"Only the shapes of {cell} are known. Give its equations, and a mistake can be named.")
        answered = [place.answer(case) for case in place.cases(0, CASES)]
        errors += place.errors(answered)
        heard = [one for one in answered if one.given is not None]
        wrong, right = ([one.call for one in heard if one.right is value] for value in (False, True))
        mistake = next((m for m in mistakes_of(cell).values() if wrong and explains(m, answered)), None)
        if mistake:
            named.setdefault(mistake, {})[place.words] = len(wrong)
        elif wrong and (rule := find_rule(wrong, right, place.is_wrong, place)):
            title = place.sentence(f"{wrong_parts(answered)}, {rule}")
            findings.append(Finding("measured.trigger", title, "", 0, len(wrong), MEASURED))
        elif wrong:
            known.append(place.sentence(f"{len(wrong)} of {len(answered)} answers are not those of the equations, and "
                         f"no known mistake gives them; {wrong_parts(answered)}"))  # fmt: skip
        elif not heard:
            known.append(place.sentence(f"{len(answered)} of {len(answered)} calls gave no answer"))
        elif cell.step is not None:
            others = "all" if len(heard) == len(answered) else f"the other {len(heard)} of"
            known.append(place.sentence(f"{others} {len(answered)} answers are those of the equations"))
    if deadline.met:
        known.append(OUT_OF_TIME)
    exact = [finding(mistake, where, len(recurrences) * len(modes)) for mistake, where in named.items()]
    return Diagnosis([*exact, *(one.finding for one in join_cells(errors)), *findings], known)


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
