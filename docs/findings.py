"""Makes findings.md of findings.toml, the saved counterexamples and history.json, and a report on each of them.

python docs/findings.py             writes findings.md and findings/PACKAGE/NAME.md
python docs/findings.py --replay    judges each again, with what is installed here, and keeps what it was given
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import click
from history import ABSENT, FINDINGS, PLAN, PRESENT, UNKNOWN, results_of, rows, titles

from conformance.chapters import catalogue
from conformance.harness.load import TargetError
from conformance.judging.counterexample import Counterexample, call_lines
from conformance.judging.serialisation import counterexample_to_data, document
from conformance.report import bug_report
from conformance.report.markdown import code, code_block
from conformance.trial.counterexamples import find_counterexample, load

HOME = Path(__file__).parent
PAGE = HOME / "findings.md"
COMPARED = HOME / "findings" / "compared.txt"
KINDS = {"defect": "Defects", "documented": "Documented differences", "left open": "Left open by the documentation"}
AGAINST = {
    "defect": "This contradicts [what is documented]({source}).",
    "documented": "[The documentation]({source}) says so: it is no defect, and written down since others do otherwise.",
    "left open": "[The documentation]({source}) does not say what should be; others do otherwise.",
}
MARKS = {PRESENT: "●", ABSENT: "○", UNKNOWN: "–"}
INTRODUCTION = """\
# Findings

What the kit has found in released versions. Each finding has the smallest case that shows it, made by the kit, and is
reproduced by

    cd docs && rnn-conformance replay findings/FILE TARGET

A defect contradicts the documentation of its package, or the standard that it claims. Each finding has a report for
those who maintain the package, with a script that shows it without this kit. This page is made by
`python docs/findings.py`; `--replay` judges every finding again. Messages are those of the kit that found them.
"""
HISTORY = """\
## In earlier releases

`python docs/history.py measure` replays the saved cases in other releases of some packages, each in an environment of
its own. ● it fails in the same way, ○ it holds, – it cannot be told, and why stands below. A finding counts only where
a plain case is right, so that a release that today's adapter does not fit is not taken for a wrong one.

![When each finding came and went](pictures/releases.svg)
"""


@click.command()
@click.option("--replay", is_flag=True, help="Judge each finding again first.")
def main(replay: bool) -> None:
    """Writes findings.md and the reports."""
    if replay:
        os.chdir(HOME)
        for finding in FINDINGS:
            click.echo(f"{finding['package']}: {finding['title']}: {again(finding)}")
    PAGE.write_text(page(FINDINGS))
    for finding in FINDINGS:
        report_of(finding).write_text(report(finding))


def page(findings: list[dict]) -> str:
    """The whole page: a table, then each finding with its case."""
    packages = dict.fromkeys(finding["package"] for finding in findings)
    table = ["| package | version | " + " | ".join(KINDS.values()) + " |", "|---|---|" + "---:|" * len(KINDS)]
    for package in packages:
        mine = [finding for finding in findings if finding["package"] == package]
        counts = [str(sum(finding["kind"] == kind for finding in mine)) for kind in KINDS]
        table.append(f"| {package} | {mine[0]['version']} | {' | '.join(counts)} |")
    parts = [INTRODUCTION, "\n".join(table) + "\n"]
    for kind, heading in KINDS.items():
        parts.append(f"## {heading}\n")
        parts += [section(finding) for finding in findings if finding["kind"] == kind]
    parts += [HISTORY, *(releases(plan) for plan in PLAN), compared()]
    return "\n".join(parts)


def section(finding: dict) -> str:
    """One finding."""
    found = load(HOME / "findings" / finding["file"])
    calls = "\n    ".join(call_lines(found))
    return f"""\
### {finding["package"]} {finding["version"]}: {finding["title"]}

{finding["says"].strip()} ([source]({finding["source"]}))

`{found.property}`: {catalogue()[found.property].statement}

    {found.message}
    {calls}

    rnn-conformance replay findings/{finding["file"]} "{finding["target"]}"

[Report for those who maintain it]({report_of(finding).relative_to(HOME)})
"""


def releases(plan: dict) -> str:
    """In which releases of a distribution its findings are."""
    versions = [release["version"] for release in plan["releases"]]
    days = [release["date"].isoformat() for release in plan["releases"]]
    lines = [f"| | {' | '.join(versions)} | |", f"|---|{':---:|' * len(versions)}---|"]
    lines.append(f"| [published]({plan['page']}) | {' | '.join(days)} | |")
    for title, finding in titles(plan):
        results = results_of(finding)
        marks = " | ".join(MARKS[result] for result in results.values())
        lines.append(f"| {title} | {marks} | {in_words(results)} |")
    return "\n".join([f"### {plan['name']}\n", *lines, "", *untold(plan)])


def untold(plan: dict) -> Iterator[str]:
    """Why it cannot be told of some releases."""
    reasons: dict[str, dict[str, None]] = {}
    for row in rows():
        if row["name"] == plan["name"] and row["result"] == UNKNOWN:
            reasons.setdefault(row["said"], {})[row["version"]] = None
    yield from (f"- {', '.join(versions)}: {code(said)}" for said, versions in reasons.items())
    yield from [""] if reasons else []


def in_words(results: dict[str, str]) -> str:
    """When a finding came, and when it was mended; empty where nothing is known.

    results: PRESENT, ABSENT or UNKNOWN for each version, the oldest first
    """
    known = {version: result for version, result in results.items() if result != UNKNOWN}
    if set(known.values()) == {PRESENT}:
        first, last = next(iter(known)), next(reversed(known))
        return f"in all from {first} to {last}" if first != last else f"in {first}"
    said, before = [], ABSENT
    for version, result in known.items():
        if result != before:
            said.append(f"since {version}" if result == PRESENT else f"mended in {version}")
        before = result
    return ", ".join(said) or "in none of them" * bool(known)


def compared() -> str:
    """What compare says of two releases."""
    lines = ["### Two releases compared", "", "`rnn-conformance compare` finds what changed without a saved case:", ""]
    return "\n".join([*lines, *code_block(COMPARED.read_text().splitlines(), "console"), ""])


def report_of(finding: dict) -> Path:
    """The file of the report on a finding."""
    return (HOME / "findings" / finding["file"]).with_suffix(".md")


def report(finding: dict) -> str:
    """The report on a finding, for those who maintain the package."""
    # what replays it may claim more than the shipped target: for a script that stands alone they are the same
    found = replace(load(HOME / "findings" / finding["file"]), target=finding.get("adapter", finding["target"]))
    history = in_words(results_of(finding))
    shows = code_block([found.message, *call_lines(found)])
    return "\n".join(
        [
            f"# {finding['package']}: {finding['title']}", "",
            finding["says"].strip(), "",
            AGAINST[finding["kind"]].format(source=finding["source"]), "",
            "## Versions", "", f"Seen with {finding['version']}{history and f'; {history}'}, by rnn-conformance.", "",
            "## Expected and given", "", catalogue()[found.property].statement, "", *shows,
            "", *bug_report.not_rounding(found), *seen(finding, found), *source(finding),
        ]
    ).rstrip("\n") + "\n"  # fmt: skip


def seen(finding: dict, found: Counterexample) -> Iterator[str]:
    """How to see it: with a script, unless what calls the package stands in a file of ours and in no shipped target."""
    if found.target.endswith(".py"):
        words = f"cd docs && rnn-conformance replay findings/{finding['file']} {finding['target']}"
        yield from ("## To see it", "", *code_block([words]), "")
        return
    yield from bug_report.script_section(found)


def source(finding: dict) -> Iterator[str]:
    """What in their source does it, where that is known."""
    if "lines" in finding:
        yield from ("## The source", "", finding["lines"].strip())


def again(finding: dict) -> str:
    """Judges a finding again; if it fails as before, its file keeps the words of today."""
    file = HOME / "findings" / finding["file"]
    found = load(file)
    try:
        now = find_counterexample(finding["target"], found.property, found.case, catalogue())
    except TargetError as error:
        return f"not judged: {error}"
    if now is None:
        return "NOT REPRODUCED"
    file.write_text(document(counterexample_to_data(now)))
    return "reproduced"


if __name__ == "__main__":
    main()
