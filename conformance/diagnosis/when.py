"""When a cell is wrong: by which calls, learnt from those of failures, from probes, and from calls like them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice

from conformance.claims.capabilities import COTANGENTS
from conformance.harness.call import Call
from conformance.judging.subject import Subject
from reference_rnn import Cell
from strategies.forms import cotangent_as_asked

from .asking import Bench
from .earlier import is_wrong, results
from .probes import Fresh, Probe, losses
from .sizes import sizes_of
from .triggers import DRAWN, Rule, find_rule
from .variations import likewise, nearly, other_sizes, resized, variations
from .work import Deadline, Work

SEEDS = 3  # calls in which it happens, of which those are asked that lack one thing
STEADY = 8  # how often what is wrong is asked again: chance has no rule

Judge = Callable[[Bench, Call], "bool | None"]  # whether something happens in a call; None where that cannot be known


def rule_about(bench: Bench, happens: Sequence[Call], judge: Judge = is_wrong) -> Rule | None:
    """In which calls alone something happens, if it does in some, each time that one is made; None if no rule tells.

    Calls that lack one thing tell, and random ones in which it happens. Raises NotRun.
    """
    if not happens or not all(judge(bench, happens[0]) for _ in range(STEADY)):
        return None
    # where instances share what is kept, what is kept of the same numbers may be what was read wrongly
    other_numbers = not bench.subject.capabilities.recompiles and bool(judge(bench, nearly(bench, happens[0])))

    def ask(call: Call) -> bool | None:
        return judge(bench, nearly(bench, call) if other_numbers else call)

    yes, no = list(happens), list[Call]()
    for call in neighbours(bench, happens, ask):
        if (happened := ask(call)) is not None:
            (yes if happened else no).append(call)
    rule = find_rule(yes, no, ask, CallsOfLayers(bench.subject, bench.cell, bench.calls.deadline), always=False)
    return rule if rule and (rule.features or rule.alternatives) else None


def has_wrong_results(bench: Bench, call: Call) -> bool | None:
    """Whether results are wrong; None of gradients, and where that cannot be known. Raises NotRun."""
    return is_wrong(bench, call) if call.do == "forward" else None


def has_wrong_gradients(bench: Bench, call: Call) -> bool | None:
    """Whether gradients are wrong; None of results, where these are wrong, and where it is not known. Raises NotRun."""
    wrong = is_wrong(bench, call) if call.do == "gradients" else None
    return None if wrong and is_wrong(bench, results(call)) is not False else wrong


def neighbours(bench: Bench, happens: Sequence[Call], ask: Callable[[Call], bool | None]) -> Iterator[Call]:
    """Calls that lack one thing that a call has in which it happens, and those of other sizes than the first."""
    first, *others = happens[:SEEDS]
    for call in (first, *filter(ask, likewise(bench, first)), *others):
        yield from filter(lambda one: bench.subject.takes(one.case), variations(bench, call))
    yield from other_sizes(bench, first)


def call_of(subject: Subject, probe: Probe) -> Call:
    """The call that asks for a probe."""
    asked = subject.asked(probe.case)
    if probe.d is None:
        return Call("forward", asked)
    d = {name: probe.d.get(name) for name in COTANGENTS}  # each has its place
    return Call("gradients", asked, {
        name: None if a is None else cotangent_as_asked(asked, probe.case, name, a) for name, a in d.items()
    })  # fmt: skip


@dataclass(frozen=True)
class CallsOfLayers:
    """Calls of a cell that a target claims to answer."""

    subject: Subject
    cell: Cell
    deadline: Deadline

    def fresh(self) -> Iterator[Call]:
        """Random ones, always the same, then some of large sizes; every third for gradients if it has any."""
        claims = self.subject.capabilities
        drawn = Fresh(self.subject, (), self.deadline)
        cases = islice(drawn.cases(self.cell, forward=True, again=False), DRAWN)
        for number, case in enumerate(chain(drawn.enlarged(self.cell, forward_wrong=True), cases)):
            if self.subject.takes(case):
                backward = bool(claims.gradients) and number % 3 == 2
                yield call_of(self.subject, Probe(case, losses(case, claims) if backward else None))

    def resized(self, call: Call, axis: str, size: int) -> Call | None:
        """A call like one, but for one size, or a product; None if the target claims no such call."""
        *others, last = axis.split("*")
        size, left = divmod(size, call.case.config.num_directions if others == ["D"] else 1)
        if left:
            return None
        sizes = {last: size} | dict.fromkeys(others, 1)
        sizes.pop("D", None)
        bench = Bench(self.subject, self.cell, call.case.config.dtype, Work(0, self.deadline))
        return next(resized(bench, call, sizes_of(call.case) | sizes), None)
