"""Reports in Markdown, for the summary of a job.

Whatever a target may have said stands in code, where neither markup nor mentions nor links are read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from conformance.events import PropertyResult
from conformance.harness.text import visible_lines
from conformance.judging.coverage import KINDS, MEETINGS
from conformance.trial.verdict import Report

from .report_set import ReportSet, Unjudged
from .wording import (
    PLACES,
    VERDICTS,
    behind,
    case_lines,
    chapters,
    error_map_text,
    evidence_counts,
    figure,
    fold_reason,
    folded_properties,
    group_failures,
    kind_of,
    label_of,
    of_cases,
    short_ids,
    title_of,
)

FAILURES = 20  # shown in full: GitHub takes a summary of one mebibyte at most
NOTES = 20
REFERS = re.compile(r"@|:/|www\.|mailto:")  # what is a mention or a link without any markup
LIST = re.compile(r"^[-+=](?=[\s=-]|$)|(?<=^\d)[.)](?=\s|$)")  # what begins a list, or makes a heading of a line
ADDRESS = re.compile(r"https?://[\w./?#=&%~+:,;@!$-]+")


def document(told: ReportSet) -> str:
    """All reports, one after the other."""
    return visible_lines("\n".join(line for entry in told.entries for line in of_entry(entry)))


def of_entry(entry: Report | Unjudged) -> Iterator[str]:
    """One report, or why there is none."""
    if isinstance(entry, Report):
        yield from of_report(entry)
    else:
        yield from (f"## {code(entry.name)} could not be judged", "", *code_block([entry.reason]), "")


def of_report(report: Report) -> Iterator[str]:
    """One report."""
    yield from (f"## {code(report.name)} {VERDICTS[report.verdict]}", "", escaped(evidence_counts(report)), "")
    yield from listed(code(reason) for reason in report.reasons)
    yield from diagnosis(report)
    for said in of_cases(report):
        yield from (said, "")
    groups = group_failures(report)
    for failure, *same in groups[:FAILURES]:
        yield from failed(failure, same)
    if left := [failure.id for group in groups[FAILURES:] for failure in group]:
        yield from (f"{len(left)} more failed: {', '.join(map(code, left))}", "")
    if more := folded_properties(report):
        told = f"{fold_reason(report)} why these fail too: {', '.join(map(code, more))}"
        yield from (told[0].upper() + told[1:], "")
    yield from exercised(report)


def diagnosis(report: Report) -> Iterator[str]:
    """The mistakes that were named, with their diffs, and what else is known."""
    for finding in report.diagnosis:
        yield from (
            f"**{label_of(finding).capitalize()}**: {escaped(kind_of(finding))}",
            "",
            code(title_of(report.diagnosis, finding)),
            "",
        )
        if finding.patch:
            yield from (*code_block(finding.patch.splitlines(), "diff"), "")
        yield from listed(f"made by others: {link(url)}" for url in finding.seen[:PLACES])
    if report.known:
        yield from ("What is known about it:", "")
        yield from listed(map(code, report.known))
    if report.error_map:
        yield from grid(report.error_map)


def grid(drawn: Mapping[str, Any]) -> Iterator[str]:
    """The output of one row by step and unit, as the target gave it; bold where rounding does not explain it."""
    yield from ("### Where the output is wrong", "", error_map_text(drawn) + " Wrong numbers are bold.", "")
    yield "| step |" + "".join(f" unit {unit} |" for unit in range(len(drawn["shares"][0])))
    yield "|---:|" + "---|" * len(drawn["shares"][0])
    for step, shares in enumerate(drawn["shares"]):
        yield f"| {step} |" + "".join(f" {square(drawn, step, unit)} |" for unit in range(len(shares)))
    yield from ("", f"The case: {code(drawn['case'])}", "")


def square(drawn: Mapping[str, Any], step: int, unit: int) -> str:
    """One number of the target, and the right one where that is shown."""
    share, given = drawn["shares"][step][unit], figure(drawn["given"][step][unit])
    told = given if share is not None and share <= 1 else f"**{given}**"
    return told + (f" ({figure(drawn['right'][step][unit])})" if drawn["right"] else "")


def failed(failure: PropertyResult, same: Sequence[PropertyResult]) -> Iterator[str]:
    """One failure with its smallest case, and the properties that fail alike."""
    yield from (f"### {code(failure.id)}", "", escaped(failure.statement), "")
    yield from (*code_block([failure.message, *case_lines(failure), *behind(failure, same)]), "")
    if same:
        yield from ("The same in " + ", ".join(code(result.id) for result in same), "")


def exercised(report: Report) -> Iterator[str]:
    """What the verdict stands on, and what was left out."""
    held = chapters(report)
    if held:
        yield from ("| chapter | held | judged | cases |", "|---|---:|---:|---:|")
        for chapter, results in held.items():
            passed = sum(result.status == "passed" for result in results)
            count = sum(result.examples for result in results)
            yield f"| {escaped(chapter)} | {passed} | {len(results)} | {count:,} |"
        yield ""
    areas = [(area, count) for area, count in report.coverage.items() if area not in MEETINGS | KINDS]
    if areas:
        yield from ("<details><summary>What was exercised</summary>", "", "| cases with | |", "|---|---:|")
        yield from (f"| {escaped(area)} | {count:,} |" for area, count in areas)
        yield from ("", "</details>", "")
    if report.baseline:
        yield from (f"Compared with {code(report.baseline)}", "")
    if report.mended:
        yield from (f"Mended: {', '.join(map(code, report.mended))}", "")
    if report.configuration:
        yield from (f"Configured by {code(report.configuration)}", "")
    known = [result for result in report.results if result.status == "expected_failure"]
    yield from listed(f"{code(result.id)} failed as expected: {code(result.message)}" for result in known)
    for status, label in (("not_claimed", "Not claimed"), ("not_run", "Not run")):
        if ids := short_ids(report, status):
            yield from (f"{label}: {', '.join(map(code, ids))}", "")
    if report.notes:
        yield from ("<details><summary>Notes</summary>", "")
        yield from listed(map(code, report.notes[:NOTES]))
        yield from ("</details>", "")


def listed(items: Iterator[str] | map[str]) -> list[str]:
    """A list, with an empty line behind it; nothing for no items."""
    lines = [f"- {item}" for item in items]
    return [*lines, ""] if lines else []


def escaped(text: str) -> str:
    """A text, of which nothing is markup; where it has mentions or links, it is code."""
    text = " ".join(text.split())
    if REFERS.search(text):
        return code(text).replace("|", "\\|")
    return LIST.sub(r"\\\g<0>", re.sub(r"([\\`*_{}\[\]<>#|~&!])", r"\\\1", text))


def link(url: str) -> str:
    """An address as a link; what is none as code."""
    return f"<{url}>" if ADDRESS.fullmatch(url) else code(url)


def code(text: str) -> str:
    """A line of text as code, between as many backticks as none of its own runs has."""
    text = " ".join(text.split())
    fence = "`" * (longest_run(text) + 1)
    room = " " if text.startswith("`") or text.endswith("`") or not text else ""
    return f"{fence}{room}{text}{room}{fence}"


def code_block(lines: Sequence[str], language: str = "text") -> list[str]:
    """Lines as a block of code, whatever they hold."""
    fence = "`" * max(3, longest_run("\n".join(lines)) + 1)
    return [fence + language, *lines, fence]


def longest_run(text: str) -> int:
    """The length of the longest run of backticks."""
    return max(map(len, re.findall("`+", text)), default=0)
