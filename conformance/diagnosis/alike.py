"""Which known mistakes fail as a target does, where no number that it gives says which one it is, or beside a name."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice

import numpy as np

from conformance.events import Finding, PropertyResult
from conformance.faults import FAULTS
from conformance.faults.patching import Fault
from conformance.harness.load import Target, open_target
from conformance.judging.judge import covering_cases, failure_on, judge_case
from conformance.judging.minimise import as_judged
from conformance.judging.oracle import Failure
from conformance.judging.properties import Property
from conformance.judging.serialisation import case_from_data, counterexample_from_data
from conformance.judging.subject import Subject
from reference_rnn import Case, Cell

from .consequence import follows
from .dropout import drops
from .faulty import FaultyTarget
from .localisation import right_anew, smallest
from .probes import Answered
from .search import Search
from .work import LIKENESS, Work

OTHERS = 12  # cases on which mistakes that fail alike on one are told apart
COMPARED = 6  # failures that a mistake must give alike
RUNS = 8  # of one case: what is the same in each is not taken for chance
JUDGING = 5  # evaluations that one judgement of a faulty reference is worth


def finding_of(fault: Fault, explains: int, telling: int, exact: bool) -> Finding:
    """What is said about a fault."""
    return Finding(
        fault.id, fault.title, fault.patch(), explains, telling, fault.fault_class, exact, seen=list(fault.seen),
        hint=fault.hint,
    )  # fmt: skip


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


def by_properties(
    target: Target, properties: Mapping[str, Property], failed: Sequence[PropertyResult], passed: Collection[str],
    answered: Sequence[Answered], work: Work,
) -> list[Finding]:  # fmt: skip
    """The fault that fails alike where no probe says which it is: what is random, or kept.

    On other cases, too, and nowhere else: a mistake that is made under a condition is not the one that is always made.
    Each of several would explain all that fails, so that only one of them can be the mistake: then none is named.
    """
    failed = [result for result in failed if result.case]
    own = [(properties[result.id], case_from_data(result.case)) for result in failed[:COMPARED]]
    failures = [steady_failure(prop, target, case) for prop, case in own]
    found = []
    for fault in FAULTS.values():
        if fault.fault_class == "changed-inputs":  # whatever an array becomes, the same properties fail
            continue
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
    named: Mapping[str, Sequence[Fault]], properties: Mapping[str, Property], failed: Sequence[PropertyResult],
    subject: Subject, work: Work,
) -> list[str]:  # fmt: skip
    """The properties that fail, as far as is seen, only because of the mistakes that were named for a cell."""
    found = []
    for result in failed:
        faults = named.get(str(case_from_data(result.case).config.cell)) if result.case else None
        if faults and not work.over and is_explained(result, properties[result.id], faults, subject, work):
            found.append(result.id)
    return found


def is_explained(
    result: PropertyResult, prop: Property, faults: Sequence[Fault], subject: Subject, work: Work
) -> bool:  # fmt: skip
    """Whether a reference with some mistakes fails as a target does, or gives the numbers that it fails with.

    No number tells of what depends on the calls before.
    """
    if fails_alike(FaultyTarget(*faults), prop, result, work):
        return True
    if prop.about_history or not result.found:
        return False
    work.spend(JUDGING)
    return follows(counterexample_from_data(result.found), faults, subject)


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
