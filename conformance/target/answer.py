"""What came back from one call of a target."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Problem:
    """Why there is no result: ``kind`` for the machine, ``message`` for a person."""

    kind: str
    message: str
    where: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Answer:
    """The arrays of a result and what else was seen, or the problem that stood in their way.

    dtypes   of each array as it was returned; None for plain numbers
    changed  names of arrays of the case that the call changed
    shared   pairs of a result and what it shares memory with
    """

    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    dtypes: dict[str, str | None] = field(default_factory=dict)
    changed: list[str] = field(default_factory=list)
    shared: list[tuple[str, str]] = field(default_factory=list)
    problem: Problem | None = None

    @classmethod
    def of(cls, reply: dict[str, Any]) -> Answer:
        """The answer in a reply of ``child.Session``."""
        if "problem" in reply:
            return cls(problem=Problem(**reply["problem"]))
        seen = {name: reply[name] for name in ("dtypes", "changed")}
        return cls(reply["arrays"], shared=[tuple(pair) for pair in reply["shared"]], **seen)
