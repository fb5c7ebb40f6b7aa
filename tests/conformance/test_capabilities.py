import pytest

from conformance import Capabilities
from conformance.claims.capabilities import CapabilityError


def test_defaults_claim_little():
    assert Capabilities().as_dict()["cells"] == ["RNN_TANH"]
    assert not Capabilities().claims("bidirectional")


def test_a_dict_is_as_good():
    assert Capabilities.of({"lengths": True, "max_layers": None}) == Capabilities(lengths=True, max_layers=None)


def test_empty_true_is_all_three():
    assert Capabilities(empty=True).empty == ("time", "batch", "length")
    assert Capabilities(empty={"time"}).claims("empty.time")
    assert not Capabilities(empty={"time"}).claims("empty.batch")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"bidirectonal": True}, "there is no capability 'bidirectonal'; there are cells, dtypes, bidirectional"),
        ({"cells": ("RNN",)}, "cells has 'RNN', must be of RNN_TANH, RNN_RELU, GRU"),
        ({"cells": "RNN_TANH"}, "cells is 'RNN_TANH', must be a sequence of"),
        ({"cells": ()}, "cells is empty"),
        ({"dtypes": ("double",)}, "dtypes has 'double', must be of float32, float64"),
        ({"max_layers": 0}, "max_layers is 0, must be None or a positive integer"),
        ({"lengths": 1}, "lengths is 1, must be one of True, False"),
        ({"biases": "three"}, "biases is 'three', must be one of 'two', 'one', 'no b_hn'"),
        ({"dropout": "sometimes"}, "dropout is 'sometimes', must be one of True, False, 'open'"),
        (
            {"arithmetic": "fast"},
            "arithmetic is 'fast', must be one of strict, lenient, flush-to-zero, half-sums, tf32, or",
        ),
        ({"arithmetic": "lenient+lenient"}, "arithmetic is 'lenient+lenient', must be one of strict, lenient"),
        ({"arithmetic": ("lenient",)}, "arithmetic is ('lenient',), must be one of strict, lenient"),
        ({"empty": {"space"}}, "empty has 'space', must be of time, batch, length"),
        ({"sizes": {"width": (1,)}}, "sizes has 'width', must be of input_size, hidden_size"),
        ({"sizes": {"batch": (0,)}}, "must be a sequence of positive integers"),
        ({"sizes": {"steps": 3}}, "sizes['steps'] is 3, must be a sequence of positive integers"),
        ({"sizes": ["batch"]}, "sizes is ['batch'], must be a dict from input_size"),
    ],
)
def test_what_does_not_exist_is_refused_with_what_does(wrong, message):
    with pytest.raises(CapabilityError) as error:
        Capabilities.of(wrong)
    assert message in str(error.value)


def test_all_names_of_the_contract_are_accepted():
    claimed = Capabilities(
        cells=("RNN_TANH", "RNN_RELU", "GRU", "GRU_RESET_BEFORE", "LSTM"),
        dtypes=("float32", "float64", "float16", "bfloat16"),
        bidirectional=True, max_layers=None, no_bias=True, biases="no b_hn", initial_state=True, default_state=True,
        lengths=True, empty={"time"}, nonfinite=True, batch_first=True, unbatched=True, dropout="open",
        projections=True, gradients=True, sizes={"hidden_size": (4, 8)}, recompiles=True, arithmetic="lenient",
    )  # fmt: skip
    assert Capabilities.of(claimed.as_dict()) == Capabilities.of(claimed.as_dict())
