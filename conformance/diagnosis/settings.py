"""Settings: how one unit is set for a result to be an activation of one number.

That is asked of the reference: gates are held at one of three values, states are 0, 1 or 2, until one result is an
activation of the number, but for a factor and a summand. So it works for any cell, and where no setting does that,
there is none.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import product

import numpy as np

from reference_rnn import Case, Cell, Config, Result, forward, parameter_shapes
from reference_rnn.case import gate_rows
from reference_rnn.cell import ACTIVATIONS

OPEN = 40.0  # sigmoid(40) is 1 in every format, and so is tanh(40)
THIN = 2.0**-13  # a recurrent weight so small that tanh is the identity behind it
LIKE = 1e-6  # how well a setting of the reference must be an activation
AT_LEAST = 2.0**-14  # the smallest factor of a setting
MOVED = 2.5  # a state that no gate must move with
STATES = {"h_0": "h", "c_0": "c"}
TERMS = {"W_ih x": "weight_ih", "b_ih": "bias_ih", "b_hh": "bias_hh", "W_hh h": "weight_hh"}
GRID = np.concatenate([[-OPEN, OPEN], np.linspace(-12, 12, 97), [s * 2.0**-k for k in range(4, 13) for s in (1, -1)]])
COARSE = np.array([-3.0, -1.0, -0.5, -0.25, 0.25, 0.5, 1.0, 3.0])


@dataclass(frozen=True)
class Setting:
    """How one unit is set for a result to be ``factor`` times an activation of a number, plus ``summand``.

    swept   the gate that reads the number, or the state that is it
    gates   the other gates, and what they read;  through: the gate whose recurrent weight is THIN, or ""
    h, c    the states
    by      what gives a gate its number, of TERMS;  weight: the weight that it has there
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
    by: str = "W_ih x"
    weight: float = 1.0

    @property
    def name(self) -> str:
        """What it shows, in words."""
        if self.swept in STATES:
            return f"the activation of the state {STATES[self.swept]}"
        return f"the activation of gate {self.swept}" if self.gates else "the activation"

    @property
    def reader(self) -> str:
        """What reads the number, in words."""
        return f"gate {self.swept}" if self.gates else "the unit"

    def terms(self, cell: Cell) -> list[str]:
        """What can give its gate a number; the state only where it is not set otherwise."""
        free = not self.h and not self.through
        return [term for term, kind in TERMS.items() if self.swept in cell.packing(kind) and (free or term != "W_hh h")]

    def moved(self, field: str) -> Setting:
        """The same with another state, h or c."""
        return replace(self, h=MOVED) if field == "h" else replace(self, c=MOVED)

    @property
    def alone(self) -> bool:
        """Whether the result is the activation and nothing else, which another function might have made."""
        return bool(self.through) or abs(self.factor - 1) < LIKE


def case_of(config: Config, setting: Setting, z: np.ndarray, rows: int) -> Case:
    """One step of some rows: each with its number in the first unit, and zeros past the last number.

    What a bias gives is the first number, in every row.
    """
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
    if setting.swept in STATES:
        states[list(STATES).index(setting.swept)][0, : len(z), 0] = z
        return case_with(config, p, x, states)
    kind = TERMS[setting.by]
    if kind.startswith("bias"):
        p[f"{kind}_l0"][gate_rows(config, setting.swept, f"{kind}_l0")] = z[0]
    else:
        p[f"{kind}_l0"][first(kind, setting.swept), 0] = setting.weight
        (x if kind == "weight_ih" else states[0])[0, : len(z), 0] = z / setting.weight
    return case_with(config, p, x, states)


def case_with(config: Config, p: dict[str, np.ndarray], x: np.ndarray, states: list[np.ndarray]) -> Case:
    """The case of these arrays; the second state where the cell has one."""
    return Case(config, p, x, states[0], states[1] if config.num_states == 2 else None)


@cache
def settings(cell: Cell, states: bool = True) -> tuple[Setting, ...]:
    """For each gate that reads x, and for each state, the setting that is nearest to an activation alone.

    states: whether there are initial states; without them all are zero
    """
    swept = [gate for gate in cell.gates if gate in cell.packing("weight_ih")]
    swept += [name for name, field in STATES.items() if states and field in cell.states]
    found = [best(cell, name, states=states) for name in swept]
    return tuple(setting for setting in found if setting is not None)


@cache
@np.errstate(all="ignore")
def best(cell: Cell, swept: str, unlike: float = 0.0, states: bool = True) -> Setting | None:
    """The setting of which the reference gives most nearly an activation of the number; None if there is none.

    unlike  a factor that it must not have;  states: whether there are initial states
    """
    config = Config(cell, dtype="float64")
    if not cell.packing("bias_ih") and not cell.packing("bias_hh"):
        return None
    chosen, least = None, np.inf
    others = [gate for gate in cell.gates if gate != swept]
    values_of = {
        name: (0.0, 1.0, 2.0) if states and name != swept and field in cell.states else (0.0,)
        for name, field in STATES.items()
    }
    for through in ("", *cell.packing("weight_hh")) if swept in cell.gates else ("",):
        for h, c, *values in product(*values_of.values(), *[(OPEN, -OPEN, 0.0)] * len(others)):
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
