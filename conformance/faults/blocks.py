"""Mistakes that go by size: what lies beyond the last whole block of so many, or from a number on, is forgotten.

So it is in code that takes several features, units, rows or steps at once and has no code for those that are left, and
in code whose arrays have room for so many. Gradients have the same mistakes in what is handed back.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import product

from .gradients import ALIVE, BPTT, STEP, WEIGHTS
from .keeping import NAMED
from .operators import STEPS, Change, faults_of
from .patching import Fault
from .wiring import KINDS, relaid

BLOCKS = (2, 4, 8, 16, 32)
ROOM = (8, 16, 32, 64)
# Which of {n} are not forgotten: so many, from the first one on.
WHOLE = {
    **{f"beyond the last whole block of {size}": f"{{n}} // {size} * {size}" for size in BLOCKS},
    **{f"beyond the last whole block of {size} where there is one": f"({{n}} // {size} * {size} or {{n}})"
       for size in BLOCKS},
}  # fmt: skip
KEPT = {
    **WHOLE,
    **{f"beyond the last whole block of {size} where there are more than {2 * size}":
       f"({{n}} // {size} * {size} if {{n}} > {2 * size} else {{n}})" for size in BLOCKS[:4]},
    **{f"left alone beyond the last whole block of {size}": f"({{n}} - ({{n}} > {size} and {{n}} % {size} == 1))"
       for size in BLOCKS[1:]},
    **{f"from number {size + 1} on": f"{size}" for size in ROOM},
}  # fmt: skip
IN_ROW = ", as each row numbers them,"
# The number of a step, and how many there are. Rows have numbers of their own where each is turned by itself.
ORDERS = {
    "": "k, n = t, len(x)",
    ", in the order of computing,": "k, n = len(x) - 1 - t if reverse else t, len(x)",
    ", of those of the longest row,": "k, n = t, max(lengths.tolist(), default=0)",
    IN_ROW: "k, n = lengths - 1 - t if reverse else t + 0 * lengths, len(x)",
}
PLACE = "np.argsort(np.argsort(-lengths, kind='stable'))"  # of each row, the longest first
# The same of a row of the matrix in which the rows of all steps lie one below the other, {k} being its step.
OF_ALL = {
    " of all rows and steps": "k, n = {k} * len(x[t]) + np.arange(len(x[t])), len(x) * len(x[t])",
    " of all rows, sorted, and steps": f"k, n = {{k}} * len(x[t]) + {PLACE}, len(x) * len(x[t])",
    " of all rows, packed": f"k, n = np.minimum(lengths, np.reshape({{k}}, (-1, 1))).sum(1) + {PLACE}, lengths.sum()",
}
NUMBERED = {
    "": "t", ", in the order of computing": "(len(x) - 1 - t if reverse else t)",
    ", as each row numbers them": "(lengths - 1 - t if reverse else t + 0 * lengths)",
}  # fmt: skip
BIASES = {
    name: ", ".join(f"{kind}=0 * p.arrays['{kind}']" for kind in KINDS[name])
    for name in ("bias_ih", "bias_hh", "each bias")
}
# What a step may lack: x, parameters, or both.
NO_X, NO_BIAS = "0 * x[t]", {name: f"p.replace({zeros})" for name, zeros in BIASES.items()}
LACKS = {
    "x": (NO_X, "p"),
    **{name: ("x[t]", zeros) for name, zeros in NO_BIAS.items()},
    **{f"W_ih x + {name}": (NO_X, NO_BIAS[name]) for name in ("bias_ih", "each bias")},
}
# The matrices that may lie side by side, as one.
SIDE_BY_SIDE = (("weight_ih", "weight_hh"), ("weight_hh", "weight_ih"))
TAPE = "    backward(tape)"
DONE = "d_parameters = [parameter_gradients(p) for directions in layers for p in directions]"


@lru_cache(maxsize=1)
def blocks() -> dict[str, Fault]:
    """The mistakes in results, by id."""
    every = (made for where, kept in KEPT.items() for made in forgotten(where, kept))
    return faults_of("blocks", "second-path", STEPS, (*every, *forgotten_of_all_rows()))


@lru_cache(maxsize=1)
def blocks_back() -> dict[str, Fault]:
    """The mistakes in gradients, by id."""
    every = (made for where, kept in KEPT.items() for made in forgotten_on_the_way_back(where, kept))
    return faults_of("blocks.back", "second-path", BPTT, every)


def forgotten(where: str, kept: str) -> Iterator[tuple[str, Change]]:
    """What is forgotten of results, each with the function that is changed."""
    columns, units, rows = (kept.format(n=n) for n in ("a.shape[1]", "config.hidden_size", "len(n)"))
    some = f"np.arange(a.shape[1]) < {columns}"
    for name in ("weight_ih", "weight_hh", "each weight"):
        title = f"columns of {name} {where} are not read"
        yield "layer_parameters", relaid(title, f"a * ({some})", KINDS[name])
    for names in SIDE_BY_SIDE:
        new = (
            f"left, right = (np.array(named[name]) for name in {names})\n"
            "        first = left.shape[1]\n"
            "        both = np.concatenate([left, right], 1)\n"
            f"        both = both * (np.arange(both.shape[1]) < {kept.format(n='both.shape[1]')})\n"
            f"        named |= dict(zip({names}, (both[:, :first], both[:, first:])))\n"
            f"        {NAMED}"
        )
        title = f"columns of {' and '.join(names)}, side by side, {where} are not read"
        yield "layer_parameters", Change("block", title, NAMED, new)
    some = f"np.arange(config.hidden_size) < {units}"
    by_gate = f"(a.reshape(-1, config.hidden_size) * ({some})).reshape(a.shape)"
    for name in ("bias_ih", "bias_hh", "each bias"):
        yield "layer_parameters", relaid(f"{name} is not added to units {where}", by_gate, KINDS[name])
    masks = {
        "units": f"np.arange(n.shape[-1]) < {kept.format(n='n.shape[-1]')}",
        "rows": f"np.arange(len(n))[:, None] < {rows}",
    }
    for what, mask in masks.items():
        for said, else_ in {"keep their state": "b", "are zero": "0.0"}.items():
            new = f"{STEP}\n        new = tuple(select(n, {mask}, {else_}) for n, b in zip(new, before))"
            yield "scan", Change("block", f"{what} {where} {said}", STEP, new)
    some = f"k < {kept.format(n='n')}"
    for said, counted in ORDERS.items():
        new = f"{counted}\n        alive = ((t < lengths) & ({some}))[:, None]"
        yield "scan", Change("block", f"steps {where}{said} are not computed", ALIVE, new)
        for name, (x, p) in LACKS.items():
            without = f"step({x}, before, {p})"
            new = f"{counted}\n        {STEP} if {some} else {without}"
            if said == IN_ROW:
                new = (
                    f"{counted}\n        {STEP}\n"
                    f"        new = tuple(select(a, ({some})[:, None], b) for a, b in zip(new, {without}))"
                )
            title = f"{name} is not read at steps {where}{said}".removesuffix(",")
            yield "scan", Change("block", title, STEP, new)


def forgotten_of_all_rows() -> Iterator[tuple[str, Change]]:
    """What a product with x forgets that is one for all rows and steps."""
    names = ("x", *(name for name in LACKS if name.startswith("W_ih")))
    every = product(WHOLE.items(), OF_ALL.items(), NUMBERED.items(), names)
    for (where, kept), (of, counted), (said, number), name in every:
        x, p = LACKS[name]
        yield "scan", Change("block", f"{name} is not read {where}{of}{said}", STEP, (
            f"{counted.format(k=number)}\n        {STEP}\n"
            f"        there, without = (k < {kept.format(n='n')})[:, None], step({x}, before, {p})\n"
            "        new = tuple(select(a, there, b) for a, b in zip(new, without))"
        ))  # fmt: skip


def forgotten_on_the_way_back(where: str, kept: str) -> Iterator[tuple[str, Change]]:
    """The same of gradients."""
    columns = f"np.arange(found[kind].shape[1]) < {kept.format(n='found[kind].shape[1]')}"
    for name in ("weight_ih", "weight_hh", "each weight"):
        new = f"{WEIGHTS}\n    for kind in {KINDS[name]}:\n        found[kind] = found[kind] * ({columns})"
        yield "parameter_gradients", Change("block", f"columns of {name} {where} have no gradient", WEIGHTS, new)
    size = "p.arrays['weight_ih'].shape[0] // len(p.cell.packing('weight_ih'))"
    units = f"np.arange({size}) < {kept.format(n=f'({size})')}"
    for name in (*KINDS, "each parameter"):
        new = (
            f"{WEIGHTS}\n"
            f"    for kind in {KINDS.get(name, sum(KINDS.values(), ()))}:\n"
            f"        by_unit = np.moveaxis(found[kind].reshape(-1, {size}, *found[kind].shape[1:]), 1, -1)\n"
            f"        found[kind] = np.moveaxis(by_unit * ({units}), -1, 1).reshape(found[kind].shape)"
        )
        title = f"{name} of units {where} has no gradient"
        yield "parameter_gradients", Change("block", title, WEIGHTS, new)
    rows, steps = (kept.format(n=n) for n in ("plain.num_rows", "plain.num_steps"))
    told = {"rows": f"one * (np.arange(plain.num_rows) < {rows})[:, None]", "steps": f"one * (t < {steps})"}
    for what, term in told.items():
        yield "gradients", from_each_step(f"parameters have no gradient from {what} {where}", term)
    features = f"d * (np.arange(d.shape[-1]) < {kept.format(n='d.shape[-1]')})"
    yield "gradients", Change("block", f"features of x {where} have no gradient", DONE, (
        f"{DONE}\n    d_x = [{features} for d in d_x]"
    ))  # fmt: skip
    yield "gradients", Change("block", f"units of the initial states {where} have no gradient", DONE, (
        f"{DONE}\n    d_initial = [tuple({features} for d in entry) for entry in d_initial]"
    ))  # fmt: skip


def from_each_step(title: str, term: str, kinds: Sequence[str] = ()) -> Change:
    """What becomes of that which each step t, in time, hands back to parameters, ``one``, (N, ...): to all, or some.

    Of products with x the last step comes first on the way back; of others, that which was computed last.
    """
    some = f" if kind in {tuple(kinds)}" if kinds else ""
    return Change("block", title, TAPE, (
        f"{TAPE}\n"
        "    for reverse, p in (each for directions in layers for each in enumerate(directions)):\n"
        f"        of = [(kind, d) for kind, w in p.arrays.items() for d, _ in w.pairs.values(){some}]\n"
        "        for kind, d in of:\n"
        "            forwards = reverse and not kind.endswith('_ih')\n"
        "            order = range(len(d)) if forwards else reversed(range(len(d)))\n"
        f"            d[:] = [{term} for t, one in zip(order, d)]"
    ))  # fmt: skip
