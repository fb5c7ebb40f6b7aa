"""Mistakes where sequences are taken in chunks of so many steps, or rows and units in blocks of so many, at their ends.

What goes from one chunk to the next is lost or old; what is left of the rows is computed twice, or rows read what those
of another block have; some units read what others have already become. On the way back gradients end with a chunk, or
parameters have them from one chunk alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import product

from .blocks import BLOCKS, from_each_step
from .gradients import ALIVE, BPTT, STEP, STEP_TO_OUTPUT
from .operators import STEPS, Change, faults_of
from .patching import Fault
from .wiring import KINDS

CHUNKS = (2, 3, 4, 5, 6, 7, 8, 10, 12, 16, 20, 24, 25, 32, 48, 50, 64)
NUMBER = "k = len(x) - 1 - t if reverse else t"  # of a step, in the order of computing
EVERY = "for t in reversed(steps) if reverse else steps:"
LONGEST = "longest = max(lengths.tolist(), default=0) - 1 - t if reverse else t"  # the same where no step is padding
IN_ROW = "place = lengths - 1 - t if reverse else t + 0 * lengths"  # the same in each row by itself
# Where a chunk of {size} begins, but for the first.
STARTS = {
    "": "(k > 0) & (k % {size} == 0)",
    ", counted in time": "(k > 0) & ((t + reverse) % {size} == 0)",
    ", counted in the longest row": "(longest > 0) & (longest % {size} == 0)",
    ", counted in each row": "(place > 0) & (place % {size} == 0) & (place < lengths)",
    ", counted from the last step": "(k > 0) & ((len(x) - k) % {size} == 0)",
}
# From what a chunk starts, and what is kept for that at each step before it.
FROM = {
    "zero": "tuple(0 * b for b in before)",
    "the initial state": "begin",
    "the state before the last step": "older",
}
KEPT = "begin = before if k == 0 else begin\n        older, last = last if k else before, before"
# The rows of all steps one below the other, as one matrix: the number of each row of step t.
PACKED = (
    "np.minimum(plain.row_lengths, np.reshape({k}, (-1, 1))).sum(1)"
    " + np.argsort(np.argsort(-plain.row_lengths, kind='stable'))"
)
BELOW = {
    "of all rows, packed,": (PACKED.format(k="t"), "plain.row_lengths.sum()"),
    "of all rows, packed in the order of computing,": (
        PACKED.format(k="plain.row_lengths - 1 - t if reverse else t"), "plain.row_lengths.sum()"
    ),
    "of all rows and steps": ("t * plain.num_rows + np.arange(plain.num_rows)", "plain.num_steps * plain.num_rows"),
}  # fmt: skip
IN_ROW_ORDER = " as each row numbers them"
# The number of a step, where there are {count}: in the order of computing, in time, or in that order in each row.
NUMBERED = {
    "": "({count} - 1 - t if reverse else t)",
    " in time": "t",
    IN_ROW_ORDER: "np.reshape(plain.row_lengths - 1 - t if reverse else t + 0 * plain.row_lengths, (-1, 1))",
}
OF_KIND = {kind: these for kind, these in KINDS.items() if len(these) == 1}
BACK = {"parameters": (), "weights": KINDS["each weight"]}
STATES = {"the state": "tuple({e})", "h": "({e}[0], *before[1:])", "c": "(before[0], *{e}[1:])"}
# The place of each row, as rows are given, or as they are packed, the longest first; and which row is in each place.
ORDERS = {"": "rows = np.arange(len(lengths))", ", as they are packed": "rows = np.argsort(-lengths, kind='stable')"}
# From which place a row may read, by how that is said of what.
INSTEAD = {
    "{}, and each reads {} of the row in its place in the first block": "place % {size}",
    "{}, and each reads {} of the first row of its block": "place // {size} * {size}",
    "{}, and each but the first ones reads {} of the row in its place in the block before": (
        "np.where(place < {size}, place, place - {size})"
    ),
}


@lru_cache(maxsize=1)
def chunks() -> dict[str, Fault]:
    """The mistakes in results, by id."""
    changes = (*of_states(), *of_products(), *of_rows_that_end(), *of_rows(), *of_rows_read(), *of_units())
    return faults_of("chunks", "second-path", STEPS, (("scan", change) for change in changes))


@lru_cache(maxsize=1)
def chunks_back() -> dict[str, Fault]:
    """The mistakes in gradients, by id."""
    return faults_of("chunks.back", "second-path", BPTT, (*cut(), *of_last_steps(), *of_parameters()))


def begins(size: int, where: str) -> str:
    """Lines that say of which rows, (N, 1), a chunk begins at a step."""
    numbers = "\n        ".join((NUMBER, LONGEST, IN_ROW))
    return f"{numbers}\n        first = ((lengths >= 0) & {where.format(size=size)})[:, None]"


def of_states() -> Iterator[Change]:
    """A chunk that does not start from where the one before it has ended; or which is not taken in its turn."""
    ways = product(CHUNKS, FROM.items(), STATES.items(), list(STARTS.items())[:-1])
    for size, (start, other), (name, text), (said, where) in ways:
        new = (
            f"{begins(size, where)}\n        {KEPT}\n"
            f"        others = {text.format(e=other)}\n"
            "        before = tuple(select(o, first, b) for o, b in zip(others, before))\n"
            f"        {STEP}"
        )
        yield Change("chunk", f"{name} starts from {start} in each chunk of {size} steps{said}", STEP, new)
    for size in CHUNKS:
        new = EVERY.replace("reversed(steps)", f"sorted(steps, key=lambda t: (t // {size}, -t))")
        title = f"the reverse direction goes back within each chunk of {size} steps, but takes the chunks in order"
        yield Change("chunk", title, EVERY, new)
        new = EVERY.replace("reversed(steps)", f"sorted(steps, key=lambda t: (-(t // {size}), t))")
        title = f"the reverse direction takes chunks of {size} steps from the last on, but goes on in time within each"
        yield Change("chunk", title, EVERY, new)


def of_products() -> Iterator[Change]:
    """A chunk whose first step is taken for one from zeros, without a recurrent product; its state is there."""
    for size, (said, where) in product(CHUNKS, list(STARTS.items())[:-1]):
        new = (
            f"{begins(size, where)}\n"
            "        bare = step(x[t], before, p.replace(weight_hh=0 * p.arrays['weight_hh']))\n"
            f"        {STEP}\n        new = tuple(select(b, first, n) for b, n in zip(bare, new))"
        )
        yield Change("chunk", f"weight_hh is not read at the first step of each chunk of {size} steps{said}", STEP, new)


def of_rows_that_end() -> Iterator[Change]:
    """A row that ends within a chunk."""
    for size in CHUNKS:
        title = f"a row that ends within a chunk of {size} steps goes on to the end of that"
        yield Change("chunk", title, ALIVE, f"alive = (t // {size} * {size} < lengths)[:, None]")


def of_rows() -> Iterator[Change]:
    """Rows in blocks, the last of which is moved back, so that it is a whole one."""
    for size in BLOCKS:
        title = f"rows are taken in blocks of {size}, the last is moved back to be whole, and steps once more"
        yield Change("block", title, STEP, (
            f"{STEP}\n"
            "        row = np.arange(len(x[t]))[:, None]\n"
            f"        twice = (row >= len(row) - {size}) & (row < len(row) // {size} * {size})\n"
            f"        twice = twice & (len(row) > {size}) & (len(row) % {size} > 0)\n"
            "        new = tuple(select(again, twice, n) for again, n in zip(step(x[t], new, p), new))"
        ))  # fmt: skip


def of_rows_read() -> Iterator[Change]:
    """Rows in blocks, of which some read what rows of another one have."""
    read = {"x": ("x[t][read]", "before")} | {
        name: ("x[t]", text.format(e="[b[read] for b in before]")) for name, text in STATES.items()
    }
    for size, (order, rows), (whose, place), (name, (x, before)) in product(
        BLOCKS, ORDERS.items(), INSTEAD.items(), read.items()
    ):
        title = whose.format(f"rows are taken in blocks of {size}{order}", name)
        yield Change("block", title, STEP, (
            f"{rows}\n        place = np.argsort(rows)\n        read = rows[{place.format(size=size)}]\n"
            f"        new = step({x}, {before}, p)"
        ))  # fmt: skip


def of_units() -> Iterator[Change]:
    """Units in blocks, of which the later ones read what the others have become."""
    order = "for start in {starts}:"
    ways = {
        "each unit reads the new states of those before it": "range(1, H)",
        **{f"each block of {size} units reads the new states of those before it": f"range({size}, H, {size})"
           for size in BLOCKS},
        **{f"units beyond the last whole block of {size} read the new states of the others":
           f"[H // {size} * {size}] * (H > {size})" for size in BLOCKS},
    }  # fmt: skip
    for title, starts in ways.items():
        yield Change("block", title, STEP, (
            f"{STEP}\n"
            "        H = new[0].shape[-1]\n"
            f"        {order.format(starts=starts)}\n"
            "            late = np.arange(H) >= start\n"
            "            seen = (select(before[0], late, new[0]), *before[1:])\n"
            "            new = tuple(select(again, late, n) for again, n in zip(step(x[t], seen, p), new))"
        ))  # fmt: skip


def cut() -> Iterator[tuple[str, Change]]:
    """Gradients that do not go back from one chunk to the one before it; those of rows that have ended may do so."""
    ended = {"": "state = before", ", but for rows that have ended": "before"}
    every = product(CHUNKS, STATES.items(), STARTS.items(), ended.items())
    for size, (name, text), (said, where), (rows, names) in every:
        if rows and "place" in where:  # a row that has ended has no more chunks of its own
            continue
        new = (
            f"{ALIVE}\n        {begins(size, where)}\n"
            "        if first.any():\n"
            f"            {names} = {text.format(e='[select(passed_back(b), first, b) for b in before]')}"
        )
        title = f"gradients of {name} do not go back beyond the start of a chunk of {size} steps{said}{rows}"
        yield "scan", Change("chunk", title, ALIVE, new)


def of_last_steps() -> Iterator[tuple[str, Change]]:
    """Gradients that come from the last steps alone; what these hand on is lost, or taken for the initial state's."""
    handed_on = {
        "": "",
        ", and what they hand back is taken for the gradient of the initial state": ", (b, lambda d: d)",
    }
    counted = {"": "t if reverse else len(x) - 1 - t", " of each row": "t if reverse else lengths - 1 - t"}
    for size, (said, way), (whose, left) in product((*CHUNKS, 30, 40), handed_on.items(), counted.items()):
        title = f"only the last {size} steps{whose} that are computed have gradients{said}"
        yield "scan", Change("window", title, STEP_TO_OUTPUT, (
            f"inside = (({left}) + 0 * lengths < {size})[:, None]\n"
            f"        {STEP}\n"
            f"        new = tuple(select(n, inside, passed_back(n{way})) for n, b in zip(new, before))\n"
            "        state = tuple(select(n, alive, s) for n, s in zip(new, state))\n"
            "        output[t] = select(select(state[0], inside, passed_back(state[0])), alive, 0.0)"
        ))  # fmt: skip


def of_parameters() -> Iterator[tuple[str, Change]]:
    """Gradients of parameters that are those of one chunk, or count a step of each chunk twice."""
    counts = {"": "plain.num_steps", ", counted in the longest row": "max(plain.row_lengths.tolist(), default=0)"}
    ways = [(*one, *way) for one, way in product(counts.items(), NUMBERED.items())]
    ways += [(", counted in each row", "np.reshape(plain.row_lengths, (-1, 1))", IN_ROW_ORDER, NUMBERED[IN_ROW_ORDER])]
    for size, (said, count, where, number) in product(CHUNKS, ways):
        number = number.format(count=count)
        last, first = f"({number} >= ({count} - 1) // {size} * {size})", f"({number} < {size})"
        for name, these in {"parameters": (), **OF_KIND}.items():
            what, steps = f"{name} {'has' if these else 'have'} a gradient from", f"{size} steps{where} alone{said}"
            yield "gradients", from_each_step(f"{what} the last chunk of {steps}", f"one * {last}", these)
            if not where or (not said and (these or where == IN_ROW_ORDER)):  # else another mistake is the same
                yield "gradients", from_each_step(f"{what} the first chunk of {steps}", f"one * {first}", these)
        if not where:
            title = f"parameters count the first step of each chunk of {size} steps but the first twice{said}"
            twice = f"one * (1 + ({number} > 0 and {number} % {size} == 0))"
            yield "gradients", from_each_step(title, twice)
    whole = {"": "{n} // {size} * {size}", " where there is one": "({n} // {size} * {size} or {n})"}
    every = product((*BLOCKS[1:], 64), BELOW.items(), BACK.items(), whole.items())
    for size, (said, (number, count)), (name, kinds), (where, most) in every:
        there = f"one * (({number}) < {most.format(n=count, size=size)})[:, None]"
        title = f"{name} have no gradient from what is left {said} beyond the last whole block of {size}{where}"
        yield "gradients", from_each_step(title, there, kinds)
