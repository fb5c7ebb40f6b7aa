"""Two versions of one implementation on the same cases: what differs beyond rounding, and which of them is wrong.

Both are judged by properties that need one call: whatever the two answers have in common, the reference decides.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from conformance.claims.allowed import drawn, sequences
from conformance.claims.capabilities import NOTICED, Capabilities, Mode
from conformance.harness.answer import DEATHS
from conformance.harness.load import Target, TargetError
from conformance.judging.coverage import ASKED
from conformance.judging.judge import each_block
from conformance.judging.minimise import DEATH_RUNS, DEATH_SECONDS, SHRINK_RUNS, SHRINK_SECONDS
from conformance.judging.oracle import Failure
from conformance.judging.properties import NotApplicable, NotRun, Property
from reference_rnn import ORDERS, Case, RecurrenceCase, fixed_point, joined
from strategies import shrink
from strategies.cases import Allowed
from strategies.covering import covering
from strategies.recurrences import Sequences

from .compared_targets import Version, disagreement, gave_same_bits, slopes_apart, version_of

# What one call tells; the first that fails speaks for the others.
JUDGES = (
    "equivalence.steps", "gradients.back_propagation", "shapes.shapes", "gradients.shapes", "shapes.dtype",
    "shapes.inputs_untouched", "state.equations", "state.shapes", "state.gradient_shapes", "state.dtype",
    "state.nothing_is_changed",
)  # fmt: skip
SLOPES = "state.gradients_are_slopes"  # which asks often, so only of what differs
RIGHT = "right, but for rounding"
UNJUDGED = "right or wrong, its equations are not known"
UNCERTAIN = "right or wrong, small changes do not tell"
MOST_DEATHS = 5  # of a process, before no more cases are run
# Claims that are no matter of yes or no, least first.
DEGREES: dict[str, tuple] = {
    "biases": ("one", "no b_hn", "two"),
    "dropout": (False, "open", True),
    "bidirectional": (False, "only", True),
    "no_bias": (False, "only", True),
    "batch_first": (False, "only", True),
    "initial_state": (False, "shared", True),
}


@dataclass(frozen=True)
class Difference:
    """A case on which two versions differ beyond rounding.

    number    of the case, in the order in which they are run
    leaves    the reference: OLD, NEW or both; neither where there is none, since the equations are not known
    old, new  what each of them made of it;  failing, kind  the property that the one that leaves fails, and how
    """

    number: int
    case: Case
    leaves: str
    old: str
    new: str
    failing: str
    kind: str

    @property
    def sort(self) -> tuple[str, str, str]:
        """What differences of one sort have in common."""
        return self.leaves, self.failing, self.kind


@dataclass
class Comparison:
    """What became of the comparison.

    lost, gained  claims that only OLD makes, and that only NEW makes
    counts        cases by what they showed: same (of which identical), wrong alike, void
    areas         what all cases of one sort of difference exercise, and not all others
    smallest      of the first difference;  always  whether new instances differ on that case too
    stopped       whether cases were left out, since processes died
    suspected     what looks different where nobody can tell
    """

    lost: list[str]
    gained: list[str]
    counts: Counter[str] = field(default_factory=Counter)
    differences: list[Difference] = field(default_factory=list)
    areas: dict[tuple[str, str, str], list[str]] = field(default_factory=dict)
    smallest: Difference | None = None
    always: bool = True
    stopped: bool = False
    suspected: list[str] = field(default_factory=list)

    @property
    def cases(self) -> int:
        """How many cases were run."""
        return sum(self.counts[name] for name in ("same", "wrong alike", "void")) + len(self.differences)

    @property
    def status(self) -> int:
        """The exit status: 0 no difference beyond rounding and no claim lost, 1 otherwise, 2 could not tell."""
        if self.differences or self.lost:
            return 1
        return 0 if self.cases > self.counts["void"] and not self.stopped else 2


class Comparing:
    """Two versions being compared on case after case, by one instance of each."""

    def __init__(self, old: Target, new: Target, properties: Mapping[str, Property]) -> None:
        shared = common(old.capabilities, new.capabilities)
        self.old, self.new = version_of(old, shared, "OLD"), version_of(new, shared, "NEW")
        seen = old.observes_memory and new.observes_memory
        self.judges = [
            prop for prop in (properties[id] for id in JUDGES)
            if not prop.missing(shared) and (seen or not prop.about_memory)
        ]  # fmt: skip
        self.slopes = properties[SLOPES]
        self.found = Comparison(beyond(old.capabilities, shared), beyond(new.capabilities, shared))
        self.deaths = 0
        self.elsewhere: list[set[str]] = []  # what each case exercised that showed no difference

    def restart(self) -> None:
        """New instances of both; raises Failure if one cannot be built."""
        self.old.restart()
        self.new.restart()

    def each(self, case: Any, allowed: Allowed | Sequences) -> None:
        """Compares the two on one case, of a recurrence in each mode that takes it."""
        if not isinstance(allowed, Sequences):
            self.one(case)
            return
        for asked in (case.replace(mode=mode) for mode in allowed.multiples):
            if not allowed.lacks(asked):
                self.one(asked)

    def one(self, case: Case) -> None:
        """Compares the two on one case, unless processes died too often."""
        if self.deaths >= MOST_DEATHS:
            self.found.stopped = True
            return
        try:
            seen = self.seen(case)
        except NotApplicable:
            return
        if isinstance(seen, Difference):
            self.found.differences.append(seen)
            return
        self.elsewhere.append(self.exercised(case))
        self.found.counts[seen] += 1
        self.found.counts["identical"] += seen == "same" and gave_same_bits(self.old, self.new, case)

    def seen(self, case: Case) -> Difference | str:
        """What a case shows: a Difference, or "same", "wrong alike" or "void"."""
        old, new = (failures(version, case, self.judges) for version in (self.old, self.new))
        self.deaths += any(failure.kind in DEATHS for side in (old, new) for failure in side.values())
        if kinds(old) != kinds(new):
            return self.difference(case, old, new)
        apart = disagreement(self.old, self.new, case) if old or has_no_equations(case) else None
        if old:
            return self.difference(case, old, new, apart) if apart else "wrong alike"
        if apart:
            return Difference(self.found.cases, case, "neither", UNJUDGED, apart.message, "state.equations", apart.kind)
        void = self.doubted and not gave_same_bits(self.old, self.new, case)
        self.old.void = self.new.void = False
        if apart := slopes_apart(self.old, self.new, case):
            return self.steeper(case, apart)
        return "void" if void or self.doubted else "same"

    @property
    def doubted(self) -> bool:
        """Whether nobody can tell what one of them was last asked for."""
        return self.old.void or self.new.void

    def difference(
        self, case: Case, old: dict[str, Failure], new: dict[str, Failure], apart: Failure | None = None
    ) -> Difference:
        """The difference between two versions of which at least one fails."""
        worse, better = new.keys() - old.keys(), old.keys() - new.keys()
        leaves = "both" if bool(worse) == bool(better) else "NEW" if worse else "OLD"
        failing = old if leaves == "OLD" else new
        id = next(id for id in failing if leaves == "both" or id in worse | better)
        if apart:
            kind, of_new = apart.kind, f"{new[id].message}; {apart.message}"
        else:
            kind, of_new = failing[id].kind, describe_answer(new, id)
        return Difference(self.found.cases, case, leaves, describe_answer(old, id), of_new, id, kind)

    def steeper(self, case: Any, apart: Failure) -> Difference:
        """The difference where gradients differ: how the results of a version change says whether it is wrong."""
        old, new = (failures(version, case.in_dtype("float64"), [self.slopes]) for version in (self.old, self.new))
        if old or new:
            return self.difference(case, old, new, apart if old and new else None)
        return Difference(self.found.cases, case, "neither", UNCERTAIN, apart.message, SLOPES, apart.kind)

    def smallest(self, allowed: Any) -> None:
        """Makes the first difference small; one where NEW leaves the reference, if there is any."""
        first = min(self.found.differences, key=lambda difference: difference.leaves != "NEW")
        smallest = first

        def differs(case: Case) -> bool:
            nonlocal smallest
            try:
                self.restart()
                seen = self.seen(case)
            except (Failure, NotApplicable):
                return False
            if not isinstance(seen, Difference) or seen.sort != first.sort:
                return False
            smallest = replace(seen, number=first.number)
            return True

        self.found.always = differs(first.case)
        if self.found.always:
            died = first.kind in DEATHS
            runs, seconds = (DEATH_RUNS, DEATH_SECONDS) if died else (SHRINK_RUNS, SHRINK_SECONDS)
            shrink(first.case, differs, allowed.admits, runs=runs, seconds=seconds)
        self.found.smallest = smallest

    def exercised(self, case: Case) -> set[str]:
        """What a case exercises, and the forms that it has."""
        forms = {} if isinstance(case, RecurrenceCase) else ASKED
        return {*self.new.covered(case), *(name for name, area in forms.items() if area.covers(case))}

    def where(self) -> dict[tuple[str, str, str], list[str]]:
        """What the cases of each sort of difference exercise, and not all others do."""
        sorts: dict[tuple[str, str, str], list[set[str]]] = {}
        for difference in self.found.differences:
            sorts.setdefault(difference.sort, []).append(self.exercised(difference.case))
        if not self.elsewhere:
            return {sort: [] for sort in sorts}
        everywhere = set.intersection(*self.elsewhere)
        return {sort: sorted(set.intersection(*areas) - everywhere) for sort, areas in sorts.items()}


def compare(old: Target, new: Target, properties: Mapping[str, Property], count: int, seed: int = 0) -> Comparison:
    """Compares two versions on the covering cases and so many random ones, in the forms that both claim.

    properties: by id, those of the catalogue

    Raises TargetError where they have nothing in common, or one cannot be built.
    """
    comparing = Comparing(old, new, properties)
    try:
        comparing.restart()
    except Failure as failure:
        raise TargetError(failure.message) from None
    claims = comparing.new.capabilities
    allowed = sequences(claims) if claims.recurrences else drawn(claims)
    if not allowed.possible:
        raise TargetError("what both claim leaves no case")
    for case in allowed.covering(0) if isinstance(allowed, Sequences) else covering(allowed, every_cell=True):
        comparing.each(case, allowed)
    each_block(count, seed, lambda block: comparing.each(allowed.from_block(block), allowed))
    comparing.found.suspected = [*comparing.old.suspected.values(), *comparing.new.suspected.values()]
    comparing.found.areas = comparing.where()
    if comparing.found.differences:
        comparing.smallest(allowed)
    return comparing.found


def failures(version: Version, case: Case, judges: list[Property]) -> dict[str, Failure]:
    """What a version fails on a case, by property; raises Refused if it does not take such a case."""
    version.void = False
    try:
        version.answer(case)
    except Failure as failure:
        return {judges[0].id: failure}  # it would fail all of them, in the same words
    found = {}
    for judge in judges:
        try:
            judge.check(version, case)
        except Failure as failure:
            found[judge.id] = failure
        except (NotApplicable, NotRun):
            continue
    return found


def describe_answer(found: dict[str, Failure], id: str) -> str:
    """What a version made of a case: how it fails a property, or any other one."""
    if id in found:
        return found[id].message
    return next((failure.message for failure in found.values()), RIGHT)


def has_no_equations(case: Case | RecurrenceCase) -> bool:
    """Whether there are no equations that decide."""
    return isinstance(case, RecurrenceCase) and case.config.cell.step is None


def kinds(found: dict[str, Failure]) -> dict[str, str]:
    """Which properties fail, and how."""
    return {id: failure.kind for id, failure in found.items()}


def common(old: Capabilities, new: Capabilities) -> Capabilities:
    """What both claim. Raises TargetError, naming the claim, where that leaves nothing to compare."""
    fixed = [c for c in (old, new) if fixed_point(c.arithmetic)]
    if fixed and (old.arithmetic, old.fixed) != (new.arithmetic, new.fixed):
        name = "arithmetic" if old.arithmetic != new.arithmetic else "fixed"
        raise TargetError(f"they have no arithmetic in common: {either(name, old, new)}")
    shared = {f.name: lesser(f.name, getattr(old, f.name), getattr(new, f.name)) for f in fields(Capabilities)}
    for name in ("cells", "dtypes"):
        if not shared[name]:
            raise TargetError(f"they have no {name} in common: {either(name, old, new)}")
    for dimension, sizes in shared["sizes"].items():
        if not sizes:
            raise TargetError(f"they have no {dimension} in common: {either('sizes', old, new)}")
    for name in ("bidirectional", "no_bias", "batch_first"):
        if {getattr(old, name), getattr(new, name)} == {False, "only"}:
            raise TargetError(f"they have no case in common: one claims {name}='only', the other {name}=False")
    if shared["cells"] and old.recurrences and not shared["modes"] and (old.modes or new.modes):
        raise TargetError(f"they have no modes in common: {either('modes', old, new)}")
    if not shared["initial_state"] and any(c.initial_state and not c.default_state for c in (old, new)):
        raise TargetError("they have no case in common: one takes no h_0, the other needs one")
    return Capabilities(**shared | {"gradients": bool(shared["gradients"])}).naming(shared["gradients"])


def either(name: str, old: Capabilities, new: Capabilities) -> str:
    """What each of them claims, for messages."""
    one, other = (c.as_dict()[name] for c in (old, new))
    if name == "modes":
        one, other = list(one), list(other)
    return f"OLD claims {one}, NEW claims {other}"


def lesser(name: str, old: Any, new: Any) -> Any:
    """The part of one claim that both make."""
    if name in DEGREES:
        return min(old, new, key=DEGREES[name].index)
    if name in ("fixed", "state_dtype"):
        return old or new
    if name == "arithmetic":
        return joined(old, new)  # what either of them is allowed
    if name == "order":
        return max(old, new, key=list(ORDERS).index)
    if name == "max_layers":
        return min((layers for layers in (old, new) if layers is not None), default=None)
    if name == "sizes":
        return {
            dimension: [size for size in old.get(dimension, new.get(dimension)) if size in new.get(dimension, (size,))]
            for dimension in old | new
        }
    if name == "recompiles":
        return old or new
    if name == "gradients" and not (isinstance(old, bool) and isinstance(new, bool)):
        named = [one for one in (old, new) if not isinstance(one, bool)]
        return tuple(n for n in named[0] if n in named[-1]) if old and new else False
    if name == "modes":
        return {own: mode_of_both(mode, new[own]) for own, mode in old.items() if own in new}
    return old and new if isinstance(old, bool) else tuple(value for value in old if value in new)


def mode_of_both(old: Mode, new: Mode) -> Mode:
    """What can be asked of a mode of either: in the order that allows more, at sizes that both take."""
    order = max(old.order, new.order, key=list(ORDERS).index)
    names = dict.fromkeys([*old.multiple, *new.multiple])
    return Mode(order, {name: math.lcm(old.multiple.get(name, 1), new.multiple.get(name, 1)) for name in names})


def beyond(claims: Capabilities, shared: Capabilities) -> list[str]:
    """What somebody claims beyond what both do, in words."""
    parts = []
    for name, mine in claims.as_dict().items():
        both = shared.as_dict()[name]
        if isinstance(mine, list):
            more = [claim_text(value) for value in mine if both is not True and value not in (both or ())]
            parts += [f"{name} {', '.join(more)}"] if more else []
        elif name == "modes":
            parts += [
                f"mode {own}{f' {mode} (both: {both[own]})' if own in both else ''}"
                for own, mode in mine.items() if both.get(own) != mode
            ]  # fmt: skip
        elif name == "sizes":
            parts += [
                f"{d} other than {', '.join(map(str, both[d]))}" for d in both if set(mine.get(d, ())) != set(both[d])
            ]
        elif mine != both and both != NOTICED:
            parts.append(name if (mine, both) == (True, False) else f"{name} {mine} (both: {both})")
    return parts


def claim_text(value: Any) -> str:
    """A value of a list of claims: a cell of one's own by its name."""
    return value["name"] if isinstance(value, dict) else value
