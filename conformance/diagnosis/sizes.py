"""At which sizes something fails: cases of other sizes, in the same form, without zeros.

Blocks, tiles and workspaces are wrong from a size on, at its multiples, or at what they leave. So one axis of a case
that fails is given one size after another, and the simplest rule that holds for all of them is said.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain
from itertools import product as pairs_of
from typing import NamedTuple

import numpy as np

from conformance.faults.within import shares
from conformance.judging.judge import judge_case
from conformance.judging.properties import Property
from conformance.judging.words import enumeration
from reference_rnn import Case, Config
from strategies import layout_of, relaid
from strategies.forms import Form
from strategies.shrink import size_of

from .asking import Bench
from .influence import generic

AXES = {"T": "steps", "N": "batch", "I": "input_size", "H": "hidden_size", "L": "num_layers"}
USUAL = {"T": 3, "N": 3, "I": 3, "H": 3, "L": 2}  # up to so many are part of what a network does: two steps, two rows
FEW = 9  # sizes that are always tried, from 1 up
MANY = 36  # tried one by one; of larger ones those about the size that fails, and about widths
WIDTHS = (48, 64, 96, 128, 256)
# What a size may be taken for: the axis that it follows from, and how often it is there.
SAME: dict[str, tuple[str, Callable[[Config], int]]] = {
    "T": ("T", lambda c: 1),
    "N": ("N", lambda c: 1),
    "I": ("I", lambda c: 1),
    "H": ("H", lambda c: 1),
    "L*D": ("L", lambda c: c.num_directions),
    "D*H": ("H", lambda c: c.num_directions),
    "{times}*H": ("H", lambda c: len(c.cell.packing("weight_ih"))),
}
FARTHER = (4, 9)  # larger sizes, by so much, at which two that are the same must be wrong, too
Order = Callable[[np.ndarray], np.ndarray]  # lengths, to the same in another order
ORDERS: tuple[Order, ...] = (np.asarray, np.sort, lambda ends: np.sort(ends)[::-1])
EXCEPT = 2  # sizes that are right where all others from one on are wrong
NEW = 2  # larger sizes that a rule says are wrong, and as many that it says are right, at which it is tried
FAR = 100  # up to which one more is, the largest of these
CALLS = 4  # that one judgement is worth


class Rule(NamedTuple):
    """Whether a size is wrong, and this in words, in which {} is the axis.

    alone  the words where others may be wrong, too, in cases that are not like it in all else
    """

    is_wrong: Callable[[int], bool]
    words: str
    alone: str


def sizes(bench: Bench, found: Case, properties: Iterable[Property], probes: Collection[Case] = ()) -> list[str]:
    """At which sizes a case is wrong, by the first of some properties of which it can be said; else nothing.

    properties  those that compare a call with what is right; what others ask may depend on sizes
    probes      others that are wrong: no size of one is called right
    """
    bench.subject.target.stop()  # what was asked before must not show here
    resized = (Resized(bench, prop, found, probes) for prop in properties)
    return next(filter(None, (one.sentences() for one in resized if one.starts)), [])


def sizes_of(case: Case) -> dict[str, int]:
    """The sizes of a case that is padded and has a batch, by axis."""
    return {axis: size_of(case, axis) for axis in AXES}


def usual_sizes(case: Case) -> bool:
    """Whether no size of a case is so large that it says something."""
    return all(size_of(case, axis) <= usual for axis, usual in USUAL.items())


class Resized:
    """A case in which a property failed, with other sizes."""

    def __init__(self, bench: Bench, prop: Property, found: Case, probes: Collection[Case]) -> None:
        self.bench = bench
        self.prop = prop
        self.probes = probes
        self.allowed = prop.allowed(bench.subject.capabilities)
        self.case, self.form = self.allowed.taken_apart(found)
        self.sizes = sizes_of(self.case)
        self.related: list[str] = []  # axes whose size is wrong where it is that of another
        self.products: list[str] = []  # axes of which the product with another one tells
        self.starts = self.fails({}) is True

    def sentences(self) -> list[str]:
        """The rule of each axis that has one; only that one size is another, if it is so."""
        said = {axis: self.said(axis) for axis in AXES}
        if self.bench.tied:  # then no product alone tells
            said |= dict.fromkeys(self.products, "")
        return [said[axis] for axis in self.related[:1]] or list(dict.fromkeys(filter(None, said.values())))

    def said(self, axis: str) -> str:
        """The rule for the sizes of one axis, with the other sizes; "" if there is none, or nothing that it says."""
        tried = {size: self.fails({axis: size}) for size in self.tried(axis)}
        if len(only := [size for size, fails in tried.items() if fails is False]) == 1:
            tried |= {times * only[0]: self.fails({axis: times * only[0]}) for times in (2, 3)}
        wrong, right = ([size for size, fails in tried.items() if fails is value] for value in (True, False))
        for rule in rules(wrong, right, USUAL[axis]):
            if self.foretells(axis, rule.is_wrong, max(tried)):
                if any(self.fails({axis: size}) is not fails for size, fails in tried.items()):
                    return ""  # once more, since chance is no matter of sizes
                self.bench.shares.extend(shares(axis, rule.is_wrong))
                return self.worded(axis, rule, wrong, right)
        return ""

    def worded(self, axis: str, rule: Rule, wrong: Sequence[int], right: Sequence[int]) -> str:
        """The rule in words, or that it is another size, or the product with one, that tells; "" if nobody knows which.

        wrong, right: the sizes that are so
        """
        if len(wrong) == 1 and (same := self.alike(axis)):
            self.related.append(axis)
            name, other = same
            return f"wrong where {axis} = {name}{self.beside(axis, other)}"
        if other := self.by_product(axis, max(right), min(wrong)):
            self.products.append(axis)
            return self.of_product(axis, other, max(right), min(wrong)) + self.beside(axis, other)
        m = multiple_in(rule.is_wrong, max(*wrong, *right))
        if m and self.is_shared(axis, m, rule.is_wrong(m)):
            said = self.by_multiple(axis, m, rule.is_wrong(m))
            if said or not rule.is_wrong(m):  # multiples of one size are wrong whatever the others are
                return said
        if axis == "T" and max(wrong) == 0 and self.without_steps():
            return f"wrong where no row has a step{self.beside(axis)}"
        holds = all(rule.is_wrong(size_of(case, axis)) for case in self.probes)
        half = [size for size in right if 2 * size in wrong]  # of which two give what is wrong
        ways = self.directions(axis, {size: size in wrong for size in (*wrong[:NEW], *half[:NEW])})
        if fixed := self.fixed(axis, rule, (*wrong[:NEW], *half[:NEW], *right[-NEW:])):
            self.bench.tied += fixed
            return rule.alone.format(axis) + self.beside(axis, ways=ways, fixed=fixed)
        return (rule.words if holds else rule.alone).format(axis) + self.beside(axis, ways=ways)

    def by_product(self, axis: str, right: int, wrong: int) -> str:
        """The axis with twice whose size half of what is wrong is wrong, and half of what is right is right; else "".

        right, wrong: the largest size that is right, the least that is not
        """
        for other in AXES if 1 < right < wrong else ():
            twice = {other: 2 * self.sizes[other]}
            if (
                other != axis
                and self.fails({axis: -(-wrong // 2), **twice})
                and self.fails({axis: right // 2, **twice}) is False
            ):
                return other
        return ""

    def of_product(self, axis: str, other: str, right: int, wrong: int) -> str:
        """That it is the product of two sizes that tells."""
        both, times = product(axis, other), self.sizes[other]
        alone = f"wrong from {both} = {wrong * times} on"
        holds = all(size_of(case, axis) * size_of(case, other) >= wrong * times for case in self.probes)
        return f"right up to {both} = {right * times}, {alone}" if holds else alone

    def is_shared(self, axis: str, m: int, wrong: bool) -> bool:
        """Whether multiples of another size do what those of this one do; wrong: whether they are wrong."""
        others = [other for other in AXES if other != axis]
        return any(self.fails({axis: 1, other: m * self.sizes[other]}) is wrong for other in others)

    def by_multiple(self, axis: str, m: int, wrong: bool) -> str:
        """That the product with another size is, or is no, multiple of a number where it is wrong; else "".

        wrong  whether multiples of m are wrong, with the other sizes, or all others are
        """
        for other, times in pairs_of(AXES, range(1, 1 + max(self.sizes.values()))):
            whole, half = m * times, m * times // 2
            if other == axis or self.sizes[other] % times or whole % 2:
                continue
            multiples, others = ((whole, 1), (half, 2)), ((half, 1), (half, 3))
            fails = [[self.fails({axis: a, other: b}) for a, b in pairs] for pairs in (multiples, others)]
            if fails == [[wrong] * 2, [not wrong] * 2] and self.alone_in(axis, other, whole, wrong):
                words = f"wrong where {product(axis, other)} is {'a' if wrong else 'no'} multiple of {whole}"
                rows = ", in rows of T steps" * bool(self.bench.subject.capabilities.lengths)
                return words + rows + self.beside(axis, other)
        return ""

    def alone_in(self, axis: str, other: str, whole: int, wrong: bool) -> bool:
        """Whether no third size, nor the number of directions, is part of a product; wrong: where it is a multiple.

        Nor may a case that is wrong, in rows of T steps, have a product of which the rule says nothing.
        """
        sizes = {(whole, 1): wrong, (whole // 2, 1): not wrong}
        thirds = [{one: 2 * self.sizes[one]} for one in AXES if one not in (axis, other)]
        for (a, b), fails in sizes.items():
            found = [self.fails({axis: a, other: b, **third}) for third in thirds]
            found.append(self.fails({axis: a, other: b}, otherwise=True))
            if not all(one in (None, fails) for one in found):
                return False
        whole_rows = [case for case in self.probes if (case.row_lengths == case.num_steps).all()]
        products = [size_of(case, axis) * size_of(case, other) for case in whole_rows]
        return all((size % whole == 0) is wrong for size in products)

    def directions(self, axis: str, tried: Mapping[int, bool]) -> str:
        """How many directions there are, if with another number of them other sizes are wrong than those tried."""
        other = {size: self.fails({axis: size}, otherwise=True) for size in tried}
        if all(fails in (None, tried[size]) for size, fails in other.items()):
            return ""
        return "with two directions" if self.case.config.bidirectional else "with one direction"

    def fixed(self, axis: str, rule: Rule, tried: Sequence[int]) -> list[str]:
        """The axes of which twice the size makes the rule untrue at some of the sizes tried."""
        found = []
        for other in (other for other in AXES if other != axis):
            twice = {other: 2 * self.sizes[other]}
            if any(self.fails({axis: size, **twice}) is (not rule.is_wrong(size)) for size in tried):
                found.append(other)
        return found

    def beside(self, *axes: str, ways: str = "", fixed: Collection[str] = ()) -> str:
        """The form in which it is asked, and what else it may take: sizes of other axes, directions.

        Those sizes that are large, and those fixed: on which it depends which sizes of this axis are wrong.
        """
        large = [
            other for other, size in self.sizes.items()
            if other not in axes and (size > USUAL[other] or other in fixed)
        ]  # fmt: skip
        told = [str(self.form), *(f"with {other} = {self.sizes[other]}" for other in large), ways]
        return "".join(f", {one}" for one in told if one)

    def alike(self, axis: str) -> tuple[str, str] | None:
        """What a size is where it is wrong, and of which other axis, if it is so where both are larger; else None."""
        for name, (other, often) in SAME.items():
            size, times = self.sizes[other], often(self.case.config)
            if other == axis or size * times != self.sizes[axis]:
                continue
            both = [{other: size + by, axis: (size + by) * times} for by in (1, *FARTHER)]
            if self.fails({other: size + 1}) is not False or not self.fails(both[0]):
                continue
            if all(self.fails(larger) is not False for larger in both[1:]):
                return name.format(times=times), other
        return None

    def foretells(self, axis: str, is_wrong: Callable[[int], bool], largest: int) -> bool:
        """Whether a rule says of larger sizes than any that it was learnt from what becomes of them.

        Of more rows it must say so in whatever order they end.
        """
        larger = [size for size in range(largest + 1, 2 * largest + FEW) if self.allows(axis, size)]
        wrong, right = ([size for size in larger if is_wrong(size) is value][:NEW] for value in (True, False))
        orders = ORDERS if axis == "N" and self.case.lengths is not None else ORDERS[:1]
        far = [size for size in larger if size <= FAR][-1:]
        asked = [(size, order) for size in dict.fromkeys((*wrong, *right, *far)) for order in orders]
        return not any(self.fails({axis: size}, order) is (not is_wrong(size)) for size, order in asked)

    def tried(self, axis: str) -> list[int]:
        """The sizes that are tried: few where small ones fail."""
        size = self.sizes[axis]
        end = 2 * size + 1 if size > USUAL[axis] else 0
        near = [size + by for by in (-2, -1, 1, 2)] + [width + by for width in WIDTHS for by in (-1, 0, 1)]
        all_of = {*range(1, max(FEW, min(end, MANY)) + 1), size, *(one for one in near if 0 < one <= end)}
        return sorted(one for one in all_of if self.allows(axis, one))

    def allows(self, axis: str, size: int) -> bool:
        """Whether an axis may have a size: more units than a projection leaves, one row where there is no such axis."""
        fits = {"H": size > self.case.config.proj_size, "N": size == 1 or not self.form.unbatched}
        return fits.get(axis, True) and self.bench.size(AXES[axis], size) == size

    def fails(self, sizes: Mapping[str, int], order: Order = np.asarray, otherwise: bool = False) -> bool | None:
        """Whether it fails in a case of these sizes; None where it says nothing of it.

        otherwise  in two directions where the case has one, and the other way round
        """
        if not all(self.allows(axis, size) for axis, size in sizes.items()):
            return None
        case = self.case.replace(bidirectional=self.case.config.bidirectional != otherwise)
        return self.is_wrong(of_sizes(self.bench, case, self.form, self.sizes | dict(sizes), order))

    def without_steps(self) -> bool | None:
        """Whether it fails where no row has a step, although there is one; None where that says nothing of it."""
        case = of_sizes(self.bench, self.case, self.form, self.sizes | {"T": 1})
        if case.unbatched or not self.bench.subject.capabilities.lengths:
            return None
        return self.is_wrong(case.replace(lengths=np.zeros(case.num_rows, np.int64)))

    def is_wrong(self, case: Case) -> bool | None:
        """Whether it fails in a case; None where it says nothing of it."""
        if self.bench.calls.over or not self.allowed.admits(case) or not self.bench.subject.takes(case):
            return None
        self.bench.calls.spend(CALLS)
        status = judge_case(self.prop, self.bench.subject.target, case).status
        return status == "failed" if status in ("passed", "failed") else None


def of_sizes(bench: Bench, case: Case, form: Form, sizes: Mapping[str, int], order: Order = np.asarray) -> Case:
    """A case of these sizes without zeros, otherwise like another one, in a form; order: that in which rows end."""
    config = replace(
        case.config, input_size=sizes["I"], hidden_size=sizes["H"], num_layers=sizes["L"], batch_first=False
    )
    old = dict(case.arrays())
    other = generic(bench, config, sizes["T"], sizes["N"]).replace(training=case.training)
    if case.lengths is not None:
        ends = order(lengths_of(case.row_lengths, sizes["N"]))
        lengths = np.maximum(sizes["T"] - (case.num_steps - ends), min(1, sizes["T"]))
        other = other.replace(lengths=np.where(ends == 0, 0, lengths))
    if form.no_state:
        other = other.map(lambda name, array: 0 * array if name in ("h_0", "c_0") else array)
    return form.ask(other.map(lambda name, array: relaid(array, layout_of(old[name])) if name in old else array))


def lengths_of(lengths: np.ndarray, rows: int) -> np.ndarray:
    """The lengths of so many rows: the same again and again; of fewer the longest and the shortest, in their order.

    >>> lengths_of(np.array([2, 3, 1, 0, 2]), 2).tolist(), lengths_of(np.array([2, 0]), 3).tolist()
    ([3, 0], [2, 0, 2])
    """
    if rows >= len(lengths):
        return np.resize(lengths, rows)
    longest, *others = np.argsort(-lengths, kind="stable").tolist()
    return lengths[sorted([longest, *others[::-1]][:rows])]


def product(*axes: str) -> str:
    """The product of sizes, in words."""
    return "*".join(axis for axis in AXES if axis in axes)


def multiple_in(is_wrong: Callable[[int], bool], largest: int) -> int:
    """The number of which sizes are a multiple where they are wrong, or where they are right alone; 0 if there is none.

    >>> multiple_in(lambda size: size % 8 > 0, largest=20), multiple_in(lambda size: size > 4, largest=20)
    (8, 0)
    """
    for m in range(2, largest + 1):
        if all(is_wrong(size) is (is_wrong(m) is (size % m == 0)) for size in range(1, 2 * m + 1)):
            return m
    return 0


def rules(wrong: Sequence[int], right: Sequence[int], usual: int) -> Iterator[Rule]:
    """The rules for which sizes are wrong that these sizes follow, the simplest first; none that say nothing of sizes.

    >>> [rule.words for rule in rules([17, 18, 19], [1, 2, 16], usual=3)]
    ['right up to {0} = 16, wrong from {0} = 17 on']
    >>> next(rules([8, 16, 24], [1, 2, 4, 7, 9, 12, 20], usual=3)).words
    'wrong where {0} is a multiple of 8'
    >>> [rule.words for rule in rules([17, 18, 19, 21], [1, 2, 16, 20], usual=3)][-1]
    'right up to {0} = 16, wrong from {0} = 17 on, but for 20'
    >>> next(rules([8, 9, 10, 11, 12, 13, 14, 15, 24], [1, 7, 16, 17, 23], usual=3)).words
    'wrong where {0} divided by 16 leaves 8 or more'
    >>> list(rules([2, 3, 4], [1], usual=3))
    []
    """
    if not wrong or not right:
        return
    least, most = min(wrong), max(wrong)
    if max(right) < least:
        if least > usual:
            alone = f"wrong from {{0}} = {least} on"
            yield Rule(lambda size: size >= least, f"right up to {{0}} = {max(right)}, {alone}", alone)
    elif most < min(right):
        one = least == most
        alone = f"wrong {'where' if one else 'up to'} {{0}} = {most}"
        words = f"{alone}, right from {{0}} = {min(right)} on"
        yield Rule(lambda size: size == most if one else size <= most, words, alone)
    elif len(wrong) == 1:
        alone = f"wrong where {{0}} is {least}"
        yield Rule(lambda size: size == least, f"{alone}, right at the others that were tried", alone)
    elif len(right) > 1:
        for is_wrong, words in chain(multiples(least, most), several(wrong)):
            if all(map(is_wrong, wrong)) and not any(map(is_wrong, right)):
                yield Rule(is_wrong, words, words)
        yield from but_for(wrong, right, usual)


def but_for(wrong: Sequence[int], right: Sequence[int], usual: int) -> Iterator[Rule]:
    """The rule that sizes are wrong from one on, but for very few."""
    least = min(wrong)
    below, others = [size for size in right if size < least], {size for size in right if size > least}
    if below and least > usual and len(others) <= EXCEPT < len(wrong):
        alone = f"wrong from {{0}} = {least} on, but for {enumeration(list(map(str, sorted(others))))}"
        words = f"right up to {{0}} = {max(below)}, {alone}"
        yield Rule(lambda size: size >= least and size not in others, words, alone)


def multiples(least: int, most: int) -> Iterator[tuple[Callable[[int], bool], str]]:
    """Rules about multiples, and what sizes leave, the simplest first; least, most: the sizes that are wrong."""
    for m in range(2, most + 1):
        yield partial(leaves, m, (0,)), f"wrong where {{0}} is a multiple of {m}"
        yield partial(leaves, m, range(1, m)), f"wrong where {{0}} is no multiple of {m}"
    for m in range(2, most + 1):
        more = f"wrong where {{0}} is {least} or more and"
        yield partial(leaves, m, (0,), least=least), f"{more} a multiple of {m}"
        yield partial(leaves, m, range(1, m), least=least), f"{more} no multiple of {m}"
        for left in range(1, m):
            yield partial(leaves, m, (left,)), f"wrong where {{0}} divided by {m} leaves {left}"
            yield partial(leaves, m, (left,), least=least), f"{more} divided by {m} leaves {left}"


def several(wrong: Collection[int]) -> Iterator[tuple[Callable[[int], bool], str]]:
    """Rules that sizes leave so many or more, or no more than so many; each of what they may leave is wrong once."""
    least = min(wrong)
    for m in range(4, max(wrong) + 1):
        for left in range(2, m - 1):
            for said, some in {f"{left} or more": range(left, m), f"1 to {left}": range(1, left + 1)}.items():
                if {size % m for size in wrong} == set(some):
                    yield partial(leaves, m, some), f"wrong where {{0}} divided by {m} leaves {said}"
                    more = f"wrong where {{0}} is {least} or more and divided by {m} leaves {said}"
                    yield partial(leaves, m, some, least=least), more


def leaves(m: int, left: Collection[int], size: int, least: int = 0) -> bool:
    """Whether a size is so large, and leaves one of these when it is divided by m."""
    return size >= least and size % m in left
