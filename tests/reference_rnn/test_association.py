"""Linear recurrences in another order: whatever a scan, chunks or logarithms make of them lies in their balls."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from conformance.claims.capabilities import Capabilities, CapabilityError
from reference_rnn import (
    CELLS,
    Case,
    Cell,
    Config,
    arithmetic,
    cell,
    cell_of,
    exp,
    forward,
    gradients,
    mix,
    parameter_shapes,
    relu,
    rounded,
    sigmoid,
    tanh,
)
from reference_rnn.bounds.ball import exact, summing
from reference_rnn.cell import loaded

ml_dtypes = pytest.importorskip("ml_dtypes")

EXAMPLES = Path(__file__).parents[2] / "examples" / "cells"
TYPES = {"float64": np.float64, "float32": np.float32, "float16": np.float16, "bfloat16": ml_dtypes.bfloat16}
LINEAR = ["diagonal", "gilr", "mingru", "mingru_positive", "minlstm", "rg_lru"]


def example(name):
    """A cell of the examples."""
    return loaded(str(EXAMPLES / f"{name}.py"), name)


# The algorithms: what all steps up to each one do to h_0, as a coefficient and a term (a, b), from those of each step.


def then(one, two):
    """One step, or several, and two after it, every number rounded."""
    (a_1, b_1), (a_2, b_2) = one, two
    return a_2 * a_1, a_2 * b_1 + b_2


def step_by_step(steps):
    """Each from the one before."""
    done = [steps[0]]
    for step in steps[1:]:
        done.append(then(done[-1], step))
    return done


def in_chunks(steps, size=4):
    """Chunks of four steps, each on its own, and then one after the other."""
    done = []
    for at in range(0, len(steps), size):
        inner = step_by_step(steps[at : at + size])
        done += [then(done[-1], step) for step in inner] if done else inner
    return done


def blelloch(steps):
    """Pairs, pairs of pairs and so on up a tree, and down again."""
    if len(steps) == 1:
        return steps
    above = blelloch([then(one, two) for one, two in zip(steps[::2], steps[1::2])])
    odd_and_even = zip(above, [then(one, two) for one, two in zip(above, steps[2::2])] + [None])
    return [done for done in (steps[0], *(each for pair in odd_and_even for each in pair)) if done][: len(steps)]


def hillis_and_steele(steps):
    """In each round every step takes in those so far before it, at twice the distance."""
    distance = 1
    while distance < len(steps):
        moved = [then(one, two) for one, two in zip(steps, steps[distance:])]
        steps, distance = steps[:distance] + moved, distance * 2
    return steps


def from_the_end(steps):
    """Each with the steps before it taken in backwards."""
    done = []
    for last in range(len(steps)):
        whole = steps[last]
        for step in reversed(steps[:last]):
            whole = then(step, whole)
        done.append(whole)
    return done


ALGORITHMS = [step_by_step, in_chunks, blelloch, hillis_and_steele, from_the_end]


def drawn(name, dtype, steps, draw, change=None):
    """A case of an example of one layer; draw(shape) gives its numbers."""
    config = Config(cell=name if isinstance(name, Cell) else example(name), input_size=3, hidden_size=6, dtype=dtype)
    parameters = {key: rounded(draw(shape.sizes), dtype) for key, shape in parameter_shapes(config).items()}
    case = Case(config, parameters, rounded(draw((steps, 4, 3)), dtype), h_0=rounded(draw((1, 4, 6)), dtype))
    return case.map(change) if change else case


def steps_of(case):
    """The coefficient and the term (a, b) of each step, in the numbers of the case's dtype."""
    of = TYPES[case.config.dtype]
    W, bias = (case.parameters[name].astype(float) for name in ("weight_ih_l0", "bias_ih_l0"))
    halves = np.split((case.x.astype(float) @ W.T + bias).astype(of), len(case.config.cell.gates), axis=-1)
    if case.config.cell == "DIAGONAL":
        return [(case.parameters["a_l0"].astype(of), b) for b in halves[0]]
    z = (1 / (1 + np.exp(-halves[0].astype(float)))).astype(of)
    return list(zip(of(1) - z, z * halves[1]))


def outputs(case, algorithm):
    """What an algorithm makes of a case, (T, N, H)."""
    h_0 = case.h_0[0].astype(TYPES[case.config.dtype])
    done = algorithm(steps_of(case))
    return np.stack([a * h_0 + b for a, b in done]).astype(float)


@pytest.mark.sample
@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=lambda algorithm: algorithm.__name__)
@pytest.mark.parametrize("name", ["diagonal", "mingru"])
@pytest.mark.parametrize("dtype", TYPES)
def test_every_association_lies_in_the_balls_of_a_scan(algorithm, name, dtype):
    used = []
    for seed, steps in enumerate([1, 2, 3, 7, 16, 40] * 3):
        case = drawn(name, dtype, steps, np.random.default_rng(seed).standard_normal)
        ball = forward(case, arithmetic(dtype, order="scan")).output
        given = outputs(case, algorithm)
        assert ball.contains(given).all()
        with np.errstate(invalid="ignore"):
            used.append(np.nanmax(abs(given - ball.mid) / ball.rad))
    assert 0.05 < max(used) < 0.6  # a bound that nothing comes near would judge nothing


@pytest.mark.parametrize("dtype", TYPES)
@np.errstate(all="ignore")
def test_an_association_that_overflows_or_underflows_lies_in_the_balls(dtype):
    largest = {"float64": 250, "float16": 4}.get(dtype, 30)
    finite = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        power = rng.uniform(0, largest)

        def draw(shape, rng=rng, power=power):
            return rng.choice([-1, 1], shape) * 10.0 ** rng.uniform(-power, power, shape)

        case = drawn("diagonal", dtype, int(rng.choice([2, 5, 17, 40])), draw)
        ball = forward(case, arithmetic(dtype, order="scan")).output
        finite += np.isfinite(ball.rad).sum()
        for algorithm in ALGORITHMS:
            assert ball.contains(outputs(case, algorithm)).all(), (seed, algorithm)
    assert finite > 1000


def test_what_rounds_in_a_scan_is_as_large_as_its_terms():
    """1, then 1000 added, then 1000 taken away: in a scan the last two may meet first, or the first two."""
    a = arithmetic("float32", order="scan")
    h, plain = summing(exact([[1.0]], a)), exact([[1.0]], arithmetic("float32"))
    for term in (1000.0, -1000.0):
        h, plain = h + exact([[term]], a), plain + exact([[term]], plain.arithmetic)
    assert h.mid == 1 and h.sum.terms == 3 and h.sum.mag == pytest.approx(2001, abs=0.01)
    assert 2001 * a.u < h.rad < 8 * 2001 * a.u
    assert plain.rad < h.rad


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
def test_sums_of_logarithms_lie_in_their_balls_and_not_in_those_of_a_scan(dtype):
    torch = pytest.importorskip("torch")
    used, beyond = [], 0
    for seed, steps in enumerate([1, 2, 7, 16, 40] * 8):
        rng = np.random.default_rng(seed)
        case = drawn("mingru_positive", dtype, steps, rng.standard_normal, lambda n, a: abs(a) if n == "h_0" else a)
        ball, scan = (forward(case, arithmetic(dtype, order=order)).output for order in ("log", "scan"))
        given = in_logarithms(torch, case)
        assert ball.contains(given).all()
        beyond += (~scan.contains(given)).sum()
        finite = np.isfinite(ball.rad)
        used.append((abs(given - ball.mid) / ball.rad)[finite].max(initial=0.0))
    assert 0.01 < max(used) < 0.5
    assert beyond or dtype == "float64"  # which has digits enough


def in_logarithms(torch, case):
    """The positive minGRU as its authors compute it in parallel, in PyTorch, (T, N, H)."""
    numbers = case.x, case.h_0, case.parameters["weight_ih_l0"], case.parameters["bias_ih_l0"]
    x, h_0, W, bias = (torch.tensor(n.astype(float)).to(getattr(torch, case.config.dtype)) for n in numbers)
    z, n = (x @ W.T + bias).chunk(2, -1)
    log_g = torch.where(n > 0, torch.log(n.clamp(min=0) + 0.5), torch.nn.functional.logsigmoid(n))
    terms = torch.cat([torch.log(h_0), torch.nn.functional.logsigmoid(z) + log_g])
    running = torch.cat([torch.zeros_like(h_0), torch.cumsum(torch.nn.functional.logsigmoid(-z), 0)])
    return torch.exp(running + torch.logcumsumexp(terms - running, 0))[1:].double().numpy()


def test_what_is_not_above_zero_has_no_logarithm_and_zero_is_no_term():
    for h_0, radius in ((-1.0, np.inf), (0.0, 0.0)):
        case = drawn("mingru_positive", "float32", 3, np.random.default_rng(1).standard_normal)
        case = case.map(lambda name, array: np.full_like(array, h_0) if name == "h_0" else array)
        ball = forward(case, arithmetic("float32", order="log")).output
        assert (ball.rad == radius).all() == (radius == np.inf)
        assert np.isfinite(ball.rad).all() == (radius == 0)


@pytest.mark.parametrize("order", ["scan", "log"])
def test_a_wrong_term_is_far_outside(order):
    case = drawn("mingru_positive", "float32", 12, np.random.default_rng(2).standard_normal, lambda n, a: abs(a))
    right, late = forward(case).output, forward(case.map(lambda n, a: a * 1.01 if n == "x" else a)).output
    ball = forward(case, arithmetic("float32", order=order)).output
    assert ball.contains(right).all() and not ball.contains(late).any()


@cell("zn")
def delta(x, h, p):
    """The state stands twice: before it is 1 - z."""
    z = sigmoid(p.z.input(x))
    return h + z * (p.n.input(x) - h)


@cell("zn")
def opened(x, h, p):
    """The state opens between two numbers: before it is n - z, which nothing bounds."""
    return mix(h, p.z.input(x), p.n.input(x))


@cell("an")
def shut(x, h, p):
    """A coefficient that may be exactly zero."""
    return relu(p.a.input(x)) * h + exp(p.n.input(x))


@cell("n", states="hc")
def apart(x, h, c, p):
    """Moves with how far its states are apart, and not with both."""
    n = p.n.input(x)
    return tanh(h - c) + n, n + 0.5 * c


@cell("n")
def kinked(x, h, p):
    """Straight only where the state is not far below zero."""
    return relu(0.5 * h + 30) + p.n.input(x)


def coefficients(case):
    """The coefficient and the term of each step of delta and of opened."""
    of = TYPES[case.config.dtype]
    W, bias = (case.parameters[name].astype(float) for name in ("weight_ih_l0", "bias_ih_l0"))
    z, n = np.split((case.x.astype(float) @ W.T + bias).astype(of), 2, axis=-1)
    if case.config.cell == "OPENED":
        return list(zip(n - z, z))
    z = (1 / (1 + np.exp(-z.astype(float)))).astype(of)
    return list(zip(of(1) - z, z * n))


@pytest.mark.sample
@pytest.mark.parametrize("own", [delta, opened], ids=str)
@pytest.mark.parametrize("dtype", TYPES)
@np.errstate(all="ignore")
def test_what_stands_before_a_state_is_collected(own, dtype):
    used = []
    for seed, steps in enumerate([2, 7, 16, 40] * 3):
        case = drawn(own, dtype, steps, np.random.default_rng(seed).standard_normal)
        ball = forward(case, arithmetic(dtype, order="scan")).output
        h_0 = case.h_0[0].astype(TYPES[dtype])
        for algorithm in ALGORITHMS:
            given = np.stack([a * h_0 + b for a, b in algorithm(coefficients(case))]).astype(float)
            assert ball.contains(given).all(), algorithm
            used.append(np.nanmax((abs(given - ball.mid) / ball.rad)[np.isfinite(ball.rad)]))
    assert 0.02 < max(used) < 0.6


def test_a_state_that_stands_twice_counts_once():
    """h + z (n - h) has about the radius of mix(z, h, n), on the way back too, however many steps there are."""
    radii = []
    for own in (delta, example("mingru")):
        case = drawn(own, "float32", 40, np.random.default_rng(1).standard_normal)
        a = arithmetic("float32", order="scan")
        back = gradients(case, d_output=np.ones((40, 4, 6)), arithmetic=a)
        radii.append([np.median(ball.rad) for ball in (forward(case, a).output, back["h_0"], back["x"])])
    assert all(1 <= delta / mixed < 2 for delta, mixed in zip(*radii))


def test_a_coefficient_of_zero_has_no_logarithm():
    case = drawn(shut, "float32", 3, np.random.default_rng(1).standard_normal, lambda name, array: 0 * array)
    assert np.isinf(forward(case, arithmetic("float32", order="log")).output.rad).all()
    assert np.isfinite(forward(case, arithmetic("float32", order="scan")).output.rad).all()


def test_balls_grow_with_the_steps_alone():
    radii = []
    for steps in (8, 16, 32):
        case = drawn("mingru", "float32", steps, lambda shape: np.full(shape, 0.25))
        radii.append(forward(case, arithmetic("float32", order="scan")).output.rad[-1].max())
    assert all(1 < later / earlier < 2.2 for earlier, later in pairwise(radii))


@pytest.mark.sample
@pytest.mark.parametrize("name", [*CELLS, *(path.stem for path in sorted(EXAMPLES.glob("*.py")))], ids=str)
def test_which_cells_are_linear_recurrences(name):
    own = cell_of(name) if name in CELLS else example(name)
    assert own.linear == (name in LINEAR)


def test_which_cells_only_look_linear():
    assert delta.linear and opened.linear and shut.linear
    assert not apart.linear and not kinked.linear


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        ({"order": "tree"}, "order is 'tree', must be one of 'steps', 'scan', 'chunks', 'log'"),
        ({"cells": ["GRU"], "order": "scan"}, "order is 'scan', but GRU is no linear recurrence of each unit"),
        ({"cells": ["diagonal"], "order": "log", "gradients": True}, "whose gradients nobody can judge yet"),
    ],
    ids=["unknown", "curved", "gradients"],
)
def test_an_order_that_cannot_be(claims, words):
    if "cells" in claims:
        claims["cells"] = [example(c) if c == "diagonal" else c for c in claims["cells"]]
    with pytest.raises(CapabilityError, match=words):
        Capabilities.of(claims)
