"""Reports as one page of HTML: no network, no script needed, for a phone, a keyboard and a screen reader."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

from jinja2 import Environment, StrictUndefined

from conformance.events import PropertyResult
from conformance.trial.verdict import Report
from conformance.trial.verdict import environment as installed
from reference_rnn import CELLS

WORDS = {
    "passed": "holds",
    "failed": "fails",
    "expected_failure": "expected to fail",
    "inconclusive": "could not tell",
    "not_claimed": "not claimed",
    "not_run": "not run",
}
VERDICTS = {"conforms": "conforms", "fails": "does not conform", "inconclusive": "could not tell"}
COLOURS = {"conforms": "passed", "fails": "failed", "inconclusive": "inconclusive"}


@dataclass
class Square:
    """One chapter of one target: how many of its properties hold, and the worst of their statuses."""

    chapter: str
    held: int
    judged: int
    status: str

    @property
    def text(self) -> str:
        """What stands in the square."""
        return f"{self.held} of {self.judged}" if self.judged else "–"


def page(reports: Sequence[Report], missing: Sequence[tuple[str, str]] = ()) -> str:
    """The page of some reports; missing: targets that could not be judged, each with the reason."""
    source = resources.files("conformance.report").joinpath("templates/matrix.html").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.globals.update(squares=squares, words=WORDS, verdicts=VERDICTS, colours=COLOURS, shade=shade)
    environment.globals.update(worst_first=worst_first, claims=claims, share=share, versions=versions)
    cells = dict.fromkeys([*CELLS, *(cell for report in reports for cell in report.cells)])
    return environment.from_string(source).render(
        reports=reports, chapters=chapters(reports), cells=list(cells), missing=missing
    )


def versions() -> str:
    """What was installed, in a few words."""
    return ", ".join(f"{name} {version}" for name, version in installed().items() if version)


def chapters(reports: Sequence[Report]) -> list[str]:
    """The chapters of some reports, in their order."""
    return list(dict.fromkeys(result.id.partition(".")[0] for report in reports for result in report.results))


def squares(report: Report, names: Sequence[str]) -> list[Square]:
    """One square for each of these chapters."""
    found = []
    for chapter in names:
        mine = [result for result in report.results if result.id.startswith(chapter + ".")]
        judged = [result for result in mine if result.status in ("passed", "failed", "expected_failure")]
        held = sum(result.status == "passed" for result in judged)
        order = ("failed", "inconclusive", "expected_failure", "passed", "not_run", "not_claimed")
        status = min((result.status for result in mine), key=order.index, default="not_claimed")
        found.append(Square(chapter, held, len(judged), status))
    return found


def worst_first(results: Sequence[PropertyResult]) -> list[PropertyResult]:
    """Failures first, then what is doubtful, then the rest in its order."""
    order = list(WORDS)
    rank = {"failed": 0, "expected_failure": 1, "inconclusive": 2}
    return sorted(results, key=lambda result: rank.get(result.status, 3 + order.index(result.status)))


def claims(report: Report) -> str:
    """What a target claims, in a few words; what is left at its default is left out."""
    said = []
    for name, value in report.capabilities.items():
        if value is True:
            said.append(name)
        elif isinstance(value, list) and value:
            said.append(f"{name}: {', '.join(map(str, value))}")
        elif name == "max_layers":
            said.append(
                "any number of layers" if value is None else f"up to {value} layers" if value > 1 else "one layer"
            )
        elif value and value not in ("two", "strict"):
            said.append(f"{name}: {value}")
    return "; ".join(said)


def shade(value: float | None) -> int:
    """How dark an error is, from 0 (rounding explains it) to 9 (a billion times more)."""
    if value is None:
        return 9
    return 0 if value <= 1 else min(9, 1 + int(math.log10(value)))


def share(value: Any) -> str:
    """An error for people."""
    return "no number" if value is None else f"{value:.2g}"
