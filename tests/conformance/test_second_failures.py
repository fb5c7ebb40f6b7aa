"""A failure hides no other: behind calls without an answer numbers are judged, and a large mistake stays large."""

import json
import re
from dataclasses import replace
from importlib import resources

import jsonschema
import numpy as np
import pytest

import conformance
from conformance import Capabilities, Mode
from conformance.adapters import reference
from conformance.cli import cli
from conformance.diagnosis.faulty import FaultyRecurrence
from conformance.events import PropertyResult
from conformance.judging.oracle import Failure
from conformance.report import feedback, html, junit, markdown, sarif
from conformance.report.report_set import ReportSet
from conformance.report.terminal import failure_details
from reference_rnn import exp, recurrence, vecmat

CLAIMS = replace(reference.capabilities, cells=("RNN_TANH", "LSTM"), options=(), dtypes=("float32", "float64"))
STEPS, BACK = "equivalence.steps", "gradients.back_propagation"


class Layers:
    """The reference, which a test spoils: ``spoilt`` changes results by their case, and may raise."""

    capabilities = CLAIMS

    def __init__(self, spoilt, of_gradients=None):
        self.spoilt, self.of_gradients = spoilt, of_gradients or spoilt

    def forward(self, case):
        output, final = reference.forward(case)
        return self.spoilt(case, output), final

    def gradients(self, case, *d):
        found = reference.gradients(case, *d)
        return found | {"weight_hh_l0": self.of_gradients(case, found["weight_hh_l0"])}


def result_of(target, id, **options):
    """What became of one property, after what a report of it holds was seen to fit its schema."""
    report = conformance.check(target, properties=(id,), diagnosis=False, **options)
    schema = json.loads((resources.files("conformance.report") / "schemas/report.json").read_text())
    jsonschema.validate(json.loads(report.to_json()), schema)
    return next(result for result in report.results if result.id == id)


def raises_for(condition, other=lambda case, array: array):
    """A change that raises for some cases, and from then on makes another change of the others."""
    raised = []

    def spoilt(case, array):
        if condition(case):
            raised.append(case)
            raise ValueError("not here")
        return other(case, array) if raised else array

    return spoilt


def doubled(case, array):
    return 2 * array


LARGE = {
    "two directions": lambda case: case.config.bidirectional,
    "layers": lambda case: case.config.num_layers > 1,
    "no state": lambda case: case.h_0 is None,
    "lengths": lambda case: case.lengths is not None,
}


# ---------------------------------------------------------------- a crash hides numbers


@pytest.mark.parametrize("when", LARGE)
@pytest.mark.parametrize("id", [STEPS, BACK])
def test_numbers_are_judged_where_other_calls_raise(when, id):
    change = raises_for(LARGE[when], doubled)
    target = Layers(change) if id == STEPS else Layers(lambda case, array: array, change)
    found = result_of(target, id)
    assert found.status == "failed" and found.kind == "raised:ValueError", found.message
    assert "ValueError: not here" in found.message and found.counterexample
    wrong = found.others[0]
    assert wrong["kind"].startswith("value:" if id == STEPS else "gradient:")
    assert "must be" in wrong["message"] and "case(" in wrong["counterexample"]


@pytest.mark.parametrize("when", LARGE)
def test_nothing_else_is_said_where_all_other_calls_are_right(when):
    found = result_of(Layers(raises_for(LARGE[when])), STEPS)
    assert (found.status, found.kind, found.others) == ("failed", "raised:ValueError", [])


def test_another_exception_is_said_behind_the_first():
    def spoilt(case, array):
        if case.config.bidirectional:
            raise ValueError("not here")
        if case.config.num_layers > 1:
            raise KeyError("nor here")
        return array

    found = result_of(Layers(spoilt), STEPS)
    assert {found.kind, *(other["kind"] for other in found.others)} == {"raised:ValueError", "raised:KeyError"}


def test_at_most_three_others_are_said_numbers_first_and_each_kind_once():
    def spoilt(case, array):
        for number, (when, error) in enumerate(zip(LARGE.values(), (ValueError, KeyError, TypeError, IndexError))):
            if when(case):
                raised.append(case)
                raise error(number)
        return doubled(case, array) if raised else array

    raised = []
    found = result_of(Layers(spoilt), STEPS)
    kinds = [other["kind"] for other in found.others]
    assert len(kinds) == len({*kinds}) == 3 and found.kind not in kinds
    assert kinds[0] == "value:output" and set(found.others[0]) == {"kind", "message", "counterexample"}


@pytest.mark.parametrize("id", [STEPS, BACK])
def test_a_target_that_always_raises_is_not_asked_for_ever(id):
    calls = []
    target = Layers(lambda case, array: calls.append(case) or raises_for(lambda case: True)(case, array))
    assert result_of(target, id).others == [] and len(calls) < 200


@pytest.mark.parametrize("after", ["numbers", "a refusal", "a mistake of the kit"])
def test_the_verdict_does_not_change_by_what_comes_after(after, monkeypatch):
    from conformance.judging.judge import Judging
    from conformance.judging.oracle import CannotTell

    if after != "numbers":
        error = CannotTell("no answer") if after == "a refusal" else RuntimeError("ours")
        monkeypatch.setattr(Judging, "further", lambda *_: (_ for _ in ()).throw(error))
    found = result_of(Layers(raises_for(LARGE["layers"])), STEPS)
    assert (found.status, found.kind) == ("failed", "raised:ValueError") and "not here" in found.message


SHAPES = {
    "inputs": {"q": "K", "k": "K", "v": "V", "g": "K"}, "states": {"S": "KV"}, "outputs": {"o": "V"},
    "ranges": {"g": (-2, 0)},
}  # fmt: skip


@recurrence(**SHAPES)
def gated(q, k, v, g, S):
    S = exp(g)[..., None] * S + k[..., None] * v[..., None, :]
    return vecmat(q, S), S


OWN = Capabilities(
    cells=(recurrence(**SHAPES, name="gated"),), dtypes=("float32", "float64"), default_state=True,
    modes={"step": Mode(), "chunk": Mode(order="chunks")},
)  # fmt: skip


class Recurrence:
    """The recurrence above, which a test spoils."""

    capabilities = OWN

    def __init__(self, spoilt):
        self.right, self.spoilt = FaultyRecurrence(gated, None, OWN), spoilt

    def forward(self, case):
        outputs, states = self.right.forward(case)
        return {"o": self.spoilt(case, outputs["o"])}, states


@pytest.mark.parametrize("id", ["state.split", "state.modes_agree"])
def test_numbers_of_a_recurrence_are_judged_where_other_calls_raise(id):
    """As of a package whose layer makes no state of its own, and whose scan treats a given state in another way."""

    def off(case, array):
        return (array * (1.1 if case.mode == "chunk" and len(array) > 1 else 1)).astype(array.dtype)

    found = result_of(Recurrence(raises_for(lambda case: case.states["S"] is None, off)), id)
    assert found.kind == "raised:ValueError"
    assert [other["kind"] for other in found.others] == ["disagree:o"]


DYING = """
import os
from pathlib import Path
import numpy as np
from conformance.adapters import reference
from dataclasses import replace

capabilities = replace(reference.capabilities, cells=("RNN_TANH",), options=())
def forward(case):
    if case.lengths is None:
        with Path("deaths").open("a") as file:
            file.write("x")
        os._exit(3)
    output, final = reference.forward(case)
    return (output * np.linspace(1, 2, output.size).reshape(output.shape)).astype(output.dtype), final
"""


@pytest.mark.parametrize("workers", [1, 2])
def test_numbers_are_judged_where_other_calls_end_the_process(workers, tmp_path):
    """The same by any number of workers; what costs a process each time is asked a few times only."""
    (tmp_path / "dying.py").write_text(DYING)
    asked = [word for id in (STEPS, "batch.permutation") for word in ("--property", id)]
    words = ["check", "dying.py", "--no-diagnosis", "--json", "report.json", "-n", str(workers), *asked]
    assert cli.main(words, standalone_mode=False) == 1
    for found in json.loads((tmp_path / "report.json").read_text())["results"]:
        assert found["kind"] == "exit" and found["message"] == "the target ended its process with status 3"
        assert found["others"] and all("must be" in o["message"] or " on B" in o["message"] for o in found["others"])
    assert len((tmp_path / "deaths").read_text()) < 60


def test_others_are_shown_by_every_face_and_their_numbers_kept_from_students():
    target = Layers(raises_for(LARGE["layers"], doubled))
    report = conformance.check(target, properties=(STEPS, "shapes.dtype"), diagnosis=False)
    [failure] = [result for result in report.results if result.id == STEPS]
    [wrong] = failure.others
    beginning = wrong["message"].partition(",")[0]
    together = ReportSet([report])
    for face in (html.page, junit.document, sarif.document, markdown.document):
        assert beginning in face(together), face
    assert beginning in " ".join("\n".join(failure_details(failure)).split())
    for text in feedback.files_of([report], solution=False).values():
        assert "must be" not in text and feedback.WRONG_NUMBERS in text


def test_of_failures_in_the_same_words_each_thing_behind_them_is_said_once():
    def behind(number):
        return {"kind": "value:h_n", "message": f"h_n[0, 0, 0] is {number}, must be 7", "counterexample": "case()"}

    ids = ("time.split", "time.causal", "batch.rows", "layers.stacked")
    one, *same = [
        PropertyResult(id, "failed", message="it raised", others=[behind(n)]) for id, n in zip(ids, (1, 1, 2, 2))
    ]
    said = " ".join("\n".join(failure_details(one, same)).split())
    assert said.count("must be 7") == 2
    assert "on other cases: h_n[0, 0, 0] is 1" in said and "batch.rows, on other cases: h_n[0, 0, 0] is 2" in said


# ---------------------------------------------------------------- a big mistake hides in a small one


def beside(large, met=(), small=1e-8):
    """A change by which much is wrong where a case is large, and from then on a little everywhere."""
    met = [*met]

    def spoilt(case, array):
        off = np.full(array.shape, small * bool(met))
        if large(case):
            met.append(case)
            off[-1] = 4e-3
        return (array + off).astype(array.dtype)

    return spoilt


def error_in(message):
    """How far the number in a message is from what it must be."""
    given, must = re.search(r" is (-?[\d.e+-]+), must be (-?[\d.e+-]+)", message).groups()
    return abs(float(given) - float(must))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("id", [STEPS, "equivalence.first_look", BACK])
def test_a_large_mistake_of_layers_stays_large(id, seed):
    """It is there from three steps on, and a tiny one everywhere: the large one alone is found and shown."""
    target = Layers(beside(lambda case: case.num_steps > 2))
    target.capabilities = replace(CLAIMS, dtypes=("float64",), cells=("RNN_TANH",))
    found = result_of(target, id, seed=seed)
    assert error_in(found.message) > 1e-5, found.message


@pytest.mark.parametrize("id", ["state.modes_agree", "state.step_by_step"])
def test_a_large_mistake_of_a_recurrence_stays_large(id):
    change = beside(lambda case: len(case.inputs["q"]) > 2, met=["the first case"])
    found = result_of(Recurrence(lambda case, array: change(case, array) if case.mode == "chunk" else array), id)
    one, other = map(float, re.search(r" is (-?[\d.e+-]+) and (-?[\d.e+-]+);", found.message).groups())
    assert abs(one - other) > 1e-5, found.message


def test_a_gross_mistake_becomes_as_small_as_ever():
    target = Layers(lambda case, array: 1.5 * array)
    target.capabilities = replace(CLAIMS, dtypes=("float64",), cells=("RNN_TANH",))
    assert result_of(target, STEPS).counterexample.count("=") < 12


def failed(given, must, room, largest=None):
    return Failure("value:output", "", name="output", given=given, must=must, room=room, largest=largest)


@pytest.mark.parametrize(
    ("found", "smaller", "kept"),
    [
        (failed(1.001, 1, 1e-6), failed(1.001, 1, 1e-6), True),
        (failed(1.001, 1, 1e-6), failed(1.00013, 1, 1e-6), True),  # an eighth of it
        (failed(1.001, 1, 1e-6), failed(1.00012, 1, 1e-6), False),
        (failed(1.001, 1, 1e-6), failed(1.5, 1, 1e-6), True),  # larger hides nothing
        (failed(1.5, 1, 1e-9), failed(1.02, 1, 1e-6), True),  # more than 1 %, and so it stays
        (failed(1.5, 1, 1e-9), failed(1.002, 1, 1e-6), False),
        (failed(1.5, 1, 1e-9, 100), failed(1.02, 1, 1e-6), False),  # of the largest number less
        (failed(np.nan, 1, 1e-9), failed(1.5, 1, 1e-6), True),
        (failed(np.nan, 1, 1e-9), failed(1.0001, 1, 1e-6), False),
        (failed(np.inf, 1, 0.0), failed(np.nan, 1, 1e-6), True),
        (failed(3, 2, 0.0), failed(2.5, 2, 1e-7), True),  # exact numbers, and then such that round
        (failed(1000, 1001, 0.0), failed(1 + 1e-6, 1, 1e-7), False),
        (failed(None, None, None), failed(1, 2, 0.1), True),
        (failed(1, 2, 0.1), failed(None, None, None), True),
        (failed(1e-8, 0, 1e-12, 1), failed(0, 0, 1e-12, 1), False),
    ],
)
def test_which_failures_are_as_large_as_another(found, smaller, kept):
    assert smaller.as_large_as(found, 2.0**-53) is kept


def test_a_result_of_before_has_no_others():
    assert PropertyResult("time.split", "failed").others == []
