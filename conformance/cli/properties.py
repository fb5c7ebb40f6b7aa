"""``rnn-conformance properties``: what is judged."""

from __future__ import annotations

import click

from conformance.chapters import catalogue
from conformance.faults import FAULTS
from conformance.report.output import say, show


@click.command()
def properties():
    """Lists the properties: id, statement, and the capabilities without which it says nothing."""
    chapter = None
    for prop in catalogue().values():
        if prop.id.partition(".")[0] != chapter:
            chapter = prop.id.partition(".")[0]
            show(("" if chapter == "shapes" else "\n") + chapter)
        needs = f"  [needs {', '.join(prop.requirements())}]" if prop.requirements() else ""
        say(f"  {prop.id}: {prop.statement}{needs}")
        found = [fault.title for fault in FAULTS.values() if prop.id in fault.killed_by]
        if found:
            say(f"      finds, for instance: {found[0]}")
    return 0
