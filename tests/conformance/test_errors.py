"""What raises is explained: what, where, and by which calls; then what is wrong beside it."""

from dataclasses import replace
from itertools import combinations, islice

import numpy as np
import pytest

import conformance
from conformance import Capabilities, Mode
from conformance.adapters import reference
from conformance.diagnosis.errors import Observation, asked_anew, errors_of_layers, find_errors
from conformance.diagnosis.triggers import LONGEST, smallest_cover
from conformance.diagnosis.when import CallsOfLayers
from conformance.diagnosis.work import Deadline, Work
from conformance.harness.call import Call
from conformance.harness.load import open_target
from conformance.judging.subject import Subject
from reference_rnn import case, exp, handed, recurrence, vecmat

CLAIMS = replace(reference.capabilities, cells=("GRU",), gradients=False, options=(), dropout=False)
WHEN = {
    "there is more than one layer": lambda c: c.config.num_layers > 1,
    "no initial state is given": lambda c: c.h_0 is None,
    "there are two directions and the dtype is float64": lambda c: (
        c.config.bidirectional and c.config.dtype == "float64"
    ),
    "N > 1 and H is not N": lambda c: c.num_rows > 1 and c.num_rows != c.config.hidden_size,
    "there are two directions and N > 2, or there is more than one layer": lambda c: (
        c.config.bidirectional and (c.num_rows > 2 or c.config.num_layers > 1)
    ),
    "T > 36": lambda c: c.num_steps > 36,
    "N > 11 and there are two directions": lambda c: c.num_rows > 11 and c.config.bidirectional,
    "H < 7": lambda c: c.config.hidden_size < 7,
    "T is no multiple of 2": lambda c: c.num_steps % 2 == 1,
    "N > 1, there is more than one layer and the batch comes first": lambda c: (
        c.num_rows > 1 and c.config.num_layers > 1 and c.config.batch_first
    ),
}


class Raising:
    """The reference, but that it raises where a condition holds."""

    capabilities = CLAIMS

    def __init__(self, when, change=lambda output: output):
        self.when, self.change = when, change

    def forward(self, case):
        if self.when(case):
            raise ValueError(f"cannot do {case.num_steps} steps")
        output, h_n = reference.forward(case)
        return self.change(output), h_n


def diagnosed(target, **options):
    return conformance.check(target, profile="quick", **options)


@pytest.mark.parametrize("words", WHEN)
def test_a_rule_foretells_what_raises(words):
    subject = Subject(open_target(Raising(WHEN[words])), anew=True)
    more = CallsOfLayers(subject, CLAIMS.cells[0], Deadline())
    ask = asked_anew(subject, Work(2_000))
    seen = [Observation(call, ask(call)) for call in islice(more.fresh(), 110)]
    (found,) = find_errors(seen, ask, more, "GRU")
    sizes = [more.resized(call, axis, size) for call in found.calls[:2] for axis in "TNIH" for size in range(1, 50)]
    calls = [*islice(more.fresh(), 110, None), *filter(None, sizes)]

    assert len(found.rule.features) <= LONGEST and not found.hidden
    assert [not found.rule.lacking(call) for call in calls] == [bool(WHEN[words](call.case)) for call in calls]


def test_a_report_says_what_raises_when_and_where():
    report = diagnosed(Raising(WHEN["there is more than one layer"]))

    (finding,) = report.diagnosis
    assert finding.fault == "measured.raised"
    assert finding.title.startswith("GRU: the target raised ValueError: cannot do ")
    assert "test_errors.py:" in finding.title and "raise ValueError(" in finding.title
    assert (
        ", where there is more than one layer, and nowhere else (smallest: T = 1, N = 1, I = 1, H = 1" in finding.title
    )
    assert len(report.known) == 1 and report.known[0].endswith("other probes of GRU are right")


def test_no_call_is_tried_with_fewer_units_than_a_projection_leaves():
    class Projecting(Raising):
        capabilities = Capabilities(cells=("LSTM",), projections=True)

    report = diagnosed(Projecting(lambda c: c.config.hidden_size > 3), properties=["equivalence.steps"])
    (finding,) = report.diagnosis
    assert "where H > 3, and nowhere else" in finding.title


def test_two_mistakes_that_raise_are_told_apart():
    class Twice(Raising):
        def forward(self, case):
            if case.h_0 is None:
                raise KeyError("h_0")
            return super().forward(case)

    titles = [finding.title for finding in diagnosed(Twice(WHEN["there is more than one layer"])).diagnosis]

    assert len(titles) == 2
    assert any(
        "raised KeyError" in title and "where no initial state is given, and nowhere else" in title for title in titles
    )
    deep = "where there is more than one layer and an initial state is given, and nowhere else"  # the other comes first
    assert any("raised ValueError" in title and deep in title for title in titles)


def test_two_errors_that_all_calls_share_are_each_said_of_their_own():
    class Always(Raising):
        def forward(self, case):
            raise KeyError("h_0") if case.h_0 is None else TypeError("h_0")

    titles = [finding.title for finding in diagnosed(Always(None)).diagnosis]

    assert len(titles) == 2 and not any("in every call" in title for title in titles)
    assert any("KeyError" in title and "where no initial state is given, and nowhere else" in title for title in titles)
    assert any("TypeError" in title and "where an initial state is given, and" in title for title in titles)


def test_where_one_error_may_come_before_another_it_is_said():
    class Twice(Raising):
        def forward(self, case):
            if case.num_rows > 1 and case.config.num_layers > 1:
                raise KeyError("N")
            return super().forward(case)

    stateless = WHEN["no initial state is given"]
    both = Twice(lambda case: stateless(case) and case.config.dtype == "float64")
    found = {title.partition("raised ")[2][:8]: title for title in (one.title for one in diagnosed(both).diagnosis)}

    assert "more than one layer" in found["KeyError"] and "N > 1" in found["KeyError"]
    assert "unless another error comes first" not in found["KeyError"]
    assert "no initial state is given and the dtype is float64" in found["ValueErr"]
    assert "unless another error comes first" in found["ValueErr"]


def test_a_cell_that_raises_is_not_said_to_be_right():
    class Cells(Raising):
        capabilities = replace(CLAIMS, cells=("GRU", "RNN_TANH", "RNN_RELU"))

        def forward(self, case):
            output, h_n = super().forward(case)
            return (2 * output if case.config.cell == "RNN_TANH" else output), h_n

    deep = Cells(lambda case: case.config.cell == "GRU" and case.config.num_layers > 1)
    known = " ".join(diagnosed(deep).known)

    assert "RNN_RELU is right in every probe" in known and "GRU" not in known


def test_a_shape_that_was_looked_through_is_still_said():
    shaped = Raising(WHEN["there is more than one layer"], lambda output: output[..., None])
    faults = [finding.fault for finding in diagnosed(shaped, properties=["equivalence.first_look"]).diagnosis]

    assert "shape-of-output" in faults and "measured.raised" in faults


def test_what_ends_the_process_is_asked_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dies.py").write_text(
        "import os\nfrom conformance.adapters.reference import capabilities, forward as right\n"
        "def forward(case):\n"
        "    if case.config.num_layers > 1: raise ValueError('layers')\n"
        "    if case.x.shape[1] > 2: open('deaths.txt', 'a').write('x'); os._exit(3)\n"
        "    return right(case)\n"
    )
    subject = Subject(open_target("dies.py"), anew=True)
    calls = [Call("forward", case("RNN_TANH", N=rows, L=layers)) for rows, layers in ((1, 1), (1, 2), (3, 1), (3, 2))]
    ask = asked_anew(subject, Work(100))
    problems = [ask(call) for call in (calls[0], calls[1], calls[3])]
    seen = [Observation(call, problem) for call, problem in zip((calls[0], calls[1], calls[3]), problems)]
    found = find_errors(seen, ask, CallsOfLayers(subject, calls[0].case.config.cell, Deadline()), "RNN_TANH")
    subject.target.stop()

    assert [problem and problem.exception for problem in problems] == [None, "ValueError", "ValueError"]
    assert found == [] and (tmp_path / "deaths.txt").read_text() == "x"


def test_a_target_whose_shapes_are_dear_is_asked_for_no_rule():
    class Dear(Raising):
        capabilities = replace(CLAIMS, recompiles=True)

    subject = Subject(open_target(Dear(None)), anew=True)

    assert errors_of_layers(subject, [], [], Deadline()) == ([], [], [])


def test_the_smallest_cover_is_the_first_of_the_smallest():
    draw = np.random.default_rng(0)
    for _ in range(300):
        rows = draw.random((9, 7)) < 0.45
        sizes = (names for length in (1, 2, 3) for names in combinations(range(9), length))
        expected = next((names for names in sizes if rows[list(names)].any(0).all()), ())
        assert smallest_cover(rows, 3) == expected


def test_what_is_wrong_beside_it_is_named():
    plain = diagnosed(Raising(lambda case: False, np.tanh)).diagnosis
    both = diagnosed(Raising(WHEN["no initial state is given"], np.tanh)).diagnosis

    named = [one.title for one in both if one.fault != "measured.raised"]
    assert plain and named == [one.title for one in plain] and len(both) == len(plain) + 1


def test_what_always_raises_does_so_in_every_call():
    report = diagnosed(Raising(lambda case: True))

    assert [finding.title.partition("), ")[2] for finding in report.diagnosis] == [
        "in every call (smallest: T = 1, N = 1, I = 1, H = 1, L = 1)"
    ]


def test_what_raises_by_chance_has_no_rule():
    class Wavering(Raising):
        calls = 0

        def forward(self, case):
            Wavering.calls += 1
            if Wavering.calls % 3 == 0:
                raise ValueError("no")
            return super().forward(case)

    found = diagnosed(Wavering(lambda case: False)).diagnosis

    assert not any(finding.fault == "measured.raised" for finding in found)


@recurrence(inputs={"q": "K", "k": "K", "v": "V", "g": "K"}, states={"S": "KV"}, outputs={"o": "V"})
def decayed(q, k, v, g, S):
    S = exp(-g * g)[..., None] * S + k[..., None] * v[..., None, :]
    return vecmat(q, S), S


class Recurrent:
    """A recurrence that raises, or is wrong, in one of two modes where a condition holds."""

    capabilities = Capabilities(
        cells=(decayed,), dtypes=("float64",), default_state=True, modes={"step": Mode(), "scan": Mode(order="scan")}
    )

    def __init__(self, when, raises):
        self.when, self.raises = when, raises

    def forward(self, case):
        wrong = case.mode == "scan" and self.when(case)
        if wrong and self.raises:
            raise ValueError("no")
        result = handed(case)
        return {name: (1 + wrong) * o for name, o in result.outputs.items()}, result.states


IN_MODES = {
    "where no state is given": lambda c: c.stateless,
    "where N > 1 and K is not V": lambda c: c.num_rows > 1 and c.config.sizes["K"] != c.config.sizes["V"],
    "where a state is given and T > 4": lambda c: not c.stateless and c.num_steps > 4,
    "where T > 12": lambda c: c.num_steps > 12,
    "where V < 6": lambda c: c.config.sizes["V"] < 6,
    "where N > 2": lambda c: c.num_rows > 2,
}


@pytest.mark.parametrize("words", IN_MODES)
@pytest.mark.parametrize("raises", [True, False])
def test_a_recurrence_is_wrong_or_raises_in_a_mode_by_a_rule(words, raises):
    (finding,) = diagnosed(Recurrent(IN_MODES[words], raises)).diagnosis

    said = "in mode scan: the target raised ValueError: no" if raises else "in mode scan: o is wrong, "
    assert finding.title.startswith(said) and f"{words}, and nowhere else" in finding.title
