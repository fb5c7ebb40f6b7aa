"""Sizes do not end early: what goes wrong beyond the usual sizes is found, by one property for each way."""

from itertools import combinations

import numpy as np
import pytest

import conformance
from conformance.adapters import reference
from conformance.judging.oracle import void_layers
from reference_rnn import CELLS, arithmetic, forward
from strategies.cases import Allowed, sizes_of
from strategies.covering import LARGE, PAST, WIDTHS, covering


def zeroed(array, axis, start):
    """The array with zeros from an index of an axis on."""
    array = array.copy()
    np.moveaxis(array, axis, 0)[start:] = 0
    return array


MISTAKES = {
    "features from the 33rd on are not read": lambda c: c.replace(x=zeroed(c.x, 2, 32)),
    "features from the 129th on are not read": lambda c: c.replace(x=zeroed(c.x, 2, 128)),
    "rows from the 33rd on are zero": lambda c: c.replace(x=zeroed(c.x, 1, 32)),
    "rows from the 65th on start from zero": lambda c: c.replace(h_0=zeroed(c.h_0, 1, 64)),
    "steps from the 65th on are zero": lambda c: c.replace(x=zeroed(c.x, 0, 64)),
    "steps from the 257th on are zero": lambda c: c.replace(x=zeroed(c.x, 0, 256)),
    "more than 1,024 rows and steps": lambda c: c.replace(x=c.x * (c.num_steps * c.num_rows <= 1024)),
    "layers from the ninth on start from zero": lambda c: c.replace(h_0=zeroed(c.h_0, 0, 8 * c.config.num_directions)),
    "exactly 32 units start from zero": lambda c: c.replace(h_0=c.h_0 * (c.config.hidden_size != 32)),
    "exactly 64 units start from zero": lambda c: c.replace(h_0=c.h_0 * (c.config.hidden_size != 64)),
    "units from the 33rd on start from zero": lambda c: c.replace(h_0=zeroed(c.h_0, 2, 32)),
    "units from the 129th on start from zero": lambda c: c.replace(h_0=zeroed(c.h_0, 2, 128)),
    "63 inputs are one too many": lambda c: c.replace(x=zeroed(c.x, 2, 62) if c.config.input_size == 63 else c.x),
}  # fmt: skip


@pytest.mark.sample
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("mistake", MISTAKES)
def test_what_goes_wrong_beyond_the_usual_sizes_is_found(mistake, cell):
    class Target:
        capabilities = conformance.Capabilities(cells=(cell,), max_layers=None, bidirectional=True, lengths=True)

        def forward(self, case):
            return reference.forward(MISTAKES[mistake](reference.as_case(case)))

    [result] = conformance.check(Target, properties=["equivalence.sizes"], diagnosis=False).results
    assert result.status == "failed" and result.message


@pytest.mark.sample
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
def test_most_of_these_cases_verify_something(dtype):
    allowed = Allowed(CELLS, (dtype,))
    cases = list(covering(allowed, sketches=LARGE, every_cell=True))
    void = [case for case in cases if set(void_layers(forward(case, arithmetic(dtype)), case))]
    assert len(void) < len(cases) / (2 if dtype == "bfloat16" else 4)


def test_one_size_is_large_at_a_time_and_all_widths_are_met_on_both_sides():
    sizes = [sizes_of(case) for case in covering(Allowed(CELLS, max_layers=12), sketches=LARGE)]
    assert all(sum(size > 30 for size in one.values()) <= 1 for one in sizes)
    for name in ("input_size", "hidden_size"):
        assert set(WIDTHS) <= {one[name] for one in sizes}
    assert {33, 65} <= {one["batch"] for one in sizes} and {101, 257} <= {one["steps"] for one in sizes}
    assert max(one["num_layers"] for one in sizes) >= 12
    assert max(one["steps"] * one["batch"] for one in sizes) >= 1024
    assert set(PAST) < set(LARGE) and {s.H for s in PAST} >= {33, 65, 129}


def test_where_a_shape_is_dear_large_ones_are_not_asked():
    class Target:
        capabilities = conformance.Capabilities(recompiles=True, gradients=True)
        forward = staticmethod(reference.forward)
        gradients = staticmethod(reference.gradients)

    ids = ["equivalence.sizes", "gradients.sizes"]
    results = conformance.check(Target, properties=ids, diagnosis=False).results
    assert [result.status for result in results] == ["not_claimed"] * 2


def test_other_sizes_than_the_large_ones_are_not_asked_in_their_place():
    class Target:
        capabilities = conformance.Capabilities(sizes={"hidden_size": (2, 4), "input_size": (3,)})
        forward = staticmethod(reference.forward)

    [result] = conformance.check(Target, properties=["equivalence.sizes"], diagnosis=False).results
    assert result.status == "not_claimed"


AXES = {"T": "steps", "N": "batch", "I": "input_size", "H": "hidden_size"}
PAIRS = list(combinations(AXES, 2))


@pytest.mark.parametrize(("size", "cell"), [(2, "LSTM"), (5, "GRU"), (9, "RNN_RELU")])
@pytest.mark.parametrize(
    ("pair", "unbatched"), [*((pair, False) for pair in PAIRS), *((pair, True) for pair in PAIRS if "N" not in pair)]
)
def test_what_goes_wrong_where_two_sizes_agree_is_found(pair, unbatched, size, cell):
    class Target:
        capabilities = conformance.Capabilities(cells=CELLS, unbatched=True, batch_first=True, bidirectional=True)

        def forward(self, case):
            case = reference.as_case(case)
            sizes = sizes_of(case)
            agree = case.unbatched == unbatched and all(sizes[AXES[axis]] == size for axis in pair)
            wrong = agree and case.config.cell == cell
            return reference.forward(case.replace(h_0=case.h_0 + 1) if wrong else case)

    [result] = conformance.check(Target, properties=["equivalence.sizes"], diagnosis=False, in_process=True).results
    assert result.status == "failed" and result.message


@pytest.mark.parametrize("cell", CELLS)
def test_gradients_that_are_wrong_where_all_sizes_agree_are_found(cell):
    class Target:
        capabilities = conformance.Capabilities(cells=CELLS, gradients=True)
        forward = staticmethod(reference.forward)

        def gradients(self, case, *cotangents):
            found = reference.gradients(case, *cotangents)
            agree = case.config.cell == cell and len({*case.x.shape, case.config.hidden_size}) == 1
            return found | {"x": found["x"] * 2} if agree else found

    [result] = conformance.check(Target, properties=["gradients.sizes"], diagnosis=False, in_process=True).results
    assert result.status == "failed" and "the gradient of x" in result.message
