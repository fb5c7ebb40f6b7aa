"""How much a diagnosis may do: counted, so that a busy machine finds what an idle one does."""

from __future__ import annotations

import time
from math import inf

# Calls of the target for each cell that it claims: about twice as many as there are probes for one. The rest is for
# lower layers run alone, and for what a new instance gets right.
CALLS = 240
DEAR_CALLS = 60  # of all cells, where a new shape is dear
EXPERIMENTS = 3_000  # calls for what is measured, for each cell
DEAR_EXPERIMENTS = 600  # of few shapes
PROCESS = 100  # calls that starting a process is worth
EVALUATIONS = 8_000  # of faulty references, of which a second holds five hundred to two thousand
LIKENESS = 2_000  # the same, for what is wrong alike
JUDGEMENTS = 900  # the same, for what fails in the same words

OUT_OF_TIME = "the diagnosis ended with its time, before all was tried"


class Deadline:
    """The end of a time.

    met  whether something was left out for it
    """

    def __init__(self, seconds: float = inf) -> None:
        self.at = time.monotonic() + seconds
        self.met = False

    @property
    def over(self) -> bool:
        """Whether the time has passed; who asks leaves out what was to come."""
        passed = time.monotonic() > self.at
        self.met |= passed
        return passed


class Work:
    """Calls or evaluations that are left.

    left      how many
    deadline  after which nothing is left
    """

    def __init__(self, left: float, deadline: Deadline | None = None) -> None:
        self.left = left
        self.deadline = deadline or Deadline()

    @property
    def over(self) -> bool:
        """Whether nothing is left."""
        return self.left <= 0 or self.deadline.over

    def spend(self, units: float = 1) -> None:
        """So much has been done."""
        self.left -= units
