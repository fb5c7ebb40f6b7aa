"""Parts of a network that may have code of their own, and so mistakes of a step that others do not have."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from reference_rnn import Case

# Those that go by a layer and a direction,
DIRECTIONS: dict[str, Callable[[int, int], bool]] = {
    "the reverse direction": lambda layer, direction: direction == 1,
    "the forward direction": lambda layer, direction: direction == 0,
}
LAYERS: dict[str, Callable[[int, int], bool]] = {
    "layer 0": lambda layer, direction: layer == 0,
    "each upper layer": lambda layer, direction: layer > 0,
}
# or by a step, the lengths of rows and a direction: of each row, whether it is made there.
STEPS: dict[str, Callable[[int, np.ndarray, int], np.ndarray]] = {
    "the first step": lambda t, lengths, direction: lengths == t + 1 if direction else lengths * 0 == t,
    "the last step": lambda t, lengths, direction: lengths * 0 == t if direction else lengths == t + 1,
    "each step after the first": lambda t, lengths, direction: lengths != t + 1 if direction else lengths * 0 != t,
    "the step that is computed first": lambda t, lengths, direction: (
        0 * lengths + t == (max(lengths.tolist(), default=0) - 1 if direction else 0)
    ),
}


class Turn(NamedTuple):
    """A step as it is computed: t of so many, where rows end (N,), and in which direction."""

    t: int
    num_steps: int
    lengths: np.ndarray
    direction: int

    @property
    def places(self) -> np.ndarray:
        """The place of each row, (N,), where the longest come first."""
        return np.argsort(np.argsort(-self.lengths, kind="stable"))

    @property
    def own(self) -> np.ndarray:
        """Its number in each row, (N,), in the order of computing, which begins where a row ends in reverse."""
        return self.lengths - 1 - self.t if self.direction else self.t + 0 * self.lengths

    @property
    def running(self) -> np.ndarray:
        """How many rows run when each row takes this step, (N,), where all begin at once."""
        return (self.lengths > self.own[:, None]).sum(1)

    @property
    def longest(self) -> int:
        """How many steps the longest row has; 0 if there is none."""
        return max(self.lengths.tolist(), default=0)

    def in_order(self, num_steps: int) -> int:
        """Its number among so many in the order of computing."""
        return num_steps - 1 - self.t if self.direction else self.t


Counted = Callable[[Turn, int], tuple[Any, Any]]
# What may be taken in blocks, by the axis whose size they follow from: the number of each, and how many there are, as
# (N, H) or what broadcasts to it; width: H.
COUNTED: dict[str, dict[str, Counted]] = {
    "H": {"units": lambda turn, width: (np.arange(width), width)},
    "N": {
        "rows": lambda turn, width: (np.arange(len(turn.lengths))[:, None], len(turn.lengths)),
        "rows, as they are packed,": lambda turn, width: (turn.places[:, None], int((turn.lengths > turn.t).sum())),
        "rows, as they are packed in the order of computing,": lambda turn, width: (
            turn.places[:, None], turn.running[:, None]
        ),
    },
    "T": {
        "steps": lambda turn, width: (turn.t, turn.num_steps),
        "steps, in the order of computing,": lambda turn, width: (turn.in_order(turn.num_steps), turn.num_steps),
        "steps of the longest row": lambda turn, width: (turn.t, turn.longest),
        "steps of the longest row, in the order of computing,": lambda turn, width: (
            turn.in_order(turn.longest), turn.longest
        ),
        "steps of each row": lambda turn, width: (turn.t, turn.lengths[:, None]),
        "steps of each row, in the order of computing,": lambda turn, width: (
            turn.own[:, None], turn.lengths[:, None]
        ),
    },
}  # fmt: skip
# Which of n, with numbers k from 0 on, have code of their own where others are taken in blocks of m.
BESIDE: dict[str, Callable[[Any, int, int], Any]] = {
    "beyond the last whole block of {m}": lambda k, n, m: k >= n // m * m,
    "beyond the last whole block of {m} where there is one": lambda k, n, m: (k >= n // m * m) & (n >= m),
    "beyond the last whole block of {m} where there are two": lambda k, n, m: (k >= n // m * m) & (n >= 2 * m),
    "left alone beyond the last whole block of {m}": lambda k, n, m: (k >= n // m * m) & (n > m) & (n % m == 1),
    "that two blocks of {m} have, as the last is moved back to be whole": lambda k, n, m: (
        (k >= n - m) & (k < n // m * m) & (n > m) & (n % m > 0)
    ),
    "beyond the first block of {m}": lambda k, n, m: k >= m,
    "in whole blocks of {m}": lambda k, n, m: k < n // m * m,
    "that begin a block of {m} but the first": lambda k, n, m: (k % m == 0) & (k > 0),
}


@dataclass(frozen=True)
class Share:
    """The part of a network that has code of its own beside blocks of so many.

    axis  a key of ``COUNTED``;  counted: what is taken in blocks, a key of what is there
    which  of these, a key of ``BESIDE``;  size: of a block
    """

    axis: str
    counted: str
    which: str
    size: int

    def __str__(self) -> str:
        """It in words.

        >>> str(Share("H", "units", "in whole blocks of {m}", 8))
        'units in whole blocks of 8'
        """
        return f"{self.counted} {self.which.format(m=self.size)}"

    def shows(self, n: int) -> bool:
        """Whether it has anything where there are so many of what it counts.

        >>> [Share("N", "rows", "beyond the last whole block of {m}", 4).shows(n) for n in (3, 4, 5)]
        [True, False, True]
        """
        return bool(np.any(BESIDE[self.which](np.arange(n), n, self.size)))

    def numbers(self, case: Case) -> bytes:
        """Which numbers of the steps of a case belong to it: the same for parts that are the same there."""
        return b"".join(self.there(turn, case.config.hidden_size).tobytes() for turn in turns_of(case))

    def there(self, turn: Turn, width: int) -> Any:
        """Whether each number of a step's result (N, H) belongs to it; width: H."""
        k, n = COUNTED[self.axis][self.counted](turn, width)
        return np.broadcast_to(BESIDE[self.which](k, n, self.size), (len(turn.lengths), width))


def turns_of(case: Case) -> Iterator[Turn]:
    """The steps of a layer of a case, in each direction."""
    for direction, t in product(range(case.config.num_directions), range(case.num_steps)):
        yield Turn(t, case.num_steps, case.row_lengths, direction)


def extent(part: str | Share, case: Case) -> bool | None:
    """Whether a part is all of the network of a case, or nothing of it; None where it is some of it.

    >>> from reference_rnn import case
    >>> small = case("GRU", T=1, N=1, I=1, H=1, L=2)
    >>> [extent(part, small) for part in ("the forward direction", "the last step", "the reverse direction", "layer 0")]
    [True, True, False, None]
    """
    config = case.config
    if isinstance(part, Share):
        there = [part.there(turn, config.hidden_size) for turn in turns_of(case)]
    elif part in STEPS:
        there = [STEPS[part](turn.t, turn.lengths, turn.direction) for turn in turns_of(case)]
    else:
        places = product(range(config.num_layers), range(config.num_directions))
        there = [np.array((DIRECTIONS | LAYERS)[part](*place)) for place in places]
    if not any(map(np.any, there)):
        return False
    return True if all(map(np.all, there)) else None
