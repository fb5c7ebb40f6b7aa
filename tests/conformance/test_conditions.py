"""What a call must have to be wrong: said where it is so for other numbers too, and for each failure."""

from dataclasses import replace

import numpy as np
import pytest

from conformance import Capabilities, check
from conformance.adapters import reference
from conformance.adapters.reference import as_case
from conformance.diagnosis.conditions import largest
from reference_rnn import forward
from strategies import layout_of

CLAIMS = Capabilities(
    dtypes=("float32", "float64"), bidirectional=True, max_layers=2, lengths=True, empty=("length",), batch_first=True,
    unbatched=True, default_state=True, no_bias=True, dropout=True,
)  # fmt: skip
PROPERTIES = ("equivalence.steps", "equivalence.first_look", "shapes.memory_layout", "dropout.everything_at_one")


def end_together(case):
    """Whether all rows end at the same step, before T."""
    return {*case.row_lengths} == {*case.row_lengths[:1]} and bool((case.row_lengths < case.num_steps).any())


CONDITIONS = {
    "without biases": lambda case: not case.config.bias,
    "with lengths of uint8": lambda case: case.lengths is not None and case.lengths.dtype == np.uint8,
    "with lengths of unsigned integers": lambda case: case.lengths is not None and case.lengths.dtype.kind == "u",
    "with lengths": lambda case: case.lengths is not None,
    "with more than one row and where a row has no steps": lambda case: 0 in case.row_lengths,
    "with more than one row and where rows end at different steps": lambda case: len({*case.row_lengths}) > 1,
    "where all rows end at the same step, before T": end_together,
    "where x lies backwards in memory": lambda case: case.x.strides[0] < 0,
    "where weight_hh_l0 is read-only": lambda case: not case.parameters["weight_hh_l0"].flags.writeable,
    "with numbers beyond 4": lambda case: max(map(largest, (array for _, array in case.arrays()))) > 4,
    "with numbers of h_0 beyond 32": lambda case: case.h_0 is not None and abs(case.h_0).max(initial=0) > 40,
    "with lengths and with zeros in x": lambda case: case.lengths is not None and (case.x == 0).any(),
    "in training with dropout": lambda case: case.training and case.config.dropout > 0,
    "without an axis of rows": lambda case: case.unbatched,
    "with batch_first and without an initial state": lambda case: case.config.batch_first and case.h_0 is None,
    "with dropout, outside training": lambda case: case.config.dropout and not case.training,
}

CURVES = ("without an axis of rows", "with dropout, outside training")  # forms in which it is measured what is wrong


def wrong_where(condition, **claims):
    """The reference, which reads half of the recurrent weights where a case is so."""
    chance = np.random.default_rng(0)

    def target(case):
        case = as_case(case)
        if condition(case):
            case = case.map(lambda name, array: array / 2 if name == "weight_hh_l0" else array)
        c, masks = case.config, None
        if case.training and 0 < c.dropout < 1:
            shape = (case.num_steps, case.num_rows, c.num_directions * c.hidden_size)
            masks = [chance.binomial(1, 1 - c.dropout, shape) / (1 - c.dropout) for _ in range(c.num_layers - 1)]
        output, h_n = (np.asarray(array, c.numpy_dtype) for _, array in forward(case, masks=masks).items())
        return output, h_n

    target.capabilities = replace(CLAIMS, **claims)
    return target


def said(condition, *properties, **claims):
    """The kinds and sentences of a diagnosis."""
    report = check(wrong_where(condition, **claims), properties=properties or PROPERTIES, workers=1, in_process=True)
    assert report.verdict == "fails" and not any("itself failed" in line for line in report.known), report.known
    return [(finding.fault, finding.title) for finding in report.diagnosis]


@pytest.mark.sample
@pytest.mark.parametrize("words", CONDITIONS)
def test_the_condition_is_said(words):
    told = ("measured.conditions", f"RNN_TANH: wrong only {words}")
    if words in CURVES:
        told = ("measured.curve", f"RNN_TANH: the unit reads 0.5 W_hh h where it must read W_hh h, {words}")
    assert told in said(CONDITIONS[words])


@pytest.mark.sample
@pytest.mark.parametrize(("one", "other"), [
    ("without an axis of rows", "where x lies backwards in memory"), ("without biases", "with lengths of uint8"),
    ("with batch_first and without an initial state", "in training with dropout"),
])  # fmt: skip
def test_of_two_mistakes_both_conditions_are_said(one, other):
    found = said(lambda case: CONDITIONS[one](case) or CONDITIONS[other](case))
    assert {title.removeprefix("RNN_TANH: wrong only ") for _, title in found} & {
        f"{one}, or {other}", f"{other}, or {one}",
    }  # fmt: skip


@pytest.mark.parametrize(("axis", "words"), [
    pytest.param("num_steps", "wrong from T = 7 on", marks=pytest.mark.sample), ("num_rows", "wrong from N = 7 on"),
])  # fmt: skip
def test_what_large_calls_need_not_have_is_no_condition(axis, words):
    found = said(lambda case: (case.lengths is not None and {*case.row_lengths} == {1}) or getattr(case, axis) > 6)
    assert ("measured.sizes", f"RNN_TANH: {words}") in found
    assert not any("only" in title for _, title in found)


@pytest.mark.sample
def test_what_raises_without_rows_is_asked_about_too():
    def raises(case):
        if case.lengths is not None and not case.x.flags.writeable:
            raise ValueError("read-only")
        return False

    [(_, title)] = said(raises)
    assert title == "RNN_TANH: wrong only with lengths and where x is read-only"


@pytest.mark.sample
def test_where_a_shape_is_dear_rows_are_not_taken_for_steps():
    sizes = {"steps": (2,), "batch": (3,), "input_size": (2,), "hidden_size": (3,)}
    claims = {"recompiles": True, "sizes": sizes, "empty": False, "unbatched": False}
    words = said(lambda case: case.config.batch_first, "shapes.batch_first", **claims)
    assert not any("row" in title for _, title in words)


@pytest.mark.sample
def test_a_memory_layout_is_not_taken_for_a_direction():
    words = said(lambda case: layout_of(case.h_0) == "strided", "shapes.memory_layout", default_state=False)
    assert words == [("measured.conditions", "RNN_TANH: wrong only where h_0 is strided, with gaps in memory")]


KINDS = {
    "a bias lies backwards in memory": ("bias", "negative"),
    "a weight_hh is Fortran-ordered": ("weight_hh", "F"),
}


@pytest.mark.sample
@pytest.mark.parametrize("words", KINDS)
def test_arrays_of_one_kind_are_looked_at_together(words):
    kind, layout = KINDS[words]

    def misread(case):
        return any(name.startswith(kind) and layout_of(array) == layout for name, array in case.arrays())

    found = said(misread, "shapes.memory_layout", "equivalence.steps", bidirectional="only")
    assert found == [("measured.conditions", f"RNN_TANH: wrong only where {words}")]


@pytest.mark.sample
@pytest.mark.parametrize(("lost", "title"), [
    (lambda d: None, "a loss on c_n is ignored where none on h_n is given"),
    (lambda d: None if d is None else d * np.tanh(d), "LSTM: gradients are wrong only where d_h_n is not given"),
], ids=["ignored", "bent"])  # fmt: skip
def test_a_cotangent_that_is_not_given_is_a_condition(lost, title):
    class Target:
        capabilities = replace(reference.capabilities, cells=("LSTM",), max_layers=2)
        forward = staticmethod(reference.forward)

        @staticmethod
        def gradients(case, d_output, d_h_n, d_c_n):
            return reference.gradients(case, d_output, d_h_n, d_c_n if d_h_n is not None else lost(d_c_n))

    report = check(Target, properties=["gradients.each_result"], workers=1, in_process=True)
    assert [finding.title for finding in report.diagnosis] == [title]


@pytest.mark.sample
def test_a_condition_holds_for_failures_that_are_not_looked_at():
    """Rows of an x in Fortran order are exchanged, where there are several; gradients of biases are always means."""

    class Target:
        capabilities = Capabilities(max_layers=2, bidirectional=True, gradients=True, default_state=True, no_bias=True)

        @staticmethod
        def forward(case):
            case = as_case(case)
            rows = np.ascontiguousarray(case.x.reshape((-1, case.x.shape[-1]), order="A"))
            return reference.forward(case.replace(x=rows.reshape(case.x.shape)))

        @staticmethod
        def gradients(case, d_output, d_h_n, d_c_n):
            found, (T, N, _) = reference.gradients(case, d_output, d_h_n, d_c_n), case.x.shape
            return {name: array / max(T * N, 1) if name.startswith("bias") else array for name, array in found.items()}

    report = check(
        Target, workers=1, in_process=True,
        properties=[
            "shapes.calls_are_independent", "shapes.memory_layout", "shapes.no_bias", "equivalence.steps",
            "gradients.back_propagation",
        ],
    )  # fmt: skip
    said = [finding.title for finding in report.diagnosis]
    assert "RNN_TANH: results are wrong only with more than one row and where x is not in C order" in said
    assert "RNN_TANH: wrong only with more than one row" not in said


@pytest.mark.sample
@pytest.mark.parametrize("option", ["peepholes", "coupled_gates"])
def test_an_option_is_a_condition(option):
    def target(case):
        case = as_case(case)
        if getattr(case.config, option):
            case = case.map(lambda name, array: 0.75 * array if name == "weight_hh_l0" else array)
        output, *final = (np.asarray(array, case.config.numpy_dtype) for _, array in forward(case).items())
        return output, tuple(final)

    target.capabilities = Capabilities(cells=("LSTM",), options=(option,))
    report = check(target, properties=[f"options.{option}"], workers=1, in_process=True)
    assert [finding.title for finding in report.diagnosis] == [f"LSTM: wrong only with {option.replace('_', ' ')}"]


def test_nothing_is_said_of_what_is_wrong_by_chance():
    chance = np.random.default_rng(0)
    assert not [kind for kind, _ in said(lambda case: chance.random() < 0.5) if kind == "measured.conditions"]


@pytest.mark.sample
def test_a_cell_on_which_no_property_failed_is_asked_about_as_well():
    cells = ("RNN_TANH", "RNN_RELU")
    report = check(
        wrong_where(lambda case: case.config.bidirectional and case.unbatched, cells=cells),
        properties=PROPERTIES, stop_on_first=True, workers=1, in_process=True,
    )  # fmt: skip
    assert len([result for result in report.results if result.status == "failed"]) == 1
    [finding] = report.diagnosis
    assert finding.title == "RNN_TANH, RNN_RELU: wrong only without an axis of rows and in two directions"
    assert not any("wrong where" in line or "all of them" in line for line in report.known)


@pytest.mark.sample
def test_a_dtype_that_only_ends_sooner_is_no_condition():
    """As exp does, which overflows in each of them, in one sooner."""

    def beyond(case):
        return largest(case.x) > {"float32": 8, "float64": 64}[case.config.dtype]

    [(_, title)] = said(beyond)
    assert title == "RNN_TANH: wrong only with numbers of x beyond 8"
