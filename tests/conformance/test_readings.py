import numpy as np
import pytest

from conformance.judging.readings import Reader
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


def test_a_shape_that_cannot_be_made_out_is_refused():
    with pytest.raises(ValueError, match=r"output has shape \(7, 7\), must be \(5, 4, 6\) = \(T, N, 2H\)"):
        Reader().read("output", np.zeros((7, 7)), CASE)
