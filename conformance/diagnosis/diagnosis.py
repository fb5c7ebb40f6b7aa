"""Diagnosis: which mistakes in the reference give the target's numbers.

They are looked for from the smallest network up. Where none gives the numbers, experiments say what is wrong. A
diagnosis explains a verdict; it never changes it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from math import inf

import numpy as np

from conformance.events import Diagnosis, Finding, PropertyResult
from conformance.faults import FAULTS
from conformance.faults.patching import Fault
from conformance.faults.within import within
from conformance.harness.call import Call
from conformance.harness.load import Target, open_target
from conformance.judging.data import case_from_data
from conformance.judging.judge import covering_cases, failure_on, judge_case
from conformance.judging.judgement import Failure
from conformance.judging.properties import Property
from conformance.judging.repeat import as_judged
from conformance.judging.subject import Subject
from reference_rnn import Case, Cell

from .asking import Bench
from .beside import DROPOUT, GRADIENTS, HYGIENE, RESULTS, Beside
from .dropout import drops
from .faulty import FaultyTarget, RoundingTarget
from .instances import keep_apart
from .localisation import error_map, left_out, right_alone, right_anew, silent, smallest, what_is_known
from .measured import Failures, Sentences, findings_of, large, measured, proportions, shown_by, wrong_dtypes
from .partly import in_some_calls, partly
from .probes import Answered, Fresh, answers
from .reverse import in_reverse, of_direction, shows_in_two
from .rewriting import rewritten
from .search import Search
from .work import CALLS, DEAR_CALLS, DEAR_EXPERIMENTS, EVALUATIONS, EXPERIMENTS, JUDGEMENTS, LIKENESS, Deadline, Work

# Each of their cases is wrong by the equations alone. So they fail in the same words whatever the mistake is, and
# say nothing that probes do not; those of relations say not which of two calls is wrong.
BY_EQUATIONS = ("equivalence.first_look", "equivalence.steps", "gradients.back_propagation")
# Kinds of sentences that say which answers are wrong, or what exactly, or are about something else.
WHERE, WHAT = ("conditions", "proportion"), ("dropout", "proportion")
BESIDE = ("history", "hygiene", "shapes", "dropout")
OTHERS = 12  # cases on which mistakes that fail alike on one are told apart
COMPARED = 6  # failures that a mistake must give alike
RUNS = 8  # of one case: what is the same in each is not taken for chance
JUDGING = 5  # evaluations that one judgement of a faulty reference is worth


def diagnose(
    target: Target,
    properties: Mapping[str, Property],
    failed: Sequence[PropertyResult] = (),
    passed: Collection[str] = (),
    seconds: float = inf,
    progress: Callable[[str], None] = lambda text: None,
) -> Diagnosis:
    """Why a target fails; by counted work, and within a time if one is given.

    properties: by their ids.  failed: those that do not hold, with their counterexamples
    passed: the ids of those that do
    """
    deadline = Deadline(seconds)
    subject = Subject(target, anew=True)
    dear = subject.capabilities.recompiles
    calls = Work(DEAR_CALLS if dear else CALLS * len(subject.capabilities.cells), deadline)
    experiments = DEAR_EXPERIMENTS if dear else EXPERIMENTS
    work = Work(EVALUATIONS, deadline)
    progress("asking the target")
    try:
        keep_apart(subject, shown_by(failed), Work(experiments, deadline))
        answered = answers(subject, calls)
    except Failure:
        return Diagnosis([], [])
    shapes = misread(subject, answered)
    mute = without_answer(answered)
    searches = searches_of(answered, passed, work, Fresh(subject, answered, deadline))
    explained: dict[Search, Sequence[Fault]] = {}
    for search in searches:
        progress(f"comparing {search.cell} with faulty references")
        # what explains one cell is likely to explain the next
        likely = [fault for faults in explained.values() for fault in faults]
        explained[search] = () if search.cell in mute else search.found(likely)
    in_vain = [search for search in searches if not explained[search]]
    known = right_alone(subject, answered, calls) if in_vain else []
    mute = [] if known else mute  # else new instances have no answer either: there is nothing to compare or measure
    in_vain = [search for search in in_vain if search.cell not in mute]
    if in_vain and not known:
        progress("looking at each layer and direction")
        for search in in_vain:
            explained[search] = search.alone(search.narrow)
        in_vain = [search for search in in_vain if not explained[search]]
        progress("rewriting equations")
        wrong = wrong_dtypes(subject, answered, [search.cell for search in in_vain])
        benches = [Bench(subject, cell, dtype, Work(experiments, deadline)) for cell, dtype in wrong.items()]
        in_vain = led_on(in_vain, {bench.cell: leads_of(bench, answered) for bench in benches}, explained)
    sentences: Sentences = {}
    conditions: Sentences = {}
    unexplained = [search.cell for search in in_vain] or ([] if searches else cells_of(failed))
    failures = Failures(subject, properties, failed, BY_EQUATIONS, answered, experiments, deadline)
    alone, unseen = bool(known), not searches  # wrong after others alone; in no probe
    if unexplained:
        progress("measuring")
        sentences = failures.history(unexplained)
        if not alone:  # else answers are those of calls before
            sentences |= proportions(answered, untold(unexplained, sentences), failures.when_wrong)
        quiet, single = untold(unexplained, sentences), failures.single(unexplained) if unseen else ()
        shows, leads = measured(subject, answered, quiet, experiments, deadline, alone, unseen, single)
        sentences |= shows
        in_vain = led_on(in_vain, leads, explained)
        silent_yet = [cell for cell in untold(unexplained, sentences) if not leads.get(cell)]
        conditions = failures.dropout(silent_yet)
        silent_yet = untold(silent_yet, conditions)
        conditions |= failures.hygiene(silent_yet) | failures.shapes(silent_yet) | failures.conditions(silent_yet)
        sentences |= failures.sizes(silent_yet)
        if not alone:
            sentences |= large(subject, answered, silent_yet, experiments, deadline)
    findings = by_numbers(explained)
    off = [a for a in answered if not a.right]
    told_apart = not off or not any(result.id in BY_EQUATIONS for result in failed)
    if told_apart and not findings:
        progress("comparing what fails")
        findings = by_properties(target, properties, failed, passed, answered, Work(JUDGEMENTS, deadline))
    if all(finding.exact for finding in findings):  # else what fails alike says it, and when that shows
        sentences = conditions | sentences
    unexplained = [cell for cell in unexplained if not any(explained.get(s) for s in searches if s.cell == cell)]
    sentences = {said: cells for said, cells in sentences.items() if set(cells) & set(unexplained)}
    stated, told_where, told_what = (told_of(sentences, kinds) for kinds in (None, WHERE, WHAT))
    found: Mapping[Cell, Finding] = {}
    if not known:  # else neither names, conditions nor likeness mean anything: it depends on the calls before
        progress("comparing where it is wrong")
        found = not_always([search for search in in_vain if search.cell in unexplained], sentences, failures)
    findings += [*said_once(found), *findings_of(sentences, answered)]
    told_where |= {cell for cell, said in failures.when.items() if said}
    if not known:
        stated |= found.keys()
        in_vain = [search for search in in_vain if search.cell not in found]
        vague = [search for search in in_vain if search.cell not in told_what]
        findings += places_to_look([search for search in vague if not findings or search.cell in stated])
        known = what_is_known(answered, [*mute, *unexplained], subject, calls, stated, shown(failed), told_where)
    named = {str(search.cell): tuple(faults) for search, faults in explained.items() if faults}
    same = explained_by(named, properties, failed, Work(JUDGEMENTS, deadline))
    if not (dear or alone):
        progress("looking for what else is wrong")
        beside = Beside(subject, failures, answered, told_about(explained, stated, sentences), sentences, same, passed)
        findings += [*said_once(beside.found), *findings_of(beside.sentences, answered)]
    known += silent(answered, [search.cell for search in searches if explained.get(search)])
    known += left_out(answered, subject.capabilities)
    if deadline.met:
        known.append("the diagnosis ended with its time, before all was tried")
    cells = dict.fromkeys(str(a.probe.case.config.cell) for a in answered if not a.right)
    return Diagnosis([*shapes, *findings], known, list(cells), error_map(answered), named, same)


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
    for kind in (DROPOUT, HYGIENE):
        for cell in told_of(sentences, (kind,)):
            told.setdefault(cell, set()).add(kind)
    for search, faults in explained.items():
        if faults or (search.cell in stated and search.cell not in told):
            told.setdefault(search.cell, set()).add(RESULTS if search.forward_wrong else GRADIENTS)
    of_calls = told_of(sentences, ("history",))
    return {cell: about for cell, about in told.items() if cell not in of_calls}


def untold(cells: Sequence[Cell], sentences: Sentences) -> list[Cell]:
    """The cells that no sentence is about."""
    told = told_of(sentences)
    return [cell for cell in cells if cell not in told]


def not_always(searches: Sequence[Search], sentences: Sentences, failures: Failures) -> dict[Cell, Finding]:
    """The mistakes that give what is wrong of a cell in some calls, by the cell.

    What says when that is is said with them, and not beside them; nor are sentences about the same wrong answers.
    """
    found: dict[Cell, Finding] = {}
    for search in searches:
        finding = in_some_calls(search, partial(failures.when_wrong, search.cell, sentences))
        for (kind, said), cells in sentences.items() if finding else ():
            sentences[kind, said] = [cell for cell in cells if cell != search.cell or kind in BESIDE]
        if finding := finding or partly(search):
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


def led_on(
    searches: Sequence[Search], leads: Mapping[Cell, Sequence[Fault]], explained: dict[Search, Sequence[Fault]]
) -> list[Search]:
    """Searches again where there are leads, and notes what explains a cell; returns those that still find nothing."""
    for search in searches:
        if leads.get(search.cell):
            explained[search] = search.again(leads[search.cell]) or search.alone(list(within(leads[search.cell])))
    return [search for search in searches if not explained[search]]


def searches_of(answered: Sequence[Answered], passed: Collection[str], work: Work, fresh: Fresh) -> list[Search]:
    """A search for each cell that gives a wrong answer, each with the same work."""
    cells = list(dict.fromkeys(a.probe.case.config.cell for a in answered if not a.right))
    parts = [Work(work.left / len(cells), work.deadline) for _ in cells]
    return [Search(answered, cell, passed, part, fresh) for cell, part in zip(cells, parts)]


def shown(failed: Sequence[PropertyResult]) -> list[Call]:
    """The calls that the report shows to be wrong by the equations alone."""
    return [found.calls[found.about()[-1]] for found in shown_by(failed) if found.property in BY_EQUATIONS]


def cells_of(failed: Sequence[PropertyResult]) -> list[Cell]:
    """The cells on which properties fail."""
    return list(dict.fromkeys(case_from_data(result.case).config.cell for result in failed if result.case))


def places_to_look(searches: Sequence[Search]) -> Iterator[Finding]:
    """What is wrong in the very places in which the target is, without giving its numbers."""
    told = set()
    for search in searches:
        search.work = Work(LIKENESS, search.work.deadline)
        for fault in search.alike():
            if fault not in told:
                yield replace(finding_of(fault, explains=0, telling=search.telling, exact=False), patch="")
            told.add(fault)


def misread(subject: Subject, answered: Sequence[Answered]) -> list[Finding]:
    """The shape mistakes that were recognised and looked through."""
    habits = subject.reader.habits.items()
    return [
        Finding(f"shape-of-{name}", f"{name}: {mistake}", "", len(answered), len(answered), "shape-contract")
        for name, mistake in habits
    ]


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


def by_properties(
    target: Target, properties: Mapping[str, Property], failed: Sequence[PropertyResult], passed: Collection[str],
    answered: Sequence[Answered], work: Work,
) -> list[Finding]:  # fmt: skip
    """The fault that fails alike where no probe says which it is: what is random, or about memory.

    On other cases, too, and nowhere else: a mistake that is made under a condition is not the one that is always made.
    Each of several would explain all that fails, so that only one of them can be the mistake: then none is named.
    """
    failed = [result for result in failed if result.case]
    own = [(properties[result.id], case_from_data(result.case)) for result in failed[:COMPARED]]
    failures = [steady_failure(prop, target, case) for prop, case in own]
    found = []
    for fault in FAULTS.values():
        if not {result.id for result in failed} & set(fault.killed_by) or set(fault.killed_by) & set(passed):
            continue
        if work.over:
            break
        faulty = open_target(FaultyTarget(fault))
        work.spend(JUDGING * len(own))
        alike = all(same_failure(its, failure_on(prop, faulty, case)) for (prop, case), its in zip(own, failures))
        if alike and (fault.stateful or fits(fault, target, answered, cells_of(failed))):
            found.append(finding_of(fault, explains=len(failed), telling=len(failed), exact=False))
    if found:
        prop = own[0][0]
        cases = list(islice(covering_cases(prop, prop.allowed(target.capabilities)), OTHERS))
        its = [steady_failure(prop, target, case) for case in cases]
        found = [one for one in found if fails_so(prop, open_target(FaultyTarget(FAULTS[one.fault])), cases, its)]
    return found if len(found) == 1 else []


def fails_so(prop: Property, faulty: Target, cases: Sequence[Case], its: Sequence[Failure | None]) -> bool:
    """Whether a faulty reference fails a property where a target does, and alike."""
    others = [failure_on(prop, faulty, case) for case in cases]
    return all(one is other is None or same_failure(one, other) for one, other in zip(its, others))


def fits(fault: Fault, target: Target, answered: Sequence[Answered], cells: Collection[Cell]) -> bool:
    """Whether a mistake is wrong on its own in the probes in which a target is, and right where that always is.

    And what is wrong with dropout, if that can be seen, must be the same.
    """
    faulty, its = (Subject(one, anew=True) for one in (open_target(FaultyTarget(fault)), target))
    if any(always_right(faulty, a) for a in smallest(a for a in answered if not a.right)):
        return False
    if any(a.right and not right_anew(faulty, a) and always_right(its, a) for a in answered):
        return False
    faulty = Subject(faulty.target, claims=its.capabilities, anew=True)
    seen = ((drops(its, cell), drops(faulty, cell)) for cell in cells)
    return all(None in pair or pair[0] == pair[1] for pair in seen)


def always_right(subject: Subject, answered: Answered) -> bool:
    """Whether each new instance gives the right answer to a probe, and not by chance."""
    return all(right_anew(subject, answered) for _ in range(RUNS))


def steady_failure(prop: Property, target: Target, case: Case) -> Failure | None:
    """How a target fails on a case, without what chance makes another one the next time."""
    failure = failure_on(prop, target, case)
    if failure is None or all(same_failure(failure, failure_on(prop, target, case)) for _ in range(RUNS - 1)):
        return failure
    return Failure(failure.kind, failure.message)


def same_failure(its: Failure | None, other: Failure | None) -> bool:
    """Whether another failure says the same as one of a target: in its words, and of its number but for its room."""
    if its is None or other is None or without_numbers(its.message) != without_numbers(other.message):
        return False
    if its.given is None and not its.shows:
        return True
    room = (its.room or 0.0) + (other.room or 0.0)
    given, number = (np.nan if one.given is None else one.given for one in (its, other))
    return its.shows == other.shows and bool(np.isclose(given, number, rtol=0, atol=room, equal_nan=True))


def explained_by(
    named: Mapping[str, Sequence[Fault]],
    properties: Mapping[str, Property],
    failed: Sequence[PropertyResult],
    work: Work,
) -> list[str]:
    """The properties that fail, as far as is seen, only because of the mistakes that were named for a cell."""
    found = []
    for result in failed:
        faults = named.get(str(case_from_data(result.case).config.cell)) if result.case else None
        if (
            faults
            and not work.over
            and any(fails_alike(target(*faults), properties[result.id], result, work) for target in judged_like(result))
        ):
            found.append(result.id)
    return found


def judged_like(result: PropertyResult) -> Sequence[type[FaultyTarget]]:
    """The faulty references that may fail as a target does: where two of its runs are not the same, one that rounds.

    In a network that is wrong, rounding may lead farther than in the right one, which is the measure.
    """
    return (FaultyTarget, RoundingTarget) if result.kind.startswith("disagree:") else (FaultyTarget,)


def fails_alike(faulty: FaultyTarget, prop: Property, result: PropertyResult, work: Work) -> bool:
    """Whether a faulty reference fails a property on the same case in the same words; numbers may differ.

    What is found by asking again, which is not done here, is no part of them.
    """
    work.spend(JUDGING)
    target = open_target(faulty)
    verdict = judge_case(prop, target, case_from_data(result.case))
    given, its = (without_numbers(as_judged(one.message)) for one in (verdict, result))
    return verdict.status == "failed" and given == its


def without_numbers(message: str) -> str:
    """A message with # for every number."""
    return re.sub(r"[-+]?(\d[\d.,]*(e[-+]?\d+)?|nan|inf)", "#", message)


def finding_of(fault: Fault, explains: int, telling: int, exact: bool) -> Finding:
    """What is said about a fault."""
    return Finding(
        fault.id, fault.title, fault.patch(), explains, telling, fault.fault_class, exact, seen=list(fault.seen),
        hint=fault.hint,
    )  # fmt: skip
