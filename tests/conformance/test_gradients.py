"""The contract of gradients: how they are called for, what they must look like, and which mistakes are found."""

from dataclasses import replace
from pathlib import Path

import pytest

from conformance import Capabilities, check
from conformance.adapters import reference
from conformance.chapters import catalogue
from conformance.diagnosis.faulty import FaultyTarget
from conformance.faults import Fault

RIGHT = """
import numpy as np

capabilities = {"gradients": True, "dtypes": ("float32", "float64")}

def forward(case):
    p, h, output = case.parameters, case.h_0[0], []
    for x in case.x:
        h = np.tanh(x @ p["weight_ih_l0"].T + p["bias_ih_l0"] + h @ p["weight_hh_l0"].T + p["bias_hh_l0"])
        output.append(h)
    return np.stack(output), h[None].copy()

def gradients(case, d_output, d_h_n, d_c_n):
    p, (output, _) = case.parameters, forward(case)
    assert d_c_n is None
    d_output = np.zeros_like(output) if d_output is None else d_output
    d_h = np.zeros_like(case.h_0[0]) if d_h_n is None else d_h_n[0]
    found = {name: np.zeros_like(array) for name, array in p.items()}
    found["x"] = np.zeros_like(case.x)
    for t in reversed(range(len(output))):
        d_z = (d_h + d_output[t]) * (1 - output[t] ** 2)
        before = output[t - 1] if t else case.h_0[0]
        found["weight_ih_l0"] += d_z.T @ case.x[t]
        found["weight_hh_l0"] += d_z.T @ before
        found["bias_ih_l0"] += d_z.sum(0)
        found["bias_hh_l0"] += d_z.sum(0)
        found["x"][t] = d_z @ p["weight_ih_l0"]
        d_h = d_z @ p["weight_hh_l0"]
    return {**found, "h_0": d_h[None]}
"""

CLASS = (
    RIGHT
    + """
class Network:
    def forward(self, case):
        return forward(case)

    def gradients(self, case, d_output, d_h_n, d_c_n):
        return gradients(case, d_output, d_h_n, d_c_n)
"""
)

BOTH = pytest.mark.parametrize("in_process", [True, False], ids=["in process", "in a child"])


@pytest.fixture
def judged(tmp_path):
    """Checks a target file against some properties; the results by id."""
    count = iter(range(100))

    def judge(text, *properties, name="", in_process=True, **options):
        path = tmp_path / f"target_{next(count)}_{in_process}.py"
        path.write_text(text)
        properties = [f"gradients.{id}" for id in properties] or ["gradients"]
        report = check(f"{path}{name}", properties=properties, in_process=in_process, diagnosis=False, **options)
        return {result.id.removeprefix("gradients."): result for result in report.results}

    return judge


def changed(old, new):
    """The right target with one mistake."""
    assert RIGHT.count(old) == 1
    return RIGHT.replace(old, new)


# How they are called for

FORMS = {"a module": (RIGHT, ""), "a class": (CLASS, ":Network"), "a bare function": (RIGHT, ":forward")}


@pytest.mark.sample
@BOTH
@pytest.mark.parametrize("form", FORMS)
def test_gradients_are_found_in_every_form_of_a_target(judged, form, in_process):
    text, name = FORMS[form]
    results = judged(text, "shapes", "none_is_zero", name=name, in_process=in_process)

    assert {result.status for result in results.values()} == {"passed"}
    assert results["shapes"].examples >= 24


def test_an_object_and_a_function_with_gradients_are_targets_too():
    class Network:
        capabilities = Capabilities(cells=("RNN_TANH", "GRU", "LSTM"), gradients=True)

        def forward(self, case):
            return reference.forward(case)

        def gradients(self, *given):
            return reference.gradients(*given)

    def function(case):
        return reference.forward(case)

    function.capabilities, function.gradients = Network.capabilities, reference.gradients
    for target in (Network, Network(), function):
        (result,) = check(target, properties=["gradients.shapes"], diagnosis=False).results
        assert result.status == "passed", result.message


@pytest.mark.sample
@BOTH
def test_a_right_target_has_all_properties(judged, in_process):
    statuses = {id: result.status for id, result in judged(RIGHT, in_process=in_process, budget=2.0).items()}

    claimed = {id for id, status in statuses.items() if status != "not_claimed"}
    assert {statuses[id] for id in claimed} == {"passed"}
    assert {"shapes", "back_propagation", "one_step", "each_result", "none_is_zero", "linear", "split"} <= claimed
    unclaimed = {"integer_networks", "padding_has_none", "padding_is_not_read", "reversal"}
    assert set(statuses) - claimed == unclaimed | {"batch_first", "unbatched", "default_state", "dropout", "training"}


@pytest.mark.sample
@BOTH
@pytest.mark.parametrize("form", FORMS)
def test_who_claims_gradients_and_has_none_is_told_so(judged, form, in_process):
    text, name = FORMS[form]
    text = text.replace("def gradients(", "def backward(")

    for result in judged(text, "shapes", "each_result", name=name, in_process=in_process).values():
        assert result.status == "failed"
        assert result.message == "the target claims gradients, but has no function 'gradients'"


def test_who_does_not_claim_gradients_is_not_asked_for_them(judged):
    text = changed('"gradients": True, ', "") + "\ndef gradients(*given):\n    raise SystemExit\n"

    assert {result.status for result in judged(text).values()} == {"not_claimed"}


@BOTH
def test_a_target_that_raises_is_told_where(judged, in_process):
    text = changed("    assert d_c_n is None\n", "    raise TypeError('no way back')\n")

    result = judged(text, "shapes", in_process=in_process)["shapes"]

    assert result.status == "failed"
    assert result.message.startswith("the target raised TypeError: no way back (")
    assert "in gradients" in result.message


def test_cotangents_come_in_shapes_and_dtypes_of_results():
    seen = set()

    def gradients(case, d_output, d_h_n, d_c_n):
        output, final = reference.forward(case)
        h_n, c_n = final if case.config.cell == "LSTM" else (final, None)
        for d, result in ((d_output, output), (d_h_n, h_n), (d_c_n, c_n)):
            if d is not None:
                assert d.shape == result.shape and d.dtype == result.dtype
        seen.add((case.config.cell, tuple(d is None for d in (d_output, d_h_n, d_c_n))))
        return reference.gradients(case, d_output, d_h_n, d_c_n)

    def forward(case):
        return reference.forward(case)

    forward.gradients = gradients
    forward.capabilities = replace(reference.capabilities, cells=("GRU", "LSTM"), dtypes=("bfloat16",))
    ids = ["gradients.shapes", "gradients.each_result", "gradients.none_is_zero"]
    report = check(forward, properties=ids, budget=0.1, diagnosis=False)

    assert {result.status for result in report.results} == {"passed"}, report.reasons
    gru = {(False, False, True), (False, True, True), (True, False, True)}
    lstm = {(False,) * 3, (True, False, False), (False, True, True), (True, False, True), (True, True, False)}
    assert {none for cell, none in seen if cell == "GRU"} == gru
    assert {none for cell, none in seen if cell == "LSTM"} == lstm


# What they must look like

ODD = {
    "missing": (
        'return {**found, "h_0": d_h[None]}',
        "return found",
        "the gradient of h_0 is missing; there are weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0, x",
    ),
    "none": ('"h_0": d_h[None]', '"h_0": None', "the gradient of h_0 is missing; there are weight_ih_l0, "),
    "another name": ('"h_0": d_h[None]', '"h0": d_h[None]', "the gradient of h_0 is missing; there are "),
    "wrong shape": (
        '"h_0": d_h[None]',
        '"h_0": d_h',
        "the gradient of h_0 has shape (1, 1), must be (1, 1, 1) like h_0",
    ),
    "summed over rows": (
        "return {**found",
        'found["x"] = found["x"].sum(1)\n    return {**found',
        "the gradient of x has shape (1, 1), must be (1, 1, 1) like x",
    ),
    "wrong dtype": (
        '"h_0": d_h[None]', '"h_0": d_h[None].astype(np.float64)', "the gradient of h_0 is float64, must be float32"
    ),
    "integers": (
        "return {**found",
        'found["x"] = found["x"].astype(int)\n    return {**found',
        "the gradient of x is int64, must be float",
    ),
    "strings": ('"h_0": d_h[None]', '"h_0": "zero"', "h_0 has elements of type <U4, must be an array of real numbers"),
    "a tuple": (
        'return {**found, "h_0": d_h[None]}', "return tuple(found)", "gradients returned a tuple, must return a dict"
    ),
    "nothing": ('return {**found, "h_0": d_h[None]}', "pass", "gradients returned a NoneType, must return a dict"),
    "changed cotangent": (
        "    for t in reversed",
        "    d_output *= 2\n    for t in reversed",
        "d_output was changed by the call of gradients; work on a copy",
    ),
    "changed final cotangent": (
        "        d_h = d_z @ p",
        "        d_h[...] = d_z @ p",
        "d_h_n was changed by the call of gradients; work on a copy",
    ),
    "changed parameter": (
        "    for t in reversed",
        '    p["bias_hh_l0"] += 1\n    for t in reversed',
        "bias_hh_l0 was changed by the call of gradients; work on a copy",
    ),
}  # fmt: skip


@BOTH
@pytest.mark.parametrize("mistake", ODD)
@pytest.mark.sample
def test_what_does_not_look_like_gradients_is_named(judged, mistake, in_process):
    old, new, message = ODD[mistake]

    result = judged(changed(old, new), "shapes", in_process=in_process)["shapes"]

    assert result.status == "failed"
    assert message in result.message
    assert result.counterexample.startswith("smallest case: case('RNN_TANH', ")


@pytest.mark.sample
@BOTH
def test_more_names_lists_and_no_values_for_them_do_no_harm(judged, in_process):
    """What is not an array of the case is not looked at; a list has no dtype, and an empty one no wrong shape."""
    text = changed(
        '"h_0": d_h[None]}',
        '"h_0": d_h[None].tolist(), "c_0": None, "loss": np.zeros((7, 7))}',
    )

    results = judged(text, "shapes", "back_propagation", in_process=in_process)

    assert {result.status for result in results.values()} == {"passed"}


def test_a_target_that_changes_only_what_it_was_not_given_is_right(judged):
    text = changed("    for t in reversed", "    d_output = d_output.copy()\n    d_output *= 1\n    for t in reversed")

    assert judged(text, "shapes")["shapes"].status == "passed"


@pytest.mark.sample
@BOTH
def test_a_shape_that_is_wrong_is_wrong_for_every_property(judged, in_process):
    results = judged(changed('"h_0": d_h[None]', '"h_0": d_h'), "one_step", "linear", in_process=in_process)

    for result in results.values():
        assert result.status == "failed" and "the gradient of h_0 has shape" in result.message


# Which mistakes are found

FAR = [
    ("first_look", "(1 - output[t] ** 2)", "(1 - output[t])"),
    ("back_propagation", "(1 - output[t] ** 2)", "(1 - output[t])"),
    ("back_propagation", 'd_z @ p["weight_hh_l0"]', 'd_z @ p["weight_hh_l0"].T'),
    ("back_propagation", "output[t - 1] if t else case.h_0[0]", "output[max(t - 1, 0)]"),
    ("one_step", "output[t - 1] if t else case.h_0[0]", "output[t]"),
    ("back_propagation", "reversed(range(len(output)))", "reversed(range(1, len(output)))"),
    ("one_step", "(d_h + d_output[t])", "d_output[t]"),
    ("each_result", "(d_h + d_output[t])", "(d_h + d_output[t] + 0.25)"),
    ("none_is_zero", "np.zeros_like(output) if d_output is None", "np.ones_like(output) if d_output is None"),
    ("linear", "(d_h + d_output[t])", "np.clip(d_h + d_output[t], -1, 1)"),
    ("split", '"h_0": d_h[None]', '"h_0": 0 * d_h[None]'),
    ("sizes", '"h_0": d_h[None]', '"h_0": d_h[None] * (np.arange(d_h.shape[1]) < 64)'),
    ("magnitudes", '"h_0": d_h[None]', '"h_0": np.where(abs(d_h) > 1e9, 0, d_h)[None]'),
    ("each_size", '"h_0": d_h[None]', '"h_0": d_h[None] * (d_h.shape[1] != 40)'),
    ("central_differences", "(1 - output[t] ** 2)", "(1 - 0.5 * output[t] ** 2)"),
]


@pytest.mark.sample
@pytest.mark.parametrize(("property", "old", "new"), FAR, ids=[f"{id}-{i}" for i, (id, *_) in enumerate(FAR)])
def test_a_wrong_gradient_is_rejected_by_the_property_that_is_about_it(judged, property, old, new):
    result = judged(changed(old, new), property)[property]

    assert result.status == "failed" and result.message


@pytest.mark.sample
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("old, new", [
    ("output[t - 1] if t else case.h_0[0]", "output[t]"), ("range(len(output))", "range(1, len(output))"),
], ids=["W_hh of the same step", "first step without"])  # fmt: skip
def test_a_mistake_of_one_step_is_found_at_every_seed(judged, old, new, seed):
    assert judged(changed(old, new), "back_propagation", seed=seed)["back_propagation"].status == "failed"


def test_a_wrong_gradient_is_named_with_the_right_one(judged):
    text = changed('found["bias_hh_l0"] += d_z.sum(0)', 'found["bias_hh_l0"] += 2 * d_z.sum(0)')

    result = judged(text, "one_step")["one_step"]

    assert result.status == "failed"
    assert result.message.startswith("the gradient of bias_hh_l0[0] is ") and ", must be " in result.message
    assert result.counterexample.startswith("smallest case: case('RNN_TANH', T=1, N=1, I=1, H=1")


# The same of the reference, for what the small target does not have. What is patched: a function, old and new text.
DEEP = {
    "integer_networks": (
        "rnn_relu",
        "return relu(z)",
        "return passed_back(relu(z), (z, lambda d: d * (z.value > -1)))",
    ),
    "padding_has_none": (
        "gradients",
        "(t < plain.row_lengths)[:, None], 0.0)",
        "(t < plain.row_lengths)[:, None], 1.0)",
    ),
    "padding_is_not_read": (
        "gradients",
        "plain = without_padding(time_major(case.check()))",
        "plain = time_major(case.check())",
    ),
    "reversal": (
        "run",
        "output, state = scan(step, p, x, state, lengths, reverse)",
        "read = [passed_back(x_t, (x_t, lambda d: 2 * d)) for x_t in x] if reverse else x\n"
        "            output, state = scan(step, p, read, state, lengths, reverse)",
    ),
    "batch_first": ("by_name", "elif case.config.batch_first:", "elif False:"),
    "unbatched": ("cotangents", "[state[:, None] for state", "[0 * state[:, None] for state"),
    "default_state": (
        "by_name",
        "for name, _ in case.arrays()}",
        "for name, _ in case.arrays() if case.h_0 is not None}",
    ),
    "dropout": ("run", "[mask * x_t for", "[passed_back(mask * x_t, (x_t, lambda d: d)) for"),
    "training": ("run", "[mask * x_t for", "[passed_back(mask * x_t, (x_t, lambda d, m=mask: d * (m > 0))) for"),
    "memory_layout": ("cotangents", '"output": d_output,', '"output": d_output.ravel("K").reshape(d_output.shape),'),
    "calls_are_independent": (
        "gradients",
        "plain = without_padding(time_major(case.check()))",
        "given = (case.config, *(array.tobytes() for _, array in case.arrays()))\n"
        "    case = case.replace(lengths=gradients.__dict__.setdefault(given, case.lengths))\n"
        "    plain = without_padding(time_major(case.check()))",
    ),
    "back_propagation": ("gru", "r * q", "passed_back(r * q, (r, lambda d: d * q.value), (q, lambda d: d))"),
    "one_step": (
        "lstm",
        "h = o * tanh(c)",
        "h = o * tanh(c)\n"
        "    if 'weight_hr' in p.arrays:\n"
        "        W_hr = p.arrays['weight_hr']\n"
        "        of_h, of_c = linear(h, passed_back(W_hr), 0.0), linear(passed_back(c), W_hr, 0.0)\n"
        "        return passed_back(of_h, (of_h, lambda d: d), (of_c, lambda d: d)), c",
    ),
    "each_result": ("lstm", "h = o * tanh(c)", "h = o * tanh(c)\n    c = passed_back(c, (c, abs))"),
    "central_differences": (
        "gru_reset_before",
        "r * h",
        "passed_back(r * h, (r, lambda d: d), (h, lambda d: d * r.value))",
    ),
}


def deep(property):
    """What becomes of the property of a mistake, judged on the reference that makes it."""
    function, old, new = DEEP[property]
    target = FaultyTarget(Fault("wrong", "", "", function, old, new, ()))
    return check(target, properties=[f"gradients.{property}"], diagnosis=False).results[0]


@pytest.mark.sample
@pytest.mark.parametrize("property", DEEP)
def test_a_mistake_of_the_way_back_is_rejected(property):
    result = deep(property)

    assert result.status == "failed" and result.message


@pytest.mark.parametrize("value", ["np.isnan", "np.isinf"])
def test_padding_of_one_kind_that_enters_gradients_is_found(value):
    function, old, new = DEEP["padding_is_not_read"]
    new = new.replace("case.check()", f"case.replace(x=np.where({value}(case.x), 0, case.x)).check()")
    target = FaultyTarget(Fault("wrong", "", "", function, old, new, ()))
    assert check(target, properties=["gradients.padding_is_not_read"], diagnosis=False).verdict == "fails"


def test_every_property_of_gradients_has_its_mistake():
    about = {id.removeprefix("gradients.") for id in catalogue() if id.startswith("gradients.")}

    assert about == {"shapes", "results_own_their_memory", *DEEP, *(id for id, *_ in FAR)}


def test_padding_with_a_gradient_is_named_by_step_and_row():
    message = deep("padding_has_none").message

    assert message.startswith("the gradient of x[0, 0, 0] is 1, must be zero")
    assert "must be zero: row " in message and message.endswith(" has ended")


@pytest.mark.sample
def test_nan_in_the_padding_hides_no_finite_mistake():
    """Of a mistake in numbers and NaN out of the padding each is found, and only one property is about the NaN."""
    nan = Fault("nan", "", "", "gradients", *DEEP["padding_is_not_read"][1:], ())
    doubled = "d_x, found = [2 * d for d in d_x], {}"
    factor = Fault("factor", "", "", "by_name", "found: dict[str, Any] = {}", doubled, ())
    failed = {}
    for name, faults in {"nan": [nan], "both": [nan, factor]}.items():
        target = FaultyTarget(*faults, cells=("RNN_TANH",))
        report = check(target, properties=["gradients"], diagnosis=False)
        failed[name] = {result.id: result.message for result in report.results if result.status == "failed"}

    assert list(failed["nan"]) == ["gradients.padding_is_not_read"]
    assert {"gradients.back_propagation", "gradients.padding_is_not_read"} < set(failed["both"])
    said = {id for id, message in failed["both"].items() if "nan" in message}
    assert said == {"gradients.padding_is_not_read"}


# What is left open

KINK = """
import numpy as np

capabilities = {"gradients": True, "cells": ("RNN_RELU",)}

def forward(case):
    p, h, output = case.parameters, case.h_0[0], []
    for x in case.x:
        h = np.maximum(x @ p["weight_ih_l0"].T + p["bias_ih_l0"] + h @ p["weight_hh_l0"].T + p["bias_hh_l0"], 0)
        output.append(h)
    return np.stack(output), h[None].copy()
""" + RIGHT[RIGHT.index("def gradients(") :]


@pytest.mark.sample
@pytest.mark.parametrize("slope", [0, 0.5, 1])
def test_any_slope_from_0_to_1_is_right_at_the_kink_of_relu(judged, slope):
    """Integer networks meet the kink all the time."""
    assert KINK.count("(1 - output[t] ** 2)") == 1
    z = 'case.x[t] @ p["weight_ih_l0"].T + p["bias_ih_l0"] + before @ p["weight_hh_l0"].T + p["bias_hh_l0"]'
    before = "        before = output[t - 1] if t else case.h_0[0]\n"
    text = KINK.replace(before, "").replace("        d_z = ", f"{before}        z = {z}\n        d_z = ")
    text = text.replace("(1 - output[t] ** 2)", f"np.where(z == 0, z.dtype.type({slope}), (z > 0).astype(z.dtype))")

    results = judged(text, "integer_networks", "one_step")

    assert {result.status for result in results.values()} == {"passed"}
    beyond = judged(text.replace(f"type({slope})", "type(1.5)"), "integer_networks")
    assert beyond["integer_networks"].status == "failed" and " +/- " in beyond["integer_networks"].message


def test_integers_leave_no_room_for_rounding(judged):
    text = KINK.replace("(1 - output[t] ** 2)", "(output[t] > 0) * np.float32(1 + 2.0**-20)")

    result = judged(text, "integer_networks")["integer_networks"]

    assert result.status == "failed" and "exactly" in result.message


def test_one_bias_may_have_all_the_gradient_there_is(judged):
    text = changed('{"gradients": True', '{"gradients": True, "biases": "one"')
    nothing = text.replace('found["bias_hh_l0"] += d_z.sum(0)', "pass")
    anything = text.replace('found["bias_hh_l0"] += d_z.sum(0)', 'found["bias_hh_l0"] += 7')

    for target in (text, nothing, anything):
        results = judged(target, "one_step", "linear")
        assert {result.status for result in results.values()} == {"passed"}


@pytest.mark.sample
@BOTH
def test_rounding_is_allowed_and_more_is_not(judged, in_process):
    order = changed("d_z.T @ before", "(before.T @ d_z).T")
    rough = changed('d_z @ p["weight_ih_l0"]', 'd_z @ p["weight_ih_l0"] * (1 + 2.0**-12)')

    assert judged(order, "one_step", in_process=in_process)["one_step"].status == "passed"
    assert judged(rough, "one_step", in_process=in_process)["one_step"].status == "failed"


# The results of the run that was recorded

OWN = changed('"h_0": d_h[None]}', '"h_0": d_h[None], "output": output, "h_n": output[-1:].copy()}')
BESIDE = {
    "only some": ('"output": output, ', "", "shapes", "h_n came beside the gradients, but not output"),
    "another shape": ("output[-1:].copy()", "output[-1].ravel()", "shapes", "h_n has shape"),
    "a shape that can be made out": (
        "output[-1:].copy()", "output[-1].copy()", "shapes", "beside the gradients, h_n has shape (1, 1), must be"
    ),
    "another dtype": (
        "output[-1:].copy()", "output[-1:].astype(float)", "shapes", "the h_n beside the gradients is float64, must be"
    ),
    "another state": (
        "output[-1:].copy()", "output[:1].copy()", "back_propagation", "beside the gradients, h_n[0, 0, 0] is "
    ),
    "a rough output": (
        '"output": output,',
        '"output": output * np.float32(1.0001),',
        "back_propagation",
        "beside the gradients, output[",
    ),
}  # fmt: skip


@pytest.mark.sample
@BOTH
def test_results_may_come_beside_the_gradients(judged, in_process):
    assert {r.status for r in judged(OWN, "shapes", "back_propagation", "linear", in_process=in_process).values()} == {
        "passed"
    }


@pytest.mark.sample
@pytest.mark.parametrize("odd", BESIDE)
def test_what_comes_beside_the_gradients_is_judged_too(judged, odd):
    old, new, id, message = BESIDE[odd]
    result = judged(OWN.replace(old, new), id)[id]
    assert result.status == "failed"
    assert message in result.message


def test_no_gradient_is_blamed_for_an_output_that_is_wrong_beside_it(judged):
    old, new, *_ = BESIDE["a rough output"]
    results = judged(OWN.replace(old, new), "sizes", "each_size")
    for result in results.values():
        assert result.status == "failed"
        assert "beside the gradients, output[" in result.message


@pytest.mark.sample
@pytest.mark.parametrize("text", [RIGHT, OWN], ids=["kept", "returned"])
def test_gradients_are_judged_from_the_states_of_their_own_run(judged, text):
    """A recorded pass may round otherwise than inference does."""
    apart = text.replace("forward(case)\n    assert", "forward(case, np.finfo(case.x.dtype).eps)\n    assert")
    apart = apart.replace("def forward(case):", "def forward(case, off=0):")
    apart = apart.replace("h = np.tanh(", "h = case.x.dtype.type(1 - off) * np.tanh(")
    assert apart.count("off") == 2 and "finfo" in apart
    assert judged(apart, "back_propagation")["back_propagation"].status == "passed"


# One pass for each result


@pytest.mark.parametrize("seed", [0, 1])
def test_gradients_of_one_pass_for_each_result_are_right_when_they_are_added_up(seed):
    target = Path(__file__).parent.parent / "targets" / "right" / "two_passes.py"
    report = check(target, properties=["gradients.back_propagation"], seed=seed, diagnosis=False, in_process=True)
    assert report.verdict == "conforms", report.results[0].message
