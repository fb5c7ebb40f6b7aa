"""Makes findings.md of findings.toml and the saved counterexamples, and replays them.

python docs/findings.py             writes findings.md
python docs/findings.py --replay    judges each again, with what is installed here, and keeps what it was given
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

import click

from conformance.chapters import catalogue
from conformance.harness.load import TargetError
from conformance.judging.counterexample import told
from conformance.judging.data import counterexample_to_data, document
from conformance.trial.counterexamples import load, witnessed

HOME = Path(__file__).parent
PAGE = HOME / "findings.md"
KINDS = {"defect": "Defects", "documented": "Documented differences", "left open": "Left open by the documentation"}
INTRODUCTION = """\
# Findings

What the kit has found in released versions. Each finding has the smallest case that shows it, made by the kit, and is
reproduced by

    cd docs && rnn-conformance replay findings/FILE TARGET

A defect contradicts the documentation of its package, or the standard that it claims. This page is made by
`python docs/findings.py`; `--replay` judges every finding again.
"""


@click.command()
@click.option("--replay", is_flag=True, help="Judge each finding again first.")
def main(replay: bool) -> None:
    """Writes findings.md."""
    findings = tomllib.loads((HOME / "findings.toml").read_text())["finding"]
    if replay:
        os.chdir(HOME)
        for finding in findings:
            click.echo(f"{finding['package']}: {finding['title']}: {again(finding)}")
    PAGE.write_text(page(findings))


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
    return "\n".join(parts)


def section(finding: dict) -> str:
    """One finding."""
    found = load(HOME / "findings" / finding["file"])
    calls = "\n    ".join(told(found))
    return f"""\
### {finding["package"]} {finding["version"]}: {finding["title"]}

{finding["says"].strip()} ([source]({finding["source"]}))

`{found.property}`: {catalogue()[found.property].statement}

    {found.message}
    {calls}

    rnn-conformance replay findings/{finding["file"]} "{finding["target"]}"
"""


def again(finding: dict) -> str:
    """Judges a finding again; if it fails as before, its file keeps the words of today."""
    file = HOME / "findings" / finding["file"]
    found = load(file)
    try:
        now = witnessed(finding["target"], found.property, found.case, catalogue())
    except TargetError as error:
        return f"not judged: {error}"
    if now is None:
        return "NOT REPRODUCED"
    file.write_text(document(counterexample_to_data(now)))
    return "reproduced"


if __name__ == "__main__":
    main()
