"""What a trial is going to judge: the properties that were asked for, and in which order."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from conformance.claims.capabilities import capability_names
from conformance.events import FailureFound, Judged, PropertyResult
from conformance.harness.process import Limits
from conformance.judging.properties import Property

from .baseline import Baseline, stored
from .expectations import Expectation, read_expectations
from .options import CALL_LIMIT, COMPILING, MEMORY_LIMIT, Options, require_known
from .property_names import Names

Catalogue = Callable[[], Mapping[str, Property]]  # in the order of reports; other processes import it by its name
UNJUDGED = ("not_claimed", "not_run")  # statuses of properties that say nothing
LOOKS = 2  # of the strongest properties, which come first whatever they take: the first looks


@dataclass(frozen=True)
class Plan:
    """The options of a trial, and what follows from them.

    properties  by id, those that are asked for, in the order of reports;  expected  the failures that are known
    shares      into how many parts the budget is divided;  names  what the properties are and were called
    baseline    what is known from before, if anything is
    """

    options: Options
    catalogue: Catalogue
    properties: dict[str, Property]
    expected: list[Expectation]
    shares: float
    names: Names
    baseline: Baseline | None = None

    @classmethod
    def of(cls, options: Options, catalogue: Catalogue) -> Plan:
        """The plan for some options; raises UsageError if they name what does not exist."""
        everything = catalogue()
        names = Names(everything)
        asked = {id for name in options.properties for id in names.among(name)}
        for name in options.require:
            require_known("capability", name, capability_names())
        chosen = {id: prop for id, prop in everything.items() if not asked or id in asked}
        listed = read_expectations(options.expected_failures, names) if options.expected_failures else []
        expected = [one for one in listed if one.is_about(chosen)]
        return cls(options, catalogue, chosen, expected, len(chosen), names)

    def with_stored_baseline(self, target: Any) -> Plan:
        """The plan with the baseline from the file that the options name. Raises UsageError."""
        file = self.options.baseline
        return replace(self, baseline=stored(file, target, self.names)) if isinstance(file, Path) else self

    @property
    def limits(self) -> Limits:
        """What one call of the target may take."""
        return limits_of(self.options)

    @property
    def strongest_first(self) -> list[str]:
        """The ids, those first that find most mistakes soonest; the order in which a first failure is looked for."""
        return sorted(self.properties, key=lambda id: self.properties[id].rank)

    @property
    def longest_first(self) -> list[str]:
        """The ids, those first that take longest, so that no process ends much later than the others.

        Before them the first looks, forward and backward: what is wrong shows soon.
        """

        def place(id: str) -> tuple[int, float]:
            prop = self.properties[id]
            return min(prop.rank, LOOKS), -prop.weight

        return sorted(self.properties, key=place)

    def only(self, ids: Collection[str]) -> Plan:
        """The plan for some of the properties; what each may take stays the same."""
        chosen = {id: prop for id, prop in self.properties.items() if id in ids}
        return replace(self, properties=chosen, expected=[one for one in self.expected if one.is_about(chosen)])

    def expects(self, event: FailureFound | Judged) -> bool:
        """Whether a failure is known; one whose counterexample is not small yet may be any that is."""
        mine = [one for one in self.expected if event.result.id in one.among]
        if self.baseline and self.baseline.may_expect(event.result.id, self.options.strict):
            return True
        return bool(mine) if isinstance(event, FailureFound) else any(one.fits(event.result) for one in mine)

    def silent(self, judged: Mapping[str, PropertyResult]) -> list[str]:
        """The strongest two properties that are judged, if no call returned in either: then no other says more.

        Empty where that is not so, not known yet, or no news.
        """
        looks: list[str] = []
        for id in self.strongest_first:
            if id not in judged or not (judged[id].silent or judged[id].status in UNJUDGED):
                return []
            looks += [id] * judged[id].silent
            if len(looks) == LOOKS:
                news = not all(self.expects(Judged(judged[id])) for id in looks)
                return looks if news or self.left_out_before(looks) else []
        return []

    def left_out_before(self, looks: Collection[str]) -> bool:
        """Whether the baseline has nothing but these properties, as where no call returned there either."""
        before = self.baseline.statuses if self.baseline else {}
        return bool(before) and all(before.get(id) in UNJUDGED for id in self.properties if id not in looks)

    def stops(self, event: FailureFound | Judged) -> bool:
        """Whether a trial that stops at the first failure stops here."""
        failed = event.result.status == "failed" and not self.expects(event)
        return failed and self.options.stop_on_first

    def seconds(self, workers: int = 1) -> float | None:
        """The time for random cases of one property."""
        budget = self.options.budget
        return None if budget is None else budget * workers / self.shares


def limits_of(options: Options) -> Limits:
    """What one call of a target may take."""
    call = options.call_limit or CALL_LIMIT
    return Limits(call, COMPILING * call, memory=options.memory_limit or MEMORY_LIMIT, forbid=options.forbid)
