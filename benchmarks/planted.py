"""What is found of mistakes that others planted: python benchmarks/planted.py FOLDER [SEED ...] [--told].

FOLDER holds ``list.json``, a list of objects with ``name``, ``class`` and ``truth`` (what is wrong, in words), and for
each of them a target: ``planted/NAME.py``, or ``planted/NAME.c``, a program that keeps to the line protocol. Each is
judged until its first failure, in processes of its own; a line is printed for each class and seed, and for each mistake
that survives what is wrong with it. With --told each is judged in full at one seed, and what the kit says is printed
below the truth: only a person can tell whether that is true.
Exit status: 0 all are found, 1 some are not.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import shlex
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from conformance.api import check
from conformance.trial.pool import cores
from conformance.trial.verdict import Report


def main() -> int:
    """Judges all of a folder; returns the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("seeds", nargs="*", type=int)
    parser.add_argument("--told", action="store_true", help="judge in full, and print what is said")
    asked = parser.parse_args()
    seeds = asked.seeds or [0]
    mistakes = json.loads((asked.folder / "list.json").read_text())
    with ProcessPoolExecutor(cores(), multiprocessing.get_context("spawn")) as pool:
        if asked.told:
            for told in pool.map(partial(said, folder=asked.folder, seed=seeds[0]), mistakes):
                print(told, end="\n\n", flush=True)
            return 0
        print("| class | seed | mistakes | found | survive |")
        print("|---|---:|---:|---:|---|")
        return max([line(mistakes, seed, asked.folder, pool) for seed in seeds])


def line(mistakes: list[dict[str, Any]], seed: int, folder: Path, pool: ProcessPoolExecutor) -> int:
    """Prints a line for each class; returns 1 if a mistake survives."""
    found = list(pool.map(partial(is_found, folder=folder, seed=seed), mistakes))
    survivors = [mistake for mistake, killed in zip(mistakes, found) if not killed]
    for name in dict.fromkeys(mistake["class"] for mistake in mistakes):
        killed = [k for mistake, k in zip(mistakes, found) if mistake["class"] == name]
        surviving = ", ".join(mistake["name"] for mistake in survivors if mistake["class"] == name)
        print(f"| {name} | {seed} | {len(killed)} | {sum(killed)} | {surviving} |", flush=True)
    for mistake in survivors:
        print(f"seed {seed}: {mistake['name']} survives: {mistake['truth']}", file=sys.stderr)
    return int(bool(survivors))


def judged(mistake: dict[str, Any], folder: Path, seed: int, **options: Any) -> Report:
    """What a check of it says, in processes of its own; a program in C is compiled for it."""
    file = folder / "planted" / f"{mistake['name']}.py"
    if file.exists():
        return check(file, seed=seed, in_process=False, saved=False, **options)
    with TemporaryDirectory() as programs:
        program = str(Path(programs) / mistake["name"])
        subprocess.run(["cc", "-O1", "-w", "-o", program, f"{file.stem}.c", "-lm"], cwd=file.parent, check=True)
        return check(f"cmd: {shlex.quote(program)}", seed=seed, in_process=False, saved=False, **options)


def is_found(mistake: dict[str, Any], folder: Path, seed: int) -> bool:
    """Whether a property fails."""
    return judged(mistake, folder, seed, stop_on_first=True, diagnosis=False).verdict == "fails"


def said(mistake: dict[str, Any], folder: Path, seed: int) -> str:
    """The truth, what failed, and the sentences of the diagnosis."""
    report = judged(mistake, folder, seed)
    failed = [result.id for result in report.results if result.status == "failed"]
    findings = [f"  > {one.fault}{' (diff)' if one.patch else ''}: {one.title}" for one in report.diagnosis]
    told = f"{mistake['name']} ({mistake['class']}): {mistake['truth']}"
    return "\n".join([told, f"  {report.verdict}: {', '.join(failed)}", *findings])


if __name__ == "__main__":
    sys.exit(main())
