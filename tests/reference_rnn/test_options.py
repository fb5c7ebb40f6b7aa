"""Cells with options of ONNX' operators, beside the same equations written unit by unit, and beside their balls."""

import math

import numpy as np
import pytest

from reference_rnn import CELLS, Config, arithmetic, case, cell_of, forward, gradients, result_shapes
from reference_rnn.cell import ACTIVATIONS
from reference_rnn.layouts import from_onnx, to_onnx

FLOAT32 = arithmetic("float32")
SCALAR = {
    "tanh": math.tanh,
    "relu": lambda z: max(z, 0.0),
    "sigmoid": lambda z: 1 / (1 + math.exp(-z)),
    "hard_sigmoid": lambda z: min(1.0, max(0.0, 0.2 * z + 0.5)),
    "softsign": lambda z: z / (1 + abs(z)),
}
OPTIONS = {
    "peepholes": {"peepholes": True},
    "coupled gates": {"coupled_gates": True},
    "clip": {"clip": 0.25},
    "activations": {"activations": ("hard_sigmoid", "softsign", "relu")},
    "all": {
        "peepholes": True, "coupled_gates": True, "clip": 0.5, "activations": ("hard_sigmoid", "sigmoid", "softsign"),
    },
}  # fmt: skip


def dense(cell, dtype="float64", T=4, N=3, **options):
    """A case of two layers and directions whose numbers all differ."""
    states = {"h_0": 0.0, **({"c_0": 0.0} if cell == "LSTM" else {})}
    plain = case(cell, T=T, N=N, I=3, H=4, L=2, D=2, dtype=dtype, x=0.0, **states, **options)
    generator = np.random.default_rng(len(plain.parameters))
    return plain.map(lambda name, array: generator.standard_normal(array.shape).astype(array.dtype))


def lstm_by_units(p, x, h, c, config, end):
    """One row and one step of an LSTM, number by number."""
    f, g, act = (SCALAR[name] for name in config.activations or cell_of("LSTM").activations)
    cut = (lambda z: max(-config.clip, min(config.clip, z))) if config.clip else (lambda z: z)
    H = len(h)
    w = p.get("weight_ch" + end, np.zeros(3 * H))
    new_h, new_c = [], []
    for k in range(H):

        def z(gate, k=k):
            row = gate * H + k
            return (
                float(p["weight_ih" + end][row] @ x + p["weight_hh" + end][row] @ h)
                + p["bias_ih" + end][row]
                + p["bias_hh" + end][row]
            )

        i = f(cut(z(0) + w[k] * c[k]))
        forget = 1 - i if config.coupled_gates else f(cut(z(1) + w[H + k] * c[k]))
        state = forget * c[k] + i * g(cut(z(2)))
        out = f(cut(z(3) + w[2 * H + k] * state))
        new_h.append(out * act(cut(state)))
        new_c.append(state)
    return np.array(new_h), np.array(new_c)


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_an_lstm_is_its_equations_unit_by_unit(options):
    subject = dense("LSTM", **options)
    x = subject.x
    for layer in range(2):
        halves = []
        for reverse in (0, 1):
            end = f"_l{layer}" + "_reverse" * reverse
            h, c = subject.h_0[2 * layer + reverse].copy(), subject.c_0[2 * layer + reverse].copy()
            half = np.zeros((*x.shape[:2], 4))
            for t in reversed(range(len(x))) if reverse else range(len(x)):
                for row in range(x.shape[1]):
                    h[row], c[row] = lstm_by_units(subject.parameters, x[t, row], h[row], c[row], subject.config, end)
                half[t] = h
            halves.append(half)
        x = np.concatenate(halves, -1)
    result = forward(subject)
    np.testing.assert_allclose(result.output, x, rtol=1e-12)
    np.testing.assert_allclose(result.c_n[3], c, rtol=1e-12)


@pytest.mark.parametrize("cell", ["RNN_TANH", "RNN_RELU", "GRU", "GRU_RESET_BEFORE", "LSTM"])
def test_an_option_that_changes_nothing_leaves_the_cell_as_it_is(cell):
    plain = dense(cell)
    neutral = [plain.replace(clip=1e6), plain.replace(activations=cell_of(cell).activations)]
    if cell == "LSTM":
        zeros = {f"weight_ch_l{layer}{end}": np.zeros(12) for layer in (0, 1) for end in ("", "_reverse")}
        neutral.append(plain.replace(peepholes=True, parameters=plain.parameters | zeros))
    for subject in neutral:
        for name, array in forward(subject).items():
            np.testing.assert_allclose(array, getattr(forward(plain), name), rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_an_activation_of_a_plain_rnn(activation):
    subject = case("RNN_TANH", T=1, N=9, x=np.linspace(-4, 4, 9).reshape(1, 9, 1).tolist(), weight_ih_l0=1,
                   dtype="float64", activations=(activation,))  # fmt: skip
    expected = [SCALAR[activation](float(z)) for z in subject.x.ravel()]
    np.testing.assert_allclose(forward(subject).output.ravel(), expected, rtol=1e-14)


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_single_precision_lies_in_the_balls_and_a_little_more_does_not(options):
    subject = dense("LSTM", "float32", T=6, N=5, **options)
    one = subject.replace(parameters={k: v for k, v in subject.parameters.items() if k.endswith("_l0")}, num_layers=1,
                          bidirectional=False, h_0=subject.h_0[:1], c_0=subject.c_0[:1])  # fmt: skip
    ball = forward(one, arithmetic("float32")).output
    single = in_single_precision(one)
    assert single.dtype == np.float32 and ball.contains(single).all()
    assert not ball.contains(single + 1e-4).any()


def in_single_precision(subject):
    """The output of one layer and direction of an LSTM with options, every number rounded to float32."""
    p, c, options = {k.removesuffix("_l0"): v for k, v in subject.parameters.items()}, subject.c_0[0], subject.config
    named = {
        "tanh": np.tanh,
        "relu": lambda z: np.maximum(z, 0),
        "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
        "hard_sigmoid": lambda z: np.clip(z / 5 + np.float32(0.5), 0, 1),
        "softsign": lambda z: z / (1 + abs(z)),
    }
    f, g, act = (named[name] for name in options.activations or cell_of("LSTM").activations)
    bound = np.float32(options.clip or np.inf)
    cut = lambda z: np.clip(z, -bound, bound)  # noqa: E731
    w_i, w_f, w_o = np.split(p.get("weight_ch", np.zeros(12, np.float32)), 3)
    h, output = subject.h_0[0], []
    for x in subject.x:
        z = (h @ p["weight_hh"].T + p["bias_hh"]) + (x @ p["weight_ih"].T + p["bias_ih"])
        z_i, z_f, z_g, z_o = np.split(z, 4, -1)
        i = f(cut(w_i * c + z_i))
        forget = 1 - i if options.coupled_gates else f(cut(w_f * c + z_f))
        c = forget * c + i * g(cut(z_g))
        h = f(cut(w_o * c + z_o)) * act(cut(c))
        output.append(h)
    return np.stack(output)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cell": "GRU", "peepholes": True}, "peepholes is for cells that have them, as LSTM, not for GRU"),
        (
            {"cell": "RNN_TANH", "coupled_gates": True},
            "coupled_gates is for cells that have them, as LSTM, not for RNN_TANH",
        ),
        ({"cell": "LSTM", "clip": -1.0}, "clip is -1.0, must be 0 or positive"),
        ({"cell": "LSTM", "activations": ("sigmoid",)}, "activations has 1 names, must have 3 for LSTM"),
        ({"cell": "LSTM", "activations": ("tanh", "tanh", "tanh")}, r"activations\[0\] is 'tanh', must be one of sig"),
        ({"cell": "GRU", "activations": ("sigmoid", "Tanh")}, r"activations\[1\] is 'Tanh', must be one of tanh, relu"),
        (
            {"cell": "LSTM", "hidden_size": 2, "proj_size": 1, "clip": 1.0},
            "proj_size must be 0 where there are peepholes",
        ),
    ],
)
def test_options_that_do_not_fit_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        Config(**options)


@pytest.mark.sample
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_the_gradients_of_options_are_the_slopes_of_finite_differences(cell, options):
    only_lstm = {"peepholes", "coupled_gates"}
    options = {name: value for name, value in options.items() if cell == "LSTM" or name not in only_lstm}
    if cell != "LSTM" and "activations" in options:
        options = options | {"activations": options["activations"][: len(cell_of(cell).activations)]}
    subject = dense(cell, **options).replace(lengths=np.array([4, 0, 3]))
    generator = np.random.default_rng(0)
    d = {f"d_{name}": generator.standard_normal(shape.sizes) for name, shape in result_shapes(subject).items()}
    found = gradients(subject, **d)
    assert list(found) == [name for name, _ in subject.arrays()]

    def loss(name, array):
        moved = subject.map(lambda other, same: array if other == name else same)
        return sum((result * d[f"d_{part}"]).sum() for part, result in forward(moved).items())

    for name, array in subject.arrays():
        way = generator.standard_normal(array.shape)
        slope = (loss(name, array + 1e-6 * way) - loss(name, array - 1e-6 * way)) / 2e-6
        assert (found[name] * way).sum() == pytest.approx(slope, rel=1e-6, abs=1e-6), name
    balls = gradients(subject.replace(dtype="float32").map(lambda _, a: a.astype(np.float32)), **d, arithmetic=FLOAT32)
    assert all(balls[name].mid.shape == array.shape for name, array in subject.arrays())


def test_peepholes_have_a_place_in_onnx_and_come_back():
    subject = dense("LSTM", peepholes=True)
    node = to_onnx(subject.parameters, "LSTM", 1)
    i, f, o = np.split(subject.parameters["weight_ch_l1_reverse"], 3)
    np.testing.assert_array_equal(node["P"][1], np.concatenate([i, o, f]))
    back = from_onnx(node, "LSTM", 1)
    assert back.keys() == {name for name in subject.parameters if "_l1" in name}
    for name, array in back.items():
        np.testing.assert_array_equal(array, subject.parameters[name])


def test_a_case_with_options_is_an_expression_that_rebuilds_it():
    subject = case(
        "LSTM", H=2, peepholes=True, clip=0.5, activations=("hard_sigmoid", "tanh", "relu"), weight_ch_l0={4: 1}
    )
    assert repr(eval(repr(subject), {"case": case})) == repr(subject)
    assert "peepholes=True, clip=0.5, activations=('hard_sigmoid', 'tanh', 'relu'), weight_ch_l0={4: 1}" in repr(
        subject
    )
