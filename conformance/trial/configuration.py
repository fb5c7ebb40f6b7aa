"""What a project says of its trials: ``[tool.rnn-conformance]`` in its pyproject.toml, or rnn-conformance.toml.

    [tool.rnn-conformance]
    profile = "standard"

    [tool.rnn-conformance.targets.mine]
    target = "src/my_rnn.py"
    expected-failures = "known.toml"

Keys are the options of the command line without their dashes in front; paths are relative to the file.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import Field, dataclass, field
from pathlib import Path
from typing import Any

from conformance.harness.child import LoadError
from conformance.harness.files import FileError, read_toml
from conformance.harness.load import SHIPPED, move_target, spec_of
from conformance.harness.text import LINE, visible

from . import options
from .options import Options, UsageError, declared_options, refuse_shared, require_known, spelled, switch

TOOL = "rnn-conformance"
OWN, SHARED = "rnn-conformance.toml", "pyproject.toml"  # in a folder that has both, the first is read
TARGETS, TARGET = "targets", "target"
NAME = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True)
class Job:
    """One trial that is asked for: its target and its options; refusal: why it is not even loaded."""

    target: str
    options: Options
    refusal: str = ""

    @property
    def name(self) -> str:
        """The target as people read it."""
        return visible(self.target, LINE)

    @property
    def file(self) -> str:
        """The file that it names; empty for a command, a chain or a module."""
        with contextlib.suppress(LoadError):
            return "" if self.target.startswith("cmd:") else spec_of(self.target)[1].get("file", "")
        return ""


@dataclass(frozen=True)
class Configuration:
    """What a file says; without a file, nothing.

    common  fields of Options, for every trial;  targets  by name, what is judged and fields of Options for that
    """

    file: Path | None = None
    common: Mapping[str, Any] = field(default_factory=dict)
    targets: Mapping[str, tuple[str, Mapping[str, Any]]] = field(default_factory=dict)

    def job(self, target: str, given: Mapping[str, Any]) -> Job:
        """The trial of a target, or of what has this name here; what is given goes before what the file says."""
        text, own = self.targets.get(target, (target, {}))
        return Job(text, Options(**{**self.common, **own, **given, "configuration": self.file}))

    def jobs(self, given: Mapping[str, Any]) -> list[Job]:
        """The trials of all targets that have a name here. Raises UsageError if none has."""
        if not self.targets:
            place = self.file or SHARED
            raise UsageError(
                f"no TARGET is given, and {place} names none: rnn-conformance check my_rnn.py, or a table "
                f"[tool.{TOOL}.{TARGETS}.NAME] with {TARGET} = 'my_rnn.py' in {SHARED}"
            )
        trials = [self.job(name, given) for name in self.targets]
        refuse_shared(report for one in trials for report in one.options.reports())
        return trials


def find_configuration(folder: Path) -> Configuration:
    """The configuration of a folder: of the first file with one, from there upwards, up to where .git is.

    Raises UsageError, naming the file, for whatever in it is wrong.
    """
    for place in upwards(folder):
        for name in (OWN, SHARED):
            file = place / name
            if file.exists() and (table := table_of(file)) is not None:
                return read_table(file, table)
    return Configuration()


def upwards(folder: Path) -> Iterator[Path]:
    """A folder and those that it lies in, up to the root of its repository."""
    for place in (folder, *folder.parents):
        yield place
        if (place / ".git").exists():
            return


def table_of(file: Path) -> Any:
    """What a file says of our trials; None where it says nothing. Raises UsageError if it cannot be read."""
    try:
        data = read_toml(file)
    except FileError as error:
        raise UsageError(f"{relative_path(file)} cannot be read: {error}") from None
    if file.name == OWN:
        return data
    tool = data.get("tool")
    return tool.get(TOOL) if isinstance(tool, dict) else None


def relative_path(file: Path) -> Path:
    """A file as seen from the working directory."""
    return Path(os.path.relpath(file))


def read_table(file: Path, table: Any) -> Configuration:
    """The configuration in a table of a file. Raises UsageError."""
    try:
        common = dict(check_table(table, f"[tool.{TOOL}]" if file.name == SHARED else "the file"))
        targets = check_table(common.pop(TARGETS, {}), TARGETS)
        named = {name: named_target(name, told, file.parent) for name, told in targets.items()}
        return Configuration(relative_path(file), fields_of(common, file.parent, [TARGETS]), named)
    except UsageError as error:
        raise UsageError(f"{relative_path(file)}: {error}") from None


def named_target(name: str, told: Any, folder: Path) -> tuple[str, Mapping[str, Any]]:
    """A target and the options of its trial. Raises UsageError."""
    where = f"{TARGETS}.{name}"
    if name in SHIPPED:
        raise UsageError(f"{where}: {name} is the name of a shipped target; choose another")
    if not NAME.fullmatch(name):
        raise UsageError(f"{TARGETS} has {name!r}, must be a name of letters, digits, - and _")
    own = dict(check_table(told, where))
    target = own.pop(TARGET, None)
    if not isinstance(target, str) or not target:
        said = "is missing" if target is None else f"is {target!r}"
        raise UsageError(f"{where}: {TARGET} {said}, must be a text such as 'my_rnn.py'")
    try:
        return move_target(target, folder), fields_of(own, folder, [TARGET])
    except ValueError as error:
        raise UsageError(f"{where}: {error}") from None


def check_table(told: Any, where: str) -> Mapping[str, Any]:
    """What must be a table; raises UsageError if it is none."""
    if not isinstance(told, dict):
        raise UsageError(f"{where} is {told!r}, must be a table")
    return told


def fields_of(told: Mapping[str, Any], folder: Path, others: list[str]) -> dict[str, Any]:
    """The fields of Options for the keys of a table; others: the keys that are read elsewhere. Raises UsageError."""
    by_name = {spelled(one): one for one in declared_options()}
    values: dict[str, Any] = {}
    for key, value in told.items():
        require_known("key", key, [*by_name, *others])
        one = by_name[key]
        values[one.name] = field_of(one, value, folder)
    return values


def field_of(one: Field[Any], value: Any, folder: Path) -> Any:
    """The value of a field from that of its key. Raises UsageError, naming the key."""
    name = spelled(one)
    if switch(one):
        if not isinstance(value, bool):
            raise UsageError(f"{name} is {value!r}, must be true or false")
        return one.default != value
    if one.metadata["many"]:
        texts = [value] if isinstance(value, str) else value
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            raise UsageError(f"{name} is {value!r}, must be a text or a list of texts")
        return options.option_value(one, texts)
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise UsageError(f"{name} is {value!r}, must be a text or a number")
    made = options.option_value(one, str(value))
    return path_beside(made, folder) if isinstance(made, Path) else made


def path_beside(path: Path, folder: Path) -> Path:
    """A path of a file in a folder, as seen from the working directory."""
    return path if path.is_absolute() else Path(os.path.relpath(folder / path))


# ---------------------------------------------------------------- for editors

SHAPES: dict[Any, dict[str, Any]] = {
    str: {"type": "string"},
    options.profile: {"enum": list(options.PROFILES)},
    options.whole_number: {"type": "integer"},
    options.seconds: {"type": ["string", "number"], "pattern": r"^\d{1,9}(\.\d+)?(s|m|h)?$", "exclusiveMinimum": 0},
    options.memory: {"type": "string", "pattern": r"^\d{1,6}(\.\d+)?[MG]i?B?$"},
    options.processes: {"anyOf": [{"const": "auto"}, {"type": "integer", "minimum": 1, "maximum": 9999}]},
    options.module: {"type": "string", "pattern": r"^[^\W\d]\w*(\.[^\W\d]\w*)*$"},
    options.file: {"type": "string", "minLength": 1},
    options.baseline: {"type": "string", "minLength": 1, "not": {"const": options.GIT}},
    None: {"type": "boolean"},
}


def schema() -> dict[str, Any]:
    """The JSON Schema of the table, as it is stored for editors."""
    keys = {spelled(one): value_schema(one) for one in declared_options()}
    target = {"type": "string", "minLength": 1, "description": "What is judged, as rnn-conformance check takes it."}
    named = {
        "type": "object",
        "properties": {TARGET: target} | keys,
        "required": [TARGET],
        "additionalProperties": False,
    }
    names = {"pattern": f"^{NAME.pattern}$", "not": {"enum": list(SHIPPED)}}
    targets = {"type": "object", "propertyNames": names, "additionalProperties": named}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"[tool.{TOOL}] of pyproject.toml, or {OWN}",
        "type": "object",
        "properties": {TARGETS: targets} | keys,
        "additionalProperties": False,
    }


def value_schema(one: Field[Any]) -> dict[str, Any]:
    """What the value of a key may be."""
    value = SHAPES[one.metadata["read"]]
    if one.metadata["many"]:
        value = {"anyOf": [value, {"type": "array", "items": value}]}
    return {"description": one.metadata["help"], **value}
