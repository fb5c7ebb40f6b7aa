"""How often the mistake is named: python benchmarks/diagnosis.py [PAIRS]. Prints the table of docs/how-strong.md.

Every fault of the catalogue, alone and in random pairs whose patches fit together, is diagnosed within the time that
a check gives it. "named": its id is among the findings; "class": at least a fault of the same class is, or the same
mistake in another cell; for pairs, both. Then the slips of ``unseen``: named with a diff, or stated in a sentence that
was measured; a name is wrong if a case of many fresh ones tells its numbers from the target's.
"""

from __future__ import annotations

import multiprocessing
import random
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from statistics import median
from typing import Any

from unseen import PAIRS, SINGLE, network

import reference_rnn
from conformance import Capabilities
from conformance.adapters import reference
from conformance.api import check
from conformance.chapters import catalogue
from conformance.claims.allowed import drawn
from conformance.diagnosis.diagnosis import diagnose
from conformance.diagnosis.faulty import FaultyTarget
from conformance.diagnosis.probes import Answered, Probe, asked, probes
from conformance.diagnosis.search import DRAWS, shaken, spread
from conformance.faults import FAULTS, Fault, FaultyReference, PatchError
from conformance.harness.load import open_target
from conformance.judging.oracle import Failure, NotApplicable
from conformance.judging.subject import Subject
from conformance.trial.worker_pool import cores
from reference_rnn import Case, arithmetic
from strategies.cases import build, decode

FRESH = 400  # cases that a named mistake must give the numbers of


def unseen(names: tuple[str, ...]) -> tuple[bool, bool, bool, float]:
    """Of slips in another network: whether they are named with a diff, else stated, or named wrongly; and the time."""
    target = network(*names)
    report = check(target, properties=("equivalence.steps",), diagnosis=False)
    failed = [result for result in report.results if result.status == "failed"]
    began = time.monotonic()
    reasons = diagnose(open_target(target), catalogue(), failed)
    seconds = time.monotonic() - began
    stated = any(finding.fault.startswith("measured.") for finding in reasons.findings)
    wrong = bool(contradicted(target, reasons.named))
    named = bool(reasons.named) and not wrong
    return named, stated and not (named or wrong), wrong, seconds


def unseen_line(name: str, cases: list[tuple[str, ...]], pool: ProcessPoolExecutor) -> None:
    """Prints a line of the table of slips."""
    found = list(pool.map(unseen, cases))
    for names, (named, stated, wrong, _) in zip(cases, found):
        if not named:
            print("wrong:" if wrong else "stated:" if stated else "missed:", " + ".join(names), file=sys.stderr)
    seconds = [result[3] for result in found]
    counts = [sum(result[k] for result in found) for k in range(3)]
    missed = len(found) - sum(counts)
    print(f"| {name} | {len(cases)} | {' | '.join(map(str, counts))} | {missed} | {median(seconds):.1f} |", flush=True)


def diagnosed(ids: tuple[str, ...]) -> tuple[bool, bool, float]:
    """Whether the faults are named, whether their classes are, and the seconds that it took."""
    faults = [FAULTS[id] for id in ids]
    cells = set.intersection(*(set(fault.cells) for fault in faults))
    target = FaultyTarget(*faults, cells=tuple(cells))
    first = dict.fromkeys(id for fault in faults for id in fault.killed_by)
    report = check(target, properties=tuple(first), diagnosis=False)
    assert report.verdict == "fails", ids
    began = time.monotonic()
    failed = [result for result in report.results if result.status == "failed"]
    passed = [result.id for result in report.results if result.status == "passed"]
    reasons = diagnose(open_target(target), catalogue(), failed, passed)
    seconds = time.monotonic() - began
    found = {id for finding in reasons.findings for id in (finding.fault, *finding.together)}
    classes = {FAULTS[id].fault_class for id in found if id in FAULTS}
    return set(ids) <= found, {fault.fault_class for fault in faults} <= classes, seconds


def pairs(count: int) -> Iterator[tuple[str, ...]]:
    """Random pairs of faults of one cell that fit together, of which each shows beside the other."""
    generator = random.Random(0)
    while count:
        one, other = generator.sample(sorted(FAULTS), 2)
        if both_show(FAULTS[one], FAULTS[other]):
            count -= 1
            yield one, other


def both_show(one: Fault, other: Fault) -> bool:
    """Whether two faults can be made together, and give other numbers than each of them alone."""
    cells = [cell for cell in one.cells if cell in other.cells]
    if not cells or one.backward_only != other.backward_only or one.stateful or other.stateful:
        return False
    try:
        together = FaultyReference(one, other)
    except PatchError:
        return False
    apart = {one.id: False, other.id: False}
    for probe in probes(replace(reference.capabilities, cells=(cells[0],), dtypes=("float32",))):
        answered = Answered(probe, answer(together, probe), probe.ask(reference_rnn), arithmetic("float32"))
        for fault in (one, other):
            apart[fault.id] |= not answered.same(answer(FaultyReference(fault), probe))
        if all(apart.values()):
            return True
    return False


def contradicted(target: Any, named: Mapping[str, Sequence[Fault]]) -> list[str]:
    """The cells for which mistakes are named that are not made: a fresh case tells their numbers from the target's."""
    subject = Subject(open_target(target))
    references = {cell: Named(faults) for cell, faults in named.items()}
    wrong = set()
    subject.restart()
    for case in drawn_cases(subject.capabilities):
        cell = str(case.config.cell)
        if cell in references and not agrees(subject, references[cell], case):
            wrong.add(cell)
    return sorted(wrong)


def drawn_cases(capabilities: Capabilities) -> Iterator[Case]:
    """Random cases within what is claimed; other ones than a diagnosis tries a name on."""
    generator, allowed = random.Random(2), drawn(capabilities)
    for _ in range(FRESH):
        yield build(decode(generator.randbytes(48)), allowed)


class Named:
    """The reference with the mistakes that were named, and the same to be asked with the last bits of all moved.

    These are asked along with it: what keeps something shows only so how far rounding leads.
    """

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.plain = FaultyReference(*faults)
        self.others = [FaultyReference(*faults) for _ in range(DRAWS)]


def agrees(subject: Subject, named: Named, case: Case) -> bool:
    """Whether the numbers of a mistake are the target's, but for rounding."""
    probe = Probe(case)
    try:
        given = asked(subject, probe)
    except NotApplicable:
        return True
    except Failure:
        given = None
    mine = Answered(probe, given, probe.ask(reference_rnn), subject.arithmetic(case))
    theirs = answer(named.plain, probe)
    moved = [answer(other, shaken(mine, seed)) for seed, other in enumerate(named.others)]
    if given is None or theirs is None:
        return given is theirs
    return mine.agreeing(theirs, spread(theirs, moved, mine)) == len(given)


def answer(faulty: FaultyReference, probe: Probe) -> dict | None:
    """What a faulty reference answers; None where it fails."""
    try:
        return probe.ask(faulty)
    except Exception:
        return None


def line(name: str, cases: list[tuple[str, ...]], pool: ProcessPoolExecutor) -> None:
    """Prints a line of the table, and on standard error what was not named."""
    found = list(pool.map(diagnosed, cases))
    for ids, (named, same_class, _) in zip(cases, found):
        if not named:
            print("class only:" if same_class else "missed:", *ids, file=sys.stderr)
    seconds = [result[2] for result in found]
    shares = [
        f"{sum(result[k] for result in found)} ({100 * sum(r[k] for r in found) / len(found):.0f} %)" for k in (0, 1)
    ]
    print(f"| {name} | {len(cases)} | {' | '.join(shares)} | {median(seconds):.1f} | {max(seconds):.1f} |", flush=True)


def main() -> None:
    """Prints the table."""
    print("| | tried | named | class named | median s | most s |\n|---|---:|---:|---:|---:|---:|")
    with ProcessPoolExecutor(cores(), multiprocessing.get_context("spawn")) as pool:
        line("one fault", [(id,) for id in FAULTS], pool)
        line("two faults", list(pairs(int(sys.argv[1]) if sys.argv[1:] else 100)), pool)
        print("\n| | tried | with a diff | stated | wrong | missed | median s |\n|---|---:|---:|---:|---:|---:|---:|")
        unseen_line("one slip", [(name,) for name in SINGLE], pool)
        unseen_line("two slips", list(PAIRS), pool)


if __name__ == "__main__":
    main()
