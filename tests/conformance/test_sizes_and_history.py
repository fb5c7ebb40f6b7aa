"""At which sizes it is wrong, and which earlier call changes an answer: what failures show in a sentence."""

from dataclasses import replace

import numpy as np
import pytest

from conformance import Capabilities, check
from conformance.adapters import reference
from conformance.adapters.reference import as_case
from conformance.diagnosis.asking import Bench
from conformance.diagnosis.faulty import FaultyTarget
from conformance.diagnosis.influence import generic
from conformance.diagnosis.instances import keep_apart
from conformance.diagnosis.measured import large
from conformance.diagnosis.probes import answers
from conformance.diagnosis.work import Deadline, Work
from conformance.harness.call import Call
from conformance.harness.family import LINUX
from conformance.harness.load import open_target
from conformance.judging.counterexample import Counterexample
from conformance.judging.subject import Subject
from conformance.trial.runner import stopping
from reference_rnn import Config, Result, case, cell_of, forward

CLAIMS = {"dtypes": ("float32", "float64"), "bidirectional": True, "max_layers": None, "lengths": True}


def told(case, result):
    """What a target returns."""
    output, *final = (np.asarray(array, case.config.numpy_dtype) for _, array in result.items())
    return output, final[0] if len(final) == 1 else tuple(final)


def planted(asked=lambda case: case, cells=("RNN_TANH",), answered=lambda case, result: result):
    """The reference, asked something else, or its results told otherwise."""

    def target(case):
        case = as_case(case)
        return told(case, answered(case, forward(asked(case))))

    target.capabilities = Capabilities(**CLAIMS, cells=cells)
    return target


def without_last_column(case):
    """A case whose last column of the recurrent weights is zero."""
    last = lambda array: np.arange(array.shape[-1]) == array.shape[-1] - 1  # noqa: E731
    return case.map(
        lambda name, array: np.where(last(array), array.dtype.type(0), array) if name == "weight_hh_l0" else array
    )


def doubled_at(step):
    """A change of results: the numbers of one step are twice what they are."""

    def change(case, result):
        output = result.output.copy()
        output[step : step + 1] *= 2
        return Result(output, result.h_n, result.c_n)

    return change


def where(condition, change):
    """A change of cases, where a case is so."""
    return lambda case: change(case) if condition(case) else case


def transposed(case):
    """A case whose input weights, which are square, are transposed."""
    return case.map(lambda name, array: array.T if name == "weight_ih_l0" else array)


def off(result):
    """Results of which the output of the last unit is a little off."""
    output = result.output.copy()
    output[..., -1:] += 0.01
    return Result(output, result.h_n, result.c_n)


MISTAKES = {
    "a multiple": (
        planted(where(lambda case: case.config.hidden_size % 8 == 0, without_last_column)),
        "wrong only where H is a multiple of 8",
    ),
    "from a size on": (planted(answered=doubled_at(40)), "wrong only where T > 40"),
    "a product": (
        planted(where(lambda case: case.num_steps * case.num_rows > 40, without_last_column)),
        "wrong only where T*N > 40",
    ),
    "a product that is no multiple": (
        planted(answered=lambda case, result: off(result) if case.num_rows * case.config.hidden_size % 8 else result),
        "wrong only where N*H is no multiple of 8",
    ),
    "another size": (
        planted(
            where(
                lambda case: case.config.bidirectional and case.num_rows == 2 * case.config.hidden_size,
                without_last_column,
            )
        ),
        "wrong only where N is D*H",
    ),
    "rows in two directions": (
        planted(where(lambda case: case.num_rows > 20 and case.config.bidirectional, without_last_column)),
        "wrong only where there are two directions and N > 20",
    ),
    "as many inputs as all gates": (
        planted(where(lambda case: case.config.input_size == 3 * case.config.hidden_size, transposed), ("GRU",)),
        "wrong only where I is 3*H",
    ),
    "a size of which another one has a part": (
        planted(
            answered=lambda case, result: (
                off(result) if case.num_steps * case.num_rows > 16 and case.num_steps * case.num_rows % 16 else result
            )
        ),
        "wrong only where T*N > 16 and T*N is no multiple of 16",
    ),
    "what two directions give": (
        planted(
            where(lambda case: case.config.num_directions * case.config.hidden_size % 16 == 0, without_last_column)
        ),
        "wrong only where D*H is a multiple of 16",
    ),
}


def sentences(target, *properties):
    """What is measured of a target, by properties that fail."""
    report = check(target, properties=properties, workers=1, in_process=True)
    assert report.verdict == "fails"
    return [(finding.fault, finding.title) for finding in report.diagnosis]


@pytest.mark.sample
@pytest.mark.parametrize(("target", "sentence"), MISTAKES.values(), ids=MISTAKES)
def test_the_sizes_at_which_it_is_wrong(target, sentence, triggers_of):
    assert triggers_of(target, "equivalence.steps", "equivalence.sizes", "equivalence.each_size") == [sentence]


def few_bits(name, array):
    """Weights of eight columns, or a multiple of that, in the bits of tf32."""
    wide = name.startswith("weight") and array.shape[-1] % 8 == 0 and array.dtype == np.float32
    return (array.view(np.uint32) & np.uint32(0xFFFFE000)).view(np.float32) if wide else array


BITS = "W_ih and W_hh are rounded to 11 significant bits, as in float16 and tf32, with 64 inputs and units"


NO_STEP = (lambda case: case.num_steps == 0, lambda case: not case.row_lengths.any())


@pytest.mark.sample
@pytest.mark.parametrize("is_so", NO_STEP, ids=["no steps", "no step of any row"])
def test_it_is_said_that_no_row_has_a_step(is_so, triggers_of):
    def halved(case):
        return case.map(lambda name, a: a / 2 if name == "h_0" else a)

    target = planted(where(is_so, halved))
    target.capabilities = replace(target.capabilities, empty=("time", "length"))
    asked = "equivalence.steps", "time.no_steps", "lengths.length_zero"
    assert triggers_of(target, *asked) == ["wrong only where no row has a step"]


@pytest.mark.sample
def test_gradients_that_are_cut_off_have_no_size_of_their_own(triggers_of):
    target = FaultyTarget(cells=("GRU",))
    right = target.gradients
    target.gradients = lambda case, *d: {name: np.clip(a, -5, 5) for name, a in right(case, *d).items()}
    assert triggers_of(target, "gradients.back_propagation") == []


@pytest.mark.sample
def test_two_sizes_that_are_the_same_need_not_be_wrong_where_they_are_larger():
    target = planted(answered=lambda case, result: off(result) if case.num_steps == case.num_rows <= 4 else result)
    found = sentences(target, "equivalence.steps", "equivalence.sizes")
    assert found == [("measured.trigger", "RNN_TANH: wrong only where T is N")]


@pytest.mark.sample
def test_a_product_of_three_sizes_is_not_taken_for_one_of_two(triggers_of):
    sizes = lambda case: case.num_steps * case.num_rows * case.config.hidden_size  # noqa: E731
    target = planted(answered=lambda case, result: off(result) if sizes(case) % 8 else result)
    (rule,) = triggers_of(target, "equivalence.steps", "equivalence.sizes", "equivalence.each_size")
    assert "is no multiple of 8" in rule and rule.startswith("wrong only where")


@pytest.mark.sample
def test_what_is_kept_of_numbers_is_said_where_it_takes_many_units():
    said = sentences(planted(lambda case: case.map(few_bits)), "equivalence.steps", "equivalence.sizes")
    assert ("measured.precision", f"RNN_TANH: {BITS}") in said
    assert any(fault == "measured.trigger" for fault, _ in said)


def test_many_units_are_not_asked_for_where_few_are_wrong():
    def slipped(name, array):
        return array * 0 if name == "bias_hh_l0" and len(array) == 1 else few_bits(name, array)

    def shown(change):
        subject = Subject(open_target(planted(lambda case: case.map(change))))
        found, leads = large(subject, answers(subject, Work(1000)), subject.capabilities.cells, 1000, Deadline())
        return list(found), [lead.title for of_cell in leads.values() for lead in of_cell]

    found, leads = shown(few_bits)
    assert found == [("precision", BITS)] and "W_ih and W_hh are rounded to 11 significant bits (ties to even)" in leads
    assert shown(slipped) == ([], [])


@pytest.mark.sample
def test_sizes_beside_a_projection_and_without_an_axis_of_rows(triggers_of):
    def tall(case):
        return case.map(lambda name, array: array[:, ::-1] if name == "weight_hr_l0" else array)

    target = planted(where(lambda case: case.config.proj_size and case.config.hidden_size > 5, tall))
    target.capabilities = Capabilities(cells=("LSTM",), projections=True, unbatched=True)
    (rule,) = triggers_of(target, "equivalence.steps")
    assert "there is a projection" in rule and "H > 5" in rule

    def odd(case):
        return case.config.proj_size > 0 and case.config.hidden_size % 2 == 1

    target = planted(answered=lambda case, result: off(result) if odd(case) else result)
    target.capabilities = Capabilities(cells=("LSTM",), projections=True, lengths=True)
    (rule,) = triggers_of(target, "equivalence.steps")
    assert "there is a projection" in rule and "H is no multiple of 2" in rule

    def first_row(case):
        return case.replace(x=0 * case.x)

    target = planted(where(lambda case: case.unbatched and case.num_steps > 4, first_row))
    target.capabilities = Capabilities(unbatched=True)
    [(_, title)] = sentences(target, "equivalence.steps")
    beginning = "RNN_TANH: x in z is left out (RNN_TANH), in some calls: wrong "
    assert title.startswith(beginning) and "T > 4" in title and "there is no batch" in title


@pytest.mark.sample
def test_the_order_in_which_rows_end_is_not_taken_for_their_number():
    def taken_for_sorted(case):
        ends = case.row_lengths
        ordered = (np.diff(ends) <= 0).all() or not len(ends)
        return not ordered and ends[0] == ends.max() and ends[-1] == ends.min()

    said = sentences(planted(where(taken_for_sorted, without_last_column)), "equivalence.steps", "equivalence.sizes")
    assert not [title for _, title in said if " N " in title]


class Keeps:
    """A target that keeps something between calls, in itself."""

    capabilities = Capabilities(**CLAIMS, cells=("RNN_TANH", "RNN_RELU"))

    def __init__(self):
        self.kept = {}

    def forward(self, case):
        return self.answer(as_case(case))


class KeepsBySum(Keeps):
    """Weights with the same sum are taken for the same."""

    def answer(self, case):
        total = float(sum(array.sum(dtype=float) for array in case.parameters.values()))
        parameters = self.kept.setdefault((case.config, total), {k: v.copy() for k, v in case.parameters.items()})
        return reference.forward(case.replace(parameters=parameters))


class KeepsBySizes(Keeps):
    """Weights of which the numbers have the same size in all are taken for the same."""

    def answer(self, case):
        total = float(sum(abs(array).sum(dtype=float) for array in case.parameters.values()))
        parameters = self.kept.setdefault((case.config, total), {k: v.copy() for k, v in case.parameters.items()})
        return reference.forward(case.replace(parameters=parameters))


class KeepsCells(Keeps):
    """The activation is that of the first call of its sizes."""

    def answer(self, case):
        sizes = case.x.shape, case.config.hidden_size, case.config.num_layers, case.config.bidirectional, case.x.dtype
        return reference.forward(case.replace(cell=self.kept.setdefault(sizes, case.config.cell)))


class WearsOut(Keeps):
    """The first four calls are right."""

    def answer(self, case):
        self.kept[len(self.kept)] = True
        output, h_n = reference.forward(case)
        return (2 * output if len(self.kept) > 4 else output), h_n


class AddsUp(Keeps):
    """Gradients of the recurrent weights are those of all calls of their sizes."""

    capabilities = Capabilities(cells=("RNN_TANH",), gradients=True)

    def answer(self, case):
        return reference.forward(case)

    def gradients(self, case, *cotangents):
        found = reference.gradients(case, *cotangents)
        own = found["weight_hh_l0"]
        found["weight_hh_l0"] = self.kept[own.shape] = own + self.kept.get(own.shape, 0)
        return found


class KeepsBiases(Keeps):
    """Without biases those of an earlier call of the same sizes are added."""

    capabilities = Capabilities(**CLAIMS, cells=("RNN_TANH",), no_bias=True)

    def answer(self, case):
        biases = {name: array.copy() for name, array in case.parameters.items() if name.startswith("bias")}
        sizes = replace(case.config, bias=True)
        kept = self.kept.setdefault(sizes, biases) if biases else self.kept.get(sizes, {})
        if kept and not biases:
            case = case.replace(bias=True, parameters=kept | case.parameters)
        return reference.forward(case)


HISTORY = {
    KeepsBySizes: "a call after one with other bias_hh, and the same else, gets the answer of that one",
    KeepsBiases: "a call after one with biases, and the same else, gets the answer of that one",
    AddsUp: "the gradient of weight_hh is added to that of the calls before",
    KeepsBySum: "a call after one with the same parameters in another order",
    KeepsCells: "a call after one with cell RNN_",
    WearsOut: "the same call gives other numbers the 5th time",
}


@pytest.mark.sample
def test_what_is_asked_about_has_no_more_layers_than_are_claimed():
    """So what shows in one dtype alone is said with that, whatever becomes of layers that nobody claims."""

    def target(case):
        case = as_case(case)
        assert case.config.num_layers == 1
        output, h_n = reference.forward(case)
        return (off(Result(output, h_n)).output if case.config.dtype == "float64" else output), h_n

    target.capabilities = Capabilities(cells=("RNN_TANH",), dtypes=("float32", "float64"))
    subject = Subject(open_target(target, in_process=True))
    two = generic(Bench(subject, cell_of("RNN_TANH"), "float64", Work(1)), Config("RNN_TANH", 2, 2, 2), 2, 2)
    assert subject.takes(two.replace(num_layers=1)) and not subject.takes(two)
    [found] = sentences(target, "equivalence.steps")
    assert found == ("measured.trigger", "RNN_TANH: wrong only where the dtype is float64")


@pytest.mark.sample
@pytest.mark.parametrize("target", HISTORY)
def test_which_earlier_call_changes_an_answer(target):
    found = sentences(
        target, "equivalence.steps", "shapes.calls_are_independent", "shapes.repeatable", "gradients.split"
    )
    assert all(fault == "measured.history" for fault, _ in found)
    assert any(HISTORY[target] in title for _, title in found)


class SharesWorkspaces:
    """Several runs are recorded, all in the same arrays: those of the last one."""

    capabilities = Capabilities(cells=("RNN_TANH",), gradients=True)

    def __init__(self):
        self.recorded, self.last = set(), None

    def forward(self, case):
        self.last = as_case(case)
        self.recorded.add(self.last.x.tobytes())
        return reference.forward(case)

    def gradients(self, case, *d):
        case = as_case(case)
        recorded = case.x.tobytes() in self.recorded and self.last.x.shape == case.x.shape
        found = reference.gradients(self.last if recorded and self.last.config == case.config else case, *d)
        return {name: array for name, array in found.items() if name not in ("output", "h_n")}


@pytest.mark.sample
def test_a_recorded_run_that_another_one_overwrites_is_said():
    [(fault, title)] = sentences(SharesWorkspaces, "gradients.calls_are_independent")
    assert fault == "measured.history"
    assert title.startswith("RNN_TANH: a call for gradients, made after one for its results and then for those of one")


class StaysInTraining:
    """What was in training with some p stays there, and what is dropped by chance is so where it was not."""

    capabilities = Capabilities(cells=("RNN_TANH",), dropout=True, max_layers=None)

    def __init__(self):
        self.trained, self.generator = set(), np.random.default_rng(0)

    def forward(self, case):
        case = as_case(case)
        c = case.config
        if case.training:
            self.trained.add(c.dropout)
        shape = (c.num_layers - 1, case.num_steps, case.num_rows, c.num_directions * c.hidden_size)
        kept = self.generator.random(shape) >= c.dropout
        case = case.replace(training=c.dropout in self.trained)
        return told(case, forward(case, masks=list(kept / (1 - c.dropout or 1))))


def test_that_training_does_not_end_is_said():
    [(fault, title)] = sentences(StaysInTraining, "dropout.off_in_evaluation")
    assert fault == "measured.history"
    assert title.startswith("RNN_TANH: a call after one with dropout p = ") and " in training, and the same" in title


def test_chance_is_no_history_and_no_matter_of_sizes():
    chance = np.random.default_rng(0)
    sometimes = planted(where(lambda case: chance.random() < 0.5, without_last_column))
    assert not sentences(sometimes, "equivalence.steps", "shapes.calls_are_independent", "shapes.repeatable")


MODULE = """
import numpy as np
from conformance import Capabilities
from conformance.adapters.reference import as_case, forward as right

capabilities = Capabilities(lengths=True)
kept = {}


def forward(case):
    case = as_case(case)
    if case.lengths is None:
        return right(case)
    key = case.x.shape, int(np.sum(case.lengths))
    return right(case.replace(lengths=kept.setdefault(key, np.array(case.lengths))))
"""


@pytest.mark.sample
def test_what_a_module_keeps_is_found_in_new_processes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_rnn.py").write_text(MODULE)
    report = check("my_rnn.py", properties=("shapes.calls_are_independent",), workers=1, in_process=False)
    assert report.verdict == "fails"
    [finding] = report.diagnosis
    assert finding.fault == "measured.history"
    assert finding.title.startswith("RNN_TANH: a call after one with lengths in another order")


UNSIGNED = """
import numpy as np
from conformance import Capabilities
from conformance.adapters.reference import as_case, forward as right

capabilities = Capabilities(lengths=True, default_state=True)
plans = {}


def forward(case):
    case = as_case(case)
    if case.lengths is None:
        return right(case)
    plan = np.minimum(case.lengths, 1) if case.lengths.dtype.kind == "u" else case.lengths.copy()
    return right(case.replace(lengths=plans.setdefault(tuple(case.lengths.tolist()), plan)))
"""


@pytest.mark.sample
def test_what_a_module_keeps_that_a_new_process_does_not_is_found_in_copies(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_rnn.py").write_text(UNSIGNED)
    report = check("my_rnn.py", properties=("equivalence.steps", "shapes"), workers=1, in_process=False)
    assert report.verdict == "fails"
    [finding] = report.diagnosis
    after = "a call after one with lengths of uint8, lengths of uint64 or lengths of uint32, and the same else"
    assert finding.title == f"RNN_TANH: {after}, gets another answer"


ZEROS = """
import numpy as np
from conformance import Capabilities
from conformance.adapters.reference import as_case, forward as right

capabilities = Capabilities(cells=("GRU",), default_state=True)
zeros = {}


def forward(case):
    case = as_case(case)
    if case.h_0 is not None:
        return right(case)
    shape = case.config.num_layers, case.num_rows, case.config.hidden_size
    h_0 = zeros.setdefault((shape, case.x.dtype), np.zeros(shape, case.x.dtype))
    output, h_n = right(case.replace(h_0=h_0))
    h_0[...] = h_n
    return output, h_n
"""


@pytest.mark.sample
def test_a_failure_that_shows_nothing_alone_is_asked_about_with_other_numbers(tmp_path, monkeypatch):
    """Its numbers are zeros, which others before it had moved."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_rnn.py").write_text(ZEROS)
    report = check("my_rnn.py", properties=("shapes.repeatable",), workers=1, in_process=False)
    [finding] = report.diagnosis
    before = "starts from the final state of the call before that had none either"
    assert finding.title == f"GRU: a call without an initial state {before}"


def test_instances_are_kept_apart_by_other_numbers_where_those_of_a_failure_are_zeros(tmp_path):
    (tmp_path / "my_rnn.py").write_text(ZEROS)
    asked = case("GRU", T=1, N=2, I=1, H=3)
    found = Counterexample(
        "shapes.repeatable", "", "value:output", asked, 2 * (Call("forward", asked),), compared=(0, 1)
    )
    with stopping(open_target(str(tmp_path / "my_rnn.py"))) as target:
        keep_apart(Subject(target, anew=True), [found], Work(500))
        assert target.copying is LINUX


SCRATCH = """
import numpy as np
from conformance import Capabilities
from conformance.adapters.reference import as_case, forward as right

capabilities = Capabilities(dtypes=("float32", "float64"))
scratch = {}


def forward(case):
    output, h_n = right(case)
    if output.dtype == np.float32:
        scratch["dtype"] = output.dtype
    return output.astype(scratch.get("dtype", output.dtype)).astype(output.dtype), h_n
"""


def test_instances_are_kept_apart_where_what_failed_is_right_without_other_calls(tmp_path):
    """It is right in a new process, if that is asked; else in a copy, after calls in another dtype."""
    (tmp_path / "my_rnn.py").write_text(SCRATCH)
    asked = case("RNN_TANH", T=1, N=1, I=1, H=1, x=1, bias_hh_l0=1, h_0=1, dtype="float64")
    found = Counterexample("equivalence.steps", "", "value:output", asked, (Call("forward", asked),), compared=(0,))
    for one in (found, replace(found, demand="numbers")):
        with stopping(open_target(str(tmp_path / "my_rnn.py"))) as target:
            keep_apart(Subject(target, anew=True), [one], Work(500))
            assert target.copying is LINUX


RIGHT = "from conformance import Capabilities\nfrom conformance.adapters.reference import forward\n"
CLAIMED = "capabilities = Capabilities(lengths=True, default_state=True)\n"


@pytest.mark.sample
@pytest.mark.parametrize(
    ("text", "apart"), [(UNSIGNED, True), (RIGHT + CLAIMED, False)], ids=["keeps", "keeps nothing"]
)
def test_instances_are_kept_apart_where_what_they_share_makes_answers_wrong(tmp_path, text, apart):
    (tmp_path / "my_rnn.py").write_text(text)
    with stopping(open_target(str(tmp_path / "my_rnn.py"))) as target:
        subject = Subject(target, anew=True)
        asked = case("RNN_TANH", T=3, N=2, I=1, H=2, weight_ih_l0=1, x=1, lengths=[3, 2], lengths_dtype="uint8")
        found = Counterexample("equivalence.steps", "", "value:output", asked, (Call("forward", asked),), compared=(0,))
        keep_apart(subject, [found], Work(0))  # which no calls are left for
        assert not target.copying
        keep_apart(subject, [found], Work(500))
        assert target.copying is (apart and LINUX)


BIASES = """
from conformance import Capabilities
from conformance.adapters import reference

capabilities = Capabilities(gradients=True, dtypes=("float32", "float64"))
kept = {}


def asked(case):
    case = reference.as_case(case)
    key = case.config, b"".join(a.tobytes() for name, a in case.parameters.items() if name.startswith("weight"))
    return case.replace(parameters=kept.setdefault(key, {name: a.copy() for name, a in case.parameters.items()}))


def forward(case):
    return reference.forward(asked(case))


def gradients(case, *d):
    return reference.gradients(asked(case), *d)
"""


@pytest.mark.sample
def test_a_failure_that_moves_when_calls_are_left_out_is_shown_with_all_of_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_rnn.py").write_text(BIASES)
    ids = ("shapes.calls_are_independent", "gradients.memory_layout")
    report = check("my_rnn.py", properties=ids, workers=1, in_process=False, saved=True)
    assert report.verdict == "fails" and not any("mistake of this kit" in note for note in report.notes)
    [finding] = report.diagnosis
    assert finding.fault == "measured.history"
    assert finding.title == "RNN_TANH: bias_ih and bias_hh of an earlier call of the same sizes are used again"
    first = next(result for result in report.results if result.id == "shapes.calls_are_independent")
    assert "without any call before" not in first.message


@pytest.mark.sample
def test_a_mistake_in_confirming_costs_no_verdict(tmp_path, monkeypatch):
    def mistaken(*_):
        raise ZeroDivisionError("a mistake")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("conformance.trial.runner.confirm_all", mistaken)
    (tmp_path / "my_rnn.py").write_text("def forward(case):\n    return 2 * case.x, case.h_0\n")
    report = check("my_rnn.py", properties=("equivalence.steps",), workers=1, saved=True)
    assert report.verdict == "fails"
    undone = "counterexamples were not confirmed by another process, for a mistake of this kit"
    assert f"{undone}: ZeroDivisionError: a mistake" in report.notes


@pytest.mark.sample
def test_what_numbers_cannot_tell_is_not_called_right_in_a_new_process(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_rnn.py").write_text("def forward(case):\n    return case.x[:-1], case.h_0.copy()\n")
    report = check("my_rnn.py", properties=("shapes.calls_are_independent",), workers=1, in_process=False)
    [result] = report.results
    assert result.found["demand"] == "shapes" and result.message.endswith("; it is wrong without any call before, too")
