"""Probes: calls whose answers tell mistakes apart, and what the target and the reference answer.

They are the covering cases for every claimed cell, and the same problem asked for in other ways: other layouts,
no states, dropout that keeps or drops everything, gradients. They are always asked in the same order, by one
instance: a mistake that depends on the call before is then repeated by a faulty reference that is asked likewise.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain, cycle, islice, product, takewhile
from typing import Any

import numpy as np

from conformance.claims.allowed import drawn as allowed_cases
from conformance.claims.allowed import forms
from conformance.claims.capabilities import Capabilities
from conformance.harness.answer import Problem
from conformance.judging.gradients import cotangents, expected_from
from conformance.judging.option_cases import WITH
from conformance.judging.oracle import Failure, NotApplicable
from conformance.judging.subject import Subject
from reference_rnn import Arithmetic, Case, Cell, Config, forward, gradients, reached
from strategies.cases import Allowed, build, decode
from strategies.covering import covering
from strategies.forms import answered as as_meant

from .asking import Bench
from .influence import generic
from .ladder import rungs
from .sizes import of_sizes, sizes_of
from .work import Deadline, Work

Arrays = dict[str, np.ndarray]
DRAWN = 16  # random cases for each cell
FRESH, DEAR_FRESH = 200, 20  # the same, which a mistake must give before it is named; few where a shape is dear
FAR = (2, 8, 9, 14, 19)  # covering cases with NaN in the padding, many units, many rows, many steps, no bias
OF_LENGTHS = ("all_lengths", "lengths")  # forms of a case
OFF = 2  # of the ways of dropout, the first, in which nothing is dropped
# At one of these, and at a usual one on all other axes: at some of them two rules about blocks are not the same.
AXES = ("steps", "batch", "input_size", "hidden_size")
SIZES, USUAL = (10, 12, 13, 15, 18, 20, 23, 24, 28, 31, 40, 48), 3
LARGE = (17, 20, 26, 33, 34, 41, 48, 50, 57, 65, 66, 70)  # beside which all is as it is in random cases
UNKNOWN = 2.0**8  # in units of roundoff
MAGNIFIED = 2.0**-8  # of the largest number: rounding that leads farther is taken for a mistake
NEARER = 4.0  # times
SLACK = 4.0  # a wrong target rounds around other numbers than the reference, of about the same size


@dataclass
class Probe:
    """One call: forward on a case, or its gradients for some cotangents."""

    case: Case
    d: dict[str, Any] | None = None
    rung: bool = False  # of the ladder

    def ask(self, reference: Any) -> Arrays:
        """What a reference, faulty or not, answers; no exception of a faulty one is of interest."""
        if self.d is not None:
            return reference.gradients(self.case, **self.d)
        return dict(reference.forward(self.case).items())

    def turned(self, change: Callable[[np.ndarray], np.ndarray]) -> Probe:
        """The same call with other numbers."""
        return replace(self, case=self.case.map(lambda _, array: change(array.astype(np.float64))))

    @property
    def size(self) -> int:
        """How many numbers the case has: the smallest tell soonest."""
        return sum(array.size for _, array in self.case.arrays())


@dataclass(eq=False)  # each is one of its own
class Answered:
    """A probe, what the target answered, and what the reference answers."""

    probe: Probe
    given: Arrays | None  # None: it raised, died or gave no arrays
    expected: Arrays
    arithmetic: Arithmetic
    problem: Problem | None = None  # why there are no arrays

    @cached_property
    def room(self) -> Arrays:
        """How far an answer may be from another one that computes the same."""
        case, a, d = self.probe.case, self.arithmetic, self.probe.d
        balls = gradients(case, **d, arithmetic=a) if d is not None else dict(forward(case, a).items())
        room = {}
        for name, ball in balls.items():
            rad = ball.rad if hasattr(ball, "rad") else np.zeros(np.shape(ball))
            # where no number is expected, no ball says how near two others must be
            usual = np.where(np.isfinite(self.expected[name]), rad, UNKNOWN * a.u)
            room[name] = SLACK * usual + 32 * a.u * np.nan_to_num(abs(self.expected[name]), posinf=0)
        if d is None and not all(np.isfinite(array).all() for array in self.expected.values()):
            for name, reach in reached(case, a).items():
                room[name] = np.where(reach.maybe, np.inf, room[name])  # NaN may have met a factor of zero
        return room

    def widest(self, name: str) -> float:
        """The largest room of an array, among those that are finite."""
        room = self.room.get(name, np.zeros(0))
        return float(room.max(initial=0, where=np.isfinite(room)))

    def same(self, answer: Arrays | None) -> bool:
        """Whether the target's answer is this one, but for rounding; None: none at all."""
        return self.given is answer if self.given is None else self.agreeing(answer) == len(self.given)

    @np.errstate(all="ignore")
    def agreeing(self, answer: Arrays | None, more: Arrays | None = None) -> int:
        """How many arrays of the target's answer are those of this one, up to the first that is not.

        more  how far rounding may lead beside what is usual
        """
        pairs = ((name, array, (answer or {}).get(name)) for name, array in (self.given or {}).items())
        return len(list(takewhile(lambda pair: self.close(*pair, more).all(), pairs)))

    @np.errstate(all="ignore")
    def alike(self, answer: Arrays) -> bool:
        """Whether all that is apart is so little that it may be rounding, in a network that magnifies it."""
        for name, a in (self.given or {}).items():
            b = answer.get(name, np.array(None))
            if b.shape != a.shape or (abs(a - b) > MAGNIFIED * (abs(a).max(initial=0) + 1)).any():
                return False
        return True

    def is_of(self, answer: Arrays) -> bool:
        """Whether the target's answer is much nearer to this one than to the reference's."""
        return NEARER * self.off(answer) <= self.off(self.expected)

    @np.errstate(all="ignore")
    def off(self, answer: Arrays) -> float:
        """How far the target's answer is from another one, all numbers together; infinity where shapes differ.

        Numbers that are the same but for rounding count for nothing.
        """
        every = [(name, array, answer.get(name, np.array(None))) for name, array in (self.given or {}).items()]
        if any(a.shape != np.shape(b) for _, a, b in every):
            return np.inf
        apart = (np.where(self.close(name, a, b), 0.0, abs(a - b)) for name, a, b in every)
        return float(sum(np.nan_to_num(one, posinf=0).sum() for one in apart))

    @np.errstate(all="ignore")
    def close(self, name: str, a: np.ndarray, b: Any, more: Arrays | None = None) -> np.ndarray:
        """Where two arrays are the same, but for rounding."""
        if np.shape(b) != a.shape:
            return np.array(False)
        usual = self.room.get(name, np.array(0.0)) + (more or {}).get(name, 0.0)
        rounding = 32 * self.arithmetic.u * np.nan_to_num(abs(a)) + 4 * self.arithmetic.eta
        room = (usual if usual.shape == a.shape else 0.0) + rounding
        return (a == b) | (abs(a - b) <= room) | (np.isnan(a) & np.isnan(b)) | np.isinf(room)

    @property
    def count(self) -> int:
        """How many arrays must be given; where there is no answer, that there is none counts as one."""
        return 1 if self.given is None else len(self.given)

    @cached_property
    def right(self) -> bool:
        """Whether the target's answer is the reference's; most are so near that no ball is needed to tell."""
        if self.given is None:
            return False
        return all(map(self.near, self.given)) or self.same(self.expected)

    @property
    def lacks_numbers(self) -> bool:
        """Whether the target's answer has NaN or infinity where a number is expected."""
        pairs = ((array, self.expected.get(name, array)) for name, array in (self.given or {}).items())
        return any(a.shape == b.shape and bool((~np.isfinite(a) & np.isfinite(b)).any()) for a, b in pairs)

    @np.errstate(all="ignore")
    def near(self, name: str) -> bool:
        """Whether one array of the answer is the expected one, but for the last rounding."""
        a, b = (self.given or {})[name], self.expected.get(name, np.array(None))
        return np.shape(a) == np.shape(b) and bool((abs(a - b) <= abs(a) * self.arithmetic.u).all())


def forward_is_wrong(answered: Sequence[Answered]) -> bool:
    """Whether what forward gives is wrong. That it gives nothing counts where no gradient is wrong but by that, too."""
    wrong = [a for a in answered if not a.right]
    heard = [a for a in wrong if a.given is not None]
    return any(a.probe.d is None for a in heard or wrong)


def probes(capabilities: Capabilities) -> Iterator[Probe]:
    """The calls for what a target claims."""
    claimed_cases = allowed_cases(capabilities, forms=())  # forms are asked below, one at a time
    cells = len(claimed_cases.cells)
    cases = list(covering(claimed_cases, every_cell=True))
    plain, square, stacked = (cases[place * cells : place * cells + cells] for place in (0, 12, 3))
    yield from map(Probe, cases)
    yield from map(Probe, drawn(claimed_cases))
    yield from (Probe(again) for case in plain for again in repeats(case))
    for claimed, change in VARIANTS.items():
        if capabilities.claims(claimed):
            subjects = [*plain, *stacked] if claimed == "dropout" else [*plain, *square, *stacked]
            yield from (Probe(variant) for case in subjects for variant in change(case, capabilities))
    if capabilities.gradients:
        for case in [*plain, *square, *stacked]:
            yield from differentiated(case, capabilities)
        for place in FAR:
            far = cases[place * cells : place * cells + cells]
            yield from (Probe(case, losses(case, capabilities)) for case in far)


def drawn(allowed: Allowed) -> Iterator[Case]:
    """Some random cases, always the same ones, as many for each cell."""
    generator = random.Random(0)
    for _ in range(DRAWN):
        sketch = decode(generator.randbytes(48))
        yield from (build(replace(sketch, cell=cell), allowed) for cell in range(len(allowed.cells)))


def repeats(case: Case) -> Iterator[Case]:
    """The same sizes with other weights, without states, and as before."""
    yield case.map(lambda name, array: -array if name.startswith(("weight", "bias")) else array)
    yield case.map(lambda name, array: 0 * array if name in ("h_0", "c_0") else array)
    yield case


def differentiated(case: Case, capabilities: Capabilities) -> Iterator[Probe]:
    """Gradients of a loss on all results, on each alone and on all but one, and with the batch first."""
    d = losses(case, capabilities)
    yield from (Probe(case, some) for some in (d, *lacking(d)))
    if capabilities.batch_first:
        (swapped,) = batch_first(case, capabilities)
        yield Probe(swapped, losses(swapped, capabilities))


def losses(case: Case, capabilities: Capabilities) -> dict[str, Any]:
    """Cotangents of each result; None for those that the target does not take."""
    return {name: d if name in capabilities.cotangents else None for name, d in cotangents(case).items()}


def lacking(d: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Some of these cotangents: those of each result alone, then of all but each, where these are others."""
    given = [name for name, array in d.items() if array is not None]
    if len(given) > 1:
        yield from ({name: d[name] if name == one else None for name in d} for one in given)
    if len(given) > 2:
        yield from ({name: None if name == one else d[name] for name in d} for one in given)


def without_states(case: Case, _capabilities: Capabilities) -> list[Case]:
    """No initial state is given."""
    return [case.replace(h_0=None, c_0=None)]


def batch_first(case: Case, _capabilities: Capabilities) -> list[Case]:
    """The batch comes first."""
    return [case.replace(x=case.x.swapaxes(0, 1), batch_first=True)]


def unbatched(case: Case, _capabilities: Capabilities) -> list[Case]:
    """There is no batch."""
    if case.lengths is not None or not case.num_rows:
        return []
    return [case.map(lambda name, array: array[:, 0] if name in ("x", "h_0", "c_0") else array)]


def certain_dropout(case: Case, capabilities: Capabilities) -> list[Case]:
    """Dropout that is off, that keeps everything, and that drops everything, of rows that end and of those that do not.

    A mistake may be made in one of these paths alone. Whether what is dropped of NaN is 0 nobody demands.
    """
    whole = case.replace(lengths=None)
    off, nothing = case.replace(dropout=0.5, training=False), case.replace(dropout=0.0, training=True)
    both = [case] if case.lengths is None else [case, whole]
    finite = all(np.isfinite(array).all() for _, array in case.arrays())
    dropped = both if finite and capabilities.dropout is True else []
    return [off, nothing, *(one.replace(dropout=1.0, training=True) for one in dropped)]


def not_numbers(case: Case, _capabilities: Capabilities) -> list[Case]:
    """A NaN in the first step of the first row, and an infinity in the second."""
    found = []
    for value in (np.nan, np.inf):
        x = case.x.copy()
        x[:1, :1] = value
        found.append(case.replace(x=x))
    return found


def with_options(case: Case, capabilities: Capabilities) -> list[Case]:
    """Each option that is claimed, alone."""
    return [] if case.config.proj_size else [WITH[name](case) for name in capabilities.options]


VARIANTS: dict[str, Callable[[Case, Capabilities], list[Case]]] = {
    "default_state": without_states,
    "batch_first": batch_first,
    "unbatched": unbatched,
    "dropout": certain_dropout,
    "nonfinite": not_numbers,
    "options": with_options,
}


def one_row(case: Case, capabilities: Capabilities) -> list[Case]:
    """There is no batch, and so there are no lengths."""
    return unbatched(case.replace(lengths=None), capabilities)


LAYOUTS: dict[str, Callable[[Case, Capabilities], list[Case]]] = {"batch_first": batch_first, "unbatched": one_row}


class Reference:
    """The reference itself, asked like a faulty one."""

    forward = staticmethod(forward)
    gradients = staticmethod(gradients)


def answers(subject: Subject, calls: Work) -> list[Answered]:
    """What the target answers to the probes, as many as it may be called for."""
    found = []
    subject.restart()
    ladder = (Probe(case, rung=True) for case in rungs(subject, calls))
    for probe in chain(ladder, probes(subject.capabilities)):
        if calls.over:
            break
        calls.spend()
        with suppress(NotApplicable):
            found.append(answered(subject, probe))
    return found


class Fresh:
    """Asks an instance for answers to random cases, after all else that it was asked for.

    sequence  all answers of this instance, in the order in which they were asked for
    """

    def __init__(self, subject: Subject, sequence: Sequence[Answered], deadline: Deadline) -> None:
        self.subject = subject
        self.sequence = list(sequence)
        self.deadline = deadline

    def __call__(self, cell: Cell, forward_wrong: bool, again: bool = False) -> list[Answered]:
        """Answers of a cell, or how it is differentiated where forward is right; none if time leaves not all of them.

        again  whether each call is followed by others of the same sizes; else some are large
        """
        dear = self.subject.capabilities.recompiles
        cases = islice(self.cases(cell, forward_wrong, again), DEAR_FRESH if dear else FRESH)
        found: list[Answered] = []
        for turn, case in enumerate(chain(cases, () if dear or again else self.enlarged(cell, forward_wrong))):
            if self.deadline.over:
                self.sequence += found
                return []
            probe = Probe(case, None if forward_wrong else in_turn(losses(case, self.subject.capabilities), turn))
            with suppress(NotApplicable):
                found.append(answered(self.subject, probe))
        self.sequence += found
        return found

    def enlarged(self, cell: Cell, forward_wrong: bool) -> Iterator[Case]:
        """Random cases with many steps, rows, features or units: a mistake may be made up to some size alone.

        Rows that end do so anywhere.
        """
        bench = Bench(self.subject, cell, self.subject.capabilities.dtypes[0], Work(0, self.deadline))
        generator = np.random.default_rng(2)
        for case, (size, axis) in zip(self.cases(cell, forward_wrong, again=False), product(LARGE, "TNIH")):
            meant, form = bench.allowed.taken_apart(case)
            large = of_sizes(bench, meant, form, sizes_of(meant) | {axis: size})
            if large.lengths is not None and (large.row_lengths < large.num_steps).any():
                ends = generator.integers(0, large.num_steps + 1, large.num_rows)
                large = large.replace(lengths=np.minimum(large.row_lengths, ends).astype(large.lengths.dtype))
            if self.subject.takes(large):
                yield large

    def at_sizes(self, cell: Cell, forward_wrong: bool) -> list[Answered]:
        """Answers at sizes that tell rules about sizes apart; none where a shape is dear, or not all can be asked."""
        claims = self.subject.capabilities
        dtype, both = claims.dtypes[0], bool(claims.bidirectional)
        bench = Bench(self.subject, cell, dtype, Work(len(AXES) * len(SIZES), self.deadline))
        found: list[Answered] = []
        for axis, size in product(AXES, SIZES) if not claims.recompiles else ():
            T, N, I, H = (bench.size(name, size if name == axis else USUAL) for name in AXES)  # noqa: E741
            case = generic(bench, Config(cell, I, H, bidirectional=both, dtype=dtype), T, N)
            if self.deadline.over:
                return []
            if self.subject.takes(case):
                with suppress(NotApplicable):
                    found.append(answered(self.subject, Probe(case, None if forward_wrong else losses(case, claims))))
        self.sequence += found
        return found

    def cases(self, cell: Cell, forward: bool, again: bool) -> Iterator[Case]:
        """Random cases of a cell, always the same ones, without end; every other is asked for in another way."""
        generator, capabilities = random.Random(1), self.subject.capabilities
        plain = allowed_cases(capabilities, forms=())
        of_lengths = [form for form in forms(capabilities) if form in OF_LENGTHS]
        for number, allowed in enumerate(cycle((plain, allowed_cases(capabilities, forms=of_lengths)))):
            turn, otherwise = divmod(number, 2)
            case = build(replace(decode(generator.randbytes(48)), cell=plain.cells.index(cell)), allowed)
            case = asked_otherwise(case, capabilities, turn, forward) if otherwise else case
            yield case
            yield from repeats(case) if again else ()


def in_turn(d: dict[str, Any], turn: int) -> dict[str, Any]:
    """All cotangents in two of three turns; in each third one some are lacking, or are zero."""
    some, (third, rest) = list(lacking(d)), divmod(turn, 3)
    if rest or not some:
        return d
    lacks = some[third // 2 % len(some)]
    zeros = {name: np.zeros_like(d[name]) for name in d if lacks[name] is None and d[name] is not None}
    return lacks | (zeros if third % 2 else {})


def asked_otherwise(case: Case, capabilities: Capabilities, turn: int, forward: bool) -> Case:
    """A case asked for with states or none, with dropout or none, in each layout: each with each other, in turn."""
    claims = capabilities.claims
    turn, stateless = divmod(turn, 2)
    if stateless and claims("default_state"):
        (case,) = without_states(case, capabilities)
    layouts = [change for claimed, change in LAYOUTS.items() if claims(claimed)]
    turn, place = divmod(turn, len(layouts) + 1)
    dropping = certain_dropout(case, capabilities) if claims("dropout") else []
    ways = [case, *(dropping if forward else dropping[:OFF])]
    case = ways[turn % len(ways)]
    return next(iter(layouts[place - 1](case, capabilities)), case) if place else case


def answered(subject: Subject, probe: Probe) -> Answered:
    """What the target answers to one probe; raises NotApplicable if it claims no such call."""
    given: Arrays | None
    problem = None
    try:
        given = asked(subject, probe)
    except Failure as failure:
        given = unread(subject, probe)
        problem = failure.problem if given is None else None
    return Answered(probe, given, probe.ask(Reference), subject.arithmetic(probe.case), problem)


def unread(subject: Subject, probe: Probe) -> Arrays | None:
    """The target's answer to one probe in shapes that cannot be made out; None if there are no arrays."""
    try:
        answer = subject.answer(probe.case) if probe.d is None else None
    except Failure:
        return None
    return {name: np.asarray(a, dtype=np.float64) for name, a in answer.arrays.items()} if answer else None


def asked(subject: Subject, probe: Probe) -> Arrays:
    """The target's answer to one probe; shapes that can be made out are put right.

    A gradient that must be there and is not has no numbers.
    """
    if probe.d is None:
        return dict(subject(probe.case).result.items())
    given = subject.gradients(probe.case, {name: probe.d.get(name) for name in ("d_output", "d_h_n", "d_c_n")})
    names = [name for name, _ in probe.case.arrays() if expected_from(subject, probe.case, name)]
    found = {name: np.asarray(given.arrays.get(name, ()), float) for name in names}
    as_asked = subject.asked(probe.case)
    return {name: as_meant(as_asked, probe.case, name, a) if a.ndim > 1 else a for name, a in found.items()}
