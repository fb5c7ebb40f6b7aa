"""Sentences about what reads what: the shortest condition that is true of exactly the pairs that differ.

A condition joins statements about where a source is, where a result is, and how these places lie to each other.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from reference_rnn import Case

At = dict[str, Any]  # where an element is: array, gate, unit, column, feature, layer, direction, row, step

TERMS = 3  # of one condition
BEAM = 24  # conditions that are made longer
MOST = 2  # conditions that are joined; what needs more is shown by an example
WORDS = {
    "gate": "of gate {}", "unit": "of unit {}", "column": "in column {}", "feature": "of feature {}",
    "layer": "of layer {}", "row": "of row {}", "step": "at step {}",
}  # fmt: skip
FROM = {key: f"from {key} {{}} on" for key in ("unit", "column", "feature", "layer", "row", "step")}
# In what the places of elements may differ of which some stand in the place of others.
RESULTS = (
    ("array",),
    ("array", "step"),
    *((key,) for key in ("layer", "direction", "row", "step", "unit")),
    ("direction", "unit"),
    ("direction", "step"),
    ("layer", "direction"),
    ("row", "direction"),
)
SOURCES = (("gate",), ("layer",), ("direction",), ("row",), ("step",), ("feature",), ("column",), ("unit",))
DIRECTIONS = ("of the forward direction", "of the reverse direction")


@dataclass(frozen=True)
class Element:
    """An element that goes in or comes out: its array, its index there, and where in the network that is."""

    name: str
    index: tuple[int, ...]
    at: At

    def __str__(self) -> str:
        return f"{self.name}{list(self.index)}"


@dataclass
class Pairs:
    """Of each pair (source, result): whether it must move, never moves, moved, and did not move by a bit.

    same  for sources, and for results, where it is known: of each two, whether one has the right number of the other
    """

    must: np.ndarray
    never: np.ndarray
    moved: np.ndarray
    still: np.ndarray
    same: tuple[np.ndarray | None, np.ndarray | None] = (None, None)

    @property
    def missing(self) -> np.ndarray:
        """The pairs that must move, and do not."""
        return self.must & self.still

    @property
    def extra(self) -> np.ndarray:
        """The pairs that never move, and did."""
        return self.never & self.moved

    @property
    def differ(self) -> np.ndarray:
        """The pairs in which the target is not like the reference."""
        return self.missing | self.extra

    @property
    def turned(self) -> Pairs:
        """The same as pairs (result, source)."""
        return Pairs(self.must.T, self.never.T, self.moved.T, self.still.T, self.same[::-1])

    def stand_in(self, mine: Sequence[int], other: Sequence[int]) -> bool:
        """Whether some sources move just what others should; where the numbers say the same, but for rounding."""
        wanted = (self.moved[mine] | ~self.must[other]).all()
        left = ~self.moved if self.alike(mine, other) else self.still
        return bool(wanted and (left[mine] | ~self.never[other]).all())

    def alike(self, mine: Sequence[int], other: Sequence[int]) -> bool:
        """Whether some of the first kind are known to have the numbers that are right for others."""
        same = self.same[0]
        return same is not None and bool(same[mine, other].all())


@dataclass(frozen=True, eq=False)
class Literal:
    """One statement about pairs: the words for it, of which side they are, and the pairs of which it is true.

    noun  what it is said of: an array;  but: all arrays but this one
    """

    side: str  # "source" or "result"
    text: str
    mask: np.ndarray
    noun: bool = False
    but: bool = False


def sentences(
    case: Case | None, sources: Sequence[Element], results: Sequence[Element], pairs: Pairs, told: str = "results"
) -> str:
    """What the pairs that differ say: what stands in the place of what; else which pairs are missing, or too many.

    case  whose steps the results belong to; None where they belong to none.  told: what the results are, in a word
    """
    swapped = [f"{one} reads what {other} should" for one, other in stand_ins(results, RESULTS, pairs.turned)]
    swapped = swapped or [
        f"{one} is read where {other} should be" for one, other in stand_ins(sources, SOURCES, pairs, True)
    ]
    if swapped:
        more = [f"and so on, {len(swapped)} in all"] if len(swapped) > MOST else []
        return "; ".join([*swapped[:MOST], *more])
    if turned := next(transposed(sources, pairs), None):
        rest = [sentences(case, sources, results, turned[1], told)] if turned[1].differ.any() else []
        return "; ".join([f"{turned[0]} is read transposed", *rest])
    table = list(literals(case, [source.at for source in sources], [result.at for result in results]))
    # a pair that moves contradicts "is not read", one that does not contradicts "reads"
    missing = conditions(pairs.missing, pairs.must | ~pairs.still, table, not_read, sources, results, told)
    extra = conditions(pairs.extra, pairs.never | pairs.must | ~pairs.moved, table, read, sources, results, told)
    return "; ".join([*missing, *extra])


def transposed(sources: Sequence[Element], pairs: Pairs) -> Iterator[tuple[str, Pairs]]:
    """The square weights of which each element moves what the one across the diagonal should; and the other pairs."""
    there = {frozenset(source.at.items()): k for k, source in enumerate(sources)}
    squared: dict[str, list[int]] = {}
    for k, source in enumerate(sources):
        if "column" in source.at:
            squared.setdefault(source.name, []).append(k)
        if "column" in source.at and "gate" in source.at:
            squared.setdefault(f"{source.name} of gate {source.at['gate']}", []).append(k)
    for name, squares in squared.items():
        across = [sources[k].at | {"unit": sources[k].at["column"], "column": sources[k].at["unit"]} for k in squares]
        other = [there.get(frozenset(at.items()), -1) for at in across]
        if -1 not in other and pairs.differ[squares].any() and pairs.stand_in(squares, other):
            rest = ~np.isin(np.arange(len(sources)), squares)[:, None]
            yield name, Pairs(pairs.must & rest, pairs.never & rest, pairs.moved, pairs.still)


def stand_ins(
    elements: Sequence[Element], ways: Sequence[tuple[str, ...]], pairs: Pairs, alone: bool = False
) -> list[tuple[str, str]]:
    """Which elements are in the place of which, in words; nothing unless that explains all that differs.

    ways   the keys of their places in which they may differ, one way after the other
    alone  whether there must be one alone of which that can be said
    """
    there = {frozenset(element.at.items()): k for k, element in enumerate(elements)}
    differ = set(np.flatnonzero(pairs.differ.any(1)).tolist())
    for keys in ways:
        found, explained = [], set()
        for own, mine in groups(elements, keys).items():
            fitting, same = [], []
            for other in others(elements, keys, dict(own)) if differ & set(mine) else ():
                theirs = [there.get(frozenset((elements[k].at | other).items()), -1) for k in mine]
                if -1 not in theirs and pairs.stand_in(mine, theirs):
                    fitting.append(other)
                    same += [other] if pairs.alike(mine, theirs) else []
            fitting = same or fitting
            if fitting and (len(fitting) == 1 or not alone):
                found.append((named(own), named({"array": "that"} | fitting[0])))
                explained |= set(mine)
        if differ <= explained:
            return found
    return []


def groups(elements: Sequence[Element], keys: tuple[str, ...]) -> dict[tuple, list[int]]:
    """The elements of each array by the values of some keys of their places; those that have them all."""
    found: dict[tuple, list[int]] = {}
    for k, element in enumerate(elements):
        if "array" in keys or all(key in element.at for key in keys):
            own = tuple((key, element.at.get(key)) for key in dict.fromkeys(("array", *keys)))
            found.setdefault(own, []).append(k)
    return found


def others(elements: Sequence[Element], keys: tuple[str, ...], own: At) -> list[At]:
    """The other values of some keys; those of an array may be another array, or one step of the output."""
    found = [{key: element.at.get(key) for key in keys} for element in elements]
    same = [other for other in found if None not in other.values() and other | own != other]
    return [dict(pairs) for pairs in dict.fromkeys(tuple(other.items()) for other in same)]


def named(place: At | tuple) -> str:
    """A place in words: the array, and where in it."""
    place = dict(place)
    return " ".join(
        [place["array"], *(word(key, value) for key, value in place.items() if key != "array" and value is not None)]
    )


def not_read(source: Phrase, result: Phrase) -> str:
    """That results do not see a source, in words."""
    if not result.said:
        return f"{source.text} is not read" if source.noun and not source.but else f"{source.none} is read"
    if source.noun and not source.but:
        return f"{result.text} {'do' if result.plural else 'does'} not see {source.text}"
    return f"{result.text} {'see' if result.plural else 'sees'} {source.none}"


def read(source: Phrase, result: Phrase) -> str:
    """That results read a source, in words."""
    return f"{result.text} {'read' if result.plural else 'reads'} {source.text}"


class Phrase:
    """One side of a condition in words."""

    def __init__(self, terms: Sequence[Literal], side: str, usual: str) -> None:
        mine = [literal for literal in terms if literal.side == side]
        self.said = bool(mine)
        self.noun = next((literal.text for literal in mine if literal.noun), "")
        self.but = any(literal.but for literal in mine)
        self.where = [literal.text for literal in mine if not literal.noun]
        self.usual = usual

    @property
    def plural(self) -> bool:
        """Whether it is many things."""
        return not self.noun or self.but

    @property
    def text(self) -> str:
        """What it is, and where."""
        if self.but:
            return " ".join([self.usual, *self.where, "but", self.noun])
        return " ".join([self.noun or self.usual, *self.where])

    @property
    def none(self) -> str:
        """That it is none of it."""
        return " ".join(["nothing", *self.where, *(["but", self.noun] if self.but else [])])


def conditions(
    differs: np.ndarray, among: np.ndarray, table: list[Literal], say: Callable[[Phrase, Phrase], str],
    sources: Sequence[Element], results: Sequence[Element], told: str,
) -> list[str]:  # fmt: skip
    """Sentences that are true of pairs that differ, among the pairs in question, and of no other; together of all."""
    at = np.flatnonzero((among | differs).ravel())
    bad = differs.ravel()[at]
    atoms: dict[bytes, tuple[Literal, np.ndarray]] = {}
    for literal in table:
        mask = np.broadcast_to(literal.mask, differs.shape).ravel()[at]
        if mask.any() and not mask.all():
            atoms.setdefault(mask.tobytes(), (literal, mask))  # those that say the same here are one
    found: list[str] = []
    left = bad.copy()
    while left.any():
        chosen = shortest(bad, left, list(atoms.values())) if len(found) < MOST else None
        if chosen is None:  # then one of them stands for all
            s, r = np.unravel_index(at[np.flatnonzero(left)[0]], differs.shape)
            pair = [Literal(side, str(e), left, True) for side, e in (("source", sources[s]), ("result", results[r]))]
            return [*found, said(say, pair, told) + (f", one of {left.sum()} such pairs" if left.sum() > 1 else "")]
        terms, mask = chosen
        which = np.unravel_index(at[np.flatnonzero(mask)], differs.shape)[0]
        found.append(said(say, naming(terms, {sources[k].at["array"] for k in which.tolist()}), told))
        left &= ~mask
    return found


def naming(terms: Sequence[Literal], arrays: Collection[str]) -> list[Literal]:
    """The terms of a condition, and the array of its sources where it says which these are, and all are of one."""
    mine = [term for term in terms if term.side == "source"]
    if len(arrays) > 1 or not mine or any(term.noun for term in mine):
        return [*terms]
    return [*terms, *(Literal("source", array, mine[0].mask, noun=True) for array in arrays)]


def said(say: Callable[[Phrase, Phrase], str], terms: Sequence[Literal], told: str) -> str:
    """A condition in words."""
    return say(Phrase(terms, "source", "numbers"), Phrase(terms, "result", told))


def shortest(
    bad: np.ndarray, left: np.ndarray, atoms: list[tuple[Literal, np.ndarray]]
) -> tuple[tuple[Literal, ...], np.ndarray] | None:
    """The shortest condition that is true of bad pairs alone, of as many that are left as can be; None if none is."""
    best, most = None, 0
    level: list[tuple[tuple[Literal, ...], np.ndarray]] = [((), np.ones(len(bad), bool))]
    for length in range(TERMS + 1):
        scored = []
        for terms, mask in level:
            hit = int((mask & left).sum())
            if not hit:
                continue
            precision = float((mask & bad).sum() / mask.sum())
            scored.append((precision * hit / left.sum() + precision / 4 + hit / left.sum() / 4, terms, mask))
            if precision == 1 and hit > most:
                best, most = (terms, mask), hit
        if most == left.sum() or length == TERMS:
            break
        scored.sort(key=lambda entry: -entry[0])
        longer: dict[bytes, tuple[tuple[Literal, ...], np.ndarray]] = {}
        for _, terms, mask in scored[:BEAM]:
            for literal, own in atoms:
                if literal not in terms and not (
                    literal.noun and any(t.noun and t.side == literal.side for t in terms)
                ):
                    both = mask & own
                    longer.setdefault(both.tobytes(), ((*terms, literal), both))
        level = list(longer.values())
    return best


def word(key: str, value: Any) -> str:
    """Where something is, in words."""
    return DIRECTIONS[value] if key == "direction" else WORDS[key].format(value)


def literals(case: Case | None, sources: Sequence[At], results: Sequence[At]) -> Iterator[Literal]:
    """The statements that may stand in a condition, plain ones first."""
    for side, places in (("source", sources), ("result", results)):
        for key in ("array", *WORDS, "direction"):
            yield from about(side, key, column(places, key), upright=side == "source")
    yield from relations(sources, results)
    if case is not None:
        yield from in_time(case, sources, results)


def about(side: str, key: str, values: np.ndarray, upright: bool) -> Iterator[Literal]:
    """What can be said of one key: that it is a value, or at least that; of an array also that it is another."""
    there = np.array([value is not None for value in values])

    def mask(chosen: list[bool]) -> np.ndarray:
        flags = there & np.array(chosen)
        return flags[:, None] if upright else flags[None, :]

    own = list(dict.fromkeys(values[there].tolist()))
    for value in own:
        text = value if key == "array" else word(key, value)
        yield Literal(side, text, mask([v == value for v in values]), noun=key == "array")
    for value in sorted(own)[1:] if key in FROM else ():
        yield Literal(side, FROM[key].format(value), mask([v is not None and v >= value for v in values]))
    for value in own if key == "array" else ():
        yield Literal(side, value, mask([v != value for v in values]), noun=True, but=True)


def relations(sources: Sequence[At], results: Sequence[At]) -> Iterator[Literal]:
    """How the place of a source lies to that of a result."""
    for key in ("row", "layer", "direction", "unit"):
        s, r = column(sources, key)[:, None], column(results, key)[None, :]
        both = (s != None) & (r != None)  # noqa: E711
        yield Literal("source", f"of the same {key}", both & (s == r))
        yield Literal("source", f"of another {key}", both & (s != r))
        yield Literal("source", f"that are of no other {key}", ~(both & (s != r)))
    s, r = numeric(sources, "layer")[:, None], numeric(results, "layer")[None, :]
    both = (s >= 0) & (r >= 0)
    yield Literal("source", "of a lower layer", both & (s < r))
    yield Literal("source", "of a higher layer", both & (s > r))
    s, r = numeric(sources, "column")[:, None], numeric(results, "unit")[None, :]
    yield Literal("source", "in the column of the unit's own number", (s >= 0) & (s == r))
    yield Literal("source", "in another column than the unit's own number", (s >= 0) & (s != r))


def in_time(case: Case, sources: Sequence[At], results: Sequence[At]) -> Iterator[Literal]:
    """Which comes first on the walk of the result's direction; a final state stands at the last step of its walk."""
    lengths = case.row_lengths
    row, reverse = numeric(results, "row"), numeric(results, "direction") == 1
    ends = np.array([at["array"] != "output" for at in results])
    step = np.where(ends, np.where(reverse, 0, lengths[row] - 1), numeric(results, "step"))
    given = numeric(sources, "step")
    gap = np.where(reverse, -1, 1) * (given[:, None] - step[None, :])
    timed = (given >= 0)[:, None]
    yield Literal("source", "at an earlier step", timed & (gap < 0))
    yield Literal("source", "at the same step", timed & (gap == 0))
    yield Literal("source", "at a later step", timed & (gap > 0))
    rows = np.maximum(numeric(sources, "row"), 0)
    yield Literal("source", "in the padding", ((given >= 0) & (given >= lengths[rows]))[:, None])
    yield Literal("result", "in the padding", (~ends & (step >= lengths[row]))[None, :])


def column(places: Sequence[At], key: str) -> np.ndarray:
    """The value of one key in every place; None where it has none."""
    found = np.empty(len(places), object)
    found[:] = [at.get(key) for at in places]
    return found


def numeric(places: Sequence[At], key: str) -> np.ndarray:
    """The same for numbers; -1 where it has none."""
    return np.array([at.get(key, -1) for at in places], dtype=int)
