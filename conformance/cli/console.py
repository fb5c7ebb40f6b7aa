"""The terminal of the commands."""

from __future__ import annotations

from rich.console import Console

from conformance.report.terminal import console


def verbatim() -> Console:
    """A terminal that prints text as it is: nothing that a target says is markup, or a name of an emoji."""
    return console(markup=False, emoji=False)
