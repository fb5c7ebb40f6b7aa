"""Text that targets, files and people bring in: made visible once, where it enters, and plain from there on."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

MESSAGE = 1000  # characters of a message about a target
LINE = 300  # characters of a line that it printed, of a name, of a place in its code
MOST_NOTES = 60
SHOWN = 60  # characters of a value that is not what it must be

BREAK = re.compile(r" *[\t\n\v\f\r][ \t\n\v\f\r]*")
# What GitHub would take for a command: "::" where a line may begin or be folded, and "##[" anywhere.
COMMAND = re.compile(r"(?<!\S)::|(?<=\S{40})::|##(?=\[)")


def visible(text: object, limit: int = MESSAGE) -> str:
    """The text as one line of at most so many characters, of which none does anything but be seen.

    Line breaks and tabs become a space. Whatever is not printable (controls, escapes, marks of direction, lone
    surrogates) and the beginning of a workflow command is written as Python writes it in a string: ``\\x1b``.
    What is visible already stays as it is.
    """
    line = BREAK.sub(" ", str(text)[: 4 * limit]).strip(" ")
    if not line.isprintable():
        line = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)
    line = COMMAND.sub(lambda match: f"\\x{ord(match[0][0]):02x}{match[0][1:]}", line)
    return line if len(line) <= limit else line[: limit - 4] + " ..."


def short(value: Any) -> str:
    """The beginning of a value from JSON, however large or deep it is, for messages."""
    if isinstance(value, str):
        text = repr(value[: SHOWN + 1])
    elif isinstance(value, int) and abs(value) >= 10**SHOWN:
        text = f"a number of more than {SHOWN} digits"
    else:  # the encoder goes no further into the value than it is asked
        text = "".join(itertools.islice(json.JSONEncoder().iterencode(value), SHOWN + 1))
    return text if len(text) <= SHOWN else text[:SHOWN] + " ..."


class Notes:
    """What a target said besides answering: each line once, in order, and no more lines than anybody reads."""

    def __init__(self) -> None:
        self.lines: dict[str, None] = {}

    def add(self, lines: Iterable[str]) -> None:
        """Keeps lines that are new."""
        for line in lines:
            if len(self.lines) < MOST_NOTES:
                self.lines.setdefault(visible(line, LINE))

    def __iter__(self) -> Iterator[str]:
        return iter(self.lines)
