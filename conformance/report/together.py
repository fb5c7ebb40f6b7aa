"""What a document is about: one report or several, and the targets that could not be judged."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from conformance.trial.verdict import Report

from .wording import worst

SCHEMA = 1


@dataclass
class Together:
    """Reports in their order; missing: the names of targets that could not be judged, each with the reason."""

    reports: list[Report] = field(default_factory=list)
    missing: list[tuple[str, str]] = field(default_factory=list)

    @property
    def verdict(self) -> str:
        """The verdict on all of them."""
        return worst(self.reports, self.missing)

    def to_json(self) -> str:
        """The report itself where there is just one; else what ``all_to_json`` gives."""
        if len(self.reports) == 1 and not self.missing:
            return self.reports[0].to_json()
        return self.all_to_json()

    def all_to_json(self) -> str:
        """All of them in one object."""
        reports = [report.as_dict() for report in self.reports]
        return json.dumps({"schema": SCHEMA, "reports": reports, "missing": dict(self.missing)}, indent=2)
