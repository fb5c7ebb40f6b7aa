"""Test vectors asked of a target: which of them it gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from conformance.claims.allowed import taken
from conformance.claims.capabilities import Capabilities
from conformance.judging.oracle import Failure, fail, first, message, within
from conformance.judging.recurrences import agree
from conformance.judging.recurrent_subject import UNIT, RecurrentSubject
from conformance.judging.subject import Subject
from reference_rnn import RecurrenceCase
from strategies.cases import own_hidden_biases

from .vector_files import Vector


@dataclass
class Outcome:
    """What a target made of some vectors, by file name; of several modes each is asked, and stands behind the name.

    wrong      what is wrong with its answer: array, index, given, must and place;  held: names of the others
    unclaimed  what each vector needs that the target does not claim, so that it was not run
    """

    held: list[str] = field(default_factory=list)
    wrong: dict[str, str] = field(default_factory=dict)
    unclaimed: dict[str, list[str]] = field(default_factory=dict)


def judge(subject: Subject, found: Mapping[str, Vector]) -> Outcome:
    """Runs a target on all vectors that it claims to run; raises Failure if it cannot be built."""
    subject.restart()
    outcome = Outcome()
    for name, vector in in_modes(found, subject.capabilities).items():
        if missing := unclaimed(vector, subject.capabilities):
            outcome.unclaimed[name] = missing
            continue
        try:
            hold(subject, vector)
            outcome.held.append(name)
        except Failure as failure:
            outcome.wrong[name] = failure.message
    return outcome


def in_modes(found: Mapping[str, Vector], claims: Capabilities) -> dict[str, Vector]:
    """The vectors as a target is asked: those of recurrences in each of its modes."""
    if not claims.recurrences or not claims.modes:
        return dict(found)
    layers = {name: vector for name, vector in found.items() if not isinstance(vector.case, RecurrenceCase)}
    return layers | {
        f"{name} in mode {mode}": replace(vector, case=replace(vector.case, mode=mode))
        for name, vector in found.items() if name not in layers
        for mode in claims.modes
    }  # fmt: skip


def hold(subject: Subject, vector: Vector) -> None:
    """Asks a target for one vector; raises Failure if it gives something else."""
    if isinstance(subject, RecurrentSubject):
        hold_handed(subject, vector)
        return
    run = subject(vector.case)
    for sentence in run.misread:
        fail("shape", sentence)
    within(run, vector.balls)


def hold_handed(subject: RecurrentSubject, vector: Vector) -> None:
    """Raises Failure if a recurrence does not give a vector's numbers.

    If it computes in another order than the vector's, both are compared in double precision alone.
    """
    balls = dict(vector.balls.items())
    if subject.order(vector.case) != vector.order:
        numbers = {name: ball.mid for name, ball in balls.items()}
        ask = lambda case: subject(case).numbers  # noqa: E731
        agree(subject, vector.case, ask, lambda case: numbers, right="the vector has")
        return
    for name, given in subject(vector.case).numbers.items():
        wrong = ~balls[name].contains(given)
        if wrong.any():
            at = first(wrong)
            fail(f"value:{name}", message(name, at, given[at], balls[name][at]))


def unclaimed(vector: Vector, claims: Capabilities) -> list[str]:
    """What a vector needs that a target does not claim."""
    case = vector.case
    if isinstance(case, RecurrenceCase) != bool(claims.recurrences):
        return [str(case.config.cell)]
    missing = taken(claims).lacks(case)
    if vector.arithmetic != claims.arithmetic:
        missing.append(f"{vector.arithmetic} arithmetic")
    return missing + (lacks_precision if claims.recurrences else lacks_of_layers)(vector, claims)


def lacks_of_layers(vector: Vector, claims: Capabilities) -> list[str]:
    """What a vector of layers needs besides sizes and arithmetic."""
    case, own = vector.case, own_hidden_biases(vector.case.config, claims.biases)
    fits = {
        "initial_state": case.h_0 is None or claims.initial_state,
        "two biases": not any(
            array[own == 0].any() for name, array in case.parameters.items() if name.startswith("bias_hh")
        ),
        f"the order of {vector.order}": vector.order == claims.order,
    }
    return [name for name, fit in fits.items() if not fit]


def lacks_precision(vector: Vector, claims: Capabilities) -> list[str]:
    """What a vector of a recurrence needs besides sizes and arithmetic."""
    mode, dtype = vector.case.mode, vector.case.config.dtype
    order = claims.modes[mode].order if mode else claims.order
    fits = {
        f"states in {dtype}": UNIT[claims.state_dtype or dtype] <= UNIT[dtype],
        f"float64 in the order of {order}": order == vector.order or "float64" in claims.dtypes,
    }
    return [name for name, fit in fits.items() if not fit]
