"""Mistakes in which gradient is handed to what: around the way back through the loops.

A loss on the final states or on the output is lost for some rows, steps, layers or directions, or given to others; what
is found at last is divided, cut off or left out. Those of a step and of the loop over time are in ``backward``.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import permutations, product

from .backward import told_of_steps
from .blocks import from_each_step
from .gradients import BPTT, COTANGENTS, SCAN, STEP, STEP_TO_OUTPUT
from .operators import Change, faults_of
from .patching import Fault
from .wiring import KINDS

BOUNDS = (0.1, 0.5, 1, 2, 5, 10)
FINAL = "    for state, d_state in zip(final, d_final):"
OUTPUT = "    hand_back(after, d_after)"
FOUND = "found = by_name(case, d_x, d_initial, d_parameters)"
KINDS_OF_PARAMETERS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr")
NO_STEP = "rows without a step"
# Which rows keep what others lose, (N,).
ROWS = {
    "rows that end before the last step": "plain.row_lengths == plain.num_steps",
    "rows that end before the longest": "plain.row_lengths == max(plain.row_lengths, default=0)",
    "rows that have the last step": "plain.row_lengths < plain.num_steps",
    NO_STEP: "plain.row_lengths > 0",
    "the first row": "np.arange(plain.num_rows) > 0",
    "every row but the first": "np.arange(plain.num_rows) < 1",
}
# Of which entries of the final states, by the layer and the direction they are of.
ENTRIES = {
    "": "True", " in the forward direction": "direction == 0", " in the reverse direction": "direction == 1",
    " in layer 0": "layer == 0", " in upper layers": "layer > 0", " below the last layer": "layer < len(layers) - 1",
    " in the last layer": "layer == len(layers) - 1",
}  # fmt: skip
STATES = {"the final states": "True", "h_n": "number == 0", "c_n": "number == 1"}
ORDER = "np.argsort(-plain.row_lengths, kind='stable')"  # the rows, the longest first
# How rows may be taken that are computed in this order, as which of the given ones each gets.
TAKEN = {
    "is not sorted with the rows": f"np.argsort({ORDER})",
    "is sorted back where it should be sorted with the rows": f"np.argsort({ORDER})[np.argsort({ORDER})]",
    "is sorted with the rows twice": ORDER,
}
GIVEN_BACK = {
    "is not sorted back with the rows": ORDER,
    "is sorted once more where it should be sorted back": f"{ORDER}[{ORDER}]",
}
# Where else a loss on the final states may go, as the list of all of them by layer and direction.
ELSEWHERE = {
    "is read in reversed order": "d_final[::-1]",
    "is read with directions exchanged": "[d for k in range(len(layers)) for d in d_final[k * D : k * D + D][::-1]]",
    "is read as if states lay by direction": (
        "[d_final[d * len(layers) + k] for k in range(len(layers)) for d in range(D)]"
    ),
    "is that of layer 0 in each layer": "d_final[:D] * len(layers)",
    "is that of the last layer in each layer": "d_final[-D:] * len(layers)",
    "is that of the forward direction in both": "[d_final[k - k % D] for k in range(len(d_final))]",
    **{said: f"[tuple(d[{rows}] for d in entry) for entry in d_final]" for said, rows in TAKEN.items()},
}  # fmt: skip
IN_STEPS = {
    "in the last step": "t < plain.num_steps - 1",
    "in the first step": "t > 0",
    "in each row's last step": "t != plain.row_lengths - 1",
    "in all steps but each row's last": "t == plain.row_lengths - 1",
}
HALVES = {
    "": "True", " in the forward half": "np.arange(d.shape[-1]) < plain.config.state_size",
    " in the reverse half": "np.arange(d.shape[-1]) >= plain.config.state_size",
}  # fmt: skip
# Where else a loss on the output may go, as the list of all of it by step.
LAID = {
    "is read with its steps in reversed order": "d_after[::-1]",
    "is read a step late": "[*d_after[-1:], *d_after[:-1]]",
    "is read a step early": "[*d_after[1:], *d_after[:1]]",
    "is read with its halves exchanged": "[np.roll(d, d.shape[-1] // 2 * (D - 1), -1) for d in d_after]",
    "is that of the forward half in both": "[np.concatenate(np.split(d, D, -1)[:1] * D, -1) for d in d_after]",
    "is read in reversed order in the reverse half": (
        "[np.concatenate(both, -1) for both in zip(*[part[:: 1 - 2 * k] for k, part in"
        " enumerate(zip(*[np.split(d, D, -1) for d in d_after]))])]"
    ),
    **{said: f"[d[{rows}] for d in d_after]" for said, rows in TAKEN.items()},
}
# In which step of each row, (N,), counts what is handed back at step t, as it is called of what is read, and of losses.
IN_TIME = {
    ("is not turned back, as a whole", "is read in reversed order, as a whole"): "len(x) - 1 - t + 0 * lengths",
    ("is not turned back, row by row", "is read in reversed order, row by row"): "lengths - 1 - t",
    ("counts a step late", "is read a step late"): "t + 1 + 0 * lengths",
    ("counts a step early", "is read a step early"): "t - 1 + 0 * lengths",
}
OF_DIRECTIONS = {"each direction": "True", "the forward direction": "not reverse", "the reverse direction": "reverse"}
# What a sum may be divided by; of nothing it is zero, or no number.
MEANS = {
    "is a mean over rows, not a sum": "plain.num_rows",
    "is a mean over steps, not a sum": "plain.num_steps",
    "is a mean over steps and rows, not a sum": "plain.num_steps * plain.num_rows",
    "is divided by the number of steps that rows have": "plain.row_lengths.sum()",
}
FACTORS = {
    **{said: f"1 / max({size}, 1)" for said, size in MEANS.items()},
    **{f"{said} (of nothing, no number)": f"np.float64(1) / ({size})" for said, size in MEANS.items()},
    "counts twice": "2", "counts half": "0.5", "has the wrong sign": "-1", "is left out": "0",
}  # fmt: skip
PARAMETERS = {
    **{kind: f"name.startswith('{kind}')" for kind in KINDS_OF_PARAMETERS},
    "each bias": "name.startswith('bias')", "each weight": "name.startswith('weight')",
    "each parameter": "'_l' in name",
}  # fmt: skip
ARRAYS = PARAMETERS | {
    "x": "name == 'x'", "h_0": "name == 'h_0'", "c_0": "name == 'c_0'", "each state": "name in ('h_0', 'c_0')",
    "each array": "True",
}  # fmt: skip
# Of which layers and directions.
PLACES = {
    "": "True", " in layer 0": "'_l0' in name", " in upper layers": "'_l0' not in name",
    " in the forward direction": "'_r' not in name",
    " in the reverse direction": "name.endswith('_reverse')",
}  # fmt: skip


@lru_cache(maxsize=1)
def handed_back() -> dict[str, Fault]:
    """The mistakes, by id."""
    around = [("gradients", change) for change in changes()]
    around += [("scan", change) for change in (*of_state_or_output(), *of_states_before(), *of_padding())]
    around += [("run", change) for change in of_directions()]
    return faults_of("handed-back", "back-propagation", BPTT, around)


def changes() -> Iterator[Change]:
    """Every change of what ``gradients`` hands from one place to another."""
    yield from of_final_states()
    yield from of_output()
    yield from of_losses()
    yield from of_found()
    yield from of_rows()
    yield from told_of_steps({"weight_hr": ("weight_hr",)})
    yield from of_means()


def of_final_states() -> Iterator[Change]:
    """A loss on the final states that is lost for some, or goes elsewhere."""
    lost = {" is ignored": "0 * d", " counts twice": "2 * d", " has the wrong sign": "-d"}
    lost |= {f" of {rows} is ignored": f"d * ({kept})[:, None]" for rows, kept in ROWS.items()}
    for (name, which), (said, term), (where, there) in product(STATES.items(), lost.items(), ENTRIES.items()):
        yield Change("final", f"a loss on {name}{said}{where}", FINAL, (
            "    for entry, state, d_state in zip(range(len(final)), final, d_final):\n"
            "        layer, direction = divmod(entry, plain.config.num_directions)\n"
            f"        d_state = tuple({chosen(term, which, there)} for number, d in enumerate(d_state))"
        ))  # fmt: skip
    for (name, which), (said, others) in product(STATES.items(), ELSEWHERE.items()):
        yield Change("final", f"a loss on {name} {said}", FINAL, (
            "    D = plain.config.num_directions\n"
            f"    others = {others}\n"
            "    pairs = [list(enumerate(zip(mine, other))) for mine, other in zip(d_final, others)]\n"
            f"    d_final = [tuple({chosen('other', which)} for number, (d, other) in pair) for pair in pairs]\n{FINAL}"
        ))  # fmt: skip
    both = "losses on h_n and c_n are exchanged"
    yield Change("final", both, FINAL, f"    d_final = [mine[::-1] for mine in d_final]\n{FINAL}")


def of_output() -> Iterator[Change]:
    """The same of a loss on the output."""
    lost = {" is ignored": "0", " counts twice": "2", " has the wrong sign": "-1"}
    lost |= {f" of {rows} is ignored": f"({kept})[:, None]" for rows, kept in ROWS.items() if rows != NO_STEP}
    lost |= {f" {where} is ignored": f"np.reshape({kept}, (-1, 1))" for where, kept in IN_STEPS.items()}
    for (said, factor), (where, half) in product(lost.items(), HALVES.items()):
        term = f"d * ({factor})" if half == "True" else f"d * np.where({half}, {factor}, 1)"
        new = f"    d_after = [{term} for t, d in enumerate(d_after)]\n{OUTPUT}"
        yield Change("output", f"a loss on the output{said}{where}", OUTPUT, new)
    for said, others in LAID.items():
        new = f"    D = plain.config.num_directions\n    d_after = {others}\n{OUTPUT}"
        yield Change("output", f"a loss on the output {said}", OUTPUT, new)


def of_losses() -> Iterator[Change]:
    """A loss that is lost where another one is not given; after those that are always lost, which give the same."""
    results = {"output": "the output", "h_n": "h_n", "c_n": "c_n"}
    for (name, said), (other, beside) in permutations(results.items(), 2):
        yield Change("loss", f"a loss on {said} is ignored where none on {beside} is given", COTANGENTS, (
            f"if d_{other} is None:\n        d_{name} = None\n    {COTANGENTS}"
        ))  # fmt: skip


def of_found() -> Iterator[Change]:
    """Gradients that are divided, cut off or left out at last."""
    for (name, which), (said, factor), (where, there) in product(ARRAYS.items(), FACTORS.items(), PLACES.items()):
        if not where or (factor == "0" and name in PARAMETERS):
            text = chosen(f"array * ({factor})", which, there, otherwise="array")
            yield Change("found", f"the gradient of {name}{where} {said}", FOUND, by_name(text))
    for (name, which), bound in product(ARRAYS.items(), BOUNDS):
        text = chosen(f"np.clip(array, -{bound}, {bound})", which, otherwise="array")
        yield Change("found", f"the gradient of {name} is cut off at {bound} each way", FOUND, by_name(text))
        norm = f"np.sqrt(sum((array**2).sum() for name, array in found.items() if {which}))"
        scaled = chosen(f"array * min(1, {bound} / max({norm}, {bound}))", which, otherwise="array")
        yield Change("found", f"the gradient of {name} is scaled down to a norm of {bound}", FOUND, by_name(scaled))


def of_means() -> Iterator[Change]:
    """Parameters that are handed a mean in each step, of the rows that have it."""
    mean = "one / max((plain.row_lengths > t).sum(), 1)"
    for name, kinds in (KINDS | {"weight_hr": ("weight_hr",), "each parameter": ()}).items():
        yield from_each_step(f"{name} is handed the mean over the rows that run in a step, not the sum", mean, kinds)


def of_rows() -> Iterator[Change]:
    """Gradients of what was sorted with the rows, in another order."""
    for said, rows in GIVEN_BACK.items():
        new = f"d_x = [d[{rows}] for d in d_x]\n    {FOUND}"
        yield Change("rows", f"the gradient of x {said}", FOUND, new)
        for name, number in {"h_0": "number == 0", "c_0": "number == 1", "the initial states": "True"}.items():
            term = chosen(f"d[{rows}]", number)
            new = f"d_initial = [tuple({term} for number, d in enumerate(entry)) for entry in d_initial]\n    {FOUND}"
            yield Change("rows", f"the gradient of {name} {said}", FOUND, new)


def of_state_or_output() -> Iterator[Change]:
    """Parameters that only the output, or only the state of a step hands something back to."""
    for kind in KINDS_OF_PARAMETERS:
        left = f"p.replace({kind}=passed_back(p.arrays['{kind}'])) if '{kind}' in p.arrays else p"
        for said, (state, output) in {
            "what comes back by the state": ("left", "new"), "what comes back by the output": ("new", "left")
        }.items():  # fmt: skip
            yield Change("parameters", f"the gradient of {kind} lacks {said}", STEP_TO_OUTPUT, (
                f"new, left = step(x[t], before, p), step(x[t], before, {left})\n"
                f"        state = tuple(select(n, alive, s) for n, s in zip({state}, state))\n"
                f"        output[t] = select({output}[0], alive, 0.0)"
            ))  # fmt: skip


def of_states_before() -> Iterator[Change]:
    """A way back through what each step has made of the state, since that is kept where the one before it was."""
    for name, some in {"h": "[:1]", "c": "[1:]", "the state": ""}.items():
        yield Change("states", f"on the way back, {name} before a step is what it is after it", STEP, (
            "seen = tuple(passed_back(b, (b, lambda d: d)) for b in before)\n"
            "        new = step(x[t], seen, p)\n"
            f"        for old, n in zip(seen{some}, new{some}):\n"
            "            if hasattr(old, 'read'):\n"
            "                old.read.value = n.value"
        ))  # fmt: skip


def of_padding() -> Iterator[Change]:
    """What comes back to a row that has ended, and is not handed on as it is; or a loss there, which counts."""
    old = "state = tuple(select(n, alive, s) for n, s in zip(new, state))"
    for name, which in {"h": "number == 0", "c": "number == 1", "the state": "True"}.items():
        held = chosen("passed_back(s)", which, otherwise="s")
        pairs = "zip(new, state)" if which == "True" else "enumerate(zip(new, state))"
        each = "n, s" if which == "True" else "number, (n, s)"
        new = f"state = tuple(select(n, alive, {held}) for {each} in {pairs})"
        yield Change("padding", f"what comes back to {name} in the padding is dropped", old, new)
    detached = "step(passed_back(x[t]), tuple(passed_back(b) for b in before), p)"
    for into, more in {"the step there": "new", "the parameters": detached}.items():
        yield Change("padding", f"a loss on the output in the padding goes back into {into}", STEP_TO_OUTPUT, (
            f"{STEP_TO_OUTPUT}\n"
            f"        there, ended = {more}[0], ~alive\n"
            "        of_row, of_end = (output[t], lambda d: d), (there, lambda d, ended=ended: d * ended)\n"
            "        output[t] = passed_back(output[t], of_row, of_end)"
        ))  # fmt: skip


def of_directions() -> Iterator[Change]:
    """What a direction of any layer hands back to what it reads, or a loss on what it gives, in other steps or rows."""
    reads = {read: in_steps("x", to) for (read, _), to in IN_TIME.items()}
    reads |= {said: in_rows("x", rows) for said, rows in GIVEN_BACK.items()}
    gives = {given: in_steps("output", to) for (_, given), to in IN_TIME.items()}
    gives |= {said: in_rows("output", rows) for said, rows in TAKEN.items()}
    for who, there in OF_DIRECTIONS.items():
        for said, handed in reads.items():
            new = f"read = {chosen(handed, there, otherwise='x')}\n            {SCAN.replace(' x,', ' read,')}"
            yield Change("direction", f"the gradient of what {who} reads {said}", SCAN, new)
        for said, handed in gives.items():
            new = f"{SCAN}\n            output = {chosen(handed, there, otherwise='output')}"
            yield Change("direction", f"a loss on what {who} gives {said}", SCAN, new)


def in_steps(name: str, to: str) -> str:
    """A list of steps, each of which is handed back to others; to: which that is in each row."""
    ways = f"(({name}[s], lambda d, here=(to == s)[:, None]: d * here) for s in {{*to.tolist()}} if 0 <= s < len(x))"
    steps = f"[(now, {to}) for t, now in enumerate({name})]"
    return f"[passed_back(now, (now, lambda d: 0 * d), *{ways}) for now, to in {steps}]"


def in_rows(name: str, rows: str) -> str:
    """A list of steps, each of which is handed back to itself, with its rows in another order."""
    return f"[passed_back(now, (now, lambda d: d[{rows.replace('plain.row_lengths', 'lengths')}])) for now in {name}]"


def by_name(text: str) -> str:
    """Gradients by name, each as a text makes it."""
    return f"{FOUND}\n    found = {{name: {text} for name, array in found.items()}}"


def chosen(term: str, *conditions: str, otherwise: str = "d") -> str:
    """A term where all conditions hold, of which those that always do are not written down.

    >>> chosen("2 * d", "True", "layer > 0")
    '(2 * d if layer > 0 else d)'
    """
    needed = " and ".join(condition for condition in conditions if condition != "True")
    return f"({term} if {needed} else {otherwise})" if needed else term
