"""What gradients read: each element that goes in is changed alone, those of cotangents too, and gradients move or not.

A gradient that a step, a gate or a direction leaves out does not move with what that hands back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from conformance.judging.gradients import accepted_cotangents, cotangents, gradient_run
from conformance.judging.oracle import applicable
from reference_rnn import Case, Config, gradients

from .asking import Bench, mapped
from .influence import (
    ELEMENTS,
    FAINT,
    FEW,
    LAST,
    MORE,
    ONE,
    ONE_STEP,
    Experiment,
    built,
    influence,
    places,
    results,
    sources,
    where,
    with_other_signs,
)
from .sentences import Element, Pairs

APART = {  # steps of which each hands back for itself
    "19 steps where weight_hh is 0": ONE | {"T": 19, "H": 2, "weight_hh": 0},
    "three steps with a projection where weight_hh is 0": ONE | {"T": 3, "P": 2, "weight_hh": 0},
}
LADDER = ONE_STEP | MORE | LAST | APART
MANY = 16  # pairs that do not move at all for each that does a little


@dataclass(frozen=True)
class Question:
    """What gradients are asked for with: a case, and its cotangents by name."""

    case: Case
    d: dict[str, Any]

    @property
    def config(self) -> Config:
        """That of the case."""
        return self.case.config

    @property
    def num_steps(self) -> int:
        """Those of the case."""
        return self.case.num_steps

    def arrays(self) -> dict[str, np.ndarray]:
        """All that goes in, by name."""
        return {**dict(self.case.arrays()), **self.d}


class Backward(Experiment):
    """The same for gradients."""

    told = "gradients"

    def question(self, case: Case) -> Question:
        """The case and its cotangents, those that the target takes."""
        return Question(case, accepted_cotangents(self.bench.subject, cotangents(case)))

    @property
    def timed(self) -> None:
        """A gradient belongs to no step."""
        return None

    def given_elements(self, few: bool) -> Iterator[Element]:
        """What goes forward, and what comes back."""
        case, d = self.case.case, self.case.d
        yield from sources(case, np.random.default_rng(0), few)
        back = [Element(f"d_{e.name}", e.index, e.at | {"array": f"d_{e.name}"}) for e in results(case)]
        for name in d:
            mine = [element for element in back if element.name == name]
            most = FEW // len(d) if few else ELEMENTS
            yield from (mine[k] for k in sorted(np.random.default_rng(0).permutation(len(mine))[:most].tolist()))

    def told_elements(self) -> Iterator[Element]:
        """Each element of a gradient is where that is which it belongs to."""
        case = self.case.case
        named = dict(case.arrays())
        for name, place in places(case.config).items():
            for index in np.ndindex(named[name].shape) if name in named else ():
                at = place | where(case.config, place, index)
                yield Element(f"the gradient of {name}", index, at | {"array": f"the gradient of {place['array']}"})

    def ask(self, question: Question) -> np.ndarray:
        """All gradients, as one list."""
        self.bench.count_a_call()
        given = gradient_run(self.bench.subject, question.case, question.d).result.arrays
        return self.flat(given)

    def ball(self, question: Question) -> tuple[np.ndarray, np.ndarray]:
        """The right ones, and how far rounding may lead from them."""
        balls = gradients(question.case, **question.d, arithmetic=self.bench.arithmetic(question.case))
        mid, rad = (
            self.right(question),
            self.flat({name: getattr(ball, "rad", 0 * ball) for name, ball in balls.items()}),
        )
        applicable(mid.shape == rad.shape)  # a mistake may change one
        return mid, rad

    def right(self, question: Question) -> np.ndarray:
        """The right ones."""
        return self.flat(self.bench.gradients(question.case, **question.d))

    def flat(self, arrays: Mapping[str, Any]) -> np.ndarray:
        """All numbers, in the order of the elements that are told."""
        named = dict(self.case.case.arrays())
        names = [name for name in places(self.case.config) if name in named]
        return np.concatenate([np.asarray(arrays[name], np.float64).ravel() for name in names])

    def faint(self, found: Pairs) -> bool:
        """Whether much moved by far less than it must; a gradient that is a sum does so where one part is left out."""
        less = abs(self.given - self.base) < FAINT * self.away
        return MANY * less[found.must & ~found.still].sum() > (found.must & found.still).sum()

    def mapped(self, question: Question, name: str, array: np.ndarray) -> Question:
        """The same with another array of this name."""
        if name in question.d:
            return replace(question, d={**question.d, name: array})
        return replace(question, case=mapped(question.case, {name: array}))

    def turned(self, question: Question) -> Question:
        """The same with each parameter negative."""
        return replace(question, case=with_other_signs(question.case))


def backward(bench: Bench) -> list[str]:
    """What gradients read that they must not, or do not read that they must, on the first rung that shows it.

    Those rungs come first that have most of what all wrong cases have: not every rung has calls enough.
    """
    claims = bench.subject.capabilities
    if claims.gradients is not True or claims.biases != "two":
        return []

    def lacking(name: str) -> int:
        case = built(bench, LADDER[name])
        return sum(case is None or not is_so(case) for is_so in bench.alike)

    return influence(bench, {name: LADDER[name] for name in sorted(LADDER, key=lacking)}, Backward)
