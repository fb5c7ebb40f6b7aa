"""``rnn-conformance replay``: one saved counterexample again."""

from __future__ import annotations

from pathlib import Path

import click

from conformance.engine.check import known
from conformance.engine.counterexamples import CounterexampleError, load
from conformance.engine.run import judge_case
from conformance.properties import catalogue
from conformance.target.load import TargetError, open_target

SKIP = 125  # what git bisect understands as: this version cannot be tested


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("target")
@click.option("--bisect", is_flag=True, help="Exit with 125 where it could not be told, for 'git bisect run'.")
def replay(file, target, bisect):
    """Does TARGET still fail on the counterexample in FILE?

    Exit status: 0 the property holds now, 1 it still fails, 2 could not tell.
    """
    try:
        id, case = load(file)
        known("property", id, catalogue())
        opened = open_target(target)
    except (CounterexampleError, TargetError, ValueError) as error:
        if not bisect:
            raise TargetError(str(error)) from None
        click.echo(f"rnn-conformance: {error}", err=True)
        return SKIP
    try:
        result = judge_case(catalogue()[id], opened, case)
    finally:
        opened.stop()
    click.echo(f"{id}: {result.message or 'holds'}\n{case!r}")
    return {"passed": 0, "failed": 1}.get(result.status, SKIP if bisect else 2)
