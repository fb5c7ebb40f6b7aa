"""``rnn-conformance reproduce``: a saved counterexample as a script that stands alone."""

from __future__ import annotations

from pathlib import Path

import click

from conformance.chapters import catalogue
from conformance.harness.child import LoadError
from conformance.harness.load import TargetError
from conformance.judging.data import CounterexampleError
from conformance.trial.counterexamples import claimed_by, file_in, load, witnessed
from conformance.trial.options import known
from conformance.trial.script import script
from conformance.trial.source import NotAlone


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
def reproduce(file):
    """Prints a script that shows the counterexample in FILE without this kit.

    It needs NumPy and the target's own packages. It holds arrays, calls, expected numbers with their room, and a
    comparison; it exits with 1 if that still fails, and with 0 if it does not. For a command, the lines to send are
    printed instead.
    """
    try:
        file = file_in(file)
        claimed_by(file)
        found = load(file)
        known("property", found.property, catalogue())
        # in a file of the first schema it is not said what the target was given
        seen = found if found.calls else witnessed(found.target, found.property, found.case, catalogue())
        if seen is None:
            raise NotAlone("it does not fail now, and the file does not say what the target was given")
        click.echo(script(seen, catalogue()[found.property].statement), nl=False)
    except (CounterexampleError, LoadError, NotAlone) as error:
        raise TargetError(str(error)) from None
