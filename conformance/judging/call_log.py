"""What one instance of a target was given, call by call, and what it answered."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection

from conformance.harness.answer import Answer
from conformance.harness.call import Call

MOST = 1024  # calls whose answers are kept: no check of a property makes as many, nor those that are repeated
LARGEST = 2**26  # bytes of calls that are kept beyond that


class Record:
    """The calls of one instance.

    made      those of the check that is going on, with their answers;  earlier: those before it, in turn
    complete  whether these are all: where they take too much memory, the first ones are forgotten
    left_out  calls that are not made, by their place among those of the check, with the answers that they get
    plain     whether all arrays are given in C order and writeable, however a property made them
    anew      whether every call is given new arrays, and none is written into those of the call before
    """

    def __init__(self, anew: bool = False) -> None:
        self.made: deque[tuple[Call, Answer]] = deque(maxlen=MOST)
        self.earlier: deque[Call] = deque()
        self.complete = True
        self.left_out: dict[int, Answer] = {}
        self.plain = False
        self.anew = anew
        self.count = 0
        self.size = 0
        self.begun = 0

    def begin(self) -> None:
        """Another check begins."""
        for call, _ in self.made:
            self.earlier.append(call)
            self.size += call.size
        while self.size > LARGEST:
            self.size -= self.earlier.popleft().size
            self.complete = False
        self.made.clear()
        self.begun = self.count

    @property
    def in_place(self) -> bool:
        """Whether the next call is written into the arrays of the call before: every other one of a check is."""
        return (self.count - self.begun) % 2 == 1

    def remembered(self) -> Answer | None:
        """The answer to the next call, if it is one that is left out."""
        return self.left_out.get(self.count - self.begun)

    def add(self, call: Call, answer: Answer) -> None:
        """Notes a call and its answer."""
        self.made.append((call, answer))
        self.count += 1

    def call_of(self, answer: Answer) -> Call | None:
        """The call of the check that got this very answer."""
        return next((call for call, given in self.made if given is answer), None)

    def calls_of(self, about: Collection[object]) -> list[Call]:
        """The calls of some runs and answers, in the order in which they were made; the last one if there are none."""
        calls = [call for one in about for call in (getattr(one, "calls", None) or [self.call_of(one)])]  # type: ignore[arg-type]
        mine = [call for call, _ in self.made if call in calls]
        return mine or [call for call, _ in self.made][-1:]
