"""Curves: one number goes in, the gates around it are held open or shut, and what comes out is an activation.

How a unit has to be set for that is asked of the reference: gates at one of three values, states at 0 or 1, until one
result is an activation of the number, but for a factor and a summand. So it works for any cell, and where no setting
does that, nothing is said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import product

import numpy as np

from conformance.judging.judgement import Failure, NotApplicable
from reference_rnn import Case, Cell, Config, Result, forward, parameter_shapes
from reference_rnn.case import gate_rows
from reference_rnn.cell import ACTIVATIONS

from .asking import Bench

OPEN = 40.0  # sigmoid(40) is 1 in every format, and so is tanh(40)
THIN = 2.0**-13  # a recurrent weight so small that tanh is the identity behind it
GRID = np.concatenate([[-OPEN, OPEN], np.linspace(-12, 12, 97), [s * 2.0**-k for k in range(4, 13) for s in (1, -1)]])
FINE = np.linspace(0.5, 0.6, 65)
COARSE = np.array([-3.0, -1.0, -0.25, 0.25, 1.0, 3.0])
LIKE = 1e-6  # how well a setting of the reference must be an activation
STEPS = 40  # different numbers of FINE, at least, if a curve is none of steps
SAME = 64.0  # units in the last place, within which a curve has a name
AT_LEAST = 2.0**-14  # the smallest factor of a setting
SLACK = 4.0  # a wrong target rounds around other numbers than the reference, of about the same size
MOVED = 2.5  # a state that no gate must move with
STATES = {"h_0": "h", "c_0": "c"}

Curve = Callable[[np.ndarray], np.ndarray]


def sigmoid(z: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-z))."""
    return 0.5 + 0.5 * np.tanh(0.5 * z)


def clipped(curve: Curve, bound: float) -> Curve:
    """A curve of what is cut off at both ends."""
    return lambda z: curve(np.clip(z, -bound, bound))


def leaky(slope: float) -> Curve:
    """A ReLU that lets some of what is below zero through."""
    return lambda z: np.where(z > 0, z, slope * z)


# What stands in for an activation, by the name of that.
STANDING_IN: dict[str, dict[str, Curve]] = {
    "tanh": {
        **{f"tanh of what is clipped at {bound}": clipped(np.tanh, bound) for bound in (1, 2, 3, 4, 5, 6)},
        "the quotient z (27 + z²) / (27 + 9 z²)": lambda z: np.clip(z * (27 + z * z) / (27 + 9 * z * z), -1, 1),
        "the quotient z (27 + z²) / (27 + 9 z²), not clipped": lambda z: z * (27 + z * z) / (27 + 9 * z * z),
        "the quotient z (15 + z²) / (15 + 6 z²)": lambda z: np.clip(z * (15 + z * z) / (15 + 6 * z * z), -1, 1),
        "hard tanh, z between -1 and 1": lambda z: np.clip(z, -1, 1),
        "z - z³ / 3": lambda z: z - z**3 / 3,
        "1.7159 tanh(2 z / 3)": lambda z: 1.7159 * np.tanh(2 * z / 3),
        "atan": np.arctan,
        "z / sqrt(1 + z²)": lambda z: z / np.sqrt(1 + z * z),
    },
    "sigmoid": {
        "a hard sigmoid, z / 5 + 1/2": lambda z: np.clip(z / 5 + 0.5, 0, 1),
        "a hard sigmoid, z / 6 + 1/2": lambda z: np.clip(z / 6 + 0.5, 0, 1),
        "a hard sigmoid, z / 4 + 1/2": lambda z: np.clip(z / 4 + 0.5, 0, 1),
        "(1 + softsign(z)) / 2": lambda z: 0.5 + 0.5 * z / (1 + abs(z)),
        "1 - sigmoid(z)": lambda z: sigmoid(-z),
        **{f"sigmoid of what is clipped at {bound}": clipped(sigmoid, bound) for bound in (2, 3, 4, 5, 6, 8, 10)},
    },
    "relu": {
        "relu6": lambda z: np.clip(z, 0, 6),
        **{f"a leaky ReLU, slope {slope}": leaky(slope) for slope in (0.01, 0.1, 0.2)},
        "|z|": np.abs,
        "elu": lambda z: np.where(z > 0, z, np.expm1(np.minimum(z, 0))),
        "softplus": lambda z: np.logaddexp(0, z),
        "silu": lambda z: z * sigmoid(z),
        "gelu": lambda z: 0.5 * z * (1 + np.tanh(0.7978845608028654 * (z + 0.044715 * z**3))),
    },
}
# Of a curve that is f(a z + b), z as the curve's own numbers say it.
INVERSE: dict[str, Curve] = {
    "tanh": np.arctanh, "sigmoid": lambda y: np.log(y) - np.log1p(-y), "relu": lambda y: np.where(y > 0, y, np.nan)
}  # fmt: skip
ANY: dict[str, Curve] = {**{name: curve for name, curve in ACTIVATIONS.items()}, "z itself": lambda z: z}


@dataclass(frozen=True)
class Setting:
    """How one unit is set for a result to be ``factor`` times an activation of a number, plus ``summand``.

    swept  the gate that reads the number through x, or the state that is it
    gates  the other gates, and what they read;  through: the gate whose recurrent weight is THIN, or ""
    h, c   the states
    """

    swept: str
    gates: tuple[tuple[str, float], ...]
    h: float = 0.0
    c: float = 0.0
    through: str = ""
    result: str = "h_n"
    activation: str = ""
    factor: float = 1.0
    summand: float = 0.0

    @property
    def name(self) -> str:
        """What it shows, in words."""
        if self.swept in STATES:
            return f"the activation of the state {STATES[self.swept]}"
        return f"the activation of gate {self.swept}" if self.gates else "the activation"

    def moved(self, field: str) -> Setting:
        """The same with another state, h or c."""
        return replace(self, h=MOVED) if field == "h" else replace(self, c=MOVED)

    @property
    def alone(self) -> bool:
        """Whether the result is the activation and nothing else, which another function might have made."""
        return bool(self.through) or abs(self.factor - 1) < LIKE


@dataclass(frozen=True)
class Read:
    """A curve as it was read off the target: numbers, what came out, what is right, and how far rounding may lead."""

    setting: Setting
    z: np.ndarray
    theirs: np.ndarray
    mid: np.ndarray
    rad: np.ndarray

    @property
    def right(self) -> np.ndarray:
        """Where rounding explains what is not right."""
        return abs(self.theirs - self.mid) <= self.rad

    @property
    def values(self) -> np.ndarray:
        """The target's activation of each number."""
        return (self.theirs - self.setting.summand) / self.setting.factor

    @property
    def room(self) -> np.ndarray:
        """How far rounding may lead from it."""
        return self.rad / abs(self.setting.factor)

    @property
    def times(self) -> float:
        """The factor by which all of it differs from what is right, where that is all: something else is to blame."""
        wanted = ANY[self.setting.activation](self.z)
        factor = float(self.values @ wanted / (wanted @ wanted))
        apart = abs(self.values - factor * wanted) <= 2 * self.room
        return factor if apart.all() and abs(factor) > AT_LEAST else 1.0

    def trusted(self, at: float) -> bool:
        """Whether a gate that reads this number is as it should be."""
        return bool(self.right[self.z == at].all() or self.times != 1)


@np.errstate(all="ignore")
def curves(bench: Bench) -> list[str]:
    """The curves of a cell that are other ones than the reference's, each as a name, or by its worst number."""
    return Curves(bench).said()


class Curves:
    """The curves of one cell of a target: read off one by one, and believed where the gates that it takes are right."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        read = {setting.swept: self.read(setting) for setting in settings(bench.cell)}
        self.curves = {swept: own for swept, own in read.items() if own is not None}

    def read(self, setting: Setting) -> Read | None:
        """The curve of a setting; None if there is no answer, or none of numbers."""
        try:
            own = reading(self.bench, setting, GRID)
            if not own.right.all():  # then each number alone: rows may be what is wrong
                own = reading(self.bench, setting, GRID, rows=1)
        except (Failure, NotApplicable):
            return None
        return own if np.isfinite(own.theirs).all() else None

    def held(self, setting: Setting) -> bool:
        """Whether all is right that a setting relies on."""
        through = self.curves.get(setting.through)
        return all(self.holds(*gate) for gate in relied_on(self.bench.cell, setting)) and (
            not setting.through or (through is not None and bool(through.right.all()))
        )

    def holds(self, gate: str, value: float) -> bool:
        """Whether a gate can be held at a value by its bias."""
        own = self.curves.get(gate)
        if own is None or not own.trusted(value):
            return False
        try:
            by_bias = reading(self.bench, fed(own.setting, value), np.zeros(1))
        except (Failure, NotApplicable):
            return False
        here = own.z == value
        return bool((abs(by_bias.theirs - own.theirs[here]) <= SLACK * (by_bias.rad + own.rad[here])).all())

    def said(self) -> list[str]:
        """Sentences: of each curve that is wrong, and of each that moves with a state that it must not see."""
        named: dict[tuple[str, str], list[Setting]] = {}
        others = []
        for own in self.curves.values():
            if own.right.all() or not self.held(own.setting) or not self.fed_alike(own):
                continue
            if self.leans(own):
                others.append(f"{own.setting.name} moves with a state that it must not see")
            elif name := self.named(own):
                named.setdefault((name, own.setting.activation), []).append(own.setting)
            elif own.times == 1 and own.setting.alone and np.ptp(own.theirs):
                others.append(unknown(self.bench, own))
        others += [
            f"{own.setting.result} moves with {name} where no weight and no gate lets it through{seen(own.setting)}"
            for own in self.curves.values() for name, field in STATES.items() if self.moves(own, name, field)
        ]  # fmt: skip
        return [
            f"{together(mine)} is {name}, must be {activation}(z), where {given(mine)}"
            for (name, activation), mine in named.items()
        ] + others

    def named(self, own: Read) -> str:
        """The name of a curve; "" if it has none, or something else is to blame."""
        activation, room = own.setting.activation, own.room + SAME * self.bench.unit
        name = known(activation, own.z, own.values, room) or fitted(activation, own.z, own.values, room)
        if name or own.times == 1 or own.setting.gates:
            return name
        return f"{own.times:.5g} {activation}(z)"

    def fed_alike(self, own: Read) -> bool:
        """Whether a number that comes from the bias gives the same as from x: else it is not the activation."""
        setting, packing = own.setting, self.bench.cell.packing("bias_ih")
        if setting.swept not in packing:
            return True
        try:
            by_x = reading(self.bench, setting, COARSE, rows=1)
            by_bias = [reading(self.bench, fed(setting, z), np.zeros(1)) for z in by_x.z.tolist()]
        except (Failure, NotApplicable):
            return False
        other = np.array([read.theirs[0] for read in by_bias])
        return bool((abs(other - by_x.theirs) <= SLACK * (by_x.rad + by_bias[0].rad)).all())

    def leans(self, own: Read) -> bool:
        """Whether a curve is shifted by one amount here, and by another where the unit has other states."""
        shift = fitted(own.setting.activation, own.z, own.values, own.room + SAME * self.bench.unit)
        other = best(self.bench.cell, own.setting.swept, own.setting.factor) if shift else None
        read = self.read(other) if other and self.held(other) else None
        return read is not None and shift != fitted(
            read.setting.activation, read.z, read.values, read.room + SAME * self.bench.unit
        )

    def moves(self, own: Read, name: str, field: str) -> bool:
        """Whether a curve is another one where a state has moved that it must not see."""
        moved = own.setting.moved(field)
        if name == own.setting.swept or field not in self.bench.cell.states or not self.held(moved):
            return False
        other = self.read(moved)
        return (
            other is not None
            and bool((abs(other.mid - own.mid) <= own.rad).all())
            and bool((abs(other.theirs - own.theirs) > 2 * (own.rad + other.rad)).any())
        )


def fed(setting: Setting, number: float) -> Setting:
    """The same with a number that the bias of its gate gives."""
    return replace(setting, gates=(*setting.gates, (setting.swept, number)))


def together(mine: list[Setting]) -> str:
    """What some settings show, in words."""
    if len(mine) == 1:
        return mine[0].name
    *most, last = (STATES.get(setting.swept, setting.swept) for setting in mine)
    return f"the activation of {', '.join(most)} and {last}"


def seen(setting: Setting) -> str:
    """Which gate shows something, in words, where there are several."""
    return f", seen on gate {setting.swept}" if setting.gates and setting.swept not in STATES else ""


def given(mine: list[Setting]) -> str:
    """What the number is, in words, and what else there is."""
    states = [f"{name} = {getattr(mine[0], field):g}" for name, field in STATES.items() if getattr(mine[0], field)]
    numbers = dict.fromkeys(s.swept if s.swept in STATES else "W_ih x" for s in mine)
    return ", ".join([f"z = {' or '.join(numbers)}", *(states if len(mine) == 1 else [])])


@np.errstate(all="ignore")
def known(activation: str, z: np.ndarray, y: np.ndarray, room: np.ndarray) -> str:
    """The name of a curve that stands in for an activation; "" if it has none."""
    for name, curve in {**STANDING_IN.get(activation, {}), **ANY}.items():
        if name != activation and (abs(y - curve(z)) <= room * (1 + abs(curve(z)))).all():
            return name if name not in ACTIVATIONS else f"{name}(z)"
    return ""


@np.errstate(all="ignore")
def fitted(activation: str, z: np.ndarray, y: np.ndarray, room: np.ndarray) -> str:
    """The activation of a z + b, where that is what a curve is; else ""."""
    own = INVERSE[activation](y) if activation in INVERSE else np.full_like(y, np.nan)
    inner = np.isfinite(own) & (abs(own) < 3) & (abs(own) > 2.0**-4)
    if inner.sum() < 4:
        return ""
    a, b = (plain(number) for number in np.polyfit(z[inner], own[inner], 1))
    if not (abs(ANY[activation](a * z + b) - y) <= room * (1 + abs(a))).all():
        return ""
    if (a, b) == (1, 0):
        return ""
    factor = "" if a == 1 else f"{a:.5g} "
    return f"{activation}({factor}z" + ("" if b == 0 else f" {'+' if b > 0 else '-'} {abs(b):.5g}") + ")"


def plain(number: float) -> float:
    """A number with as many digits as a person would have given it."""
    short = round(float(f"{number:.4g}"), 4)
    return short if abs(number - short) < 1e-4 else float(number)


def unknown(bench: Bench, own: Read) -> str:
    """A curve that has no name: whether it comes in steps, or only small numbers are wrong; and its worst number."""
    off, setting = abs(own.theirs - own.mid) / abs(own.setting.factor), own.setting
    worst, right = int(np.argmax(off / (own.room + bench.unit))), ANY[setting.activation](own.z)
    fine = reading(bench, setting, FINE)
    steps, wanted = len(set(fine.theirs.tolist())), len(set(fine.mid.tolist()))
    if 1 < steps < STEPS < wanted:
        how = f"comes in steps, {steps} of them for z between 0.5 and 0.6"
    elif (own.right | (abs(right) < 0.25)).all() and off.max() < 2**8 * bench.unit:
        how = "is accurate in absolute terms only"
    else:
        how = f"is another curve, off by up to {off.max():.1g}"
    return (
        f"{setting.result} {how}: it gives {own.values[worst]:.7g} at z = {own.z[worst]:.6g}, must give "
        f"{setting.activation}(z) = {right[worst]:.7g}, where {given([setting])}{seen(setting)}"
    )


def grid(bench: Bench, numbers: np.ndarray) -> np.ndarray:
    """These numbers in the target's dtype, each once."""
    return np.unique(bench.rounded(numbers).astype(np.float64))


def reading(bench: Bench, setting: Setting, numbers: np.ndarray, rows: int = 0) -> Read:
    """What the target makes of numbers; raises Failure and NotApplicable where it has no answer.

    rows  how many numbers go into one call; 0 for as many as there are
    """
    z = grid(bench, numbers)
    rows = rows or bench.size("batch", len(z))
    parts = []
    for start in range(0, len(z), rows):
        part = z[start : start + rows]
        case = built(bench, setting, part)
        read = places(case, setting, len(part))
        parts.append([array[read] for array in (bench.ask(case), *bench.ball(case))])
    return Read(setting, z, *map(np.concatenate, zip(*parts)))


def places(case: Case, setting: Setting, count: int) -> np.ndarray:
    """Where in the list of all results the first unit of so many rows stands."""
    c, N = case.config, case.num_rows
    before = case.num_steps * N * c.hidden_size + (setting.result == "c_n") * N * c.hidden_size * c.num_layers
    return before + np.arange(count) * c.hidden_size


def built(bench: Bench, setting: Setting, z: np.ndarray, inputs: int = 1) -> Case:
    """The case of sizes that the target claims whose first unit is set so, each row with another number.

    Raises NotApplicable where one step of one layer is not claimed, or a state that is needed.
    """
    sizes = {name: bench.size(name, 1) for name in ("hidden_size", "num_layers", "steps")}
    sizes["input_size"] = bench.size("input_size", inputs)
    config = Config(bench.cell, sizes["input_size"], sizes["hidden_size"], dtype=bench.dtype)
    rows = bench.size("batch", len(z))
    case = bench.given(case_of(config, setting, z, rows))
    has_states = bench.allowed.initial_state or not (setting.h or setting.c or setting.swept in STATES)
    if sizes["num_layers"] != 1 or sizes["steps"] != 1 or sizes["input_size"] < inputs or not has_states:
        raise NotApplicable
    return case


def case_of(config: Config, setting: Setting, z: np.ndarray, rows: int) -> Case:
    """One step of some rows: each with its number in the first unit, and zeros past the last number."""
    p = {name: np.zeros(shape.sizes, config.numpy_dtype) for name, shape in parameter_shapes(config).items()}

    def first(kind: str, gate: str) -> int:
        return gate_rows(config, gate, f"{kind}_l0").start

    for gate, value in setting.gates:
        bias = "bias_ih" if gate in config.cell.packing("bias_ih") else "bias_hh"
        p[f"{bias}_l0"][gate_rows(config, gate, f"{bias}_l0")] = value
    if setting.through:
        p["weight_hh_l0"][first("weight_hh", setting.through), 0] = THIN
    x = np.zeros((1, rows, config.input_size), config.numpy_dtype)
    states = [np.full((1, rows, config.hidden_size), value, x.dtype) for value in (setting.h, setting.c)]
    if setting.swept in config.cell.gates:
        p["weight_ih_l0"][first("weight_ih", setting.swept), 0] = 1
        x[0, : len(z), 0] = z
    else:
        states[list(STATES).index(setting.swept)][0, : len(z), 0] = z
    return Case(config, p, x, states[0], states[1] if config.num_states == 2 else None)


@cache
def settings(cell: Cell) -> tuple[Setting, ...]:
    """For each gate that reads x, and for each state, the setting that is nearest to an activation alone."""
    readers = [gate for gate in cell.gates if gate in cell.packing("weight_ih")]
    found = [
        best(cell, swept) for swept in (*readers, *(name for name, field in STATES.items() if field in cell.states))
    ]
    return tuple(setting for setting in found if setting is not None)


@cache
@np.errstate(all="ignore")
def best(cell: Cell, swept: str, unlike: float = 0.0) -> Setting | None:
    """The setting of which the reference gives most nearly an activation of the number; None if there is none.

    unlike  a factor that it must not have
    """
    config = Config(cell, dtype="float64")
    if not cell.packing("bias_ih") and not cell.packing("bias_hh"):
        return None
    chosen, least = None, np.inf
    others = [gate for gate in cell.gates if gate != swept]
    states = [(0.0, 1.0, 2.0) if name != swept and field in cell.states else (0.0,) for name, field in STATES.items()]
    for through in ("", *cell.packing("weight_hh")) if swept in cell.gates else ("",):
        for h, c, *values in product(*states, *[(OPEN, -OPEN, 0.0)] * len(others)):
            if through and not h:  # then nothing goes through
                continue
            setting = Setting(swept, tuple(zip(others, values)), h, c, through)
            for candidate in recognised(setting, forward(case_of(config, setting, GRID, len(GRID)))):
                if abs(candidate.factor - unlike) < 0.05 * abs(unlike):
                    continue
                away = abs(candidate.factor - 1) + abs(candidate.summand) + sum(value == 0 for value in values)
                away += leans(config, candidate) if away < least else 0
                if away < least:
                    chosen, least = candidate, away
            if least < LIKE:
                return chosen
        if chosen:
            return chosen
    return None


def leans(config: Config, setting: Setting) -> int:
    """On how many of the states that are not swept the result depends."""
    fields = [field for field in config.cell.states if field != STATES.get(setting.swept)]
    return sum(differs(config, setting, setting.moved(field)) for field in fields)


@cache
def relied_on(cell: Cell, setting: Setting) -> tuple[tuple[str, float], ...]:
    """The gates that must be held for a setting to show what it shows: those that could not be half open as well."""
    config, held = Config(cell, dtype="float64"), dict(setting.gates)
    softer = {
        gate: replace(setting, gates=tuple((held | {gate: value / 20 + 0.5}).items())) for gate, value in held.items()
    }
    return tuple((gate, held[gate]) for gate, other in softer.items() if differs(config, setting, other))


def differs(config: Config, one: Setting, other: Setting) -> bool:
    """Whether the reference gives another result in another setting."""
    a, b = (dict(forward(case_of(config, s, COARSE, len(COARSE))).items())[one.result] for s in (one, other))
    return not np.allclose(a, b)


def recognised(setting: Setting, result: Result) -> Iterator[Setting]:
    """The setting for each result that is an activation of the number, but for a factor and a summand."""
    for name, array in result.items():
        y = array.ravel()
        if name == "output" or not np.isfinite(y).all() or np.ptp(y) < AT_LEAST:
            continue
        for activation, right in ACTIVATIONS.items():
            wanted = right(GRID)
            factor, summand = np.polyfit(wanted, y, 1)
            if abs(factor) >= AT_LEAST and (abs(factor * wanted + summand - y) <= LIKE * abs(factor)).all():
                round_off = LIKE * abs(factor)
                summand = 0.0 if abs(summand) < round_off else float(summand)
                yield replace(setting, result=name, activation=activation, factor=float(factor), summand=summand)
