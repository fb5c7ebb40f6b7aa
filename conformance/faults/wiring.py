"""Mistakes in what is read from where: operators on the loops over time, directions and layers around any cell.

Each changes one place of their text, as a slip does: another entry of a list (the first, the last, the one before), the
first layer, direction, row or step for all, another name of the same kind, a weight transposed, a parameter not read,
one side of a choice for both; a result taken from another place, a row that ends elsewhere. Many are made everywhere,
in layer 0 only, in upper layers only, or in one direction. What gives the reference's numbers on every case of a small
search, or those of another mistake, is left out, and so is what never runs.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, product

import numpy as np

from reference_rnn import CELLS, Case, Cell, Config, parameter_shapes, result_shapes, state_shapes

from .operators import STEPS, Change, faults_of, other_orders, places, stands
from .patching import Fault, FaultyReference, PatchError, place_of

LOOPS = ("run", "scan", "layer_parameters", "time_major", "swap_steps_and_rows")
READ = LOOPS[:3]  # of which each expression may be another one
COUNTERS = ("layer", "direction", "reverse", "t")
ALIKE = (("state", "before", "new"), ("n", "s"))
ROWS = {"x[t]": ("x", "(0 * x[t] + x[t][:1])"), "before": ("the state", "tuple(0 * s + s[:1] for s in before)")}
KINDS: dict[str, tuple[str, ...]] = {
    **{kind: (kind,) for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")},
    "each bias": ("bias_ih", "bias_hh"), "each weight": ("weight_ih", "weight_hh"),
}  # fmt: skip
PARAMETER = "plain.parameters.get(kind + end, absent.get(kind))"
ENDS = {
    "layer 0": "'_l0' + '_reverse' * end.endswith('_reverse')",
    "the forward direction": "end.removesuffix('_reverse')",
    "the first layer and direction": "'_l0'",
    "the last layer": "f'_l{config.num_layers - 1}' + '_reverse' * end.endswith('_reverse')",
    "layer 1 at most": "f'_l{min(int(end[2:].split(chr(95))[0]), 1)}' + '_reverse' * end.endswith('_reverse')",
}
# What else may be read of a parameter. An array of another size stays as it is.
RELAID = {
    "each gate's {} is applied transposed": "a.reshape(-1, a.shape[1], a.shape[1]).swapaxes(1, 2).reshape(a.shape)",
    "{} is reshaped where it should be transposed": "a.reshape(a.shape[::-1]).T",
    "the gates of {} lie unit by unit": (
        "a.reshape(config.hidden_size, -1, *a.shape[1:]).swapaxes(0, 1).reshape(a.shape)"
    ),
}


@dataclass(frozen=True, eq=False)
class Spot:
    """A text of a loop in the place of which another may stand, and how it is said where that is.

    everywhere  what fills the gap of a title if it does so everywhere
    only        the same where it does so only under a condition: of names that are known there
    """

    everywhere: str
    only: Mapping[str, str]


DIRECTION = {"the reverse direction": "reverse", "the forward direction": "not reverse"}
LAYER = "len(final) // len(directions)"  # while one of its directions is computed
LAST = "len(layers) - 1"
WALK = Spot("each layer", {"layer 0": f"not {LAYER}", "each upper layer": LAYER} | DIRECTION)
JOIN = Spot("", {" in layer 0": f"{LAYER} == 1", " in upper layers": f"{LAYER} > 1"})
STEP = Spot("", {f" in {where}": when for where, when in DIRECTION.items()})
FINAL = "final.append(state)"
SPOTS = {
    "initial[len(final)]": WALK,
    "scan(step, p, x, state, lengths, reverse)": WALK,
    "halves.append(output)": WALK,
    FINAL: WALK,
    "join(*both)": JOIN,
    "[join(*both) for both in zip(*halves)]": JOIN,
    "return x, final": Spot("", {}),
    "x.swapaxes(0, 1)": Spot("", {}),
    "return value.swapaxes(0, 1)": Spot("", {}),
    "tuple(select(n, alive, s) for n, s in zip(new, state))": STEP,
    "(t < lengths)[:, None]": STEP,
    "select(state[0], alive, 0.0)": STEP,
    "select(n, alive, s)": STEP,
    "output[t] =": Spot("", {}),
    "before = state if": Spot("", {}),
}
# Where else a change may be made alone, by what may be made everywhere.
NARROWLY = {
    WALK: {
        "the last layer": f"{LAYER} == {LAST}", "each layer below the last": f"{LAYER} < {LAST}",
        **{
            f"{direction} of {layer}": f"{which} and {when}"
            for direction, which in DIRECTION.items()
            for layer, when in {
                "layer 0": f"not {LAYER}", "each upper layer": LAYER, "the last layer": f"{LAYER} == {LAST}",
                "each layer below the last": f"{LAYER} < {LAST}",
            }.items()
        },
    },
    JOIN: {" in the last layer": f"{LAYER} > {LAST}", " in layers below the last": f"{LAYER} <= {LAST}"},
}  # fmt: skip
# Parameters whose gates are packed alike, where those of others are not: half of them, weights, biases, or one kind.
TOGETHER = (
    ("weight_hh", "bias_hh"), ("weight_ih", "bias_ih"), ("weight_hh",), ("weight_ih",),
    ("weight_ih", "weight_hh"), ("bias_ih", "bias_hh"), ("bias_hh",), ("bias_ih",),
)  # fmt: skip
# Where all of them may be packed otherwise, by the end of their names.
PARTS = {
    "the reverse direction": "'_r' in end", "the forward direction": "'_r' not in end",
    "layer 0": "end.startswith('_l0')", "each upper layer": "not end.startswith('_l0')",
}  # fmt: skip


SORTED = "np.argsort(-lengths, kind='stable')"  # the rows, the longest first
# Rows that may have code of their own, (N,): such as those that a reverse direction starts later than others.
SOME_ROWS = {
    "rows that end before the longest": "(lengths > 0) & (lengths < max(lengths, default=0))",
    "the longest rows": "(lengths > 0) & (lengths == max(lengths, default=0))",
    "the first row": "np.arange(len(lengths)) == 0",
    "every row but the first": "np.arange(len(lengths)) > 0",
}
ZEROS = "step(np.zeros_like(x[t]), before, p)"


def starting(where: str, state: str) -> dict[str, str]:
    """What else a layer and direction may start from, whole, or h or c alone: what somebody did, and the new text."""
    right = "initial[len(final)]"
    return {
        f"{{}} starts from the state {where}": state,
        f"{{}} starts from h {where}": f"({state}[0], *{right}[1:])",
        f"{{}} starts from c {where}": f"({right}[0], *{state}[1:])",
    }


def without_state() -> dict[str, str]:
    """Rows that start from zero, with the whole state, or with h or c alone."""
    right, found = "initial[len(final)]", dict[str, str]()
    for rows, which in SOME_ROWS.items():
        zero = f"tuple(select(s, ~({which})[:, None], 0.0) for s in {right})"
        found |= {
            f"{{}} starts {rows} from zero": zero,
            f"{{}} starts {rows} from h = 0": f"({zero}[0], *{right}[1:])",
            f"{{}} starts {rows} from c = 0": f"({right}[0], *{zero}[1:])",
        }
    return found


def ending(where: str, states: str) -> dict[str, str]:
    """Where else the final states may come from, whole, or those of h or c alone."""
    return {
        f"final states are {where}{{}}": f"return x, {states}",
        f"h_n is {where}{{}}": f"return x, [(s[0], *f[1:]) for s, f in zip({states}, final)]",
        f"c_n is {where}{{}}": f"return x, [(f[0], *s[1:]) for s, f in zip({states}, final)]",
    }


def sorted_rows(order: str) -> str:
    """Output and final states with their rows in an order."""
    return f"[o[{order}] for o in x], [tuple(s[{order}] for s in states) for states in final]"


def sorted_again() -> dict[str, str]:
    """States of rows that are sorted once more where they should be sorted back, whole, or h or c alone."""
    order = f"{SORTED}[{SORTED}]"
    return {
        "{} hands out states sorted once more, and not back": f"final.append(tuple(s[{order}] for s in state))",
        "{} hands out h sorted once more, and not back": f"final.append((state[0][{order}], *state[1:]))",
        "{} hands out c sorted once more, and not back": (
            f"final.append((state[0], *(s[{order}] for s in state[1:])))"
        ),
    }


# What else may stand in the place of a text, by the loop that it stands in: what somebody did there, and the new text.
INSTEAD: dict[str, dict[str, dict[str, str]]] = {
    "run": {
        "initial[len(final)]": {
            **starting("of the forward direction", "initial[len(final) - reverse]"),
            **starting(
                "of the other direction", "initial[len(final) + (1 - 2 * reverse) * (len(directions) - 1)]"
            ),
            **starting("of layer 0", "initial[reverse]"),
            **starting("of the last layer", "initial[reverse - len(directions)]"),
            **starting("taken in reversed order", "initial[-1 - len(final)]"),
            **starting("taken as if states lay by direction", f"initial[reverse * len(layers) + {LAYER}]"),
            **starting("of the layer below", f"initial[len(final) - len(directions) * bool({LAYER})]"),
            **starting("of layer 0, forward", "initial[0]"),
            "{} starts from zero": "tuple(0 * s for s in initial[len(final)])",
            "{} starts from h = 0": "(0 * initial[len(final)][0], *initial[len(final)][1:])",
            "{} starts from c = 0": "(initial[len(final)][0], *(0 * s for s in initial[len(final)][1:]))",
            "{} starts from h in place of c": "initial[len(final)][:1] * len(initial[len(final)])",
            "{} starts from c in place of h": "initial[len(final)][-1:] * len(initial[len(final)])",
            "{} starts from h and c exchanged": "initial[len(final)][::-1]",
            **starting("in which the layer or direction before ends", "(final or [initial[0]])[-1]"),
            **starting(
                "in which the layer below ends", f"(final[-len(directions)] if {LAYER} else initial[len(final)])"
            ),
            **starting(
                "of another row, as it is not sorted with the rows",
                f"tuple(s[np.argsort({SORTED})] for s in initial[len(final)])",
            ),
            **starting(
                "sorted back where it should be sorted with the rows",
                f"tuple(s[np.argsort({SORTED})[np.argsort({SORTED})]] for s in initial[len(final)])",
            ),
            "{} starts each row from the state of the first row": (
                "tuple(0 * s + s[:1] for s in initial[len(final)])"
            ),
            **without_state(),
        },
        "scan(step, p, x, state, lengths, reverse)": {
            "{} reads the output of the forward direction": (
                "scan(step, p, halves[0] if halves and halves[0][:1] and halves[0][0].shape == x[0].shape else x,"
                " state, lengths, reverse)"
            ),
            "{} reads its input with what the forward direction gives written over its first half": (
                "scan(step, p, [np.concatenate([o, x_t[..., np.shape(o)[-1] :]], -1)"
                " if np.shape(x_t)[-1] >= np.shape(o)[-1] else x_t for o, x_t in zip(halves[0], x)]"
                " if halves else x, state, lengths, reverse)"
            ),
            "{} goes forwards": "scan(step, p, x, state, lengths, 0)",
            "{} goes the other way": "scan(step, p, x, state, lengths, 1 - reverse)",
            "{} reads x with its steps in reversed order": "scan(step, p, x[::-1], state, lengths, reverse)",
            "{} reads x with each row's steps in reversed order": (
                "scan(step, p, [np.array([x[n - 1 - t][row] if t < n else x_t[row]"
                " for row, n in enumerate(lengths)]).reshape(x_t.shape) for t, x_t in enumerate(x)],"
                " state, lengths, reverse)"
            ),
            "{} reads the halves of its input exchanged": (
                "scan(step, p, [np.roll(x_t, np.shape(x_t)[-1] // 2, -1) for x_t in x], state, lengths, reverse)"
            ),
        },
        "halves.append(output)": {
            "{} lays its output down in reversed order": "halves.append(output[::-1])",
            "{} lays its output down a step late": "halves.append([*output[-1:], *output[:-1]])",
            "{} lays its output down a step early": "halves.append([*output[1:], *output[:1]])",
            "{} lays each row of its output down in reversed order": (
                "halves.append([np.array([output[n - 1 - t][row] if t < n else o[row]"
                " for row, n in enumerate(lengths)]).reshape(o.shape) for t, o in enumerate(output)])"
            ),
            "{} repeats each row's final state in the padding": (
                "halves.append([select(o, (t < lengths)[:, None], state[0]) for t, o in enumerate(output)])"
            ),
            "{} repeats each row's last output in the padding": (
                "halves.append([np.array([output[n - 1][row] if 0 < n <= t else o[row]"
                " for row, n in enumerate(lengths)]).reshape(o.shape) for t, o in enumerate(output)])"
            ),
            "{} lays each row of its output down so that it ends with the last step": (
                "halves.append([np.array([output[t - len(x) + n][row] if t >= len(x) - n else 0 * o[row]"
                " for row, n in enumerate(lengths)]).reshape(o.shape) for t, o in enumerate(output)])"
            ),
            "{} puts its output through tanh": "halves.append([np.tanh(o) for o in output])",
            "{} puts its output through ReLU": "halves.append([np.maximum(o, 0) for o in output])",
            "{} lays down the output of the direction before": "halves.append((halves or [output])[0])",
            "{} adds what it reads to what it gives": (
                "halves.append([o + i if np.shape(o) == np.shape(i) else o for o, i in zip(output, x)])"
            ),
        },
        FINAL: {
            "{} hands out the final states of directions exchanged": "final.insert(len(final) - reverse, state)",
            "{} hands out its initial state": "final.append(initial[len(final)])",
            "{} hands out the last step of its output": "final.append((output[-1], *state[1:]))",
            "{} hands out the output of each row's last step": (
                "final.append((np.array([output[n - 1][row] if n else state[0][row]"
                " for row, n in enumerate(lengths)]).reshape(state[0].shape), *state[1:]))"
            ),
            "{} hands out the first step of its output": "final.append((output[0], *state[1:]))",
            "{} hands out the first step that it computed": (
                "final.append((output[-1 if reverse else 0], *state[1:]))"
            ),
            "{} hands out final states that are not sorted back with the rows": (
                f"final.append(tuple(s[{SORTED}] for s in state))"
            ),
            "{} hands out h that is not sorted back with the rows": (
                f"final.append((state[0][{SORTED}], *state[1:]))"
            ),
            "{} hands out c that is not sorted back with the rows": (
                f"final.append((state[0], *(s[{SORTED}] for s in state[1:])))"
            ),
            **sorted_again(),
            "{} hands out h in place of c": "final.append(state[:1] * len(state))",
            "{} hands out c in place of h": "final.append(state[-1:] * len(state))",
            "{} hands out h and c exchanged": "final.append(state[::-1])",
            "{} hands out the state that went before it": "final.append((final or [state])[-1])",
        },
        "join(*both)": {
            "the halves lie unit beside unit{}": "np.stack(both, -1).reshape(join(*both).shape)",
            "the forward half stands in the place of both{}": "join(*both[:1] * len(both))",
            "the reverse half stands in the place of both{}": "join(*both[-1:] * len(both))",
            "the reverse half comes first{}": "join(*both[::-1])",
            "each half is the sum of both{}": "join(*[sum(both)] * len(both))",
            "each half is the mean of both{}": "join(*[sum(both) / len(both)] * len(both))",
        },
        "[join(*both) for both in zip(*halves)]": {
            "what is read is added to what is given{}": (
                "[j + i if np.shape(j) == np.shape(i) else j"
                " for j, i in zip([join(*both) for both in zip(*halves)], x)]"
            ),
        },
        "return x, final": {
            "the output is not sorted back with the rows{}": f"return [o[{SORTED}] for o in x], final",
            "results are not sorted back with the rows{}": f"return {sorted_rows(SORTED)}",
            "results are sorted once more where they should be sorted back{}": (
                f"return {sorted_rows(f'{SORTED}[{SORTED}]')}"
            ),
            **ending("taken from the last layer", "final[-len(directions):] * len(layers)"),
            **ending("taken from layer 0", "final[:len(directions)] * len(layers)"),
            **ending("taken in reversed order", "final[::-1]"),
            **ending("laid by direction", "[s for d in range(len(directions)) for s in final[d :: len(directions)]]"),
        },
    },
    "time_major": {
        "x.swapaxes(0, 1)": {
            "x is reshaped where its batch and steps should be exchanged{}": (
                "x.reshape(x.shape[1], x.shape[0], *x.shape[2:])"
            ),
        },
    },
    "swap_steps_and_rows": {
        "return value.swapaxes(0, 1)": {
            "the output is reshaped where its batch and steps should be exchanged{}": (
                "return value.reshape(value.shape[1], value.shape[0], *value.shape[2:])"
            ),
        },
    },
    "scan": {
        "(t < lengths)[:, None]": {
            "a row ends a step late{}": "(t <= lengths)[:, None]",
            "a row ends a step late{}, but none later than the longest": (
                "(t < np.minimum(lengths + 1, max(lengths.tolist(), default=0)))[:, None]"
            ),
            "a row ends a step early{}": "(t < lengths - 1)[:, None]",
            "rows are taken to end with the last step{}": "(t >= len(x) - lengths)[:, None]",
            "rows end where the first does{}": "(t < lengths[:1] + 0 * lengths)[:, None]",
            "rows end where the shortest does{}": "(t < lengths.min() + 0 * lengths)[:, None]",
            "rows never end{}": "(t < len(x) + 0 * lengths)[:, None]",
            "rows have the lengths of those in reversed order{}": "(t < lengths[::-1])[:, None]",
            "rows have the lengths in descending order{}": "(t < np.sort(lengths)[::-1])[:, None]",
        },
        "select(state[0], alive, 0.0)": {
            "the padding of the output repeats the state{}": "state[0]",
            "the padding of the output goes on{}": "new[0]",
            "the output is the state before the step{}": "select(before[0], alive, 0.0)",
            "the output is c{}": "select(state[-1], alive, 0.0)",
        },
        "tuple(select(n, alive, s) for n, s in zip(new, state))": {
            "the state goes on in the padding{}": "new",
            "h goes on in the padding{}": (
                "(new[0], *(select(n, alive, s) for n, s in zip(new[1:], state[1:])))"
            ),
            "c goes on in the padding{}": "(select(new[0], alive, state[0]), *new[1:])",
            "the state goes on in the padding, of zeros{}": f"tuple(select(n, alive, z) for n, z in zip(new, {ZEROS}))",
            "h goes on in the padding, of zeros{}": (
                f"(select(new[0], alive, {ZEROS}[0]), *(select(n, alive, s) for n, s in zip(new[1:], state[1:])))"
            ),
            "c goes on in the padding, of zeros{}": (
                f"(select(new[0], alive, state[0]), *(select(n, alive, z) for n, z in zip(new[1:], {ZEROS}[1:])))"
            ),
            "h is zero in the padding{}": (
                "(select(new[0], alive, 0.0), *(select(n, alive, s) for n, s in zip(new[1:], state[1:])))"
            ),
            "c is zero in the padding{}": (
                "(select(new[0], alive, state[0]), *(select(n, alive, 0.0) for n in new[1:]))"
            ),
        },
        "select(n, alive, s)": {
            "padding is masked by zeros in the state{}": "select(n, alive, 0.0)",
        },
        "output[t] =": {
            "steps are laid down in the order of computing{}": "output[len(x) - 1 - t if reverse else t] =",
            "steps are laid down in reversed order{}": "output[len(x) - 1 - t] =",
        },
        "before = state if": {
            "every step starts from h of the step before and the initial c{}": "before = (state[0], *before[1:]) if",
            "every step starts from c of the step before and the initial h{}": "before = (before[0], *state[1:]) if",
        },
    },
}  # fmt: skip
# I, H, layers, directions: every weight of a layer fits into every other layer, or one direction's output into another
SHAPES = ((6, 3, 3, 2), (3, 3, 3, 1), (3, 3, 2, 2))


@lru_cache(maxsize=1)
def wiring() -> dict[str, Fault]:
    """The mistakes in the loops that some case tells from the reference and from each other, by id."""
    right = answers(FaultyReference())
    found, seen = dict[str, Fault](), {right}
    for function in LOOPS:
        changes = chain(changes_of(function) if function in READ else (), replaced(function))
        for number, change in enumerate(changes):
            id = f"wiring.{function.replace('_', '-')}.{change.operator}.{number}"
            fault = Fault(id, change.title, "recurrence", function, change.old, change.new, (STEPS,), hint=change.hint)
            try:
                given = answers(FaultyReference(fault))
            except PatchError:  # a line that stands there twice
                continue
            if given and given not in seen:
                found[id] = fault
                seen.add(given)
    return found


@lru_cache(maxsize=1)
def narrowly() -> dict[str, Fault]:
    """The changes of a text that are made in fewer layers and directions than those of ``wiring``, by id.

    They are many: none is compared with others.
    """
    changes = (("run", change) for change in chain(replaced("run", NARROWLY), gone_on()))
    return faults_of("wiring.narrowly", "recurrence", STEPS, changes)


def gone_on() -> Iterator[Change]:
    """States that go on behind the end of each row, in both directions, as where each row is turned by itself."""
    goes = {
        "the state": "tuple(select(n, past, s) for n, s in zip(new, state))",
        "h": "(select(new[0], past, state[0]), *state[1:])",
        "c": "(state[0], *(select(n, past, s) for n, s in zip(new[1:], state[1:])))",
    }
    for (what, state), (read, x) in product(goes.items(), {"": "x[k]", ", of zeros,": "np.zeros(x[k].shape)"}.items()):
        new = (
            "for k in range(len(x)):\n"
            "                past = (k >= lengths)[:, None]\n"
            f"                new = step({x}, state, p)\n"
            f"                state = {state}\n"
            f"            {FINAL}"
        )
        title = f"{what} goes on behind the end of each row{read} up to the last step, in both directions"
        yield Change("instead", title, FINAL, new)


@lru_cache(maxsize=64)
def packed(cell: Cell) -> dict[str, Fault]:
    """The mistakes in the order in which gates are packed that are made in some of the parameters alone, by id."""
    found = {}
    alike = tuple(
        kind for kind in KINDS["each weight"] + KINDS["each bias"] if cell.packing(kind) == cell.packing("weight_ih")
    )
    some = [(kinds, " and ".join(kinds), "") for kinds in TOGETHER]
    for kinds, where, when in [*some, *((alike, where, when) for where, when in PARTS.items())]:
        gates = cell.packing(kinds[0])
        for number, order in enumerate(other_orders(len(gates))):
            if {len(cell.packing(kind)) for kind in kinds} == {len(gates)}:
                lies = [order.index(place) for place in range(len(order))]  # each gate, in the order
                new = f"a.reshape({len(gates)}, -1, *a.shape[1:])[{lies}].reshape(a.shape)"
                said = f"gates are packed in the order {', '.join(gates[place] for place in order)}"
                change = relaid(f"{said} in {where} ({cell})", new, kinds, when)
                id = f"wiring.pack.{cell.lower()}.{where.replace(' ', '-')}.{number}"
                found[id] = Fault(id, change.title, "gate-order", "layer_parameters", change.old, change.new, (STEPS,))
    return found


@np.errstate(all="ignore")
def answers(reference: FaultyReference) -> bytes:
    """What a reference gives on the cases of the search, as bytes, rounded; empty where it runs on none."""
    found = [answer(reference, case) for case in cases()]
    return b"|".join(found) if any(found) else b""


def answer(reference: FaultyReference, case: Case) -> bytes:
    """What it gives on one of them; empty where it does not work, or gives other shapes."""
    try:
        values = [np.asarray(value, float) for _, value in reference.forward(case).items()]
    except Exception:  # a change may not fit every case
        return b""
    if [value.shape for value in values] != [shape.sizes for shape in result_shapes(case).values()]:
        return b""
    return b"".join((np.round(np.nan_to_num(value), 9) + 0.0).tobytes() for value in values)


@lru_cache(maxsize=1)
def cases() -> list[Case]:
    """Ragged cases of several layers in which nothing is alike, of a cell with one state and of one with two.

    And one with the batch first.
    """
    found = [drawn(cell, *shape) for cell in (CELLS[0], CELLS[-1]) for shape in SHAPES]
    first = found[0]
    return [*found, first.replace(x=first.x.swapaxes(0, 1), batch_first=True)]


def drawn(cell: str, inputs: int, units: int, layers: int, directions: int) -> Case:
    """One of these cases."""
    normal = np.random.default_rng(inputs).standard_normal
    config = Config(cell, inputs, units, layers, directions == 2, dtype="float64")
    parameters = {name: normal(shape.sizes) for name, shape in parameter_shapes(config).items()}
    case = Case(config, parameters, normal((5, 3, inputs)), lengths=np.array([3, 2, 4]))
    states = {name: normal(shape.sizes) for name, shape in state_shapes(case).items() if name != "x"}
    return case.replace(**states)


def changes_of(function: str) -> Iterator[Change]:
    """Every change of one place in a loop."""
    source = place_of(function).source
    body = ast.parse(source).body[0].body[1:]  # type: ignore[attr-defined]  # behind its docstring
    for line in source.splitlines()[body[0].lineno - 1 :]:
        for node, text, with_text in places_of(line):
            for change in changed(node, text):
                title, hint = change.told(f", in {function}" if change.hint else "")  # it quotes the text of that
                yield Change(change.operator, title, line, with_text(change.new), hint)


def changed(node: ast.expr, text: str) -> Iterator[Change]:
    """What else may stand in the place of an expression."""
    if isinstance(node, ast.Subscript) and not isinstance(node.slice, ast.Slice | ast.Tuple | ast.Constant):
        whole, index = ast.unparse(node.value), ast.unparse(node.slice)
        yield from (instead("entry", text, f"{whole}[{other}]") for other in ("0", "-1", f"({index}) - 1"))
    if isinstance(node, ast.Name) and node.id in COUNTERS:
        yield instead("entry", text, "0")
    if isinstance(node, ast.Name):
        alike = next((names for names in ALIKE if node.id in names), ())
        yield from (instead("exchange", text, other) for other in alike if other != text)
    if isinstance(node, ast.IfExp):
        yield from (instead("choice", text, f"({ast.unparse(arm)})") for arm in (node.body, node.orelse))
    if text in ROWS:
        what, new = ROWS[text]
        yield Change("row", f"every row reads {what} of the first row", text, new)
    if text == PARAMETER:
        yield from parameters()


def instead(operator: str, old: str, new: str) -> Change:
    """A change whose title is what it does."""
    return Change(operator, stands(new, old), old, new, stands(new))


def parameters() -> Iterator[Change]:
    """One kind of parameter read from elsewhere, or as another one."""
    for name, kinds in KINDS.items():
        for where, end in ENDS.items():
            new = f"plain.parameters.get(kind + ({end} if kind in {kinds} else end), absent.get(kind))"
            yield Change("parameter", f"{name} is that of {where} everywhere", PARAMETER, new)
        yield Change("parameter", f"{name} is not read", PARAMETER, f"({PARAMETER} * (kind not in {kinds}))")
        for where, there in (("layer 0", "end.startswith('_l0')"), ("the forward direction", "'_r' not in end")):
            only = f"({PARAMETER} * (kind not in {kinds} or {there}))"
            yield Change("parameter", f"{name} is read in {where} only", PARAMETER, only)
    for name in ("weight_ih", "weight_hh"):
        for how, new in RELAID.items():
            yield relaid(how.format(name), new, (name,))
    every = sum(KINDS.values(), ())
    yield relaid("the gates of each parameter lie unit by unit", RELAID["the gates of {} lie unit by unit"], every)


def relaid(title: str, new: str, kinds: tuple[str, ...], when: str = "") -> Change:
    """Some kinds of parameters, as an expression of ``a`` makes them; when: of which layers and directions."""
    also = f" and {when}" if when else ""
    square = " and a.size % a.shape[1] ** 2 == 0" if "a.shape[1], a.shape[1]" in new else ""
    return Change("relaid", title, PARAMETER, f"(lambda a: {new} if kind in {kinds}{also}{square} else a)({PARAMETER})")


def replaced(function: str, narrowly: Mapping[Spot, Mapping[str, str]] | None = None) -> Iterator[Change]:
    """What else may stand in the place of a text, everywhere and in some layers or directions only.

    narrowly  by spots, where else it may stand there: then nowhere but there
    """
    source = place_of(function).source
    for old, others in INSTEAD.get(function, {}).items():
        (line,) = (line for line in source.splitlines() if old in line)
        for title, new in others.items():
            spot = SPOTS[old]
            if narrowly is None:
                yield Change("instead", title.format(spot.everywhere), line, line.replace(old, new))
            for where, when in (spot.only if narrowly is None else narrowly.get(spot, {})).items():
                text = line.replace(old, f"({new} if {when} else {old})")
                yield Change("instead", title.format(where), line, text)


def places_of(line: str) -> Iterator:
    """Every expression of a line that is read; none of what heads a block, but for what a loop goes over."""
    if line.lstrip().startswith("for ") and line.endswith(":"):
        at = line.index(" in ") + 4
        for node, text, with_text in places(line[at:-1]):
            yield node, text, lambda new, with_text=with_text: f"{line[:at]}{with_text(new)}:"
        return
    try:
        yield from places(line)
    except SyntaxError:  # a part of a statement of several lines
        return
