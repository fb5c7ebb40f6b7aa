"""Makes packages.md: what the kit says of each package whose adapter comes with it, and in which version.

python docs/packages.py          writes the page, of packages.json
python docs/packages.py NAME...  judges these targets again before that, or all of them; the others stand as they stood
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from conformance.harness.load import SHIPPED
from conformance.harness.text import LINE, visible
from conformance.report.markdown import code
from conformance.report.wording import VERDICTS

HOME = Path(__file__).parent
PAGE, MEASURED = HOME / "packages.md", HOME / "packages.json"
EXTRAS = tomllib.loads((HOME.parent / "pyproject.toml").read_text())["project"]["optional-dependencies"]
MOST = 5  # failures that a row names where their mistake has no name
PACKAGES = [name for name in SHIPPED if name != "reference"]
INTRODUCTION = """\
# Packages

What a quick check with seed 0 says of each target that comes with the kit, in the versions that stand here. Whoever
does not conform departs from the equations or from what an adapter claims for it; whether that is a defect, documented,
or left open is on the page of [findings](findings.md). A check that takes longer than its time limit is interrupted,
and its row says so.

`tox -e matrix-all` installs what installs together, about 3 GB, and judges all of them again with
`python docs/packages.py all`, which makes this page.
"""


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(["all", *PACKAGES]))
def main(names: tuple[str, ...]) -> None:
    """Writes packages.md, and before that packages.json of what is judged."""
    measured = json.loads(MEASURED.read_text()) | judged(PACKAGES if "all" in names else names)
    measured = {name: measured[name] for name in PACKAGES if name in measured}
    MEASURED.write_text(json.dumps(measured, indent=1) + "\n")
    PAGE.write_text(page(measured))


def judged(names: Sequence[str]) -> dict[str, dict]:
    """The rows of some targets, as they are here."""
    if not names:
        return {}
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "conformance", "matrix", *names, "--json", "matrix.json"]
        subprocess.run([*command, "--time-limit", "15m"], cwd=folder)
        return rows_of(json.loads(Path(folder, "matrix.json").read_text()))


def rows_of(together: dict) -> dict[str, dict]:
    """What is kept of a matrix, by target: its versions and verdict, and what stands behind it."""
    rows = {}
    for report in together["reports"]:
        by_status: dict[str, list[str]] = {}
        for result in report["results"]:
            by_status.setdefault(result["status"], []).append(result["id"])
        rows[report["target"]] = {
            "versions": versions_of(report["target"], report["environment"]),
            "verdict": report["verdict"],
            "held": len(by_status.get("passed", [])),
            "failed": by_status.get("failed", []),
            "named": [finding["title"] for finding in report["diagnosis"]],
            "reasons": report["reasons"],
        }
    missing = {name: {"verdict": "inconclusive", "reasons": [reason]} for name, reason in together["missing"].items()}
    return rows | missing


def versions_of(target: str, environment: dict[str, str]) -> dict[str, str]:
    """The versions of what the extra of a target installs."""
    extra = EXTRAS.get(target.partition("-")[0], [])
    names = [re.match(r"[\w.-]+", requirement)[0].lower() for requirement in extra]  # type: ignore[index]
    used = {name: version for name, version in environment.items() if name.lower() in names}
    return {name: version.partition("+")[0] for name, version in used.items()}  # how it was built does not matter


def page(measured: dict[str, dict]) -> str:
    """The page: how many of each verdict, and a row for each target."""
    counts = ", ".join(f"{count} {words}" for count, words in counted(measured))
    lines = [
        "| target | verdict | held | what is wrong, or why it was not judged | versions |",
        "|---|---|---|---|---|",
    ]
    lines += [line(name, row) for name, row in measured.items()]
    return "\n".join([INTRODUCTION, f"Of {len(measured)} targets {counts}.\n", *lines, "", *unseen(measured)])


def counted(measured: dict[str, dict]) -> Iterator[tuple[int, str]]:
    """How many have each verdict that occurs, in words."""
    words = {"conforms": "conform", "fails": "do not conform", "inconclusive": "could not be judged"}
    counts = Counter(row["verdict"] for row in measured.values())
    return ((counts[verdict], words[verdict]) for verdict in VERDICTS if counts[verdict])


def line(name: str, row: dict) -> str:
    """A row of the table."""
    versions = ", ".join(f"{package} {version}" for package, version in row.get("versions", {}).items())
    said = row.get("named") or [code(id) for id in row.get("failed", [])]
    said = [*said[:MOST], *([f"and {len(said) - MOST} more"] if len(said) > MOST else []), *row["reasons"]]
    held = f"{row['held']}/{row['held'] + len(row['failed'])}" if "held" in row else ""
    cells = (name, VERDICTS[row["verdict"]], held, visible("; ".join(said), LINE).replace("|", "/"), versions)
    return f"| {' | '.join(map(str, cells))} |"


def unseen(measured: dict[str, dict]) -> list[str]:
    """What ships with the kit and was not asked."""
    left = [name for name in PACKAGES if name not in measured]
    return [f"Not asked: {', '.join(left)}.", ""] if left else []


if __name__ == "__main__":
    main()
