"""The command ``rnn-conformance``: one module a command; each returns its exit status."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import traceback
from importlib import import_module

import click

from conformance.claims.capabilities import CapabilityError
from conformance.harness import supervisor
from conformance.harness.child import said
from conformance.harness.family import die_with_parent
from conformance.harness.last_file import suspicion
from conformance.harness.load import TargetError
from conformance.harness.text import visible_line, visible_lines
from conformance.report import github, output
from conformance.trial.interrupts import SIGNALS, Interrupted
from conformance.trial.options import UsageError
from conformance.trial.verdict import kit_version
from reference_rnn.cell_source.user_code import WATCH, CellError

NAMES = (
    "check", "trace", "replay", "reproduce", "new", "shapes", "cell", "properties", "protocol", "matrix", "compare",
    "vectors", "faults", "hunt", "corpus",
)  # fmt: skip


class Commands(click.Group):
    """The commands, each of a module of its name, which is imported when the command is asked for."""

    def list_commands(self, ctx: click.Context | None) -> list[str]:
        """Their names, those that most people need first."""
        return list(NAMES)

    def get_command(self, ctx: click.Context | None, cmd_name: str) -> click.Command | None:
        """The command of a name; None if there is none."""
        return getattr(import_module(f".{cmd_name}", __name__), cmd_name) if cmd_name in NAMES else None


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(kit_version())
def cli() -> None:
    """Tells whether a recurrent network is right, and if not, what is wrong with it.

    Exit status: 0 conforms, 1 does not conform, 2 could not tell.
    """


def main() -> None:
    """Runs a command; whatever was asked wrongly is one line on standard error and status 2."""
    output.secure()
    if supervisor.NOTE:
        die_with_parent(parent=supervisor.NOTE.supervisor)
        WATCH.hear = supervisor.NOTE.last.runs
    try:
        status = cli.main(standalone_mode=False) or 0  # None of a command that has done what was asked
    except click.ClickException as error:
        status = complain(with_choices(error))
    except (TargetError, UsageError, CapabilityError, CellError) as error:
        status = complain(str(error))
    except OSError as error:
        status = complain(
            f"{error.filename}: {error.strerror}" if error.filename else f"{error}{suspicion(WATCH.file)}"
        )
    except (click.Abort, KeyboardInterrupt, Interrupted):
        status = complain("interrupted; nothing was judged to the end")
    except Exception as error:
        status = complain(f"a mistake of this kit: {said(error)}; {details(error)}")
    except BaseException as error:
        status = complain(f"nothing was judged to the end: {said(error)} was raised{suspicion(WATCH.file)}")
    signals_end_with(status)
    if loss := output.loss(sys.stdout):
        complain(f"standard output: {loss}; the exit status is {status}")
    sys.stdout.flush()
    supervisor.leave(status)


def signals_end_with(status: int) -> None:
    """From now on a signal ends this process at once, with the status that is known already."""
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda *_: os._exit(status))


def details(error: Exception) -> str:
    """Where the traceback of a mistake of the kit is."""
    try:
        with tempfile.NamedTemporaryFile("w", prefix="rnn-conformance-", suffix=".txt", delete=False) as file:
            file.writelines(map(visible_lines, traceback.format_exception(error)))
    except OSError:
        return "there is no place for its traceback"
    return f"its traceback is in {file.name}"


def complain(message: str) -> int:
    """One line on standard error, an annotation where GitHub runs us, and the status of not being able to tell.

    Where this process has no standard error any more, the supervisor says it.
    """
    line = " ".join(message.split())
    output.say(f"rnn-conformance: {line}", err=True)
    if supervisor.NOTE and output.loss(sys.stderr):
        supervisor.NOTE.leave(visible_line(line))
    elif github.RUNS in os.environ:
        output.put(github.command("error", "rnn-conformance", line))
    return 2


def with_choices(error: click.ClickException) -> str:
    """What click says, and what there is instead."""
    message = error.format_message().rstrip(".")
    context = getattr(error, "ctx", None)
    if context is None:
        return message
    command = context.command
    if isinstance(command, click.Group):
        return f"{message}; commands are {', '.join(command.list_commands(context))}"
    if isinstance(error, click.NoSuchOption):
        options = [o for p in command.params if isinstance(p, click.Option) for o in p.opts if o.startswith("--")]
        return f"{message}; options of {command.name} are {', '.join(options)}"
    if isinstance(error, click.MissingParameter):
        return f"{message}; usage: {command.get_usage(context).removeprefix('Usage: ')}"
    if isinstance(error, click.BadParameter) and isinstance(getattr(error.param, "type", None), click.IntRange):
        return f"{message}; must be a whole number, such as 2"
    return message
