"""Cases: their sizes, their shapes, and what is said about wrong ones."""

import numpy as np
import pytest
from hypothesis import given, settings

from reference_rnn import (
    CELLS,
    Case,
    Config,
    ShapeError,
    case,
    cell_of,
    forward,
    parameter_shapes,
    result_shapes,
    state_shapes,
)
from reference_rnn.case import gate_rows
from strategies import cases


@pytest.mark.sample
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("options", [{}, {"num_layers": 3, "bidirectional": True}, {"bias": False, "num_layers": 2}])
def test_parameters_have_the_names_shapes_and_order_of_torch(cell, options):
    nn = pytest.importorskip("torch").nn
    module = {"LSTM": nn.LSTM, "GRU": nn.GRU, "GRU_RESET_BEFORE": nn.GRU}.get(cell, nn.RNN)

    ours = parameter_shapes(Config(cell, 3, 5, **options))

    theirs = {name: tuple(p.shape) for name, p in module(3, 5, **options).named_parameters()}
    assert [(name, shape.sizes) for name, shape in ours.items()] == list(theirs.items())


@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")
def test_a_projection_has_the_shapes_of_torch():
    torch = pytest.importorskip("torch")
    options = {"num_layers": 2, "bidirectional": True, "proj_size": 2}

    config = Config("LSTM", 3, 5, **options)

    module = torch.nn.LSTM(3, 5, **options)
    theirs = {name: tuple(p.shape) for name, p in module.named_parameters()}
    assert [(name, shape.sizes) for name, shape in parameter_shapes(config).items()] == list(theirs.items())
    output, (h_n, c_n) = module(torch.zeros(6, 4, 3))
    shapes = result_shapes(Case(config, {}, np.zeros((6, 4, 3))))
    assert [shape.sizes for shape in shapes.values()] == [output.shape, h_n.shape, c_n.shape]


@pytest.mark.parametrize(
    ("layout", "x", "h_0", "output"),
    [
        ({}, (7, 2, 3), (4, 2, 5), (7, 2, 10)),
        ({"batch_first": True}, (2, 7, 3), (4, 2, 5), (2, 7, 10)),
        ({"unbatched": True, "N": 1}, (7, 3), (4, 5), (7, 10)),
    ],
)
def test_sizes_are_read_off_x_in_every_layout(layout, x, h_0, output):
    c = case(**{"T": 7, "N": 2, "I": 3, "H": 5, "L": 2, "D": 2} | layout)

    assert (c.num_steps, c.num_rows, c.unbatched) == (7, layout.get("N", 2), "unbatched" in layout)
    assert {name: shape.sizes for name, shape in state_shapes(c).items()} == {"x": x, "h_0": h_0}
    assert {name: shape.sizes for name, shape in result_shapes(c).items()} == {"output": output, "h_n": h_0}


@pytest.mark.parametrize(
    ("layout", "h", "c"), [({}, (4, 2, 2), (4, 2, 5)), ({"unbatched": True, "N": 1}, (4, 2), (4, 5))]
)
def test_with_a_projection_h_has_its_size_and_c_has_its_own(layout, h, c):
    built = case("LSTM", **{"T": 7, "N": 2, "I": 3, "H": 5, "P": 2, "L": 2, "D": 2} | layout)

    assert (built.config.state_size, case("LSTM", H=5).config.state_size) == (2, 5)
    states = state_shapes(built)
    assert (states["h_0"].sizes, states["c_0"].sizes) == (h, c)
    output, h_n, c_n = result_shapes(built).values()
    assert (output.sizes, h_n.sizes, c_n.sizes) == ((7, *h[1:-1], 4), h, c)
    for name, shape in {"weight_hh_l0": (20, 2), "weight_ih_l1": (20, 4), "weight_hr_l1_reverse": (2, 5)}.items():
        assert built.parameters[name].shape == shape


@settings(max_examples=50, deadline=None)
@given(cases(cells=CELLS, projections=True, empty=("time", "batch", "length")))
def test_a_result_has_the_shapes_that_are_announced(c):
    for change in (lambda c: c, lambda c: c.replace(x=c.x.swapaxes(0, 1), batch_first=True)):
        changed = change(c)
        given = {name: value.shape for name, value in forward(changed).items()}
        assert given == {name: shape.sizes for name, shape in result_shapes(changed).items()}


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (
            {"weight_ih_l0": (2, 3)},
            r"weight_ih_l0 has shape \(2, 3\), must be \(3, 2\) = \(H, I\); it looks transposed",
        ),
        ({"weight_hh_l1": (3, 6)}, r"weight_hh_l1 has shape \(3, 6\), must be \(3, 3\) = \(H, H\)$"),
        ({"weight_ih_l1": (3, 3)}, r"weight_ih_l1 has shape \(3, 3\), must be \(3, 6\) = \(H, 2H\)$"),
        ({"bias_hh_l0_reverse": (6,)}, r"bias_hh_l0_reverse has shape \(6,\), must be \(3,\) = \(H,\)$"),
        ({"x": (4, 5, 7)}, r"x has shape \(4, 5, 7\), must be \(4, 5, 2\) = \(T, N, I\)$"),
        ({"h_0": (3, 5, 4)}, r"h_0 has shape \(3, 5, 4\), must be \(4, 5, 3\) = \(L\*D, N, H\); it looks transposed"),
        ({"c_0": (4, 5, 3)}, r"c_0 is not an array of this case; it has weight_ih_l0, .*, x, h_0$"),
        ({"weight_ih_l2": (3, 6)}, r"weight_ih_l2 is not an array of this case; it has weight_ih_l0, .*, x, h_0$"),
    ],
)
def test_a_wrong_shape_is_named_beside_the_right_one(arrays, message):
    refused(case(T=4, N=5, I=2, H=3, L=2, D=2), arrays, message)


@pytest.mark.parametrize(
    ("cell", "arrays", "message"),
    [
        ("GRU", {"weight_ih_l0": (2, 9)}, r"weight_ih_l0 has shape \(2, 9\), must be \(9, 2\) = \(3H, I\); it looks"),
        ("GRU", {"bias_hh_l1": (3,)}, r"bias_hh_l1 has shape \(3,\), must be \(9,\) = \(3H,\)$"),
        ("GRU", {"c_0": (4, 5, 3)}, r"c_0 is not an array of this case"),
        ("LSTM", {"weight_hh_l0": (12, 3)}, r"weight_hh_l0 has shape \(12, 3\), must be \(12, 2\) = \(4H, P\)$"),
        ("LSTM", {"weight_ih_l1": (12, 6)}, r"weight_ih_l1 has shape \(12, 6\), must be \(12, 4\) = \(4H, 2P\)$"),
        ("LSTM", {"weight_hr_l0": (3, 2)}, r"weight_hr_l0 has shape \(3, 2\), must be \(2, 3\) = \(P, H\); it looks"),
        ("LSTM", {"h_0": (4, 5, 3)}, r"h_0 has shape \(4, 5, 3\), must be \(4, 5, 2\) = \(L\*D, N, P\)$"),
        ("LSTM", {"c_0": (4, 5, 2)}, r"c_0 has shape \(4, 5, 2\), must be \(4, 5, 3\) = \(L\*D, N, H\)$"),
    ],
)
def test_a_wrong_shape_of_a_gated_cell_is_named_too(cell, arrays, message):
    refused(case(cell, T=4, N=5, I=2, H=3, L=2, D=2, P=2 if cell == "LSTM" else 0), arrays, message)


def refused(right, arrays, message):
    """A case with arrays of other shapes raises a ShapeError."""
    fields = {name: np.zeros(shape) for name, shape in arrays.items() if hasattr(right, name)}
    parameters = right.parameters | {name: np.zeros(shape) for name, shape in arrays.items() if name not in fields}
    wrong = right.replace(parameters=parameters, **fields)

    with pytest.raises(ShapeError, match=message):
        forward(wrong)


@pytest.mark.parametrize("shape", [(), (4,)])
def test_an_x_with_too_few_axes_is_a_shape_error(shape):
    with pytest.raises(ShapeError, match="x has shape"):
        forward(case().replace(x=np.zeros(shape)))


def test_a_missing_parameter_is_named():
    c = case()

    with pytest.raises(ShapeError, match="bias_hh_l0 is missing; RNN_TANH needs weight_ih_l0, weight_hh_l0"):
        forward(c.replace(parameters={name: p for name, p in c.parameters.items() if name != "bias_hh_l0"}))


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        ([1], r"lengths has shape \(1,\) and dtype int64, must be \(2,\) = \(N,\) integers"),
        ([1.0, 2.0], "dtype float64"),
        ([1, 4], r"lengths is \[1, 4\], each must be from 0 to T = 3"),
        ([-1, 3], r"lengths is \[-1, 3\]"),
    ],
)
def test_wrong_lengths_are_named(lengths, message):
    with pytest.raises(ShapeError, match=message):
        forward(case(T=3, N=2).replace(lengths=np.array(lengths)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cell": "RNN"}, "cell is 'RNN', must be one of RNN_TANH, RNN_RELU"),
        ({"dtype": "int8"}, "dtype is 'int8', must be one of float32"),
        ({"num_layers": 0}, "num_layers is 0, must be at least 1"),
        ({"hidden_size": -1}, "hidden_size is -1"),
        (
            {"cell": "LSTM", "hidden_size": 3, "proj_size": 3},
            "proj_size is 3, must be 0, or for a cell with projections",
        ),
        ({"cell": "LSTM", "hidden_size": 3, "proj_size": 4}, "proj_size is 4"),
        ({"cell": "LSTM", "hidden_size": 3, "proj_size": -1}, "proj_size is -1"),
        ({"cell": "LSTM", "proj_size": 1}, "proj_size is 1"),
        ({"cell": "GRU", "hidden_size": 3, "proj_size": 2}, "proj_size is 2, must be 0, or for a cell with"),
        ({"cell": "RNN_TANH", "hidden_size": 3, "proj_size": 1}, "proj_size is 1"),
    ],
)
def test_a_configuration_that_cannot_be_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Config(**options)


def test_a_missing_projection_is_named():
    c = case("LSTM", H=3, P=2)

    with pytest.raises(ShapeError, match=r"weight_hr_l0 is missing; LSTM needs weight_ih_l0, .*weight_hr_l0"):
        forward(c.replace(parameters={name: p for name, p in c.parameters.items() if name != "weight_hr_l0"}))


# Gates


def test_gates_are_packed_in_the_order_of_torch():
    assert all(cell_of(cell) is cell for cell in CELLS)
    assert (cell_of("GRU").gates, cell_of("GRU_RESET_BEFORE").gates, cell_of("LSTM").gates) == ("rzn", "rzn", "ifgo")
    assert cell_of("RNN_TANH").gates == cell_of("RNN_RELU").gates == "h"


@pytest.mark.parametrize("cell", CELLS)
def test_the_rows_of_its_gates_are_all_the_rows_of_a_weight(cell):
    config = Config(cell, 2, 3, proj_size=2 if cell == "LSTM" else 0)
    rows = np.arange(parameter_shapes(config)["weight_hh_l0"].sizes[0])

    found = [rows[gate_rows(config, gate)].tolist() for gate in cell_of(cell).gates]

    assert found == [[3 * k, 3 * k + 1, 3 * k + 2] for k in range(len(cell_of(cell).gates))]


def test_a_gate_that_a_cell_does_not_have_has_no_rows():
    with pytest.raises(ValueError, match="substring not found"):
        gate_rows(Config("GRU"), "o")


@pytest.mark.parametrize(("gate", "h", "c"), [("i", 1, 3), ("f", 1, 1), ("g", 1, 2), ("o", 0, 4)])
def test_each_gate_of_an_lstm_has_its_own_place(gate, h, c):
    """All gates are open and the cell state is 3; then one gate is closed, or the candidate is -1."""
    opened = case("LSTM", bias_ih_l0=40, c_0=3)
    opened.parameters["bias_ih_l0"][gate_rows(opened.config, gate)] = -40

    result = forward(opened)

    assert (result.h_n.item(), result.c_n.item()) == pytest.approx((h * np.tanh(c), c), abs=1e-15)


@pytest.mark.parametrize("cell", ["GRU", "GRU_RESET_BEFORE"])
@pytest.mark.parametrize(("gates", "h"), [({"z": 40}, 0.5), ({"z": -40, "n": 40}, 1), ({"z": -40, "r": 40}, 0)])
def test_each_gate_of_a_gru_has_its_own_place(cell, gates, h):
    c = case(cell, h_0=0.5)
    for gate, value in gates.items():
        c.parameters["bias_ih_l0"][gate_rows(c.config, gate)] = value

    assert forward(c).h_n.item() == pytest.approx(h, abs=1e-15)


def test_rows_without_lengths_are_full():
    assert case(T=3, N=2).row_lengths.tolist() == [3, 3]
    assert case(T=3, N=2, lengths=[0, 2]).row_lengths.tolist() == [0, 2]


def test_replace_reaches_the_configuration_too():
    changed = case(x=1).replace(dropout=0.5, training=True)

    assert (changed.config.dropout, changed.training, changed.x.item()) == (0.5, True, 1)


def test_map_visits_every_array_once_in_order():
    c = case(h_0=0)

    doubled = case(x=1, h_0=2, weight_hh_l0=3).map(lambda name, array: 2 * array)

    assert [name for name, _ in c.arrays()] == [*parameter_shapes(c.config), "x", "h_0"]
    assert (doubled.x, doubled.h_0, doubled.parameters["weight_hh_l0"]) == (2, 4, 6)
    assert case().map(lambda name, array: array + 1).h_0 is None


def test_map_visits_the_cell_state_last():
    c = case("LSTM", H=2, P=1, h_0=2, c_0=3)

    assert [name for name, _ in c.arrays()] == [*parameter_shapes(c.config), "x", "h_0", "c_0"]
    assert c.map(lambda name, array: 2 * array).c_0.tolist() == [[[6, 6]]]
