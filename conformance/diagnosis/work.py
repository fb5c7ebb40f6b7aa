"""How much a diagnosis may do: counted, so that a busy machine finds what an idle one does."""

from __future__ import annotations

import time

CALLS = 600  # of the target, about twice as many as there are probes for one that claims everything
DEAR_CALLS = 60  # where a new shape is dear
EXPERIMENTS = 1_500  # calls for what is measured, of one cell
DEAR_EXPERIMENTS = 600  # of few shapes
EVALUATIONS = 6_000  # of faulty references, of which a second holds five hundred to two thousand
LIKENESS = 2_000  # the same, for what is wrong alike
JUDGEMENTS = 900  # the same, for what fails in the same words


class Work:
    """Calls and evaluations that are left; what is spent here is spent there too if it is a part of other work.

    left      how many
    deadline  on the clock of time.monotonic, after which nothing is left
    """

    def __init__(self, left: float, deadline: float, whole: Work | None = None) -> None:
        self.left = left
        self.deadline = deadline
        self.whole = whole

    @property
    def over(self) -> bool:
        """Whether nothing is left."""
        return self.left <= 0 or time.monotonic() > self.deadline or bool(self.whole and self.whole.over)

    def spend(self, units: float = 1) -> None:
        """So much has been done."""
        self.left -= units
        if self.whole:
            self.whole.spend(units)

    def part(self, share: float) -> Work:
        """A share of what is left, to be spent of this."""
        return Work(share * self.left, self.deadline, self)
