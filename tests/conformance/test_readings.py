import numpy as np
import pytest

from conformance.judging.shape_recovery import Reader
from reference_rnn import case

CASE = case("RNN_TANH", T=5, N=4, I=2, H=3, L=2, D=2)


@pytest.mark.parametrize(
    ("name", "shape", "said"),
    [
        ("output", (5, 4, 6, 1), "trailing axis"),
        ("output", (1, 5, 4, 6), "leading axis"),
        ("output", (5, 4, 2, 3), "halves of the directions are not joined"),
        ("output", (2, 5, 4, 3), "directions are an axis of their own, the first"),
        ("output", (4, 5, 6), "batch first"),
        ("h_n", (2, 2, 4, 3), "layers and directions are separate axes"),
        ("h_n", (4, 4, 3, 1), "trailing axis"),
    ],
)
def test_a_mistake_is_named_and_looked_through(name, shape, said):
    array, sentence = Reader().read(name, np.zeros(shape), CASE)
    assert array.shape == ((5, 4, 6) if name == "output" else (4, 4, 3))
    assert said in sentence and str(shape) in sentence and sentence.endswith("from here on")


def test_halves_are_joined_in_order():
    halves = np.stack([np.zeros((5, 4, 3)), np.ones((5, 4, 3))])
    array, _ = Reader().read("output", halves, CASE)
    assert (array[..., :3] == 0).all() and (array[..., 3:] == 1).all()


def test_the_right_shape_needs_no_words():
    array = np.arange(120.0).reshape(5, 4, 6)
    assert Reader().read("output", array, CASE) == (array, None) or Reader().read("output", array, CASE)[1] is None


def test_a_habit_is_expected_where_shapes_cannot_tell():
    reader = Reader()
    reader.read("output", np.zeros((4, 5, 6)), CASE)
    square = case("RNN_TANH", T=3, N=3, H=2)
    steps_second = np.arange(18.0).reshape(3, 3, 2)
    array, sentence = reader.read("output", steps_second, square)
    assert (array == steps_second.swapaxes(0, 1)).all() and sentence is None


def test_an_axis_of_rows_is_one_too_many_where_the_input_has_none():
    def alone(**sizes):
        one = case("RNN_TANH", N=1, I=2, **sizes)
        return one.replace(x=one.x[:, 0])

    reader = Reader()
    for sizes, h_n in (({"T": 2, "H": 1}, (1, 1, 1)), ({"T": 2, "H": 3}, (1, 1, 3)), ({"T": 2, "H": 1}, (1, 1, 1))):
        array, sentence = reader.read("h_n", np.zeros(h_n), alone(**sizes))
        assert array.shape == h_n[1:] and "it has an axis of rows, and the input has none" in sentence


def test_what_shapes_cannot_tell_is_told_by_those_that_can():
    reader, small = Reader(), case("RNN_TANH", T=1, N=2, I=2, H=1)
    assert "leading" not in reader.read("output", np.zeros((1, 2, 1, 1)), small)[1]
    _, said = reader.read("output", np.zeros((1, 5, 4, 6)), CASE)
    assert "leading" in said and "leading" in reader.read("output", np.zeros((1, 1, 2, 1)), small)[1]


def test_a_shape_that_cannot_be_made_out_is_refused():
    with pytest.raises(ValueError, match=r"output has shape \(7, 7\), must be \(5, 4, 6\) = \(T, N, 2H\)"):
        Reader().read("output", np.zeros((7, 7)), CASE)


def test_an_axis_of_rows_is_missing_where_there_is_one_row():
    reader, read = Reader(), []
    for sizes, shape in (({"L": 1}, (1, 3)), ({"L": 2}, (2, 3)), ({"L": 1}, (1, 3)), ({"L": 2, "N": 2}, (2, 2, 3))):
        asked = case("RNN_TANH", **({"T": 2, "N": 1, "I": 2, "H": 3} | sizes))
        array, sentence = reader.read("h_n", np.zeros(shape), asked)
        assert array.shape == (sizes["L"], asked.num_rows, 3)
        read.append(sentence and "the axis of rows is missing where there is one row" in sentence)
    assert read == [False, True, True, None]  # one layer alone may be another axis
    for batch_first, shape in ((False, (2, 1, 3)), (True, (1, 2, 3))):
        array, sentence = Reader().read(
            "output", np.zeros((2, 3)), case("RNN_TANH", T=2, N=1, I=2, H=3, batch_first=batch_first)
        )
        assert array.shape == shape and "the axis of rows is missing" in sentence
