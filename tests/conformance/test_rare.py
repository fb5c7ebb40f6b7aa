"""Mistakes that show rarely: one kind of parameter that is kept, infinite states, whatever is wrong in one form."""

import numpy as np
import pytest

import conformance
from conformance.adapters import reference
from conformance.judging.coverage import ASKED
from reference_rnn import CELLS
from reference_rnn.case import kind_of

KINDS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr")


@pytest.mark.sample
@pytest.mark.parametrize("kind", KINDS)
def test_parameters_of_one_kind_that_are_kept_are_found(kind):
    class Target:
        capabilities = conformance.Capabilities(cells=("LSTM",), projections=True, max_layers=2)

        def __init__(self):
            self.kept = {}

        def forward(self, case):
            case = reference.as_case(case)
            others = {name: array for name, array in case.parameters.items() if kind_of(name) != kind}
            key = (case.config, *(array.tobytes() for array in others.values()))
            mine = self.kept.setdefault(key, {n: a.copy() for n, a in case.parameters.items() if n not in others})
            return reference.forward(case.replace(parameters={**case.parameters, **mine}))

    ids = ["shapes.calls_are_independent"]
    [result] = conformance.check(Target, properties=ids, diagnosis=False).results
    assert result.status == "failed"


@pytest.mark.sample
@pytest.mark.parametrize("left_out", ["lengths", "x", "h_0", "c_0"])
def test_answers_that_are_kept_under_too_short_a_key_are_found(left_out):
    class Target:
        capabilities = conformance.Capabilities(cells=("LSTM",), lengths=True)

        def __init__(self):
            self.kept = {}

        def forward(self, case):
            case = reference.as_case(case)
            key = (case.config, case.x.shape, *(array.tobytes() for name, array in case.arrays() if name != left_out))
            key += () if left_out == "lengths" else (tuple(case.row_lengths),)
            output, states = self.kept.setdefault(key, reference.forward(case))
            return output.copy(), tuple(state.copy() for state in states)

    [result] = conformance.check(Target, properties=["shapes.calls_are_independent"], diagnosis=False).results
    assert result.status == "failed"


def key_without(left_out, case):
    """What tells a case from others, without what is left out: an array, the parameters of a kind, or lengths."""
    arrays = [array.tobytes() for name, array in case.arrays() if left_out not in (name, kind_of(name))]
    return (case.config, case.x.shape, case.h_0 is None, *arrays, *(case.row_lengths if left_out != "lengths" else ()))


@pytest.mark.sample
@pytest.mark.parametrize("kind", ["weight_ih", "weight_hh", "weight_hr"])
def test_memory_order_is_found_in_parameters_that_are_kept(kind):
    class Target:
        capabilities = conformance.Capabilities(cells=CELLS, projections=True, max_layers=2)

        def __init__(self):
            self.kept = {}

        def forward(self, case):
            case = reference.as_case(case)
            key = (case.config, *(array.tobytes() for array in case.parameters.values()))
            read = {n: a.ravel("K").reshape(a.shape) for n, a in case.parameters.items() if kind_of(n) == kind}
            return reference.forward(case.replace(parameters=self.kept.setdefault(key, case.parameters | read)))

    [result] = conformance.check(Target, properties=["shapes.memory_layout"], diagnosis=False).results
    assert result.status == "failed"


@pytest.mark.sample
@pytest.mark.parametrize("left_out", [*KINDS, "x", "h_0", "c_0", "lengths"])
def test_the_last_answer_given_again_under_too_short_a_key_is_found(left_out):
    class Target:
        capabilities = conformance.Capabilities(cells=CELLS, projections=True, lengths=True, max_layers=2)
        last = (), None

        def forward(self, case):
            key = key_without(left_out, reference.as_case(case))
            if self.last[0] != key:
                self.last = key, reference.forward(case)
            return self.last[1]

    [result] = conformance.check(Target, properties=["shapes.calls_are_independent"], diagnosis=False).results
    assert result.status == "failed"


@pytest.mark.sample
@pytest.mark.parametrize("left_out", [*KINDS, "x", "h_0", "c_0", "lengths"])
def test_gradients_of_the_last_forward_run_under_too_short_a_key_are_found(left_out):
    class Target:
        capabilities = conformance.Capabilities(
            cells=CELLS, projections=True, lengths=True, max_layers=2, gradients=True
        )
        last = None

        def forward(self, case):
            self.last = reference.as_case(case)
            return reference.forward(case)

        def gradients(self, case, *d):
            case = reference.as_case(case)
            known = self.last is not None and key_without(left_out, self.last) == key_without(left_out, case)
            return reference.gradients(self.last if known else case, *d)

    [result] = conformance.check(Target, properties=["gradients.calls_are_independent"], diagnosis=False).results
    assert result.status == "failed"


@pytest.mark.sample
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("grows", [True, False])
def test_parameters_whose_gradients_are_summed_over_the_rows_of_another_call_are_found(grows, seed):
    class Target:
        """Keeps how many rows the first call had, or what stood behind those of the last one."""

        capabilities = conformance.Capabilities(cells=CELLS, max_layers=2, gradients=True)

        def __init__(self):
            self.kept = {}

        def forward(self, case):
            return reference.forward(case)

        def gradients(self, case, d_output, d_h_n, d_c_n):
            case = reference.as_case(case)
            found = reference.gradients(case, d_output, d_h_n, d_c_n)
            before, rows = self.kept.get(case.config, case.num_rows), case.num_rows
            if grows:
                self.kept.setdefault(case.config, rows)
            else:
                self.kept[case.config] = rows
            wrong = rows > before if grows else rows < before
            return {n: 2 * a if wrong and n in case.parameters else a for n, a in found.items()}

    ids = ["gradients.calls_are_independent"]
    [result] = conformance.check(Target, properties=ids, seed=seed, diagnosis=False).results
    assert result.status == "failed"


@pytest.mark.sample
@pytest.mark.parametrize("axis", ["steps", "batch"])
def test_answers_that_are_kept_by_the_beginning_of_x_are_found(axis):
    class Target:
        capabilities = conformance.Capabilities(cells=CELLS, lengths=True)

        def __init__(self):
            self.kept = {}

        def forward(self, case):
            case = reference.as_case(case)
            others = (array.tobytes() for name, array in case.arrays() if name != "x")
            beginning = case.x[:24] if axis == "steps" else case.x[:, :8]
            key = (case.config, case.x.shape, tuple(case.row_lengths), beginning.tobytes(), *others)
            return self.kept.setdefault(key, reference.forward(case))

    [result] = conformance.check(Target, properties=["equivalence.sizes"], diagnosis=False).results
    assert result.status == "failed"


def leading_dimension_ignored(array):
    """What a product reads that takes the rows of a matrix to lie next to each other."""
    wide = array.base if array.ndim > 1 and not array.flags.c_contiguous and array.base is not None else None
    if wide is None or array.strides[-1] != array.itemsize:
        return array
    return np.lib.stride_tricks.as_strided(wide, array.shape, np.empty(array.shape, array.dtype).strides)


@pytest.mark.parametrize("kind", ["x", "weight_ih", "weight_hh"])
def test_arrays_cut_out_of_wider_ones_are_among_the_memory_layouts(kind):
    class Target:
        capabilities = conformance.Capabilities(cells=("RNN_TANH",))

        def forward(self, case):
            case = reference.as_case(case)
            return reference.forward(
                case.map(
                    lambda name, array: leading_dimension_ignored(array) if kind in (name, kind_of(name)) else array
                )
            )

    [result] = conformance.check(Target, properties=["shapes.memory_layout"], diagnosis=False).results
    assert result.status == "failed"


def test_products_that_are_told_apart_without_their_shape_are_found():
    class Target:
        capabilities = conformance.Capabilities(cells=("RNN_TANH",))

        def __init__(self):
            self.kept = {}

        def forward(self, case):
            case = reference.as_case(case)
            key = (case.config, *(array.tobytes() for name, array in case.arrays() if name != "h_0"))
            x = self.kept.setdefault(key, case.x)
            return reference.forward(case.replace(x=x if x.shape == case.x.shape else np.resize(0 * x, case.x.shape)))

    [result] = conformance.check(Target, properties=["shapes.calls_are_independent"], diagnosis=False).results
    assert result.status == "failed"


def test_steps_and_rows_that_both_lie_backwards_are_found():
    """The rows of all steps are one after the other, as in plain memory, but from the end to the beginning."""

    class Target:
        capabilities = conformance.Capabilities(cells=("RNN_TANH",))

        def forward(self, case):
            case = reference.as_case(case)
            both = case.x.ndim == 3 and max(case.x.strides[:2]) < 0
            return reference.forward(case.replace(x=case.x[::-1, ::-1]) if both else case)

    [result] = conformance.check(Target, properties=["shapes.memory_layout"], diagnosis=False).results
    assert result.status == "failed"


def test_a_bias_that_counts_beside_others_only_is_found():
    class Target:
        capabilities = conformance.Capabilities(cells=("GRU",), no_bias=True)

        def forward(self, case):
            case = reference.as_case(case)
            p, c = case.parameters, case.config
            own = p["bias_hh_l0"][2 * c.hidden_size :] if c.bias else np.zeros(1)
            others = [p["bias_ih_l0"], p["bias_hh_l0"][: 2 * c.hidden_size]] if c.bias else []
            if case.num_steps == 1 and own.any() and not any(other.any() for other in others):
                case = case.map(lambda name, array: 0 * array if name.startswith("bias") else array)
            return reference.forward(case)

    [result] = conformance.check(Target, properties=["shapes.no_bias"], diagnosis=False).results
    assert result.status == "failed"


def test_a_bias_that_stays_where_the_next_network_has_none_is_found():
    class Target:
        capabilities = conformance.Capabilities(cells=("LSTM",), no_bias=True)

        def __init__(self):
            self.kept = {}

        def forward(self, case):
            case = reference.as_case(case)
            biases = {name: array for name, array in case.parameters.items() if name.startswith("bias")}
            biases = self.kept[case.config.hidden_size] = biases or self.kept.get(case.config.hidden_size, {})
            return reference.forward(case.replace(bias=bool(biases), parameters=biases | case.parameters))

    [result] = conformance.check(Target, properties=["shapes.no_bias"], diagnosis=False).results
    assert result.status == "failed"


@pytest.mark.sample
@pytest.mark.parametrize("kind", ["weight_hr", "weight_ih"])
def test_a_view_of_the_caller_s_weights_that_is_kept_is_found(kind):
    class Target:
        capabilities = conformance.Capabilities(cells=("LSTM",), projections=True)

        def __init__(self):
            self.kept = {}

        def forward(self, case):
            case = reference.as_case(case)
            key = (case.config, *(array.tobytes() for array in case.parameters.values()))
            mine = {name: array for name, array in case.parameters.items() if kind_of(name) == kind}
            return reference.forward(case.replace(parameters=case.parameters | self.kept.setdefault(key, mine)))

    [result] = conformance.check(Target, properties=["shapes.calls_are_independent"], diagnosis=False).results
    assert result.status == "failed"


def test_weights_that_gradients_keep_by_their_array_are_found():
    class Target:
        capabilities = conformance.Capabilities(cells=("GRU",), gradients=True)

        def __init__(self):
            self.kept = {}

        def forward(self, case):
            return reference.forward(case)

        def gradients(self, case, *d):
            given = case.parameters["weight_hh_l0"]
            # the array is held, so that no other one has its id
            _, copy = self.kept.setdefault(id(given), (given, given.copy()))
            if copy.shape != given.shape:
                copy = given
            case = reference.as_case(case)
            return reference.gradients(case.replace(parameters=case.parameters | {"weight_hh_l0": copy}), *d)

    [result] = conformance.check(Target, properties=["gradients.calls_are_independent"], diagnosis=False).results
    assert result.status == "failed"


def test_one_row_of_many_features_is_found():
    class Target:
        capabilities = conformance.Capabilities(cells=("RNN_TANH",), gradients=True)

        def forward(self, case):
            case = reference.as_case(case)
            if case.num_steps * case.num_rows == 1 and case.config.input_size > 96:
                case = case.replace(x=np.where(np.arange(case.config.input_size) < 96, case.x, 0))
            return reference.forward(case)

    [result] = conformance.check(Target, properties=["equivalence.each_size"], diagnosis=False).results
    assert result.status == "failed"


DIGESTS = {
    "half of their digits": lambda array: array.astype(np.float32).tobytes(),
    "their first numbers": lambda array: array.ravel()[:64].tobytes(),
    "their sum": lambda array: (array.shape, float(array.sum())),
}


@pytest.mark.parametrize("digest", DIGESTS.values(), ids=DIGESTS)
def test_weights_that_are_told_apart_by_too_little_are_found(digest):
    class Target:
        capabilities = conformance.Capabilities(cells=("GRU",), dtypes=("float64",))

        def __init__(self):
            self.kept = {}

        def forward(self, case):
            case = reference.as_case(case)
            key = (case.config, *map(digest, case.parameters.values()))
            return reference.forward(case.replace(parameters=self.kept.setdefault(key, case.parameters)))

    [result] = conformance.check(Target, properties=["shapes.calls_are_independent"], diagnosis=False).results
    assert result.status == "failed"


def test_state_gradients_that_are_clipped_are_found():
    class Target:
        capabilities = conformance.Capabilities(cells=("RNN_RELU",), gradients=True)
        forward = staticmethod(reference.forward)

        def gradients(self, case, *d):
            found = reference.gradients(case, *d)
            return found | {"h_0": np.clip(found["h_0"], -100, 100)}

    [result] = conformance.check(Target, properties=["gradients.linear"], diagnosis=False).results
    assert result.status == "failed"


def test_what_is_wrong_without_any_call_before_is_told_so():
    class Target:
        capabilities = conformance.Capabilities(cells=("RNN_TANH",))

        def forward(self, case):
            case = reference.as_case(case)
            output, h_n = reference.forward(case)
            return (output, h_n) if case.h_0.any() else (output + 1, h_n)

    [result] = conformance.check(Target, properties=["shapes.calls_are_independent"], diagnosis=False).results
    assert "; it is wrong without any call before, too" in result.message and result.counterexample.count("case(") == 1


@pytest.mark.sample
@pytest.mark.parametrize("sticks", [False, True])
def test_a_mode_that_sticks_is_found(sticks):
    """Whoever has once been told to train, or not to, stays there."""

    class Target:
        capabilities = conformance.Capabilities(max_layers=2, dropout=True)
        stuck = False

        def forward(self, case):
            case = reference.as_case(case)
            self.stuck = self.stuck or (case.config.dropout > 0 and case.training is sticks)
            return reference.forward(case.replace(training=sticks) if self.stuck else case)

    results = conformance.check(Target, properties=["dropout"], diagnosis=False).results
    assert any(result.status == "failed" for result in results)


@pytest.mark.parametrize(("cell", "state"), [("RNN_RELU", "h_0"), ("LSTM", "c_0")])
def test_an_infinite_state_that_is_cut_off_is_found(cell, state):
    class Target:
        capabilities = conformance.Capabilities(cells=(cell,), nonfinite=True)

        def forward(self, case):
            case = reference.as_case(case)
            return reference.forward(case.replace(**{state: np.clip(getattr(case, state), -1e30, 1e30)}))

    ids = ["nonfinite.propagation"]
    [result] = conformance.check(Target, properties=ids, diagnosis=False).results
    assert result.status == "failed" and f"infinity is in {state}" in result.message


@pytest.mark.parametrize("cells", [("RNN_TANH",), ("LSTM",)])
def test_an_infinity_that_loses_its_sign_is_found(cells):
    class Target:
        capabilities = conformance.Capabilities(cells=cells, nonfinite=True)

        def forward(self, case):
            case = reference.as_case(case)
            return reference.forward(case.replace(x=np.where(np.isneginf(case.x), np.inf, case.x)))

    [result] = conformance.check(Target, properties=["nonfinite.propagation"], diagnosis=False).results
    assert result.status == "failed" and "-infinity is in x" in result.message


@pytest.mark.parametrize(
    ("names", "of", "to", "said"),
    [
        (("h_0", "c_0"), np.isneginf, 0.0, "-infinity is in c_0"),
        (("weight_ih_l0", "bias_ih_l0"), np.isnan, 0.0, "NaN is in bias_ih_l0["),
    ],
    ids=["of a state", "of parameters"],
)
def test_numbers_that_are_tidied_up_are_found(names, of, to, said):
    class Target:
        capabilities = conformance.Capabilities(cells=("LSTM",), nonfinite=True, bidirectional=True)

        def forward(self, case):
            tidy = lambda name, array: np.where(of(array), to, array) if name in names else array  # noqa: E731
            return reference.forward(reference.as_case(case).map(tidy))

    [result] = conformance.check(Target, properties=["nonfinite.propagation"], diagnosis=False).results
    assert result.status == "failed" and said in result.message


def test_where_models_are_dear_none_is_built_for_what_is_not_finite():
    class Target:
        capabilities = conformance.Capabilities(cells=("GRU",), nonfinite=True, recompiles="model")
        forward = staticmethod(reference.forward)

    [result] = conformance.check(Target, properties=["nonfinite.propagation"], diagnosis=False).results
    assert result.status == "passed" and result.examples


def test_what_is_wrong_with_finite_numbers_is_not_laid_to_infinities():
    class Target:
        capabilities = conformance.Capabilities(cells=("LSTM",), nonfinite=True)

        def forward(self, case):
            output, states = reference.forward(case)
            return 0.75 * output, states

    [result] = conformance.check(Target, properties=["nonfinite.propagation"], diagnosis=False).results
    assert result.status == "passed"


@pytest.mark.sample
@pytest.mark.parametrize("kept", ["x", "h_0"])
def test_arrays_that_are_kept_and_not_copied_are_found_by_gradients(kept):
    class Target:
        capabilities = conformance.Capabilities(cells=("GRU",), gradients=True)
        last = (), None

        def forward(self, case):
            return reference.forward(case)

        def gradients(self, case, d_output, d_h_n, d_c_n):
            key = key_without(None, reference.as_case(case))
            if self.last[0] != key:
                self.last = key, getattr(case, kept)  # whoever is called next may write into it
            return reference.gradients(reference.as_case(case).replace(**{kept: self.last[1]}), d_output, d_h_n, d_c_n)

    for seed in range(3):
        ids = ["gradients.calls_are_independent"]
        [result] = conformance.check(Target, properties=ids, diagnosis=False, seed=seed).results
        assert result.status == "failed"


@pytest.mark.parametrize("name", ASKED)
@pytest.mark.parametrize("value", [7.0, np.nan])
@pytest.mark.sample
def test_whatever_is_wrong_in_one_form_is_no_mistake_of_the_kit(name, value):
    class Target:
        capabilities = conformance.Capabilities(**(CLAIMS | {"cells": CELLS[:1] + CELLS[-1:]}))

        def forward(self, case):
            output, states = reference.forward(case)
            wrong = ASKED[name].covers(reference.as_case(case))
            return (np.full_like(output, value) if wrong else output), states

        def gradients(self, case, d_output, d_h_n, d_c_n):
            found = reference.gradients(case, d_output, d_h_n, d_c_n)
            wrong = ASKED[name].covers(reference.as_case(case))
            return found | {"x": np.full_like(found["x"], value) if wrong else found["x"]}

    ids = ["shapes", "nonfinite", "lengths", "dropout", "gradients.padding_has_none", "gradients.back_propagation"]
    results = conformance.check(Target, properties=ids, diagnosis=False).results
    assert not [(result.id, result.error) for result in results if result.error]
    assert sum(result.status == "failed" for result in results) > 3
    for result in results:
        if result.status == "failed" and "shape" not in result.message:
            assert result.counterexample


CLAIMS = {"max_layers": 2, "bidirectional": True, "lengths": True, "gradients": True, "batch_first": True,
          "default_state": True, "empty": True, "dropout": True, "unbatched": True, "nonfinite": True}  # fmt: skip
