"""Diagnosis: which mistakes in the reference give the target's numbers.

They are looked for from the smallest network up. Where none gives the numbers, experiments say what is wrong. A
diagnosis explains a verdict; it never changes it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cached_property, partial
from math import inf

from conformance.events import MEASURED, Diagnosis, Finding, PropertyResult
from conformance.faults.patching import Fault
from conformance.faults.within import within
from conformance.harness.load import Target
from conformance.judging.oracle import Failure
from conformance.judging.properties import Property
from conformance.judging.subject import Subject
from conformance.judging.words import enumeration
from reference_rnn import Case, Cell

from .alike import by_properties, cells_of, explained_by, finding_of, places_to_look
from .alone import OfNewInstances, said_of_new_instances
from .asking import Bench, has_processes, is_copied
from .beside import DROPOUT, GRADIENTS, HYGIENE, RESULTS, SHAPES, Beside
from .errors import Error, errors_of_layers
from .instances import keep_apart
from .localisation import error_map, right_alone, silent, what_is_known
from .measured import Failures, Sentences, findings_of, large, measured, proportions, shown_by, wrong_dtypes
from .partly import in_some_calls, is_in_some_calls, partly, partly_in_some_calls, where_numbers
from .probes import Answered, Fresh, answers
from .reverse import in_reverse, of_direction, shows_in_two
from .rewriting import rewritten
from .search import Search
from .seldom import Seldom, seldom
from .told_alike import patch_of_habits, patches
from .work import CALLS, DEAR_CALLS, DEAR_EXPERIMENTS, EVALUATIONS, EXPERIMENTS, JUDGEMENTS, OUT_OF_TIME, Deadline, Work

# Each of their cases is wrong by the equations alone. So they fail in the same words whatever the mistake is, and
# say nothing that probes do not; those of relations say not which of two calls is wrong.
BY_EQUATIONS = ("equivalence.first_look", "equivalence.steps", "gradients.first_look", "gradients.back_propagation")
# Kinds of sentences that say what exactly is wrong, or are about something else.
WHAT = ("dropout", "proportion")
# What is said of a target that reads x as (N, T, I): where it does not claim that layout, and where it claims both.
UNSAID = (
    'x is read as (N, T, I), and output is (N, T, D*H): claim batch_first="only", or turn the axes of both; all is '
    "right then"
)
AS_GIVEN = "x is read as (N, T, I) whatever case.config.batch_first says; all is right where it says so"
BESIDE = ("history", "hygiene", "shapes", "dropout")


def diagnose(
    target: Target,
    properties: Mapping[str, Property],
    failed: Sequence[PropertyResult] = (),
    passed: Collection[str] = (),
    expected: Sequence[PropertyResult] = (),
    seconds: float = inf,
    progress: Callable[[str], None] = lambda text: None,
) -> Diagnosis:
    """Why a target fails; by counted work, and within a time if one is given.

    properties: by their ids.  failed: those that do not hold, with their counterexamples
    passed: the ids of those that do.  expected: those that do not hold either, which is known
    """
    deadline = Deadline(seconds)
    subject = Subject(target, anew=True)
    try:
        keep_apart(subject, shown_by(failed), Work(experiments_on(subject), deadline))
        inquiry = inquired(subject, properties, failed, passed, deadline, progress)
    except Failure:
        return Diagnosis([], [])
    found = inquiry.diagnosis()
    judging = Work(JUDGEMENTS, deadline)
    for cell, faults in found.named.items():
        for fault in faults if expected or len(faults) > 1 else ():
            same = explained_by({cell: [fault]}, properties, [*failed, *expected], inquiry.subject, judging)
            found.alone.setdefault(fault.id, []).extend(same)
    if inquiry.keeps:
        progress("looking at new instances")
        told = {finding.title for finding in found.findings}
        also = [finding for finding in inquiry.found_alone() if finding.exact and finding.title not in told]
        found.findings += map(said_of_new_instances, also)
    if deadline.met:
        found.known.append(OUT_OF_TIME)
    return found


def inquired(
    subject: Subject, properties: Mapping[str, Property], failed: Sequence[PropertyResult], passed: Collection[str],
    deadline: Deadline, progress: Callable[[str], None],
) -> Inquiry:  # fmt: skip
    """What the target answers to the probes, and failures, to be looked into beside what raises. Raises Failure."""
    claims = subject.capabilities
    calls = Work(DEAR_CALLS if claims.recompiles else CALLS * len(claims.cells), deadline)
    progress("asking the target")
    answered = answers(subject, calls)
    if layout := other_layout(subject, answered, deadline):
        subject, answered = layout
        title = f"{enumeration(list(map(str, claims.cells)))}: {AS_GIVEN if claims.batch_first else UNSAID}"
        failures = Failures(subject, properties, (), answered, experiments_on(subject), deadline)
        found = [Finding("measured.layout", title, "", 0, len(answered), MEASURED)]
        return Inquiry(answered, failures, calls, (), passed, progress, (), found)
    progress("looking at what raises")
    errors, answered, failed = errors_of_layers(subject, answered, failed, deadline)
    failures = Failures(subject, properties, failed, answered, experiments_on(subject), deadline)
    return Inquiry(answered, failures, calls, failed, passed, progress, errors)


def other_layout(
    subject: Subject, answered: Sequence[Answered], deadline: Deadline
) -> tuple[Subject, list[Answered]] | None:
    """The target as one that reads x as (N, T, I) always, with its answers, if that makes all right; else None.

    It is tried where all is wrong that is not the same either way.
    """
    claims = subject.capabilities
    turned = [a for a in answered if a.probe.d is None and is_turned(a.probe.case)]
    if claims.batch_first == "only" or claims.recompiles or not turned or any(a.right for a in turned):
        return None
    other = Subject(subject.target, replace(claims, batch_first="only"), anew=True)
    given = answers(other, Work(CALLS * len(claims.cells), deadline))
    return (other, given) if all(a.right for a in given) else None


def is_turned(case: Case) -> bool:
    """Whether x has steps first, and not as many as rows."""
    return not case.unbatched and not case.config.batch_first and case.num_steps != case.num_rows


def experiments_on(subject: Subject) -> int:
    """How many calls are made for what is measured."""
    return DEAR_EXPERIMENTS if subject.capabilities.recompiles else EXPERIMENTS


class Inquiry:
    """A diagnosis in the making.

    answered     what the target answers to the probes;  calls  what is left of these
    layout       said of the layout in which it reads x, if that is another one, in which it was asked instead
    errors       what it raises, the probes and failures of which are not among those that are looked into
    explained    by search, of which there is one for each cell with a wrong answer: the mistakes that give its numbers
    seldom       searches where no answer is wrong, but calls are that failures are about
    mute         the cells of which no probe has an answer: there is nothing to compare or measure
    on_others    that a new instance gets right what is wrong, in words: then neither names, conditions nor likeness
                 mean anything, since it depends on the calls before
    sentences    what was measured;  of_failures  what failures show
    """

    def __init__(
        self, answered: Sequence[Answered], failures: Failures, calls: Work, failed: Sequence[PropertyResult],
        passed: Collection[str], progress: Callable[[str], None], errors: Sequence[Error],
        layout: Sequence[Finding] = (),
    ) -> None:  # fmt: skip
        self.answered = answered
        self.layout = layout
        self.errors = errors
        self.failures = failures
        self.subject = failures.subject
        self.deadline = failures.deadline
        self.calls = calls
        self.failed = failed
        self.passed = passed
        self.progress = progress
        fresh = Fresh(self.subject, answered, self.deadline)
        self.searches = searches_of(answered, passed, Work(EVALUATIONS, self.deadline), fresh)
        self.explained: dict[Search, Sequence[Fault]] = {}
        self.seldom: list[Seldom] = []
        self.mute = without_answer(answered)
        self.on_others: list[str] = []
        self.sentences: Sentences = {}
        self.of_failures: Sentences = {}

    def diagnosis(self) -> Diagnosis:
        """All of it, from names to sentences."""
        shapes = [*self.layout, *misread(self.subject, self.answered)]
        raised, raise_some = [one.finding for one in self.errors], self.cells_with_errors
        if (raised or self.layout) and not self.failed and all(a.right for a in self.answered):
            others = sum(str(a.probe.case.config.cell) in raise_some for a in self.answered)
            right = [f"the {others} other probes of {enumeration(raise_some)} are right"] if others else []
            return Diagnosis([*shapes, *raised], right, raise_some or list(map(str, self.subject.capabilities.cells)))
        self.search()
        self.search_parts()
        self.rewrite()
        self.search_pairs()
        self.search_failures()
        self.measure()
        findings = by_numbers(self.explained) or self.fail_alike()
        self.settle(findings)
        told = dict(self.sentences)  # some of which are said with what is found next
        found = self.found_in_some_calls()
        alike = patches(self.sentences, self.failures, forward_cases(self.answered))
        findings += [*said_once(found), *findings_of(self.sentences, self.answered, alike)]
        stated = told_of(told) | found.keys()
        findings += self.places(stated, {*told_of(told, WHAT), *found}, bool(findings))
        known = self.known(stated)
        named = {str(search.cell): tuple(faults) for search, faults in self.explained.items() if faults}
        judging = Work(JUDGEMENTS, self.deadline)
        same = explained_by(named, self.failures.properties, self.failed, self.subject, judging)
        findings += self.found_beside(stated, same, bool(shapes))
        known += silent(self.answered, [search.cell for search in self.searches if self.explained[search]])
        cells = dict.fromkeys([*raise_some, *(str(a.probe.case.config.cell) for a in self.answered if not a.right)])
        told_twice = {one.patch for one in findings}
        shapes = [replace(one, patch="" if one.patch in told_twice else one.patch) for one in shapes]
        return Diagnosis([*shapes, *findings, *raised], known, list(cells), error_map(self.answered), named, same)

    @property
    def cells_with_errors(self) -> list[str]:
        """The cells of which some calls raise."""
        return list(dict.fromkeys(cell for one in self.errors for cell in one.cells))

    @property
    def keeps(self) -> bool:
        """Whether answers depend on the calls before, and new instances can be had that share nothing."""
        subject = self.subject
        return self.of_calls_before and not subject.fresh and (is_copied(subject) or has_processes(subject))

    @property
    def of_calls_before(self) -> bool:
        """Whether some answers depend on the calls before."""
        return bool(self.on_others or told_of(self.sentences, ("history",)))

    @property
    def in_vain(self) -> list[Search]:
        """The searches that found nothing, of cells that have answers."""
        return [search for search in self.searches if not self.explained[search] and search.cell not in self.mute]

    @cached_property
    def conditional(self) -> set[Cell]:
        """The cells of which one mistake gives all that is wrong, where others are right: made in some calls alone."""
        self.progress("comparing where it is wrong")
        return {search.cell for search in self.in_vain if is_in_some_calls(search)}

    @property
    def puzzling(self) -> list[Search]:
        """The searches that found nothing, where no mistake is made in some calls alone, either."""
        return [search for search in self.in_vain if search.cell not in self.conditional]

    @property
    def unnamed(self) -> list[Search]:
        """The searches that found nothing, where no answer is wrong, too."""
        return [*self.in_vain, *(search for search in self.seldom if not self.explained.get(search))]

    @property
    def unexplained(self) -> list[Cell]:
        """The cells of which no mistake is named; where no answer is wrong, of those on which properties fail."""
        if self.searches:
            return [search.cell for search in self.in_vain]
        named = [search.cell for search, faults in self.explained.items() if faults]
        return [cell for cell in cells_of(self.failed) if cell not in named]

    def search(self) -> None:
        """Names the mistakes of each cell that give its numbers; what explains one is likely to explain the next."""
        for search in self.searches:
            self.progress(f"comparing {search.cell} with faulty references")
            likely = [fault for faults in self.explained.values() for fault in faults]
            self.explained[search] = () if search.cell in self.mute else search.found(likely)
        if not all(self.explained.values()):
            self.on_others = right_alone(self.subject, self.answered, self.calls)
        if self.on_others:  # new instances do have answers
            self.mute = []

    def search_parts(self) -> None:
        """Names mistakes that are made in some layers, directions or steps alone, or one of these and a usual one."""
        if self.on_others or not self.puzzling:
            return
        self.progress("looking at each layer, direction and step")
        for search in self.puzzling:
            self.explained[search] = search.one_of(search.narrow, more=1)

    def rewrite(self) -> None:
        """Names what else equations could say."""
        if self.on_others or not self.puzzling:
            return
        self.progress("rewriting equations")
        wrong = wrong_dtypes(self.subject, self.answered, [search.cell for search in self.puzzling])
        benches = [
            Bench(self.subject, cell, dtype, Work(self.failures.calls, self.deadline)) for cell, dtype in wrong.items()
        ]
        self.led_on({bench.cell: leads_of(bench, self.answered) for bench in benches})

    def search_pairs(self) -> None:
        """Names two mistakes that show in the same number first, which is dear."""
        if self.on_others or not self.puzzling:
            return
        self.progress("looking for two mistakes in one place")
        for search in self.puzzling:
            self.explained[search] = search.two_at_once()

    def search_failures(self) -> None:
        """Names the mistakes that give what failures show, where no probe is wrong."""
        if self.searches or self.subject.capabilities.recompiles:
            return
        self.progress("comparing failures with faulty references")
        for cell in self.unexplained:
            if search := seldom(cell, self.answered, self.failures, self.passed):
                found = search.found()
                if found:
                    self.explained[search] = found
                else:
                    self.seldom.append(search)

    def led_on(self, leads: Mapping[Cell, Sequence[Fault]]) -> None:
        """Searches again where there are leads."""
        for search in self.unnamed:
            if mine := leads.get(search.cell):
                self.explained[search] = search.again(mine) or search.one_of(list(within(mine)))

    def measure(self) -> None:
        """Says what experiments and failures show of cells of which no mistake is named; some lead to a name."""
        cells, failures, alone = self.unexplained, self.failures, bool(self.on_others)
        if not cells:
            return
        self.progress("measuring")
        self.sentences = failures.history(cells)
        if not alone:  # else answers are those of calls before
            self.sentences |= proportions(self.answered, untold(cells, self.sentences), failures.when_wrong)
        unseen = not self.searches  # what is wrong is in no probe
        single = failures.single(cells) if unseen else ()
        quiet = untold(cells, self.sentences)
        shows, leads = measured(
            self.subject, self.answered, quiet, failures.calls, self.deadline, alone, unseen, single
        )
        self.sentences |= shows
        self.led_on(leads)
        quiet = [cell for cell in untold(cells, self.sentences) if not leads.get(cell)]
        self.of_failures = failures.dropout(quiet)
        quiet = untold(quiet, self.of_failures)
        self.of_failures |= failures.hygiene(quiet) | failures.shapes(quiet)
        read_wrongly = told_of(shows, ("influence",)) & set(self.unexplained)
        asked = [*untold(quiet, self.of_failures), *failures.with_large_sizes(sorted(read_wrongly, key=str))]
        self.of_failures |= failures.triggers(list(dict.fromkeys(asked)))
        if not alone:
            self.search_beside_blocks()
            quiet = [cell for cell in quiet if cell in self.unexplained]
            shows, leads = large(self.subject, self.answered, quiet, failures.calls, self.deadline)
            self.sentences |= shows
            self.led_on(leads)

    def search_beside_blocks(self) -> None:
        """Names mistakes that are made in what blocks leave alone, where sizes that are wrong leave something."""
        for search in self.unnamed:
            if parts := self.failures.shares.get(search.cell):
                self.progress("looking beside blocks")
                self.explained[search] = search.beside_blocks(parts)

    def fail_alike(self) -> list[Finding]:
        """The known mistake that fails as the target does, where no probe can tell one from another."""
        wrong = any(not a.right for a in self.answered)
        if wrong and any(result.id in BY_EQUATIONS for result in self.failed):
            return []
        self.progress("comparing what fails")
        work = Work(JUDGEMENTS, self.deadline)
        return by_properties(
            self.subject.target, self.failures.properties, self.failed, self.passed, self.answered, work
        )

    def settle(self, findings: Sequence[Finding]) -> None:
        """Keeps what is said of cells that are still unexplained; what fails like a known mistake says when it does."""
        said = self.sentences
        if all(finding.exact for finding in findings):
            said = self.of_failures | said
        unexplained = set(self.unexplained)
        self.sentences = {sentence: cells for sentence, cells in said.items() if unexplained & set(cells)}

    def found_in_some_calls(self) -> Mapping[Cell, Finding]:
        """The mistakes that give what is wrong in some calls."""
        if self.on_others:
            return {}
        self.progress("comparing where it is wrong")
        return not_always(self.unnamed, self.sentences, self.failures)

    def places(self, stated: Collection[Cell], told: Collection[Cell], found: bool) -> list[Finding]:
        """Where a mistake may be that is like a known one, of cells of which nobody knows what exactly is wrong.

        stated  those of which something is said;  told  what exactly is wrong;  found  whether anything was
        """
        vague = [] if self.on_others else [search for search in self.in_vain if search.cell not in told]
        return list(places_to_look([search for search in vague if not found or search.cell in stated]))

    def known(self, stated: Collection[str]) -> list[str]:
        """What the answers to the probes show."""
        if self.on_others:
            return list(self.on_others)
        cells, stated = [*self.mute, *self.unexplained], [*stated, *self.cells_with_errors]
        return what_is_known(self.answered, cells, self.subject, self.calls, stated)

    def found_beside(self, stated: Collection[Cell], explained: Collection[str], misread: bool) -> list[Finding]:
        """What is wrong beside what was said.

        explained: ids of properties that fail because of what was named;  misread: whether shapes were recognised
        """
        if self.subject.capabilities.recompiles or self.on_others:
            return []
        self.progress("looking for what else is wrong")
        told = told_about(self.explained, stated, self.sentences)
        told = {cell: about | {SHAPES} if misread else about for cell, about in told.items()}
        beside = Beside(self.failures, self.answered, told, self.sentences, explained, self.passed)
        alike = patches(beside.sentences, self.failures, forward_cases(self.answered))
        return [*said_once(beside.found), *findings_of(beside.sentences, self.answered, alike)]

    def found_alone(self) -> list[Finding]:
        """What is wrong beside what depends on the calls before: in new instances, of which each answers one call."""
        alone = OfNewInstances(self.subject.target, anew=True)
        mine = [result for result in self.failed if any(map(self.failures.is_wrong_alone, shown_by([result])))]
        with suppress(Failure):
            other = inquired(alone, self.failures.properties, mine, self.passed, self.deadline, self.progress)
            found = other.diagnosis().findings
            return [] if other.of_calls_before else found
        return []


def without_answer(answered: Sequence[Answered]) -> list[Cell]:
    """The cells of which no probe has an answer."""
    heard = {a.probe.case.config.cell for a in answered if a.given is not None}
    return list(dict.fromkeys(a.probe.case.config.cell for a in answered if a.probe.case.config.cell not in heard))


def told_of(sentences: Sentences, kinds: Collection[str] | None = None) -> set[Cell]:
    """The cells that sentences are about, of some kinds or of all."""
    return {cell for (kind, _), cells in sentences.items() if kinds is None or kind in kinds for cell in cells}


def told_about(
    explained: Mapping[Search, Sequence[Fault]], stated: Collection[Cell], sentences: Sentences
) -> dict[Cell, set[str]]:
    """What something was said about, of each cell of which something was; none where it depends on earlier calls."""
    told: dict[Cell, set[str]] = {}
    for kind in (DROPOUT, HYGIENE, SHAPES):
        for cell in told_of(sentences, (kind,)):
            told.setdefault(cell, set()).add(kind)
    for search, faults in explained.items():
        if faults or (search.cell in stated and search.cell not in told):
            told.setdefault(search.cell, set()).add(RESULTS if search.forward_wrong else GRADIENTS)
    of_calls = told_of(sentences, ("history",))
    return {cell: about for cell, about in told.items() if cell not in of_calls}


def untold(cells: Sequence[Cell], sentences: Sentences, kinds: Collection[str] | None = None) -> list[Cell]:
    """The cells that no sentence is about, of some kinds or of all."""
    told = told_of(sentences, kinds)
    return [cell for cell in cells if cell not in told]


def not_always(searches: Sequence[Search], sentences: Sentences, failures: Failures) -> dict[Cell, Finding]:
    """The mistakes that give what is wrong of a cell in some calls, by the cell.

    What says when that is is said with them, and not beside them; nor are sentences about the same wrong answers.
    Answers that are wrong where something is dropped, which is said, tell no more: where p = 1 mistakes give alike.
    """
    found: dict[Cell, Finding] = {}
    dropping = told_of(sentences, (DROPOUT,))
    for search in searches:
        cases = [a.probe.case for a in search.climbed if not a.right]
        if cases and search.cell in dropping and all(case.training and case.config.dropout for case in cases):
            continue
        finding = in_some_calls(search, partial(failures.when_wrong, search.cell, sentences))
        for (kind, said), cells in sentences.items() if finding else ():
            sentences[kind, said] = [cell for cell in cells if cell != search.cell or kind in BESIDE]
        finding = finding or partly(search, partial(failures.beside, search.cell)) or where_numbers(search)
        if finding := finding or partly_in_some_calls(search):
            found[search.cell] = finding
    return found


def said_once(found: Mapping[Cell, Finding]) -> Iterator[Finding]:
    """What is said of cells, with these; of several the same once."""
    alike: dict[str, list[Cell]] = {}
    for cell, finding in found.items():
        alike.setdefault(finding.title, []).append(cell)
    for title, cells in alike.items():
        told, of = [found[cell] for cell in cells], f"{', '.join(cells)}: "
        yield replace(
            told[0], title=of + title, hint=told[0].hint and of + told[0].hint,
            explains=sum(one.explains for one in told), telling=sum(one.telling for one in told),
        )  # fmt: skip


def leads_of(bench: Bench, answered: Sequence[Answered]) -> list[Fault]:
    """What else the equations of a cell could say, or those of its reverse direction where only that is wrong."""
    if shows_in_two(answered, bench.cell):
        return in_reverse(rewritten(of_direction(bench)))
    return rewritten(bench)


def searches_of(answered: Sequence[Answered], passed: Collection[str], work: Work, fresh: Fresh) -> list[Search]:
    """A search for each cell that gives a wrong answer, each with the same work."""
    cells = list(dict.fromkeys(a.probe.case.config.cell for a in answered if not a.right))
    parts = [Work(work.left / len(cells), work.deadline) for _ in cells]
    return [Search(answered, cell, passed, part, fresh) for cell, part in zip(cells, parts)]


def misread(subject: Subject, answered: Sequence[Answered]) -> list[Finding]:
    """The shape mistakes that were recognised and looked through."""
    habits, patch = subject.reader.habits.items(), patch_of_habits(subject, forward_cases(answered))
    return [
        Finding(f"shape-of-{name}", f"{name}: {mistake}", "" if place else patch, 0, len(answered), "shape-contract")
        for place, (name, mistake) in enumerate(habits)
    ]


def forward_cases(answered: Sequence[Answered]) -> list[Case]:
    """The cases of which results were asked for, and not gradients."""
    return [a.probe.case for a in answered if a.probe.d is None]


def by_numbers(explained: Mapping[Search, Sequence[Fault]]) -> list[Finding]:
    """The mistakes that give the target's numbers; what explains several cells is said once."""
    found: dict[Fault, Finding] = {}
    for search, faults in explained.items():
        for fault in faults:
            finding = found.setdefault(fault, finding_of(fault, 0, 0, True))
            finding.explains += search.telling
            finding.telling += search.telling
            others = [other.id for other in faults if other is not fault]
            finding.together = list(dict.fromkeys([*finding.together, *others]))
    findings = found.values()
    return sorted(findings, key=lambda finding: -finding.explains)
