"""The parts of the pages that the code itself says. ``<!-- from the code: NAME -->`` stands for one of them."""

from __future__ import annotations

import importlib
import inspect
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import MISSING, fields

import click

from conformance import Capabilities
from conformance.chapters import CHAPTERS, catalogue
from conformance.claims.capabilities import capability_names
from conformance.cli import cli
from conformance.cli.options import names
from conformance.diagnosis.smallest import smallest
from conformance.faults import CLASSES, FAULTS
from conformance.faults.patching import Fault
from conformance.judging.properties import Property
from conformance.trial import options

MARK = re.compile(r"<!-- from the code: (\w+) -->")


def completed(text: str) -> str:
    """A page with what the code says in the place of each mark."""
    return MARK.sub(lambda mark: PARTS[mark[1]](), text)


def commands() -> str:
    """Every command with its usage, its help and its options."""
    parts = []
    for words, command in walked(cli, ("rnn-conformance",)):
        context = click.Context(command, info_name=" ".join(words))
        usage = " ".join([*words, *command.collect_usage_pieces(context)])
        parts += [f"## {' '.join(words[1:])}", f"```text\n{usage}\n```", unwrapped(command.help or "")]
        shown = [
            parameter.get_help_record(context) for parameter in command.params if isinstance(parameter, click.Option)
        ]
        parts.append(table(["option", ""], [(code(option), plain(told)) for option, told in filter(None, shown)]))
    return "\n\n".join(filter(None, parts))


def walked(command: click.Command, words: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """The commands of a group, those of its groups too, each with the words that call it."""
    if not isinstance(command, click.Group):
        yield words, command
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        if inner := command.get_command(context, name):
            yield from walked(inner, (*words, name))


def trial_options() -> str:
    """The options of a trial, as command line, pytest and Python have them."""
    rows = []
    for one in options.declared_options():
        spelled = options.spelled(one)
        in_pytest = one.metadata["elsewhere"] or f"--rnn-{spelled}"
        line = ", ".join(names(one)) + f" {one.metadata['metavar']}".rstrip()
        rows.append((code(line), code(in_pytest), code(one.name), plain(one.metadata["help"])))
    return table(["command line", "pytest", "Python", ""], rows)


def capabilities() -> str:
    """Every field with its type and default."""
    rows = []
    for one in fields(Capabilities):
        default = one.default if one.default is not MISSING else one.default_factory()
        rows.append((code(one.name), code(str(one.type)), code(repr(default))))
    return table(["name", "type", "default"], rows)


def capabilities_told() -> str:
    """What the fields mean, in the words of the class."""
    return f"```text\n{inspect.getdoc(Capabilities)}\n```"


def requirements() -> str:
    """What --require takes."""
    return ", ".join(map(code, capability_names()))


def properties() -> str:
    """Every property, chapter by chapter, with an example of a mistake that it finds."""
    parts = []
    for chapter in CHAPTERS:
        module = importlib.import_module(f"conformance.test_{chapter}")
        parts += [f"## {chapter}", unwrapped(inspect.getdoc(module) or "")]
        parts += [described(one) for one in catalogue().values() if one.id.startswith(chapter + ".")]
    return "\n\n".join(parts)


def described(one: Property) -> str:
    """One property: its statement, what it needs, and the mistake that fewest others find."""
    parts = [f"### {one.id}", plain(one.statement)]
    if one.requirements():
        parts.append(f"Needs {', '.join(map(code, one.requirements()))}.")
    found = sorted((fault for fault in FAULTS.values() if one.id in fault.killed_by), key=seldom)
    if found:
        many = f"One of the {len(found)} mistakes" if len(found) > 1 else "The mistake"
        parts += [f"{many} that the kit's tests demand of it:", quoted(mistake(found[0]))]
    else:
        parts.append("No change to the equations can break this: it is about what code does with memory and types.")
    return "\n\n".join(parts)


def seldom(fault: Fault) -> tuple[int, bool]:
    """Sorts first what few properties find, and among these what really happened."""
    return len(fault.killed_by), not fault.seen


def mistake(fault: Fault) -> str:
    """A mistake with its diff, the smallest case that shows it, and where somebody made it."""
    said = [
        f"{code(fault.id)}: {plain(fault.title)}",
        f"```diff\n{fault.patch()}\n```",
        f"Smallest case: {smallest(fault)}.",
    ]
    return "\n\n".join(said + [f"Made by others: <{url}>" for url in fault.seen[:1]])


def classes() -> str:
    """The classes of mistakes, how many there are of each, and how many were really made."""
    counts = Counter(fault.fault_class for fault in FAULTS.values())
    rows = [(code(name), plain(CLASSES[name]), str(counts[name])) for name in CLASSES]
    made = sum(bool(fault.seen) for fault in FAULTS.values())
    sources = f"{made} of the {len(FAULTS)} come with the address of a report in which somebody made the same mistake."
    return f"{table(['class', '', 'mistakes'], rows)}\n\n{sources}"


def quoted(text: str) -> str:
    """Set in."""
    return "\n".join(f"> {line}".rstrip() for line in text.splitlines())


def unwrapped(text: str) -> str:
    """A docstring as paragraphs of one line each."""
    return "\n\n".join(plain(" ".join(part.split())) for part in inspect.cleandoc(text).split("\n\n"))


def plain(text: str) -> str:
    """Text of the code in which no sign means anything to Markdown."""
    return re.sub(r"([*_<>`|\[\]])", r"\\\1", text)


def code(text: str) -> str:
    """A span of code, also in a table."""
    return f"`{text}`".replace("|", "\\|")


def table(head: list[str], rows: list[tuple[str, ...]]) -> str:
    """A table; nothing without rows."""
    lines = [head, ["---"] * len(head), *([cell.replace("\n", " ") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) if rows else ""


PARTS = {
    made.__name__: made
    for made in (commands, trial_options, capabilities, capabilities_told, requirements, properties, classes)
}
