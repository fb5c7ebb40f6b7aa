"""What a trial is told. Each option is declared here, once; command line, pytest and Python all have it.

This file imports nothing but the standard library: pytest's plugin reads the options from it without importing
any package of ours.
"""

from __future__ import annotations

import difflib
import os
import re
import stat
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import MISSING, Field, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, TypedDict

Profile = Literal["quick", "standard", "thorough"]
# Random cases for each property, after the covering set.
PROFILES: dict[Profile, int] = {"quick": 100, "standard": 500, "thorough": 5000}
CALL_LIMIT = 10.0
REPORTS = ("json", "junitxml", "html", "summary", "sarif", "badge")  # the options that name files to be written
COMPILING = 12  # times as long may a call take that compiles
MEMORY_LIMIT = 2 * 2**30


class UsageError(ValueError):
    """Something was asked for that does not exist; the message says what does, in one line that is seen."""

    def __init__(self, message: str) -> None:
        line = " ".join(message.split())
        super().__init__("".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line))


def require_known(kind: str, name: str, names: Collection[str]) -> None:
    """Raises UsageError unless the name is one of the known ones; what is meant is guessed where there are many."""
    if name in names:
        return
    text = repr(name) if len(repr(name)) <= LONGEST else repr(name)[:LONGEST] + " ..."
    likely = difflib.get_close_matches(str(name), names, n=3, cutoff=0.5)
    if likely and len(names) > SHORT_LIST:
        raise UsageError(f"there is no {kind} {text}; did you mean {' or '.join(likely)}?")
    listed = ", ".join(list(names)[:SHORT_LIST]) + (", ..." if len(names) > SHORT_LIST else "")
    raise UsageError(f"there is no {kind} {text}; there are {listed}")


SHORT_LIST = 16
LONGEST = 60  # characters of a name that is shown


# ---------------------------------------------------------------- what options are read from: texts


def profile(text: str) -> str:
    """The name of a profile."""
    require_known("profile", text, PROFILES)
    return text


def whole_number(text: str) -> int:
    """A whole number."""
    if not re.fullmatch(r"[+-]?\d{1,18}", text):
        raise UsageError(f"{text!r} is not a whole number")
    return int(text)


def seconds(text: str) -> float:
    """Seconds: ``90``, ``90s``, ``2m`` or ``8h``."""
    match = re.fullmatch(r"(\d{1,9}(?:\.\d+)?)(s|m|h)?", text)
    if not match or not float(match[1]):
        raise UsageError(f"{text!r} is not a duration like 90s or 2m")
    return float(match[1]) * {"m": 60, "h": 3600}.get(match[2], 1)


def memory(text: str) -> int:
    """Bytes: ``512M`` or ``2G``."""
    match = re.fullmatch(r"(\d{1,6}(?:\.\d+)?)([MG])i?B?", text)
    if not match or not float(match[1]):
        raise UsageError(f"{text!r} is not a size of memory like 512M or 2G")
    return int(float(match[1]) * (2**30 if match[2] == "G" else 2**20))


def module(text: str) -> str:
    """The dotted name of a module."""
    if not all(part.isidentifier() for part in text.split(".")):
        raise UsageError(f"{text!r} is not the name of a module like torch or torch.nn")
    return text


def several(name: str, value: Any) -> tuple[str, ...]:
    """Texts from one or some; None stands for what was not given."""
    if value is None or isinstance(value, str):
        return () if value is None else (value,)
    if not isinstance(value, Iterable):
        raise UsageError(f"{name} is {value!r}, must be a sequence of texts")
    return tuple(value)


def processes(text: str) -> int | None:
    """A number of processes; None for ``auto``."""
    if text == "auto":
        return None
    if not re.fullmatch(r"\d{1,4}", text) or not int(text):
        raise UsageError(f"{text!r} is neither a number of processes nor auto")
    return int(text)


def file(text: str) -> Path:
    """The path of a file."""
    if not text or "\0" in text or os.path.isdir(text):
        raise UsageError(f"{text!r} is not the path of a file")
    return Path(text)


def refuse_shared(files: Iterable[tuple[str, Path | None]]) -> None:
    """Raises UsageError where reports of two kinds, by their names, are to be written to one regular file."""
    names: dict[object, str] = {}
    for name, path in files:
        if path is not None and (other := names.setdefault(identity(path), name)) != name:
            raise UsageError(f"{other} and {name} are both to be written to {str(path)!r}: name two files")


def identity(path: Path) -> object:
    """What two paths share that lead to one regular file, or to one that is not there yet; nothing else does."""
    try:
        found = path.stat()
    except OSError:
        return os.path.realpath(path)
    regular = stat.S_ISREG(found.st_mode) and str(path.parent) not in STREAMS
    return (found.st_dev, found.st_ino) if regular else object()


STREAMS = ("/dev", "/dev/fd", "/proc/self/fd")  # standard output may be a regular file, and be named more than once


@dataclass(frozen=True)
class Revision:
    """A commit of a repository, by a name that git knows it by."""

    name: str

    def __str__(self) -> str:
        return GIT + self.name


GIT = "git:"


def baseline(text: str) -> Path | Revision:
    """The path of a stored report, or ``git:REV``."""
    return revision(text) if text.startswith(GIT) else file(text)


def revision(text: str) -> Revision:
    """What ``git:REV`` names. Raises UsageError."""
    if text == GIT:
        raise UsageError("git: names no revision, must be like git:main")
    return Revision(text.removeprefix(GIT))


def option(
    help: str,
    read: Callable[[str], Any] | None = None,
    *,
    default: Any = None,
    name: str = "",
    short: str = "",
    metavar: str = "",
    many: bool = False,
    elsewhere: str = "",
) -> Any:
    """A field that is an option.

    read       makes its value of a text; None for a switch, which is off by default, or on and then named ``no-...``
    name       on the command line, if it is not the field's;  short  one letter;  many  whether it may be repeated
    elsewhere  pytest's own option for the same thing, where it has one
    """
    told = {"help": help, "read": read, "name": name, "short": short, "metavar": metavar, "many": many}
    return field(default=default, metadata=told | {"elsewhere": elsewhere})


@dataclass(frozen=True)
class Options:
    """What a trial is told; the keywords of ``conformance.check``. Raises UsageError for what cannot be."""

    profile: Profile = option(f"How much to run: {', '.join(PROFILES)}.", profile, default="quick", metavar="NAME")
    workers: int | None = option(
        "Processes to run in; auto: as many as there are cores.", processes, short="n", metavar="N", elsewhere="-n"
    )
    seed: int = option("Of the random cases.", whole_number, default=0, metavar="N")
    budget: float | None = option("Time for random cases and the diagnosis: 60s, 2m.", seconds, metavar="TIME")
    time_limit: float | None = option(
        "Time for all of it; what was found until then is the verdict.", seconds, metavar="TIME"
    )
    call_limit: float | None = option(
        f"Time for one call of the target, {CALL_LIMIT:.0f}s if not given; {COMPILING} times that where it recompiles.",
        seconds, metavar="TIME",
    )  # fmt: skip
    memory_limit: int | None = option(
        f"Memory that one call may take beyond what was held before; {MEMORY_LIMIT // 2**30}G if not given.", memory,
        metavar="SIZE",
    )  # fmt: skip
    forbid: tuple[str, ...] = option(
        "A module that the target may not import, with all in it; may be repeated.",
        module,
        default=(),
        metavar="MODULE",
        many=True,
    )
    properties: tuple[str, ...] = option(
        "Only this property or chapter; may be repeated.", str, default=(), name="property", metavar="ID", many=True
    )
    require: tuple[str, ...] = option("The target must claim it.", str, default=(), metavar="CAPABILITY", many=True)
    stop_on_first: bool = option("Stop at the first failure.", default=False, short="x", elsewhere="-x")
    expected_failures: Path | None = option("TOML: what is known to fail, and why.", file, metavar="FILE")
    strict: bool = option("What is expected to fail must fail.", default=False)
    baseline: Path | Revision | None = option(
        "What failed in this report (JSON), or at git:REV, is no new failure.", baseline, metavar="FILE|git:REV"
    )
    diagnosis: bool = option("Do not look for the mistake that gives the target's numbers.", default=True)
    saved: bool = option("Neither judge nor keep counterexamples in .rnn-conformance.", default=True)
    in_process: bool = option("Call the target in this process: faster to debug, not protected.", default=False)
    verbose: bool = option(
        "Show all of the report: chapters, what was allowed and exercised, each property that was not claimed.",
        default=False, short="v", elsewhere="-v",
    )  # fmt: skip
    json: Path | None = option("Write the report there as JSON.", file, metavar="FILE")
    junitxml: Path | None = option("The same as JUnit XML.", file, metavar="FILE")
    html: Path | None = option("The same as a page.", file, metavar="FILE")
    summary: Path | None = option("The same as Markdown, for the summary of a job.", file, metavar="FILE")
    sarif: Path | None = option("The failures as SARIF 2.1.0, for code scanning.", file, metavar="FILE")
    badge: Path | None = option("The verdict as JSON for a badge of shields.", file, metavar="FILE")
    configuration: Path | None = None  # no option itself: the file that some of them come from

    def __post_init__(self) -> None:
        for given in declared_options():
            value = getattr(self, given.name)
            if given.metadata["many"]:
                value = several(given.name, value)
            elif given.metadata["read"] in (file, baseline) and value is not None:
                value = given.metadata["read"](str(value))
            elif given.metadata["read"] in (seconds, memory, processes) and isinstance(value, str):
                value = given.metadata["read"](value)
            object.__setattr__(self, given.name, value)
        for name in self.forbid:
            module(name)
        require_known("profile", self.profile, PROFILES)
        if isinstance(self.seed, bool) or not isinstance(self.seed, int):
            raise UsageError(f"seed is {self.seed!r}, must be a whole number")
        for name in ("workers", "budget", "time_limit", "call_limit", "memory_limit"):
            value = getattr(self, name)
            if value is not None and not (isinstance(value, (int, float)) and value > 0):
                raise UsageError(f"{name} is {value!r}, must be a positive number")
        refuse_shared(self.reports())
        if self.in_process:
            self.check_in_process()

    def reports(self) -> Iterator[tuple[str, Path | None]]:
        """The files to be written, each with the name of its format."""
        yield from ((name, getattr(self, name)) for name in REPORTS)

    def check_in_process(self) -> None:
        """Raises UsageError for what only another process can give."""
        asked = {
            "more than one worker": self.workers not in (None, 1),
            "a call limit": self.call_limit not in (None, CALL_LIMIT),
            "a memory limit": self.memory_limit not in (None, MEMORY_LIMIT),
            "a forbidden module": bool(self.forbid),
        }
        for what, given in asked.items():
            if given:
                raise UsageError(
                    f"{what} needs a target in a process of its own: leave out --in-process (in Python: "
                    "in_process=False)"
                )

    def without_saved(self) -> Options:
        """These options, without saved counterexamples."""
        return replace(self, saved=False)

    @property
    def random_cases(self) -> int:
        """How many random cases each property is judged on."""
        return PROFILES[self.profile]


class Keywords(TypedDict, total=False):
    """The options that all Python functions take as keywords, with what each of them may be given as.

    ``Options`` has their meaning. Times are seconds, or a text like ``"90s"`` or ``"2m"``; a size of memory is bytes,
    or a text like ``"512M"``; what may be repeated is one text or several.
    """

    budget: float | str | None
    time_limit: float | str | None
    call_limit: float | str | None
    memory_limit: int | str | None
    forbid: str | Iterable[str]
    properties: str | Iterable[str]
    require: str | Iterable[str]
    expected_failures: str | os.PathLike[str] | None
    strict: bool
    baseline: str | os.PathLike[str] | Revision | None
    diagnosis: bool
    saved: bool
    json: str | os.PathLike[str] | None
    junitxml: str | os.PathLike[str] | None
    html: str | os.PathLike[str] | None
    summary: str | os.PathLike[str] | None
    sarif: str | os.PathLike[str] | None
    badge: str | os.PathLike[str] | None


class CheckKeywords(Keywords, total=False):
    """What ``conformance.check`` takes besides a profile and a seed, but for ``progress``."""

    workers: int | str | None
    stop_on_first: bool
    verbose: bool
    in_process: bool


class ItemKeywords(Keywords, total=False):
    """What ``conformance.parametrize`` takes: pytest has workers and stops on its own."""

    profile: Profile
    seed: int
    in_process: bool


def declared_options() -> Iterator[Field[Any]]:
    """The options, as they are declared."""
    yield from (one for one in fields(Options) if "help" in one.metadata)


def spelled(one: Field[Any]) -> str:
    """The name of an option on the command line, without dashes in front; a switch that is on is turned off."""
    negative = one.metadata["read"] is None and one.default is True
    return ("no-" if negative else "") + (one.metadata["name"] or one.name).replace("_", "-")


def switch(one: Field[Any]) -> bool:
    """Whether an option takes no value."""
    return one.metadata["read"] is None


def values(given: dict[str, Any]) -> dict[str, Any]:
    """The fields of Options for what was given as texts and switches under the names that are spelled.

    None and an empty sequence stand for what was not given. Raises UsageError, naming the option.
    """
    found: dict[str, Any] = {}
    for one in declared_options():
        value = given.get(spelled(one))
        if value is None or value is False or value == () or value == []:
            continue
        found[one.name] = (not one.default) if switch(one) else option_value(one, value)
    return found


def option_value(one: Field[Any], value: Any) -> Any:
    """The value of an option from its text, or its texts; raises UsageError, naming the option."""
    try:
        if one.metadata["many"]:
            return tuple(map(one.metadata["read"], value))
        return one.metadata["read"](value)
    except UsageError as error:
        raise UsageError(f"{spelled(one)}: {error}") from None


def default_of(one: Field[Any]) -> Any:
    """The default of an option."""
    return None if one.default is MISSING else one.default


def explained() -> Iterator[str]:
    """A line for each option: its name in Python, its unit, and what it is for."""
    units = {seconds: "seconds, or a text like '90s' or '2m'", memory: "bytes, or a text like '512M' or '2G'"}
    for one in declared_options():
        unit = units.get(one.metadata["read"], "")
        switch = "" if one.metadata["read"] else f"={not one.default}"  # its help says what it does where it is turned
        yield f"{one.name}{switch}  {one.metadata['help']}" + (f" Given as {unit}." if unit else "")


Options.__doc__ = "\n".join([Options.__doc__ or "", "", *explained()])
