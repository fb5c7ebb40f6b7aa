"""Calls like one: that lack one thing which it has, or have other numbers or sizes.

A fast path is taken in one dtype, for one memory layout, without biases, for several rows, from a size on: a call that
lacks that alone, and is right, says so.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from functools import partial
from itertools import combinations, product

import numpy as np

from conformance.claims.capabilities import OPTIONS
from conformance.harness.call import Call
from conformance.judging.call_sequences import nudged, one_step_less
from conformance.judging.counterexample import Counterexample
from conformance.judging.metamorphic import rows, with_padding
from reference_rnn import PRECISION, Case, Config, parameter_shapes
from strategies import layout_of, relaid
from strategies.forms import LENGTHS, WORDS, Form
from strategies.memory import LAYOUTS
from strategies.shrink import without

from .asking import Bench
from .earlier import asked_with, given, is_wrong, of_dtype, results
from .features import INPUTS, KINDS, LARGEST, PAIRS, largest
from .influence import generic
from .sizes import AXES, of_sizes, sizes_of

MORE = range(3)  # by how much larger calls like one are, with numbers that have no zeros
LARGE = (32, 33)  # a block of steps, rows or units that are worked on at once, and more than that
SMALL = 2.0**-4  # in place of zeros
FARTHER = 16.0  # exp overflows at 89 in float32, at 710 in float64
PLACES, NEARBY = 2, 2.0**-5  # near a case, at which its results are right, and how near they are
SHARE, SHARES = 2.0**-8, 13  # by how much numbers are smaller, and how many times that
SIGNED = ("int32", "int8", "int16", "strided", "negative")  # lengths of integers that have a sign
FEW = 9  # sizes that are always tried, from 1 up
MULTIPLES = (12, 16, 24)  # of blocks, tried beside these
MANY = 36  # tried one by one; of larger ones those about the size that is wrong, and about widths
WIDTHS = (48, 64, 96, 128, 256)
USUAL = {"T": 3, "N": 3, "I": 3, "H": 3, "L": 2}  # up to so many are part of what a network does: two steps, two rows


def variations(bench: Bench, call: Call) -> Iterator[Call]:
    """Calls like one that each lack something that it has, or have something that it lacks."""
    meant, form = bench.allowed.taken_apart(call.case)
    for case in (*of_form(call.case, meant, form, bench.allowed.forms), *of_case(bench, meant, form)):
        yield asked_with(bench, call, laid_like(case, call.case))
    yield from of_cotangents(bench, call)
    yield from of_memory(call)
    if call.do == "gradients":  # elsewhere, too: they may be those of another function, which is right at one place
        yield from (replace(results(call), case=case) for case in (call.case, *nearby(call.case)))


def other_sizes(bench: Bench, call: Call) -> Iterator[Call]:
    """The call with each of other sizes along one axis, few where small ones are wrong; of units in both directions.

    Then with other sizes along two: the same where they are the same, and such that their product remains.
    """
    sizes = sizes_of(bench.allowed.taken_apart(call.case)[0])
    for axis, size in sizes.items():
        end = 2 * size + 1 if size > USUAL[axis] else 0
        near = [size + by for by in (-2, -1, 1, 2)] + [width + by for width in WIDTHS for by in (-1, 0, 1)]
        tried = {*range(1, max(FEW, min(end, MANY)) + 1), *MULTIPLES, *(one for one in near if 0 < one <= end)} - {size}
        for other in sorted(tried):
            yield from resized(bench, call, sizes | {axis: other})
            yield from resized(bench, call, sizes | {axis: other}, turned=True) if axis == "H" else ()
    for one, other in combinations((axis for axis in "TNIH" if sizes[axis] > USUAL[axis]), 2):
        for pair in pairs_like(sizes[one], sizes[other]):
            yield from resized(bench, call, sizes | dict(zip((one, other), pair)))


def pairs_like(one: int, other: int) -> list[tuple[int, int]]:
    """Pairs of other sizes that have the same product; and such that are the same, if these are.

    >>> pairs_like(6, 4)
    [(1, 24), (2, 12), (24, 1)]
    """
    alike = sorted({*range(1, FEW + 1), *MULTIPLES} - {one}) if one == other else []
    parts = [part for part in (1, 2, one * other) if one * other % part == 0 and part != one]
    return [*((size, size) for size in alike), *((part, one * other // part) for part in parts)]


def allows(bench: Bench, call: Call, axis: str, size: int) -> bool:
    """Whether an axis may have a size: more units than a projection leaves, one row where there is no such axis."""
    fits = {"H": size > call.case.config.proj_size, "N": size == 1 or not call.case.unbatched}
    return size >= (axis in "IHL") and fits.get(axis, True) and bench.size(AXES[axis], size) == size


def likewise(bench: Bench, call: Call) -> Iterator[Call]:
    """Calls like one, with other numbers, and of larger sizes; the first of these has one layer more, too."""
    meant, form = bench.allowed.taken_apart(call.case)
    for more in MORE:
        sizes = {axis: sizes_of(meant)[axis] + more * (axis in "TIH") for axis in AXES}
        sizes["N"] += 0 if form.unbatched else more
        sizes["L"] += more == 1
        yield from resized(bench, call, sizes)


def enlarged(bench: Bench, call: Call) -> Iterator[Call]:
    """Calls like one, with many more steps, rows, features or units."""
    meant, form = bench.allowed.taken_apart(call.case)
    sizes = sizes_of(meant)
    for axis, size in product("TIH" if form.unbatched else "TNIH", LARGE):
        if size > sizes[axis]:
            yield from resized(bench, call, sizes | {axis: size})


def resized(bench: Bench, call: Call, sizes: Mapping[str, int], turned: bool = False) -> Iterator[Call]:
    """The call with other numbers, about as large, in these sizes, if it can have them, and is taken.

    turned: whether in two directions where it has one, and the other way round
    """
    if not all(allows(bench, call, axis, size) for axis, size in sizes.items()):
        return
    meant, form = bench.allowed.taken_apart(call.case)
    case = of_sizes(bench, meant.replace(bidirectional=meant.config.bidirectional != turned), form, sizes)
    found = asked_with(bench, call, case.map(partial(as_large_as, dict(call.case.arrays()))))
    if bench.subject.takes(found.case):
        yield found


def as_large_as(others: Mapping[str, np.ndarray], name: str, array: np.ndarray) -> np.ndarray:
    """An array that goes in with the largest number of another one of its name, where that is beyond LARGEST."""
    bound = largest(others[name]) if name in INPUTS and name in others else 0.0
    if bound <= min(LARGEST) or not array.any():
        return array
    return relaid((array * (bound / largest(array))).astype(array.dtype), layout_of(array))


def nearly(bench: Bench, call: Call) -> Call:
    """The call with parameters that are a little smaller, each time by another share.

    Where instances share what is kept, what is kept of the same numbers may be what was read wrongly.
    """
    share = (1 + bench.calls.left % SHARES) * SHARE  # how many are left is another number each time
    return replace(call, case=laid_like(nudged(call.case, -share, call.case.parameters), call.case))


def wrong_call(bench: Bench, found: Counterexample) -> Call | None:
    """The first call that a failure is about to which a new instance gives a wrong answer; None if that is none."""
    calls = (replace(found.calls[number], in_place=False) for number in found.about())
    return next((call for call in calls if is_wrong(bench, call)), None)


def nearby(case: Case) -> list[Case]:
    """Cases of which each number is a little larger or smaller, zeros too."""
    return [case.map(partial(moved, np.random.default_rng(seed))) for seed in range(PLACES)]


def gradients_alone(bench: Bench, call: Call) -> bool:
    """Whether a call that is wrong is one for gradients whose results are right: if so, nearby, too. Raises NotRun.

    Else they may be those of another function, which is right at one place, as where a weight is 0.
    """
    forward = (replace(results(call), case=case) for case in (call.case, *nearby(call.case)))
    return call.do == "gradients" and all(is_wrong(bench, one) is False for one in forward)


def is_right_if_small(bench: Bench, call: Call) -> bool:
    """Whether gradients are right with cotangents that are a share of these: they are proportional. Raises NotRun."""
    small = {name: d if d is None else SHARE * d for name, d in call.cotangents.items()}
    return call.do == "gradients" and is_wrong(bench, replace(call, cotangents=small)) is False


def moved(generator: np.random.Generator, _name: str, array: np.ndarray) -> np.ndarray:
    """An array with each number moved, in the same memory layout."""
    by = (NEARBY * generator.choice([-1.0, 1.0], array.shape)).astype(array.dtype)
    return relaid(array + by, layout_of(array))


def of_cotangents(bench: Bench, call: Call) -> Iterator[Call]:
    """The call with zeros for each cotangent that it lacks, and with numbers of one that are cut off."""
    for name, array in given(bench.subject, call.case).items() if call.do == "gradients" else ():
        mine = call.cotangents.get(name)
        if array is not None and mine is None:
            yield replace(call, cotangents={**call.cotangents, name: np.zeros_like(array)})
        for bound in (bound for bound in LARGEST if mine is not None and largest(mine) > bound):
            yield replace(call, cotangents={**call.cotangents, name: smaller((name,), bound, name, mine)})  # type: ignore[arg-type]


def of_memory(call: Call) -> Iterator[Call]:
    """The call with arrays in other memory layouts, each alone and those of each kind together."""
    odd = {
        name: layout for name, array in call.arrays()
        if (layout := layout_of(array)) == "read-only" or (layout != "C" and array.size)
    }  # fmt: skip
    kinds = [[name for name in odd if name.startswith(beginnings)] for beginnings in (KINDS | PAIRS).values()]
    for names in (*([name] for name in odd), *kinds):
        for layout in dict.fromkeys(odd[name] for name in names):
            these = tuple(name for name in names if odd[name] == layout)
            yield from in_layouts(call, these, {*LAYOUTS} - {layout})


def of_form(asked: Case, meant: Case, form: Form, claimed: Collection[str]) -> Iterator[Case]:
    """The case in forms that have one thing less, or one thing more that is claimed, meant being the plainest."""
    for name in claimed:
        if name in WORDS and name not in form.names():
            yield replace(form, **{name: True}).ask(without_state(meant) if name == "no_state" else meant)  # type: ignore[arg-type]
    for name in form.names():
        yield replace(form, **{name: False}).ask(meant)  # type: ignore[arg-type]
        if name == "all_lengths" and meant.num_rows:
            yield form.ask(one_step_less(meant))
    if asked.lengths is None:
        return
    if form.lengths:
        yield from (replace(form, lengths=kind).ask(meant) for kind in ("", *LENGTHS) if kind != form.lengths)
    yield replace(form, all_lengths=False, lengths="").ask(meant.replace(lengths=None))


def of_case(bench: Bench, case: Case, form: Form) -> Iterator[Case]:
    """Cases that lack what a case has beside the form in which it is asked."""
    formless = case.unbatched or case.config.batch_first  # that is where no form is drawn
    yield from map(form.ask, of_config(bench, case))
    if not formless:
        yield from map(form.ask, (*of_options(bench, case), *of_rows(case)))
    states = ("x",) if form.no_state else INPUTS
    for other in of_numbers(case, [name for name, _ in case.arrays() if name in states]):
        yield from map(form.ask, (other, *in_other_dtypes(bench, other)))


def of_numbers(case: Case, states: Collection[str]) -> Iterator[Case]:
    """The case without zeros in x or a state, and with no number beyond each bound that it exceeds."""
    for state in states:
        if not np.all(getattr(case, state)):
            yield case.map(partial(without_zeros, state))
    for names in (*((name,) for name in states), ("",)):
        most = max(largest(array) for name, array in case.arrays() if name.startswith(names))
        yield from (case.map(partial(smaller, names, bound)) for bound in LARGEST if most > bound)


def without_state(case: Case) -> Case:
    """The case with zeros for its initial state."""
    return case.map(lambda name, array: 0 * array if name in ("h_0", "c_0") else array)


def without_zeros(state: str, name: str, array: np.ndarray) -> np.ndarray:
    """An array of this name with small numbers for zeros."""
    return np.where((array == 0) & (name == state), array.dtype.type(SMALL), array)


def smaller(names: tuple[str, ...], bound: int, name: str, array: np.ndarray) -> np.ndarray:
    """An array of one of some names with its finite numbers cut off."""
    cut = np.isfinite(array) & name.startswith(names)
    return np.where(cut, np.clip(array, -bound, bound), array).astype(array.dtype)


def of_config(bench: Bench, case: Case) -> Iterator[Case]:
    """Cases that lack what a case has by its configuration."""
    config = case.config
    for other in in_other_dtypes(bench, case):
        yield other
        if PRECISION[other.config.dtype] > PRECISION[config.dtype]:
            yield other.map(farther)  # what ends the range of a format ends that of a wider one later
    if not config.bias:
        zeros = {
            name: case.parameters.get(name, np.zeros(shape.sizes, config.numpy_dtype))
            for name, shape in parameter_shapes(replace(config, bias=True)).items()
        }
        yield case.replace(bias=True, parameters=zeros)
    elif bench.allowed.bias is None:
        others = {name: array for name, array in case.parameters.items() if not name.startswith("bias")}
        yield case.replace(bias=False, parameters=others)
    if config.bidirectional:
        yield without(case, "D", 1)
    yield from (without(case, "L", kept, config.num_layers - kept) for kept in range(1, config.num_layers))
    if case.training and config.dropout:
        yield from (case.replace(dropout=0.0), case.replace(training=False))


def of_options(bench: Bench, case: Case) -> Iterator[Case]:
    """The case without a projection, and without each option of its cell."""
    for option, usual in ((option, getattr(Config, option)) for option in ("proj_size", *OPTIONS)):
        if getattr(case.config, option) != usual:
            other = generic(bench, replace(case.config, **{option: usual}), case.num_steps, case.num_rows)
            yield other.replace(lengths=case.lengths, training=case.training)


def of_rows(case: Case) -> Iterator[Case]:
    """The case with one row alone, with other ends of rows, and with zeros in the padding."""
    if case.num_rows > 1:
        yield from (rows(case, [row]) for row in range(case.num_rows))
    if case.lengths is not None and 0 in case.lengths:
        yield with_steps(case)
    if (case.row_lengths < case.num_steps).any():
        first, last = case.row_lengths.min(), case.row_lengths.max()
        yield case.replace(lengths=0 * case.row_lengths + last) if first < last else with_whole_row(case)
        yield case.replace(lengths=np.full(case.num_rows, case.num_steps))
    if not np.isfinite(case.x).all() and np.isfinite(with_padding(case, 0).x).all():
        yield with_padding(case, 0)


def with_steps(case: Case) -> Case:
    """The case with one step at least in each row; it is of small numbers where T = 0."""
    first = np.full((1, case.num_rows, case.config.input_size), SMALL, case.x.dtype)
    return case.replace(x=case.x if case.num_steps else first, lengths=np.maximum(case.row_lengths, 1))


def with_whole_row(case: Case) -> Case:
    """The case with another row, like the first, that has all steps."""
    more = rows(case, [*range(case.num_rows), 0])
    return more.replace(lengths=np.append(case.row_lengths, case.num_steps))


def in_other_dtypes(bench: Bench, case: Case) -> list[Case]:
    """The case in each other dtype that is claimed."""
    dtypes = bench.subject.capabilities.dtypes
    return [of_dtype(case, dtype) for dtype in dtypes if dtype != case.config.dtype]


def farther(name: str, array: np.ndarray) -> np.ndarray:
    """An array that goes in with numbers that are FARTHER times as large; parameters as they are."""
    return array * array.dtype.type(FARTHER) if name in INPUTS else array


def laid_like(case: Case, other: Case) -> Case:
    """The case with its arrays in the memory layouts that those of another one have."""
    layouts = {name: layout_of(array) for name, array in other.arrays()}
    return case.map(lambda name, array: relaid(array, layouts.get(name, "C")))


def in_layouts(call: Call, names: Collection[str], layouts: Collection[str]) -> list[Call]:
    """The call with some of its arrays in each of some memory layouts; what is too small for one stays in C order."""
    found = []
    for layout in layouts:
        case = call.case.map(lambda name, array, layout=layout: relaid(array, layout) if name in names else array)
        d = {
            name: relaid(array, layout) if name in names and array is not None else array
            for name, array in call.cotangents.items()
        }
        found.append(replace(call, case=case, cotangents=d))
    return found
