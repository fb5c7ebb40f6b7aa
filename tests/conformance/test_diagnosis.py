"""The mistake is named: single faults, pairs, shapes, what is random; else what is known is said."""

import re
import runpy
import time
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

import reference_rnn
from conformance import Capabilities, check, from_cell
from conformance.adapters import question, reference
from conformance.chapters import catalogue
from conformance.diagnosis.alike import same_failure, without_numbers
from conformance.diagnosis.diagnosis import diagnose
from conformance.diagnosis.faulty import FaultyTarget
from conformance.diagnosis.localisation import FEWEST, facts, silent
from conformance.diagnosis.partly import in_some_calls, partly, partly_in_some_calls, where_numbers
from conformance.diagnosis.probes import Answered, Fresh, Probe, answers
from conformance.diagnosis.search import HABIT, Among, Search, spread
from conformance.diagnosis.work import Deadline, Work
from conformance.faults import FAULTS, FaultyReference
from conformance.faults.patching import Fault
from conformance.faults.within import within
from conformance.harness.load import open_target
from conformance.judging.judge import PropertyResult
from conformance.judging.oracle import Failure
from conformance.judging.subject import Subject
from conformance.report import terminal, wording
from reference_rnn import Case, Config, arithmetic, cell_of, forward, result_shapes
from reference_rnn.cell import KINDS
from strategies.cases import Allowed
from strategies.covering import covering

PARAMETERS = {f"{kind}_l0": np.ones((1, 1)[: 2 - kind.startswith("b")]) for kind in KINDS[:4]}
RIGHT = Path(__file__).parent.parent / "targets" / "right"

# A sample over every file of the catalogue; benchmarks/diagnosis.py tries them all.
SINGLE = (
    "recurrent-weights-transposed-tanh", "tanh-for-relu", "gates-zrn-after", "reset-before-for-after",
    "update-inverted-before", "gates-igfo", "forget-bias-of-one", "projection-squashed", "cell-state-ignored",
    "reverse-runs-forward", "final-states-by-direction", "lengths-off-by-one", "third-layer-is-the-second",
    "default-state-is-one", "strides-ignored", "tanh-swallows-nan", "truncated", "reset-missing-in-gradient",
    "cell-gradient-not-carried",
)  # fmt: skip
PAIRS = (
    ("input-bias-dropped-tanh", "reverse-runs-forward"),
    ("gates-ifog", "final-states-swapped"),
    ("update-inverted-after", "candidate-bias-missing"),
    ("forget-bias-of-one", "output-bias-dropped"),
)


def named(*faults):
    """The ids that a diagnosis names exactly for a reference with these faults."""
    cells = set.intersection(*(set(fault.cells) for fault in faults))
    target = FaultyTarget(*faults, cells=tuple(cells & {"RNN_TANH", "LSTM"} or cells))
    found = diagnose(open_target(target), catalogue()).findings
    return {finding.fault for finding in found if finding.exact}


@pytest.mark.sample
@pytest.mark.parametrize("id", SINGLE)
def test_a_single_mistake_is_named(id):
    fault = FAULTS[id]
    assert named(fault) == {id}


@pytest.mark.parametrize("ids", PAIRS, ids="+".join)
@pytest.mark.sample
def test_two_mistakes_are_named_together(ids):
    assert named(*(FAULTS[id] for id in ids)) == set(ids)


def test_nothing_is_said_about_what_conforms():
    report = check(reference, properties=["equivalence.steps"])
    assert report.verdict == "conforms" and not report.diagnosis and not report.known


def sigmoid(z):
    return 1 / (1 + np.exp(-np.clip(z, -60, 60)))


def hard_sigmoid(z):
    return np.clip(z / 5 + 0.5, 0, 1)


def lstm(x, state, p, forget=0.0, leak=0.0, gate=sigmoid):
    h, c = state
    z = x @ p["weight_ih"].T + p["bias_ih"] + h @ p["weight_hh"].T + p["bias_hh"]
    i, f, g, o = np.split(z, 4, -1)
    c = gate(f + forget) * c + sigmoid(i) * np.tanh(g)
    return (sigmoid(o) * np.tanh(c) + leak).astype(x.dtype), c.astype(x.dtype)


def test_a_mistake_that_somebody_else_made_is_named_in_the_report():
    report = check(from_cell(lambda x, s, p: lstm(x, s, p, forget=1.0), "LSTM"), properties=["equivalence.steps"])
    (finding,) = report.diagnosis
    assert finding.fault == "forget-bias-of-one" and finding.exact
    assert finding.explains == finding.telling > 10
    assert finding.patch.splitlines()[1].startswith("+f = sigmoid(")


@pytest.mark.sample
def test_a_curve_that_was_measured_is_a_change_of_the_text():
    hard = from_cell(lambda x, s, p: lstm(x, s, p, gate=hard_sigmoid), "LSTM")
    (finding,) = check(hard, properties=["equivalence.steps"]).diagnosis
    assert finding.exact and finding.title == "the activation of gate f is a hard sigmoid, z / 5 + 1/2 (LSTM)"
    assert finding.patch.splitlines() == [
        "-    f = sigmoid(affine(x, F.W_ih, h, F.W_hh, F.b_ih, F.b_hh))",
        "+    f = (lambda z: np.clip(z / 5 + 0.5, 0, 1))(affine(x, F.W_ih, h, F.W_hh, F.b_ih, F.b_hh))",
    ]


def searched(target):
    """The search for the mistakes of a target of one cell."""
    subject = Subject(open_target(target), anew=True)
    answered = answers(subject, Work(1000))
    (cell,) = subject.capabilities.cells
    return Search(answered, cell, (), Work(20_000), Fresh(subject, answered, Deadline()))


def test_what_a_mistake_gives_is_worked_out_once():
    search = searched(from_cell(lambda x, s, p: lstm(x, s, p, forget=1.0), "LSTM"))
    fault, wrong = FAULTS["forget-bias-of-one"], next(a for a in search.climbed if not a.right)
    given = search.given((fault,), wrong)
    left = search.work.left
    assert given == wrong.count == search.given((fault,), wrong) and search.work.left == left
    among = Among(search, lambda a: a is wrong)
    assert among.given((fault,), wrong) == given and among.work.left == among.budget
    others = [other for other in FAULTS.values() if other.about(search.cell) and not other.backward_only][:8]
    assert any(search.given((other,), wrong) < given for other in others) and search.work.left < left


def test_a_mistake_in_a_part_of_a_network_is_made_everywhere_in_one_that_is_that_part():
    search = searched(FaultyTarget(cells=("GRU",)))
    fault = FAULTS["update-inverted-after"]
    forwards, backwards = (
        next(one for one in within([fault]) if one.within == part)
        for part in ("the forward direction", "the reverse direction")
    )
    with_lengths, without = (
        next(
            a
            for a in search.climbed
            if (a.probe.case.lengths is not None) is ragged and not has_two_directions(a.probe.case)
        )
        for ragged in (True, False)
    )
    assert search.as_made((forwards,), without) == (fault,) and search.as_made((backwards,), without) == ()
    assert search.as_made((forwards, HABIT), with_lengths) == (fault, HABIT)
    assert search.as_made((forwards, HABIT), without) == (fault,)  # where there are no lengths it is none
    other = FAULTS["final-states-by-direction"]  # may change what is a part
    assert search.as_made((forwards, other), without) == (forwards, other)


def test_what_cancels_in_a_dtype_is_no_mistake_of_its_own():
    fault = FAULTS["reset-product-unreset"]
    case = next(covering(Allowed(cells=("GRU_RESET_BEFORE",))))
    d = {f"d_{name}": np.ones(shape.sizes) for name, shape in result_shapes(case).items()}
    single, double = (FaultyReference(fault, dtype=dtype).gradients(case, **d) for dtype in ("float32", "float64"))
    assert single["weight_hh_l0"].dtype == "float32"
    assert all(np.allclose(array, double[name], 1e-3, 1e-4) for name, array in single.items())
    assert any((array != double[name]).any() for name, array in single.items())


@pytest.mark.sample
def test_what_was_measured_may_be_made_in_some_calls():
    line = "z = sigmoid(affine(x, Z.W_ih, h, Z.W_hh, Z.b_ih, Z.b_hh))"
    hard = Fault("hard", "a hard gate", "cell-variant", "gru", line, f"{line}\n    z = np.clip(z, 0.4, 0.6)", ())
    wrong = FaultyTarget(hard, cells=("GRU",))

    def target(case):
        return (wrong.forward if case.config.batch_first else reference.forward)(case)

    target.capabilities = Capabilities(cells=("GRU",), batch_first=True)
    search = searched(target)
    assert in_some_calls(search) is None
    search.leads = [hard]
    assert in_some_calls(search).title == "a hard gate, in some calls"


def test_a_mistake_that_gives_no_number_is_not_taken_for_one_that_does():
    def target(case):
        case = reference.as_case(case)
        turned = case.map(lambda name, array: array.T if name.startswith("weight_hh") else array)
        return reference.forward(case if case.config.bias else turned)

    target.capabilities = Capabilities(cells=("RNN_TANH",), no_bias=True)
    search, lost = searched(target), FAULTS["no-bias-is-an-error"]
    wrong = [a for a in search.climbed if not a.right]
    assert wrong and all(np.isnan(array).all() for array in search.answer((lost,), wrong[0]).values())
    assert not any(search.given((lost,), a) == a.count for a in wrong)


class LosesStates(FaultyTarget):
    """A known mistake, and a row without steps ends in another state than its initial one."""

    def __init__(self, *faults, cells, where=lambda case: (case.row_lengths == 0) & (case.num_steps > 0)):
        super().__init__(*faults, cells=cells)
        answer = self.forward

        def forward(case):
            output, h_n = answer(case)
            lost = where(reference.as_case(case))
            return output, np.where(np.broadcast_to(lost, h_n.shape[-2:-1])[:, None], h_n.dtype.type(0.25), h_n)

        self.forward = forward


OUTSIDE = FAULTS["candidate-bias-outside-reset"]


@pytest.mark.sample
def test_a_mistake_beside_one_without_a_name_is_said_with_where_it_is_not_all():
    finding = partly(searched(LosesStates(OUTSIDE, cells=("GRU",))))
    assert finding.title == "b_hn is added outside the reset product; where a length is 0, it is wrong in another way"
    assert 0 < finding.explains < finding.telling and finding.patch == OUTSIDE.patch()
    told = partly(searched(LosesStates(OUTSIDE, cells=("GRU",))), lambda fault, feature: f"{fault.id}, {feature}")
    assert told.title == f"{finding.title}: {OUTSIDE.id}, a length is 0"


def test_a_mistake_that_is_not_made_in_some_calls_is_said_with_which():
    forwards = FaultyTarget(OUTSIDE, cells=("GRU",))
    wrong, right = forwards.forward, reference.forward
    forwards.forward = lambda case: (right if case.config.bidirectional else wrong)(case)
    finding = partly(searched(forwards))
    assert finding.title == "b_hn is added outside the reset product, but not where there are two directions"
    assert finding.explains == finding.telling and finding.patch == OUTSIDE.patch()


def test_a_second_mistake_beside_one_that_is_not_always_made_is_said_too():
    forwards = FaultyTarget(OUTSIDE, cells=("GRU",))
    wrong, right = forwards.forward, reference.forward

    def forward(case):
        output, h_n = (right if case.config.bidirectional else wrong)(case)
        return (output, 2 * h_n) if case.config.bidirectional and 0 in case.row_lengths else (output, h_n)

    forwards.forward = lambda case: forward(reference.as_case(case))
    finding = partly(searched(forwards), lambda fault, feature: "of what is right nothing is measured beside it")
    elsewhere = "where there are two directions, it is right, or wrong in another way"
    assert finding.title == f"b_hn is added outside the reset product; {elsewhere}"


def sometimes(where, *faults, cell="GRU"):
    """A target that makes mistakes in some calls: each of these where a case is so."""
    target = FaultyTarget(cells=(cell,))
    wrong = [FaultyTarget(fault, cells=(cell,)) for fault in faults]

    def chosen(case):
        return next((one for is_so, one in zip(where, wrong) if is_so(reference.as_case(case))), reference)

    target.forward = lambda case: chosen(case).forward(case)
    target.gradients = lambda case, *d: chosen(case).gradients(case, *d)
    return target


def is_one_row(case):
    return case.num_rows == 1


def is_two_rows(case):
    return case.num_rows == 2


def has_two_directions(case):
    return case.config.bidirectional


@pytest.mark.sample
def test_a_mistake_that_is_made_in_some_calls_alone_is_said_with_its_diff_and_with_when():
    report = check(sometimes([is_one_row], OUTSIDE), workers=1)
    [finding] = report.diagnosis
    when = "wrong only where there are biases and N = 1"
    assert finding.title == f"GRU: b_hn is added outside the reset product, in some calls: {when}"
    assert finding.fault == "measured.partly"  # and no name: in other calls it does not give the numbers
    assert "some of your numbers are those of the reference with this change" in "".join(
        wording.diagnosis_lines(report)
    )
    assert finding.patch == OUTSIDE.patch() and finding.explains == finding.telling > FEWEST


@pytest.mark.parametrize("only_in_some", [False, True])
def test_no_part_of_a_network_is_searched_for_what_is_wrong_in_some_calls_alone(only_in_some):
    unknown = FaultyTarget(cells=("GRU",))
    unknown.forward = lambda case: [array + array.dtype.type(1 / 64) for array in reference.forward(case)]
    said = []
    target = sometimes([is_one_row], OUTSIDE) if only_in_some else unknown
    diagnose(open_target(target), catalogue(), progress=said.append)
    assert ("looking at each layer, direction and step" in said) is not only_in_some


def has_states(case):
    return case.h_0 is not None


@pytest.mark.sample
def test_a_mistake_that_is_made_in_two_forms_at_once_is_not_named_as_one_of_a_single_form():
    """What is always made would show without an initial state, too, which not every way to ask for it has."""
    fault = FAULTS["batch-first-ignored"]
    [finding] = check(sometimes([has_states], fault), properties=["equivalence.steps"], workers=1).diagnosis
    assert finding.title == "with T = N and with h_0, x is taken to have time first"  # for other T and N it raises
    [finding] = check(sometimes([bool], fault), properties=["equivalence.steps"], workers=1).diagnosis
    assert finding.fault == fault.id


def test_what_is_dropped_of_a_number_that_is_none_is_asked_of_nobody():
    subject = Subject(open_target(FaultyTarget(FAULTS["update-inverted-after"], cells=("GRU",))), anew=True)
    fresh = Fresh(subject, (), Deadline())(cell_of("GRU"), forward_wrong=True)
    asked = [a.probe.case for a in fresh]
    dropped = [case for case in asked if case.training and case.config.dropout == 1]
    assert dropped and all(np.isfinite(array).all() for case in dropped for _, array in case.arrays())
    assert any(not np.isfinite(case.x).all() for case in asked)


@pytest.mark.parametrize("forward_wrong", [False, True])
def test_fresh_calls_are_asked_for_in_each_two_ways_at_once(forward_wrong):
    subject = Subject(open_target(FaultyTarget(cells=("LSTM",))), anew=True)
    asked = [a.probe.case for a in Fresh(subject, (), Deadline())(cell_of("LSTM"), forward_wrong)]
    ways = {
        "no states": lambda case: case.h_0 is None,
        "batch_first": lambda case: case.config.batch_first,
        "unbatched": lambda case: case.unbatched,
        "dropout that is off": lambda case: case.config.dropout > 0 and not case.training,
        "lengths": lambda case: case.lengths is not None,
        "two directions": lambda case: case.config.bidirectional,
        "layers": lambda case: case.config.num_layers > 1,
        "no biases": lambda case: not case.config.bias,
        "many steps": lambda case: case.num_steps > 4,
        **({"p = 1": lambda case: case.training and case.config.dropout == 1} if forward_wrong else {}),
    }
    never = {("batch_first", "unbatched"), ("unbatched", "lengths"), ("dropout that is off", "p = 1")}
    for one, other in combinations(ways, 2):
        seen = sum(ways[one](case) and ways[other](case) for case in asked)
        assert seen >= 3 or (one, other) in never, (one, other, seen)


def test_a_mistake_is_said_beside_one_that_gives_no_number():
    fault = FAULTS["update-inverted-after"]
    overflows = FaultyTarget(fault, cells=("GRU",))
    wrong = overflows.forward

    def forward(case):
        output, h_n = wrong(case)
        given = reference.as_case(case)
        return output + (np.nan if abs(given.x).max(initial=0) > 4 else 0), h_n

    overflows.forward = forward
    finding = where_numbers(searched(overflows))
    assert finding.title == f"{fault.title}; where it gives no number, it is wrong in another way"
    assert finding.patch == fault.patch()
    assert where_numbers(searched(FaultyTarget(fault, cells=("GRU",)))) is None


@pytest.mark.sample
def test_a_mistake_of_the_way_back_in_some_calls_is_said():
    fault = FAULTS["reset-missing-in-gradient"]
    finding = in_some_calls(searched(sometimes([has_two_directions], fault)))
    assert finding.title == f"{fault.title}, in some calls"


def test_of_two_mistakes_that_are_made_in_some_calls_one_is_said_and_where_the_other_shows():
    other = FAULTS["update-inverted-after"]
    finding = partly_in_some_calls(searched(sometimes([has_two_directions, is_one_row], other, OUTSIDE)))
    where = "in some calls; where there are two directions, it is right, or wrong in another way"
    assert finding.title == f"{OUTSIDE.title}, {where}" and finding.patch == OUTSIDE.patch()
    finding = partly_in_some_calls(searched(sometimes([is_one_row, is_two_rows], OUTSIDE, other)))
    assert finding.title == f"{OUTSIDE.title}, in some calls; where N > 1, it is right, or wrong in another way"


@pytest.mark.sample
def test_what_no_one_mistake_gives_in_some_calls_has_no_sentence():
    other = FAULTS["update-inverted-after"]
    assert in_some_calls(searched(sometimes([is_one_row, has_two_directions], OUTSIDE, other))) is None
    assert in_some_calls(searched(FaultyTarget(cells=("GRU",)))) is None
    assert in_some_calls(searched(LosesStates(cells=("GRU",)))) is None
    assert partly_in_some_calls(searched(LosesStates(cells=("GRU",)))) is None


def test_what_is_wrong_by_nan_alone_has_no_sentence():
    """Whatever reads the padding of a row gives NaN where that is NaN."""

    def is_padded_with_nan(case):
        return case.lengths is not None and bool(np.isnan(case.x).any())

    assert in_some_calls(searched(sometimes([is_padded_with_nan], FAULTS["lengths-ignored"]))) is None


@pytest.mark.sample
def test_nothing_is_said_of_what_is_wrong_too_where_that_is_seldom_seen():
    once = []

    def first_of_its_size(case):
        seldom = case.x.shape[-1] == 3 and case.config.hidden_size > 8 and not once
        once.extend([case] if seldom else [])
        return seldom

    assert partly(searched(LosesStates(OUTSIDE, cells=("GRU",), where=first_of_its_size))) is None


def test_rounding_may_move_each_number_as_far_as_it_moves_others():
    probe = Answered(Probe(small()), {}, dict(forward(small()).items()), arithmetic("float32"))
    room = spread({"h_n": np.ones(2)}, [{"h_n": np.array([1.0, 1 + 2.0**-20])}], probe)["h_n"]
    assert (room - probe.widest("h_n")).tolist() == pytest.approx([2.0**-20, 2.0**-15])


def test_no_mistake_is_said_where_nothing_tells_its_numbers_from_the_others():
    assert partly(searched(LosesStates(OUTSIDE, cells=("GRU",), where=lambda case: case.x.size % 2 == 0))) is None
    assert partly(searched(LosesStates(cells=("GRU",)))) is None
    assert partly(searched(FaultyTarget(cells=("GRU",)))) is None


def test_what_is_alike_is_wrong_in_the_same_places_and_in_no_other():
    half = searched(from_cell(lambda x, s, p: lstm(x, s, p, forget=0.5), "LSTM"))
    assert "forget-bias-of-one" in {fault.id for fault in half.alike()}

    def rows(case):  # wrong in the second row alone, as no known mistake is
        output, h_n = reference.forward(case)
        return output + 0.01 * (np.arange(output.shape[1]) == 1)[:, None].astype(output.dtype), h_n

    rows.capabilities = Capabilities()
    assert searched(rows).alike() == []


@pytest.mark.sample
def test_each_cell_that_is_not_explained_has_its_places_to_look():
    """Half of a known mistake in each of two cells, and no answer where experiments begin."""
    alike = {"RNN_TANH": "input-bias-dropped-tanh", "LSTM": "output-bias-dropped"}

    def half(case):
        case = reference.as_case(case)
        if case.num_steps == 1:
            raise ValueError("one step is not done yet")
        right, faulty = forward(case), FaultyReference(FAULTS[alike[case.config.cell]]).forward(case)
        mean = right.map(lambda name, array: (array + getattr(faulty, name)) / 2)
        output, h_n, *c_n = (array.astype(case.config.numpy_dtype) for _, array in mean.items())
        return output, ((h_n, *c_n) if c_n else h_n)

    half.capabilities = Capabilities(cells=tuple(alike))
    found = diagnose(open_target(half), catalogue()).findings
    assert {finding.fault for finding in found} == {*alike.values(), "measured.raised"}
    assert not any((finding.exact and finding.fault in alike.values()) or finding.patch for finding in found)


def where_probes_are(fault, cell="RNN_TANH"):
    """A target with a mistake in each call of sizes that some probe has, and right in all others."""
    claims = Capabilities(cells=(cell,), lengths=True)

    def sizes(case):
        return case.num_steps, case.num_rows, case.config.input_size, case.config.hidden_size

    def right(case):
        return reference.forward(case)

    right.capabilities = claims
    probed = {sizes(a.probe.case) for a in answers(Subject(open_target(right)), Work(1000))}
    faulty = FaultyTarget(fault)

    def target(case):
        return (faulty if sizes(reference.as_case(case)) in probed else reference).forward(case)

    target.capabilities = claims
    return target


def test_what_fits_by_chance_is_not_named():
    """A mistake that gives all answers that it was found by, and not those to cases that nobody had seen."""
    fault = FAULTS["input-bias-dropped-tanh"]
    chance = searched(where_probes_are(fault))
    assert chance.end((fault,)) == chance.top and chance.fresh and chance.found() == ()
    assert searched(FaultyTarget(fault, cells=("RNN_TANH",))).found() == (fault,)


@pytest.mark.sample
def test_what_fits_by_chance_is_not_named_where_it_depends_on_the_calls_before():
    fault = FAULTS["weights-of-the-first-call"]
    chance = searched(where_probes_are(fault))
    assert chance.repeats(fault, chance.climbed) and chance.fresh_again and chance.found() == ()
    assert searched(FaultyTarget(fault, cells=("RNN_TANH",))).found() == (fault,)


def test_fresh_answers_that_time_cut_short_name_nothing():
    fault = FAULTS["input-bias-dropped-tanh"]
    search = searched(FaultyTarget(fault, cells=("RNN_TANH",)))
    search.ask_fresh.deadline = Deadline(-1)
    assert search.found() == () and search.ask_fresh.deadline.met


@pytest.mark.sample
def test_an_unknown_mistake_is_located():
    def wrong(case):
        output, (h_n, c_n) = reference.forward(case)
        late = np.arange(len(output)) >= 3
        return output + 0.0371 * late[:, None, None].astype(output.dtype) * (output != 0), (h_n, c_n)

    wrong.capabilities = Capabilities(cells=("LSTM",), max_layers=2, bidirectional=True)
    report = check(wrong, properties=["equivalence.steps"])
    assert report.verdict == "fails" and [finding.fault for finding in report.diagnosis] == ["measured.trigger"]
    assert report.diagnosis[0].title == "LSTM: wrong only where T > 3"
    assert "only output is wrong" in "\n".join(report.known)


@pytest.mark.parametrize(("claimed", "words"), [
    (False, 'x is read as (N, T, I), and output is (N, T, D*H): claim batch_first="only"'),
    (True, "x is read as (N, T, I) whatever case.config.batch_first says"),
])  # fmt: skip
def test_code_that_always_has_the_batch_first_is_seen_through(claimed, words):
    def forward(case):
        case = reference.as_case(case)
        output, h_n = reference.forward(case.replace(batch_first=True))
        return output, h_n

    forward.capabilities = Capabilities(cells=("GRU",), batch_first=claimed)
    report = check(forward, properties=["equivalence.first_look", "equivalence.steps"], workers=1)
    (finding,) = report.diagnosis
    assert finding.fault == "measured.layout" and words in finding.title and report.known == []

    def also_wrong(case):
        output, h_n = forward(case)
        return output + output.dtype.type(0.01), h_n

    also_wrong.capabilities = forward.capabilities
    report = check(also_wrong, properties=["equivalence.first_look"], workers=1)
    assert not any(finding.fault == "measured.layout" for finding in report.diagnosis)


@pytest.mark.sample
def test_cells_that_are_right_are_told_from_those_that_are_not():
    def wrong(case):
        output, final = reference.forward(case)
        return output * (1.5 if case.config.cell == "GRU" else 1), final

    wrong.capabilities = Capabilities(cells=("RNN_TANH", "GRU", "LSTM"))
    report = check(wrong, properties=["equivalence.steps"])
    assert "RNN_TANH, LSTM are right in every probe" in report.known


@pytest.mark.sample
def test_hidden_layers_are_reached_by_running_the_lower_ones():
    def odd(name, array):
        upper = name.startswith("bias_ih_l2") or name.startswith("bias_ih_l3")
        return array + array.dtype.type(0.037) * (np.arange(len(array)) % 3 == 1) if upper else array

    def wrong(case):
        return reference.forward(reference.as_case(case).map(odd))

    wrong.capabilities = Capabilities(cells=("GRU",), max_layers=None, bidirectional=True)
    report = check(wrong, properties=["equivalence.steps"])
    assert "GRU: wrong only where there are more than two layers" in [finding.title for finding in report.diagnosis]
    assert "GRU: layers below layer 2 are right when they run alone (counted from 0)" in report.known


@pytest.mark.sample
def test_wrong_for_one_reason_or_another():
    def wrong(case):
        output, h_n = reference.forward(case)
        bad = case.config.num_layers > 2 or not case.config.bias
        return output * output.dtype.type(1.01 if bad else 1), h_n

    wrong.capabilities = Capabilities(max_layers=None, no_bias=True)
    report = check(wrong, properties=["equivalence.steps"])
    said = [finding.title for finding in report.diagnosis]
    assert said == ["RNN_TANH: wrong only where either there are more than two layers or there are no biases"]


@pytest.mark.sample
def test_what_a_new_instance_gets_right_is_said():
    class Kept:
        capabilities = Capabilities(cells=("GRU",))

        def __init__(self):
            self.calls = 0

        def forward(self, case):
            self.calls += 1
            output, h_n = reference.forward(case)
            return output + output.dtype.type(0.01 * (self.calls > 3)), h_n

    report = check(Kept, properties=["equivalence.steps"])
    assert any("right when a new instance is called with them alone" in fact for fact in report.known)


def test_a_shape_mistake_is_named_and_the_numbers_behind_it_are_judged():
    def wrong(case):
        output, h_n = FaultyTarget(FAULTS["input-bias-dropped-tanh"]).forward(case)
        return output[..., None], h_n

    wrong.capabilities = Capabilities()
    report = check(wrong, properties=["shapes.shapes", "equivalence.steps"])
    assert [finding.fault for finding in report.diagnosis] == ["shape-of-output", "input-bias-dropped-tanh"]
    assert report.diagnosis[0].title == "output: it has a trailing axis of size 1"


@pytest.mark.sample
def test_dropout_with_one_mask_for_all_steps_is_measured():
    report = check(FaultyTarget(FAULTS["dropout-locked"], cells=("RNN_TANH",)), properties=["dropout"])
    [finding] = report.diagnosis
    assert (finding.fault, finding.title) == ("measured.dropout", "RNN_TANH: dropout has one mask for all steps")
    assert finding.exact and "[:1]] * len(x)" in finding.patch


@pytest.mark.parametrize("id", ["dropout-in-evaluation", "dropout-not-scaled"])
@pytest.mark.sample
def test_what_is_random_is_recognised_by_what_fails(id):
    np.random.seed(0)  # what the target draws is the same each time
    report = check(FaultyTarget(FAULTS[id], cells=("RNN_TANH",)), properties=["dropout"])
    [finding] = report.diagnosis
    assert finding.fault == id and not finding.exact


class Dropping:
    """The reference, with masks that are made in a way of its own of numbers that are drawn."""

    capabilities = replace(
        reference.capabilities, cells=("RNN_TANH",), dtypes=("float32",), projections=False, gradients=False
    )

    def __init__(self, masks):
        self.masks = masks

    def forward(self, case):
        given, p = reference.as_case(case), case.config.dropout
        if not case.training or not 0 < p < 1:
            return reference.forward(case)
        width = case.config.num_directions * case.config.hidden_size
        drawn = np.random.random((case.config.num_layers - 1, case.num_steps, case.num_rows, width))
        result = reference_rnn.forward(given, masks=list(self.masks(drawn, p)))
        return tuple(array.astype(case.x.dtype) for _, array in result.items())


@pytest.mark.sample
@pytest.mark.parametrize(
    "masks, sentence",
    [
        (lambda drawn, p: (drawn >= p) / p, "what dropout keeps is multiplied by 1 / p"),
        (lambda drawn, p: (drawn >= p) / (1 - p) ** 2, None),
        (lambda drawn, p: (drawn[:, np.arange(drawn.shape[1]) % 4] >= p) / (1 - p), None),
        (lambda drawn, p: (drawn[:, :, np.arange(drawn.shape[2]) % 5] >= p) / (1 - p), None),
        (lambda drawn, p: (drawn >= 0) * 1.0, "in training nothing is dropped"),
    ],
    ids=["scaled by 1 / p", "scaled twice", "every 4 steps", "every 5 rows", "ignored, but for p = 1"],
)
def test_what_fails_with_other_numbers_is_no_name(masks, sentence):
    report = check(Dropping(masks), properties=["dropout.mask"])
    assert report.verdict == "fails" and len(report.diagnosis) == (sentence is not None)
    for finding in report.diagnosis:
        assert finding.fault == "measured.dropout" and finding.title.startswith(f"RNN_TANH: {sentence}")


@pytest.mark.sample
@pytest.mark.parametrize(
    "masks, id",
    [
        (lambda drawn, p: (drawn[:, np.arange(drawn.shape[1]) // 2 * 2] >= p) / (1 - p), "masks-for-two-steps"),
        (lambda drawn, p: (drawn >= p) * 1.0, "dropout-not-scaled"),
    ],
)
def test_what_fails_alike_is_named(masks, id):
    report = check(Dropping(masks), properties=["dropout.mask"])
    assert [finding.fault for finding in report.diagnosis] == [id]


class KeepsWeights:
    """Computes with the weights of the call before where every seventh number of them is the same."""

    capabilities = replace(reference.capabilities, cells=("LSTM",), dtypes=("float64",), gradients=False)

    def __init__(self):
        self.kept = {}

    def forward(self, case):
        given = reference.as_case(case)
        arrays = {
            name: self.kept.setdefault((name, array.shape, array.ravel()[::7].tobytes()), array.copy())
            for name, array in given.parameters.items()
        }
        return reference.forward(replace(given, parameters=arrays))


@pytest.mark.sample
def test_what_is_kept_between_calls_is_given_no_name_of_what_is_not():
    np.random.seed(0)  # what the target draws is the same each time
    report = check(KeepsWeights, properties=["dropout.mask", "shapes.calls_are_independent"])
    assert report.verdict == "fails"
    assert "something is kept between calls" in " ".join(report.known)
    assert {finding.fault for finding in report.diagnosis} == {"measured.history"}


def test_failures_are_the_same_where_their_numbers_are():
    def failure(message, **number):
        return Failure("mask:output", message, **number)

    one = failure("output[0] shows 10 of x", given=10.0, must=1.0, room=0.1)
    assert same_failure(one, failure("output[3] shows 10.1 of x", given=10.1, must=1.0, room=0.1))
    assert not same_failure(one, failure("output[0] shows 2 of x", given=2.0, must=1.0, room=0.1))
    assert not same_failure(one, failure("output[0] shows 10 of x"))
    assert not same_failure(one, None)
    apart = failure("steps 4 apart", shows="steps 4 apart")
    assert same_failure(apart, apart) and not same_failure(apart, failure("steps 1 apart", shows="steps 1 apart"))


def test_it_keeps_to_its_time():
    slow = from_cell(lambda x, s, p: (time.sleep(0.02), lstm(x, s, p, leak=0.1))[1], "LSTM")
    began = time.monotonic()
    known = diagnose(open_target(slow), catalogue(), seconds=2.0).known
    assert known[-1] == "the diagnosis ended with its time, before all was tried"
    assert time.monotonic() - began < 20  # of which 2 are its own, on a machine that does nothing else


@pytest.mark.sample
def test_a_time_that_was_enough_is_not_spoken_of():
    known = diagnose(open_target(FaultyTarget(FAULTS["gates-ifog"], cells=("LSTM",))), catalogue(), seconds=1e9).known
    assert not any("ended with its time" in fact for fact in known)


@pytest.mark.sample
def test_it_goes_by_work_and_not_by_the_clock(monkeypatch):
    """On a machine that is a thousand times slower the same is found, as long as there is no limit of time."""
    report = diagnose(open_target(FaultyTarget(FAULTS["gates-ifog"], cells=("LSTM",))), catalogue(), seconds=1e9)
    real = time.monotonic
    monkeypatch.setattr("conformance.diagnosis.work.time.monotonic", lambda: 1000 * real())
    again = diagnose(open_target(FaultyTarget(FAULTS["gates-ifog"], cells=("LSTM",))), catalogue(), seconds=1e9)
    assert [vars(finding) for finding in again.findings] == [vars(finding) for finding in report.findings]
    assert [finding.fault for finding in again.findings] == ["gates-ifog"]


def test_a_deadline_is_met_where_something_is_left_out_for_it():
    deadline = Deadline(-1)
    done = Work(0, deadline)
    assert done.over and not deadline.met  # it had ended before
    assert Work(10, deadline).over and deadline.met
    assert not Work(10).over


@pytest.mark.sample
def test_it_can_be_left_out_and_never_changes_the_verdict():
    target = FaultyTarget(FAULTS["gates-igfo"], cells=("LSTM",))
    with_it = check(target, properties=["equivalence", "gates"])
    without = check(target, properties=["equivalence", "gates"], diagnosis=False)
    assert with_it.diagnosis and not without.diagnosis
    assert [vars(r) | {"seconds": 0} for r in with_it.results] == [vars(r) | {"seconds": 0} for r in without.results]


def test_a_target_that_only_dies_is_not_asked_again(tmp_path):
    (tmp_path / "dies.py").write_text("import os\ndef forward(case):\n    os._exit(3)\n")
    report = check(tmp_path / "dies.py", properties=["shapes.shapes"], in_process=False)
    assert report.verdict == "fails" and not report.diagnosis


def test_words_are_compared_without_their_numbers():
    assert without_numbers("0.25 of 1,728 numbers, must be p = -1e-05") == "# of # numbers, must be p = #"
    assert re.fullmatch(r"[^\d]*", without_numbers("12 of 3.5e+10"))
    assert PropertyResult("a.b", "failed").case is None


def test_a_diagnosis_that_fails_leaves_the_verdict(monkeypatch):
    monkeypatch.setattr("conformance.trial.runner.diagnose", lambda *_, **__: 1 / 0)
    report = check(FaultyTarget(FAULTS["gates-igfo"], cells=("LSTM",)), properties=["equivalence.steps"])
    assert report.verdict == "fails"
    assert report.known == [
        "the diagnosis itself failed, by a mistake of this kit: ZeroDivisionError: division by zero"
    ]


@pytest.mark.sample
@pytest.mark.parametrize("target", ["skips_zeros", "multiplies"])
def test_nan_times_zero_is_no_wrong_answer(target):
    opened = open_target(str(RIGHT / f"{target}.py"))
    given = answers(Subject(opened), Work(1000))
    assert len(given) > 100 and all(answered.right for answered in given)


def test_a_single_wrong_probe_says_nothing_of_all():
    def wrong(case):
        output, h_n = reference.forward(case)
        return output + (case.num_steps > 8) * (case.config.hidden_size > 1), h_n

    wrong.capabilities = Capabilities(bidirectional=True, max_layers=2)
    given = answers(Subject(open_target(wrong)), Work(1000))
    late = [a for a in given if not a.right]
    assert len(late) >= FEWEST
    for few in (late[:1], late[: FEWEST - 1]):
        assert list(facts([*few, *(a for a in given if a.right)])) == [
            f"{len(few)} of {len(given) - len(late) + len(few)} probes are wrong"
        ]


def answered_with(given, **case):
    """An answer to some probe."""
    return Answered(Probe(small(**case)), given, forward(small(**case)), arithmetic("float32"))


def small(T=1, h=0):
    """A case of one unit."""
    return Case(Config("RNN_TANH", 1, 1), PARAMETERS, np.zeros((T, 1, 1)), h * np.ones((1, 1, 1)))


def test_where_there_is_no_result_is_not_called_wrong():
    none, given = [answered_with(None, T=9)] * 5, [answered_with({}, T=T) for T in (1, 2, 3, 4, 5, 6, 7, 8)]
    assert silent(none + given, ["RNN_TANH"]) == ["5 of 13 probes give no result at all"]
    assert silent(none, ["RNN_TANH"]) == silent(given, ["RNN_TANH"]) == []


def test_what_never_answers_is_compared_with_no_mistake(monkeypatch):
    def forward(case):
        raise TypeError("it cannot")

    forward.capabilities = Capabilities(cells=("RNN_TANH", "LSTM"))
    for step in ("found", "one_of", "again"):
        monkeypatch.delattr(Search, step)
    report = check(forward, properties=["equivalence.steps"], in_process=True)
    (finding,) = report.diagnosis
    assert finding.title.startswith("RNN_TANH, LSTM: the target raised TypeError: it cannot (")
    assert "), in every call (" in finding.title and not report.known


def test_gradients_of_another_shape_or_none_are_no_right_ones():
    claims = Capabilities(gradients=True)

    def target(change):
        class Target:
            capabilities = claims
            forward = staticmethod(reference.forward)

            @staticmethod
            def gradients(case, *d):
                return change(reference.gradients(case, *d))

        return Target

    def right(change):
        given = answers(Subject(open_target(target(change))), Work(1000))
        return {a.right for a in given if a.probe.d is not None}

    assert right(lambda found: found) == {True}
    assert right(lambda found: found | {"x": found["x"][..., None, :]}) == {False}
    assert right(lambda found: {name: a for name, a in found.items() if name != "h_0"}) == {False}


def test_the_function_of_the_question_has_each_of_its_mistakes_named_once():
    wrong = runpy.run_path(str(RIGHT.parent / "wrong" / "question.py"))["rnn"]
    report = check(question.adapt(wrong), properties=["shapes.shapes", "equivalence.steps"])
    named = [finding.fault for finding in report.diagnosis if finding.fault != "measured.raised"]
    assert named == ["shape-of-output", "every-step-from-the-start", "tanh-for-relu"]
    raising = [finding.title for finding in report.diagnosis if finding.fault == "measured.raised"]
    assert raising and all("where there are two directions" in title and "nowhere else" in title for title in raising)
    assert any("packed = w[max(layer - 1, 0), direction]" in title for title in raising)


class ReadsForwardTwice:
    """A mistake with a name, and one beside it that this name does not explain."""

    capabilities = Capabilities(cells=("RNN_TANH",), bidirectional=True)
    forgets = False

    def __init__(self):
        self.forward_of_reference = FaultyTarget(FAULTS["reverse-runs-forward"]).forward

    def forward(self, case):
        output, states = self.forward_of_reference(case)
        if self.forgets:
            case.parameters["bias_hh_l0"][...] = 0
        return output, states


class ReadsForwardTwiceAndForgets(ReadsForwardTwice):
    forgets = True


@pytest.mark.sample
@pytest.mark.parametrize(
    ("target", "others"), [(ReadsForwardTwice, set()), (ReadsForwardTwiceAndForgets, {"shapes.inputs_untouched"})]
)
def test_what_the_named_mistake_explains_is_folded(target, others):
    chosen = (
        "shapes.inputs_untouched",
        "equivalence.steps",
        "equivalence.linear_regime",
        "directions",
        "time.no_future",
    )
    report = check(target, properties=chosen)
    failed = {result.id for result in report.results if result.status == "failed"}
    assert report.diagnosis[0].fault == "reverse-runs-forward" and others < failed
    assert "time.no_future" in report.explained and not others & set(report.explained)
    assert others or set(report.explained) == failed
    shown = {failure.id for group in wording.group_failures(report) for failure in group}
    assert shown >= {"equivalence.steps"} | others and shown | set(wording.folded_properties(report)) == failed
    lines = terminal.as_text(report).splitlines()
    assert any(line.startswith("  the same mistake explains why these fail too: ") for line in lines)
    assert not any(line.startswith("  time.no_future: ") for line in lines)


def test_what_rounding_breaks_in_a_network_that_is_wrong_is_folded():
    """Where zeros must be, nothing rounds; where a state is repeated in their place, it does."""

    def repeating(case):
        p, h, output = case.parameters, case.h_0[0], []
        lengths = np.full(case.x.shape[1], len(case.x)) if case.lengths is None else case.lengths
        for t, x in enumerate(case.x):
            alive = (t < lengths)[:, None]
            z = np.where(alive, x, 0) @ p["weight_ih_l0"].T + p["bias_ih_l0"] + h @ p["weight_hh_l0"].T
            h = np.where(alive, np.tanh(z + p["bias_hh_l0"]), h)
            output.append(h)
        return np.array(output).reshape(*case.x.shape[:2], case.config.hidden_size), h[None].copy()

    repeating.capabilities = Capabilities(cells=("RNN_TANH",), lengths=True)
    report = check(repeating, properties=("equivalence.steps", "symmetries"))
    failed = {result.id for result in report.results if result.status == "failed"}
    assert "symmetries.permuted_units" in failed and set(report.explained) == failed


@pytest.mark.sample
def test_a_call_that_is_wrong_with_no_call_before_it_is_folded_too():
    """Its message says so behind the words of the property."""
    ids = ("shapes.calls_are_independent", "equivalence.steps")
    report = check(FaultyTarget(FAULTS["cell-clipped"], cells=("LSTM",)), properties=ids)
    (first, _) = report.results
    assert first.message.endswith("; it is wrong without any call before, too")
    assert set(report.explained) == set(ids) and wording.folded_properties(report) == [ids[0]]


def test_a_failure_that_takes_a_form_is_folded_too():
    """Its message says so behind the words of the property."""
    ids = ("lengths.length_zero", "lengths.padding_is_zero", "equivalence.steps")
    target = FaultyTarget(FAULTS["lengths-without-batch-first"], cells=("RNN_TANH",))
    report = check(target, properties=ids, saved=False)
    assert all(result.message.endswith("; only with batch_first") for result in report.results)
    assert set(report.explained) == set(ids)


def test_nothing_is_folded_where_nothing_is_named(right):
    report = check(str(RIGHT / "plain.py"), properties=("equivalence.steps",), in_process=True)
    assert report.explained == wording.folded_properties(report) == []


def test_a_batch_that_may_come_first_is_diagnosed_too():
    class Target:
        capabilities = Capabilities(batch_first=True, default_state=True, unbatched=True, lengths=True)
        forward = staticmethod(FaultyTarget(FAULTS["recurrent-bias-dropped-tanh"]).forward)

    report = check(Target, properties=("equivalence.steps",))
    assert [finding.fault for finding in report.diagnosis] == ["recurrent-bias-dropped-tanh"], report.known
