"""``rnn-conformance reproduce``: a saved counterexample as a script that stands alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from conformance.chapters import catalogue
from conformance.harness.child import LoadError
from conformance.harness.load import TargetError
from conformance.judging.serialisation import CounterexampleError, Unclaimed
from conformance.report.output import show
from conformance.scripts.reproducer import script
from conformance.scripts.standalone_source import NotAlone
from conformance.trial.counterexamples import claimed_by, current_name, file_in, find_counterexample, load
from conformance.trial.property_names import Names


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("target", required=False)
def reproduce(file, target):
    """Prints a script that shows the counterexample in FILE without this kit.

    It needs NumPy and the target's own packages. It holds arrays, calls, expected numbers with their room, and a
    comparison; it exits with 1 if that still fails, and with 0 if it does not. For a command, the lines to send are
    printed instead.

    The target that FILE names is not loaded. Where only the target can say what FILE means, TARGET is; and the script
    is about it.
    """
    try:
        file = file_in(file)
        if target:
            claimed_by(target)
        found = load(file, described=True)
        property = current_name(file, found.property, Names(catalogue()))
        if not found.calls:  # in a file of the first schema it is not said what the target was given
            if not target:
                raise Unclaimed(found.target)
            seen = find_counterexample(target, property, found.case, catalogue())
            if seen is None:
                raise NotAlone("it does not fail now, and the file does not say what the target was given")
            found = seen
        found = replace(found, property=property, target=target or found.target)
        show(script(found, catalogue()[property].statement))
    except Unclaimed as error:
        raise TargetError(error.remedy("reproduce", str(file))) from None
    except (CounterexampleError, LoadError, NotAlone) as error:
        raise TargetError(str(error)) from None
