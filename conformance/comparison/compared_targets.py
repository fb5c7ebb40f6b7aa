"""The two versions of a comparison as targets: each is called once with a case, and their numbers are compared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from conformance.claims.capabilities import Capabilities
from conformance.harness.answer import Answer
from conformance.harness.load import Target
from conformance.harness.local import Cotangents
from conformance.judging import recurrence_runs, recurrences
from conformance.judging.gradients import cotangents, gradient_run
from conformance.judging.oracle import Failure, Run, agree, void_layers
from conformance.judging.recurrent_subject import UNIT, RecurrentSubject
from conformance.judging.subject import Subject
from reference_rnn import Case, Result


class Version(Subject):
    """One of two versions; it is called once with a case, whatever is then judged about it."""

    def __init__(self, target: Target, claims: Capabilities, by: str) -> None:
        super().__init__(target, claims)
        self.by = by
        self.void = False
        self.kept: dict[str, tuple[Case, Answer | Failure]] = {}

    def answer(self, case: Case) -> Answer:
        """What it returned."""
        return self.once("forward", case, super().answer)

    def gradients(self, case: Case, cotangents: Cotangents) -> Answer:
        """The gradients that it returned."""
        ask = super().gradients
        return self.once("gradients", case, lambda case: ask(case, cotangents))

    def once(self, what: str, case: Case, ask: Callable[[Case], Answer]) -> Answer:
        """Asks for each case once: its answer, or its Failure, is kept."""
        if what not in self.kept or self.kept[what][0] is not case:
            try:
                self.kept[what] = case, ask(case)
            except Failure as failure:
                self.kept[what] = case, failure
        answer = self.kept[what][1]
        if isinstance(answer, Failure):
            raise answer
        return answer

    def restart(self) -> None:
        """A new instance, which knows no case."""
        self.kept = {}
        super().restart()

    def cover(self, case: Case, balls: Result | None = None) -> None:
        """Notes whether the balls of a case say nothing."""
        self.void = balls is not None and any(void_layers(balls, case))


class RecurrentVersion(Version, RecurrentSubject):
    """One of two compared targets of recurrences."""

    def suspect(self, about: str, sentence: str) -> None:
        """What looks wrong where nobody can tell makes a case void."""
        self.void = True
        super().suspect(about, sentence)

    def follow(self, *_: Any) -> None:
        """No number is followed: the two ways may be those of two targets."""


def version_of(target: Target, claims: Capabilities, by: str) -> Version:
    """A target as one of two versions of which both make these claims; each hands on states in its own dtype."""
    kind = RecurrentVersion if claims.recurrences else Version
    return kind(target, replace(claims, state_dtype=target.capabilities.state_dtype), by)


def gave_same_bits(old: Version, new: Version, case: Case) -> bool:
    """Whether two versions that answered gave the same bits."""
    one, other = old.answer(case).arrays, new.answer(case).arrays
    return one.keys() == other.keys() and all(a.tobytes() == other[name].tobytes() for name, a in one.items())


def disagreement(old: Version, new: Version, case: Case) -> Failure | None:
    """How the numbers of two versions differ beyond rounding, whatever the reference says; None where they do not."""
    if isinstance(old, RecurrentVersion) and isinstance(new, RecurrentVersion):
        return handed_apart(old, new, case)
    for call in (forward_run, backward_run):
        try:
            one, other = call(old, case), call(new, case)
        except Failure:
            continue  # neither has numbers, for the same reason
        try:
            agree(one, other)
        except Failure as failure:
            return failure
    return None


def forward_run(version: Version, case: Case) -> Run:
    """The numbers of a version for a case."""
    return version(case)


def backward_run(version: Version, case: Case) -> Run:
    """Its gradients; an empty run where it claims none."""
    if not version.capabilities.gradients:
        return Run(case, {}, version.arithmetic(case), lambda: None)
    return gradient_run(version, case, cotangents(case))


def handed_apart(old: RecurrentVersion, new: RecurrentVersion, case: Any) -> Failure | None:
    """How far two answers of recurrences are apart: in double precision, where both claim it."""
    return difference_of(old, new, case, numbers_of, "by OLD and by NEW")


def slopes_apart(old: Version, new: Version, case: Any) -> Failure | None:
    """How the gradients of two recurrences differ so, where nothing has a kink; None too where not both claim any."""
    if not isinstance(old, RecurrentVersion) or not isinstance(new, RecurrentVersion):
        return None
    if not old.capabilities.gradients:
        return None
    return difference_of(old, new, recurrence_runs.generic(case), slopes_of, "gradients by OLD and by NEW")


def difference_of(
    old: RecurrentVersion, new: RecurrentVersion, case: Any, asked: Callable[[RecurrentVersion, Any], Any], told: str
) -> Failure | None:
    """How what two versions are asked for differs; None where it does not, or one of them does not answer."""
    coarser = max(old, new, key=lambda version: UNIT[version.capabilities.state_dtype or case.config.dtype])
    try:
        asked(old, case), asked(new, case)
    except Failure:
        return None  # neither has numbers, for the same reason
    try:
        recurrences.agree(coarser, case, lambda c: asked(old, c), lambda c: asked(new, c), told)
    except Failure as failure:
        return failure
    return None


def numbers_of(version: RecurrentVersion, case: Any) -> Any:
    """What a version gives for a case."""
    return version(case).numbers


def slopes_of(version: RecurrentVersion, case: Any) -> Any:
    """Its gradients."""
    return version.slopes(case, recurrence_runs.cotangents(case))
