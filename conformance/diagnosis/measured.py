"""Measured, not looked up: what experiments on a target show, where no known mistake gives its numbers.

That results have few decimal digits shows in the answers that are there. What a step reads is the first experiment,
since the others build on it; then how many bits are kept; then the curves of the activations; then what larger networks
read. The first that shows something is the answer. About a target that is right none says anything.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from copy import copy
from dataclasses import replace
from functools import partial

from conformance.events import MEASURED, Finding, PropertyResult
from conformance.faults.parts import Share
from conformance.faults.patching import Fault
from conformance.faults.within import shares
from conformance.harness.answer import DEATHS
from conformance.judging.counterexample import Counterexample
from conformance.judging.oracle import Failure, NotApplicable, NotRun
from conformance.judging.properties import Property
from conformance.judging.serialisation import counterexample_from_data
from conformance.judging.subject import Subject
from reference_rnn import Case, Cell

from .asking import Bench, has_processes
from .backward import LADDER as BACK
from .backward import Backward, backward
from .curves import curves
from .digits import few_digits
from .dropout import dropout, frequency
from .earlier import Earlier, of_cell
from .features import FEATURES, shared
from .history import history
from .hygiene import hygiene
from .in_form import Shown, in_their_form
from .influence import LAST, MORE, ONE_STEP, built, independent, influence
from .nonfinite import reached
from .precision import precision, precision_of_gradients
from .probes import Answered, Arrays, Probe, forward_is_wrong
from .proportion import proportion
from .reverse import measured_in_reverse, shows_in_two
from .scale import scale, vanishing
from .shapes import shapes
from .sizes import sizes_of
from .triggers import Rule
from .variations import USUAL, gradients_alone, is_right_if_small, wrong_call
from .when import call_of, has_wrong_gradients, has_wrong_results, rule_about
from .work import Deadline, Work

MOST = 3  # sentences about one cell
LOOKED_AT = 4  # failures of one cell
FEW_CALLS = 24  # of one failure
Experiments = tuple[tuple[str, Callable[[Bench], list[str]]], ...]
EXPERIMENTS: Experiments = (
    ("influence", partial(influence, ladder=ONE_STEP)),
    ("precision", precision),
    ("vanishing", vanishing),
    ("curve", curves),
    ("influence", partial(influence, ladder=MORE)),
    ("influence", partial(influence, ladder=LAST)),
    ("nonfinite", reached),
)
AFTER_OTHERS: Experiments = (("history", history),)
REVERSE: Experiments = tuple(
    (kind, partial(measured_in_reverse, experiment))
    for kind, experiment in EXPERIMENTS
    if kind not in ("influence", "nonfinite")  # what a step of the reverse direction reads shows in two directions
)
LARGE: Experiments = (("precision", precision), ("curve", curves))  # what may be wrong in blocks of units alone
WIDTH = 64  # a multiple of those that blocks have
TWICE = 2  # the calls of a form, which is asked about with less and with more
NARROW = 2  # inputs and units of networks that have no blocks
BACKWARD: Experiments = (("scale", scale), ("backward", backward), ("precision", precision_of_gradients))


Sentences = dict[tuple[str, str], list[Cell]]  # by their kinds: the cells that they are about


def measured(
    subject: Subject, answered: Sequence[Answered], cells: Sequence[Cell], calls: float, deadline: Deadline,
    alone: bool = False, unseen: bool = False, single: Collection[Cell] = (),
) -> tuple[Sentences, dict[Cell, list[Fault]]]:  # fmt: skip
    """What experiments show about those cells that give wrong numbers, and mistakes that would explain it.

    calls  how many, for each cell
    alone  whether a new instance gets right what is wrong;  unseen: whether no answer is wrong
    single cells of which one call alone is wrong: no other call has a part in that
    """
    wrong = wrong_dtypes(subject, answered, cells)
    found: Sentences = {}
    leads: dict[Cell, list[Fault]] = {}
    for cell, dtype in wrong.items():
        if digits := few_digits(results_of(answered, cell, dtype), dtype):  # all that is measured would be so, too
            found.setdefault(("digits", digits), []).append(cell)
            continue
        series = [AFTER_OTHERS] if alone else chosen(answered, cell, unseen, cell in single)
        bad = [a for a in answered if a.probe.case.config.cell == cell and not a.right]
        bench = Bench(subject, cell, dtype, Work(calls, deadline), alike=like_all(bad))
        said, leads[cell] = first_of(series, bench)
        if not (said or leads[cell] or alone):
            again = replace(bench, calls=Work(TWICE * calls, deadline))
            right = [a.probe.case for a in answered if a.probe.case.config.cell == cell and a.right]
            said, leads[cell] = in_their_form(partial(first_of, series), again, [a.probe.case for a in bad], right)
        for kind, sentence in said:
            found.setdefault((kind, sentence), []).append(cell)
    return found, leads


def first_of(series: Sequence[Experiments], bench: Bench, kind: str = "") -> Shown:
    """What the first series of experiments that shows something shows; each has all calls that the bench has left.

    kind: of which experiments, if not of all
    """
    left = bench.calls.left
    benches = [replace(bench, calls=Work(left, bench.calls.deadline), leads=[]) for _ in series]
    asked = [tuple(one for one in some if one[0] == kind) for some in series] if kind else series
    said = next(filter(None, map(shown, benches, asked)), [])
    bench.calls.spend(sum(left - one.calls.left for one in benches))
    return said, [lead for one in benches for lead in one.leads]


def proportions(answered: Sequence[Answered], cells: Sequence[Cell], when: Callable[[Cell], str]) -> Sentences:
    """By which factors the results of cells are wrong, or their gradients, where that is all.

    when: in which calls a cell is wrong, in words, if that can be found
    """
    found: Sentences = {}
    for cell in cells:
        mine = [a for a in answered if a.probe.case.config.cell == cell]
        back = not forward_is_wrong(mine)
        group = [a for a in mine if (a.probe.d is not None) == back]
        for sentence in proportion(group, partial(when, cell), "gradient" if back else "")[:MOST]:
            found.setdefault(("proportion", sentence), []).append(cell)
    return found


def like_all(wrong: Sequence[Answered]) -> list[Callable[[Case], bool]]:
    """What the cases of all these answers are, if there are any, as functions of a case."""
    return [FEATURES[name] for name in shared(a.probe.case for a in wrong)] if wrong else []


def large(
    subject: Subject, answered: Sequence[Answered], cells: Sequence[Cell], calls: float, deadline: Deadline
) -> tuple[Sentences, dict[Cell, list[Fault]]]:
    """What experiments that show nothing with few inputs and units show with many, and mistakes that would explain it.

    calls: how many, for each cell. Where a network of few is wrong, that is not because there are many; and calls with
    many take longest.
    """
    found: Sentences = {}
    leads = {}
    least = {"input_size": WIDTH, "hidden_size": WIDTH}
    narrow = {a.probe.case.config.cell for a in answered if not a.right and is_narrow(a.probe.case)}
    for cell, dtype in wrong_dtypes(subject, answered, [cell for cell in cells if cell not in narrow]).items():
        bench = Bench(subject, cell, dtype, Work(calls, deadline), least=least)
        for kind, sentence in shown(bench, LARGE):
            found.setdefault((kind, f"{sentence}, with {WIDTH} inputs and units"), []).append(cell)
        leads[cell] = bench.leads
    return found, leads


def is_narrow(case: Case) -> bool:
    """Whether a network has too few inputs and units for blocks of them, in any layer."""
    c = case.config
    between = c.num_directions * c.state_size if c.num_layers > 1 else 0
    return max(c.input_size, c.hidden_size, between) <= NARROW


def chosen(answered: Sequence[Answered], cell: Cell, unseen: bool, single: bool) -> list[Experiments]:
    """Series of experiments on a cell, of which the first that shows something is the answer."""
    if unseen:
        return [EXPERIMENTS, BACKWARD] if single else [AFTER_OTHERS, EXPERIMENTS, BACKWARD]
    mine = [a for a in answered if a.probe.case.config.cell == cell]
    if not forward_is_wrong(mine):
        return [BACKWARD]
    return [EXPERIMENTS, REVERSE] if shows_in_two(mine, cell) else [EXPERIMENTS]


class Failures:
    """What the failures of some cells show: earlier calls, shapes, hygiene, dropout, and when they are wrong.

    properties by their ids
    answered  probes: what is said holds for all of its cell that are wrong
    calls     how many, for each cell, and for each of these
    when      in which calls a cell is wrong, as far as somebody has asked
    shares    parts of a network that have something just where sizes of a cell are wrong, as far as somebody has asked
    """

    def __init__(
        self, subject: Subject, properties: Mapping[str, Property], failed: Sequence[PropertyResult],
        answered: Sequence[Answered], calls: float, deadline: Deadline,
    ) -> None:  # fmt: skip
        self.subject = subject
        self.wrong = [a.probe for a in answered if not a.right]
        self.found = shown_by(failed)
        self.properties = properties
        self.calls = calls
        self.deadline = deadline
        self.when: dict[Cell, str] = {}
        self.shares: dict[Cell, list[Share]] = {}

    def among(self, found: Sequence[Counterexample], wrong: Sequence[Probe] | None = None) -> Failures:
        """Some of the failures alone; wrong: those probes that are wrong like these."""
        these = copy(self)
        these.found, these.when, these.shares = list(found), {}, {}
        these.wrong = self.wrong if wrong is None else list(wrong)
        return these

    def of_another(self, subject: Subject, calls: float) -> Failures:
        """The same failures, looked at on another target, with so many calls."""
        these = copy(self)
        these.subject, these.calls, these.when, these.shares, these.wrong = subject, calls, {}, {}, []
        return these

    def history(self, cells: Sequence[Cell]) -> Sentences:
        """What of the calls before an answer depends on, cell by cell.

        First of failures whose calls are right alone, where it is cheap to know which those are; at last of those in
        which something is drawn, which hides what is kept.
        """
        these = copy(self)
        these.found = sorted(self.found, key=lambda one: any(call.case.draws for call in one.calls))
        if not (self.subject.capabilities.recompiles or self.subject.fresh):
            these.found.sort(key=self.is_wrong_alone)
        return these.told("history", cells, these.of_earlier_calls)

    def shapes(self, cells: Sequence[Cell]) -> Sentences:
        """Which shapes are wrong, cell by cell."""
        return self.told("shapes", cells, shapes)

    def hygiene(self, cells: Sequence[Cell]) -> Sentences:
        """What calls do beside giving numbers, cell by cell."""
        return self.told("hygiene", cells, hygiene)

    def dropout(self, cells: Sequence[Cell]) -> Sentences:
        """What is wrong with dropout, cell by cell, where that is what a failure is about."""
        return self.told("dropout", cells, of_dropout)

    def precision(self, cells: Sequence[Cell]) -> Sentences:
        """How many bits are kept where more must be, cell by cell."""
        return self.told("precision", cells, lambda bench, found: precision(bench))

    def with_large_sizes(self, cells: Collection[Cell]) -> list[Cell]:
        """Those of some cells of which no failure has usual sizes in all calls: sizes have a part in it."""
        return [cell for cell in cells if not any(map(of_usual_sizes, self.of(cell)))]

    def triggers(self, cells: Sequence[Cell]) -> Sentences:
        """By which calls each cell is wrong."""
        sentences: Sentences = {}
        for cell, (what, rule) in self.rules(cells).items():
            sentences.setdefault(("trigger", f"{what}wrong {rule}"), []).append(cell)
        return sentences

    def rules(self, cells: Sequence[Cell]) -> dict[Cell, tuple[str, Rule]]:
        """The rules by which calls cells are wrong, of those that have one, and of what: nothing where of all answers.

        Noted are the parts of a network that have something just where sizes are those of a rule.
        """
        rules = {}
        for cell in cells:
            bench = Bench(self.subject, cell, self.subject.capabilities.dtypes[0], Work(self.calls, self.deadline))
            with suppress(Failure, NotApplicable, NotRun):
                if found := self.rule(bench):
                    rules[cell] = found
                    self.shares.setdefault(cell, []).extend(shares_of(found[1]))
        return rules

    def rule(self, bench: Bench) -> tuple[str, Rule] | None:
        """By which calls a cell is wrong, and what of it: results alone where all that is wrong has no rule."""
        calls = [call for one in self.of_all(bench.cell) if (call := wrong_call(bench, one))]
        calls += [call_of(self.subject, probe) for probe in self.probes_of(bench.cell)]
        if not calls or is_right_if_small(bench, calls[0]):
            return None  # what is wrong where numbers are large has no size or form of its own
        forward = [call for call in calls if call.do == "forward"]
        if not forward and gradients_alone(bench, calls[0]):
            rule, what = rule_about(bench, calls, has_wrong_gradients), "gradients are "
        else:
            rule, what = rule_about(bench, calls), ""
        if (rule is None or rule.alternatives) and 0 < len(forward) < len(calls):  # either of two may be two mistakes
            of_results = rule_about(bench, forward, has_wrong_results)
            rule, what = (of_results, "results are ") if of_results or rule is None else (rule, what)
        return (what, rule) if rule else None

    def probes_of(self, cell: Cell) -> list[Probe]:
        """The probes of a cell that are wrong."""
        return [probe for probe in self.wrong if probe.case.config.cell == cell]

    def failures_of(self, cell: Cell) -> list[Counterexample]:
        """All failures of a cell."""
        return [one for one in self.found if one.case.config.cell == cell]

    def when_wrong(self, cell: Cell, sentences: Sentences | None = None) -> str:
        """In which calls a cell is wrong, if a sentence says so, or is found, which is noted; else nothing."""
        told = [said for (kind, said), cells in (sentences or {}).items() if kind == "trigger" and cell in cells]
        if told or cell not in self.when:
            self.when[cell] = "; ".join(told or (said for _, said in self.triggers([cell])))
        return self.when[cell]

    def beside(self, cell: Cell, fault: Fault, feature: str) -> str:
        """What a cell reads beside a mistake that it must not, or does not that it must, where a thing is so.

        "" for nothing.
        """
        if fault.backward_only and self.subject.capabilities.gradients is not True:  # all of them are looked at
            return ""
        dtype = self.probes_of(cell)[0].case.config.dtype
        bench = Bench(self.subject, cell, dtype, Work(self.calls, self.deadline), beside=(fault,))
        ladder = BACK if fault.backward_only else ONE_STEP | MORE | LAST
        cases = {name: built(bench, rung) for name, rung in ladder.items()}
        rungs = {name: ladder[name] for name, case in cases.items() if case is not None and FEATURES[feature](case)}
        with suppress(Failure, NotApplicable, NotRun):
            return "; ".join(influence(bench, rungs, Backward if fault.backward_only else None))
        return ""

    def single(self, cells: Sequence[Cell]) -> list[Cell]:
        """The cells of which a call of some failure is wrong alone."""
        return [cell for cell in cells if any(map(self.is_wrong_alone, self.of(cell)))]

    def is_wrong_alone(self, found: Counterexample) -> bool:
        """Whether a call that a failure is about is wrong in a new instance, without any before."""
        bench = Bench(self.subject, found.case.config.cell, found.case.config.dtype, Work(FEW_CALLS, self.deadline))
        with suppress(Failure, NotApplicable, NotRun):
            return wrong_call(bench, found) is not None
        return False

    def of(self, cell: Cell) -> list[Counterexample]:
        """The first failures of a cell; those of others as cases of this one where no property failed on it."""
        return self.of_all(cell)[:LOOKED_AT]

    def of_all(self, cell: Cell) -> list[Counterexample]:
        """All of these."""
        return self.failures_of(cell) or list(filter(None, (as_cell(one, cell) for one in self.found)))

    def told(
        self, kind: str, cells: Sequence[Cell], experiment: Callable[[Bench, Counterexample], list[str]]
    ) -> Sentences:
        """What an experiment shows on the first failure of each cell on which it shows something."""
        sentences: Sentences = {}
        fresh = self.subject.fresh
        for cell in cells:
            work = Work(self.calls, self.deadline)
            with suppress(NotRun):  # it cannot be asked as often as that
                shows = (self.shown_on(one, experiment, work) for one in self.of(cell))
                for sentence in next(filter(None, shows), [])[:MOST]:
                    sentences.setdefault((kind, sentence), []).append(cell)
            self.subject.fresh = fresh
        return sentences

    def shown_on(
        self, found: Counterexample, experiment: Callable[[Bench, Counterexample], list[str]], work: Work
    ) -> list[str]:
        """What an experiment shows on one failure; nothing where that cannot be asked about. Raises NotRun."""
        fresh = self.subject.fresh
        with suppress(Failure, NotApplicable):
            return experiment(Bench(self.subject, found.case.config.cell, found.case.config.dtype, work), found)
        self.subject.fresh = fresh
        return []

    def of_earlier_calls(self, bench: Bench, found: Counterexample) -> list[str]:
        """What of the calls before an answer depends on, if it depends on them."""
        earlier = Earlier(bench, found)
        ways: list[Callable[[], list[str]]] = [earlier.by_place]
        if earlier.shows():
            ways = [earlier.said, lambda: self.in_processes(bench)]
        elif not earlier.right_alone():
            return []
        if not self.subject.fresh:
            ways = [lambda: history(bench, vague=False), *ways, lambda: self.vaguely(bench)]
        for said in ways:
            with suppress(NotRun):
                if sentences := said():
                    return sentences
        return []

    def vaguely(self, bench: Bench) -> list[str]:
        """That an answer depends on earlier calls, where nothing sharper was found; with calls of its own."""
        self.subject.fresh = False
        return history(replace(bench, calls=Work(self.calls, self.deadline)))

    def in_processes(self, bench: Bench) -> list[str]:
        """What depends on earlier calls, asked of instances that share nothing; ``told`` ends that."""
        if not has_processes(self.subject):
            return []
        self.subject.fresh = True
        return history(replace(bench, calls=Work(self.calls, self.deadline)))


def shown_by(failed: Sequence[PropertyResult]) -> list[Counterexample]:
    """The counterexamples of failures that can be asked about: with calls that do not end the target.

    Those come last on which a new process, or a new instance, did not fail.
    """
    found = (counterexample_from_data(result.found) for result in failed if result.found)
    asked = [one for one in found if one.calls and one.kind not in DEATHS]
    return sorted(asked, key=lambda one: one.repeatable is False)


def of_usual_sizes(found: Counterexample) -> bool:
    """Whether all calls that a failure is about have sizes that say nothing."""
    sizes = (sizes_of(found.calls[number].case) for number in found.about())
    return all(size <= USUAL[axis] for one in sizes for axis, size in one.items())


def shares_of(rule: Rule) -> Iterator[Share]:
    """The parts of a network that have something just where sizes are those of a rule."""
    for axis in dict.fromkeys(one.axis for one in rule.features if one.of_size):
        mine = [one.of_size for one in rule.features if one.axis == axis and one.of_size]
        yield from shares(axis, partial(is_all, mine))


def is_all(tests: Sequence[Callable[[int], bool]], size: int) -> bool:
    """Whether a size is all that is tested."""
    return all(is_so(size) for is_so in tests)


def of_dropout(bench: Bench, found: Counterexample) -> list[str]:
    """What is wrong with dropout, if a call of a failure has a p; in training how often it drops with this, at last."""
    cases = [call.case for call in found.calls if call.case.config.dropout]
    said = dropout(bench) if cases else []
    dropping = [case.config.dropout for case in cases if case.training]
    return said or (frequency(bench, dropping[0]) if dropping else [])


def as_cell(found: Counterexample, cell: Cell) -> Counterexample | None:
    """A failure with the calls as those of another cell; None where that has other parameters or states."""
    cases = [of_cell(one, cell) for one in (found.case, *(call.case for call in found.calls))]
    moved = [one for one in cases if one is not None]
    if len(moved) < len(cases):
        return None
    calls = tuple(replace(call, case=one) for call, one in zip(found.calls, moved[1:]))
    return replace(found, case=moved[0], calls=calls)


def results_of(answered: Sequence[Answered], cell: Cell, dtype: str) -> Iterator[tuple[Arrays, Arrays]]:
    """What a cell gives in a dtype, each result beside what is right."""
    for one in answered:
        config = one.probe.case.config
        if one.given is not None and one.probe.d is None and (config.cell, config.dtype) == (cell, dtype):
            yield one.given, one.expected


def findings_of(
    sentences: Sentences, answered: Sequence[Answered], patches: Mapping[tuple[str, str], str] | None = None
) -> Iterator[Finding]:
    """Each sentence as a finding, those of one patch together; telling: how many answers of its cells are wrong."""
    together: dict[tuple[str, str, tuple[Cell, ...]], list[str]] = {}
    for (kind, sentence), cells in sentences.items():
        patch = (patches or {}).get((kind, sentence), "")
        together.setdefault((kind, patch or sentence, tuple(cells)), []).append(sentence)
    for (kind, patch, those), said in together.items():
        wrong = sum(not a.right and a.probe.case.config.cell in those for a in answered)
        if those:
            patch, title = "" if patch in said else patch, f"{', '.join(those)}: {'; '.join(said)}"
            yield Finding(f"measured.{kind}", title, patch, 0, wrong, MEASURED)


def wrong_dtypes(subject: Subject, answered: Sequence[Answered], cells: Sequence[Cell]) -> Mapping[Cell, str]:
    """Some cells, each with the first dtype in which it gives wrong numbers, or the first one if it gives none."""
    found = {}
    wrong = [a.probe.case.config for a in answered if a.probe.d is None and a.given is not None and not a.right]
    for cell in cells:
        dtypes = {config.dtype for config in wrong if config.cell == cell}
        found[cell] = next(dtype for dtype in subject.capabilities.dtypes if dtype in dtypes or not dtypes)
    return found


def shown(bench: Bench, experiments: Experiments = EXPERIMENTS) -> list[tuple[str, str]]:
    """The kind of the first experiment that shows something, with its sentences."""
    try:
        if experiments is AFTER_OTHERS or independent(bench):
            for kind, experiment in experiments:
                if sentences := experiment(bench):
                    return [(kind, sentence) for sentence in sentences[:MOST]]
    except (Failure, NotApplicable, NotRun):  # it cannot be asked, or not as often as that
        pass
    return []
