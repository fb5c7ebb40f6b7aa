"""Asking a target for experiments: counted calls, sizes that it claims, and answers as flat lists of numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from conformance.claims.allowed import drawn
from conformance.faults.parts import Share
from conformance.faults.patching import Fault, FaultyReference
from conformance.harness.process import ProcessTarget
from conformance.judging.oracle import NotApplicable, NotRun, applicable
from conformance.judging.subject import Subject
from reference_rnn import Arithmetic, Case, Cell, Result, arithmetic, forward, gradients, rounded
from strategies.cases import own_hidden_biases

from .work import PROCESS, Work


def has_processes(subject: Subject) -> bool:
    """Whether each instance can have a new process, and may: where a copy is not enough, and a shape is not dear."""
    held_apart = subject.capabilities.recompiles or is_copied(subject)
    return isinstance(subject.target, ProcessTarget) and not held_apart


def is_copied(subject: Subject) -> bool:
    """Whether each instance is a copy of the process that has loaded the target."""
    return isinstance(subject.target, ProcessTarget) and subject.target.copying


@dataclass
class Bench:
    """One cell of a target in one dtype, and the calls that are left.

    leads  mistakes that follow from what was measured: an experiment that can say what the text would be adds to them
    shares  parts of a network that have something just where sizes are wrong
    tied    axes on whose sizes it depends which of another axis are wrong
    least  sizes that networks have at least, by their dimension;  fixed: those that they have
    alike  what all cases are that are known to be wrong
    beside  mistakes beside which others are looked for: here the reference has them
    """

    subject: Subject
    cell: Cell
    dtype: str
    calls: Work
    leads: list[Fault] = field(default_factory=list)
    shares: list[Share] = field(default_factory=list)
    tied: list[str] = field(default_factory=list)
    least: Mapping[str, int] = field(default_factory=dict)
    fixed: Mapping[str, int] = field(default_factory=dict)
    alike: Sequence[Callable[[Case], bool]] = ()
    beside: tuple[Fault, ...] = ()

    def __post_init__(self) -> None:
        self.allowed = drawn(self.subject.capabilities)
        if self.subject.form.no_state:
            self.allowed = replace(self.allowed, initial_state=False)

    def size(self, dimension: str, wanted: int) -> int:
        """The size, no less than the least, where it is allowed, else the next larger one that is, else the largest."""
        if dimension in self.fixed:
            return self.fixed[dimension]
        wanted = max(wanted, self.least.get(dimension, 0))
        allowed = self.allowed.choice(dimension, 1)
        if allowed is None or wanted in allowed:
            return wanted
        return min((size for size in allowed if size > wanted), default=max(allowed))

    def rounded(self, array: Any) -> np.ndarray:
        """Numbers in the target's dtype."""
        return rounded(np.asarray(array, np.float64), self.dtype)

    def given(self, case: Case) -> Case:
        """The case as the target takes it: what it has no array for is zero, and no state where it takes none."""
        kept = own_hidden_biases(case.config, self.allowed.biases)
        parameters = {
            name: array * kept.astype(array.dtype) if name.startswith("bias_hh") else array
            for name, array in case.parameters.items()
        }
        if not self.allowed.initial_state:
            case = case.replace(h_0=None, c_0=None)
        return case.replace(parameters=parameters)

    @property
    def unit(self) -> float:
        """The unit roundoff of the target's dtype."""
        return arithmetic(self.dtype).u

    def restart(self, process: bool = False) -> None:
        """A new instance of the target, in a new process if that is asked for and can be had; raises Failure."""
        if self.subject.fresh or (process and has_processes(self.subject)):
            self.count_a_call(PROCESS)
            self.subject.target.stop()
        self.subject.restart()

    def ask(self, case: Case) -> np.ndarray:
        """All that the target answers, as one list.

        Raises NotRun when no calls are left, Failure and NotApplicable where there is no answer.
        """
        self.count_a_call()
        return flat(self.subject(case).result)

    def count_a_call(self, worth: int = 1) -> None:
        """One call less is left, or what is worth so many; raises NotRun when none is."""
        if self.calls.over:
            raise NotRun("no calls are left")
        self.calls.spend(worth)

    def arithmetic(self, case: Case) -> Arithmetic:
        """What rounding is allowed to the target."""
        return self.subject.arithmetic(case)

    @np.errstate(all="ignore")
    def ball(self, case: Case) -> tuple[np.ndarray, np.ndarray]:
        """What is right, and how far rounding may lead from it, as lists: beside a mistake, about as far."""
        balls = forward(case, self.arithmetic(case))
        mid, rad = (flat(balls.map(part)) for part in (lambda _, ball: ball.mid, lambda _, ball: ball.rad))
        if self.beside:
            mid = self.right(case)
            applicable(mid.shape == rad.shape)
        return mid, rad

    @np.errstate(all="ignore")
    def right(self, case: Case) -> np.ndarray:
        """All that the reference answers, as one list."""
        return flat(self.forward(case))

    @cached_property
    def forward(self) -> Callable[..., Result[Any]]:
        """``forward`` of the reference, with those mistakes beside which others are looked for."""
        return where_it_works(FaultyReference(*self.beside).forward) if self.beside else forward

    @cached_property
    def gradients(self) -> Callable[..., dict[str, Any]]:
        """``gradients`` of the reference, with those mistakes."""
        return where_it_works(FaultyReference(*self.beside).gradients) if self.beside else gradients


def where_it_works(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of a faulty reference, which raises NotApplicable where its mistake does not work."""

    def answer(*arguments: Any, **named: Any) -> Any:
        try:
            return function(*arguments, **named)
        except Exception:  # whatever a changed text does to a case for which it was not meant
            raise NotApplicable from None

    return answer


def flat(result: Result) -> np.ndarray:
    """All numbers of a result: output, h_n, c_n."""
    return np.concatenate([np.asarray(array, np.float64).ravel() for _, array in result.items()])


def mapped(case: Case, arrays: Mapping[str, np.ndarray]) -> Case:
    """The case with other arrays of some names."""
    return case.map(lambda name, array: arrays.get(name, array))
