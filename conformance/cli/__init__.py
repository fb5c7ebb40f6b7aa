"""The command ``rnn-conformance``: one module a command; each returns its exit status."""

from __future__ import annotations

import sys

import click

from conformance.engine.check import UsageError
from conformance.target.load import TargetError

from .check import check
from .compare import compare
from .faults import faults
from .matrix import matrix
from .new import new
from .properties import properties
from .protocol import protocol
from .replay import replay
from .shapes import shapes
from .trace import trace
from .vectors import vectors


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="rnn-conformance")
def cli() -> None:
    """Tells whether a recurrent network is right, and if not, what is wrong with it.

    Exit status: 0 conforms, 1 does not conform, 2 could not tell.
    """


for command in (check, trace, replay, new, shapes, properties, protocol, matrix, compare, vectors, faults):
    cli.add_command(command)


def main() -> None:
    """Runs a command; whatever was asked wrongly is one line on standard error and status 2."""
    try:
        status = cli.main(standalone_mode=False)
    except click.ClickException as error:
        status = complain(with_choices(error))
    except (TargetError, UsageError) as error:
        status = complain(str(error))
    except OSError as error:
        status = complain(f"{error.filename}: {error.strerror}" if error.filename else str(error))
    except (click.Abort, KeyboardInterrupt):
        status = complain("interrupted; nothing was judged to the end")
    sys.exit(status)


def complain(message: str) -> int:
    """One line on standard error, and the status of not being able to tell."""
    click.echo(f"rnn-conformance: {' '.join(message.split())}", err=True)
    return 2


def with_choices(error: click.ClickException) -> str:
    """What click says, and what there is instead."""
    message = error.format_message().rstrip(".")
    context = getattr(error, "ctx", None)
    if context is None:
        return message
    command = context.command
    if isinstance(command, click.Group):
        return f"{message}; commands are {', '.join(command.commands)}"
    if isinstance(error, click.NoSuchOption):
        options = [o for p in command.params if isinstance(p, click.Option) for o in p.opts if o.startswith("--")]
        return f"{message}; options of {command.name} are {', '.join(options)}"
    if isinstance(error, click.MissingParameter):
        return f"{message}; usage: {command.get_usage(context).removeprefix('Usage: ')}"
    return message
