"""The report as text, for a terminal or a log."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from conformance.events import MEASURED, Diagnosing, Event, FailureFound, Finished, Judged, PropertyResult, Started
from conformance.judging.coverage import PAIRS, met
from conformance.trial.verdict import Report

from .listening import Writer

VERDICTS = {"conforms": "conforms", "fails": "does not conform", "inconclusive": "could not be judged"}
STYLES = {"conforms": "bold green", "fails": "bold red", "inconclusive": "bold yellow"}
WIDTH = 100
NOTES = 6
LONGEST_CASE = 800


def console(**options: Any) -> Console:
    """A console; one that is said to have no columns, as by COLUMNS=0, would show nothing at all."""
    made = Console(highlight=False, **options)
    made.width = made.width or WIDTH
    return made


class Terminal:
    """Shows failures as they are found, a bar on a terminal, and the report at the end."""

    def __init__(self, console: Console, writers: Sequence[Writer] = ()) -> None:
        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
        self.console = console
        self.writers = writers
        self.progress = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self.task = self.progress.add_task("loading", total=None)

    def __enter__(self) -> Terminal:
        self.progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.progress.stop()

    def __call__(self, event: Event) -> None:
        """Shows what there is to show."""
        if isinstance(event, Started):
            self.progress.update(self.task, total=len(event.properties), description="judging")
        elif isinstance(event, FailureFound):
            self.line(f"found        {event.result.id}: {event.result.message}", "red")
        elif isinstance(event, Judged):
            self.progress.update(self.task, advance=1, description=f"judging: {event.result.id}")
        elif isinstance(event, Diagnosing):
            self.progress.update(self.task, description=f"diagnosis: {event.text}")
        elif isinstance(event, Finished):
            self.progress.stop()
            show(event.report, self.console, self.writers)

    def line(self, text: str, style: str = "") -> None:
        """One line; colours only where the console has them."""
        line(self.console, text, style)


def show(report: Report, console: Console, writers: Sequence[Writer] = ()) -> None:
    """The report, and what became of the files."""
    for style, text in styled(report):
        line(console, text, style)
    for writer in writers:
        for said in writer.said():
            line(console, "  " + said)


def line(console: Console, text: str, style: str = "") -> None:
    """One line, whatever stands in it; colours only where the console has them."""
    console.print(Text(text, style=style), soft_wrap=True)


def styled(report: Report) -> Iterator[tuple[str, str]]:
    """The lines of a report, each with its style."""
    yield STYLES[report.verdict], headline(report)
    for reason in report.reasons:
        yield "yellow", "  " + reason
    yield from diagnosis(report)
    for failure, *same in alike([result for result in report.results if result.status == "failed"]):
        yield "", ""
        yield "bold", f"  {failure.id}: {failure.statement}"
        yield from (("", line) for line in details(failure))
        if same:
            others = ", ".join(result.id for result in same)
            yield from (("", line) for line in wrapped(f"the same in {others}", "    "))
    yield "", ""
    yield from (("", line) for line in table(report))


def headline(report: Report) -> str:
    """The verdict, and how much stands behind it."""
    judged = [result for result in report.results if result.status in ("passed", "failed")]
    failed = sum(result.status == "failed" for result in judged)
    cases = sum(result.examples for result in judged)
    held = f"{failed} of {len(judged)} properties failed" if failed else f"{len(judged)} properties held"
    expected = sum(result.status == "expected_failure" for result in report.results)
    held += f", {expected} failed as expected" if expected else ""
    counted = f"{cases:,} cases"
    if report.budget is not None:
        counted += f", {sum(result.random for result in judged):,} of them random within {report.budget:g} s"
    return f"{report.name} {VERDICTS[report.verdict]} ({held}, {counted}, {report.profile}, seed {report.seed})"


def alike(failures: list[PropertyResult]) -> list[list[PropertyResult]]:
    """Failures grouped by what they say; the one that says most about the numbers speaks for its group."""
    groups: dict[str, list[PropertyResult]] = {}
    for failure in failures:
        groups.setdefault(failure.message, []).append(failure)
    return [sorted(group, key=lambda failure: failure.id != "equivalence.steps") for group in groups.values()]


def details(failure: PropertyResult) -> Iterator[str]:
    """What is wrong, and the smallest case that shows it."""
    yield from wrapped(failure.message, "    ")
    for case in (failure.counterexample or "").splitlines():
        if len(case) > LONGEST_CASE:
            case = case[:LONGEST_CASE].rpartition(",")[0] + ", ... (the whole case is in its file)"
        yield from wrapped(case, "    ")


def diagnosis(report: Report) -> Iterator[tuple[str, str]]:
    """The mistakes that were recognised, and what else is known."""
    for finding in report.diagnosis:
        yield "", ""
        share = f"explains {finding.explains} of {finding.telling} wrong answers"
        if finding.exact and finding.patch:
            yield "bold", f"  diagnosis: your numbers are those of the reference with this change ({share})"
        elif finding.fault_class == MEASURED:
            yield "bold", "  diagnosis: no known mistake gives your numbers; experiments on your code show this"
        elif finding.exact:
            yield "bold", "  diagnosis: a shape was recognised, and looked through"
        elif finding.explains:
            yield "bold", "  diagnosis: the reference with this change fails in the same words"
        else:
            yield (
                "bold",
                "  a place to look: this known mistake is wrong in the same places, but does not give your numbers",
            )
        with_others = f" (together with {', '.join(finding.together)})" if finding.together else ""
        yield from (("", line) for line in wrapped(finding.title + with_others, "    "))
        if finding.exact or finding.explains:
            yield from (("", "      " + line) for line in finding.patch.splitlines())
        yield from (("", f"    made by others: {url}") for url in finding.seen[:3])
    if report.known:
        yield "", ""
        yield "bold", "  what is known about it"
        yield from (("", line) for fact in report.known for line in wrapped(fact, "    "))


def table(report: Report) -> Iterator[str]:
    """What was exercised, chapter by chapter, and what was not."""
    chapters: dict[str, list[PropertyResult]] = {}
    for result in report.results:
        if result.status in ("passed", "failed"):
            chapters.setdefault(result.id.partition(".")[0], []).append(result)
    for chapter, results in chapters.items():
        held = sum(result.status == "passed" for result in results)
        cases = sum(result.examples for result in results)
        yield f"  {chapter:12} {held:3} of {len(results):2} held {cases:8,} cases"
    yield from wrapped(f"allowed      {report.arithmetic}", "  ")
    if report.coverage:
        areas = "; ".join(f"{area}: {count}" for area, count in report.coverage.items() if area not in PAIRS)
        yield from wrapped("exercised    " + areas, "  ")
    for form, others in met(report.coverage).items():
        counts = "; ".join(f"{other}: {count}" for other, count in others.items())
        yield from wrapped(f"asked        {form}, and {counts}", "  ")
    for result in report.results:
        if result.status == "expected_failure":
            yield from wrapped(f"expected     {result.id}: {result.message}", "  ")
    for status, label in (("not_claimed", "not claimed  "), ("not_run", "not run      ")):
        ids = [result.id for result in report.results if result.status == status]
        if ids:
            yield from wrapped(label + ", ".join(by_chapter(ids, report)), "  ")
    for message in dict.fromkeys(result.message for result in report.results if result.status == "not_run"):
        yield from wrapped("             " + message, "  ")
    for note in report.notes[:NOTES]:
        yield f"  note         {note}"
    if len(report.notes) > NOTES:
        yield f"  note         and {len(report.notes) - NOTES} more"


def by_chapter(ids: list[str], report: Report) -> list[str]:
    """The ids; the name of the chapter alone where all its properties are among them."""
    short: dict[str, None] = {}
    for id in ids:
        chapter = id.partition(".")[0]
        whole = all(result.id in ids for result in report.results if result.id.startswith(chapter + "."))
        short.setdefault(chapter if whole else id)
    return list(short)


def wrapped(text: str, indent: str) -> list[str]:
    """A text in lines, the later ones set in."""
    return textwrap.wrap(
        text, WIDTH, initial_indent=indent, subsequent_indent=indent + "  ", break_long_words=False,
        break_on_hyphens=False,
    )  # fmt: skip
