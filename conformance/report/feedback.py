"""A page for each student: what holds, what does not, and the named mistake; with the solution or without it."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, count
from pathlib import Path

from conformance.events import Finding, PropertyResult
from conformance.harness.load import split_name
from conformance.judging.counterexample import SORTS
from conformance.judging.oracle import sort_of_kind
from conformance.trial.verdict import Report

from . import html, markdown
from .report_set import ReportSet, Unjudged
from .wording import Unshown

NUMBERS = ("numbers", "property")  # what a counterexample demands of numbers, and says which they must be
TELL_NUMBERS = ("measured.curve",)  # findings whose sentences say which numbers would be right
LONGEST_NAME = 200  # bytes; with an ending, and a number, it is still one of a file
WRONG_NUMBERS = "The numbers are wrong on this case."


def files_of(entries: Sequence[Report | Unjudged], solution: bool) -> dict[tuple[str, ...], str]:
    """The texts of all pages, Markdown and HTML, by the names of their files.

    solution: whether they show the reference's text and the numbers that are right
    """
    texts: dict[tuple[str, ...], str] = {}
    for student, entry in by_student(entries):
        shown = replace(entry, sha256="", remarks=[])  # which name others
        if not solution and isinstance(shown, Report):
            shown = without_solution(shown)
        told = ReportSet([shown])
        texts |= {(f"{student}.md",): markdown.document(told), (f"{student}.html",): html.page(told)}
    return texts


def by_student(entries: Sequence[Report | Unjudged]) -> list[tuple[str, Report | Unjudged]]:
    """The entries in their order, each with a name of its own, by which its files can be called."""
    return list(zip(own_names(entries, file_name_start), entries))


def own_names(entries: Sequence[Report | Unjudged], spelt: Callable[[str], str]) -> Iterator[str]:
    """For each entry the name of its file, spelt in some way.

    With more of the path where two files have one name, and a number where that does not tell them apart.
    """
    files = [split_name(entry.name)[0].removesuffix(".py") for entry in entries]
    stems = [spelt(Path(file).name) for file in files]
    often = Counter(map(on_disk, stems))
    return numbered(
        [stem if often[on_disk(stem)] == 1 else spelt("-".join(Path(file).parts)) for stem, file in zip(stems, files)]
    )


def file_name_start(text: str) -> str:
    """The text as the beginning of a file's name: letters, digits, spaces and ``_.-``, not hidden, not empty."""
    name = re.sub(r"[^\w .-]+", "_", unicodedata.normalize("NFC", text)).strip(" .-")
    return name.encode()[:LONGEST_NAME].decode(errors="ignore").rstrip(" .") or "_"


def on_disk(name: str) -> str:
    """A key that is equal for names of one file, where a disk tells neither case nor kinds of accents apart."""
    return unicodedata.normalize("NFKC", name).casefold()


def numbered(names: Sequence[str]) -> Iterator[str]:
    """The names, each once: behind one that was there before stands a number."""
    taken: set[str] = set()
    for name in names:
        tries = chain([name], (f"{name}-{number}" for number in count(2)))
        own = next(one for one in tries if on_disk(one) not in taken)
        taken.add(on_disk(own))
        yield own


def without_solution(report: Report) -> Report:
    """The report without the reference's text, and without the numbers that are right."""
    findings = [without_change(finding) for finding in report.diagnosis if finding.fault not in TELL_NUMBERS]
    drawn = report.error_map and report.error_map | {"right": None}
    results = [without_numbers(result) for result in report.results]
    return replace(report, diagnosis=findings, error_map=drawn, results=results)


def without_change(finding: Finding) -> Finding:
    """The finding without the reference's text, in its title too."""
    told = replace(finding, title=finding.hint or finding.title)
    return Unshown(**vars(told) | {"patch": ""}) if finding.patch else told


def without_numbers(result: PropertyResult) -> PropertyResult:
    """The result without what its numbers must be; what it says of shapes, exceptions and the like stays."""
    wrong = bool(result.found) and (result.found or {})["demand"] in NUMBERS
    others = [
        other | {"message": WRONG_NUMBERS} if SORTS.get(sort_of_kind(other["kind"]), "property") in NUMBERS else other
        for other in result.others
    ]
    return replace(result, message=WRONG_NUMBERS if wrong else result.message, found=None, others=others)
