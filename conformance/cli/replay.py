"""``rnn-conformance replay``: one saved counterexample again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from conformance.chapters import catalogue
from conformance.harness.load import TargetError, open_target
from conformance.judging.counterexample import call_lines
from conformance.judging.oracle import Failure, NotRun
from conformance.judging.serialisation import CounterexampleError
from conformance.report.output import say
from conformance.trial.counterexamples import BY_NUMBERS, current_name, file_in, load, replay_counterexample
from conformance.trial.property_names import Names

SKIP = 125  # what git bisect understands as: this version cannot be tested
UNREPEATABLE = "this cannot be repeated: when it was found, a fresh process was right"


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("target")
@click.option("--bisect", is_flag=True, help="Exit with 125 where it could not be told, for 'git bisect run'.")
def replay(file, target, bisect):
    """Does TARGET still fail on the counterexample in FILE?

    The property is judged as it was: on the same case, after the calls that must come before it. Where this version of
    the kit makes other calls of that case, the saved calls are made too.
    Exit status: 0 the property holds now, 1 it still fails, 2 could not tell.
    """
    try:
        return judge_again(file_in(file), target)
    except (CounterexampleError, TargetError, NotRun, Failure, ValueError) as error:
        if not bisect:
            raise TargetError(str(error)) from None
        say(f"rnn-conformance: {error}", err=True)
        return SKIP


def judge_again(file, target):
    """Judges a counterexample once more; 0 it holds, 1 it fails."""
    opened = open_target(target)  # first: a case may be of a cell that only the target claims
    try:
        found = load(file)
        if found.repeatable is False:
            raise NotRun(UNREPEATABLE)
        names = Names(catalogue())
        try:
            found = replace(found, property=current_name(file, found.property, names))
        except CounterexampleError as error:
            if found.demand not in BY_NUMBERS:
                raise
            say(f"{error}; the saved calls and numbers tell")
        for line in names.said:
            say(line)
        now = replay_counterexample(found, opened, catalogue())
    finally:
        opened.stop()
    say(f"{found.property}: {now.message if now else 'holds'}")
    for line in call_lines(now or found):
        say(line)
    return 1 if now else 0
