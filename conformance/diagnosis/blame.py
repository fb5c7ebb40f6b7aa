"""Which stage of a chain is to blame: the chain is run up to each stage, and its model by other runtimes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from conformance.events import STAGE, Diagnosis, Finding, PropertyResult
from conformance.harness.answer import Answer
from conformance.harness.load import STAGES, TargetError, open_chain
from conformance.harness.process import Limits
from conformance.judging.counterexample import Bounds, Counterexample, near
from conformance.judging.oracle import first
from conformance.judging.serialisation import counterexample_from_data
from conformance.judging.words import show_both

SHOWN = 3  # failures that are looked into: one cause may show in all of them


@dataclass(frozen=True)
class Outcome:
    """What a chain made of one call: its arrays where they have the shapes that they must have; what is wrong of it."""

    arrays: Mapping[str, np.ndarray]
    wrong: str = ""

    def alike(self, other: Outcome, expected: Mapping[str, Bounds]) -> bool:
        """Whether another one is wrong in the same way: with the same numbers, but for rounding, or with none.

        Never where something is not finite: that a maximum swallows NaN is a habit that runtimes share.
        """
        if not all(np.isfinite(mid).all() for mid, _ in expected.values()):
            return False
        if not (self.arrays and other.arrays):
            return not self.arrays and not other.arrays
        return all(near(self.arrays[name], (other.arrays[name], 2 * rad)).all() for name, (_, rad) in expected.items())


def blame(stages: Sequence[str], failed: Sequence[PropertyResult], limits: Limits) -> Diagnosis:
    """What is known of the stages of a chain that fails; no more than the calls that failed show.

    Two runtimes that run a model wrongly and alike convict what made it; one that runs it rightly convicts the others.
    """
    sentences: dict[str, int] = {}
    found = [counterexample_from_data(result.found) for result in failed if result.found]
    for one in [one for one in found if one.calls][:SHOWN]:
        sentence = Trial(stages, one, limits).sentence()
        sentences[sentence] = sentences.get(sentence, 0) + 1
    telling = sum(sentences.values())
    return Diagnosis(
        [Finding("measured.stage", said, "", count, telling, STAGE) for said, count in sentences.items()], []
    )


class Trial:
    """One call that failed, made of parts of a chain."""

    def __init__(self, stages: Sequence[str], found: Counterexample, limits: Limits) -> None:
        number = found.about()[-1]
        self.stages = list(stages)
        self.call = found.calls[number]
        self.expected = {name: bounds for name, bounds in found.expected[number].items() if bounds[0].size}
        self.limits = limits

    def sentence(self) -> str:
        """Who is to blame, or why it cannot be told."""
        right = 0  # so many stages are
        for count in range(1, len(self.stages) + 1):
            last = STAGES.get(self.stages[count - 1])
            if last and last.gives == "model":
                continue
            outcome = self.outcome(self.stages[:count])
            if outcome is None:
                continue
            if not outcome.wrong:
                right = count
                continue
            suspects = self.stages[right:count]
            if len(suspects) == 1:
                given = "what it is given is right, and it" if right else "it"
                return f"{suspects[0]} is to blame: {given} {outcome.wrong}"
            return self.between(self.stages[:right], suspects, outcome)
        return "which stage is to blame cannot be told: none of them fails in this call alone"

    def between(self, before: list[str], suspects: list[str], outcome: Outcome) -> str:
        """Who of those that made a model and the runtime that runs it."""
        runtime, makers = suspects[-1], " > ".join(suspects[:-1])
        others = [name for name, stage in STAGES.items() if stage.takes == "model" and name != runtime]
        tried = {name: self.outcome([*before, *suspects[:-1], name]) for name in others}
        seen = {name: other for name, other in tried.items() if other is not None}
        said = ", ".join(f"{name} {other.wrong}" for name, other in {runtime: outcome, **seen}.items() if other.wrong)
        if right := next((name for name, other in seen.items() if not other.wrong), ""):
            return f"{runtime} is to blame: {right} runs the same model rightly; {said}"
        if any(outcome.alike(other, self.expected) for other in seen.values()):
            return f"{makers} is to blame: its model is wrong in two runtimes alike; {said}"
        alone = "" if seen else "; no other runtime that is installed here runs it"
        return f"whether {makers} or {runtime} is to blame cannot be told: {said}{alone}"

    def outcome(self, stages: Sequence[str]) -> Outcome | None:
        """What a chain makes of the call; None if it cannot be had, or makes nothing of it."""
        try:
            target = open_chain(stages, self.limits)
        except TargetError:
            return None
        try:
            target.start()
            answer = self.call.make(target)
            refused = answer.problem is not None and answer.problem.kind == "refused"
            return None if refused else judged(answer, self.expected)
        finally:
            target.stop()


@np.errstate(all="ignore")
def judged(answer: Answer, expected: Mapping[str, Bounds]) -> Outcome:
    """An answer, and the first thing that is wrong of it."""
    if answer.problem:
        return Outcome({}, answer.problem.message)
    for name, bounds in expected.items():
        value, mid = answer.arrays.get(name), bounds[0]
        if value is None or value.shape != mid.shape:
            return Outcome({}, f"gives {name} of shape {getattr(value, 'shape', None)}, must be {mid.shape}")
        wrong = ~near(value, bounds)
        if wrong.any():
            at = first(wrong)
            given, must = show_both(float(value[at]), float(mid[at]))
            return Outcome(answer.arrays, f"gives {given} for {name}{list(at)}, must be {must}")
    return Outcome(answer.arrays)
