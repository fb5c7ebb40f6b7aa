"""Plain data as typed records: the one reader of what stands in files that others wrote.

A record is a dataclass: its annotations say what each key holds, ``Annotated[int, Meta(ge=0)]`` how large it may be.

    @dataclass(frozen=True)
    class Entry:
        name: str
        times: Annotated[int, Meta(ge=1, le=100)] = 1

    entry = record(Entry, {"name": "x", "times": 0})  # RecordError: times is 0, must be at least 1
"""

from __future__ import annotations

import contextlib
import re
import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from .text import short

Reader = Callable[[Any], Any]  # the value that some data stands for; raises RecordError

KINDS = {
    str: "a text", bool: "true or false", int: "a whole number", float: "a number", type(None): "null",
    dict: "an object", list: "a list",
}  # fmt: skip


class RecordError(ValueError):
    """Some data is not what a record holds; the message names the key, what it has and what it must have."""

    def __init__(self, said: str, place: str = "") -> None:
        self.said, self.place = said, place

    def __str__(self) -> str:
        return f"{self.place.lstrip('.') or 'it'} {self.said}"

    def within(self, step: str) -> RecordError:
        """This error as one of the record around it, whose key is put before."""
        return RecordError(self.said, step + self.place)


@dataclass(frozen=True)
class Meta:
    """The range of a value: of a number, of how many entries or characters it has, of the pattern of a text."""

    ge: float | None = None
    le: float | None = None
    min_length: int | None = None
    max_length: int | None = None
    pattern: str | None = None

    def check(self, value: Any) -> None:
        """Raises RecordError for a value outside."""
        if self.pattern is not None and not re.fullmatch(self.pattern, value):
            words = self.pattern.split("|")
            listed = f"be one of {', '.join(words)}" if all(map(str.isidentifier, words)) else f"match {self.pattern}"
            raise RecordError(f"is {short(value)}, must {listed}")
        if self.ge is not None and not value >= self.ge:
            raise RecordError(f"is {short(value)}, must be at least {self.ge}")
        if self.le is not None and not value <= self.le:
            raise RecordError(f"is {short(value)}, must be at most {self.le}")
        if self.min_length is not None and len(value) < self.min_length:
            raise RecordError(f"has {len(value):,} entries, must have at least {self.min_length:,}")
        if self.max_length is not None and len(value) > self.max_length:
            raise RecordError(f"has {len(value):,} entries, must have at most {self.max_length:,}")


class Excerpt:
    """The base of records of which a file may say more: other keys are passed over."""


def record(kind: Any, data: Any) -> Any:
    """The value of a type that some plain data stands for. Raises RecordError."""
    return reader(kind)(data)


@cache
def reader(kind: Any) -> Reader:
    """The reader of a type: of texts, numbers, literals, lists, tuples, sets, dicts, unions, records."""
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is Any:
        return lambda data: data
    if origin is Annotated:
        return ranged(reader(arguments[0]), [meta for meta in arguments[1:] if isinstance(meta, Meta)])
    if origin is Literal:
        return one_of(arguments)
    if origin in (Union, types.UnionType):
        return union(arguments)
    if origin in (list, set, frozenset) or (origin is tuple and arguments[-1:] == (...,)):
        return entries(origin, reader(arguments[0]))
    if origin is tuple:
        return exactly(arguments)
    if origin in (dict, Mapping):
        return by_key(reader(arguments[0]), reader(arguments[1]))
    if is_dataclass(kind):
        return of_record(kind)
    return plain_reader(kind)


def plain_reader(kind: type) -> Reader:
    """The reader of a text, a number, a flag or nothing; an integer is a number too."""

    def read(data: Any) -> Any:
        if type(data) is kind:
            return data
        if kind is float and type(data) is int:
            return float(data)
        raise RecordError(f"is {short(data)}, must be {KINDS[kind]}")

    return read


def one_of(values: tuple[Any, ...]) -> Reader:
    """The reader of one of some values."""
    listed = ("one of " if len(values) > 1 else "") + ", ".join(map(str, values))

    def read(data: Any) -> Any:
        if not any(type(data) is type(value) and data == value for value in values):
            raise RecordError(f"is {short(data)}, must be {listed}")
        return data

    return read


def ranged(read: Reader, metas: list[Meta]) -> Reader:
    """The reader of what lies within a range, too."""

    def within(data: Any) -> Any:
        value = read(data)
        for meta in metas:
            meta.check(value)
        return value

    return within


def entries(make: Callable[[Any], Any], read: Reader) -> Reader:
    """The reader of a list of things of one kind."""
    return lambda data: make(inner(read, one, f"[{number}]") for number, one in enumerate(of_kind(data, list)))


def exactly(kinds: tuple[Any, ...]) -> Reader:
    """The reader of a list of so many things, each of its kind."""
    readers = [reader(kind) for kind in kinds]

    def read(data: Any) -> Any:
        if len(of_kind(data, list)) != len(readers):
            raise RecordError(f"has {len(data):,} entries, must have {len(readers)}")
        return tuple(inner(one, part, f"[{number}]") for number, (one, part) in enumerate(zip(readers, data)))

    return read


def by_key(key: Reader, value: Reader) -> Reader:
    """The reader of an object whose keys are not known before."""

    def read(data: Any) -> Any:
        return {inner(key, name, f"[{short(name)}]"): inner(value, one, f"[{short(name)}]")
                for name, one in of_kind(data, dict).items()}  # fmt: skip

    return read


def union(kinds: tuple[Any, ...]) -> Reader:
    """The reader of one of several types; of those of the data's plain type, the last one says what is wrong."""
    readers = [(base(kind), reader(kind)) for kind in kinds]
    names = " or ".join(dict.fromkeys(KINDS[plain] for plain, _ in readers))

    def read(data: Any) -> Any:
        fitting = [one for plain, one in readers if plain is type(data) or (plain is float and type(data) is int)]
        for one in fitting[:-1]:
            with contextlib.suppress(RecordError):
                return one(data)
        if not fitting:
            raise RecordError(f"is {short(data)}, must be {names}")
        return fitting[-1](data)

    return read


def base(kind: Any) -> Any:
    """The plain type of what a type describes."""
    origin = get_origin(kind)
    if origin is Annotated:
        return base(get_args(kind)[0])
    if origin is Literal:
        return type(get_args(kind)[0])
    return dict if is_dataclass(kind) else origin or kind


def of_record(kind: Any) -> Reader:
    """The reader of a record: every key that has no default, and no others."""
    hints = get_type_hints(kind, include_extras=True)
    known = {one.name: reader(hints[one.name]) for one in fields(kind) if one.init}
    needed = [f.name for f in fields(kind) if f.init and f.default is MISSING and f.default_factory is MISSING]
    strict = not issubclass(kind, Excerpt)

    def read(data: Any) -> Any:
        for name in of_kind(data, dict):
            if strict and name not in known:
                raise RecordError(f"has an unknown key {short(name)}; the keys are {', '.join(known)}")
        for name in needed:
            if name not in data:
                raise RecordError(f"has no {name}")
        return kind(**{name: inner(known[name], data[name], f".{name}") for name in known if name in data})

    return read


def inner(read: Reader, data: Any, place: str) -> Any:
    """What a reader makes of a part of some data. Raises RecordError with its place."""
    try:
        return read(data)
    except RecordError as error:
        raise error.within(place) from None


def of_kind(data: Any, kind: type) -> Any:
    """The data, if it is of this plain type. Raises RecordError."""
    if type(data) is not kind:
        raise RecordError(f"is {short(data)}, must be {KINDS[kind]}")
    return data
