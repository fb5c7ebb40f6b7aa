"""Text that targets, files and people bring in: whoever lets it leave makes it visible, so that it does nothing more.

A terminal, a page, XML, Markdown, a runner: each has one place where all that it is given passes ``visible_lines`` or
``visible_line``. What a target says is bounded where it comes in, by ``visible``, and plain from there on.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

MESSAGE = 1000  # characters of a message about a target
LINE = 300  # characters of a line that it printed, of a name, of a place in its code
MOST_NOTES = 60
SHOWN = 60  # characters of a value that is not what it must be

BREAK = re.compile(r"(?<! ) *[\t\n\v\f\r][ \t\n\v\f\r]*")  # looks at no space twice
# What GitHub would take for a command: "::" where a line may begin or be folded, and "##[" anywhere.
COMMAND = re.compile(r"(?<!\S)::|(?<=\S{40})::|##(?=\[)")
LINE_COMMAND = re.compile(r"(?m)^([^\S\n]*):(?=:)|#(?=#\[)")  # the same in a text of lines that nobody folds
# Printable for Python, and no ink: joiners and fillers.
BLANK = "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0"


class Escapes(dict[int, str]):
    """What stands for each character, by its number: itself, or its escape where it is not there to be seen."""

    def __missing__(self, number: int) -> str:
        character = chr(number)
        plain = character in "\n\t" or (character.isprintable() and character not in BLANK)
        self[number] = character if plain else character.encode("unicode_escape").decode()
        return self[number]


ESCAPES = Escapes()


def visible_lines(text: object) -> str:
    """The text in its lines, in which nothing does anything but be seen.

    Whatever is not printable (controls, escapes, marks of direction, what has no width, lone surrogates) and the
    beginning of a workflow command is written as Python writes it in a string: ``\\x1b``. What is visible already
    stays as it is.
    """
    shown = str(text).replace("\r\n", "\n").translate(ESCAPES)
    return LINE_COMMAND.sub(lambda match: f"{match[1] or ''}\\x{ord(match[0][-1]):02x}", shown)


def visible_line(text: object) -> str:
    """The text as one visible line: breaks and tabs become a space."""
    return visible_lines(BREAK.sub(" ", str(text)))


def visible_data(data: Any, change: Callable[[str], str] = visible_lines) -> Any:
    """Plain data in which every text is visible, and changed in no other way unless that is said."""
    if isinstance(data, dict):
        return {change(key): visible_data(value, change) for key, value in data.items()}
    if isinstance(data, list):
        return [visible_data(value, change) for value in data]
    return change(data) if isinstance(data, str) else data


def json_text(data: Any, indent: int | None = None) -> str:
    """Data as JSON, in ASCII: its texts are what they are, and act no more than others do."""
    return json.dumps(data, indent=indent).replace("##[", "#\\u0023[")


def visible(text: object, limit: int = MESSAGE) -> str:
    """The text as one visible line of at most so many characters, which a command does not begin in wherever it is
    folded.
    """
    line = visible_line(str(text)[: 4 * limit]).strip(" ")
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
