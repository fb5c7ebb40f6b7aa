"""What is found of mistakes that others planted: python benchmarks/planted.py FOLDER [SEED ...] [--told | --random].

FOLDER holds ``list.json``, a list of objects with ``name``, ``class`` and ``truth`` (what is wrong, in words), and for
each of them a target: ``planted/NAME.py``, or ``planted/NAME.c``, a program that keeps to the line protocol. Each is
judged until its first failure, in processes of its own; a line is printed for each class and seed, and for each mistake
that survives what is wrong with it. With --told each is judged in full at one seed, and what the kit says is printed
below the truth: only a person can tell whether that is true. With --random a line is printed for each number of random
cases a property, with how many mistakes are found by so many after the covering ones, and a line for each mistake that
covering ones miss: which properties find it, after how many. Cases about which a property says nothing do not count.
Exit status: 0 all are found, 1 some are not.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import shlex
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from conformance.api import check
from conformance.chapters import catalogue
from conformance.events import PropertyResult
from conformance.harness.load import Target, open_target
from conformance.judging.judge import CounterexampleFound, Judging, covering_cases, number_of, unjudged
from conformance.judging.oracle import NotRun
from conformance.judging.properties import Property
from conformance.judging.recurrent_subject import subject_of
from conformance.trial.verdict import Report
from conformance.trial.worker_pool import cores

COUNTS = (0, 4, 8, 16, 32, 60, 100)  # of random cases a property, which has no more than its share of the last


def main() -> int:
    """Judges all of a folder; returns the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("seeds", nargs="*", type=int)
    parser.add_argument("--told", action="store_true", help="judge in full, and print what is said")
    parser.add_argument("--random", action="store_true", help="how many random cases a property are needed")
    asked = parser.parse_args()
    seeds = asked.seeds or [0]
    mistakes = json.loads((asked.folder / "list.json").read_text())
    with ProcessPoolExecutor(cores(), multiprocessing.get_context("spawn")) as pool:
        if asked.told:
            for told in pool.map(partial(said, folder=asked.folder, seed=seeds[0]), mistakes):
                print(told, end="\n\n", flush=True)
            return 0
        if asked.random:
            return curve(mistakes, list(pool.map(partial(needed, folder=asked.folder, seeds=seeds), mistakes)), seeds)
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


@contextmanager
def named(mistake: dict[str, Any], folder: Path) -> Iterator[Path | str]:
    """The target as it is judged; a program in C is compiled for it."""
    file = folder / "planted" / f"{mistake['name']}.py"
    if file.exists():
        yield file
        return
    with TemporaryDirectory() as programs:
        program = str(Path(programs) / mistake["name"])
        subprocess.run(["cc", "-O1", "-w", "-o", program, f"{file.stem}.c", "-lm"], cwd=file.parent, check=True)
        yield f"cmd: {shlex.quote(program)}"


def judged(mistake: dict[str, Any], folder: Path, seed: int, **options: Any) -> Report:
    """What a check of it says, in processes of its own."""
    with named(mistake, folder) as target:
        return check(target, seed=seed, in_process=False, saved=False, **options)


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


# ---------------------------------------------------------------- how many random cases are needed


def needed(mistake: dict[str, Any], folder: Path, seeds: list[int]) -> dict[int, dict[str, int]]:
    """For each seed how many random cases each property needs that finds it; {} if covering cases find it already."""
    with named(mistake, folder) as name:
        target = open_target(name)
        asked = [prop for prop in catalogue().values()
                 if not unjudged(prop, target.capabilities, target.observes_memory)]  # fmt: skip
        asked.sort(key=lambda prop: prop.rank)
        try:
            if any(first_failure(prop, target, None) is not None for prop in asked):
                return {}
            found = {seed: {prop.id: first_failure(prop, target, seed) for prop in asked} for seed in seeds}
            return {seed: {id: n for id, n in each.items() if n is not None} for seed, each in found.items()}
        finally:
            target.stop()


def first_failure(prop: Property, target: Target, seed: int | None) -> int | None:
    """Which random case fails first, counted from 1, of those that a property says something about; None if none does.

    0: a covering one fails before them. Without a seed only these are judged.
    """
    judging = Judging(prop, subject_of(target), PropertyResult(prop.id, "inconclusive", prop.statement))
    before = None
    try:
        judging.restart()
        judging.each(covering_cases(prop, judging.allowed))
        before = judging.result.examples
        if seed is not None:
            judging.random(prop.random_cases(COUNTS[-1]), number_of(prop) ^ seed, None)
    except CounterexampleFound:
        return 0 if before is None else judging.result.examples - before
    except NotRun:
        pass
    return None


def curve(mistakes: list[dict[str, Any]], found: list[dict[int, dict[str, int]]], seeds: list[int]) -> int:
    """Prints how many are found by so many random cases; returns 1 if some are not at some seed."""
    print(f"| random cases | {' | '.join(f'seed {seed}' for seed in seeds)} | of |")
    print("|---:|" + "---:|" * (len(seeds) + 1))
    for count in COUNTS:
        killed = [sum(not each or any(n <= count for n in each[seed].values()) for each in found) for seed in seeds]
        print(f"| {count} | {' | '.join(map(str, killed))} | {len(mistakes)} |")
    for mistake, each in zip(mistakes, found):
        for seed, properties in each.items():
            first = sorted(properties.items(), key=lambda item: item[1])
            print(f"{mistake['name']}, seed {seed}: {', '.join(f'{id} {n}' for id, n in first) or 'survives'}")
    return int(any(not properties for each in found for properties in each.values()))


if __name__ == "__main__":
    sys.exit(main())
