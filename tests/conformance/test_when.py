"""When a cell is wrong: the rule that is true of all calls that are, and of no call like one of them that is not."""

from dataclasses import replace

import numpy as np
import pytest

from conformance import Capabilities, check
from conformance.adapters import reference
from conformance.adapters.reference import as_case
from conformance.diagnosis.features import largest
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


RULES = {
    "only where there are no biases": lambda case: not case.config.bias,
    "only where lengths are of uint8": lambda case: case.lengths is not None and case.lengths.dtype == np.uint8,
    "only where lengths are unsigned integers": lambda case: (
        case.lengths is not None and case.lengths.dtype.kind == "u"
    ),
    "only where lengths are given": lambda case: case.lengths is not None,
    "only where a length is 0 and rows end at different steps": lambda case: 0 in case.row_lengths,
    "only where rows end at different steps": lambda case: len({*case.row_lengths}) > 1,
    "only where all rows end at the same step, before T": end_together,
    "only where x lies backwards in memory": lambda case: case.x.strides[0] < 0,
    "only where a weight_hh is read-only": lambda case: not case.parameters["weight_hh_l0"].flags.writeable,
    "only where a number is beyond 4": lambda case: max(map(largest, (array for _, array in case.arrays()))) > 4,
    "only where lengths are given and there are zeros in x": lambda case: (
        case.lengths is not None and (case.x == 0).any()
    ),
    "only where dropout is set and it is training": lambda case: case.training and case.config.dropout > 0,
    "only where there is no batch": lambda case: case.unbatched,
    "only where no initial state is given and the batch comes first": lambda case: (
        case.config.batch_first and case.h_0 is None
    ),
    "only where I = 7 and H = 7": lambda case: case.config.input_size == case.config.hidden_size == 7,
    "only where I is a multiple of 4 and H is a multiple of 4": lambda case: (
        case.config.input_size % 4 == 0 and case.config.hidden_size % 4 == 0
    ),
}


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
@pytest.mark.parametrize("rule", RULES)
def test_the_rule_is_said(rule, triggers_of):
    assert triggers_of(wrong_where(RULES[rule]), *PROPERTIES) == [f"wrong {rule}"]


NUMBERS = {
    "a large result": lambda case: np.abs(forward(case).output).max(initial=0) > 0.9,
    "a positive sum": lambda case: case.x.sum() > 0,
    "a positive number": lambda case: case.x.size > 0 and case.x.flat[0] > 0,
    "large weights": lambda case: np.linalg.norm(case.parameters["weight_hh_l0"]) > 3,
    "rows alike": lambda case: case.num_rows > 1 and bool((case.x[:, :1] == case.x).all()),
}


@pytest.mark.sample
@pytest.mark.parametrize("words", NUMBERS)
def test_what_depends_on_numbers_is_not_laid_to_sizes(words, triggers_of):
    """Either nothing is said, or what is true of other calls, which is what ``triggers_of`` demands."""
    target = wrong_where(NUMBERS[words], batch_first=False, unbatched=False)
    assert all(rule.startswith("wrong only where") for rule in triggers_of(target, *PROPERTIES))


@pytest.mark.sample
@pytest.mark.parametrize(("form", "is_so"), [
    ("without an axis of rows", lambda case: case.unbatched),
    ("with dropout, outside training", lambda case: case.config.dropout and not case.training),
])  # fmt: skip
def test_what_is_wrong_in_some_forms_alone_is_measured_in_these(form, is_so):
    told = f"RNN_TANH: the unit reads 0.5 W_hh h where it must read W_hh h, {form}"
    assert ("measured.curve", told) in said(is_so)


@pytest.mark.sample
@pytest.mark.parametrize(("one", "other"), [
    ("there is no batch", "x lies backwards in memory"), ("there are no biases", "lengths are of uint8"),
])  # fmt: skip
def test_of_two_mistakes_both_are_said(one, other, triggers_of):
    either = [RULES[f"only where {words}"] for words in (one, other)]
    (rule,) = triggers_of(wrong_where(lambda case: any(is_so(case) for is_so in either)), *PROPERTIES)
    assert "either" in rule and one in rule and other.removeprefix("x ") in rule  # which is one of all arrays


def test_what_large_calls_need_not_have_is_an_alternative(triggers_of):
    odd = lambda case: (case.lengths is not None and {*case.row_lengths} == {1}) or case.num_rows > 6  # noqa: E731
    (rule,) = triggers_of(wrong_where(odd), *PROPERTIES)
    assert "N > 6" in rule and "either" in rule


@pytest.mark.sample
def test_what_raises_without_rows_is_asked_about_too():
    def raises(case):
        if case.lengths is not None and not case.x.flags.writeable:
            raise ValueError("read-only")
        return False

    [(_, title)] = said(raises)
    assert "raised ValueError: read-only" in title and "where lengths are given and" in title


@pytest.mark.sample
def test_where_a_shape_is_dear_rows_are_not_taken_for_steps():
    sizes = {"steps": (2,), "batch": (3,), "input_size": (2,), "hidden_size": (3,)}
    claims = {"recompiles": True, "sizes": sizes, "empty": False, "unbatched": False}
    words = said(lambda case: case.config.batch_first, "shapes.batch_first", **claims)
    assert not any("row" in title for _, title in words)


@pytest.mark.sample
def test_a_memory_layout_is_not_taken_for_a_direction():
    words = said(lambda case: layout_of(case.h_0) == "strided", "shapes.memory_layout", default_state=False)
    assert words == [("measured.trigger", "RNN_TANH: wrong only where h_0 is strided, with gaps in memory")]


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
    assert found == [("measured.trigger", f"RNN_TANH: wrong only where {words}")]


@pytest.mark.sample
@pytest.mark.parametrize(("lost", "title"), [
    (lambda d: None, "a loss on c_n is ignored, in some calls: gradients are wrong only where d_h_n is not given"),
    (lambda d: None if d is None else d * np.tanh(d), "gradients are wrong only where d_h_n is not given"),
], ids=["ignored", "bent"])  # fmt: skip
def test_a_cotangent_that_is_not_given_is_a_condition(lost, title):
    class Target:
        capabilities = replace(reference.capabilities, cells=("LSTM",), max_layers=2)
        forward = staticmethod(reference.forward)

        @staticmethod
        def gradients(case, d_output, d_h_n, d_c_n):
            return reference.gradients(case, d_output, d_h_n, d_c_n if d_h_n is not None else lost(d_c_n))

    report = check(Target, properties=["gradients.each_result"], workers=1, in_process=True)
    assert [finding.title for finding in report.diagnosis] == [f"LSTM: {title}"]


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
    assert "RNN_TANH: results are wrong only where N > 1 and an array is Fortran-ordered" in said
    assert "RNN_TANH: wrong only where N > 1" not in said


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
    words = {"peepholes": "there are peepholes", "coupled_gates": "gates are coupled"}[option]
    assert [finding.title for finding in report.diagnosis] == [f"LSTM: wrong only where {words}"]


def test_nothing_is_said_of_what_is_wrong_by_chance():
    chance = np.random.default_rng(0)
    assert not [kind for kind, _ in said(lambda case: chance.random() < 0.5) if kind == "measured.trigger"]


@pytest.mark.sample
def test_a_cell_on_which_no_property_failed_is_asked_about_as_well():
    cells = ("RNN_TANH", "RNN_RELU")
    report = check(
        wrong_where(lambda case: case.config.bidirectional and case.unbatched, cells=cells),
        properties=PROPERTIES, stop_on_first=True, workers=1, in_process=True,
    )  # fmt: skip
    assert len([result for result in report.results if result.status == "failed"]) == 1
    [finding] = report.diagnosis
    assert finding.title == "RNN_TANH, RNN_RELU: wrong only where there are two directions and there is no batch"
    assert not any("wrong where" in line or "all of them" in line for line in report.known)


@pytest.mark.sample
def test_a_dtype_that_only_ends_sooner_is_no_condition():
    """As exp does, which overflows in each of them, in one sooner."""

    def beyond(case):
        return largest(case.x) > {"float32": 8, "float64": 64}[case.config.dtype]

    [(_, title)] = said(beyond)
    assert title == "RNN_TANH: wrong only where a number of x is beyond 8"
