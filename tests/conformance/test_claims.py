"""What packages claim that cannot do everything: only both directions, no biases, some results, some cotangents."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import conformance
from conformance import Capabilities, Mode, TargetError
from conformance.adapters import reference
from conformance.claims.capabilities import COTANGENTS, RESULTS, CapabilityError
from conformance.comparison.compare import beyond, common
from reference_rnn import recurrence

MANY = {"cells": ("LSTM",), "max_layers": 3, "lengths": True, "gradients": True, "batch_first": True,
        "default_state": True, "empty": True, "dropout": True, "unbatched": True}  # fmt: skip


def target(seen=lambda case: None, wrong=lambda results, case: results, **claims):
    """The reference, which claims this and does no more; what it must not be asked raises."""
    mine = Capabilities(**(MANY | claims))

    class Target:
        capabilities = mine

        def forward(self, case):
            seen(case)
            output, states = reference.forward(case)
            h_n, c_n = states if isinstance(states, tuple) else (states, None)
            found = wrong({"output": output, "h_n": h_n, "c_n": c_n}, case)
            found = {name: found[name] if name in mine.outputs else None for name in RESULTS}
            return found["output"], (found["h_n"], found["c_n"]) if c_n is not None else found["h_n"]

        def gradients(self, case, d_output, d_h_n, d_c_n):
            seen(case)
            given = {"d_output": d_output, "d_h_n": d_h_n, "d_c_n": d_c_n}
            asked = [name for name, d in given.items() if d is not None and name not in mine.cotangents]
            assert not asked, f"{asked} were given"
            found = reference.gradients(case, **given)
            found = {name: array for name, array in found.items() if name not in RESULTS or name in mine.outputs}
            return {n: a if n in RESULTS or mine.has_gradient(n) else np.array([1e9]) for n, a in found.items()}

    return Target


def only(name, value):
    """Raises where a case is of another kind."""

    def seen(case):
        assert getattr(case.config, name) is value, f"{name} is {getattr(case.config, name)}"

    return seen


def batches_first(case):
    """Raises where x has a batch and is time-major; a batch of sizes apart shows which axis is which."""
    assert case.unbatched or case.config.batch_first, "x is time-major"


def one_row(case):
    """Raises where rows do not share a state that is given."""
    assert case.h_0 is None or case.h_0.ndim == 2 or case.h_0.shape[1] <= 1


@pytest.mark.sample
@pytest.mark.parametrize(
    ("claims", "seen"),
    [
        ({"bidirectional": "only", "recompiles": True}, only("bidirectional", True)),
        ({"bidirectional": "only"}, only("bidirectional", True)),
        ({"bidirectional": True, "no_bias": "only"}, only("bias", False)),
        ({"bidirectional": "only", "no_bias": "only"}, only("bias", False)),
        ({"no_bias": "only", "recompiles": "model"}, only("bias", False)),
        ({"initial_state": "shared", "bidirectional": True}, one_row),
        ({"outputs": ("output",)}, lambda case: None),
        ({"outputs": ("h_n",), "bidirectional": True}, lambda case: None),
        ({"outputs": ("output", "h_n")}, lambda case: None),
        ({"outputs": ("h_n", "c_n"), "order": "steps"}, lambda case: None),
        ({"cotangents": ("d_output",)}, lambda case: None),
        ({"cotangents": ("d_h_n", "d_c_n"), "bidirectional": True}, lambda case: None),
        ({"cotangents": ("d_output",), "outputs": ("output",)}, lambda case: None),
        ({"modes": {"chunks": {"order": "chunks"}}}, lambda case: None),
        ({"batch_first": "only"}, batches_first),
        ({"batch_first": "only", "unbatched": False, "bidirectional": True}, batches_first),
        ({"batch_first": "only", "recompiles": True}, batches_first),
        ({"batch_first": "only", "recompiles": "model"}, batches_first),
        ({"gradients": ("weight_hh", "bias_ih")}, lambda case: None),
        ({"gradients": ("x",), "bidirectional": True, "batch_first": "only"}, batches_first),
        ({"gradients": ("h_0", "c_0", "x"), "biases": "one"}, lambda case: None),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)  # fmt: skip
def test_who_does_what_it_claims_conforms(claims, seen, request):
    budget = None if request.config.getoption("whole") else 1e-6  # the covering cases alone
    report = conformance.check(target(seen, **claims), diagnosis=False, budget=budget)
    shown = [(r.id, r.message, r.error) for r in report.results if r.status in ("failed", "inconclusive")]
    assert report.verdict == "conforms", (shown, report.reasons)


def off(name, at):
    """Something wrong in one result."""

    def wrong(results, case):
        if results[name] is not None and results[name].size:
            results[name].flat[at] += 1
        return results

    return wrong


@pytest.mark.parametrize(
    ("claims", "wrong"),
    [
        ({"outputs": ("output",)}, off("output", -1)),
        ({"outputs": ("h_n",)}, off("h_n", 0)),
        ({"outputs": ("h_n", "c_n")}, off("c_n", 0)),
        ({"outputs": ("output", "h_n")}, off("h_n", -1)),
        ({"bidirectional": "only"}, off("output", 0)),
        ({"no_bias": "only"}, off("h_n", 0)),
        ({"initial_state": "shared"}, off("output", 0)),
        ({"batch_first": "only"}, off("output", -1)),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)  # fmt: skip
def test_what_is_shown_is_judged(claims, wrong):
    report = conformance.check(target(wrong=wrong, **claims), properties=["equivalence.steps"], diagnosis=False)

    assert report.verdict == "fails" and report.results[0].counterexample


@pytest.mark.sample
def test_what_is_not_shown_is_not_judged():
    wrong = target(wrong=off("c_n", 0), outputs=("output",))
    ids = ["equivalence", "layers", "time", "gradients.back_propagation"]
    assert conformance.check(wrong, properties=ids, diagnosis=False).verdict == "conforms"


@pytest.mark.parametrize(
    ("named", "wrong", "said"),
    [
        (("x", "weight_hh"), {"weight_hh_l1": 2.0}, "the gradient of weight_hh_l1"),
        (("x", "weight_hh"), {"x": 0.5}, "the gradient of x"),
        (("x", "weight_hh"), {"x": None}, "the gradient of x is missing"),
        (("x", "weight_hh"), {"weight_ih_l0": 2.0, "bias_hh_l0": None, "h_0": 0.0}, ""),
        (("weight_ih", "c_0"), {"c_0": 2.0}, "the gradient of c_0"),
    ],
)
def test_of_gradients_those_that_are_named_are_judged(named, wrong, said):
    class Wrong(target(gradients=named)):
        def gradients(self, case, d_output, d_h_n, d_c_n):
            found = reference.gradients(case, d_output, d_h_n, d_c_n)
            times = {name: wrong.get(name, 1.0) for name in found}
            return {name: found[name] * times[name] for name in found if times[name] is not None}

    ids = ["gradients.shapes", "gradients.back_propagation", "gradients.central_differences"]
    report = conformance.check(Wrong, properties=ids, budget=1e-6)
    assert report.verdict == ("fails" if said else "conforms")
    assert any(said in result.message for result in report.results)


def decay(a, v, S):
    """A sum that each step multiplies by a number of its own."""
    S = a[..., None] * S + v
    return S, S


def test_of_a_recurrence_gradients_are_named_too():
    cell = recurrence(inputs={"a": "", "v": "V"}, states={"S": "V"}, outputs={"o": "V"}, name="decay")(decay)
    asked = []

    def gradients(case, d_outputs, d_states):
        own, d_S = np.zeros_like(case.inputs["v"]), d_states["S"]
        for t in reversed(range(case.num_steps)):
            d_S = d_S + d_outputs["o"][t]
            own[t] = d_S
            d_S = d_S * case.inputs["a"][t][..., None]
        asked.append(case)
        return {"v": own, "S": d_S, "a": np.array([1e9])}

    def forward(case):
        S, outputs = case.states["S"].copy(), np.zeros_like(case.inputs["v"])
        for t in range(case.num_steps):
            S = outputs[t] = case.inputs["a"][t][..., None] * S + case.inputs["v"][t]
        return {"o": outputs}, {"S": S.copy()}

    class Target:
        capabilities = Capabilities(cells=(cell,), dtypes=("float64",), gradients=("v", "S"))

    Target.forward, Target.gradients = staticmethod(forward), staticmethod(gradients)
    report = conformance.check(Target, properties=["state"], diagnosis=False, budget=1e-6)
    held = {result.id for result in report.results if result.status == "passed"}
    assert report.verdict == "conforms" and asked, report
    assert {"state.gradient_shapes", "state.gradients_are_slopes", "state.gradients_through_the_state"} <= held
    Target.gradients = staticmethod(lambda *given: gradients(*given) | {"v": 2 * gradients(*given)["v"]})
    assert conformance.check(Target, properties=["state"], diagnosis=False, budget=1e-6).verdict == "fails"
    message = "gradients has 'S_0', must be of a, v, S"
    with pytest.raises(CapabilityError, match=message):
        Capabilities(cells=(cell,), gradients=("v", "S_0"))


@pytest.mark.parametrize(
    "claims",
    [
        {"gradients": ("weight_ih", "h_0"), "initial_state": True, "options": ("peepholes",), "empty": False},
        {"gradients": ("x", "bias_ih"), "dropout": True},
    ],
    ids=["plain", "dropout"],
)
def test_wrong_gradients_of_which_some_are_named_break_no_diagnosis(claims):
    class Wrong(target(**claims)):
        def gradients(self, case, d_output, d_h_n, d_c_n):
            case = case.replace(dropout=0.0, training=False)
            found = reference.gradients(case, d_output, d_h_n, d_c_n)
            return found

    report = conformance.check(Wrong, properties=["gradients.back_propagation", "gradients.training"], budget=1e-6)
    assert "the diagnosis itself failed" not in str(report)
    assert report.verdict == "fails"


def test_a_gradient_that_is_claimed_by_name_and_never_met_is_a_doubt():
    class Nothing(target(cells=("RNN_TANH",), gradients=("bias_hh",), no_bias="only")):
        def gradients(self, case, d_output, d_h_n, d_c_n):
            return {}

    report = conformance.check(Nothing, properties=["gradients"], budget=1e-6)
    assert report.verdict == "inconclusive" and "no case verifies the gradient of bias_hh" in report.reasons


def test_claims_that_are_narrowed_lose_the_gradients_that_are_gone(tmp_path):
    claims = Capabilities(cells=("GRU", "LSTM"), gradients=("x", "c_0"))
    assert claims.narrowed(cells=("GRU",)).gradients == ("x",)
    assert common(claims, Capabilities(cells=("GRU",), gradients=True)).gradients == ("x",)
    assert not common(Capabilities(cells=("GRU", "LSTM"), gradients=("c_0",)), Capabilities(cells=("GRU",))).gradients
    assert claims.claims("gradients.x") and not claims.claims("gradients.h_0")


def test_what_is_always_batch_first_is_shown_and_asked_again_so(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = (Path(__file__).parents[1] / "targets" / "right" / "keras_like.py").read_text()
    Path("mine.py").write_text(text.replace("c = f * c + i", "c = i * c + f"))
    first = conformance.check("mine.py", properties=["equivalence.steps"])
    assert "batch_first=True" in first.results[0].counterexample and "gates are read in the order f, i" in str(first)
    again = conformance.check("mine.py", properties=["equivalence.steps"], budget=1e-6)
    assert again.results[0].counterexample == first.results[0].counterexample
    script = [sys.executable, "-m", "conformance", "reproduce", "--", *Path(".rnn-conformance").rglob("*.json")]
    Path("shows.py").write_text(subprocess.run(script, capture_output=True, text=True, timeout=60).stdout)
    done = subprocess.run([sys.executable, "shows.py"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "must be" in done.stdout, done.stdout + done.stderr
    assert all(
        r.status == "not_claimed" for r in conformance.check("mine.py", properties=["shapes.batch_first"]).results
    )


def test_a_result_that_is_claimed_must_be_there():
    class Target:
        def forward(self, case):
            return reference.forward(case)[0], None

    [result] = conformance.check(Target, properties=["equivalence.steps"], diagnosis=False).results
    assert "h_n is None, must be an array" in result.message


RETURNED = {("output",): "output + late, None", ("h_n",): "None, h_n + late"}


@pytest.mark.sample
@pytest.mark.parametrize("outputs", RETURNED)
def test_a_counterexample_of_some_results_can_be_replayed(outputs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(
        "import numpy as np\nfrom conformance.adapters import reference\n"
        f"capabilities = dict(outputs={outputs!r})\n"
        "def forward(case):\n    output, h_n = reference.forward(case)\n"
        f"    late = case.x.shape[0] > 1\n    return {RETURNED[outputs]}\n"
    )
    report = conformance.check("mine.py", properties=["equivalence.steps"])
    assert report.verdict == "fails"
    again = conformance.check("mine.py", properties=["equivalence.steps"], profile="quick")
    assert again.results[0].examples == 1, "what was saved is judged first"


@pytest.mark.parametrize("in_process", [True, False])
@pytest.mark.parametrize("outputs", RETURNED)
def test_a_right_target_that_shows_some_results_conforms(outputs, in_process, tmp_path, monkeypatch):
    """It rounds in its own way, so that what it does not show is not what the reference makes of what it shows."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(
        "import numpy as np\n"
        f"capabilities = dict(outputs={outputs!r})\n"
        "def forward(case):\n    p, h, steps, late = case.parameters, case.h_0[0], [], 0\n    for x in case.x:\n"
        "        z = (p['bias_hh_l0'] + h @ p['weight_hh_l0'].T) + (x @ p['weight_ih_l0'].T + p['bias_ih_l0'])\n"
        "        h = np.tanh(z)\n        steps.append(h)\n    output, h_n = np.stack(steps), h[None].copy()\n"
        f"    return {RETURNED[outputs]}\n"
    )
    report = conformance.check("mine.py", properties=["shapes.shapes", "equivalence", "time"], in_process=in_process)
    assert report.verdict == "conforms", [result.message for result in report.results if result.status == "failed"]


@pytest.mark.parametrize(
    ("claims", "said"),
    [
        ({"bidirectional": "both"}, "bidirectional is 'both', must be one of True, False, 'only'"),
        ({"no_bias": 1}, "no_bias is 1, must be one of True, False, 'only'"),
        ({"batch_first": "always"}, "batch_first is 'always', must be one of True, False, 'only'"),
        (
            {"gradients": ("weight_ih_l0",)},
            "gradients has 'weight_ih_l0', must be of x, h_0, weight_ih",
        ),
        ({"gradients": ("c_0",)}, "gradients has 'c_0', must be of x, h_0, weight_ih"),
        ({"gradients": "x"}, "gradients is 'x', must be True, False, or a sequence of names of arrays"),
        ({"gradients": 1}, "gradients is 1, must be True, False, or a sequence"),
        ({"gradients": ("h_0",), "initial_state": False}, "gradients has 'h_0', must be of x, weight_ih"),
        ({"gradients": ("bias_hh",), "biases": "one"}, "gradients has 'bias_hh', must be of x, h_0"),
        ({"initial_state": "one"}, "initial_state is 'one', must be one of True, False, 'shared'"),
        ({"outputs": ("y",)}, "outputs has 'y', must be of output, h_n, c_n"),
        ({"outputs": ()}, "outputs names neither output nor h_n"),
        ({"outputs": "output"}, "outputs is 'output', must be a sequence of output, h_n, c_n"),
        ({"cotangents": ("output",)}, "cotangents has 'output', must be of d_output, d_h_n, d_c_n"),
        ({"modes": "fast"}, "modes is 'fast', must be a dict"),
        ({"arithmetic": "tf32+fixed<16,6>"}, "arithmetic is 'tf32+fixed<16,6>', must be one of strict, lenient"),
        ({"arithmetic": "fixed<6,16>"}, "arithmetic is 'fixed<6,16>', must be fixed<W,I>, 0 < I < W < 33"),
        ({"arithmetic": "fixed<16,6>", "gradients": True}, "gradients cannot be judged in fixed point by this version"),
        (
            {"arithmetic": "fixed<16,6>", "dtypes": ("float16",)},
            "fixed point is judged in float32 arrays, step by step",
        ),
        (
            {"arithmetic": "fixed<16,6>", "fixed": {"round": "cut"}},
            "fixed has 'round', must be of rounding, entries, r",
        ),
        ({"arithmetic": "fixed<16,6>", "fixed": {"rounding": "up"}}, "rounding is 'up', must be one of cut, nearest"),
        ({"arithmetic": "fixed<16,6>", "fixed": {"entries": 1.5}}, "entries is 1.5, must be the size of a table"),
        ({"fixed": {"entries": 1024}}, "fixed is {'entries': 1024}, but arithmetic is 'strict'"),
    ],
)
def test_a_wrong_claim_is_one_clear_line(claims, said):
    with pytest.raises(CapabilityError) as error:
        Capabilities(**claims)
    assert str(error.value).startswith(said)


def test_what_is_claimed_and_not_tested_yet_is_said():
    claims = Capabilities(modes={"a": Mode()}, initial_state="shared", recompiles="model")
    assert len(claims.untested) == 2 and not Capabilities().untested
    report = conformance.check(target(modes={"a": Mode()}), properties=["shapes.shapes"], diagnosis=False)
    assert any("modes of layers are not tested by this version" in note for note in report.notes)


def test_two_versions_without_a_kind_in_common_are_not_compared(tmp_path):
    with pytest.raises(TargetError, match="bidirectional='only'"):
        common(Capabilities(bidirectional="only"), Capabilities())
    with pytest.raises(TargetError, match="batch_first='only'"):
        common(Capabilities(batch_first="only"), Capabilities())
    both = common(
        Capabilities(batch_first="only", gradients=("x", "h_0")), Capabilities(batch_first=True, gradients=True)
    )
    assert (both.batch_first, both.gradients) == ("only", ("x", "h_0"))
    some = common(Capabilities(gradients=("x", "h_0")), Capabilities(gradients=("h_0", "weight_ih")))
    assert some.gradients == ("h_0",) and not common(some, Capabilities()).gradients
    assert beyond(Capabilities(gradients=("x", "h_0")), some) == ["gradients x"]
    shared = common(
        Capabilities(bidirectional="only", outputs=("output",), modes={"a": Mode()}), Capabilities(bidirectional=True)
    )
    assert (shared.bidirectional, shared.outputs, shared.cotangents) == ("only", ("output",), COTANGENTS)


def test_trace_asks_what_is_claimed(tmp_path):
    (tmp_path / "mine.py").write_text(
        "from conformance.adapters import reference\n"
        "capabilities = dict(bidirectional='only', no_bias='only', batch_first='only')\n"
        "def forward(case):\n    assert case.config.bidirectional and not case.config.bias and case.x.shape[0] == 1\n"
        "    return reference.forward(case)\n"
    )
    command = [sys.executable, "-m", "conformance", "trace", str(tmp_path / "mine.py")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0 and "every number agrees" in done.stdout, done.stdout + done.stderr


@pytest.mark.sample
def test_no_more_layers_are_asked_than_are_claimed():
    def seen(case):
        assert case.config.num_layers <= 2, "asked for more layers than are claimed"

    ids = ["dropout.mask", "equivalence.sizes", "layers"]
    assert conformance.check(target(seen, max_layers=2), properties=ids, diagnosis=False).verdict == "conforms"


@pytest.mark.sample
@pytest.mark.parametrize("unbatched", [False, True])
def test_where_a_shape_is_dear_forms_are_not_drawn(unbatched):
    """But who claims calls without an axis of rows is asked for them, in a few shapes."""
    shapes = set()

    def seen(case):
        shapes.add((case.x.shape, case.config.num_layers, case.config.bidirectional, case.h_0 is None))

    ids = ["equivalence", "time", "batch", "shapes.unbatched"]
    dear = target(seen, recompiles=True, bidirectional=True, unbatched=unbatched, default_state=False)
    results = conformance.check(dear, properties=ids, diagnosis=False).results
    assert len(shapes) <= 24
    assert {len(x) for x, *_ in shapes} == ({2, 3} if unbatched else {3})
    assert {r.status for r in results if r.id == "shapes.unbatched"} == {"passed" if unbatched else "not_claimed"}


def test_a_mistake_without_an_axis_of_rows_is_found_where_a_shape_is_dear():
    def seen(case):
        assert case.x.ndim == 3, "too few axes"

    dear = target(seen, recompiles=True, unbatched=True)
    [result] = conformance.check(dear, properties=["shapes.unbatched"], diagnosis=False).results
    assert result.status == "failed" and "too few axes" in result.message


def test_a_shared_state_with_other_numbers_of_rows_alone_is_one_clear_line():
    with pytest.raises(CapabilityError, match="tested with one row only"):
        Capabilities(initial_state="shared", sizes={"batch": (3, 4)})
