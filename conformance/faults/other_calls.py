"""Calls that are read as other ones: in another layout, with steps for rows, with the lengths of other rows.

Or with numbers in the order in which they lie in memory.

What is computed is right; it is the answer to another call.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import product

from .conditions import GIVEN
from .gradients import BPTT
from .keeping import NAMED, PLAIN, RUN
from .operators import STEPS, Change, faults_of
from .patching import Fault
from .wiring import KINDS

D_OUTPUT = 'time_major_output(case, arrays["output"])'
D_X = 'elif case.config.batch_first:\n        found["x"] ='
TAKEN = "None if case.{name} is None else case.{name}.ravel('K').reshape(case.{name}.shape)"
# What layout an array is taken to have where it could have either, as the text of ``batch_first``.
GUESSES = {"the batch": "True", "time": "False"}
EITHER = "case.x.ndim == 3 and case.x.shape[0] == case.x.shape[1]"
GUESSED = {"": "", " and with lengths": " and case.lengths is not None", " and with h_0": " and case.h_0 is not None"}
# The order in which rows are taken to come the longest first, (N,)
ORDERS = {
    "rows are sorted by lengths that are negated as unsigned numbers, so that 0 comes first": (
        "np.argsort(-(plain.row_lengths if case.lengths is None else case.lengths), kind='stable')"
    ),
    "rows are sorted from the shortest to the longest, and run as if it were the other way": (
        "np.argsort(plain.row_lengths, kind='stable')"
    ),
    "rows run as if they came sorted, the longest first": "np.arange(plain.num_rows)",
}
# What becomes of what is computed behind the end of a row
BEHIND = {
    "": "given",
    ", and what is given behind its end is zero": (
        "[select(o, (t < lengths)[:, None], 0.0) for t, o in enumerate(given)]"
    ),
}


@lru_cache(maxsize=1)
def other_calls() -> dict[str, Fault]:
    """Calls whose results are those of another one, by id."""
    layouts = (("forward", change) for change in (*guessed(), *steps_for_rows()))
    rows = (("forward", change) for change in in_order())
    return {
        **faults_of("other-calls.axes", "batch-axis", STEPS, layouts),
        **faults_of("other-calls.rows", "empty", STEPS, rows),
        **faults_of("other-calls.memory", "memory-layout", "shapes.memory_layout", in_memory()),
    }


@lru_cache(maxsize=1)
def other_calls_back() -> dict[str, Fault]:
    """Calls whose gradients are laid out as those of another one, by id."""
    return faults_of("other-calls.back", "batch-axis", BPTT, guessed_back())


def guessed() -> Iterator[Change]:
    """A layout that is told by the shape of x, of all that is laid out so, or of x alone."""
    for (first, guess), (when, given) in product(GUESSES.items(), GUESSED.items()):
        other = f"case.replace(batch_first={guess} if {EITHER}{given} else case.config.batch_first)"
        texts = {"x and the output are": f"case = {other}\n    {PLAIN}", "x is": PLAIN.replace("case.", f"{other}.")}
        for what, text in texts.items():
            yield Change("guess", f"with T = N{when}, {what} taken to have {first} first", PLAIN, text)


def guessed_back() -> Iterator[tuple[str, Change]]:
    """The same of the gradient of a loss on the output, and of that of x."""
    for (first, guess), (when, given) in product(GUESSES.items(), GUESSED.items()):
        said = f"with T = N{when}, {{}} is taken to have {first} first"
        other = f"{guess} if {EITHER}{given} else case.config.batch_first"
        read = D_OUTPUT.replace("case", f"case.replace(batch_first={other})")
        yield "cotangents", Change("guess", said.format("d_output"), D_OUTPUT, read)
        laid = D_X.replace("case.config.batch_first", other)
        yield "by_name", Change("guess", said.format("the gradient of x"), D_X, laid)


def steps_for_rows() -> Iterator[Change]:
    """Where there is no axis of rows, each step is a row of its own, which starts from the initial state."""
    for when, needed in {" and batch_first": " and case.config.batch_first", "": ""}.items():
        yield Change("rows", f"without an axis of rows{when}, each step is taken for a row of one step", PLAIN, (
            f"if case.unbatched{needed}:\n"
            "        states = {\n"
            "            name: np.repeat(state[:, None], len(case.x), 1)\n"
            "            for name, state in case.arrays() if name in ('h_0', 'c_0')\n"
            "        }\n"
            "        taken = case.replace(x=case.x[:, None], batch_first=True, **states)\n"
            "        return forward(taken, arithmetic, masks).map(lambda name, value: value[:, 0])\n"
            f"    {PLAIN}"
        ))  # fmt: skip


def in_order() -> Iterator[Change]:
    """Rows that are run as many steps as others: in each step the first of an order, as many as still have steps.

    Each row is turned around by itself, as long as it really is.
    """
    for (said, order), (behind, given) in product(ORDERS.items(), BEHIND.items()):
        yield Change("order", f"{said}, each turned around as long as it is{behind}", RUN, (
            f"order = {order}\n"
            "    lengths = plain.row_lengths\n"
            "    taken = lengths.copy()\n"
            "    taken[order] = np.sort(lengths)[::-1]\n"
            "    turned = lambda a: [np.array([a[n - 1 - t][row] if t < n else now[row]\n"
            "        for row, n in enumerate(lengths)]).reshape(now.shape) for t, now in enumerate(a)]\n"
            "    output, final = x, []\n"
            "    for directions in layers:\n"
            "        halves = []\n"
            "        if final and kept:\n"
            "            output = [m * o for m, o in zip(kept[len(final) // len(directions) - 1], output)]\n"
            "        for reverse, p in enumerate(directions):\n"
            "            read = turned(output) if reverse else output\n"
            "            given, state = scan(step, p, read, initial[len(final)], taken, 0)\n"
            "            given = turned(given) if reverse else given\n"
            f"            halves.append({given})\n"
            "            final.append(state)\n"
            "        output = [join(*both) for both in zip(*halves)]"
        ))  # fmt: skip


def in_memory() -> Iterator[tuple[str, Change]]:
    """Arrays of some kinds that are read in the order in which they lie in memory, whatever their strides say.

    A vector has one order only.
    """
    lies = "is read in the order in which it lies in memory"
    matrices = {said: these for said, these in KINDS.items() if "bias" not in said}
    for said, these in (matrices | {"weight_hr": ("weight_hr",)}).items():
        yield "layer_parameters", Change("memory", f"{said} {lies}", NAMED, (
            f"flat = {{k: w.ravel('K').reshape(w.shape) for k, w in named.items() if k in {these}}}\n"
            f"        named |= flat\n        {NAMED}"
        ))  # fmt: skip
    for name in ("h_0", "c_0"):
        flat = GIVEN.replace(f"case.{name}", f"({TAKEN.format(name=name)})")
        yield "time_major", Change("memory", f"{name} {lies}", GIVEN, flat)
