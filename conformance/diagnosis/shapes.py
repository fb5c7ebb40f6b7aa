"""Shapes that are wrong, in symbols: networks of which no two sizes are alike show what stands on each axis."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np

from conformance.harness.call import Call
from conformance.judging.counterexample import Counterexample
from conformance.judging.oracle import applicable
from reference_rnn import Case, parameter_shapes, result_shapes, state_shapes
from reference_rnn.case import Shape
from strategies.shrink import size_of

from .asking import Bench
from .earlier import asked_with, made
from .sizes import AXES, of_sizes

SIZES = (
    {"T": 7, "N": 5, "I": 4, "H": 11, "L": 3, "P": 6}, {"T": 11, "N": 6, "I": 5, "H": 17, "L": 2, "P": 8},
    {"T": 9, "N": 4, "I": 6, "H": 13, "L": 4, "P": 7}, {"T": 5, "N": 2, "I": 3, "H": 7, "L": 2, "P": 4},
)  # fmt: skip
LEFT = 2  # steps that the longest row lacks, so that it has neither T steps nor one less
BESIDE = {" + 1": 1, " - 1": -1}


def shapes(bench: Bench, found: Counterexample) -> list[str]:
    """Which shapes results have that must have others, where a counterexample is about that; else nothing.

    Raises NotApplicable where it cannot be asked, and NotRun.
    """
    number = found.about()[-1]
    call = found.calls[number]
    wrong = off(bench, call)
    if not wrong:
        return []
    for layers in ((), ("L",)):  # of as many layers as it has, where others are not wrong
        alike = (apart(bench, call.case, {k: size for k, size in sizes.items() if k not in layers}) for sizes in SIZES)
        cases = [case for case in alike if bench.subject.takes(case)]
        given = [off(bench, asked_with(bench, call, case)) for case in cases]
        said = [told(name, cases, [shape.get(name) for shape in given], call.do) for name in wrong]
        if any(said):
            return list(filter(None, said))
    return []


def off(bench: Bench, call: Call) -> dict[str, tuple[int, ...]]:
    """The shapes of results or gradients that must have others, by name."""
    bench.restart()
    answer, must = made(bench, call), wanted(call.case, call.do)
    arrays = {} if answer is None else answer.arrays
    return {name: array.shape for name, array in arrays.items() if name in must and array.shape != must[name].sizes}


def wanted(case: Case, do: str) -> dict[str, Shape]:
    """The shapes that results must have, or gradients: those of what they belong to."""
    if do == "forward":
        return result_shapes(case)
    return {**state_shapes(case), **parameter_shapes(case.config)}


def apart(bench: Bench, case: Case, sizes: dict[str, int]) -> Case:
    """A case in the same form in which no two sizes are alike, and no row has T steps where lengths are given."""
    meant, form = bench.allowed.taken_apart(case)
    own = {axis: bench.size(name, sizes.get(axis, size_of(meant, axis))) for axis, name in AXES.items()}
    own["N"] = 1 if form.unbatched else own["N"]
    if meant.config.proj_size:
        applicable(own["H"] > 1)
        meant = meant.replace(hidden_size=own["H"], proj_size=min(sizes["P"], own["H"] - 1))
    if meant.lengths is not None:
        ends = np.maximum(own["T"] - LEFT - np.arange(meant.num_rows), 1)
        return of_sizes(bench, meant, form, own).replace(lengths=np.resize(ends, own["N"]))
    return of_sizes(bench, meant, form, own)


def told(name: str, cases: Sequence[Case], given: Sequence[tuple[int, ...] | None], do: str) -> str:
    """The wrong shape of a result or gradient, in symbols that fit all cases; "" if there are none."""
    if not given or None in given or len({len(shape or ()) for shape in given}) > 1:
        return ""
    known = [symbols(case) for case in cases]
    axes = zip(*(shape or () for shape in given))
    must = in_symbols([wanted(case, do)[name] for case in cases])
    fitting = [[word for word in known[0] if all(k.get(word) == s for k, s in zip(known, axis))] for axis in axes]
    words = [the_one(found, must) for found in fitting]
    what = name if do == "forward" else f"the gradient of {name}"
    return f"{what} has shape {as_tuple(words)}, must be {as_tuple(must)}" if all(words) else ""


def in_symbols(shapes: Sequence[Shape]) -> list[str]:
    """What stands on each axis; 1 where it is always so, as the shape that is wrong is said."""
    sizes = zip(*(shape.sizes for shape in shapes))
    return ["1" if set(size) == {1} else name for name, size in zip(shapes[0].symbols.strip(",").split(", "), sizes)]


def as_tuple(words: Sequence[str]) -> str:
    """As Python writes a tuple: (T, N, H), or (4H,)."""
    return f"({', '.join(words)}{',' * (len(words) == 1)})"


def the_one(words: Sequence[str], likely: Sequence[str]) -> str:
    """The only one of some words, or the only likely one; "" if there is none such."""
    found = words if len(words) == 1 else [word for word in words if word in likely]
    return found[0] if len(found) == 1 else ""


def symbols(case: Case) -> dict[str, int]:
    """What may stand on an axis, in the words in which shapes are said; of what is always 1 or the same, one only."""
    c = case.config
    state = "P" if c.proj_size else "H"
    sizes = {"T": case.num_steps, "N": case.num_rows, state: c.state_size, "I": c.input_size, "H": c.hidden_size}
    L, D = c.num_layers, c.num_directions
    found = sizes | {"L*D": L * D} | ({"L": L, "D": D} if L > 1 and D > 1 else {})
    found |= {"T*N": case.num_steps * case.num_rows} if case.num_rows > 1 else {}
    if case.lengths is not None:
        ends = case.row_lengths.tolist()
        found |= {"max(lengths)": max(ends, default=0), "sum(lengths)": sum(ends)}
    found |= {f"{times}{name}": times * sizes[name] for times, name in product((2, 3, 4, 6, 8), (state, "H"))}
    found |= {name + more: sizes[name] + by for name, (more, by) in product(sizes, BESIDE.items())}
    return {name: size for name, size in found.items() if size != 1} | {"1": 1}
