"""Measures in which releases of a package its findings are present, and writes history.json.

python docs/history.py measure NAME...        every release that history.toml names, in an environment of its own
python docs/history.py compare NAME OLD NEW   what "rnn-conformance compare" says of two, for findings/compared.txt

Needs pip 26, which can install what was current on a day, and takes minutes a package.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import tomllib
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import click

from conformance.chapters import catalogue
from conformance.harness.load import TargetError, open_target
from conformance.harness.process import Limits
from conformance.judging.counterexample import Counterexample
from conformance.judging.oracle import Failure, NotRun
from conformance.trial.counterexamples import find_counterexample, load, replay_counterexample
from reference_rnn import case, cell_of

HOME = Path(__file__).parent
PLAN = tomllib.loads((HOME / "history.toml").read_text())["history"]
MEASURED = HOME / "history.json"
COMPARED = HOME / "findings" / "compared.txt"
FINDINGS = tomllib.loads((HOME / "findings.toml").read_text())["finding"]
PRESENT, ABSENT, UNKNOWN = "present", "absent", "unknown"
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check")
TIMEOUT = 900  # seconds for an installation
PATIENT = Limits(call=300.0, dear=300.0, load=600.0)  # a machine that is busy says nothing about a release


class NotInstalled(Exception):
    """A release cannot be installed here; the message says why."""


@click.group()
def main() -> None:
    """Measures releases of other packages."""
    os.environ["PYTHONPATH"] = str(HOME.parent)  # where other interpreters find the adapters
    os.chdir(HOME)


@main.command()
@click.argument("names", nargs=-1, required=True)
@click.option("--keep", type=click.Path(path_type=Path), help="A folder for environments, to be used again.")
def measure(names: tuple[str, ...], keep: Path | None) -> None:
    """Writes anew what history.json says of distributions."""
    for name in names:
        new = list(measured(planned(name), keep))
        MEASURED.write_text(document([*(row for row in rows() if row["name"] != name), *new]))


@main.command()
@click.argument("name")
@click.argument("old")
@click.argument("new")
def compare(name: str, old: str, new: str) -> None:
    """Writes compared.txt."""
    plan = planned(name)
    target = next(finding["target"] for _, finding in titles(plan))
    with tempfile.TemporaryDirectory() as folder:
        for release in plan["releases"]:
            if release["version"] in (old, new):
                installed(Path(folder, release["version"]), plan, release)
        words = [f"python={version}/bin/python {target}" for version in (old, new)]
        command = [sys.executable, "-m", "conformance", "compare", *words]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=TIMEOUT)
    COMPARED.write_text("$ " + shlex.join(["rnn-conformance", "compare", *words]) + "\n" + done.stdout)


def rows() -> list[dict]:
    """What was measured: a row for each release and each finding of it."""
    return json.loads(MEASURED.read_text()) if MEASURED.exists() else []


def results_of(finding: dict) -> dict[str, str]:
    """PRESENT, ABSENT or UNKNOWN for each version that was measured, the oldest first."""
    return {row["version"]: row["result"] for row in rows() if row["finding"] == finding["file"]}


def titles(plan: dict) -> Iterator[tuple[str, dict]]:
    """The findings of a distribution, each with its title, which says whose it is where there are several packages."""
    for finding in FINDINGS:
        if finding["package"] in plan["packages"]:
            of = f"{finding['package']}: " if len(plan["packages"]) > 1 else ""
            yield of + finding["title"], finding


def planned(name: str) -> dict:
    """The part of history.toml about a distribution."""
    return next(plan for plan in PLAN if plan["name"] == name)


def document(measured: list[dict]) -> str:
    """The text of history.json, a row a line, in the order of the plan."""
    names = [plan["name"] for plan in PLAN]
    lines = map(json.dumps, sorted(measured, key=lambda row: names.index(row["name"])))
    return "[\n" + ",\n".join(lines) + "\n]\n"


def measured(plan: dict, keep: Path | None) -> Iterator[dict]:
    """One row for each release and each finding of it."""
    for release in plan["releases"]:
        with folder_for(plan, release, keep) as folder:
            try:
                python, problem = installed(folder, plan, release), ""
            except NotInstalled as error:
                python, problem = "", str(error)
            for _, finding in titles(plan):
                result, said = (UNKNOWN, problem) if problem else judged(python, finding)
                row = {"name": plan["name"], "version": release["version"], "finding": finding["file"]}
                click.echo(f"{' '.join(row.values())}: {result}: {said}")
                yield row | {"result": result, "said": said.replace(f"{folder}{os.sep}", "")}


@contextmanager
def folder_for(plan: dict, release: dict, keep: Path | None) -> Iterator[Path]:
    """The folder of an environment: one that stays, or one that is removed in the end."""
    if keep:
        yield keep / f"{plan['name']}-{release['version']}"
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder, "environment")


def installed(folder: Path, plan: dict, release: dict) -> str:
    """The interpreter of an environment with a release in it, which is made if need be. Raises NotInstalled."""
    python = str(folder / "bin" / "python")
    if not folder.exists():
        venv.create(folder, with_pip=False, symlinks=True)
        try:
            for words in wanted(plan, release):
                install(python, *words)
        except NotInstalled:
            shutil.rmtree(folder)
            raise
    return python


def wanted(plan: dict, release: dict) -> Iterator[list[str]]:
    """What pip is asked to install, call by call."""
    exactly, beside = f"{plan['name']}=={release['version']}", ["numpy", *plan["beside"]]
    if plan["needs"] == "then":
        until = release["date"] + timedelta(days=2)  # when its day is over in any time zone
        yield ["--uploaded-prior-to", until.isoformat(), exactly, *beside]
    elif plan["needs"] == "now":
        yield [exactly, *beside]
    else:
        yield from (beside, ["--no-deps", exactly])


def install(python: str, *words: str) -> None:
    """Installs for an interpreter. Raises NotInstalled."""
    command = [*PIP, "--python", python, "install", "--quiet", "--no-compile", "--prefer-binary", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT)
    if done.returncode:
        raise NotInstalled("pip: " + done.stderr.strip().splitlines()[-1].removeprefix("ERROR: "))


def judged(python: str, finding: dict) -> tuple[str, str]:
    """Whether a finding is present with an interpreter, and what was seen.

    It is, if it fails in the same way while a plain case is right; else a release that does not work with today's
    adapter would have every finding.
    """
    found = load(HOME / "findings" / finding["file"])
    target = f"python={python} {finding['target']}"
    try:
        if plain := plain_failure(target, found):
            return UNKNOWN, f"a plain case fails: {plain.message}"
        opened = open_target(target, limits=PATIENT)
        try:
            now = replay_counterexample(found, opened, catalogue())
        finally:
            opened.stop()
    except (TargetError, NotRun, Failure) as error:
        return UNKNOWN, str(error)
    if now is None:
        return ABSENT, "holds"
    return PRESENT if now.kind == found.kind else UNKNOWN, now.message


def plain_failure(target: str, found: Counterexample) -> Counterexample | None:
    """How a target fails on a plain case of a cell with the states of a finding's; None if it is right."""
    opened = open_target(target, limits=PATIENT)
    claimed = opened.capabilities.cells
    opened.stop()
    states = found.case.config.cell.states
    cell = next(cell for cell in claimed if cell_of(cell).states == states)
    initial = {f"{name}_0": 0 for name in states}
    plain = case(cell, T=2, N=1, I=1, H=1, x=0.5, weight_ih_l0=0.5, weight_hh_l0=0.5, **initial)
    return find_counterexample(target, "equivalence.steps", plain, catalogue(), PATIENT)


if __name__ == "__main__":
    main()
