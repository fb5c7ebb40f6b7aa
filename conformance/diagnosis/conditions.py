"""What a call must have to be wrong: one that is, asked again with one thing as it usually is.

A fast path is taken in one dtype, for one memory layout, without biases, for several rows: without that it is right.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import product
from typing import NamedTuple

import numpy as np

from conformance.claims.capabilities import OPTIONS
from conformance.harness.call import Call
from conformance.judging.call_sequences import nudged, one_step_less
from conformance.judging.counterexample import MEMORY, Counterexample
from conformance.judging.metamorphic import rows, with_padding
from conformance.judging.words import enumeration
from reference_rnn import PRECISION, Case, Config, parameter_shapes
from strategies import layout_of, relaid
from strategies.forms import LENGTHS, WORDS, Form
from strategies.memory import LAYOUTS
from strategies.shrink import size_of, without

from .asking import Bench
from .earlier import asked_with, given, is_wrong, of_dtype, results
from .influence import generic
from .probes import Probe
from .sizes import AXES, of_sizes, sizes_of

MORE = range(3)  # by how much larger cases are on which it is tried, with numbers that have no zeros
LARGE = (32, 33)  # a block of steps, rows or units that are worked on at once, and more than that
BOUNDS = [2**k for k in range(10, 1, -1)]  # numbers beyond the least are seldom needed to show what is wrong
INPUTS = ("x", "h_0", "c_0")
SMALL = 2.0**-4  # in place of zeros
TRIED = 3  # calls of which something is looked for that others lack
STEADY, TWICE = 8, 2  # how often what is wrong is asked again, and what is right: chance is no condition
FARTHER = 16.0  # exp overflows at 89 in float32, at 710 in float64
PLACES, NEARBY = 2, 2.0**-5  # near a case, at which its results are right, and how near they are
OF_GRADIENTS = "gradients are "  # before what is so of them alone
SHARE, SHARES = 2.0**-8, 13  # by how much numbers are smaller, and how many times that
SIGNED = ("int32", "int8", "int16", "strided", "negative")  # lengths of integers that have a sign
AS_USUAL = ("C", "read-only")  # memory layouts
KINDS = {  # arrays that may be read alike, by how their names begin
    "a weight_ih": ("weight_ih",), "a weight_hh": ("weight_hh",), "a weight": ("weight",), "a bias": ("bias",),
    "h_0 or c_0": ("h_0", "c_0"), "d_h_n or d_c_n": ("d_h_n", "d_c_n"), "an array": ("",),
}  # fmt: skip

GIVEN, ALL_T, OF_TYPE, ENDS = "lengths", "lengths of T", "the type of lengths", "ends of rows"
UNSAID = {GIVEN: (ALL_T, OF_TYPE, ENDS), ALL_T: (OF_TYPE,)}  # where one of these is said, that goes without saying


Judge = Callable[[Bench, Call], "bool | None"]  # whether a call is wrong; None where that cannot be known


class Condition(NamedTuple):
    """Something that a call has and need not have.

    about   what it is about: of several conditions about one thing the first is said, which says most
    words   after "wrong only";  calls: makes all kinds of calls like it that do not have it
    arrays  whose memory layout it is about
    """

    about: str
    words: str
    calls: Callable[[], list[Call]]
    arrays: tuple[str, ...] = ()


@np.errstate(all="ignore")
def conditions(
    bench: Bench, found: Counterexample, others: Collection[Counterexample], probes: Collection[Probe] = (),
    rest: Collection[Counterexample] = (),
) -> list[str]:  # fmt: skip
    """What makes a call of a counterexample wrong, by its numbers: without any of it, it is right; else nothing.

    It is said where it is so for other numbers and sizes too, and for the calls of the others; and where all probes of
    its cell that are wrong have it, and those calls of the rest that are. Of results it is said alone where gradients
    are wrong without it; of gradients where all that is wrong is these. Raises NotRun.
    """
    call = wrong_call(bench, found)
    if call is None or not is_steady(bench, call):
        return []
    also = [other for one in others if (other := wrong_call(bench, one))]
    said = needed_by(bench, call, also=also, probes=[probe.case for probe in probes])
    if said := had_by_all(bench, said, rest):
        back = all(one.do == "gradients" for one in also) and all(probe.d is not None for probe in probes)
        back = back and gradients_alone(bench, call)
        return [f"{OF_GRADIENTS * back}wrong only {enumeration(said)}"]
    forward = [probe.case for probe in probes if probe.d is None]
    if call.do == "gradients" or not forward or len(forward) == len(probes):
        return []
    said = needed_by(bench, call, also=[other for other in also if other.do == call.do], probes=forward)
    said = had_by_all(bench, said, rest, call.do)
    return [f"results are wrong only {enumeration(said)}"] if said else []


@np.errstate(all="ignore")
def either(bench: Bench, found: Sequence[Counterexample], probes: Collection[Probe] = ()) -> list[str]:
    """Two conditions, of which each call of these failures has one, and each probe that is wrong; else nothing.

    So it is of two mistakes that do not show in the same calls: there is one with each that lacks the other. Raises
    NotRun.
    """
    calls = [call for one in found if (call := wrong_call(bench, one))]
    for call in calls[:TRIED]:
        first = needed_by(bench, call)
        others = [other for other in calls if not has(bench, other, first)]
        if first and others:
            lack = [p.case for p in probes if not has(bench, asked_with(bench, call, p.case), first)]
            second = needed_by(bench, others[0], also=others[1:], probes=lack)
            if second and not has(bench, call, second):
                back = all(probe.d is not None for probe in probes)
                back = back and all(gradients_alone(bench, one) for one in calls)
                return [f"{OF_GRADIENTS * back}wrong only {enumeration(first)}, or {enumeration(second)}"]
    return []


def had_by_all(bench: Bench, said: list[str], found: Collection[Counterexample], do: str = "") -> list[str]:
    """What of some conditions each failure's wrong call has, if there is one, of calls that do this. Raises NotRun."""
    for one in found if said else ():
        call = wrong_call(bench, one)
        if call and do in ("", call.do):
            had = {condition.words for condition in conditions_of(bench, call)}
            said = [words for words in said if words in had]
    return said


def has(bench: Bench, call: Call, said: Collection[str]) -> bool:
    """Whether a call has all of what was said that calls must have to be wrong."""
    return {*said} <= {condition.words for condition in conditions_of(bench, call)}


def needed_by(
    bench: Bench, call: Call, wrong: Judge = is_wrong, also: Iterable[Call] = (), probes: Collection[Case] = ()
) -> list[str]:
    """What a call must have to be wrong, in words that follow "only"; nothing where other calls like it are not wrong.

    also: calls that are wrong, too;  probes: cases that are.  Raises NotRun
    """
    needed = needed_at(bench, call, wrong, also, probes)
    not_needed = {words for words, _ in wrong_where_large(bench, call, needed, wrong)}
    return said_of(one for words, one in needed.items() if words not in not_needed)


def is_steady(bench: Bench, call: Call) -> bool:
    """Whether a call is wrong each time that it is made. Raises NotRun."""
    return all(is_wrong(bench, call) for _ in range(STEADY))


def large_without(bench: Bench, call: Call) -> tuple[list[str], list[Call]]:
    """What a call must have to be wrong, and large ones like it need not, in words, and such calls. Raises NotRun.

    Of sizes that are said to be tied to others it is not said once more.
    """
    needed = needed_at(bench, call) if is_steady(bench, call) else {}
    found = list(wrong_where_large(bench, call, needed))
    not_needed = {words for words, _ in found}
    said = (one for words, one in needed.items() if words in not_needed and not resizes(one, call, bench.tied))
    return said_of(said), [other for _, other in found]


def resizes(condition: Condition, call: Call, axes: Collection[str]) -> bool:
    """Whether what lacks a condition has other sizes along some axes."""
    return any(size_of(one.case, axis) != size_of(call.case, axis) for one in condition.calls() for axis in axes)


def needed_at(
    bench: Bench, call: Call, wrong: Judge = is_wrong, also: Iterable[Call] = (), probes: Collection[Case] = ()
) -> dict[str, Condition]:
    """What a call of about its sizes must have to be wrong, by the words of it. As ``needed_by``."""
    other_numbers = not bench.subject.capabilities.recompiles and bool(wrong(bench, nearly(bench, call)))

    def all_right(calls: Sequence[Call]) -> bool:
        """Whether each of some calls can be made, and is right; if need be with other numbers, nearly the same."""
        asked = [nearly(bench, one) if other_numbers else one for one in calls if bench.subject.takes(one.case)]
        return len(asked) == len(calls) > 0 and all(wrong(bench, one) is False for one in asked for _ in range(TWICE))

    needed = {one.words: one for one in conditions_of(bench, call) if all_right(one.calls())}
    for case in probes:
        if needed:
            had = {one.words for one in conditions_of(bench, asked_with(bench, call, case))}
            needed = {words: one for words, one in needed.items() if words in had}
    if not needed:
        return {}
    again = [*(one for one in likewise(bench, call) if wrong(bench, one)), *also]
    for other in again:
        mine = {one.words: one.calls for one in conditions_of(bench, other)}
        needed = {words: one for words, one in needed.items() if words in mine and all_right(mine[words]())}
    return needed if again else {}


def wrong_where_large(
    bench: Bench, call: Call, needed: Collection[str], wrong: Judge = is_wrong
) -> Iterator[tuple[str, Call]]:
    """What large calls like one need not have to be wrong, of what smaller ones must have, each with such a call."""
    for large in enlarged(bench, call) if needed else ():
        for condition in conditions_of(bench, large):
            if condition.words in needed:
                calls = filter(lambda one: bench.subject.takes(one.case), condition.calls())
                yield from ((condition.words, one) for one in calls if wrong(bench, one))


def said_of(needed: Iterable[Condition]) -> list[str]:
    """The conditions in words: of several about one thing, or about one array, the first, which says most."""
    told: dict[str, Condition] = {}
    for one in needed:
        if not any(set(one.arrays) & set(other.arrays) for other in told.values()):
            told.setdefault(one.about, one)
    return [one.words for about, one in told.items() if not set(UNSAID.get(about, ())) & set(told)]


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


def nearby(case: Case) -> list[Case]:
    """Cases of which each number is a little larger or smaller, zeros too."""
    return [case.map(partial(moved, np.random.default_rng(seed))) for seed in range(PLACES)]


def moved(generator: np.random.Generator, _name: str, array: np.ndarray) -> np.ndarray:
    """An array with each number moved, in the same memory layout."""
    by = (NEARBY * generator.choice([-1.0, 1.0], array.shape)).astype(array.dtype)
    return relaid(array + by, layout_of(array))


def wrong_call(bench: Bench, found: Counterexample) -> Call | None:
    """The first call that a failure is about to which a new instance gives a wrong answer; None if that is none."""
    calls = (replace(found.calls[number], in_place=False) for number in found.about())
    return next((call for call in calls if is_wrong(bench, call)), None)


def nearly(bench: Bench, call: Call) -> Call:
    """The call with parameters that are a little smaller, each time by another share.

    Where instances share what is kept, what is kept of the same numbers may be what was read wrongly.
    """
    share = (1 + bench.calls.left % SHARES) * SHARE  # how many are left is another number each time
    return replace(call, case=laid_like(nudged(call.case, -share, call.case.parameters), call.case))


def likewise(bench: Bench, call: Call) -> Iterator[Call]:
    """Calls like one, with other numbers, and of larger sizes; the first of these has one layer more, too."""
    meant, form = bench.allowed.taken_apart(call.case)
    for more in MORE:
        sizes = {axis: size_of(meant, axis) + more * (axis in "TIH") for axis in AXES}
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


def resized(bench: Bench, call: Call, sizes: Mapping[str, int]) -> Iterator[Call]:
    """The call with other numbers, about as large, in these sizes, if it is taken."""
    case = of_sizes(bench, *bench.allowed.taken_apart(call.case), sizes)
    found = asked_with(bench, call, case.map(partial(as_large_as, dict(call.case.arrays()))))
    if bench.subject.takes(found.case):
        yield found


def as_large_as(others: Mapping[str, np.ndarray], name: str, array: np.ndarray) -> np.ndarray:
    """An array that goes in with the largest number of another one of its name, where that is beyond the BOUNDS."""
    bound = largest(others[name]) if name in INPUTS and name in others else 0.0
    if bound <= min(BOUNDS) or not array.any():
        return array
    return relaid((array * (bound / largest(array))).astype(array.dtype), layout_of(array))


def conditions_of(bench: Bench, call: Call) -> Iterator[Condition]:
    """What a call has and need not have."""
    meant, form = bench.allowed.taken_apart(call.case)
    for about, words, cases in (*of_form(call.case, meant, form), *of_case(bench, meant, form)):
        yield Condition(about, words, partial(asked_instead, bench, call, cases))
    yield from of_cotangents(bench, call)
    yield from of_memory(call)


def of_cotangents(bench: Bench, call: Call) -> Iterator[Condition]:
    """Which cotangents a call lacks, beside one that is zero."""
    for name, array in given(bench.subject, call.case).items() if call.do == "gradients" else ():
        if array is not None and call.cotangents.get(name) is None:
            zeros = replace(call, cotangents={**call.cotangents, name: np.zeros_like(array)})
            yield Condition(name, f"where {name} is not given", partial(list, (zeros,)))


def asked_instead(bench: Bench, call: Call, cases: Sequence[Case]) -> list[Call]:
    """The call with each of some other cases."""
    return [asked_with(bench, call, laid_like(case, call.case)) for case in cases]


def of_memory(call: Call) -> Iterator[Condition]:
    """How arrays of a call lie in memory, each of them, and each kind: it may be read wrongly in one of two states."""
    odd = {
        name: layout for name, array in call.arrays()
        if (layout := layout_of(array)) == "read-only" or (layout != "C" and array.size)
    }  # fmt: skip
    kinds = {words: [name for name in odd if name.startswith(beginnings)] for words, beginnings in KINDS.items()}
    for words, names in ({name: [name] for name in odd} | kinds).items():
        for layout in dict.fromkeys(odd[name] for name in names):
            these = tuple(name for name in names if odd[name] == layout)
            calls = partial(in_layouts, call, these, {*LAYOUTS} - {layout})
            yield Condition(words, f"where {words} {MEMORY[layout][0]}", calls, these)
        if these := tuple(name for name in names if odd[name] not in AS_USUAL):
            calls = partial(in_layouts, call, these, AS_USUAL)
            yield Condition(words, f"where {words} is not in C order", calls, these)


Cases = Iterator[tuple[str, str, list[Case]]]  # what it is about, in which words, and cases that do not have it


def of_form(asked: Case, meant: Case, form: Form) -> Cases:
    """The form in which a case is asked, what is meant being another one."""
    for name in form.names():
        if name in WORDS:
            plainer = [replace(form, **{name: False}).ask(meant)]  # type: ignore[arg-type]
            if name == "all_lengths" and meant.num_rows:
                plainer.append(form.ask(one_step_less(meant)))
            yield ALL_T if name == "all_lengths" else name, WORDS[name], plainer
    if asked.lengths is None:
        return
    if form.lengths:
        kinds = {kind: replace(form, lengths=kind).ask(meant) for kind in ("", *LENGTHS)}
        yield OF_TYPE, LENGTHS[form.lengths], [case for kind, case in kinds.items() if kind != form.lengths]
        if form.lengths not in SIGNED:
            yield OF_TYPE, "with lengths of unsigned integers", [kinds[kind] for kind in ("", *SIGNED)]
        yield OF_TYPE, "with lengths that are not of int64 in C order", [kinds[""]]
    yield GIVEN, "with lengths", [replace(form, all_lengths=False, lengths="").ask(meant.replace(lengths=None))]


def of_case(bench: Bench, case: Case, form: Form) -> Cases:
    """What a case has beside the form in which it is asked."""
    formless = case.unbatched or case.config.batch_first  # that is where no form is drawn
    plain = () if formless else (*of_options(bench, case), *of_rows(case))
    for about, words, cases in (*of_config(bench, case), *plain):
        yield about, words, [form.ask(one) for one in cases]
    states = ("x",) if form.no_state else INPUTS
    for about, words, other in of_numbers(case, [name for name, _ in case.arrays() if name in states]):
        yield about, words, [form.ask(one) for one in (other, *in_other_dtypes(bench, other))]


def of_numbers(case: Case, states: Collection[str]) -> Iterator[tuple[str, str, Case]]:
    """How large its numbers are, in x or in one state, or in any array; zeros; and a case that has none of them."""
    for state in states:
        if not np.all(getattr(case, state)):
            yield f"zeros in {state}", f"with zeros in {state}", case.map(partial(without_zeros, state))
    for words, names in ({f"numbers of {name}": (name,) for name in states} | {"numbers": ("",)}).items():
        sizes = [largest(array) for name, array in case.arrays() if name.startswith(names)]
        for bound in (bound for bound in BOUNDS if max(sizes) > bound):
            yield "numbers", f"with {words} beyond {bound}", case.map(partial(smaller, names, bound))


def without_zeros(state: str, name: str, array: np.ndarray) -> np.ndarray:
    """An array of this name with small numbers for zeros."""
    return np.where((array == 0) & (name == state), array.dtype.type(SMALL), array)


def largest(array: np.ndarray) -> float:
    """The size of the largest number that is finite."""
    return float(abs(array).max(initial=0, where=np.isfinite(array)))


def smaller(names: tuple[str, ...], bound: int, name: str, array: np.ndarray) -> np.ndarray:
    """An array of one of some names with its finite numbers cut off."""
    cut = np.isfinite(array) & name.startswith(names)
    return np.where(cut, np.clip(array, -bound, bound), array).astype(array.dtype)


def of_config(bench: Bench, case: Case) -> Cases:
    """What a case has by its configuration."""
    config = case.config
    if others := in_other_dtypes(bench, case):
        wider = [other for other in others if PRECISION[other.config.dtype] > PRECISION[config.dtype]]
        # what ends the range of a format ends that of a wider one later
        yield "dtype", f"in {config.dtype}", [*others, *(other.map(farther) for other in wider)]
    if not config.bias:
        zeros = {
            name: case.parameters.get(name, np.zeros(shape.sizes, config.numpy_dtype))
            for name, shape in parameter_shapes(replace(config, bias=True)).items()
        }
        yield "biases", "without biases", [case.replace(bias=True, parameters=zeros)]
    if config.bidirectional:
        yield "directions", "in two directions", [without(case, "D", 1)]
    for fewer in range(config.num_layers - 1, 0, -1):
        lowest = [without(case, "L", kept, config.num_layers - kept) for kept in range(1, fewer + 1)]
        yield "layers", f"with more than {'one layer' if fewer == 1 else f'{fewer} layers'}", lowest
    if case.training and config.dropout:
        yield "dropout", "in training with dropout", [case.replace(dropout=0.0), case.replace(training=False)]


def of_options(bench: Bench, case: Case) -> Cases:
    """A projection, and the options of its cell that a case has."""
    for option, usual in ((option, getattr(Config, option)) for option in ("proj_size", *OPTIONS)):
        if getattr(case.config, option) != usual:
            other = generic(bench, replace(case.config, **{option: usual}), case.num_steps, case.num_rows)
            words = "a projection" if option == "proj_size" else option.replace("_", " ")
            yield option, f"with {words}", [other.replace(lengths=case.lengths, training=case.training)]


def of_rows(case: Case) -> Cases:
    """What a case has by its rows, and where they end."""
    if case.num_rows > 1:
        yield "rows", "with more than one row", [rows(case, [row]) for row in range(case.num_rows)]
    if case.lengths is not None and 0 in case.lengths:
        yield ENDS, "where a row has no steps", [with_steps(case)]
    if (case.row_lengths < case.num_steps).any():
        first, last = case.row_lengths.min(), case.row_lengths.max()
        if first < last:
            yield ENDS, "where rows end at different steps", [case.replace(lengths=0 * case.row_lengths + last)]
        else:
            yield ENDS, "where all rows end at the same step, before T", [with_whole_row(case)]
        whole = case.replace(lengths=np.full(case.num_rows, case.num_steps))
        yield ENDS, "where a row has fewer than T steps", [whole]
    if not np.isfinite(case.x).all() and np.isfinite(with_padding(case, 0).x).all():
        yield "padding", "with NaN or infinity in the padding", [with_padding(case, 0)]


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
