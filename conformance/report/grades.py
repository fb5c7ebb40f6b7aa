"""Points for what holds: a rubric in TOML, grades as CSV and as Gradescope reads them.

    [[criterion]]
    name = "Shapes"
    properties = ["shapes", "batch.permutation"]
    points = 10
    partial = true               # points for the share that holds; else all of them or none
    require = ["bidirectional"]  # what must be claimed for any points

Gradescope's format: https://gradescope-autograders.readthedocs.io/en/latest/specs/
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from conformance.claims.capabilities import Capabilities, capability_names
from conformance.events import PropertyResult
from conformance.harness.files import FileError, read_toml
from conformance.harness.text import visible_data, visible_line
from conformance.trial.options import UsageError, require_known
from conformance.trial.verdict import Report

from .feedback import by_student, own_names, without_solution
from .report_set import Unjudged
from .wording import UNNAMED, VERDICTS, behind, case_lines, evidence_counts, group_failures, mistake_titles

UNCLAIMED = "nothing of this was claimed"
SAYS_NOTHING = "the call that fails is wrong in a fresh process, too"
FORMULA = tuple("=+-@\uff1d\uff0b\uff0d\uff20")  # what a spreadsheet may take for one, also in full width


@dataclass(frozen=True)
class Criterion:
    """One line of a rubric."""

    name: str
    properties: tuple[str, ...]
    points: float
    partial: bool = True
    require: tuple[str, ...] = ()

    def asked(self, report: Report) -> list[PropertyResult]:
        """The results that it is about; what is not claimed, cannot be judged here, or says nothing is not asked."""
        mine = [result for result in self.results_of(report) if result.id not in report.alone]
        left = [result for result in mine if result.status == "not_run" and result.id in report.left]
        return [result for result in mine if result.status not in ("not_claimed", "not_run") or result in left]

    def results_of(self, report: Report) -> list[PropertyResult]:
        """The results of the properties that the criterion is about, whatever they are."""
        return [r for r in report.results if r.id in self.properties or r.id.partition(".")[0] in self.properties]

    def score(self, entry: Report | Unjudged) -> float:
        """The points: none for what could not be judged, or does not claim what it must."""
        if isinstance(entry, Unjudged) or any(not claims_any(entry, name) for name in self.require):
            return 0.0
        asked = self.asked(entry)
        held = sum(result.status == "passed" for result in asked)
        if not asked or (held < len(asked) and not self.partial):
            return 0.0
        return round(self.points * held / len(asked), 2)

    def is_claimed(self, entry: Report | Unjudged) -> bool:
        """Whether the points depend on what was judged; so they do for what could not be judged at all."""
        if isinstance(entry, Unjudged):
            return True
        return bool(self.asked(entry)) and all(claims_any(entry, name) for name in self.require)

    def reason(self, entry: Report | Unjudged) -> str:
        """Why the entry has so many points."""
        if isinstance(entry, Unjudged):
            return entry.reason
        if left := [name for name in self.require if not claims_any(entry, name)]:
            return f"not claimed: {', '.join(left)}"
        asked = self.asked(entry)
        wrong = [result.id for result in asked if result.status != "passed"]
        alone = [result.id for result in self.results_of(entry) if result.id in entry.alone]
        said = [f"{len(asked) - len(wrong)} of {len(asked)} hold"] if asked else [] if alone else [UNCLAIMED]
        said += [f"not {', '.join(wrong)}"] if wrong else []
        said += [f"{', '.join(alone)} not counted, as {SAYS_NOTHING}"] if alone else []
        return "; ".join(said)


def claims_any(report: Report, name: str) -> bool:
    """Whether a report's target claims something."""
    return Capabilities(**report.capabilities).claims(name)  # no cell of the user's is loaded here


def rubric(file: Path | None, properties: Collection[str], asked: Collection[str]) -> tuple[Criterion, ...]:
    """The criteria in a file; without one, a hundred points for the share of what is claimed.

    properties: all ids.  asked: those that are judged.  Raises UsageError, naming the file and the entry.
    """
    chapters = chapters_of(properties)
    if file is None:
        return (Criterion("everything that is claimed", chapters, 100.0),)
    try:
        data = read_toml(file)
    except FileError as error:
        raise UsageError(f"{file} cannot be read: {error}") from None
    entries = data.get("criterion")
    if data.keys() != {"criterion"} or not isinstance(entries, list) or not entries:
        raise UsageError(f"{file} must hold [[criterion]] tables and nothing else")
    names, judged = (*chapters, *properties), {*chapters_of(asked), *asked}
    found = []
    for number, entry in enumerate(entries, 1):
        with at(f"{file}, criterion {number}"):
            found.append(criterion(entry, names))
            if left := [name for name in found[-1].properties if name not in judged]:
                raise UsageError(f"--property leaves out {', '.join(left)}; name it there too, or leave it out here")
    return tuple(found)


def chapters_of(ids: Collection[str]) -> tuple[str, ...]:
    """The chapters of some properties."""
    return tuple(dict.fromkeys(id.partition(".")[0] for id in ids))


@contextlib.contextmanager
def at(place: str) -> Iterator[None]:
    """A block whose UsageErrors say where they are."""
    try:
        yield
    except UsageError as error:
        raise UsageError(f"{place}: {error}") from None


def criterion(entry: Any, names: Sequence[str]) -> Criterion:
    """One entry of a rubric. Raises UsageError."""
    if not isinstance(entry, dict):
        raise UsageError("must be a table")
    keys = [one.name for one in fields(Criterion)]
    for key in entry:
        if key not in keys:
            raise UsageError(f"unknown key {key!r}; the keys are {', '.join(keys)}")
    given: dict[str, Any] = {"properties": [], "require": []} | entry
    if not isinstance(given.get("name"), str) or not given["name"]:
        raise UsageError("a name is required")
    for key, kind, values in (("properties", "property", names), ("require", "capability", capability_names())):
        if not isinstance(given[key], list) or not all(isinstance(one, str) for one in given[key]):
            raise UsageError(f"{key} must be a list of names")
        for one in given[key]:
            require_known(kind, one, values)
    if not given["properties"]:
        raise UsageError("properties must name at least one property or chapter")
    points = given.get("points")
    if isinstance(points, bool) or not isinstance(points, int | float) or not 0 < points < 1e6:
        raise UsageError(f"points is {points!r}, must be a positive number")
    if not isinstance(given.get("partial", True), bool):
        raise UsageError(f"partial is {given['partial']!r}, must be true or false")
    lists = {key: tuple(given[key]) for key in ("properties", "require")}
    return Criterion(**{**given, **lists, "points": float(points)})


def as_csv(entries: Sequence[Report | Unjudged], criteria: Sequence[Criterion]) -> str:
    """A line a student: verdict, points in all and by criterion, the mistakes, and why there is no verdict or point."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = [one.name for one in criteria]
    rows: list[list[Any]] = [["student", "file", "verdict", "score", "max_score", *names, "mistakes", "reason"]]
    for student, entry in zip(own_names(entries, lambda stem: stem), entries):
        scores = [one.score(entry) for one in criteria]
        most = sum(one.points for one in criteria)
        verdict, named, reasons = of_entry(entry)
        reasons += entry.remarks
        reasons += [f"{one.name}: {one.reason(entry)}" for one in criteria if not one.is_claimed(entry)]
        points = [round(sum(scores), 2), most, *scores]
        rows.append([student, entry.name, verdict, *points, "; ".join(named), "; ".join(reasons)])
    writer.writerows([harmless(value) for value in row] for row in rows)
    return text.getvalue()


def of_entry(entry: Report | Unjudged) -> tuple[str, list[str], list[str]]:
    """The verdict, the mistakes, and what there is to say about the verdict."""
    if isinstance(entry, Unjudged):
        return "inconclusive", [], [entry.reason]
    return entry.verdict, mistake_titles(entry), list(entry.reasons)


def harmless(value: Any) -> Any:
    """A value as one line that no spreadsheet takes for a formula."""
    if not isinstance(value, str):
        return value
    line = visible_line(value)
    return "'" + line if line.lstrip().startswith(FORMULA) else line


def gradescope(
    entries: Sequence[Report | Unjudged], criteria: Sequence[Criterion], solution: bool
) -> dict[tuple[str, ...], str]:
    """The text of each student's results.json, by the names of its folder and its file.

    solution: whether it shows the numbers that are right
    """
    texts: dict[tuple[str, ...], str] = {}
    for student, entry in by_student(entries):
        tests = [
            {"name": one.name, "score": one.score(entry), "max_score": one.points, "output": one.reason(entry)}
            for one in criteria
        ]
        shown = entry if solution or isinstance(entry, Unjudged) else without_solution(entry)
        data = {
            "score": round(sum(one.score(entry) for one in criteria), 2),
            "output": "\n".join(output(shown)),
            "tests": tests,
        }
        texts[student, "results.json"] = json.dumps(visible_data(data), indent=1)
    return texts


def output(entry: Report | Unjudged) -> Iterator[str]:
    """Yields the lines that a student reads above the points."""
    if isinstance(entry, Unjudged):
        yield f"could not be judged: {entry.reason}"
        return
    yield f"{VERDICTS[entry.verdict]} ({evidence_counts(entry)})"
    yield from (*entry.reasons, *mistake_titles(entry))
    for failure, *_ in group_failures(entry)[:1]:
        yield from ("", f"{failure.id}: {failure.statement}", failure.message, *case_lines(failure), *behind(failure))
        if failure.counterexample:
            yield UNNAMED
