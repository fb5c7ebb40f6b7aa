"""How often the mistake is named, and what is said: python benchmarks/diagnosis.py [--each N] [--keep FILE] [SET...].

Wrong targets of each set are judged and diagnosed: ``catalogue``, each fault alone; ``pairs``, random ones that fit
together; ``derived``, a share of the mistakes that are made of the text of the reference, those in a part of a
network included; ``slips`` and ``two-slips`` of ``unseen``; ``loops``, a share of the list in ``unseen/loops``; and
``known``, the files of ``unseen/known`` that are wrong. A line of the table of docs/how-strong.md is printed for each.
"named": what is named gives the target's numbers on many fresh cases; "class": at least a fault of the planted class is
named; "stated": a sentence was measured; "wrong": a fresh case tells the numbers of what is named from the target's.

With --keep, what was said of each target is written to a file, with the calls of the target, the evaluations of faulty
references and the CPU that it took. ``--against FILE`` prints where a kept file says something else, and both sums.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
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
from conformance.diagnosis.faulty import FaultyTarget, faulty_class
from conformance.diagnosis.probes import Answered, Probe, asked, probes
from conformance.diagnosis.search import DRAWS, shaken, spread
from conformance.faults import FAULTS, Fault, FaultyReference, PatchError
from conformance.faults.operators import derived
from conformance.faults.within import within
from conformance.harness.call import Call
from conformance.harness.load import TargetError, open_target
from conformance.judging.oracle import Failure, NotApplicable
from conformance.judging.subject import Subject
from conformance.trial.worker_pool import cores
from reference_rnn import CELLS, Case, arithmetic
from strategies.cases import build, decode

FRESH = 400  # cases that a named mistake must give the numbers of
PAIRED = 100  # pairs of faults
OF_DERIVED, OF_LOOPS = 60, 5  # of so many one is asked
LOOPS, KNOWN = (Path(__file__).parent / "unseen" / name for name in ("loops", "known"))


@dataclass
class Said:
    """What a diagnosis says of a wrong target, and what that took.

    ids, named   the mistakes among its findings, and those that give all numbers of a cell
    wrong        cells of which a fresh case tells the numbers of what is named from the target's
    findings     in words, as ``known``
    calls        of the target;  evaluations: of faulty references;  seconds: of CPU, in this process
    """

    ids: list[str]
    named: dict[str, list[str]]
    wrong: list[str]
    findings: list[str]
    known: list[str]
    calls: int = 0
    evaluations: int = 0
    seconds: float = 0.0
    stated: bool = False

    @property
    def kind(self) -> str:
        """What became of it."""
        return "wrong" if self.wrong else "named" if self.named else "stated" if self.stated else "missed"


class Counted:
    """Counts the calls of targets and the evaluations of faulty references, in this process."""

    calls = evaluations = 0

    @classmethod
    def count(cls) -> None:
        """From here on."""
        if Call.make.__name__ == "counted":
            return
        make = Call.make

        def counted(call: Call, target: Any) -> Any:
            cls.calls += 1
            return make(call, target)

        Call.make = counted  # type: ignore
        for name in ("forward", "gradients"):
            counting = cached_property(counted_calls(FaultyReference.__dict__[name].func, cls))
            counting.__set_name__(FaultyReference, name)
            setattr(FaultyReference, name, counting)


def counted_calls(made: Callable[[FaultyReference], Callable[..., Any]], counter: type[Counted]) -> Callable[..., Any]:
    """A function of a faulty reference that gives what ``made`` does, counted when it is called."""

    def wrapped(reference: FaultyReference) -> Callable[..., Any]:
        answer = made(reference)

        def evaluated(*args: Any, **options: Any) -> Any:
            counter.evaluations += 1
            return answer(*args, **options)

        return evaluated

    return wrapped


def diagnosed(target: Any, properties: Sequence[str] | None = None, stop: bool = False) -> Said:
    """What is said of a target of which some properties are judged, or all."""
    try:
        report = check(target, properties=properties or (), diagnosis=False, stop_on_first=stop, saved=False, workers=1)
    except TargetError as error:  # it needs a package that is not here
        return Said([], {}, [], [], [str(error)])
    failed = [result for result in report.results if result.status == "failed"]
    passed = [result.id for result in report.results if result.status == "passed"]
    Counted.count()
    calls, evaluations, began = Counted.calls, Counted.evaluations, time.process_time()
    if report.verdict != "fails":
        return Said([], {}, [], [], [report.verdict])
    try:
        found = diagnose(open_target(target), catalogue(), failed, passed)
    except Exception as error:  # a mistake of the diagnosis, which a report would show
        return Said([], {}, [], [], [f"the diagnosis itself failed: {error}"])
    seconds, calls, evaluations = time.process_time() - began, Counted.calls - calls, Counted.evaluations - evaluations
    return Said(
        [id for finding in found.findings for id in (finding.fault, *finding.together)],
        {cell: [fault.id for fault in faults] for cell, faults in found.named.items()},
        [] if isinstance(target, str) else contradicted(target, found.named),
        [finding.title for finding in found.findings], found.known,
        calls, evaluations, round(seconds, 2),
        any(finding.fault.startswith("measured.") for finding in found.findings),
    )  # fmt: skip


def of_catalogue(*ids: str) -> Said:
    """Of faults of the catalogue, by the properties that must find them."""
    faults = [FAULTS[id] for id in ids]
    cells = set.intersection(*(set(fault.cells) for fault in faults))
    first = dict.fromkeys(id for fault in faults for id in fault.killed_by)
    return diagnosed(FaultyTarget(*faults, cells=tuple(cells)), tuple(first))


def of_derived(number: int, _: str) -> Said:
    """Of a mistake that is made of the text of the reference, by the order of ``all_derived``."""
    fault = all_derived()[number]
    return diagnosed(faulty_class(fault, fault.cells), stop=True)


def all_derived() -> list[Fault]:
    """The mistakes in the equations of cells, and each in the parts of a network."""
    faults = [fault for cell in CELLS for fault in derived(cell).values()]
    return [*faults, *within(faults)]


def of_slips(*names: str) -> Said:
    """Of slips in another network."""
    return diagnosed(network(*names), ("equivalence.steps",))


def of_loops(name: str) -> Said:
    """Of a mistake of the list of loops."""
    return diagnosed(str(LOOPS / "planted" / f"{name}.py"), stop=True)


def of_known(name: str) -> Said:
    """Of a file of those that are known, judged in full."""
    return diagnosed(str(KNOWN / name))


SETS: dict[str, tuple[Callable[..., Said], Callable[[], Sequence[tuple[Any, ...]]]]] = {
    "catalogue": (of_catalogue, lambda: [(id,) for id in FAULTS]),
    "pairs": (of_catalogue, lambda: list(pairs(PAIRED))),
    "derived": (of_derived, lambda: [(n, f.id) for n, f in enumerate(all_derived())][::OF_DERIVED]),
    "slips": (of_slips, lambda: [(name,) for name in SINGLE]),
    "two-slips": (of_slips, lambda: list(PAIRS)),
    "loops": (of_loops, lambda: [(one["name"],) for one in json.loads((LOOPS / "list.json").read_text())][::OF_LOOPS]),
    "known": (of_known, lambda: [(path.name,) for path in sorted(KNOWN.glob("*.py")) if not path.match("*_spec.py")]),
}  # fmt: skip


def asked_of(job: tuple[str, tuple[Any, ...]]) -> Said:
    """What is said of one target of a set."""
    name, arguments = job
    return SETS[name][0](*arguments)


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


def line(name: str, targets: Sequence[tuple[Any, ...]], said: Sequence[Said]) -> str:
    """A line of the table."""
    kinds = [one.kind for one in said]
    counts = [str(kinds.count(kind)) for kind in ("named", "stated", "wrong", "missed")]
    classes = sum(of_class(ids, one) for ids, one in zip(targets, said)) if name in ("catalogue", "pairs") else ""
    seconds = [one.seconds for one in said]
    work = [f"{sum(one.calls for one in said):,}", f"{sum(one.evaluations for one in said):,}"]
    shown = [name, str(len(said)), *counts, str(classes), *work, f"{median(seconds):.1f}", f"{max(seconds):.1f}"]
    return f"| {' | '.join(shown)} |"


def of_class(ids: Sequence[str], said: Said) -> bool:
    """Whether faults of the classes of the planted ones are among the findings."""
    return {FAULTS[id].fault_class for id in ids} <= {FAULTS[id].fault_class for id in said.ids if id in FAULTS}


def differences(old: Mapping[str, dict[str, Any]], new: Mapping[str, Said]) -> Iterator[str]:
    """Where another thing is said of a target than before, and the sums of what both took."""
    both = {key: (Said(**old[key]), new[key]) for key in new if key in old}
    for key, (before, after) in both.items():
        if (before.findings, before.known, before.kind) != (after.findings, after.known, after.kind):
            yield f"{key}: {before.kind}, now {after.kind}"
            yield from (f"    - {text}" for text in [*before.findings, *before.known])
            yield from (f"    + {text}" for text in [*after.findings, *after.known])
    for what in ("calls", "evaluations", "seconds"):
        sums = [sum(getattr(pair[side], what) for pair in both.values()) for side in (0, 1)]
        yield f"{what}: {sums[0]:,.0f}, now {sums[1]:,.0f}"


def main() -> None:
    """Prints the table, or differences."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("sets", nargs="*", metavar="SET", help=f"of {', '.join(SETS)}; all of them if none is named")
    parser.add_argument("--each", type=int, default=1, help="ask one of so many of each set")
    parser.add_argument("--keep", type=Path, help="write what is said there, beside what it holds of other sets")
    parser.add_argument("--against", type=Path, help="print where this says something else")
    options = parser.parse_args()
    print("| | tried | named | stated | wrong | missed | class named | calls | evaluations | median s | most s |")
    print("|---|" + "---:|" * 10, flush=True)
    said: dict[str, Said] = {}
    with ProcessPoolExecutor(cores(), multiprocessing.get_context("spawn")) as pool:
        for name in options.sets or SETS:
            targets = SETS[name][1]()[:: options.each]
            found = list(pool.map(asked_of, [(name, target) for target in targets]))
            print(line(name, targets, found), flush=True)
            said |= {f"{name}: {' + '.join(map(str, target))}": one for target, one in zip(targets, found)}
            for key in (key for key in said if key.startswith(name) and said[key].kind in ("wrong", "missed")):
                print(f"{said[key].kind}: {key}", file=sys.stderr)
            if options.keep:
                kept = json.loads(options.keep.read_text()) if options.keep.exists() else {}
                kept |= {key: asdict(one) for key, one in said.items()}
                options.keep.write_text(json.dumps(kept, indent=0) + "\n")
    if options.against:
        print(*differences(json.loads(options.against.read_text()), said), sep="\n")


if __name__ == "__main__":
    main()
