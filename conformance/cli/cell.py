"""``rnn-conformance cell``: what follows from the equations of a cell."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import click
from rich.box import SIMPLE
from rich.table import Column, Table
from rich.tree import Tree

from conformance.claims.capabilities import Capabilities, CapabilityError
from conformance.faults.operators import derived, indistinct
from conformance.kills import kills
from conformance.trial.options import UsageError
from conformance.trial.worker_pool import cores
from reference_rnn import CELLS, CellError, Config, Recurrence, parameter_shapes
from reference_rnn.autodiff.derivatives import derivatives
from reference_rnn.cell import cells_in
from reference_rnn.equations import arguments, written_out
from reference_rnn.layouts import suffix

from .console import verbatim
from .recurrences import print_recurrence


@click.command()
@click.argument("spec", metavar="SPEC.py:NAME")
@click.option("--kills", "judged", is_flag=True, help="Also judge every mistake, and say which property finds it.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the random cases.")
def cell(spec, judged, seed):
    """What follows from the equations of a cell: SPEC.py:NAME, or the name of one that the kit has.

    Its parameters and their shapes, its equations written out, what each line reads and how a change goes on through
    it, and the mistakes that are made of them.
    Exit status: 0; with --kills 1 if some mistake survives.
    """
    own = cell_named(spec)
    console = verbatim()
    if isinstance(own, Recurrence):
        print_recurrence(own, console)
        return 0
    console.print(f"{own}: {' '.join((own.step.__doc__ or 'no description').split())}", soft_wrap=True)
    table = Table("parameter", "shape", "gates", box=SIMPLE)
    for name, shape in parameter_shapes(Config(own, 2, 3)).items():
        kind = name.removesuffix(suffix(0, 0))
        table.add_row(name, f"({shape.symbols})", ", ".join(own.packing(kind)))
    console.print(table)
    console.print(f"states  {', '.join(own.states)}; the output is {own.states[0]}")
    for line in facts(own):
        console.print(f"facts   {line}", soft_wrap=True)
    console.print(f"\n{written_out(own)}\n", soft_wrap=True)
    tell_derivatives(own, console)
    mistakes, same = derived(own), indistinct(own)
    count = Counter(id.split(".")[1] for id in mistakes)
    console.print(f"{len(mistakes)} mistakes can be detected: {', '.join(f'{n} {k}' for k, n in count.items())}")
    for fault in same.values():
        console.print(f"cannot be detected, since it gives the same numbers: {fault.title}", soft_wrap=True)
    return tell_kills(list(mistakes.values()), seed, console) if judged else 0


def tell_derivatives(own, console):
    """Prints the derivative of each line, and what is made of what; or why that cannot be said."""
    try:
        lines = derivatives(own)
    except CellError as error:
        console.print(f"no derivatives are written down: {error}\n", soft_wrap=True)
        return
    for line in lines:
        for operand, derivative in line.by.items():
            console.print(f"d {line.name} / d {operand} = {derivative}", soft_wrap=True)
    console.print()
    console.print(picture(lines, arguments(own)[1:]))
    console.print()


def picture(lines, states):
    """What the new states are made of, down to x and the states before; each line once."""
    tree, drawn = Tree("what is made of what"), set()

    def grow(branch: Tree, name: str, below: int) -> None:
        """Hangs on a branch the last line before another one that gives a name its value, and all that it reads."""
        at = max((at for at in range(below) if lines[at].name == name), default=None)
        new = "new " if at is not None and name in states else ""
        twig = branch.add(new + name + (" (see above)" if at in drawn else ""))
        if at is not None and at not in drawn:
            drawn.add(at)
            for operand in lines[at].by:
                grow(twig, operand, at)

    for state in states:
        grow(tree, state, len(lines))
    return tree


def cell_named(spec):
    """The cell that SPEC.py:NAME stands for, or one of the kit by its name; raises UsageError."""
    if spec in CELLS:
        return CELLS[CELLS.index(spec)]
    if spec.endswith(".py") and os.path.isfile(spec):
        known = cell_names(spec)
        said = "it has none: put @cell(...) above a step" if known == "none" else f"add :NAME; it has {known}"
        raise UsageError(f"{spec!r} is no cell, {said}")
    if ".py:" not in spec:
        raise UsageError(f"{spec!r} is no cell, must be SPEC.py:NAME or one of {', '.join(CELLS)}")
    if not os.path.isfile(spec.rpartition(":")[0]):
        raise UsageError(f"there is no file {spec.rpartition(':')[0]!r}")
    try:
        return Capabilities.of({"cells": (spec,)}).cells[0]
    except (CapabilityError, CellError) as error:
        raise UsageError(str(error)) from None


def cell_names(file):
    """The names of the cells in a file, in words; raises UsageError."""
    try:
        return ", ".join(cells_in(str(Path(file).resolve()))) or "none"
    except CellError as error:
        raise UsageError(str(error)) from None


def facts(own):
    """What is known about a cell, and what cannot be asked of it."""
    if own.sums:
        yield f"only the sum of the biases matters to {', '.join(own.sums)}"
    if not own.apart:
        yield "units depend on each other, or one without weights is not 0: no unit is added"
    if not own.exchangeable:
        yield "units cannot be numbered in another order"
    if own.holds is None:
        yield "`holds=` is not given, so time.memory is not tested"
    if own.passes is None:
        yield "`passes=` is not given, so dropout.mask is not tested"


def tell_kills(mistakes, seed, console):
    """Judges mistakes, and prints what finds them; 1 if some survive."""
    results = list(kills(mistakes, seed, workers=min(cores(), len(mistakes))))
    titles = {fault.id: fault.title for fault in mistakes}
    table = Table(Column("found by", overflow="fold"), "mistakes", "cases, median", box=SIMPLE)
    by_property: dict[str, list[int]] = {}
    for result in results:
        by_property.setdefault(result.property or "SURVIVES", []).append(result.cases)
    for name, cases in sorted(by_property.items(), key=lambda item: -len(item[1])):
        table.add_row(name, str(len(cases)), f"{sorted(cases)[len(cases) // 2]:,}")
    console.print(table)
    alive = [result for result in results if not result.property]
    for result in alive:
        console.print(f"survives: {titles[result.fault]}", soft_wrap=True)
    console.print(f"{len(results) - len(alive)} of {len(results)} mistakes are found (quick, seed {seed})")
    return int(bool(alive))
