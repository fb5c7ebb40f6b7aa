"""``rnn-conformance vectors``: cases and their results as files, for implementations that Python cannot call."""

from __future__ import annotations

import json
from pathlib import Path

import click

from conformance.claims.capabilities import BIASES, DIMENSIONS, Capabilities, CapabilityError
from conformance.harness.load import TargetError, layers_only, open_target
from conformance.judging.judgement import Failure
from conformance.judging.subject import Subject
from conformance.trial import vectors as engine
from conformance.trial.chosen import MOST, choose, mistakes
from conformance.trial.loop import stopping
from conformance.trial.options import UsageError, known
from conformance.trial.plan import limits_of
from reference_rnn import CELLS, DTYPES, ORDERS, PROFILES

from .cell import cell_named
from .check import NOTHING
from .options import trial_options

DIRECTIONS: dict[str, bool | str] = {"1": False, "2": "only", "both": True}
FEATURES = dict.fromkeys(("lengths", "empty", "projections", "no_bias", "initial_state"), True)


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
@click.option("--layers", type=click.IntRange(1), help="At most so many.  [default: any number]")
@click.option("--directions", type=click.Choice(list(DIRECTIONS)), default="both", show_default=True,
              help="One direction, always two, or both.")  # fmt: skip
@click.option("--biases", type=click.Choice(BIASES), default="two", show_default=True, help="How many there are.")
@click.option("--without", multiple=True, metavar="NAME,...", help=f"What is not claimed, of {', '.join(FEATURES)}.")
@click.option(
    "--size", "sizes", multiple=True, metavar="NAME=N,...", help=f"The only sizes of {', '.join(DIMENSIONS)}."
)
@click.option(
    "--arithmetic", default="strict", show_default=True, help=f"Of {', '.join(PROFILES)}, as claimed; joined by +."
)
@click.option(
    "--order", type=click.Choice(list(ORDERS)), default="steps", show_default=True, help="Of linear recurrences."
)
@click.option("--count", type=click.IntRange(1), default=MOST, show_default=True,
              help="At most so many for each cell and dtype.")  # fmt: skip
@click.option("--format", type=click.Choice(list(engine.FORMATS)), default="json", show_default=True,
              help="JSON, or text for languages that have none.")  # fmt: skip
def write(folder, count, format, **said):
    """Writes test vectors to DIR for a target that claims so much: the same files, byte for byte, every time.

    Those that tell known mistakes apart come first; index.json says which mistake is told by which. A number y of a
    result is right if abs(y - data) <= rad, in double precision.
    """
    claims = claims_of(**said)
    folder.mkdir(parents=True, exist_ok=True)
    chosen = {(cell, dtype): choose(claims, cell, dtype, count) for cell in claims.cells for dtype in claims.dtypes}
    for found in chosen.values():
        for name, vector in found.vectors.items():
            engine.write(folder, name, vector, format)
    index = [entry for key, found in chosen.items() for entry in told(*key, found)]
    data = {"schema": 1, "claims": plain(claims), "mistakes": index}
    (folder / engine.INDEX).write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    written, void = (sum(len(found.vectors) for found in chosen.values()), sum(found.void for found in chosen.values()))
    left = f"; {void} cases are left out, since rounding may do anything to them" if void else ""
    click.echo(f"{written} test vectors are in {folder}{left}")
    apart = sum(entry["told_by"] is not None for entry in index)
    click.echo(f"they tell {apart} of {len(index)} known mistakes apart, see {engine.INDEX}")
    return 0 if written else NOTHING


def claims_of(cells, dtypes, layers, directions, biases, without, sizes, arithmetic, order):
    """What is said on the command line, as claims; raises UsageError."""
    for dtype in dtypes:
        known("dtype", dtype, DTYPES)
    own = dict.fromkeys(map(cell_named, cells))
    left = [name for names in without for name in names.split(",")]
    for name in left:
        known("feature", name, FEATURES)
    try:
        return Capabilities.of(Capabilities(
            cells=tuple(own), dtypes=tuple(dict.fromkeys(dtypes)), max_layers=layers, biases=biases,
            bidirectional=DIRECTIONS[directions], sizes=dict(map(size_of, sizes)), arithmetic=arithmetic, order=order,
            **FEATURES | dict.fromkeys(left, False),
        ))  # fmt: skip
    except CapabilityError as error:
        raise UsageError(str(error)) from None


def size_of(text):
    """The name and the sizes in NAME=N,...; raises UsageError."""
    name, _, numbers = text.partition("=")
    if not numbers or not all(number.isdecimal() for number in numbers.split(",")):
        raise UsageError(f"--size {text!r} must be like hidden_size=16 or batch=1,2")
    return name, tuple(map(int, numbers.split(",")))


def plain(claims):
    """Claims as the index says them."""
    return {
        "cells": list(map(str, claims.cells)), "dtypes": list(claims.dtypes), "layers": claims.max_layers,
        "bidirectional": claims.bidirectional, "biases": claims.biases, "arithmetic": claims.arithmetic,
        "order": claims.order, "sizes": {name: list(sizes) for name, sizes in claims.sizes.items()},
        **{name: bool(getattr(claims, name)) for name in FEATURES},
    }  # fmt: skip


def told(cell, dtype, chosen):
    """The entries of the index for one cell and dtype."""
    titles = {fault.id: fault.title for fault in mistakes(cell)}
    for id, name in chosen.told.items():
        yield {"cell": str(cell), "dtype": dtype, "mistake": id, "title": titles[id], "told_by": name}


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
            outcome = engine.judge(Subject(layers_only(opened, "vectors")), engine.read_all(folder))
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
