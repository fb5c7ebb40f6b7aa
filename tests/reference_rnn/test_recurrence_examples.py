"""The examples of recurrences: closed forms, fifty digits, machines that round, and targets written another way."""

import random
import shutil
from math import atanh, exp, log, pi, sqrt
from pathlib import Path

import mpmath
import numpy as np
import pytest

from conformance import check
from reference_rnn import RecurrenceConfig, arithmetic, handed, rounded
from reference_rnn import functions as f
from reference_rnn.cell import loaded
from strategies.recurrences import Sequences

HOME = Path(__file__).parents[2] / "examples" / "recurrences"
EXAMPLES = sorted(HOME.glob("*.py"))
TARGETS = HOME / "targets"
PROPERTIES = ["state.shapes", "state.dtype", "state.split", "state.arranged", "state.modes_agree", "state.equations"]
COVERING = 1e-6  # seconds for random cases: none but those of the covering set


@pytest.fixture(params=EXAMPLES, ids=lambda path: path.stem)
def cell(request):
    """Each recurrence of the examples."""
    return loaded(str(request.param), request.param.stem)


def drawn(cell, dtype, seed, steps=5):
    """A case of a recurrence."""
    return Sequences((cell,), (dtype,)).filled(random.Random(seed), {"steps": steps, "stateless": False})


def walked(case, lift):
    """Outputs and last states of a case by name, by its step on numbers of another kind."""
    cell, p = case.config.cell, {name: lift(array) for name, array in case.parameters.items()}
    states, outputs = [lift(case.states[name]) for name in cell.states], {name: [] for name in cell.outputs}
    for t in range(case.num_steps):
        new = cell.step(*(lift(array[t]) for array in case.inputs.values()), *states, *([p] if p else []))
        states = new[len(outputs) :]
        for every, value in zip(outputs.values(), new):
            every.append(plain(value))
    last = {name: plain(state) for name, state in zip(cell.states, states)}
    return {name: np.stack(every) for name, every in outputs.items()} | last


def plain(number):
    """The array in it."""
    return number.value if isinstance(number, Rounding) else np.asarray(number)


# Texts


def test_each_example_has_a_target_and_a_closed_form():
    names = {path.stem for path in EXAMPLES}
    assert names == {path.stem for path in TARGETS.glob("*.py")} - {"rows"}
    assert names == CLOSED.keys() == EXCHANGED.keys()


def test_a_step_is_short_and_has_its_paper(cell):
    step = Path(cell.place).read_text().split("\ndef ")[1].strip().splitlines()
    assert len(step) <= 15
    assert "arXiv:" in cell.step.__doc__


# Closed forms: inputs by name (steps, letters...), states, parameters, and what they lead to.

THIRD = log(3)  # whose sigmoid is 3 / 4
TIMES = np.arange(1, 5)
AXIS = [[[1, 0]], [[0, 1]], [[1, 0]]]
S5_A, S5_U = -1 + 2j, 1 - 1j
S5_X = np.exp(S5_A * TIMES / 2) * 0.5j + (np.exp(S5_A * TIMES / 2) - 1) / S5_A * S5_U
LAST = 2 - log(2)  # the stabiliser in the end

CLOSED = {
    "mingru": ({"k": [0, THIRD], "n": [1.5, -THIRD]}, {"h": 1}, {}, {"y": [1.5, 1.5 / 4 + 3 / 4 / 4]}),
    "minlstm": (
        {"f": [THIRD, 0], "i": [0, THIRD], "n": [1.5, -THIRD]}, {"h": 1}, {},
        {"y": [0.6 + 0.4 * 2, 0.4 * 1.4 + 0.6 / 4]},
    ),
    "lru": (
        {"u_re": [1, 0, 0, 0], "u_im": [0, 0, 0, 0]}, {"x_re": 0, "x_im": 0},
        {"nu_log": log(log(2)), "theta_log": log(pi / 2), "gamma_log": log(3)},
        {"y_re": [3, 0, -3 / 4, 0], "y_im": [0, 3 / 2, 0, -3 / 8]},  # a quarter turn each step, and half as large
    ),
    "s5": (
        {"u_re": [S5_U.real] * 4, "u_im": [S5_U.imag] * 4}, {"x_re": 0, "x_im": 0.5},
        {"a_re": S5_A.real, "a_im": S5_A.imag, "dt_log": log(0.5), "C_re": 1, "C_im": 3},
        {"y": 2 * (S5_X * (1 + 3j)).real, "x_im": S5_X[-1].imag},  # of x' = a x + u
    ),
    "rg_lru": (
        {"x": [2, 0], "r": [0, 0], "i": [0, 0]}, {"h": 16}, {"decay": 0},
        {"y": [1 + sqrt(255) / 16, (1 + sqrt(255) / 16) / 16]},
    ),
    "selective_scan": (
        {"x": [3, 0], "dt": [log(2), 2 * log(2)], "B": [5, 1], "C": [2, 1]}, {"h": 2}, {"A": -1, "skip": 10},
        {"y": [2 * (1 + 15 * log(2)) + 30, (1 + 15 * log(2)) / 4]},
    ),
    "gated_linear_attention": (
        {"q": [[1, 10]] * 3, "k": [[1, 1]] * 3, "v": [1, 1, 1], "g": [[-log(2), 0]] * 3}, {"S": [[0], [0]]}, {},
        {"o": [11, 21.5, 31.75]},
    ),
    "retention": ({"q": [2, 2, 2], "k": [1, 1, 1], "v": [1, 1, 1]}, {"S": 0}, {"gamma": 0.5}, {"o": [2, 3, 3.5]}),
    "delta_rule": (
        {"q": [[1, 10]] * 3, "k": AXIS, "v": [5, 7, 9], "beta": [1, 1, 0.5]}, {"S": [[0], [0]]}, {},
        {"o": [5, 75, 77], "S": [[7], [7]]},
    ),
    "gated_delta_rule": (
        {"q": [[1, 10]] * 3, "k": AXIS, "v": [5, 7, 9], "beta": [1, 1, 0.5], "g": [-log(2)] * 3}, {"S": [[0], [0]]}, {},
        {"o": [5, 72.5, 40.125], "S": [[5.125], [3.5]]},
    ),
    "mlstm": (
        {"q": [0.5, 1, 1], "k": [1, 1, 1], "v": [4, 6, 2], "i": [0, 2, 0], "f": [0, 0, 0]},
        {"C": 0, "n": 0, "m": 0}, {},
        {
            "h": [2, (2 + 6 * exp(2)) / (0.5 + exp(2)), (3 + 3 * exp(2)) / (1.25 + exp(2) / 2)],
            "C": (3 + 3 * exp(2)) / exp(LAST), "n": (1.25 + exp(2) / 2) / exp(LAST), "m": LAST,
        },
    ),
    "rwkv6": (
        {"r": [2, 2], "k": [1, 1], "v": [5, 5], "w": [log(log(2))] * 2}, {"S": 7}, {"u": 3}, {"o": [44, 47]},
    ),
    "rwkv7": (
        {"r": [[1, 1]], "w": [[-log(2), 0]], "k": [[0, 1]], "v": [3], "kappa": [[1, 0]], "a": [[0.25, 1]]},
        {"S": [[8], [4]]}, {}, {"o": [9], "S": [[2], [7]]},
    ),
    "cfc": (
        {"f": [0], "g": [atanh(0.5) - THIRD], "n": [atanh(-0.25) + THIRD], "timespans": [2]}, {"h": THIRD},
        {"U_f": 1, "U_g": 1, "U_n": -1}, {"y": [0.1 * 0.5 - 0.9 * 0.25]},
    ),
}  # fmt: skip


TWO = {"K": 2}  # the sizes that are not 1
SIZES = dict.fromkeys(("gated_linear_attention", "delta_rule", "gated_delta_rule", "rwkv7"), TWO)


def test_a_closed_form(cell, request):
    name = request.node.callspec.params["cell"].stem
    inputs, states, parameters, must = CLOSED[name]
    config = RecurrenceConfig(cell, dict.fromkeys(cell.letters, 1) | SIZES.get(name, {}))
    around = [((len(next(iter(inputs.values()))), "T"), (1, "N")), ((1, "N"),), ()]
    kinds = zip((cell.inputs, cell.states, cell.parameters), (inputs, states, parameters), around)
    arrays = [{name: np.reshape(given[name], config.axes(letters, *axes).sizes) for name, letters in kind.items()}
              for kind, given, axes in kinds]  # fmt: skip
    case = cell.case(*arrays, dtype="float64")
    found, balls = dict(handed(case).items()), dict(handed(case, arithmetic("float32")).items())
    for name, value in must.items():
        assert found[name].ravel() == pytest.approx(np.ravel(value), rel=1e-12, abs=1e-12), name
        assert balls[name].contains(np.reshape(value, balls[name].shape)).all(), name


# Fifty digits


class Precise(np.ndarray):
    """An array of numbers of fifty digits."""


def precise(array):
    """An array as one of fifty digits."""
    return np.vectorize(mpmath.mpf, otypes=[object])(array).view(Precise)


OF_MPMATH = {
    "exp": mpmath.exp, "tanh": mpmath.tanh, "sqrt": mpmath.sqrt, "sin": mpmath.sin, "cos": mpmath.cos,
    "sigmoid": lambda z: 1 / (1 + mpmath.exp(-z)), "softplus": lambda z: mpmath.log1p(mpmath.exp(z)),
}  # fmt: skip
for name, of in OF_MPMATH.items():
    getattr(f, name).register(Precise)(lambda z, of=of: np.vectorize(of, otypes=[object])(z).view(Precise))


@pytest.mark.parametrize("seed", range(3))
def test_fifty_digits_are_in_the_balls_of_single_precision(cell, seed):
    case = drawn(cell, "float32", seed)
    with mpmath.workdps(50):
        found = walked(case, precise)
    for name, ball in handed(case, arithmetic("float32")).items():
        value = found[name].astype(np.float64)
        assert np.isfinite(ball.rad).all(), name
        assert ball.contains(value).all(), name
        assert ball.mid == pytest.approx(value, rel=1e-11, abs=1e-11), name


# Machines


class Rounding(f.Number):
    """Numbers of one implementation: stored in a format after each operation, or kept wider; sums in any order."""

    __slots__ = ("dtype", "rng", "value")

    def __init__(self, value, dtype, rng):
        self.value, self.dtype, self.rng = np.asarray(value, np.float64), dtype, rng

    @property
    def shape(self):
        return self.value.shape

    def __getitem__(self, index):
        return Rounding(self.value[index], self.dtype, self.rng)

    def __neg__(self):
        return Rounding(-self.value, self.dtype, self.rng)

    def lift(self, other):
        return other if isinstance(other, Rounding) else Rounding(self.store(other), self.dtype, self.rng)

    def store(self, value):
        return rounded(np.asarray(value, np.float64), self.dtype).astype(np.float64)

    def keep(self, value):
        """What an operation gives: stored, or as wide as sums are."""
        if self.rng.random() < 0.7:
            return Rounding(self.store(value), self.dtype, self.rng)
        return Rounding(value if self.dtype == "float32" else np.float32(value), self.dtype, self.rng)

    def times(self, other):
        return self.keep(self.value * other.value)

    def summed(self, products, axis):
        """The sum along an axis in any order, each addition in single precision."""
        terms = np.moveaxis(products, axis, 0)[self.rng.permutation(products.shape[axis])]
        return self.keep(np.cumsum(terms, 0, dtype=np.float32)[-1])


@f.total.register(Rounding)
def _(*numbers):
    first, *others = (numbers[at] for at in numbers[0].rng.permutation(len(numbers)))
    for other in others:
        first = first.keep(first.value + other.value)
    return first


@f.divide.register(Rounding)
def _(a, b):
    return a.keep(a.value / b.value) if a.rng.random() < 0.5 else a * a.keep(1 / b.value)


@f.sigmoid.register(Rounding)
def _(z):
    return z.keep(f.sigmoid(z.value)) if z.rng.random() < 0.5 else 0.5 + 0.5 * f.tanh(0.5 * z)


@f.mix.register(Rounding)
def _(z, n, h):
    return (1 - z) * n + z * h if z.rng.random() < 0.5 else n + z * (h - n)


for of in (f.exp, f.tanh, f.softplus, f.sqrt, f.sin, f.cos, f.absolute):
    of.register(Rounding)(lambda z, of=of: z.keep(of(z.value)))
f.maximum.register(Rounding)(lambda a, b: Rounding(f.maximum(a.value, b.value), a.dtype, a.rng))
f.vecdot.register(Rounding)(lambda a, b: a.summed(a.value * b.value, -1))
f.vecmat.register(Rounding)(lambda x, A: x.summed(x.value[..., :, None] * A.value, -2))
f.matvec.register(Rounding)(lambda A, x: x.summed(A.value * x.value[..., None, :], -1))


@pytest.mark.sample
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("seed", range(4))
def test_what_any_machine_computes_is_in_the_balls(cell, dtype, seed):
    case, rng = drawn(cell, dtype, seed), np.random.default_rng(seed)
    balls = dict(handed(case, arithmetic(dtype)).items())
    for _ in range(8):
        found = walked(case, lambda array: Rounding(array, dtype, rng))
        for name, ball in balls.items():
            assert ball.contains(rounded(found[name], dtype).astype(np.float64)).all(), name


@pytest.mark.parametrize("seed", range(4))
def test_a_ball_of_a_few_steps_has_digits(cell, seed):
    case = drawn(cell, "float32", seed)
    for name, ball in handed(case, arithmetic("float32")).items():
        size = np.maximum(abs(ball.mid).max(), 1)
        assert (ball.rad < 2.0**-12 * size).all(), name
        assert not ball.contains(ball.mid + 2.0**-12 * size).any(), name


# Targets


def judged(target, *properties):
    """The report on a target, of the covering set alone."""
    return check(target, properties=properties, budget=COVERING, diagnosis=False, saved=False)


def test_a_target_that_is_written_another_way_conforms(cell, request):
    report = judged(TARGETS / request.node.callspec.params["cell"].name, *PROPERTIES)
    wrong = [(result.id, result.message) for result in report.results if result.status not in ("passed", "not_claimed")]
    assert wrong == []
    assert report.verdict == "conforms", report.reasons


# An exchanged term for each mode of a target: what stands there, and what is put in its place.
EXCHANGED = {
    "mingru": [("z * (n - s", "z * (n + s"), ("log_scan(log_sigmoid(-x", "log_scan(log_sigmoid(x")],
    "minlstm": [("(f * s", "(i * s"), ("log_scan(log_f - both", "log_scan(log_i - both")],
    "lru": [("y = a *", "y = a.conj() *"), ("broadcast_to(a,", "broadcast_to(a.conj(),")],
    "s5": [("+ gain *", "+ d *"), ("(t[:, None] + 1)", "t[:, None]")],
    "rg_lru": [("h = a * s", "h = a * a * s"), ('s["h"])\n    return', '0 * s["h"])\n    return')],
    "selective_scan": [('@ x["C"] +', '@ x["B"] +'), ('x["dt"], x["x"], x["B"]', 'x["x"], x["x"], x["B"]')],
    "gated_linear_attention": [('np.exp(x["g"])', 'np.exp(2 * x["g"])'), ("q * np.exp(G)", "q")],
    "retention": [('"h,hkv->hkv", p["gamma"]', '"h,hkv->hkv", p["gamma"] ** 2'), ("** (t + 1)", "** t")],
    "delta_rule": [('x["v"] - ', 'x["v"] + '), ("k.mT), -1)", "k.mT), 0)")],
    "gated_delta_rule": [("alpha * (kept", "(kept"), ("tril(beta * fades *", "tril(beta *")],
    "mlstm": [('log_f + s["m"] - m)[', "log_f - m)["), ('F[:, None] - F + x["i"]', 'F[:, None] + x["i"]')],
    "rwkv6": [('s["S"]) + (r * p["u"]', 's["S"]) + (r'), ("np.exp(before)", "np.exp(after)")],
    "rwkv7": [("moved = moved - ", "moved = moved + "), ("moved -= ", "moved += ")],
    "cfc": [("far * np.tanh(a)", "far * np.tanh(b)")],
}


@pytest.mark.sample
@pytest.mark.parametrize(
    ("name", "number"), [(name, at) for name, pairs in EXCHANGED.items() for at in range(len(pairs))]
)
def test_one_exchanged_term_fails(name, number, tmp_path):
    old, new = EXCHANGED[name][number]
    shutil.copytree(HOME, tmp_path / "recurrences")
    target = tmp_path / "recurrences" / "targets" / f"{name}.py"
    assert target.read_text().count(old) == 1
    target.write_text(target.read_text().replace(old, new))
    (result,) = judged(target, "state.equations").results
    assert result.status == "failed"
    assert result.message
