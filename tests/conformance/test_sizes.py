"""Targets of few sizes: what rounding hides there is said, and decides nothing by itself."""

from collections import Counter
from dataclasses import replace

import pytest

from conformance import Capabilities, check
from conformance.adapters import reference
from conformance.chapters import catalogue
from conformance.events import PropertyResult
from conformance.harness.load import open_target
from conformance.judging.coverage import expected_areas
from conformance.judging.judge import judge
from conformance.trial.verdict import Report

WIDE = Capabilities(sizes={"hidden_size": (4096,)})


def report(capabilities, void, missing=()):
    """A report in which some areas were met by void cases only, and some not at all."""
    areas = expected_areas(capabilities)
    coverage = Counter({area: 1 for area in areas if area not in (*void, *missing)}) + Counter(void=len(void))
    steps = PropertyResult(
        "equivalence.steps", "passed", examples=9, coverage=dict(coverage), void=dict.fromkeys(void, 3)
    )
    return Report.of("target", capabilities, [steps], "quick", 0)


def test_what_is_void_because_of_the_sizes_is_said_and_no_doubt():
    found = report(WIDE, ["N = 1", "T >= 9"])

    assert (found.verdict, found.status, found.reasons) == ("conforms", 0, [])
    (note,) = found.notes
    assert note.startswith("not verified at these sizes (hidden_size 4096)") and "T >= 9, N = 1" in note


def test_even_if_everything_is_void():
    found = report(WIDE, expected_areas(WIDE))

    assert found.status == 0 and "RNN_TANH, float32" in found.notes[0]


@pytest.mark.parametrize("capabilities", [Capabilities(), Capabilities(cells=("LSTM",))])
def test_what_is_void_at_free_sizes_is_a_doubt(capabilities):
    found = report(capabilities, ["N = 1"])

    assert (found.verdict, found.status) == ("inconclusive", 2)
    assert found.reasons == ["no case exercised 'N = 1'"] and not found.notes


NONE = "the gradient of x of GRU in bfloat16"


@pytest.mark.parametrize(
    ("claims", "verdict", "reasons", "notes"),
    [
        (
            Capabilities(),
            "inconclusive",
            [f"no case verifies a number of {NONE}: rounding alone explains any there"],
            0,
        ),
        (WIDE, "conforms", [], 1),
    ],
    ids=["at free sizes", "at few sizes"],
)
def test_an_array_of_which_no_number_is_verified_is_a_doubt_or_a_note(claims, verdict, reasons, notes):
    verified = {NONE: 0, "the gradient of h_0 of GRU in bfloat16": 3}
    back = PropertyResult("gradients.back_propagation", "passed", examples=9, verified=verified)
    found = Report.of("target", claims, [back], "quick", 0)

    assert (found.verdict, found.reasons, len(found.notes)) == (verdict, reasons, notes)
    assert all(NONE in note and "h_0" not in note for note in found.notes)


@pytest.mark.parametrize("status", ["failed", "expected_failure"])
def test_what_ended_early_need_not_have_verified_all(status):
    back = PropertyResult("gradients.back_propagation", status, examples=3, verified={NONE: 0})
    assert not [reason for reason in Report.of("target", Capabilities(), [back], "quick", 0).reasons if NONE in reason]


@pytest.mark.parametrize(
    "claims",
    [
        {"cells": ("GRU", "LSTM"), "cotangents": ("d_c_n",)},
        {"cells": ("LSTM",), "cotangents": ()},
        {"cells": ("LSTM",), "dtypes": ("bfloat16",), "recompiles": "model"},
        {"cells": ("GRU",), "initial_state": False, "sizes": {"steps": (1,)}},
    ],
    ids=["a loss that one cell has no part in", "no loss", "few models in 16 bits", "one step from zeros"],
)
def test_a_right_target_has_all_gradients_verified_by_few_cases(claims):
    """What is zero by the equations counts as verified, and what only void cases met is met once more."""

    class Target:
        capabilities = Capabilities(gradients=True, **claims)
        forward = staticmethod(reference.forward)
        gradients = staticmethod(reference.gradients)

    found = check(Target, properties=["gradients.back_propagation"], diagnosis=False, budget=0.001)
    assert (found.verdict, found.reasons, found.notes) == ("conforms", [], [])
    assert found.results[0].examples < 100


def test_cases_of_gradients_that_rounding_explains_are_counted():
    """Of 64 units and 16 steps the balls of most gradients are wider than all there is."""

    class Long:
        capabilities = Capabilities(
            cells=("RNN_TANH",), gradients=True, max_layers=1, sizes={"hidden_size": (64,), "steps": (16,)}
        )
        forward = staticmethod(reference.forward)
        gradients = staticmethod(reference.gradients)

    back, target = catalogue()["gradients.back_propagation"], open_target(Long, in_process=True)
    result = [*judge(back, target, count=0, base_seed=0)][-1].result

    assert result.status == "passed" and result.coverage["void gradients"] > result.examples / 4
    assert result.coverage["void gradients"] + result.coverage["gradients"] == result.examples


def test_what_was_never_drawn_is_a_doubt_at_any_size():
    assert report(WIDE, ["T >= 9"], missing=["N = 1"]).reasons == ["no case exercised 'N = 1'"]


def test_nothing_is_said_where_nothing_is_void():
    assert report(WIDE, []).notes == []


@pytest.mark.parametrize(("H", "areas"), [(512, ["L >= 2", "L >= 3"]), (2048, ["L >= 2"]), (4096, [])])
def test_layers_that_would_fill_the_memory_are_not_expected(H, areas):
    claims = Capabilities(cells=("LSTM",), max_layers=None, sizes={"hidden_size": (H,)})

    assert [area for area in expected_areas(claims) if area.startswith("L >=")] == areas


@pytest.mark.parametrize(
    ("cell", "sizes"),
    [
        ("LSTM", {"hidden_size": (129,)}),
        ("GRU", {"hidden_size": (256,)}),
        ("RNN_TANH", {"input_size": (512,)}),
        ("RNN_RELU", {"hidden_size": (512,)}),
        ("GRU_RESET_BEFORE", {"input_size": (4096,)}),
        ("RNN_TANH", {"num_layers": (16,)}),
    ],
    ids=str,
)
@pytest.mark.sample
def test_large_sizes_are_judged(cell, sizes):
    claims = replace(
        reference.capabilities, cells=(cell,), dtypes=("float32",), sizes={"steps": (1, 2, 5), "batch": (2,)} | sizes,
        max_layers=max(sizes.get("num_layers", (2,))), bidirectional=False, options=(),
    )  # fmt: skip
    own = {"forward": staticmethod(reference.forward), "gradients": staticmethod(reference.gradients)}
    target = type("Target", (), {**own, "capabilities": claims})

    found = check(target, properties=["shapes.shapes", "equivalence.steps", "gradients.back_propagation"])

    assert [(r.id, r.message) for r in found.results if r.status != "passed"] == []
    assert found.status == 0, found.reasons
    if sizes.get("input_size") != (4096,) and "num_layers" not in sizes:
        assert found.coverage.get("void", 0) <= found.results[1].examples / 2


def test_a_wrong_target_of_one_large_size_is_found():
    def forward(case):
        output, h_n = reference.forward(case)
        wrong = output.copy()
        wrong[..., 200] *= 1.01
        return wrong, h_n

    forward.capabilities = Capabilities(sizes={"hidden_size": (257,)})
    found = check(forward, properties=["equivalence.steps"], diagnosis=False)

    assert found.status == 1 and "output[0, 0, 200] is" in found.results[0].message
    assert "T=1, N=1, I=1, H=257" in found.results[0].counterexample
