"""What reads what: each element that goes in is changed alone, and each that comes out moves or does not.

The reference says which pairs must move. The networks grow from one unit by one thing at a time, and the first one on
which the target differs says most. A pair is missing only where not a bit moves, by small changes and by large ones,
in this instance and in a new one; a pair is too many only where it moves by more than rounding explains.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from conformance.judging.oracle import Failure, NotApplicable
from reference_rnn import Case, Config, parameter_shapes, rounded
from reference_rnn.cell import kinds_of
from reference_rnn.layouts import suffix

from .asking import Bench, mapped
from .sentences import At, Element, Pairs, sentences

STEP = 0.25  # how far an element is changed: numbers lie between 0.1 and 1
FAR = (8.0, -8.0)  # the same where nothing moved: a unit may be saturated, or below the kink of a ReLU
ELEMENTS = 36  # of one array, at most
FEW = 48  # of all arrays, where another rung has shown that an element of each kind is read alone
CLEAR = 64.0  # times what rounding explains: what must move, moves by so much
SLACK = 4.0  # a wrong target rounds around other numbers than the reference, of about the same size
FAINT = 2.0**-8  # of what it must: who moves by less than that in long runs forgets sooner, and does see
LONG = 3  # steps times layers

ONE = {"T": 1, "N": 1, "I": 2, "H": 3, "L": 1, "D": 1}
# From the smallest network up. What a step of one layer reads comes first: curves and precision build on it.
Ladder = dict[str, dict[str, Any]]
ONE_STEP: Ladder = {
    "one step of one unit": ONE | {"I": 1, "H": 1},
    "one step": ONE,
    "one step where I = H": ONE | {"I": 3},
    "one step where all but the last feature of x and the last unit of h_0 are 0": ONE | {"I": 3, "last": True},
    "one step where c_0 is 0": ONE | {"c_0": 0},
    "two rows": ONE | {"N": 2},
    "three rows": ONE | {"N": 3},
    "19 rows": ONE | {"N": 19, "H": 2},
}
MORE: Ladder = {
    "two steps": ONE | {"T": 2},
    "three steps": ONE | {"T": 3},
    "two layers": ONE | {"L": 2},
    "two directions": ONE | {"D": 2},
    "two layers where I = H": ONE | {"I": 3, "L": 2},
    "three layers": ONE | {"H": 2, "L": 3},
    "two steps of two rows": ONE | {"T": 2, "N": 2},
    "two steps of two layers": ONE | {"T": 2, "L": 2},
    "three steps of two directions": ONE | {"T": 3, "D": 2},
    "two layers of two directions": ONE | {"H": 2, "L": 2, "D": 2},
    "three steps of two rows, two layers and two directions": {"T": 3, "N": 2, "I": 2, "H": 2, "L": 2, "D": 2},
    "a row that ends before the other": ONE | {"T": 3, "N": 2, "short": True},
    "a row that ends before the other, in two directions": ONE | {"T": 3, "N": 2, "D": 2, "short": True},
    "19 units": ONE | {"I": 19, "H": 19},
    "19 steps": ONE | {"T": 19, "H": 2},
}


# What tells apart what all of these have alike: gates that read the same, what is projected, rows in their order.
LAST: Ladder = {
    "one step where h_0 and the biases are 0": ONE | {"h_0": 0},
    "one step with a projection": ONE | {"P": 2},
    "two layers with a projection": ONE | {"L": 2, "P": 2},
    "two directions with a projection": ONE | {"D": 2, "P": 2},
    "rows that end in another order": ONE | {"T": 3, "N": 3, "H": 2, "ends": (2, 1, 3)},
    "rows that end in another order, in two directions": ONE | {"T": 3, "N": 3, "H": 2, "D": 2, "ends": (2, 1, 3)},
    "19 steps of two directions": ONE | {"T": 19, "H": 2, "D": 2},
}

LADDER = ONE_STEP | MORE  # what is compared case by case, too; the last rungs are for those whose mistake has no name
WHOLE = ("one step of one unit", "one step")  # on these rungs each element is changed

# What else a rung may be than its sizes.
WAYS = {
    "last": "all but the last feature of x and the last unit of h_0 zero",
    "c_0": "c_0 zero",
    "short": "rows of different lengths",
    "h_0": "h_0 and the biases zero",
    "P": "a projection",
    "ends": "rows that end in another order",
    "weight_hh": "weight_hh zero",
}


def influence(bench: Bench, ladder: Ladder, kind: type[Experiment] | None = None) -> list[str]:
    """What reads what it must not, or does not read what it must, on the first rung that shows it; else nothing.

    kind  of experiment: on results if not given
    """
    kind = kind or Experiment
    tried = set()
    for name, rung in ladder.items():
        case = built(bench, rung)
        if case is None or (size := (case.x.shape, case.config, *map(rung.get, WAYS))) in tried:
            continue  # other sizes are claimed, and these were asked for before
        tried.add(size)
        few = name not in WHOLE
        try:
            experiment = kind(bench, case, few)
            pairs = experiment.pairs()
            if few and pairs is not None and pairs.differ.any():  # then all of it
                experiment = kind(bench, case)
                pairs = experiment.pairs()
        except (Failure, NotApplicable):  # it has no answer, or not for what is changed
            continue
        if pairs is None:
            return []
        if pairs.differ.any():
            said = sentences(experiment.timed, experiment.sources, experiment.results, pairs, experiment.told)
            return [f"{said}, with {seen(name, rung, case)}"]
    return []


@np.errstate(all="ignore")
def independent(bench: Bench) -> bool:
    """Whether other weights give another answer, and the first ones the same after them, in a new instance.

    Raises Failure and NotApplicable where there is no answer.
    """
    case = next((case for rung in LADDER.values() if (case := built(bench, rung)) is not None), None)
    if case is None:
        return False
    bench.restart()
    base = bench.ask(case)
    bench.restart()
    other = bench.ask(with_other_signs(case))
    room = SLACK * bench.ball(case)[1]
    return bool((abs(other - base) > room).any()) and bool((abs(bench.ask(case) - base) <= room).all())


def seen(name: str, rung: dict[str, Any], case: Case) -> str:
    """The network that an experiment was made on, in words and sizes."""
    c = case.config
    sizes = {"T": case.num_steps, "N": case.num_rows, "I": c.input_size, "H": c.hidden_size, "L": c.num_layers}
    told = ", ".join(f"{symbol} = {size}" for symbol, size in sizes.items())
    if all(rung[symbol] == size for symbol, size in sizes.items()):
        return f"{name} ({told})"
    more = [words for key, words in WAYS.items() if key in rung] + ["two directions"] * c.bidirectional
    return ", ".join([told, *more])  # other sizes are claimed than asked


def built(bench: Bench, rung: dict[str, Any]) -> Case | None:
    """A case of a rung's sizes, or the next that the target claims; None where it claims none such."""
    named = {"T": "steps", "N": "batch", "I": "input_size", "H": "hidden_size", "L": "num_layers"}
    T, N, I, H, L = (bench.size(dimension, rung[symbol]) for symbol, dimension in named.items())  # noqa: E741
    claims, two, short, P = bench.subject.capabilities, rung["D"] == 2, "short" in rung, rung.get("P", 0)
    if L > bench.allowed.max_layers or bench.allowed.bidirectional not in (None, two):  # noqa: SIM300
        return None
    if (short and not (claims.lengths and T > 1 and N > 1)) or ("c_0" in rung and len(bench.cell.states) < 2):
        return None
    if "ends" in rung and not (claims.lengths and (rung["T"], rung["N"]) == (T, N)):
        return None
    if P and not (claims.projections and bench.cell.projects and H > P):
        return None
    case = generic(bench, Config(bench.cell, I, H, L, two, proj_size=P, dtype=bench.dtype), T, N)
    if short:
        case = case.replace(lengths=np.array([T - row % 2 for row in range(N)]))
    if "ends" in rung:
        case = case.replace(lengths=np.array(rung["ends"]))
    if "last" in rung:
        case = case.map(lambda name, array: last_alone(array) if name in ("x", "h_0") else array)
    if "c_0" in rung:
        case = case.map(lambda name, array: 0 * array if name == "c_0" else array)
    if "h_0" in rung:
        case = case.map(lambda name, array: 0 * array if name == "h_0" or name.startswith("bias") else array)
    if "weight_hh" in rung:
        case = case.map(lambda name, array: 0 * array if name.startswith("weight_hh") else array)
    return case if bench.subject.takes(case) else None


def generic(bench: Bench, config: Config, T: int, N: int) -> Case:
    """A case without zeros, with its gates open and its units off saturation; always the same for the same sizes."""
    fitting = partial(rounded, dtype=config.dtype)
    draw = partial(numbers, np.random.default_rng(0), positive="relu" in bench.cell.activations)
    parameters = {
        name: fitting(draw(shape.sizes, 0.5 * min(1, 4 / shape.sizes[-1]) if len(shape.sizes) > 1 else 0.5))
        for name, shape in parameter_shapes(config).items()
    }
    entries = config.num_layers * config.num_directions
    h_0, c_0 = (fitting(draw((entries, N, size))) for size in (config.state_size, config.hidden_size))
    x = fitting(abs(draw((T, N, config.input_size))))
    return bench.given(Case(config, parameters, x, h_0, c_0 if config.num_states == 2 else None))


def numbers(generator: np.random.Generator, shape: tuple, scale: float = 1.0, *, positive: bool) -> np.ndarray:
    """Numbers of this shape, none of them near zero."""
    drawn = scale * generator.uniform(0.3, 0.9, shape) * generator.choice([-1, 1], shape)
    return abs(drawn) if positive else drawn


def last_alone(array: np.ndarray) -> np.ndarray:
    """The array with 0 in place of all but its last column."""
    return np.where(np.arange(array.shape[-1]) == array.shape[-1] - 1, array, array.dtype.type(0))


def sources(case: Case, generator: np.random.Generator, few: bool) -> Iterator[Element]:
    """The elements that are changed: of each array all, or some of them, or a few."""
    named = dict(case.arrays())
    most = max(2, FEW // len(named)) if few else ELEMENTS
    for name, place in places(case.config).items():
        if name in named:
            array = named[name]
            for number in sorted(generator.permutation(array.size)[:most].tolist()):
                index = tuple(map(int, np.unravel_index(number, array.shape)))
                if place["array"] != "bias_hh" or array[index]:  # those that do not exist are zero
                    yield Element(name, index, place | where(case.config, place, index))


def places(config: Config) -> dict[str, At]:
    """The arrays that go in, each with its kind, layer and direction."""
    found: dict[str, At] = {name: {"array": name} for name in ("x", "h_0", "c_0")}
    for layer in range(config.num_layers):
        for direction in range(config.num_directions):
            for kind in kinds_of(config.cell, config.bias, bool(config.proj_size), False):
                found[kind + suffix(layer, direction)] = {"array": kind, "layer": layer, "direction": direction}
    return found


def where(config: Config, place: At, index: tuple[int, ...]) -> At:
    """Where in the network an element of an array is."""
    if place["array"] == "x":
        return dict(zip(("step", "row", "feature"), index))
    if place["array"] in ("h_0", "c_0"):
        layer, direction = divmod(index[0], config.num_directions)
        return {"layer": layer, "direction": direction, "row": index[1], "unit": index[2]}
    H, packing = config.hidden_size, config.cell.packing(place["array"])
    gate = {"gate": packing[index[0] // H]} if len(packing) > 1 else {}
    return gate | {"unit": index[0] % H} | ({"column": index[1]} if len(index) > 1 else {})


def results(case: Case) -> Iterator[Element]:
    """The elements that come out, in the order of the list of all results."""
    c = case.config
    for step, row, k in np.ndindex(case.num_steps, case.num_rows, c.num_directions * c.state_size):
        direction, unit = divmod(k, c.state_size)
        at = {"step": step, "row": row, "layer": c.num_layers - 1, "direction": direction, "unit": unit}
        yield Element("output", (step, row, k), {"array": "output"} | at)
    for name, size in list(zip(("h_n", "c_n"), (c.state_size, c.hidden_size)))[: c.num_states]:
        for entry, row, unit in np.ndindex(c.num_layers * c.num_directions, case.num_rows, size):
            layer, direction = divmod(entry, c.num_directions)
            at = {"row": row, "layer": layer, "direction": direction, "unit": unit}
            yield Element(name, (entry, row, unit), {"array": name} | at)


class Experiment:
    """Each element of a case changed alone: what the target answers, and what is right.

    Raises Failure and NotApplicable where there is no answer.
    """

    told = "results"

    @np.errstate(all="ignore")
    def __init__(self, bench: Bench, case: Case, few: bool = False) -> None:
        self.bench = bench
        self.case = self.question(case)
        self.sources = list(self.given_elements(few))
        self.results = list(self.told_elements())
        self.changed = [self.moved(source, STEP) for source in self.sources]
        self.mid, self.rad = self.ball(self.case)
        self.room = self.rad + bench.arithmetic(case).eta
        self.base = self.ask(self.case)
        self.given = np.array([self.ask(other) for other in self.changed])
        self.away = abs(np.array([self.right(other) for other in self.changed]) - self.mid)

    # What is asked, and how; gradients are asked for with cotangents beside the case.

    def question(self, case: Case) -> Any:
        """What a target is asked with."""
        return case

    @property
    def timed(self) -> Case | None:
        """The case whose steps the results belong to, if they belong to any."""
        return self.case

    def given_elements(self, few: bool) -> Iterator[Element]:
        """What is changed."""
        return sources(self.case, np.random.default_rng(0), few)

    def told_elements(self) -> Iterator[Element]:
        """What comes out."""
        return results(self.case)

    def ask(self, asked: Any) -> np.ndarray:
        """What the target answers, as one list."""
        return self.bench.ask(asked)

    def ball(self, asked: Any) -> tuple[np.ndarray, np.ndarray]:
        """What is right, and how far rounding may lead from it, as lists."""
        return self.bench.ball(asked)

    def right(self, asked: Any) -> np.ndarray:
        """What the reference answers, as one list."""
        return self.bench.right(asked)

    def mapped(self, asked: Any, name: str, array: np.ndarray) -> Any:
        """The same with another array of this name."""
        return mapped(asked, {name: array})

    def turned(self, asked: Any) -> Any:
        """The same with each parameter negative: what was shut is open, and what was zero by a kink is not."""
        return with_other_signs(asked)

    # What moved.

    def moved(self, source: Element, step: float, asked: Any = None) -> Any:
        """What was asked, or something else, with one element changed."""
        asked = asked or self.case
        array = dict(asked.arrays())[source.name].astype(np.float64)
        array[source.index] += step
        return self.mapped(asked, source.name, self.bench.rounded(array))

    @np.errstate(all="ignore")
    def pairs(self) -> Pairs | None:
        """What moved; None where the target does not answer the same every time, or not with numbers."""
        finite = np.isfinite(self.base).all() and np.isfinite(self.given).all()
        if not finite or not self.steady():
            return None
        apart = abs(self.given - self.base)
        same = abs(self.base[:, None] - self.mid) <= SLACK * self.room
        must, moved = self.away > CLEAR * self.room, apart > SLACK * self.room
        found = Pairs(must, self.away == 0, moved, apart == 0, (None, same))
        if self.case.num_steps * self.case.config.num_layers > LONG and self.faint(found):
            found.still[:] = False
        suspects = np.flatnonzero(found.differ.any(1)).tolist()
        for k in suspects:  # whose own room counts, too
            room = self.rad + self.ball(self.changed[k])[1]
            found.must[k] &= self.away[k] > 2 * room
            found.moved[k] &= apart[k] > SLACK * room
        return found if not suspects or self.confirmed(suspects, found) else None

    def faint(self, found: Pairs) -> bool:
        """Whether something moved by far less than it must: so may others, until rounding swallows it."""
        less = abs(self.given - self.base) < FAINT * self.away
        return bool(less[found.must & ~found.still].any())

    def confirmed(self, suspects: list[int], found: Pairs) -> bool:
        """Asks a new process for what differs, and otherwise where nothing moved; whether it answers the same."""
        self.bench.restart(process=True)
        for k in suspects:
            if (abs(self.ask(self.changed[k]) - self.given[k]) > SLACK * self.room).any():
                return False
            for step in FAR if found.missing[k].any() else ():
                found.still[k] &= self.ask(self.moved(self.sources[k], step)) == self.base
        turned = self.turned(self.case)
        base = self.ask(turned)
        for k in suspects:
            if found.missing[k].any():
                found.still[k] &= self.ask(self.moved(self.sources[k], STEP, turned)) == base
        return self.steady()

    def steady(self) -> bool:
        """Whether the target gives the same numbers once more, but for rounding."""
        return bool((abs(self.ask(self.case) - self.base) <= self.room).all())


def with_other_signs(case: Case) -> Case:
    """The case with each parameter negative."""
    return case.replace(parameters={name: -array for name, array in case.parameters.items()})
