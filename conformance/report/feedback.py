"""A page for each student: what holds, what does not, and the named mistake; with the solution or without it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from conformance.events import MEASURED, PropertyResult
from conformance.trial.verdict import Report

from . import html, summary
from .together import Refused, Together

NOT_SHOWN = "(the change is not shown)"
NUMBERS = ("numbers", "bits", "property")  # what a counterexample demands of numbers, and says which they must be
WRONG_NUMBERS = "The numbers are wrong on this case."


def files_of(entries: Sequence[Report | Refused], folder: Path, solution: bool) -> dict[Path | None, str]:
    """The texts of all pages, Markdown and HTML, by their files in a folder.

    solution: whether they show the reference's text and the numbers that are right
    """
    texts: dict[Path | None, str] = {}
    for student, entry in by_student(entries).items():
        shown = entry if solution or isinstance(entry, Refused) else without_solution(entry)
        told = Together([shown])
        texts |= {folder / f"{student}.md": summary.document(told), folder / f"{student}.html": html.page(told)}
    return texts


def by_student(entries: Sequence[Report | Refused]) -> dict[str, Report | Refused]:
    """The entries by the names of their files; with more of the path where two files have one name."""
    places = [
        Path(entry.name.rpartition(".py:")[0] + ".py" if ".py:" in entry.name else entry.name) for entry in entries
    ]
    stems = [place.stem for place in places]
    names = [s if stems.count(s) == 1 else "-".join(p.with_suffix("").parts) for p, s in zip(places, stems)]
    return dict(zip(names, entries))


def without_solution(report: Report) -> Report:
    """The report without the reference's text, and without the numbers that are right."""
    findings = [
        replace(finding, patch=NOT_SHOWN if finding.patch else "")
        for finding in report.diagnosis
        if finding.fault_class != MEASURED or not any(sign.isdigit() for sign in finding.title)
    ]
    drawn = report.error_map and report.error_map | {"right": None}
    results = [without_numbers(result) for result in report.results]
    return replace(report, diagnosis=findings, error_map=drawn, results=results)


def without_numbers(result: PropertyResult) -> PropertyResult:
    """The result without what its numbers must be; what it says of shapes, exceptions and the like stays."""
    wrong = bool(result.found) and (result.found or {})["demand"] in NUMBERS
    return replace(result, message=WRONG_NUMBERS if wrong else result.message, found=None)
