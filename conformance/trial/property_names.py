"""Names of properties that others keep in their files: an old one is accepted for a release, and said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from conformance.judging.properties import Property

from .options import require_known

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

    def among(self, name: str) -> tuple[str, ...]:
        """The properties that a name stands for: one, or all of a chapter. Raises UsageError if there is none."""
        now = self.current(name)
        chapters = dict.fromkeys(id.partition(".")[0] for id in self.properties)
        require_known("property", now, [*chapters, *self.properties])
        return tuple(id for id in self.properties if now in (id, id.partition(".")[0]))

    def keyed(self, values: Mapping[str, Value]) -> dict[str, Value]:
        """What is kept by property, by today's names."""
        return {self.current(name): value for name, value in values.items()}
