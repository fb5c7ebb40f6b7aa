"""Shapes that are wrong, in symbols: networks of which no two sizes are alike show what stands on each axis."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np

from conformance.harness.call import Call
from conformance.judging.counterexample import Counterexample
from reference_rnn import Case, result_shapes
from strategies.shrink import size_of

from .asking import Bench
from .earlier import made
from .sizes import AXES, of_sizes

SIZES = (
    {"T": 7, "N": 5, "I": 4, "H": 11, "L": 3}, {"T": 11, "N": 6, "I": 5, "H": 17, "L": 2},
    {"T": 9, "N": 4, "I": 6, "H": 13, "L": 4},
)  # fmt: skip
LEFT = 2  # steps that the longest row lacks, so that it has neither T steps nor one less
BESIDE = {" + 1": 1, " - 1": -1}


def shapes(bench: Bench, found: Counterexample) -> list[str]:
    """Which shapes results have that must have others, where a counterexample is about that; else nothing.

    Raises NotRun.
    """
    number = found.compared[-1] if found.compared else len(found.calls) - 1
    call = found.calls[number]
    wrong = off(bench, call) if call.do == "forward" else {}
    if not wrong:
        return []
    for layers in ((), ("L",)):  # of as many layers as it has, where others are not wrong
        alike = (apart(bench, call.case, {k: size for k, size in sizes.items() if k not in layers}) for sizes in SIZES)
        cases = [case for case in alike if bench.subject.takes(case)]
        given = [off(bench, Call("forward", case)) for case in cases]
        said = [told(name, cases, [shape.get(name) for shape in given]) for name in wrong]
        if any(said):
            return list(filter(None, said))
    return []


def off(bench: Bench, call: Call) -> dict[str, tuple[int, ...]]:
    """The shapes of results that must have others, by name."""
    bench.restart()
    answer, must = made(bench, call), result_shapes(call.case)
    arrays = {} if answer is None else answer.arrays
    return {name: array.shape for name, array in arrays.items() if name in must and array.shape != must[name].sizes}


def apart(bench: Bench, case: Case, sizes: dict[str, int]) -> Case:
    """A case in the same form in which no two sizes are alike, and no row has T steps where lengths are given."""
    meant, form = bench.allowed.taken_apart(case)
    own = {axis: bench.size(name, sizes.get(axis, size_of(meant, axis))) for axis, name in AXES.items()}
    own["N"] = 1 if form.unbatched else own["N"]
    if meant.lengths is not None:
        ends = np.maximum(own["T"] - LEFT - np.arange(meant.num_rows), 1)
        return of_sizes(bench, meant, form, own).replace(lengths=np.resize(ends, own["N"]))
    return of_sizes(bench, meant, form, own)


def told(name: str, cases: Sequence[Case], given: Sequence[tuple[int, ...] | None]) -> str:
    """The wrong shape of a result, in symbols that fit all cases; "" if there are none."""
    if not given or None in given or len({len(shape or ()) for shape in given}) > 1:
        return ""
    known = [symbols(case) for case in cases]
    axes = zip(*(shape or () for shape in given))
    words = [next((word for word in known[0] if all(k[word] == s for k, s in zip(known, axis))), "") for axis in axes]
    must = result_shapes(cases[0])[name].symbols
    return f"{name} has shape ({', '.join(words)}), must be ({must})" if all(words) else ""


def symbols(case: Case) -> dict[str, int]:
    """What may stand on an axis, in the words in which shapes are said, the likeliest first."""
    c = case.config
    state = "P" if c.proj_size else "H"
    sizes = {"T": case.num_steps, "N": case.num_rows, state: c.state_size, "I": c.input_size, "H": c.hidden_size}
    L, D = c.num_layers, c.num_directions
    found = sizes | {"L*D": L * D, "1": 1, "L": L, "D": D, "T*N": case.num_steps * case.num_rows}
    if case.lengths is not None:
        ends = case.row_lengths.tolist()
        found |= {"max(lengths)": max(ends, default=0), "sum(lengths)": sum(ends)}
    found |= {f"{times}{name}": times * sizes[name] for times, name in product((2, 3, 4, 6, 8), (state, "H"))}
    return found | {name + more: sizes[name] + by for name, (more, by) in product(sizes, BESIDE.items())}
