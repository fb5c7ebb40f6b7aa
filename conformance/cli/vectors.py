"""``rnn-conformance vectors``: cases and their results as files, for implementations that Python cannot call."""

from __future__ import annotations

from pathlib import Path

import click
from click.core import ParameterSource

from conformance.claims.capabilities import BIASES, DIMENSIONS, Capabilities, CapabilityError
from conformance.harness.files import Folder
from conformance.harness.load import TargetError, open_target
from conformance.judging.oracle import Failure
from conformance.judging.recurrent_subject import subject_of
from conformance.report.output import say
from conformance.trial.options import UsageError, require_known
from conformance.trial.plan import limits_of
from conformance.trial.runner import stopping
from conformance.vectors import vector_files as engine
from conformance.vectors.vector_runner import judge
from conformance.vectors.vector_selection import LARGEST, MOST, choose
from reference_rnn import CELLS, DTYPES, ORDERS, PROFILES, Recurrence

from .cell import cell_named
from .check import NOTHING
from .options import trial_options

DIRECTIONS: dict[str, bool | str] = {"1": False, "2": "only", "both": True}
FEATURES = ("lengths", "empty", "projections", "no_bias", "initial_state")
OF_RECURRENCES = ("lengths", "empty", "packed")
# Options that say something about layers of cells only.
OF_LAYERS = ("layers", "directions", "biases")


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
@click.option(
    "--without",
    multiple=True,
    metavar="NAME,...",
    help=f"What is not claimed, of {', '.join(FEATURES)}; of a recurrence, {', '.join(OF_RECURRENCES)}.",
)
@click.option(
    "--size",
    "sizes",
    multiple=True,
    metavar="NAME=N,...",
    help=f"The only sizes of {', '.join(DIMENSIONS)}; of a recurrence, heads, batch, steps, or a letter.",
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

    Those that detect known mistakes come first; index.json says which mistake is detected by which. A number y of a
    result is right if abs(y - data) <= rad, in double precision. A folder with other test vectors is refused.
    """
    claims = claims_of(**said)
    Folder(folder).make()
    chosen = {(cell, dtype): choose(claims, cell, dtype, count) for cell in claims.cells for dtype in claims.dtypes}
    names = [name for found in chosen.values() for name in found.vectors]
    if stale := engine.left_over(folder, names, format):
        raise UsageError(
            f"{str(folder)!r} has other files that would be read as test vectors, such as {stale[0]}: name another "
            "folder, or move them away"
        )
    for found in chosen.values():
        for name, vector in found.vectors.items():
            engine.write_vector(folder, name, vector, format)
    index = [entry for key, found in chosen.items() for entry in index_entries(*key, found)]
    engine.write_index(folder, {"schema": 1, "claims": claims_entry(claims), "mistakes": index})
    written = sum(len(found.vectors) for found in chosen.values())
    say(f"{written} test vectors are in {folder}{''.join(left_out(chosen.values()))}")
    detected = sum(entry["told_by"] is not None for entry in index)
    say(f"they detect {detected} of {len(index)} known mistakes, see {engine.INDEX}")
    return 0 if written else NOTHING


def left_out(chosen):
    """How many cases are no vectors, and why."""
    void, large = (sum(getattr(found, name) for found in chosen) for name in ("void", "large"))
    if void:
        yield f"; {void} cases were left out: rounding alone could change their results completely"
    if large and not any(found.vectors for found in chosen):
        yield f"; {large} cases were left out: they have more than {LARGEST:,} numbers"


def claims_of(cells, without, **said):
    """What is said on the command line, as claims; raises UsageError."""
    for dtype in said["dtypes"]:
        require_known("dtype", dtype, DTYPES)
    own = tuple(dict.fromkeys(map(cell_named, cells)))
    left = [name for names in without for name in names.split(",")]
    of = of_recurrences if any(isinstance(cell, Recurrence) for cell in own) else of_layers
    common = {
        "cells": own, "dtypes": tuple(dict.fromkeys(said["dtypes"])), "sizes": dict(map(parse_sizes, said["sizes"])),
        "arithmetic": said["arithmetic"], "order": said["order"],
    }  # fmt: skip
    try:
        return Capabilities.of(Capabilities(**common, **of(left, said, own)))
    except CapabilityError as error:
        raise UsageError(str(error)) from None


def of_layers(left, said, _):
    """What is claimed of layers of cells alone."""
    for name in left:
        require_known("feature", name, FEATURES)
    bidirectional = DIRECTIONS[said["directions"]]
    rest = {"max_layers": said["layers"], "biases": said["biases"], "bidirectional": bidirectional}
    return {name: name not in left for name in FEATURES} | rest


def of_recurrences(left, said, own):
    """Capabilities of recurrences by feature, False for what is left out.

    Raises UsageError for what recurrences do not take, another order, and a recurrence of shapes alone.
    """
    names, context = ", ".join(own), click.get_current_context()
    for option in OF_LAYERS:
        if context.get_parameter_source(option) is not ParameterSource.DEFAULT:
            raise UsageError(f"--{option} is said of layers of cells only: leave it out for {names}")
    if said["order"] != "steps":
        raise UsageError(
            f"--order is {said['order']!r}, must be steps for {names}: each mode is asked in its own order"
        )
    for name in left:
        require_known("feature", name, dict.fromkeys((*OF_RECURRENCES, *FEATURES)))
        if name not in OF_RECURRENCES:
            raise UsageError(f"--without {name} is said of layers of cells only: leave it out for {names}")
    for cell in own:
        if isinstance(cell, Recurrence) and cell.step is None:
            raise UsageError(f"only the shapes of {cell} are known: test vectors need its equations, see --cell")
    return {name: name not in left for name in OF_RECURRENCES}


def parse_sizes(text):
    """The name and the sizes in NAME=N,...; raises UsageError."""
    name, _, numbers = text.partition("=")
    if not numbers or not all(number.isdecimal() for number in numbers.split(",")):
        raise UsageError(f"--size {text!r} must be like hidden_size=16 or batch=1,2")
    return name, tuple(map(int, numbers.split(",")))


def claims_entry(claims):
    """Claims as the index says them."""
    layers = {"layers": claims.max_layers, "bidirectional": claims.bidirectional, "biases": claims.biases}
    features = OF_RECURRENCES if claims.recurrences else FEATURES
    return {
        "cells": list(map(str, claims.cells)), "dtypes": list(claims.dtypes), **({} if claims.recurrences else layers),
        "arithmetic": claims.arithmetic, "order": claims.order,
        "sizes": {name: list(sizes) for name, sizes in claims.sizes.items()},
        **{name: bool(getattr(claims, name)) for name in features},
    }  # fmt: skip


def index_entries(cell, dtype, chosen):
    """The entries of the index for one cell and dtype."""
    for id, name in chosen.told.items():
        yield {"cell": str(cell), "dtype": dtype, "mistake": id, "title": chosen.titles[id], "told_by": name}


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
            outcome = judge(subject_of(opened), engine.read_all(folder))
        except engine.VectorError as error:
            raise TargetError(str(error)) from None
        except Failure as failure:
            raise TargetError(failure.message) from None
    held, wrong = len(outcome.held), len(outcome.wrong)
    missing = dict.fromkeys(name for lacks in outcome.unclaimed.values() for name in lacks)
    beyond = f"; {len(outcome.unclaimed)} need what is not claimed: {', '.join(missing)}" if missing else ""
    say(f"{target}: {held} of {held + wrong} test vectors hold{beyond}")
    for name, message in outcome.wrong.items():
        say(f"  {name}: {message}")
    return 1 if wrong else 0 if held else NOTHING
