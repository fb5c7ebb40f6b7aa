"""What came back from one call of a target."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np

from .text import LINE, MESSAGE, visible

MOST_PLACES = 3


DEATHS = {"hang", "crash", "exit", "memory", "protocol"}  # kinds of problems after which the process is no more


@dataclass(frozen=True)
class Problem:
    """Why there is no result: ``kind`` for the machine, ``message`` for a person; whatever was said is plain text.

    where  the last places in the target's own code;  exception  the name of its type, if one was raised
    """

    kind: str
    message: str
    where: list[str] = field(default_factory=list)
    exception: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "message", visible(self.message, MESSAGE))
        object.__setattr__(self, "where", [visible(place, LINE) for place in self.where[-MOST_PLACES:]])
        object.__setattr__(self, "exception", visible(self.exception, LINE))


@dataclass(frozen=True)
class Answer:
    """The arrays of a result and what else was seen, or the problem that stood in their way.

    dtypes   of each array as it was returned; None for plain numbers
    changed  names of arrays of the case that the call changed
    shared   pairs of a result and what it shares memory with
    seconds  of CPU that the call took; 0 where nobody measured it
    """

    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    dtypes: dict[str, str | None] = field(default_factory=dict)
    changed: list[str] = field(default_factory=list)
    shared: list[tuple[str, str]] = field(default_factory=list)
    problem: Problem | None = None
    seconds: float = 0.0

    @classmethod
    def of(cls, reply: dict[str, Any]) -> Answer:
        """The answer in a reply of ``child.Session``."""
        if "problem" in reply:
            return cls(problem=Problem(**reply["problem"]))
        arrays = {plain_name(name): array for name, array in reply.get("arrays", {}).items()}
        dtypes = {plain_name(name): dtype and plain_name(dtype) for name, dtype in reply.get("dtypes", {}).items()}
        shared = [(plain_name(one), plain_name(other)) for one, other in reply.get("shared", [])]
        return cls(
            arrays,
            dtypes,
            [plain_name(name) for name in reply.get("changed", [])],
            shared,
            seconds=reply.get("seconds", 0.0),
        )


@lru_cache(4096)
def plain_name(name: str) -> str:
    """A name that a target gave, as plain text."""
    return visible(name, LINE)
