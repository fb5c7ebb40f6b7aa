"""Reports as one page of HTML: no network, no script needed, for a phone, a keyboard and a screen reader."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from conformance.claims.capabilities import Capabilities
from conformance.events import PropertyResult
from conformance.trial.verdict import Report
from conformance.trial.verdict import environment as installed
from reference_rnn import CELLS

from .rendering import templates
from .report_set import ReportSet
from .wording import (
    VERDICTS,
    behind,
    counting,
    error_map_text,
    figure,
    fold_reason,
    folded_properties,
    group_failures,
    kind_of,
    label_of,
    of_cases,
    title_of,
)

WORDS = {
    "passed": "holds",
    "failed": "fails",
    "expected_failure": "expected to fail",
    "inconclusive": "could not tell",
    "not_claimed": "not claimed",
    "not_run": "not run",
}
OF_SEVERAL = VERDICTS | {"conforms": "conform", "fails": "do not conform"}
COLOURS = {"conforms": "passed", "fails": "failed", "inconclusive": "inconclusive"}


SIGNS = {"passed": "✓", "failed": "✗", "expected_failure": "!", "inconclusive": "?", "not_claimed": "–", "not_run": "–"}
WORST_FIRST = ("failed", "inconclusive", "expected_failure", "passed", "not_run", "not_claimed")
BREAKS = re.compile(r"(?<=[/\\._:,=-])(?=[^/\\._:,=-])(?!py\b)")  # where a name may go on in the next line


@dataclass
class Square:
    """One column of one target: the worst status in it, and how many of so many properties hold."""

    status: str
    held: int = 0
    judged: int = 0

    @property
    def text(self) -> str:
        """What stands in the square, beside its sign."""
        return f"{self.held}/{self.judged}" if self.judged else ""


@dataclass
class Columns:
    """What the table of several targets shows: the cells and chapters that somebody claims; the others by name."""

    cells: list[str]
    chapters: list[str]
    unclaimed: list[str]

    @classmethod
    def of(cls, reports: Sequence[Report]) -> Columns:
        """The columns for some reports."""
        cells = dict.fromkeys([*CELLS, *(cell for report in reports for cell in report.cells)])
        names = dict.fromkeys(result.id.partition(".")[0] for report in reports for result in report.results)
        claimed = {cell for report in reports for cell in report.cells}
        judged = {chapter for chapter in names for r in reports if chapter_of(r, chapter).status != "not_claimed"}
        return cls(
            [cell for cell in cells if cell in claimed], [chapter for chapter in names if chapter in judged],
            [*(cell for cell in cells if cell not in claimed), *(name for name in names if name not in judged)],
        )  # fmt: skip


def page(told: ReportSet) -> str:
    """The page of some reports, and of targets that could not be judged."""
    environment = templates()
    environment.globals.update(
        words=WORDS, signs=SIGNS, verdicts=VERDICTS, colours=COLOURS, columns=Columns.of(told.reports)
    )
    environment.globals.update(
        cell_of=cell_entry, chapter_of=chapter_of, claims=claims, shade=shade, figure=figure, mapped=error_map_text
    )
    environment.globals.update(
        alike=group_failures, behind=behind, folded=folded_properties, why_folded=fold_reason, counting=counting,
        kind_of=kind_of, label_of=label_of, of_cases=of_cases, title_of=title_of,
    )  # fmt: skip
    environment.globals.update(others=others, by_chapter=by_chapter)
    environment.globals.update(versions=versions, breakable=breakable, summary=summary)
    environment.globals.update(anchor=lambda report: f"t{next(n for n, e in enumerate(told.entries) if e is report)}")
    return environment.get_template("matrix.html").render(told=told)


def summary(told: ReportSet) -> str:
    """The verdicts in a sentence."""
    if told.is_one:
        return f"{told.reports[0].name} {VERDICTS[told.reports[0].verdict]}"
    count: Counter[str] = Counter(report.verdict for report in told.reports)
    count["inconclusive"] += len(told.missing)
    return ", ".join(f"{count[v]} {(VERDICTS if count[v] == 1 else OF_SEVERAL)[v]}" for v in VERDICTS if count[v])


def versions() -> str:
    """What was installed, in a few words."""
    return ", ".join(f"{name} {version}" for name, version in installed().items() if version)


def breakable(name: str) -> Markup:
    """A name that may go on in the next line behind a separator, and not in the middle of a word."""
    return Markup("<wbr>").join(BREAKS.split(name))


def cell_entry(report: Report, cell: str) -> Square:
    """What is known of one cell of a target; without a verdict, that no failure was seen says nothing."""
    status = report.cells.get(cell, "not_claimed")
    return Square("inconclusive" if status == "passed" and report.verdict == "inconclusive" else status)


def chapter_of(report: Report, chapter: str) -> Square:
    """What is known of one chapter of a target."""
    mine = [result for result in report.results if result.id.startswith(chapter + ".")]
    judged = [result for result in mine if result.status in ("passed", "failed", "expected_failure")]
    held = sum(result.status == "passed" for result in judged)
    return Square(min((r.status for r in mine), key=WORST_FIRST.index, default="not_claimed"), held, len(judged))


def others(report: Report) -> list[PropertyResult]:
    """What is neither right nor wrong: what is known to fail first, then what is doubtful."""
    order = ("expected_failure", "inconclusive")
    return sorted((r for r in report.results if r.status in order), key=lambda result: order.index(result.status))


def by_chapter(report: Report) -> Iterator[tuple[str, str, list[PropertyResult]]]:
    """What needs no look: the status, the chapter and its properties; what holds first."""
    for status in ("passed", "not_claimed", "not_run"):
        found: dict[str, list[PropertyResult]] = {}
        for result in report.results:
            if result.status == status:
                found.setdefault(result.id.partition(".")[0], []).append(result)
        for chapter, results in found.items():
            yield status, chapter, results


def claims(report: Report) -> str:
    """What a target claims, in a few words; what is left at its default is left out."""
    defaults = Capabilities().as_dict()
    said = []
    for name, value in report.capabilities.items():
        if name == "max_layers":
            said.append(
                "any number of layers" if value is None else f"up to {value} layers" if value > 1 else "one layer"
            )
        elif value == defaults[name] and name not in ("cells", "dtypes"):
            continue
        elif isinstance(value, bool):
            said.append(name if value else f"no {name}")
        elif isinstance(value, list):
            said.append(f"{name}: {', '.join(map(str, value)) or 'none'}")
        elif isinstance(value, dict):
            said.append(f"{name}: " + ", ".join(f"{key} {entry}" for key, entry in value.items()))
        else:
            said.append(f"{name}: {value}")
    return "; ".join(said)


def shade(value: float | None) -> int:
    """How dark an error is, from 0 (rounding explains it) to 9 (a billion times more)."""
    if value is None:
        return 9
    return 0 if value <= 1 else min(9, 1 + int(math.log10(value)))
