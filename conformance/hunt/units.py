"""What a hunt has others do: units of work, as JSON there and as JSON back, the same in a process and on a machine.

A unit says all that is needed: a worker keeps nothing but the targets that it has loaded.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import mmap
import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from math import inf
from pathlib import Path
from typing import Any

import numpy as np

from conformance.chapters import catalogue
from conformance.events import Diagnosis, FailureFound, Judged, PropertyResult
from conformance.harness.child import LoadError
from conformance.harness.files import FileError, Folder, read_text
from conformance.harness.last_file import LastFile
from conformance.harness.load import Target, TargetError, move_target, rebase_target, spec_of
from conformance.harness.source_text import LARGEST
from conformance.judging.coverage import expected_areas
from conformance.judging.judge import judge
from conformance.judging.serialisation import CounterexampleError, array_to_data, counterexample_from_data
from conformance.trial.options import Options
from conformance.trial.plan import Plan
from conformance.trial.runner import confirm, explain, reopen_target
from conformance.trial.serial_runner import open_for_trial
from conformance.trial.verdict import environment, kit_version
from reference_rnn.cell_source.user_code import WATCH

from .deduplication import FailureSignature, defects
from .mutant_coverage import surviving_mutants

OPTIONS = ("profile", "call_limit", "memory_limit", "forbid", "properties", "diagnosis")  # those that a unit carries
MOST_HELD = 4  # targets that a worker keeps loaded
HOME: list[str] = []  # the folder of this process for targets that were sent


NOTHING = Diagnosis([], [])  # what is known without one


class UnitRefused(Exception):
    """A unit cannot be done here, and would not be elsewhere; the message says why."""


@dataclass(frozen=True)
class Unit:
    """One thing to do.

    do       one of WORK;  target  as it was named;  options  by name
    kit      the version that asks;  hunt  for which a target is loaded: another one finds it as it is by then
    file     of a target that is sent: how it is called there, its text and its hash
    seed, covers  of a round: whether the covering cases come first
    seconds  how long it may take, None for any time
    known    by property: kinds of failures that are passed over;  first  by property: counterexamples to begin with
    only     the properties to be judged, all if empty
    failed, held  to be explained: results as data, and the ids of properties that held;  also  what else failed there
    alike    the ids of the mutants that survive, None for all
    """

    do: str
    target: str
    options: dict[str, Any]
    kit: str = field(default_factory=kit_version)
    hunt: str = ""
    file: dict[str, str] | None = None
    seed: int = 0
    covers: bool = False
    seconds: float | None = None
    known: dict[str, list[str]] = field(default_factory=dict)
    first: dict[str, list[Any]] = field(default_factory=dict)
    only: list[str] = field(default_factory=list)
    failed: list[dict[str, Any]] = field(default_factory=list)
    held: list[str] = field(default_factory=list)
    also: list[list[str]] = field(default_factory=list)
    alike: list[str] | None = None

    def to_text(self) -> str:
        """The unit as JSON."""
        return json.dumps(asdict(self))

    @property
    def plan(self) -> Plan:
        """What its options ask for."""
        options = self.options | {name: tuple(self.options[name]) for name in ("forbid", "properties")}
        return Plan.of(Options(seed=self.seed, saved=False, **options), catalogue)

    @property
    def place(self) -> str:
        """The target as it is named here: one that was sent lies in a folder of its own."""
        if self.file is None:
            return self.target
        return move_target(
            self.file["target"], write_sent_file(self.file["name"], self.file["text"], self.file["sha256"])
        )


def options_of(options: Options) -> dict[str, Any]:
    """The options that a unit carries."""
    return {name: getattr(options, name) for name in OPTIONS}


def file_to_send(target: str) -> dict[str, str] | None:
    """The file of a target, to be sent; None where it has none. Raises TargetError where it cannot be read."""
    if target.startswith("cmd:"):
        return None
    try:
        _, spec = spec_of(target)
        if "file" not in spec:
            return None
        file = Path(spec["file"]).resolve()
        text = read_text(file, LARGEST)
    except (LoadError, FileError, ValueError) as error:
        raise TargetError(str(error)) from None
    return {
        "target": rebase_target(target, file.parent, Path()),
        "name": file.name,
        "text": text,
        "sha256": text_hash(text),
    }


def text_hash(text: str) -> str:
    """The hash of a text."""
    return hashlib.sha256(text.encode()).hexdigest()


@lru_cache(maxsize=64)
def write_sent_file(name: str, text: str, sha256: str) -> Path:
    """A folder with a file that was sent. Raises UnitRefused for one that has changed on its way."""
    if text_hash(text) != sha256:
        raise UnitRefused(f"{name} is not what was sent: its hash is another one")
    folder = Path(tempfile.mkdtemp(prefix="rnn-conformance-", dir=HOME[0] if HOME else None))
    Folder(folder).write((name,), text)
    return folder


def do_unit(text: str) -> str:
    """Does a unit, and says as JSON what came of it: ``{"refused": ...}`` where it cannot be done at all."""
    with np.errstate(all="warn", under="ignore"):
        began = time.monotonic()
        try:
            unit = Unit(**json.loads(text))
            if unit.kit != kit_version():
                raise UnitRefused(f"a worker has rnn-conformance {kit_version()}, must be {unit.kit}, as here")
            answer = WORK[unit.do](unit, HELD.opened(unit))
        except (UnitRefused, TargetError) as error:
            answer = {"refused": str(error)}
        return json.dumps(answer | {"seconds": time.monotonic() - began})


class Held:
    """The targets that this process has loaded; those that were not asked for longest go first."""

    def __init__(self) -> None:
        self.targets: dict[str, Target] = {}

    def opened(self, unit: Unit) -> Target:
        """The target of a unit. Raises TargetError."""
        key = json.dumps([unit.hunt, unit.place, unit.options], sort_keys=True)
        if key not in self.targets:
            self.targets[key] = open_for_trial(unit.place, unit.plan)
        self.targets[key] = self.targets.pop(key)
        while len(self.targets) > MOST_HELD:
            self.targets.pop(next(iter(self.targets))).stop()
        return self.targets[key]

    def stop(self) -> None:
        """Ends their processes."""
        while self.targets:
            self.targets.popitem()[1].stop()


HELD = Held()


def load_target(_: Unit, target: Target) -> dict[str, Any]:
    """Loads a target: what is to be exercised of what it claims, and where it runs."""
    return {"areas": expected_areas(target.capabilities), "environment": environment()}


def judge_round(unit: Unit, target: Target) -> dict[str, Any]:
    """One round: every property on the cases of a seed. What is known is passed over, and said.

    Where the time is over before all is judged, it is cut; so that others come last next time, the order turns with
    the seed.
    """
    plan, began = unit.plan, time.monotonic()
    found: dict[str, Any] = {
        "failed": [], "held": [], "again": [], "stumbled": [], "examples": 0, "coverage": Counter(), "cut": False,
    }  # fmt: skip
    for id in rotate_ids(plan.strongest_first, 0 if unit.covers else unit.seed):
        if unit.only and id not in unit.only:
            continue
        prop, left = plan.properties[id], None
        if not unit.covers and not prop.random_cases(plan.options.random_cases) and id not in unit.first:
            continue
        if unit.seconds is not None and (left := began + unit.seconds - time.monotonic()) <= 0:
            found["cut"] = True
            break
        known = Counter(dict.fromkeys(unit.known.get(id, ()), 0))
        for saved in unit.first.get(id, ()):
            try:
                first = counterexample_from_data(saved)
            except CounterexampleError:  # of a cell whose text is another one now
                continue
            note_result(last(judge(prop, target, 0, unit.seed, left, first, False, known), known), known, found)
        events = judge(prop, target, plan.options.random_cases, unit.seed, left, None, unit.covers, known)
        note_result(last(events, known), known, found)
    failing = {id for id, *_ in found["again"]} | {one["id"] for one in found["failed"]}
    return found | {"held": [id for id in dict.fromkeys(found["held"]) if id not in failing]}


def last(events: Iterator[FailureFound | Judged], known: Counter[str]) -> PropertyResult:
    """What became of a property; what is known need not be made small."""
    return next(event.result for event in events if isinstance(event, Judged) or event.result.kind in known)


def rotate_ids(ids: list[str], seed: int) -> list[str]:
    """The ids, from another one on for each seed."""
    start = 7 * seed % max(len(ids), 1)
    return ids[start:] + ids[:start]


def note_result(result: PropertyResult, known: Counter[str], found: dict[str, Any]) -> None:
    """Notes what became of one property in a round."""
    found["examples"] += result.examples
    found["coverage"].update(result.coverage)
    found["again"] += [[result.id, kind] for kind, times in known.items() if times]
    if result.status == "failed" and result.kind in known:
        found["again"].append([result.id, result.kind])
    elif result.status == "failed":
        found["failed"].append(asdict(result))
    elif result.status == "passed":
        found["held"].append(result.id)
    if result.error:
        found["stumbled"].append([result.id, result.message, result.error])


def explain_failures(unit: Unit, target: Target) -> dict[str, Any]:
    """Which distinct defects some failures are: a fresh process confirms them, and the mistake is looked for."""
    plan, failed, began = unit.plan, [PropertyResult(**one) for one in unit.failed], time.monotonic()
    confirm(plan, unit.place, failed)
    diagnosis = None
    if plan.options.diagnosis:
        held = [PropertyResult(id, "passed") for id in unit.held]
        left = inf if unit.seconds is None else began + unit.seconds - time.monotonic()
        diagnosis = explain(plan, lambda: reopen_target(unit.place, plan), [*failed, *held], left, [])
    found, also = [], [FailureSignature(*one) for one in unit.also]
    for defect in defects(unit.target, failed, diagnosis or NOTHING, plan.properties, also):
        data = asdict(defect) | {"id": defect.id, "given": current_answers(defect.result.found, target)}
        if defect.result.found:
            data["result"]["found"] = defect.result.found | {"target": unit.target}
        found.append(data)
    return {"defects": found, "environment": environment()}


def current_answers(data: Mapping[str, Any] | None, target: Target) -> list[dict[str, Any]]:
    """What a target answers now to each call of a counterexample: its arrays, none where there was no answer."""
    if data is None or target.start() is not None:
        return []
    answers = [call.make(target) for call in counterexample_from_data(data).calls]
    return [{name: array_to_data(array) for name, array in answer.arrays.items()} for answer in answers]


def told_apart(unit: Unit, target: Target) -> dict[str, Any]:
    """Which mutants the cases of a round tell apart."""
    plan = unit.plan
    found = surviving_mutants(
        target.capabilities, plan.properties, plan.options.random_cases, unit.seed, unit.covers, unit.alike,
        time.monotonic() + (unit.seconds or inf),
    )  # fmt: skip
    return {"mutants": found[0], "alike": found[1]} if found else {"mutants": 0, "alike": None}


WORK: dict[str, Callable[[Unit, Target], dict[str, Any]]] = {
    "open": load_target,
    "judge": judge_round,
    "explain": explain_failures,
    "tell apart": told_apart,
}


def page(folder: str) -> mmap.mmap:
    """Memory that all processes share which ask for that of this folder."""
    with open(Path(folder, "page"), "a+b") as file:
        file.truncate(mmap.PAGESIZE)
        return mmap.mmap(file.fileno(), mmap.PAGESIZE)


def serve(folder: str) -> None:
    """What a process does that was started for a hunt: one unit a line comes in, and one answer a line goes out.

    What cells of users print goes nowhere.  folder: for targets that were sent
    """
    HOME.append(folder)
    WATCH.hear = LastFile(page(folder)).runs
    with contextlib.suppress(OSError), open(f"/proc/{os.getppid()}/oom_score_adj") as keeper:
        score = keeper.read()
        with open("/proc/self/oom_score_adj", "w") as own:
            own.write(score)  # where memory runs out, it is the target that has to go, and not its judge
    source, sink, nowhere = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w"), os.open(os.devnull, os.O_RDWR)
    for descriptor in range(3):
        os.dup2(nowhere, descriptor)
    for line in source:
        sink.write(do_unit(line) + "\n")
        sink.flush()
