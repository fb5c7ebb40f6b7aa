"""What raises, explained like what is wrong: what is raised, where in the target's text, and by which calls.

Calls that raise the same at the same place are one mistake. When it is made is learnt from those that do not raise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from conformance.events import MEASURED, Finding, PropertyResult
from conformance.harness.answer import DEATHS, Problem
from conformance.harness.call import Call
from conformance.judging.oracle import SILENT, NotRun, sort_of_kind
from conformance.judging.subject import Subject, describe_problem
from reference_rnn import Cell
from strategies.forms import cotangent_as_asked

from .measured import shown_by
from .probes import Answered, Fresh, Probe, losses
from .triggers import Rule, sizes_of, trigger
from .work import DEAR_CALLS, Deadline, Work

MOST = 4  # mistakes that are told apart by what they raise
WORDS = 40  # characters of a message by which it is known again
CALLS = 1_500  # to learn which calls raise, of all cells
ASKED = 8  # calls of one mistake that are asked for again, each of a new instance


@dataclass
class Raised:
    """One mistake by which calls raise.

    calls  that it was seen in;  rule: in which it is made
    """

    problem: Problem
    calls: list[Call]
    rule: Rule
    cells: list[str] = field(default_factory=list)

    @property
    def title(self) -> str:
        """All of it in a sentence, with the sizes of the smallest call."""
        sizes = min(
            (sizes_of(call.case) for call in self.calls), key=lambda sizes: (0 in sizes.values(), sum(sizes.values()))
        )
        said = ", ".join(f"{axis} = {size}" for axis, size in sizes.items())
        return f"{', '.join(self.cells)}: {describe_problem(self.problem)}, {self.rule} (smallest: {said})"

    def finding(self, seen: int) -> Finding:
        """As a report has it.  seen: how many calls are wrong"""
        return Finding("measured.raised", self.title, "", 0, seen, MEASURED)


@dataclass(frozen=True)
class Observed:
    """A call, and why it has no result; None if it has one."""

    call: Call
    problem: Problem | None


def raised(
    observed: Sequence[Observed], ask: Callable[[Call], Problem | None], fresh: Callable[[], Iterator[Call]]
) -> list[Raised]:
    """The mistakes by which calls raise where a rule says, those of most calls first.

    ask: why a new instance has no result for a call; raises NotRun where nothing may be asked
    fresh: other calls, each time the same ones
    """
    groups: dict[tuple[str, ...], list[Observed]] = {}
    for one in observed:
        if one.problem and one.problem.kind not in DEATHS:
            groups.setdefault(signature(one.problem), []).append(one)
    answered = [one.call for one in observed if one.problem is None]
    found = []
    for mark, group in sorted(groups.items(), key=lambda item: -len(item[1]))[:MOST]:
        with suppress(NotRun):
            problems = [ask(one.call) for one in group[:ASKED]]
            if not all(is_of(problem, mark) for problem in problems):  # it depends on the calls before, or on chance
                continue
            calls = [one.call for one in group]
            if rule := trigger(calls, answered, partial(happens, ask, mark), fresh()):
                found.append(Raised(problems[0], calls, rule))  # type: ignore[arg-type]
    return found


def merged(found: Sequence[Raised]) -> list[Raised]:
    """Those that are of several cells alike, as one."""
    alike: dict[tuple[Any, ...], Raised] = {}
    for one in found:
        first = alike.setdefault((signature(one.problem), one.rule), one)
        if first is not one:
            first.calls += one.calls
            first.cells += one.cells
    return list(alike.values())


def signature(problem: Problem) -> tuple[str, ...]:
    """What is the same of two problems of one cause: what was raised, where, and the words of it without a number."""
    words = (word for word in problem.message.split() if not any(map(str.isdigit, word)))
    return problem.kind, problem.exception, *problem.where[-1:], " ".join(words)[:WORDS]


def is_of(problem: Problem | None, mark: tuple[str, ...]) -> bool:
    """Whether there is a problem of this signature."""
    return problem is not None and signature(problem) == mark


def happens(ask: Callable[[Call], Problem | None], mark: tuple[str, ...], call: Call) -> bool | None:
    """Whether a mistake is made in a call; None where another one hides that. Raises NotRun."""
    problem = ask(call)
    return None if problem and not is_of(problem, mark) else problem is not None


def asking(subject: Subject, work: Work) -> Callable[[Call], Problem | None]:
    """Asks new instances of a target, so often."""

    def ask(call: Call) -> Problem | None:
        if work.over:
            raise NotRun("no calls are left")
        work.spend()
        subject.target.start()  # what was learnt of the shapes of its results stays known
        return call.make(subject.target).problem

    return ask


def by_layers(
    subject: Subject, answered: Sequence[Answered], failed: Sequence[PropertyResult], deadline: Deadline
) -> tuple[list[Raised], list[Answered], list[PropertyResult]]:
    """The mistakes by which calls of layers raise, and the answers and failures that they do not explain."""
    ask = asking(subject, Work(DEAR_CALLS if subject.capabilities.recompiles else CALLS, deadline))
    observed = [Observed(call_of(subject, a.probe), a.problem) for a in answered]
    shown: dict[str, Observed] = {}
    with suppress(NotRun):
        for one in shown_by(failed):
            if sort_of_kind(one.kind) in SILENT:
                call = one.calls[one.about()[-1]]
                shown[one.property] = Observed(call, ask(call))
    found = []
    for cell in dict.fromkeys(one.call.case.config.cell for one in observed):
        mine = [one for one in (*observed, *shown.values()) if one.call.case.config.cell == cell]
        for mistake in raised(mine, ask, partial(fresh_calls, subject, cell, deadline)):
            mistake.cells.append(str(cell))
            found.append(mistake)
    marks = {signature(one.problem) for one in found}
    left = [a for a in answered if a.problem is None or signature(a.problem) not in marks]
    told = {id for id, one in shown.items() if one.problem and signature(one.problem) in marks}
    return merged(found), left, [result for result in failed if result.id not in told]


def call_of(subject: Subject, probe: Probe) -> Call:
    """The call that asks for a probe."""
    asked = subject.asked(probe.case)
    if probe.d is None:
        return Call("forward", asked)
    d = {name: None if a is None else cotangent_as_asked(asked, probe.case, name, a) for name, a in probe.d.items()}
    return Call("gradients", asked, d)


def fresh_calls(subject: Subject, cell: Cell, deadline: Deadline) -> Iterator[Call]:
    """Random calls of a cell that the target claims to answer, every third for gradients if it has any."""
    claims = subject.capabilities
    for number, case in enumerate(Fresh(subject, (), deadline).cases(cell, forward=True, again=False)):
        if subject.takes(case):
            backward = bool(claims.gradients) and number % 3 == 2
            yield call_of(subject, Probe(case, losses(case, claims) if backward else None))
