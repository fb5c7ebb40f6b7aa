"""What a target raises, explained like what is wrong: the error, its place in the target's text, and by which calls.

Calls that raise the same error at the same place are one mistake. By which it is made is learnt from all calls.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

from conformance.events import MEASURED, Finding, PropertyResult
from conformance.harness.answer import DEATHS, Problem
from conformance.harness.call import Call
from conformance.judging.oracle import SILENT, NotRun, sort_of_kind
from conformance.judging.subject import Subject, describe_problem

from .features import sizes_of
from .measured import shown_by
from .probes import Answered
from .triggers import Calls, Rule, find_rule
from .when import CallsOfLayers, call_of
from .work import Deadline, Work

MOST = 4  # errors that are looked into
CHARACTERS = 40  # of a message by which it is known again
CALLS = 1_500  # to learn by which calls they are raised, of all cells
AGAIN = 8  # calls of one error that are made again, each of a new instance
HIDDEN = ", unless another error comes first"

Ask = Callable[[Call], "Problem | None"]  # why a new instance has no result for a call; raises NotRun


@dataclass(frozen=True)
class Observation:
    """A call, and why it has no result; None if it has one."""

    call: Call
    problem: Problem | None


@dataclass
class Error:
    """What is raised by calls that a rule tells.

    calls  in which it was seen;  hidden: whether another error may come first where the rule is true
    cells  in words, whose calls these are
    """

    problem: Problem
    calls: list[Call]
    rule: Rule
    hidden: bool
    cells: list[str] = field(default_factory=list)

    @property
    def finding(self) -> Finding:
        """As a report has it, with the sizes of its smallest call."""
        seen = [sizes_of(call.case) for call in self.calls]
        smallest = min(seen, key=lambda sizes: (0 in sizes.values(), sum(sizes.values())))
        sizes = ", ".join(f"{axis} = {size}" for axis, size in smallest.items())
        when = f"{self.rule}{HIDDEN * self.hidden} (smallest: {sizes})"
        title = f"{', '.join(self.cells)}: {describe_problem(self.problem)}, {when}"
        return Finding("measured.raised", title, "", 0, len(self.calls), MEASURED)


def find_errors(seen: Sequence[Observation], ask: Ask, more: Calls, cell: str) -> list[Error]:
    """The errors that a rule tells by which calls they are raised, those of most calls first.

    more: other calls;  cell: in words, whose calls these are
    """
    groups: dict[tuple[str, ...], list[Observation]] = {}
    for one in seen:
        if one.problem and one.problem.kind not in DEATHS:
            groups.setdefault(signature(one.problem), []).append(one)
    answered = [one.call for one in seen if one.problem is None]
    found = []
    for mark, group in sorted(groups.items(), key=lambda item: -len(item[1]))[:MOST]:
        calls = [one.call for one in group]
        others = [one.call for one in seen if one.problem and signature(one.problem) != mark]
        with suppress(NotRun):
            problems = [ask(call) for call in calls[:AGAIN]]
            if not all(problem and signature(problem) == mark for problem in problems):  # by chance, or calls before
                continue
            rule, hidden = find_rule(calls, [*answered, *others], partial(is_raised, ask, mark), more), False
            if rule is None and answered and others:
                rule, hidden = find_rule(calls, answered, partial(is_raised_or_hidden, ask, mark), more), True
            if rule is not None:
                found.append(Error(problems[0], calls, rule, hidden, [cell]))  # type: ignore[arg-type]
    return found


def signature(problem: Problem) -> tuple[str, ...]:
    """What two problems of one cause share: the error, its place, and its message but for words with digits."""
    words = (word for word in problem.message.split() if not any(map(str.isdigit, word)))
    return problem.kind, problem.exception, *problem.where[-1:], " ".join(words)[:CHARACTERS]


def is_raised(ask: Ask, mark: tuple[str, ...], call: Call) -> bool:
    """Whether a call raises the error of a signature. Raises NotRun."""
    problem = ask(call)
    return problem is not None and signature(problem) == mark


def is_raised_or_hidden(ask: Ask, mark: tuple[str, ...], call: Call) -> bool | None:
    """The same; None where the call raises another error. Raises NotRun."""
    problem = ask(call)
    return None if problem and signature(problem) != mark else problem is not None


def join_cells(found: Sequence[Error]) -> list[Error]:
    """The errors, those of several cells that are raised by the same calls as one."""
    joined: dict[tuple[tuple[str, ...], Rule], Error] = {}
    for one in found:
        first = joined.setdefault((signature(one.problem), one.rule), one)
        if first is not one:
            first.calls += one.calls
            first.cells += one.cells
            first.hidden |= one.hidden
    return list(joined.values())


def asked_anew(subject: Subject, work: Work) -> Ask:
    """Asks new instances of a target, as often as work is left, and until one ends its process."""

    def ask(call: Call) -> Problem | None:
        if work.over:
            raise NotRun("no calls are left")
        work.spend()
        subject.target.start()  # by itself: what was learnt of the shapes of its results stays known
        problem = call.make(subject.target).problem
        if problem and problem.kind in DEATHS:
            raise NotRun("the target's process ended")
        return problem

    return ask


def errors_of_layers(
    subject: Subject, answered: Sequence[Answered], failed: Sequence[PropertyResult], deadline: Deadline
) -> tuple[list[Error], list[Answered], list[PropertyResult]]:
    """The errors that calls of layers raise, and the answers and failures that are left without them.

    None is looked for where a new shape is dear.
    """
    if subject.capabilities.recompiles:
        return [], list(answered), list(failed)
    ask = asked_anew(subject, Work(CALLS, deadline))
    probes = [Observation(call_of(subject, a.probe), a.problem) for a in answered]
    shown: dict[str, Observation] = {}
    with suppress(NotRun):
        for one in shown_by(failed):
            if sort_of_kind(one.kind) in SILENT:
                call = one.calls[one.about()[-1]]
                shown[one.property] = Observation(call, ask(call))
    found = []
    for cell in dict.fromkeys(one.call.case.config.cell for one in probes):
        mine = [one for one in (*probes, *shown.values()) if one.call.case.config.cell == cell]
        found += find_errors(mine, ask, CallsOfLayers(subject, cell, deadline), str(cell))
    marks = {signature(one.problem) for one in found}
    left = [a for a in answered if a.problem is None or signature(a.problem) not in marks]
    told = {id for id, one in shown.items() if one.problem and signature(one.problem) in marks}
    return join_cells(found), left, [result for result in failed if result.id not in told]
