"""Gradients: beside complex steps, beside finite differences, beside PyTorch, and at what has no slope."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reference_rnn import (
    CELLS,
    Arithmetic,
    ShapeError,
    arithmetic,
    case,
    cell,
    forward,
    gradients,
    mix,
    result_shapes,
    sigmoid,
    state_shapes,
    tanh,
)
from reference_rnn.functions import total
from strategies import cases

FLOAT32 = arithmetic("float32")
EMPTIES = ("time", "batch", "length")
SEEDS = st.integers(0, 2**32 - 1)
KINDS = [*CELLS, "LSTM with projections"]


def random_case(kind, seed, *, states=True, **sizes):
    """A float64 case of a kind with Gaussian numbers in all arrays; weights are scaled down a little."""
    rng = np.random.default_rng(seed)
    projected = kind.endswith(" with projections")
    own = kind.removesuffix(" with projections") if projected else kind
    sizes = {"T": 4, "N": 3, "I": 2, "H": 3, "dtype": "float64", "P": 2 * projected} | sizes
    c = case(own, **sizes)
    if states:
        shapes = {name: shape.sizes for name, shape in state_shapes(c).items() if name != "x"}
        c = c.replace(**{name: np.zeros(shape) for name, shape in shapes.items()})
    return c.map(lambda name, array: rng.standard_normal(array.shape) * (0.6 if name.startswith("weight") else 1))


def random_masks(c, seed):
    """Masks of dropout as ``forward`` takes them; None where nothing is dropped at random."""
    k = c.config
    if not (c.training and 0 < k.dropout < 1):
        return None
    width = k.num_directions * k.state_size
    kept = np.random.default_rng(seed).random((k.num_layers - 1, c.num_steps, c.num_rows, width)) >= k.dropout
    return list(kept / (1 - k.dropout))


def random_cotangents(c, seed=0):
    """Gaussian numbers for d_output, d_h_n and, for LSTM, d_c_n."""
    numbers = np.random.default_rng(seed).standard_normal
    return {f"d_{name}": numbers(shape.sizes) for name, shape in result_shapes(c).items()}


def loss(c, d, masks=None):
    """What the gradients are those of."""
    return sum((array * d[f"d_{name}"]).sum() for name, array in forward(c, masks=masks).items())


def moved(c, name, way):
    """The case with one of its arrays moved along a way."""
    return c.map(lambda other, array: array + way if other == name else array)


def assert_slopes(c, seed=0, masks=None):
    """The gradient of every array is what complex steps say, along two directions each."""
    d = random_cotangents(c, seed)
    found = gradients(c, **d, masks=masks)
    assert list(found) == [name for name, _ in c.arrays()]
    rng = np.random.default_rng(seed + 1)
    for name, array in c.arrays():
        assert found[name].shape == array.shape
        for _ in range(2 if array.size else 0):
            way = rng.standard_normal(array.shape)
            slope = loss(moved(c, name, 1e-30j * way), d, masks).imag / 1e-30
            size = 1 + abs(found[name] * way).sum()
            assert (found[name] * way).sum() == pytest.approx(slope, abs=1e-12 * size), name


# Beside complex steps

OPTIONS = {
    "one layer": {},
    "one step": {"T": 1},
    "lengths": {"lengths": [2, 0, 4]},
    "two directions": {"D": 2, "lengths": [2, 0, 4]},
    "three layers": {"L": 3},
    "layers and directions": {"L": 2, "D": 2, "lengths": [4, 1, 0]},
    "no bias": {"bias": False, "L": 2},
    "no states": {"states": False, "L": 2, "D": 2},
    "batch_first": {"batch_first": True, "D": 2, "lengths": [3, 0, 4]},
    "unbatched": {"unbatched": True, "N": 1, "L": 2, "D": 2},
    "unbatched, batch_first": {"unbatched": True, "N": 1, "batch_first": True},
    "unbatched, lengths": {"unbatched": True, "N": 1, "lengths": [2]},
    "dropout in training": {"L": 3, "D": 2, "dropout": 0.5, "training": True, "lengths": [4, 2, 0]},
    "dropout of everything": {"L": 2, "dropout": 1.0, "training": True},
    "dropout in evaluation": {"L": 2, "dropout": 0.5},
    "wide": {"I": 7, "H": 9, "N": 2, "T": 3},
}


@pytest.mark.sample
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("options", OPTIONS)
def test_gradients_are_the_slopes_that_complex_steps_find(kind, options):
    c = random_case(kind, 5, **OPTIONS[options])

    assert_slopes(c, masks=random_masks(c, 0))


@pytest.mark.parametrize("kind", KINDS)
def test_every_single_number_has_its_own_slope(kind):
    c = random_case(kind, 1, T=3, N=2, L=2, D=2, lengths=[3, 2])
    d = random_cotangents(c)
    found = gradients(c, **d)

    for name, array in c.arrays():
        for at in list(np.ndindex(array.shape))[::3]:
            way = np.zeros(array.shape, complex)
            way[at] = 1e-30j
            assert found[name][at] == pytest.approx(loss(moved(c, name, way), d).imag / 1e-30, abs=1e-12), (name, at)


@settings(max_examples=60, deadline=None)
@given(
    c=cases(
        cells=[cell for cell in CELLS if cell != "RNN_RELU"], dtypes=("float64",), projections=True, memory=False,
        empty=EMPTIES, sizes={"hidden_size": (1, 2, 3, 5), "steps": (0, 1, 2, 3, 5), "batch": (0, 1, 2, 3)},
    ),
    seed=SEEDS,
)  # fmt: skip
def test_gradients_of_drawn_cases_are_slopes(c, seed):
    """Padding may be anything here; ReLU is left to exact cases, since numbers drawn for it meet its kink."""
    assert_slopes(tamed(c), seed)


def tamed(c):
    """The case with recurrent rows that sum to at most 1 and numbers of at most 4, so that no rounding grows."""

    def change(name, array):
        if name.startswith("weight_hh"):
            return array / max(1, abs(array).sum(1).max())
        return np.where(np.isfinite(array), np.clip(array, -4, 4), array)

    return c.map(change)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_the_slopes_of_finite_differences(kind):
    c = random_case(kind, 3, T=3, N=2, L=2, D=2, lengths=[3, 2])
    d = random_cotangents(c)
    found = gradients(c, **d)

    for name, array in c.arrays():
        way = np.random.default_rng(0).standard_normal(array.shape)
        difference = loss(moved(c, name, 1e-6 * way), d) - loss(moved(c, name, -1e-6 * way), d)
        assert (found[name] * way).sum() == pytest.approx(difference / 2e-6, abs=1e-6), name


# By hand


def test_one_tanh_unit():
    c = case(x=0.5, weight_ih_l0=2, weight_hh_l0=3, h_0=0.25, bias_ih_l0=-1, bias_hh_l0=0.5)
    slope = 1 - np.tanh(1.25) ** 2

    found = gradients(c, d_output=np.full((1, 1, 1), 10.0))

    expected = {"weight_ih_l0": 0.5, "weight_hh_l0": 0.25, "bias_ih_l0": 1, "bias_hh_l0": 1, "x": 2, "h_0": 3}
    assert {name: array.item() for name, array in found.items()} == pytest.approx(
        {name: 10 * slope * number for name, number in expected.items()}
    )


def test_a_counter_passes_every_cotangent_back_to_its_first_step():
    c = case("RNN_RELU", T=3, x=1, weight_ih_l0=1, weight_hh_l0=1, h_0=10)

    found = gradients(c, d_output=np.array([1.0, 20.0, 300.0]).reshape(3, 1, 1), d_h_n=np.full((1, 1, 1), 4000.0))

    assert found["x"].ravel().tolist() == [4321, 4320, 4300]
    assert found["h_0"].item() == 4321
    assert found["weight_ih_l0"].item() == found["bias_hh_l0"].item() == 4321 + 4320 + 4300
    assert found["weight_hh_l0"].item() == 10 * 4321 + 11 * 4320 + 12 * 4300


def test_the_reverse_direction_passes_cotangents_to_later_steps():
    weights = {"weight_ih_l0": 0, "weight_ih_l0_reverse": 1, "weight_hh_l0_reverse": 1}
    c = case("RNN_RELU", D=2, T=3, N=2, x=1, h_0=10, lengths=[3, 2], **weights)

    found = gradients(c, d_output=np.array([1.0, 20.0, 300.0]).reshape(3, 1, 1) * np.ones((3, 2, 2)))

    assert found["x"][..., 0].T.tolist() == [[1, 21, 321], [1, 21, 0]]
    assert found["h_0"][1, :, 0].tolist() == [321, 21]


# What is empty, past the end, or not given


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("a", [None, FLOAT32])
def test_without_steps_the_final_cotangents_are_the_gradients_of_the_states(kind, a):
    c = random_case(kind, 0, T=0, L=2, D=2)
    d = random_cotangents(c)

    found = gradients(c, **d, arithmetic=a)

    assert list(found) == [name for name, _ in c.arrays()]
    for name, array in c.arrays():
        gradient = getattr(found[name], "mid", found[name])
        assert gradient.shape == array.shape
        expected = d.get(f"d_{name[0]}_n", 0) if name in ("h_0", "c_0") else 0
        assert (gradient == expected).all(), name


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("a", [None, FLOAT32])
@pytest.mark.parametrize("lengths", [None, np.zeros(0, int)])
def test_without_rows_the_gradients_of_parameters_are_zero(kind, a, lengths):
    c = random_case(kind, 0, N=0, L=2, D=2, lengths=lengths)

    found = gradients(c, **random_cotangents(c), arithmetic=a)

    assert {name: g.shape for name, g in found.items()} == {name: array.shape for name, array in c.arrays()}
    assert not any(getattr(gradient, "mid", gradient).any() for gradient in found.values())
    assert all(gradient.rad.max(initial=0) < 1e-30 for gradient in found.values() if a)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("padding", [np.nan, np.inf, -9.0])
@pytest.mark.parametrize("batch_first", [False, True])
def test_past_the_end_of_a_row_x_has_no_gradient_whatever_is_there(kind, padding, batch_first):
    clean = random_case(kind, 2, L=2, D=2, lengths=[2, 0, 4], batch_first=batch_first)
    ended = np.arange(4)[:, None] >= clean.lengths
    dirty = clean.replace(x=np.where((ended.T if batch_first else ended)[..., None], padding, clean.x))
    d = random_cotangents(clean)

    found, expected = gradients(dirty, **d), gradients(clean, **d)

    d_x = found["x"].swapaxes(0, 1) if batch_first else found["x"]
    assert (d_x[ended] == 0).all() and d_x[~ended].all()
    for name, gradient in found.items():
        assert np.array_equal(gradient, expected[name]), name
    balls = gradients(dirty.map(lambda name, a: a.astype(np.float32)), **d, arithmetic=FLOAT32)
    assert np.array_equal(balls["x"].mid == 0, found["x"] == 0) and not balls["x"].rad[found["x"] == 0].any()
    assert all(np.isfinite(ball.mid).all() and np.isfinite(ball.rad).all() for ball in balls.values())


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_cotangent_is_past_the_end_of_a_row_does_not_matter(kind):
    c = random_case(kind, 2, L=2, D=2, lengths=[2, 0, 4])
    d = random_cotangents(c)
    ended = np.arange(4)[:, None] >= c.lengths
    silent = d | {"d_output": np.where(ended[..., None], 0, d["d_output"])}

    for name, gradient in gradients(c, **d).items():
        assert np.array_equal(gradient, gradients(c, **silent)[name]), name


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_of_length_0_hands_its_final_cotangent_back(kind):
    c = random_case(kind, 2, L=2, D=2, lengths=[2, 0, 4])
    d = random_cotangents(c)

    found = gradients(c, **d)

    assert np.array_equal(found["h_0"][:, 1], d["d_h_n"][:, 1])
    if "c_0" in found:
        assert np.array_equal(found["c_0"][:, 1], d["d_c_n"][:, 1])


@pytest.mark.parametrize("kind", KINDS)
def test_a_cotangent_that_is_not_given_is_zero(kind):
    c = random_case(kind, 4, L=2, D=2)
    d = random_cotangents(c)

    for one in d:
        alone = gradients(c, **{one: d[one]})
        zeros = gradients(c, **{name: array if name == one else 0 * array for name, array in d.items()})
        with_none = gradients(c, **{name: array if name == one else None for name, array in d.items()})
        assert any(gradient.any() for gradient in alone.values())
        for name, gradient in alone.items():
            assert np.array_equal(gradient, zeros[name]) and np.array_equal(gradient, with_none[name])
    assert not any(gradient.any() for gradient in gradients(c).values())


def test_gradients_leave_what_they_were_given_alone():
    c = random_case("LSTM with projections", 4, L=2, D=2, lengths=[2, 0, 4])
    d = random_cotangents(c)
    before = [array.copy() for array in (*dict(c.arrays()).values(), *d.values())]

    gradients(c, **d)

    assert all(np.array_equal(a, b) for a, b in zip((*dict(c.arrays()).values(), *d.values()), before, strict=True))


# What a step never reads


@cell("fz", states="hc")
def no_h(x, h, c, p):
    """The f-pooling of a QRNN: what it reads is c alone."""
    c = sigmoid(p.f.input(x)) * c + p.z.input(x)
    return c, c


@cell("n")
def no_x(x, h, p):
    """A network that runs by itself."""
    return 0.5 * h + p.n.recurrent(h)


@cell("zn", states="hc")
def no_c(x, h, c, p):
    """A cell that hands on its candidate, and never looks at what it was."""
    n = tanh(p.n(x, h))
    return mix(sigmoid(p.z(x, h)), n, h), n


@cell("un")
def no_u(x, h, p):
    """A cell whose first gate nothing reads, and it alone what reads h."""
    p.u(x, h)
    return h + p.n.input(x)


@cell("n", states="hc", vectors=("v",))
def no_state(x, h, c, p):
    """No recurrent network at all."""
    n = p.n.input(x)
    return n, n


UNREAD = [no_h, no_x, no_c, no_u, no_state]
ENDS = {name: OPTIONS[name] for name in ("two directions", "three layers", "one step")} | {"no steps": {"T": 0}}


@pytest.mark.parametrize("options", ENDS)
@pytest.mark.parametrize("own", UNREAD, ids=str)
def test_what_a_step_never_reads_has_zeros_for_its_gradient(own, options):
    c = random_case(own, 7, **ENDS[options])

    assert_slopes(c)
    exact = gradients(c, **random_cotangents(c))
    for order in ("steps", "scan", "log") if own.linear else ("steps",):
        balls = gradients(c, **random_cotangents(c), arithmetic=arithmetic("float64", order=order))
        assert {name: ball.shape for name, ball in balls.items()} == {name: a.shape for name, a in c.arrays()}
        assert all(ball.contains(exact[name]).all() for name, ball in balls.items())
        if order != "log":  # which has no logarithms of numbers below zero
            assert all(np.isfinite(ball.rad).all() for ball in balls.values())


# One pass for each result


def one_number(d_output, d_h_n):
    """A GRU of one unit and one step, whose two results are one number, with a cotangent for each."""
    c = case("GRU", T=1, N=1, I=1, H=1, weight_ih_l0={(1, 0): 3.57221293}, x=1, h_0=0)
    return c, {"d_output": np.full((1, 1, 1), d_output), "d_h_n": np.full((1, 1, 1), d_h_n)}


def test_a_ball_has_room_for_one_pass_for_each_result():
    c, d = one_number(0.516792774, -0.51703012)
    ball = gradients(c, **d, arithmetic=FLOAT32)["weight_ih_l0"]

    assert ball.contains(np.full((3, 1), -6.43730164e-06))[2]
    assert np.array_equal(ball.mid, gradients(c, **d)["weight_ih_l0"])


@pytest.mark.parametrize("kind", KINDS)
def test_the_radius_is_that_of_one_pass_for_each_result_and_of_adding_them_up(kind):
    c = random_case(kind, 4, L=2, D=2, lengths=[2, 0, 4]).map(lambda name, array: array.astype(np.float32))
    d = random_cotangents(c)
    balls = gradients(c, **d, arithmetic=FLOAT32)
    alone = [gradients(c, **{name: array}, arithmetic=FLOAT32) for name, array in d.items()]

    for name, ball in balls.items():
        each = [balls[name] for balls in alone]
        added = (len(d) - 1) * FLOAT32.u * sum(abs(one.mid) + one.rad for one in each)
        assert (ball.rad >= sum(one.rad for one in each)).all()
        assert (ball.rad <= (sum(one.rad for one in each) + added) * (1 + 1e-9) + 1e-37).all()


@pytest.mark.parametrize("kind", KINDS)
def test_every_grouping_of_the_results_has_its_room(kind):
    c = random_case(kind, 6, L=2, lengths=[2, 0, 4])
    d = random_cotangents(c)
    d["d_output"][-1] = 1e-3 - d["d_h_n"][-1]  # what one pass adds up first
    whole = gradients(c, **d, arithmetic=FLOAT32)
    together = gradients(c, **d, arithmetic=FLOAT32, one_pass=True)

    for last in d:
        rest = {name: None if name == last else array for name, array in d.items()}
        some = gradients(c, **rest, arithmetic=FLOAT32, one_pass=True)
        one = gradients(c, **{last: d[last]}, arithmetic=FLOAT32)
        for name, ball in whole.items():
            added = total(some[name], one[name])
            assert (ball.rad * (1 + 1e-9) >= np.maximum(added.rad, together[name].rad)).all(), (last, name)


def test_where_nothing_rounds_one_pass_for_each_result_is_one_pass():
    exact = Arithmetic(u=0.0, ua=0.0, eta=0.0, largest=np.inf)
    c = case("RNN_RELU", x=1, weight_ih_l0=0, h_0=0)  # at the kink, where every slope is right

    balls = gradients(c, d_output=np.full((1, 1, 1), 3.0), d_h_n=np.full((1, 1, 1), -2.0), arithmetic=exact)

    assert balls["bias_ih_l0"].rad.item() == 1


# What is wrong


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"d_output": (4, 3, 2)}, r"d_output has shape \(4, 3, 2\), must be \(4, 3, 4\) = \(T, N, 2P\)$"),
        ({"d_output": (3, 4, 4)}, r"d_output has shape \(3, 4, 4\), must be \(4, 3, 4\) = \(T, N, 2P\)$"),
        ({"d_h_n": (2, 3, 3)}, r"d_h_n has shape \(2, 3, 3\), must be \(2, 3, 2\) = \(L\*D, N, P\)$"),
        ({"d_c_n": (2, 3, 2)}, r"d_c_n has shape \(2, 3, 2\), must be \(2, 3, 3\) = \(L\*D, N, H\)$"),
    ],
)
@pytest.mark.parametrize("a", [None, FLOAT32])
def test_a_wrong_cotangent_is_named_beside_its_right_shape(wrong, message, a):
    c = random_case("LSTM with projections", 0, D=2)

    with pytest.raises(ShapeError, match=message):
        gradients(c, **{name: np.zeros(shape) for name, shape in wrong.items()}, arithmetic=a)


def test_cotangents_come_in_the_layout_of_the_case():
    first, alone = random_case("GRU", 0, batch_first=True), random_case("GRU", 0, N=1, unbatched=True)

    with pytest.raises(ShapeError, match=r"d_output has shape \(4, 3, 3\), must be \(3, 4, 3\) = \(N, T, H\)"):
        gradients(first, d_output=np.zeros((4, 3, 3)))
    with pytest.raises(ShapeError, match=r"d_h_n has shape \(1, 1, 3\), must be \(1, 3\) = \(L\*D, H\)"):
        gradients(alone, d_h_n=np.zeros((1, 1, 3)))


def test_a_wrong_case_is_named_too():
    c = random_case("GRU", 0)

    with pytest.raises(ShapeError, match="weight_hh_l0 is missing"):
        gradients(c.replace(parameters={k: v for k, v in c.parameters.items() if k != "weight_hh_l0"}))


def test_dropout_in_training_needs_masks():
    with pytest.raises(ValueError, match=r"training with dropout 0\.5 needs masks"):
        gradients(random_case("GRU", 0, L=2, dropout=0.5, training=True))


# Balls


@settings(max_examples=100, deadline=None)
@given(c=cases(cells=CELLS, projections=True, empty=EMPTIES), seed=SEEDS)
def test_a_midpoint_is_the_plain_gradient_bit_for_bit(c, seed):
    d = random_cotangents(c, seed)
    plain = gradients(c, **d)

    for name, ball in gradients(c, **d, arithmetic=FLOAT32).items():
        assert np.array_equal(getattr(ball, "mid", ball), plain[name]), name


def test_relu_may_have_any_slope_from_0_to_1_at_its_kink():
    c = case("RNN_RELU", x=2, weight_ih_l0=3, bias_ih_l0=-6)

    balls = gradients(c, d_output=np.full((1, 1, 1), 5.0), arithmetic=FLOAT32)

    for name, full in {"x": 15, "weight_ih_l0": 10, "weight_hh_l0": 0, "bias_ih_l0": 5, "bias_hh_l0": 5}.items():
        for slope in (0, 0.5, 1):
            assert balls[name].contains(np.full(balls[name].shape, slope * full)).all(), (name, slope)
        assert not balls[name].contains(np.full(balls[name].shape, 1.01 * full + 1)).any()
    assert gradients(c, d_output=np.full((1, 1, 1), 5.0))["x"].item() == 0


@pytest.mark.parametrize(("bias", "slope"), [(-6 - 1e-3, 0), (-6 + 1e-3, 1)])
def test_beside_its_kink_relu_has_one_slope(bias, slope):
    c = case("RNN_RELU", x=2, weight_ih_l0=3, bias_ih_l0=bias)

    ball = gradients(c, d_output=np.full((1, 1, 1), 5.0), arithmetic=FLOAT32)["bias_hh_l0"]

    assert ball.contains(np.array([5.0 * slope])) and not ball.contains(np.array([5.0 * (1 - slope)]))


def test_where_rounding_decides_the_sign_either_slope_of_relu_is_right():
    """0.1 + 0.2 - 0.3 is not zero in every order."""
    c = case("RNN_RELU", I=3, x=1, weight_ih_l0=[[0.1, 0.2, -0.3]])

    ball = gradients(c, d_output=np.ones((1, 1, 1)), arithmetic=FLOAT32)["bias_ih_l0"]

    assert ball.contains(np.array([0.0])) and ball.contains(np.array([1.0]))


# Beside PyTorch


@pytest.fixture(scope="module")
def torch():
    """PyTorch with one thread; on a busy machine more cost thirty times the work itself."""
    torch = pytest.importorskip("torch")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield torch
    torch.set_num_threads(threads)


def torch_module(torch, c):
    """The module of a case, with its parameters and in its dtype."""
    k, options = c.config, {}
    if k.cell.startswith("RNN"):
        options["nonlinearity"] = k.cell.removeprefix("RNN_").lower()
    elif k.cell == "LSTM":
        options["proj_size"] = k.proj_size
    module = getattr(torch.nn, k.cell.partition("_")[0])(
        k.input_size, k.hidden_size, k.num_layers, bias=k.bias, batch_first=k.batch_first,
        bidirectional=k.bidirectional, dtype=getattr(torch, k.dtype), **options,
    )  # fmt: skip
    module.load_state_dict({name: tensor(torch, array) for name, array in c.parameters.items()})
    return module


def tensor(torch, array):
    return torch.from_numpy(np.ascontiguousarray(array).copy())


def by_autograd(torch, c, d):
    """Output, and the gradients of every array of the case by name."""
    module = torch_module(torch, c)
    tops = {name: tensor(torch, getattr(c, name)) for name in ("x", "h_0", "c_0") if getattr(c, name) is not None}
    for top in tops.values():
        top.requires_grad_()
    x, *states = tops.values()
    rnn = torch.nn.utils.rnn
    given = (tuple(states) if len(states) == 2 else states[0]) if states else None
    if c.lengths is None:
        output, final = module(x, given)
    else:
        packed = rnn.pack_padded_sequence(x, tensor(torch, c.lengths), c.config.batch_first, enforce_sorted=False)
        output, final = module(packed, given)
        output, _ = rnn.pad_packed_sequence(output, c.config.batch_first, total_length=c.num_steps)
    finals = final if isinstance(final, tuple) else (final,)
    torch.autograd.backward([output, *finals], [tensor(torch, array).to(output) for array in d.values()])
    named = dict(module.named_parameters()) | tops
    return output.detach().numpy(), {name: named[name].grad.numpy() for name, _ in c.arrays()}


TORCH_CELLS = ("RNN_TANH", "RNN_RELU", "GRU", "LSTM")
no_onednn = pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")


@no_onednn
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "GRU_RESET_BEFORE"])
@pytest.mark.parametrize("options", [name for name in OPTIONS if not OPTIONS[name].get("dropout")])
def test_autograd_finds_the_same(torch, kind, options):
    sizes = OPTIONS[options]
    if "lengths" in sizes:  # PyTorch takes no row without steps, and none without a batch
        sizes = sizes | {"lengths": None if "unbatched" in sizes else [max(1, length) for length in sizes["lengths"]]}
    c = random_case(kind, 6, **sizes)
    d = random_cotangents(c)

    output, theirs = by_autograd(torch, c, d)

    assert output == pytest.approx(forward(c).output, abs=1e-13)
    for name, gradient in gradients(c, **d).items():
        assert theirs[name] == pytest.approx(gradient, rel=1e-11, abs=1e-11), name


@pytest.mark.sample
@no_onednn
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@settings(max_examples=150, deadline=None)
@given(data=st.data(), seed=SEEDS)
def test_the_gradients_of_torch_lie_in_their_balls(torch, dtype, data, seed):
    """Those of the whole run, and those that start every step from what PyTorch itself returned."""
    c = data.draw(cases(cells=TORCH_CELLS, projections=True, dtypes=(dtype,)))
    d = {name: array.astype(dtype) for name, array in random_cotangents(c, seed).items()}

    output, theirs = by_autograd(torch, c, d)

    for balls in (
        gradients(c, **d, arithmetic=arithmetic(dtype)),
        gradients(c, **d, arithmetic=arithmetic(dtype), output=output),
    ):
        for name, gradient in theirs.items():
            assert balls[name].contains(gradient.astype(float)).all(), name


def reset_before_by_torch(torch, c, d):
    """Output, and the gradients of one layer and direction of the GRU that PyTorch does not have."""
    named = {name: tensor(torch, array).requires_grad_() for name, array in c.arrays()}
    W_ih, W_hh, b_ih, b_hh = (named[f"{kind}_l0"] for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
    h, output = named["h_0"][0], []
    for x in named["x"]:
        i_r, i_z, i_n = (x @ W_ih.T + b_ih).chunk(3, -1)
        U_r, U_z, U_n = W_hh.chunk(3)
        b_r, b_z, b_n = b_hh.chunk(3)
        r, z = torch.sigmoid(i_r + h @ U_r.T + b_r), torch.sigmoid(i_z + h @ U_z.T + b_z)
        n = torch.tanh(i_n + (r * h) @ U_n.T + b_n)
        h = n + z * (h - n)
        output.append(h)
    output = torch.stack(output)
    torch.autograd.backward([output, h[None]], [tensor(torch, array) for array in d.values()])
    return output.detach().numpy(), {name: leaf.grad.numpy() for name, leaf in named.items()}


@settings(max_examples=100, deadline=None)
@given(c=cases(cells=("GRU_RESET_BEFORE",), max_layers=1, bidirectional=False, bias=True, lengths=False), seed=SEEDS)
def test_a_gru_by_hand_differentiated_by_torch_lies_in_its_balls(torch, c, seed):
    d = {name: array.astype(np.float32) for name, array in random_cotangents(c, seed).items()}

    output, theirs = reset_before_by_torch(torch, c, d)

    for balls in (gradients(c, **d, arithmetic=FLOAT32), gradients(c, **d, arithmetic=FLOAT32, output=output)):
        for name, gradient in theirs.items():
            assert balls[name].contains(gradient.astype(float)).all(), name


# How wide balls are


def usual(kind, seed, **sizes):
    """A float32 case with weights as they are usually drawn."""
    c = random_case(kind, seed, dtype="float32", **sizes)
    k = c.config.hidden_size**-0.5
    return c.map(lambda name, array: (array * (k if name in c.parameters else 1)).astype(np.float32))


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "RNN_RELU"])
@pytest.mark.parametrize(("sizes", "widest"), [({}, 3e-5), ({"L": 2, "D": 2}, 1e-3)])
def test_balls_of_gradients_are_narrow_for_usual_weights(kind, sizes, widest):
    for seed in range(3):
        c = usual(kind, seed, H=5, **sizes)
        for ball in gradients(c, **random_cotangents(c), arithmetic=FLOAT32).values():
            assert 0 < np.median(ball.rad) < widest * (1 + abs(ball.mid).max())


@pytest.mark.parametrize("kind", KINDS)
def test_a_wrong_gradient_is_rejected(kind):
    c = usual(kind, 1, L=2, D=2)
    d = random_cotangents(c)
    found = gradients(c, **d)

    for output in (None, forward(c).output):
        for name, ball in gradients(c, **d, arithmetic=FLOAT32, output=output).items():
            assert ball.contains(found[name]).all()
            assert not ball.contains(found[name] + 0.01 * (1 + abs(found[name]))).any(), name


def test_what_has_piled_up_before_a_step_does_not_widen_anchored_gradients():
    """In chaos, the gradients that start from the implementation's own states stay narrow."""
    c = random_case("RNN_TANH", 0, T=60, N=1, H=8).map(lambda name, array: array.astype(np.float32))
    output = forward(c).output
    last = {"d_output": np.zeros(output.shape)}
    last["d_output"][-1] = 1

    free, steps = (gradients(c, **last, arithmetic=FLOAT32, output=own)["x"].rad[-1] for own in (None, output))

    assert free.max() > 0.1 and steps.max() < 1e-4


def test_balls_of_gradients_are_balls_where_there_are_no_steps():
    found = gradients(case("LSTM", T=0, N=2, I=2, H=3, h_0=0, c_0=0), arithmetic=arithmetic("float32"))

    assert all(ball.contains(np.zeros(ball.shape)).all() for ball in found.values())


def test_where_forward_overflows_any_slope_of_relu_is_right():
    overflown = case("RNN_RELU", T=2, H=2, h_0=60000, weight_hh_l0=[[2, 0], [0, 2]], dtype="float16")
    output = np.full((2, 1, 2), np.inf)
    found = gradients(overflown, np.ones((2, 1, 2)), arithmetic=arithmetic("float16"), output=output)

    assert np.isinf(found["x"].rad).all() or found["x"].contains(np.zeros((2, 1, 1))).all()
