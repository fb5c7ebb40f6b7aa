"""Names of properties that others keep in their files: an old one is accepted for a release, and said."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TypeVar

from conformance.judging.properties import Property

from .options import known

Properties = Mapping[str, Property]
Value = TypeVar("Value")


class Names:
    """Today's names of properties; said: a line for each old one that was used."""

    def __init__(self, properties: Properties) -> None:
        self.properties = properties
        self.old = {old: id for id, prop in properties.items() for old in prop.formerly}
        self.said: dict[str, None] = {}

    def current(self, name: str) -> str:
        """Today's name of a property, or the name itself where there is none."""
        if name in self.properties or name not in self.old:
            return name
        now = self.old[name]
        self.said[f"{name} is called {now} now; the old name is accepted until the next release"] = None
        return now

    def known(self, name: str, others: Collection[str] = ()) -> str:
        """The same; raises UsageError if it is the name of nothing. others: what may be named besides."""
        now = self.current(name)
        known("property", now, [*others, *self.properties])
        return now

    def keyed(self, values: Mapping[str, Value]) -> dict[str, Value]:
        """What is kept by property, by today's names."""
        return {self.current(name): value for name, value in values.items()}
