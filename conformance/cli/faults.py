"""``rnn-conformance faults``: the catalogue of mistakes, and whether the kit finds them."""

from __future__ import annotations

from statistics import median

import click
from rich.box import SIMPLE
from rich.progress import track
from rich.table import Column, Table

from conformance.diagnosis.smallest import smallest
from conformance.faults import CLASSES, FAULTS
from conformance.kills import kills
from conformance.trial.options import UsageError
from conformance.trial.worker_pool import cores

from .console import verbatim


@click.command()
@click.argument("chosen", nargs=-1, metavar="[FAULT|CLASS]...")
@click.option(
    "--list", "only_list", is_flag=True, help="Only list them, with class, patch, smallest configuration and sources."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of the random cases.")
def faults(chosen, only_list, seed):
    """Makes each known mistake in the reference, and says which property finds it first.

    Exit status: 0 all are found (or only listed), 1 some survive.
    """
    ids = choose_faults(chosen)
    console = verbatim()
    if only_list:
        for id in ids:
            fault_as_data(id, console)
        return 0
    names = (Column(name, overflow="fold") for name in ("fault", "class", "found by"))
    table = Table(*names, "cases", "s", box=SIMPLE)
    found = []
    steps = kills([FAULTS[id] for id in ids], seed, workers=min(cores(), len(ids)))
    for result in track(steps, "judging", len(ids), console=console, transient=True, disable=not console.is_terminal):
        found.append(result)
        by = result.property or "SURVIVES"
        style = "" if result.property else "bold red"
        fault = FAULTS[result.fault]
        table.add_row(fault.id, fault.fault_class, by, f"{result.cases:,}", f"{result.seconds:.2f}", style=style)
    console.print(table)
    dead = [result for result in found if result.property]
    console.print(f"{len(dead)} of {len(found)} faults are found (quick, seed {seed})", soft_wrap=True)
    if dead:
        cases, seconds = median(r.cases for r in dead), median(r.seconds for r in dead)
        console.print(f"to the first failure: {cases:.0f} cases and {seconds:.2f} s in the median")
    return int(len(dead) < len(found))


def choose_faults(chosen):
    """The ids of the faults that were named, or that belong to a class that was; all if none was."""
    for name in chosen:
        if name not in FAULTS and name not in CLASSES:
            raise UsageError(f"there is no fault and no class {name!r}; classes are {', '.join(CLASSES)}")
    return [id for id, fault in FAULTS.items() if not chosen or id in chosen or fault.fault_class in chosen]


def fault_as_data(id, console):
    """One fault, as data."""
    fault = FAULTS[id]
    console.print(f"{id}: {fault.title}", soft_wrap=True)
    console.print(f"    class     {fault.fault_class}: {CLASSES[fault.fault_class]}", soft_wrap=True)
    console.print(f"    smallest  {smallest(fault)}", soft_wrap=True)
    for line in fault.patch().splitlines():
        console.print(f"    {fault.function:9} {line}", soft_wrap=True)
    console.print(f"    found by  {', '.join(fault.killed_by)}", soft_wrap=True)
    for url in fault.seen:
        console.print(f"    seen      {url}", soft_wrap=True)
