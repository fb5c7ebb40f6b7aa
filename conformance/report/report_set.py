"""What a document is about: one report or several, and the targets that could not be judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from conformance.harness.text import LINE, MESSAGE, json_text, visible
from conformance.trial.verdict import Report

from .wording import worst

SCHEMA = 1


@dataclass(frozen=True)
class Unjudged:
    """A target that could not be judged, by its name, and why, both as people read them; sha256 and remarks as those of
    a report.
    """

    name: str
    reason: str
    sha256: str = ""
    remarks: Sequence[str] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", visible(self.name, LINE))
        object.__setattr__(self, "reason", visible(self.reason, MESSAGE))


@dataclass
class ReportSet:
    """Reports, and targets that could not be judged, in the order in which they were asked for."""

    entries: list[Report | Unjudged] = field(default_factory=list)

    @property
    def reports(self) -> list[Report]:
        """The reports of the targets that were judged."""
        return [entry for entry in self.entries if isinstance(entry, Report)]

    @property
    def missing(self) -> list[tuple[str, str]]:
        """The names of those that were not, each with the reason."""
        return [(entry.name, entry.reason) for entry in self.entries if isinstance(entry, Unjudged)]

    @property
    def is_one(self) -> bool:
        """Whether there is just one report."""
        return len(self.entries) == len(self.reports) == 1

    @property
    def verdict(self) -> str:
        """The verdict on all of them."""
        return worst(self.reports, self.missing)

    def to_json(self) -> str:
        """The report itself where there is just one; else what ``all_to_json`` gives."""
        if self.is_one:
            return self.reports[0].to_json()
        return self.all_to_json()

    def all_to_json(self) -> str:
        """All of them in one object."""
        reports = [report.as_dict() for report in self.reports]
        refused = [entry for entry in self.entries if isinstance(entry, Unjudged) and entry.sha256]
        files = {entry.name: {"sha256": entry.sha256, "remarks": list(entry.remarks)} for entry in refused}
        told = {"schema": SCHEMA, "reports": reports, "missing": dict(self.missing), "missing_files": files}
        return json_text(told, indent=2)
