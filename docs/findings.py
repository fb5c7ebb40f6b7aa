"""Makes findings.md of findings.toml and the saved counterexamples, and replays them.

python docs/findings.py             writes findings.md
python docs/findings.py --replay    judges each again, with what is installed here, and keeps its words
"""

from __future__ import annotations

import json
import os
import tomllib
from pathlib import Path

import click

from conformance.engine.counterexamples import load
from conformance.engine.run import judge_case
from conformance.properties import catalogue
from conformance.target.load import TargetError, open_target

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
    id, case = load(HOME / "findings" / finding["file"])
    message = json.loads((HOME / "findings" / finding["file"]).read_text())["message"]
    return f"""\
### {finding["package"]} {finding["version"]}: {finding["title"]}

{finding["says"].strip()} ([source]({finding["source"]}))

`{id}`: {catalogue()[id].statement}

    {message}
    {case!r}

    rnn-conformance replay findings/{finding["file"]} "{finding["target"]}"
"""


def again(finding: dict) -> str:
    """Judges a finding again; if it fails as before, its file keeps the words of today."""
    file = HOME / "findings" / finding["file"]
    id, case = load(file)
    try:
        target = open_target(finding["target"])
    except TargetError as error:
        return f"not judged: {error}"
    try:
        result = judge_case(catalogue()[id], target, case)
    finally:
        target.stop()
    if result.status == "failed":
        data = json.loads(file.read_text()) | {"message": result.message, "target": finding["target"]}
        file.write_text(json.dumps(data, indent=1) + "\n")
    return {"failed": "reproduced", "passed": "NOT REPRODUCED"}.get(result.status, result.status)


if __name__ == "__main__":
    main()
