"""Curves: one number goes in, the gates around it are held open or shut, and what comes out is an activation.

A curve is believed where each gate that it relies on is as it should be at the value at which it is held, and where a
number that the bias gives comes out as one that x gives.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np

from conformance.faults import operators
from conformance.faults.patching import Fault
from conformance.judging.oracle import Failure, NotApplicable, applicable
from reference_rnn import Case, Cell, Config
from reference_rnn.cell import ACTIVATIONS
from reference_rnn.equations import written_out

from .asking import Bench
from .settings import AT_LEAST, COARSE, GRID, STATES, Setting, best, case_of, relied_on, settings

FINE = np.linspace(0.5, 0.6, 65)
WIDE = ("float32", "float64")  # dtypes in which exp is computed as they are
FAR_AWAY = np.array([-1000.0, -100.0, 100.0, 1000.0])  # beyond what exp can hold, of one dtype or the other
SOUND = 1e-4  # how well it must be one with the target's arrays
NEARLY = 2.0**-10  # a factor nearer to 1 is none
HELD = 2.0**-5  # how nearly gates are held, at most, if all that they do is to shift and scale a curve
ENDS = 4  # wrong numbers from each end of a curve that are asked for alone
HEAVY = 4.0  # another weight than 1
STEPS = 40  # different numbers of FINE, at least, if a curve is none of steps
EVEN = 2.0**-45  # what is left of two numbers that are the same, but for the factor that they are read by
CLOSER, CLOSER_STEPS = 4, 33  # how often it is asked where a curve ends, and between two numbers at how many
SAME = 64.0  # units in the last place, within which a curve has a name
HALVINGS = 60  # of an interval, until nothing is left of it
DIGITS = 4  # after the point, of what a person would have written
SLACK = 4.0  # a wrong target rounds around other numbers than the reference, of about the same size

# What is called after its significant bits.
FORMATS = {8: "as in bfloat16", 11: "as in float16 and tf32", 24: "as in float32"}
OFTEN = 0.25  # neighbours of which one is too large, the other too small: rounding does so to half of them
TINY = np.finfo(np.float64).tiny
LARGE = 0.25  # what an activation gives, where absolute and relative accuracy are about the same
NEAR = 2  # bits, within which a curve has the accuracy of one of these

Curve = Callable[[np.ndarray], np.ndarray]
Named = tuple[tuple[str, str], ...]  # what a curve may be called, and the text of a way to compute it


# What the continued fraction of tanh gives where it is broken off, of z and q = z².
FRACTIONS = {
    f"its continued fraction of degree {degree}": f"(lambda q: z * ({above}) / ({below}))(z * z)"
    for degree, (above, below) in {
        5: ("945 + q * (105 + q)", "945 + q * (420 + 15 * q)"),
        7: ("135135 + q * (17325 + q * (378 + q))", "135135 + q * (62370 + q * (3150 + 28 * q))"),
    }.items()
}
# What stands in for an activation, by the name of that: what it is called, and its text.
STANDING_IN: dict[str, dict[str, str]] = {
    "tanh": {
        "the quotient z (27 + z²) / (27 + 9 z²)": "np.clip(z * (27 + z * z) / (27 + 9 * z * z), -1, 1)",
        "the quotient z (27 + z²) / (27 + 9 z²), not clipped": "z * (27 + z * z) / (27 + 9 * z * z)",
        "the quotient z (15 + z²) / (15 + 6 z²)": "np.clip(z * (15 + z * z) / (15 + 6 * z * z), -1, 1)",
        **FRACTIONS,
        **{f"{name}, clipped at 1": f"np.clip({text}, -1, 1)" for name, text in FRACTIONS.items()},
        "hard tanh, z between -1 and 1": "np.clip(z, -1, 1)",
        "z - z³ / 3": "z - z**3 / 3",
        "1.7159 tanh(2 z / 3)": "1.7159 * tanh(2 * z / 3)",
        "atan": "np.arctan(z)",
        "z / sqrt(1 + z²)": "z / np.sqrt(1 + z * z)",
    },
    "sigmoid": {
        "a hard sigmoid, z / 5 + 1/2": "np.clip(z / 5 + 0.5, 0, 1)",
        "a hard sigmoid, z / 6 + 1/2": "np.clip(z / 6 + 0.5, 0, 1)",
        "a hard sigmoid, z / 4 + 1/2": "np.clip(z / 4 + 0.5, 0, 1)",
        "(1 + softsign(z)) / 2": "0.5 + 0.5 * z / (1 + abs(z))",
        "1 - sigmoid(z)": "sigmoid(-z)",
    },
    "relu": {
        "relu6": "np.clip(z, 0, 6)",
        **{f"a leaky ReLU, slope {slope}": f"np.where(z > 0, z, {slope} * z)" for slope in (0.01, 0.1, 0.2)},
        "|z|": "abs(z)",
        "elu": "np.where(z > 0, z, np.expm1(np.minimum(z, 0)))",
        "softplus": "np.logaddexp(0, z)",
        "silu": "z * sigmoid(z)",
        "gelu": "0.5 * z * (1 + tanh(0.7978845608028654 * (z + 0.044715 * z**3)))",
    },
}
# What is no number where exp overflows, from which number on depending on the dtype.
OVERFLOWING: dict[str, dict[str, str]] = {
    "tanh": {
        "(exp(2 z) - 1) / (exp(2 z) + 1)": "(np.exp(2 * z) - 1) / (np.exp(2 * z) + 1)",
        "expm1(2 z) / (expm1(2 z) + 2)": "np.expm1(2 * z) / (np.expm1(2 * z) + 2)",
        "(1 - exp(-2 z)) / (1 + exp(-2 z))": "(1 - np.exp(-2 * z)) / (1 + np.exp(-2 * z))",
        "(exp(z) - exp(-z)) / (exp(z) + exp(-z))": "(np.exp(z) - np.exp(-z)) / (np.exp(z) + np.exp(-z))",
    },
    "sigmoid": {"exp(z) / (1 + exp(z))": "np.exp(z) / (1 + np.exp(z))"},
}
# Of a curve that is f(a z + b), z as the curve's own numbers say it.
INVERSE: dict[str, Curve] = {
    "tanh": np.arctanh, "sigmoid": lambda y: np.log(y) - np.log1p(-y), "relu": lambda y: np.where(y > 0, y, np.nan)
}  # fmt: skip
# The ways to compute an activation, which round otherwise: what it is made of, of how many times its argument.
WAYS = {
    "tanh": {"tanh({})": 1.0, "2 * sigmoid({}) - 1": 2.0},
    "sigmoid": {"sigmoid({})": 1.0, "0.5 + 0.5 * tanh({})": 0.5},
}
FLAT = {"tanh": ("np.sign(z)", "-1 or 1"), "sigmoid": ("1.0 * (z > 0)", "0 or 1")}  # far away, as text and in words
ANY: dict[str, Curve] = {**{name: curve for name, curve in ACTIVATIONS.items()}, "z itself": lambda z: z}


def curve_of(text: str) -> Curve:
    """A curve from its text."""
    return eval(f"lambda z: {text}", {"np": np, **ACTIVATIONS})


@dataclass(frozen=True)
class Read:
    """A curve as it was read off the target: numbers, what came out, what is right, and how far rounding may lead."""

    setting: Setting
    z: np.ndarray
    theirs: np.ndarray
    mid: np.ndarray
    rad: np.ndarray

    @property
    def sound(self) -> bool:
        """Whether all are numbers, and the setting does what it is for, with the arrays that the target takes."""
        apart = abs(self.mid - self.setting.summand - self.setting.factor * ANY[self.setting.activation](self.z))
        return bool(np.isfinite(self.theirs).all() and (apart <= SOUND * abs(self.setting.factor)).all())

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
        apart = abs(self.values - factor * wanted) <= 2 * self.room * (1 + abs(factor))
        return factor if apart.all() and abs(factor) > AT_LEAST and abs(factor - 1) > NEARLY else 1.0

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
        read = {setting.swept: self.read(setting) for setting in settings(bench.cell, bench.allowed.initial_state)}
        self.curves = {swept: own for swept, own in read.items() if own is not None}

    def read(self, setting: Setting) -> Read | None:
        """The curve of a setting; None if there is no answer, or none of numbers."""
        try:
            own = reading(self.bench, setting, GRID)
            if not own.right.all() and not self.rows_are_apart(own):
                own = reading(self.bench, setting, GRID, rows=1)
        except (Failure, NotApplicable):
            return None
        return own if own.sound else None

    def rows_are_apart(self, own: Read) -> bool:
        """Whether numbers come out alone as they do beside others: rows may be what is wrong, the last ones too."""
        wrong = own.z[~own.right]
        alone = reading(self.bench, own.setting, np.concatenate([COARSE, wrong[:ENDS], wrong[-ENDS:]]), rows=1)
        here = np.isin(own.z, alone.z)
        return bool((abs(alone.theirs - own.theirs[here]) <= SLACK * (alone.rad + own.rad[here])).all())

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
            by_bias = reading(self.bench, replace(own.setting, by="b_ih"), np.array([value]))
        except (Failure, NotApplicable):
            return False
        here = own.z == value
        return bool((abs(by_bias.theirs - own.theirs[here]) <= SLACK * (by_bias.rad + own.rad[here])).all())

    def said(self) -> list[str]:
        """Sentences: of each curve that is wrong, and of each that moves with a state that it must not see."""
        named: dict[tuple[str, str], dict[Setting, Named]] = {}  # by its likeliest name, and the activation
        beside: dict[tuple[str, str], dict[Setting, Named]] = {}
        lost: dict[tuple[float, float], list[Setting]] = {}
        swallowed: dict[float, list[Setting]] = {}
        others = []
        for own in self.curves.values():
            if not self.held(own.setting):
                if curve := self.named_beside(own):
                    beside.setdefault((curve[0][0], own.setting.activation), {})[own.setting] = curve
                continue
            terms = self.terms(own)
            if not self.alike(terms):
                others += [said for read in terms if (said := self.scaled(read))]
            elif own.right.all():
                if far := self.far_away(own):
                    lost.setdefault(far, []).append(own.setting)
                elif (number := self.of_nan(own)) is not None:
                    swallowed.setdefault(number, []).append(own.setting)
            elif self.leans(own):
                others.append(f"{own.setting.name} moves with a state that it must not see")
            elif curve := self.named(own):
                named.setdefault((curve[0][0], own.setting.activation), {})[own.setting] = curve
            elif own.times == 1 and own.setting.alone and np.ptp(own.theirs):
                others.append(unknown(self.bench, own))
        others += [
            f"{own.setting.result} moves with {name} where no weight and no gate lets it through{seen(own.setting)}"
            for own in self.curves.values() for name, field in STATES.items() if self.moves(own, name, field)
        ]  # fmt: skip
        others += [
            f"{together(mine)} is no number at z = {z:g}, must be {right:g}, where {given(mine)}"
            for (z, right), mine in lost.items()
        ]
        others += [
            f"{together(mine)} is {y:g} at z = NaN, must be NaN, where {given(mine)}" for y, mine in swallowed.items()
        ]
        self.bench.leads += chain(*map(self.overflowing, lost.values()))
        for other in {**named, **beside}:
            found, (_, activation) = named.get(other, {}) | beside.get(other, {}), other
            alike = [own.setting for own in self.curves.values() if own.setting.activation == activation]
            places = [[*found]] + [alike] * (len(alike) > len(found))  # others may not have been held, to be seen
            ways = dict.fromkeys(chain(*found.values()))
            self.bench.leads += chain(*(with_curve(self.bench.cell, mine, *way) for mine in places for way in ways))
        return [
            f"{together([*mine])} is {name}, must be {activation}(z), where {given([*mine])}"
            for (name, activation), mine in named.items()
        ] + others

    def far_away(self, own: Read) -> tuple[float, float] | None:
        """The number nearest to zero at which a curve is none where it must be one, with that: exp may overflow."""
        try:
            read = reading(self.bench, own.setting, FAR_AWAY, rows=1)
        except (Failure, NotApplicable):
            return None
        lost = read.z[np.isfinite(read.mid) & ~np.isfinite(read.theirs)]
        z = float(min(lost, key=abs, default=np.nan))
        return None if np.isnan(z) else (z, float(ANY[own.setting.activation](np.array(z))))

    @np.errstate(all="ignore")
    def overflowing(self, mine: list[Setting]) -> list[Fault]:
        """The cell with ways to compute an activation that are no number where the target's is none, in each dtype."""
        lost = {dtype: self.lost_in(dtype, mine) for dtype in self.bench.subject.capabilities.dtypes if dtype in WIDE}
        ways = {
            name: text
            for name, text in OVERFLOWING.get(mine[0].activation, {}).items()
            if lost and all(
                those is not None and (np.isnan(curve_of(text)(FAR_AWAY.astype(dtype))) == those).all()
                for dtype, those in lost.items()
            )
        }  # fmt: skip
        made = (with_curve(self.bench.cell, mine, f"{name}, which overflows", text) for name, text in ways.items())
        return [*chain(*made)]

    def lost_in(self, dtype: str, mine: list[Setting]) -> np.ndarray | None:
        """Of which numbers of FAR_AWAY settings give none in a dtype; None where they differ, or have no answer."""
        try:
            read = [reading(replace(self.bench, dtype=dtype), setting, FAR_AWAY, rows=1) for setting in mine]
        except (Failure, NotApplicable):
            return None
        lost = [~np.isfinite(one.theirs) & np.isfinite(one.mid) for one in read]
        return lost[0] if all((one == lost[0]).all() for one in lost) else None

    def of_nan(self, own: Read) -> float | None:
        """What a curve makes of NaN; None where that is none, or nobody claims anything of it."""
        if not self.bench.subject.capabilities.nonfinite:
            return None
        try:
            read = reading(self.bench, own.setting, np.array([np.nan]), rows=1)
        except (Failure, NotApplicable):
            return None
        return None if np.isnan(read.values[0]) else float(read.values[0])

    def named(self, own: Read) -> Named:
        """The names of a curve, the likeliest first; none if it has none, or something else is to blame."""
        activation = own.setting.activation
        curve, tight = (activation, own.z, own.values, own.room + SAME * self.bench.unit), own.room + self.bench.unit
        found = known(*curve) or fitted(*curve)
        found += tuple((name, text) for name, text in cut_off(*curve, tight) if name not in dict(found))
        found = found or self.flat(own, tight)
        if found or own.times == 1 or own.setting.gates:
            return found
        return ((f"{own.times:.5g} {activation}(z)", f"{own.times!r} * {activation}(z)"),)

    @np.errstate(all="ignore")
    def flat(self, own: Read, room: np.ndarray) -> Named:
        """The activation, but for large numbers, which give what is given at infinity, where that is what a curve is.

        From where on is asked between the last number that does not and the first that does.
        """
        activation, right = own.setting.activation, ANY[own.setting.activation](own.z)
        if activation not in FLAT or (abs(right - own.values) <= room).all():
            return ()
        (far, words), (first, last), read = FLAT[activation], (np.inf, 0.0), own
        for _ in range(CLOSER):
            ended = has_ended(activation, read.z, read.values)
            first = min(first, float(abs(read.z[ended]).min(initial=np.inf)))
            last = max(last, float(abs(read.z[~ended]).max(initial=0)))
            if not last < first < np.inf:
                return ()
            try:
                read = reading(self.bench, own.setting, np.linspace(last, first, CLOSER_STEPS))
            except (Failure, NotApplicable):
                return ()
        bound = next((b for b in shortened((first + last) / 2) if last <= b <= first), last)
        beyond = ">=" if bound == first else ">"
        text = f"np.where(abs(z) {beyond} {bound!r}, {far}, {activation}(z))"
        fits = (abs(curve_of(text)(own.z) - own.values) <= room).all()
        return ((f"{activation}(z), but {words} where |z| {beyond} {bound:.6g}", text),) if fits else ()

    def named_beside(self, own: Read) -> Named:
        """The names of a curve beside gates that are only nearly held: they shift and scale all of it.

        So may the gate itself do: this is no more than a lead, which has to give all numbers.
        """
        inner = abs(own.z) < 3
        factor, summand = np.polyfit(own.mid[inner], own.theirs[inner], 1)
        if max(abs(factor - 1), abs(summand / own.setting.factor)) > HELD:
            return ()
        alone = replace(own, theirs=(own.theirs - summand) / factor, rad=SLACK * own.rad)
        return self.named(alone) if alone.right[inner].all() and not alone.right.all() else ()

    def terms(self, own: Read) -> list[Read]:
        """A few numbers of a curve, given by each term that its gate reads."""
        if own.setting.swept in STATES:
            return []
        found = [self.few(replace(own.setting, by=term)) for term in own.setting.terms(self.bench.cell)]
        return [read for read in found if read is not None]

    def alike(self, terms: list[Read]) -> bool:
        """Whether the terms of a sum all lead to the same: what is wrong, if anything, is the activation."""
        return all((abs(read.theirs - terms[0].theirs) <= SLACK * (read.rad + terms[0].rad)).all() for read in terms)

    def scaled(self, read: Read) -> str:
        """That a gate reads one term with a factor, whatever the weight; "" if it does not."""
        setting, shift = read.setting, self.fit(read)
        if read.right.all() or shift is None or shift[1] or shift[0] == 1:
            return ""
        if not setting.by.startswith("b") and self.fit(self.few(replace(setting, weight=HEAVY))) != shift:
            return ""  # then it goes past the weight
        return f"{setting.reader} reads {linear(*shift, setting.by)} where it must read {setting.by}"

    def few(self, setting: Setting) -> Read | None:
        """A few numbers of a curve, each alone; None if there is no answer, or the setting is none here."""
        try:
            read = reading(self.bench, setting, COARSE, rows=1)
        except (Failure, NotApplicable):
            return None
        return read if read.sound else None

    def fit(self, read: Read | None) -> tuple[float, float] | None:
        """The a and b for which a curve is the activation of a z + b; None if there are none."""
        if read is None:
            return None
        return fit(read.setting.activation, read.z, read.values, read.room + SAME * self.bench.unit)

    def leans(self, own: Read) -> bool:
        """Whether a curve is shifted by one amount here, and by another where the unit has other states."""
        shift = self.fit(own)
        if shift in (None, (1, 0)):
            return False
        other = best(self.bench.cell, own.setting.swept, own.setting.factor, self.bench.allowed.initial_state)
        read = self.read(other) if other and self.held(other) else None
        return read is not None and self.fit(read) != shift

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


def with_curve(cell: Cell, mine: list[Setting], name: str, text: str) -> Iterator[Fault]:
    """The cell with another curve where some settings read an activation off; nothing if its text does not show it."""
    letters = dict(zip(cell.gates, operators.gate_names(cell)))
    reads = [f"{letters[s.swept]}.W_ih" if s.gates and s.swept in letters else STATES.get(s.swept, "z") for s in mine]
    lines = written_out(cell).splitlines()
    others = [drawn(line, mine[0].activation, reads, text) for line in lines]
    changed = {k: other for k, other in enumerate(others) if other}
    if len(changed) != len(mine):
        return
    span = range(min(changed), max(changed) + 1)
    old, new = "\n".join(lines[k] for k in span), "\n".join(changed.get(k, lines[k]) for k in span)
    id = "-".join(["curve", cell.lower().replace("_", "-"), *(setting.swept for setting in mine)])
    function = cell if cell.own else cell.step.__name__
    title = f"{together(mine)} is {name} ({cell})"
    yield Fault(id, title, "cell-variant", function, old, new, (operators.STEPS,))


def drawn(line: str, activation: str, reads: list[str], text: str) -> str:
    """A line of equations with another curve for an activation of what some settings read; "" if it has none."""
    if line.endswith(":"):
        return ""
    for node, _, with_text in operators.places(line):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == activation:
            inner = ", ".join(ast.unparse(argument) for argument in node.args)
            if any(read == inner or ("." in read and read in inner) for read in reads):
                return with_text(f"(lambda z: {text})({inner})")
    return ""


@np.errstate(all="ignore")
def known(activation: str, z: np.ndarray, y: np.ndarray, room: np.ndarray) -> Named:
    """The names of a curve that stands in for an activation."""
    others = {f"{name}(z)": f"{name}(z)" for name in ACTIVATIONS if name != activation} | {"z itself": "z"}
    stand_in = (STANDING_IN.get(activation, {}) | others).items()
    curves = ((name, text, curve_of(text)(z)) for name, text in stand_in)
    return tuple((name, text) for name, text, curve in curves if (abs(y - curve) <= room * (1 + abs(curve))).all())


def fitted(activation: str, z: np.ndarray, y: np.ndarray, room: np.ndarray) -> Named:
    """The activation of a z + b, where that is what a curve is."""
    shift = fit(activation, z, y, room)
    if shift is None or shift == (1, 0):
        return ()
    (a, b), ways = shift, WAYS.get(activation, {f"{activation}({{}})": 1.0})
    name = f"{activation}({linear(a, b, 'z')})"
    return tuple((name, way.format(of_z(times * a, times * b))) for way, times in ways.items())


@np.errstate(all="ignore")
def cut_off(activation: str, z: np.ndarray, y: np.ndarray, room: np.ndarray, tight: np.ndarray) -> Named:
    """The activation of what is cut off at both ends, where that is what a curve is: its end says where.

    Or what is computed in its place. The end has as few digits as tight room lets be seen.
    """
    if (abs(ANY[activation](z) - y) <= room).all():
        return ()
    found = []
    for name, text in ({activation: f"{activation}(z)"} | (FRACTIONS if activation == "tanh" else {})).items():
        bounds = shortened(reaching(curve_of(text), float(y.max()), float(z.max())))
        for bound, near in zip(bounds, [tight] * (len(bounds) - 1) + [room]):
            cut = f"(lambda z: {text})(np.clip(z, -{bound!r}, {bound!r}))"
            if 0 < bound < z.max() and (abs(curve_of(cut)(z) - y) <= near).all():
                found.append((f"{name} of what is clipped at {bound:g}", cut))
                break
    return tuple(found)


def has_ended(activation: str, z: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Which numbers, but zero, give what is given at infinity."""
    return (abs(y - curve_of(FLAT[activation][0])(z)) <= EVEN) & (z != 0)


def reaching(curve: Curve, y: float, end: float) -> float:
    """Where a curve that rises from 0 reaches a number; the end if it does so nowhere before it."""
    low, high = 0.0, end
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if curve(np.array(middle)) >= y else (middle, high)
    return high


@np.errstate(all="ignore")
def fit(activation: str, z: np.ndarray, y: np.ndarray, room: np.ndarray) -> tuple[float, float] | None:
    """The a and b, with as few digits as rounding lets be seen, for which a curve is the activation of a z + b.

    None if there are none.
    """
    own = INVERSE[activation](y) if activation in INVERSE else np.full_like(y, np.nan)
    inner = np.isfinite(own) & (abs(own) < 3) & (abs(own) > 2.0**-4)
    if inner.sum() < 4:
        return None
    line = np.polyfit(z[inner], own[inner], 1).tolist()
    for a, b in zip(*map(shortened, line)):
        if (abs(ANY[activation](a * z + b) - y) <= room * (1 + abs(a))).all():
            return a, b
    return None


def of_z(a: float, b: float) -> str:
    """The text of a z + b."""
    return ("z" if a == 1 else f"{a!r} * z") + (f" + {b!r}" if b else "")


def linear(a: float, b: float, z: str) -> str:
    """a z + b in words."""
    factor = {1.0: "", -1.0: "-"}.get(a, f"{a:.5g} ")
    return f"{factor}{z}" + ("" if b == 0 else f" {'+' if b > 0 else '-'} {abs(b):.5g}")


def shortened(number: float) -> list[float]:
    """A number with more and more digits, as a person may have given it."""
    return [*(round(number, digits) for digits in range(DIGITS)), plain(number)]


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
    elif (own.right | (abs(right) < LARGE)).all() and off.max() < 2**8 * bench.unit:
        how = "is accurate in absolute terms only"
    elif bits := accuracy(own, off / np.maximum(abs(right), TINY), right):
        how = f"is right to about {bits} significant bits only, {FORMATS[bits]}"
    elif bits := accuracy(own, off, right):
        how = f"is right to about {bits} bits after the point only, {FORMATS[bits]}"
    else:
        how = f"is another curve, off by up to {off.max():.1g}"
    theirs, must = apart(float(own.values[worst]), float(right[worst]))
    return (
        f"{setting.result} {how}: it gives {theirs} at z = {own.z[worst]:.6g}, must give "
        f"{setting.activation}(z) = {must}, where {given([setting])}{seen(setting)}"
    )


def apart(one: float, other: float) -> tuple[str, str]:
    """Two numbers with as many digits as it takes to tell them apart, and no fewer than seven.

    >>> apart(0.25, 0.2500000001)
    ('0.25', '0.2500000001')
    """
    pairs = ((f"{one:.{digits}g}", f"{other:.{digits}g}") for digits in range(7, 18))
    return next((pair for pair in pairs if pair[0] != pair[1]), (repr(one), repr(other)))


def accuracy(own: Read, off: np.ndarray, right: np.ndarray) -> int | None:
    """The bits of a format, if a curve is right to about as many, of large numbers too, here above and there below.

    off  how far each number is off, in multiples of what is right for significant bits
    """
    wrong, signs = ~own.right, np.sign(own.theirs - own.mid)[~own.right]
    bits = [-np.log2(off[group].max(initial=0)) for group in (wrong, wrong & (abs(right) >= LARGE))]
    turns = np.mean(signs[1:] != signs[:-1]) if len(signs) > 1 else 0
    nearest = min(FORMATS, key=lambda kept: abs(kept - bits[0]))
    return nearest if all(abs(nearest - some) <= NEAR for some in bits) and turns > OFTEN else None


def grid(bench: Bench, numbers: np.ndarray) -> np.ndarray:
    """These numbers in the target's dtype, each once."""
    return np.unique(bench.rounded(numbers).astype(np.float64))


def reading(bench: Bench, setting: Setting, numbers: np.ndarray, rows: int = 0) -> Read:
    """What the target makes of numbers; raises Failure and NotApplicable where it has no answer.

    So it does where a final state is not what came out of the last step: then it is not the activation that is wrong.

    rows  how many numbers go into one call; 0 for as many as there are
    """
    z = grid(bench, numbers)
    rows = rows or bench.size("batch", len(z))
    parts = []
    for start in range(0, len(z), rows):
        part = z[start : start + rows]
        case = built(bench, setting, part)
        read, answer = places(case, setting, len(part)), bench.ask(case)
        if setting.result == "h_n" and "output" in bench.subject.capabilities.outputs:
            applicable(np.array_equal(answer[read], answer[read - read[0]], equal_nan=True))
        parts.append([array[read] for array in (answer, *bench.ball(case))])
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
