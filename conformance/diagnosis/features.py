"""Features: what a call has or has not, in words that go behind "where"."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import combinations
from math import gcd, prod
from operator import eq, ge, le, ne
from typing import Any

import numpy as np

from conformance.claims.capabilities import COTANGENTS
from conformance.harness.call import Call
from conformance.judging.counterexample import MEMORY
from reference_rnn import Case, RecurrenceCase
from strategies import layout_of
from strategies.forms import LENGTHS
from strategies.integers import valid_steps

from .sizes import sizes_of as sizes_of_layers

BOUNDS = 6  # values of a size between which a rule may tell
NO_MULTIPLES = range(2, 17)  # of which a size may have to be no multiple
BLOCK = 64  # the largest of which it may have to leave some
ACROSS = 3  # sizes that lack a feature, below one that has it, and above
LARGEST = [2**k for k in range(2, 11)]  # numbers beyond the least are seldom needed to show what is wrong
INPUTS = ("x", "h_0", "c_0")
AS_USUAL = ("C", "read-only")  # memory layouts
KINDS = {  # arrays that may be read alike, by how their names begin; of two states where there are two
    "a weight_ih": ("weight_ih",), "a weight_hh": ("weight_hh",), "a weight": ("weight",), "a bias": ("bias",),
    "an array": ("",),
}  # fmt: skip
PAIRS = {"h_0 or c_0": ("h_0", "c_0"), "d_h_n or d_c_n": ("d_h_n", "d_c_n")}

# What a case of layers can be, in words that follow "where": of its sizes, and of its form.
SIZE_FEATURES: dict[str, Callable[[Case], bool]] = {
    "T > 1": lambda c: c.num_steps > 1,
    "T > 4": lambda c: c.num_steps > 4,
    "T > 8": lambda c: c.num_steps > 8,
    "N = 1": lambda c: c.num_rows == 1,
    "N > 1": lambda c: c.num_rows > 1,
    "N > 8": lambda c: c.num_rows > 8,
    "H > 4": lambda c: c.config.hidden_size > 4,
    "H > 8": lambda c: c.config.hidden_size > 8,
    "H > 16": lambda c: c.config.hidden_size > 16,
    "H is no multiple of 4": lambda c: c.config.hidden_size % 4 > 0,
    "I > 4": lambda c: c.config.input_size > 4,
    "I > 8": lambda c: c.config.input_size > 8,
    "I is not H": lambda c: c.config.input_size != c.config.hidden_size,
    "T = 0": lambda c: c.num_steps == 0,
}
FORM_FEATURES: dict[str, Callable[[Case], bool]] = {
    "there are two directions": lambda c: c.config.bidirectional,
    "there is more than one layer": lambda c: c.config.num_layers > 1,
    "there are more than two layers": lambda c: c.config.num_layers > 2,
    "lengths are given": lambda c: c.lengths is not None,
    "a length is less than T": lambda c: bool((c.row_lengths < c.num_steps).any()),
    "lengths are unsigned integers": lambda c: c.lengths is not None and c.lengths.dtype.kind == "u",
    "a length is 0": lambda c: c.num_steps > 0 and bool((c.row_lengths == 0).any()),
    "there is NaN in the padding": lambda c: c.lengths is not None and bool(np.isnan(c.x).any()),
    "there are no biases": lambda c: not c.config.bias,
    "there are biases": lambda c: c.config.bias,
    "the initial state is not zero": lambda c: c.h_0 is not None and bool(np.any(c.h_0)),
    "no initial state is given": lambda c: c.h_0 is None,
    "an initial state is given": lambda c: c.h_0 is not None,
    "an array is not contiguous": lambda c: not all(a.flags.c_contiguous for _, a in c.arrays()),
    "an array is read-only": lambda c: not all(a.flags.writeable for _, a in c.arrays()),
    "the batch comes first": lambda c: c.config.batch_first,
    "there is no batch": lambda c: c.unbatched,
    "there is a projection": lambda c: c.config.proj_size > 0,
    "dropout is set": lambda c: c.config.dropout > 0,
    "it is training": lambda c: c.training,
    "x is not finite": lambda c: not np.isfinite(valid_steps(c)).all(),
    "there are peepholes": lambda c: c.config.peepholes,
    "gates are coupled": lambda c: c.config.coupled_gates,
    "there is a clip": lambda c: c.config.clip > 0,
    "activations are not the usual ones": lambda c: bool(c.config.activations),
    "numbers are large": lambda c: bool((abs(np.nan_to_num(c.x, posinf=0, neginf=0)) > 20).any()),
    "the dtype is float32": lambda c: c.config.dtype == "float32",
    "the dtype is float64": lambda c: c.config.dtype == "float64",
    "the dtype is float16": lambda c: c.config.dtype == "float16",
    "the dtype is bfloat16": lambda c: c.config.dtype == "bfloat16",
}
FEATURES = FORM_FEATURES | SIZE_FEATURES


def ends_together(case: Case) -> bool:
    """Whether all rows end at the same step, before T."""
    ends = {*case.row_lengths.tolist()}
    return len(ends) == 1 and max(ends) < case.num_steps


def has_lengths_of(kind: str, case: Case) -> bool:
    """Whether lengths are given, and are of a dtype in C order, or lie in memory in another way."""
    if case.lengths is None:
        return False
    layout = layout_of(case.lengths)
    return kind == (str(case.lengths.dtype) if layout in AS_USUAL else layout)


# The same of its form, of which probes have too little for what is read off them alone.
RARE_FEATURES: dict[str, Callable[[Case], bool]] = {
    "all lengths are T": lambda c: c.lengths is not None and bool((c.row_lengths == c.num_steps).all()),
    "rows end at different steps": lambda c: len({*c.row_lengths.tolist()}) > 1,
    "all rows end at the same step, before T": ends_together,
    "no row has a step": lambda c: not c.row_lengths.any(),
    "dropout is set, outside training": lambda c: c.config.dropout > 0 and not c.training,
    "lengths are not of int64 in C order": lambda c: c.lengths is not None and not has_lengths_of("int64", c),
    **{
        f"lengths {MEMORY[kind][1] if kind in MEMORY else f'are of {kind}'}": partial(has_lengths_of, kind)
        for kind in LENGTHS
    },
}

OF_RECURRENCES: dict[str, Callable[[RecurrenceCase], bool]] = {
    "a state is given": lambda c: not c.stateless,
    "no state is given": lambda c: c.stateless,
    "a given state is not zero": lambda c: any(a is not None and a.any() for a in c.states.values()),
    "rows are packed": lambda c: c.offsets is not None,
    "lengths are given": lambda c: c.lengths is not None,
    "a length is less than T": lambda c: bool((c.row_lengths < c.num_steps).any()),
    "the dtype is float32": lambda c: c.config.dtype == "float32",
    "the dtype is float64": lambda c: c.config.dtype == "float64",
}


@dataclass(frozen=True)
class Feature:
    """Something that a call has or has not.  words: follow "where"

    axis     of a feature that is about a size: which;  of_size: whether a size has it, if that size alone tells
    bound    the size next to those that have it, where it is about how large a size is; else 0
    compared the size with which it is compared, as "D*H"; else ""
    """

    words: str
    holds: Callable[[Call], bool] = field(compare=False)
    axis: str = field(default="", compare=False)
    of_size: Callable[[int], bool] | None = field(default=None, compare=False)
    bound: int = field(default=0, compare=False)
    compared: str = field(default="", compare=False)

    def across(self, case: Any, known: Sequence[int]) -> list[int]:
        """Sizes near that of a case, among which are some that do not have it; known: others that do not."""
        if self.of_size is None:
            return [measure(case, self.compared) + by for by in (-1, 0, 1, 2)]
        size = measure(case, self.axis)
        lacking = [one for one in range(1, size + BLOCK) if not self.of_size(one)]
        if not self.bound:
            return [one for one in lacking if one < size][-ACROSS:] + [one for one in lacking if one > size][:ACROSS]
        nearest = sorted(lacking, key=lambda one: abs(one - size))[:1]
        if not nearest:
            return []
        beyond = [one for one in known if (one < size) is (nearest[0] < size)]
        far = min(beyond, key=lambda one: abs(one - size), default=0 if nearest[0] < size else 2 * nearest[0])
        return sorted({*nearest, (nearest[0] + far) // 2})


def features_of(calls: Sequence[Call]) -> list[Feature]:
    """What a rule of these calls can be about, in the order in which it is sooner said."""
    first = calls[0]
    recurrent = isinstance(first.case, RecurrenceCase)
    cases: dict[str, Callable[[Any], bool]] = OF_RECURRENCES if recurrent else FORM_FEATURES | RARE_FEATURES
    return [
        Feature("gradients are asked for", lambda call: call.do == "gradients"),
        Feature("results are asked for", lambda call: call.do == "forward"),
        *(Feature(words, partial(is_case, has)) for words, has in cases.items()),
        *about_sizes(calls),
        *(() if recurrent else (*about_numbers(first), *about_cotangents(first), *about_memory(first))),
    ]


def is_case(has: Callable[[Any], bool], call: Call) -> bool:
    """Whether the case of a call has something."""
    return has(call.case)


def about_sizes(calls: Sequence[Call]) -> Iterator[Feature]:
    """That sizes, or products of two, are large or small enough, alike, or multiples."""
    first = calls[0].case
    single, products = list(sizes_of(first)), products_of(first)
    sizes = {axis: sorted({measure(call.case, axis) for call in calls}) for axis in (*single, *products)}
    for axis in single:
        yield from bounds_of(axis, sizes[axis])
    for one, other in likely_pairs(first):
        yield from likeness_of(one, other)
    for axis in products:
        yield from bounds_of(axis, sizes[axis])
    for axis in sizes:
        yield from multiples_of(axis, sizes[axis])
    for axis in single:
        yield from rests_of(axis, sizes[axis])


def about_size(axis: str, words: str, is_so: Callable[[int], bool], bound: int = 0) -> Feature:
    """A feature about one size; words: in which {} is its axis."""
    return Feature(words.format(axis), lambda call: is_so(measure(call.case, axis)), axis, is_so, bound)


def bounds_of(axis: str, sizes: Sequence[int]) -> Iterator[Feature]:
    """That a size is one that all calls have, and that it is as large, or as small, as that of some of them."""
    for size in sizes if len(sizes) == 1 else ():
        yield about_size(axis, f"{{}} = {size}", partial(eq, size))
    for size in sizes[:BOUNDS]:
        yield about_size(axis, f"{{}} > {size - 1}", partial(le, size), size - 1)
    for size in sizes[-BOUNDS:] if "*" not in axis else ():
        yield about_size(axis, f"{{}} < {size + 1}", partial(ge, size), size + 1)


def likeness_of(one: str, other: str) -> Iterator[Feature]:
    """Whether two sizes are the same."""
    for words, relation in (("is not", ne), ("is", eq)):
        holds = partial(compare, relation, one, other)
        yield Feature(f"{one} {words} {other}", holds, one, compared=other)


def compare(relation: Callable[[int, int], bool], one: str, other: str, call: Call) -> bool:
    """Whether two sizes of a call's case are related so."""
    return relation(measure(call.case, one), measure(call.case, other))


def likely_pairs(case: Any) -> Iterator[tuple[str, str]]:
    """Sizes that may be taken for each other."""
    sizes = sizes_of(case)
    yield from combinations(sizes, 2)
    if not isinstance(case, RecurrenceCase):
        gates = len(case.config.cell.packing("weight_ih"))
        others = ["D*H", "D*L", *([f"{gates}*H"] if gates > 1 else [])]
        yield from ((one, other) for one in "TNI" for other in others)


def multiples_of(axis: str, sizes: Sequence[int]) -> Iterator[Feature]:
    """Whether a size is a multiple of a number."""
    for m in divisors(gcd(*sizes)):
        yield about_size(axis, f"{{}} is a multiple of {m}", partial(leaves, m, (0,)))
    for m in NO_MULTIPLES:
        yield about_size(axis, f"{{}} is no multiple of {m}", partial(leaves, m, range(1, m)))


def rests_of(axis: str, sizes: Sequence[int]) -> Iterator[Feature]:
    """What a size leaves when it is divided by a number: always the same, or so much or more, or no more than that."""
    for m in divisors(gcd(*(size - sizes[0] for size in sizes))):
        if left := sizes[0] % m:
            yield about_size(axis, f"{{}} divided by {m} leaves {left}", partial(leaves, m, (left,)))
    for m in range(4, min(max(sizes), BLOCK) + 1) if len(sizes) > 2 else ():
        least, most = min(size % m for size in sizes), max(size % m for size in sizes)
        if least > 1 and most == m - 1:
            yield about_size(axis, f"{{}} divided by {m} leaves {least} or more", partial(leaves, m, range(least, m)))
        if least == 1 < most < m - 1:
            yield about_size(axis, f"{{}} divided by {m} leaves 1 to {most}", partial(leaves, m, range(1, most + 1)))


def leaves(m: int, left: Collection[int], size: int) -> bool:
    """Whether a size leaves one of these when it is divided by m."""
    return size % m in left


def divisors(number: int) -> list[int]:
    """The divisors of a number, but for 1, the largest first: of what is a multiple of each it says most."""
    return [m for m in range(number, 1, -1) if number % m == 0]


def about_numbers(call: Call) -> Iterator[Feature]:
    """How large its numbers are, in one array that goes in, or in any; and zeros in these."""
    given = dict(call.arrays())
    inputs = [name for name in (*INPUTS, *COTANGENTS) if name in given]
    for name in inputs:
        yield Feature(f"there are zeros in {name}", partial(has_zeros, name))
    for words, names in ({f"a number of {name}": (name,) for name in inputs} | {"a number": ("",)}).items():
        for bound in (bound for bound in LARGEST if exceeds(names, bound, call)):
            yield Feature(f"{words} is beyond {bound}", partial(exceeds, names, bound))


def about_cotangents(call: Call) -> Iterator[Feature]:
    """Which cotangents a call lacks."""
    for name, array in call.cotangents.items() if call.do == "gradients" else ():
        if array is None:
            yield Feature(f"{name} is not given", partial(lacks, name))


def about_memory(call: Call) -> Iterator[Feature]:
    """How arrays of a call lie in memory, those of each kind, and each of them."""
    odd = {name: layout for name, array in call.arrays() if (layout := layout_of(array)) != "C" and array.size}
    given = dict(call.arrays())
    kinds = KINDS | {words: pair for words, pair in PAIRS.items() if given.keys() >= {*pair}}
    kinds = {words: beginnings for words, beginnings in kinds.items() if any(n.startswith(beginnings) for n in odd)}
    for words, beginnings in (kinds | {name: (name,) for name in odd}).items():
        mine = [layout for name, layout in odd.items() if name.startswith(beginnings)]
        for layout in dict.fromkeys(mine):
            yield Feature(f"{words} {MEMORY[layout][0]}", partial(lies, beginnings, (layout,)))
        if not set(mine) <= set(AS_USUAL):
            yield Feature(f"{words} is not in C order", partial(lies, beginnings, {*MEMORY} - {*AS_USUAL}))


def lies(beginnings: tuple[str, ...], layouts: Collection[str], call: Call) -> bool:
    """Whether an array of a call whose name begins so has one of some memory layouts."""
    mine = (array for name, array in call.arrays() if name.startswith(beginnings) and array.size)
    return any(layout_of(array) in layouts for array in mine)


def lacks(name: str, call: Call) -> bool:
    """Whether gradients are asked for without one cotangent."""
    return call.do == "gradients" and call.cotangents.get(name) is None


def has_zeros(name: str, call: Call) -> bool:
    """Whether some number of an array of a call is zero."""
    return any(other == name and not np.all(array) for other, array in call.arrays())


def exceeds(names: tuple[str, ...], bound: float, call: Call) -> bool:
    """Whether some finite number in the arrays of a call whose names begin so is larger than that."""
    return any(largest(array) > bound for name, array in call.arrays() if name.startswith(names))


def largest(array: np.ndarray) -> float:
    """The size of the largest number that is finite."""
    return float(abs(array).max(initial=0, where=np.isfinite(array)))


def shared(cases: Iterable[Case]) -> list[str]:
    """What all of some cases of layers are, of FEATURES."""
    cases = list(cases)
    return [name for name, is_so in FEATURES.items() if all(map(is_so, cases))]


def sizes_of(case: Any) -> dict[str, int]:
    """The sizes of a case by their letters: steps, rows, and what its arrays have."""
    if isinstance(case, RecurrenceCase):
        heads = {"M": case.config.heads} if case.config.cell.heads else {}
        return {"T": case.num_steps, "N": case.num_rows} | heads | dict(case.config.sizes)
    return sizes_of_layers(case)


def measure(case: Any, axis: str) -> int:
    """A size of a case, or a product of sizes, of directions, and of a number, as "T", "T*N", "D*H" and "3*H"."""
    sizes = sizes_of(case)
    if axis in sizes:
        return sizes[axis]
    return prod(
        sizes[one] if one in sizes else int(one) if one.isdigit() else case.config.num_directions
        for one in axis.split("*")
    )


def products_of(case: Any) -> list[str]:
    """The products of two sizes of layers, of which buffers may be, and what directions give; none of recurrences."""
    return [] if isinstance(case, RecurrenceCase) else [*map("*".join, combinations("TNIH", 2)), "D*H"]
