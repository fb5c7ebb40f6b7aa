"""What is known to fail from an earlier report, so that only what is new counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from conformance.claims.capabilities import Capabilities, CapabilityError
from conformance.comparison.compare import beyond, common
from conformance.events import MEASURED, Diagnosis, Finding, PropertyResult
from conformance.harness.files import FileError, read_json
from conformance.harness.load import TargetError
from conformance.harness.records import Excerpt, RecordError, inner, reader, record
from conformance.harness.text import short
from conformance.judging.serialisation import case_from_data

from .options import UsageError
from .property_names import Names
from .verdict import SCHEMA, kit_version

LARGEST = 2**28  # bytes of a report
FAILED = ("failed", "expected_failure")
NEW, KNOWN = "new in kit", "baseline"


@dataclass(frozen=True)
class Baseline:
    """An earlier report, as far as it matters.

    name     how it was given;  statuses  by today's id of the property
    mistakes the ids of those that were named;  claims  what the target claimed, as data
    kit      the version that wrote it, empty if none did
    asked    the properties or chapters that it was asked for, empty for all
    shows    whether the earlier version fails on a counterexample too, None if that cannot be told; None where it
             cannot be asked
    """

    name: str
    statuses: Mapping[str, str]
    mistakes: frozenset[str] = frozenset()
    claims: Mapping[str, Any] = field(default_factory=dict)
    kit: str = ""
    asked: Sequence[str] = ()
    shows: Callable[[dict[str, Any]], bool | None] | None = None

    def may_know(self, id: str) -> bool:
        """Whether a failure of a property may be known; what mistake it is shows later."""
        return self.statuses.get(id) in FAILED

    def may_expect(self, id: str, strict: bool) -> bool:
        """Whether a failure of a property may be no new one; strict: also where the older kit did not have it."""
        return self.may_know(id) or (self.is_new_property(id) and not strict)

    def apply(self, results: Sequence[PropertyResult], diagnosis: Diagnosis | None, strict: bool) -> None:
        """Marks the failures that are known; strict: those that only this version of the kit looks for are not."""
        named = mistake_ids(diagnosis.findings if diagnosis else [])
        if diagnosis:
            diagnosis.expect(self.mistakes, KNOWN)
        other = bool(named and self.mistakes and not named <= self.mistakes)
        unnamed = bool(diagnosis and self.mistakes and not named)  # what was known no longer explains what fails
        failed = [result for result in results if result.status == "failed"]
        its_own = {result.id for result in failed if diagnosis and self.has_only_known(result, diagnosis)}
        if len(its_own) == len(failed):
            its_own = set()  # a mistake that is new must count in some failure
        for result in failed:
            known = self.may_know(result.id) and (not other or result.id in its_own)
            if known and not (unnamed and self.failed_on(result) is False):
                expect(result, KNOWN)
            elif self.is_new_property(result.id) and not strict:
                expect(result, f"{NEW} {kit_version()}")
            elif not known and not other and self.failed_on(result):
                expect(result, KNOWN)

    def has_only_known(self, result: PropertyResult, diagnosis: Diagnosis) -> bool:
        """Whether a property fails by a known mistake alone, or on a cell all of whose mistakes are known."""
        if any(result.id in diagnosis.alone.get(id, ()) for id in self.mistakes):
            return True
        faults = diagnosis.named.get(str(case_from_data(result.case).config.cell)) if result.case else None
        return faults is not None and {fault.id for fault in faults} <= self.mistakes

    def failed_on(self, result: PropertyResult) -> bool | None:
        """Whether the earlier version fails on what a property fails on now; None where that cannot be told."""
        return self.shows(result.found) if self.shows and result.found else None

    def is_new_property(self, id: str) -> bool:
        """Whether the kit that wrote it did not have a property; what was not asked for is not known to be right."""
        return id not in self.statuses and not self.asked and self.kit not in ("", kit_version())

    def mended(self, results: Sequence[PropertyResult]) -> list[str]:
        """The properties that failed and hold now."""
        return [result.id for result in results if result.status == "passed" and self.may_know(result.id)]

    def narrower(self, claims: Capabilities) -> list[str]:
        """What was claimed and is no more, in a sentence. Cells are those of their names, whatever file they are in."""
        now = {cell_name(cell.crossing): cell for cell in claims.cells}
        before = [cell_name(cell) for cell in self.claims.get("cells", ())]
        less = [f"cells {name}" for name in before if name not in now]
        same = {"cells": tuple(now[name] for name in before if name in now) or claims.cells}
        still = {one.name for one in fields(Capabilities)} - {"cells", "modes"}
        try:
            claimed = {name: value for name, value in self.claims.items() if name in still} | same
            named = claimed.get("gradients", False)
            old = Capabilities.of(claimed | {"gradients": bool(named)}).naming(named)
            less += beyond(old, common(old, claims))
        except TargetError as error:
            return [f"narrower than {self.name}: {error}"]
        except (CapabilityError, TypeError, ValueError):
            pass  # another version had claims that say nothing now
        return [f"narrower than {self.name}, which claims {'; '.join(less)}"] if less and self.claims else []


def cell_name(cell: Any) -> str:
    """The name of a cell as reports have it: itself, or that in a file."""
    return str(cell["name"]) if isinstance(cell, dict) else str(cell)


def expect(result: PropertyResult, reason: str) -> None:
    """Marks a failure as known."""
    result.status = "expected_failure"
    result.message += f"; expected: {reason}"


def mistake_ids(findings: Sequence[Finding]) -> frozenset[str]:
    """The ids of the mistakes that give the target's numbers."""
    found = [one for one in findings if one.exact and one.patch and one.explains and one.fault_class != MEASURED]
    return frozenset(id for one in found for id in (one.fault, *one.together))


def stored(file: Path, target: Any, names: Names) -> Baseline:
    """The baseline in a report that was stored as JSON; of several, the one of this target. Raises UsageError."""
    try:
        data = read_json(file, LARGEST)
    except FileError as error:
        raise UsageError(f"baseline: {file} cannot be read: {error}") from None
    reports = data.get("reports") if isinstance(data, dict) else None
    if isinstance(reports, list):
        mine = [one for one in reports if isinstance(one, dict) and one.get("target") == target]
        if not mine:
            raise UsageError(f"baseline: {file} has no report on {target!r}")
        data = mine[0]
    return of_report(data, str(file), names)


def of_report(data: Any, name: str, names: Names, **others: Any) -> Baseline:
    """The baseline that a report as plain data is. Raises UsageError, saying what is wrong with it, if it is none."""
    schema = data.get("schema", SCHEMA) if isinstance(data, dict) else SCHEMA
    if schema != SCHEMA:
        raise UsageError(f"baseline: {name} is a report of schema {short(schema)}, must be {SCHEMA}")
    try:
        report = record(ReportExcerpt, data)
        inner(reader(ClaimsExcerpt), report.capabilities, ".capabilities")
    except RecordError as error:
        raise UsageError(
            f"baseline: {name} is no report: {error}; write one with rnn-conformance check TARGET --json FILE"
        ) from None
    statuses = {one.id: one.status for one in report.results}
    findings = [one.finding for one in report.diagnosis]
    claims, asked = report.capabilities, report.asked
    return Baseline(name, names.keyed(statuses), mistake_ids(findings), claims, report.kit_version, asked, **others)


@dataclass(frozen=True)
class ResultExcerpt(Excerpt):
    """What a report says of a property, as far as it matters here."""

    id: str
    status: str


@dataclass(frozen=True)
class FindingExcerpt(Excerpt):
    """What it says of a mistake."""

    together: list[str]
    fault: str
    patch: str
    exact: bool
    fault_class: str = ""
    explains: int = 1  # nothing: a shape that was recognised

    @property
    def finding(self) -> Finding:
        """The finding without its title."""
        return Finding(
            self.fault, "", self.patch, self.explains, self.explains, self.fault_class, self.exact, self.together
        )


@dataclass(frozen=True)
class CellExcerpt(Excerpt):
    """A cell of a user's own that was claimed, or a recurrence of shapes."""

    name: str


@dataclass(frozen=True)
class ClaimsExcerpt(Excerpt):
    """What was claimed, as far as it is read before the claims of today are known."""

    cells: list[str | CellExcerpt] = field(default_factory=list)


@dataclass(frozen=True)
class ReportExcerpt(Excerpt):
    """A report that somebody may have edited, and what matters of it here."""

    schema: int
    kit_version: str
    capabilities: dict[str, Any]
    results: list[ResultExcerpt]
    diagnosis: list[FindingExcerpt]
    asked: list[str] = field(default_factory=list)
