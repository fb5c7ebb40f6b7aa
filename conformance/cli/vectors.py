"""``rnn-conformance vectors``: cases and their results as files, for implementations that Python cannot call."""

from __future__ import annotations

from pathlib import Path

import click

from conformance.claims.capabilities import Capabilities, CapabilityError
from conformance.harness.load import TargetError, open_target
from conformance.judging.judgement import Failure
from conformance.judging.subject import Subject
from conformance.trial import vectors as engine
from conformance.trial.loop import stopping
from conformance.trial.options import UsageError, known
from conformance.trial.plan import limits_of
from reference_rnn import CELLS, DTYPES, ORDERS, PROFILES, joined

from .cell import cell_named
from .check import NOTHING
from .options import trial_options


@click.group()
def vectors():
    """Test vectors: one case a JSON file, with its results and how far each number may be off."""


@vectors.command("write")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--cell",
    "cells",
    multiple=True,
    default=CELLS,
    help=f"Of {', '.join(CELLS)}, or SPEC.py:NAME.  [default: all]",
)
@click.option(
    "--dtype", "dtypes", multiple=True, default=("float32",), show_default=True, help=f"Of {', '.join(DTYPES)}."
)
@click.option(
    "--arithmetic", default="strict", show_default=True, help=f"Of {', '.join(PROFILES)}, as claimed; joined by +."
)
@click.option(
    "--order", type=click.Choice(list(ORDERS)), default="steps", show_default=True, help="Of linear recurrences."
)
@click.option("--count", type=click.IntRange(1, engine.MOST), default=engine.MOST, show_default=True,
              help="Cases for each cell and dtype.")  # fmt: skip
def write(folder, cells, dtypes, arithmetic, order, count):
    """Writes test vectors to DIR: the same files, byte for byte, every time.

    A number y of a result is right if abs(y - mid) <= rad, in double precision.
    """
    for dtype in dtypes:
        known("dtype", dtype, DTYPES)
    try:
        arithmetic = joined(arithmetic)
    except ValueError as error:
        raise UsageError(str(error)) from None
    cells = list(dict.fromkeys(map(cell_named, cells)))
    try:
        Capabilities.of(Capabilities(cells=tuple(cells), order=order))
    except CapabilityError as error:
        raise UsageError(str(error)) from None
    folder.mkdir(parents=True, exist_ok=True)
    written = void = 0
    for cell in cells:
        for dtype in dict.fromkeys(dtypes):
            for name, vector in engine.vectors(cell, dtype, count, arithmetic, order):
                if vector is None:
                    void += 1
                else:
                    written += 1
                    engine.write(folder, name, vector)
    left = f"; {void} cases are left out, since rounding may do anything to them" if void else ""
    click.echo(f"{written} test vectors are in {folder}{left}")
    return 0 if written else NOTHING


@vectors.command("check")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.argument("target")
@trial_options("call-limit", "memory-limit")
def check(folder, target, options):
    """Does TARGET give the results of the test vectors in DIR?

    What it does not claim is not run. Exit status: 0 it does, 1 it does not, 2 could not tell.
    """
    with stopping(open_target(target, limits=limits_of(options))) as opened:  # first: it may claim cells of its own
        try:
            outcome = engine.judge(Subject(opened), engine.read_all(folder))
        except engine.VectorError as error:
            raise TargetError(str(error)) from None
        except Failure as failure:
            raise TargetError(failure.message) from None
    held, wrong = len(outcome.held), len(outcome.wrong)
    missing = dict.fromkeys(name for lacks in outcome.unclaimed.values() for name in lacks)
    beyond = f"; {len(outcome.unclaimed)} need what is not claimed: {', '.join(missing)}" if missing else ""
    click.echo(f"{target}: {held} of {held + wrong} test vectors hold{beyond}")
    for name, message in outcome.wrong.items():
        click.echo(f"  {name}: {message}")
    return 1 if wrong else 0 if held else NOTHING
