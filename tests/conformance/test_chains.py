"""Chains of tools: what is one, what each stage is given, and which of them is to blame."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import conformance
from conformance.adapters import reference
from conformance.chapters import catalogue
from conformance.claims.capabilities import MODELS, CapabilityError
from conformance.diagnosis.blame import Outcome, Trial
from conformance.events import PropertyResult
from conformance.harness.call import Call
from conformance.harness.load import move_target, open_target, rebase_target
from conformance.judging.counterexample import Counterexample, right
from conformance.judging.judge import Judging
from conformance.judging.serialisation import counterexample_from_data
from conformance.judging.subject import Subject
from conformance.report.wording import kind_of
from conformance.scripts.reproducer import script
from conformance.trial.revision import folder_of
from conformance.trial.source_location import place_of
from reference_rnn import case
from strategies.covering import COVERING, covering

STAGES = '''
"""A program, and what may become of it."""

import numpy as np


def program(case):
    p = {name: array.copy() for name, array in case.parameters.items()}

    def run(inputs):
        h, output = inputs["h_0"][0], []
        bias = p.get("bias_ih_l0", 0) + p.get("bias_hh_l0", 0)
        for x in inputs["x"]:
            h = np.tanh(x @ p["weight_ih_l0"].T + h @ p["weight_hh_l0"].T + bias).astype("float32")
            output.append(h)
        return {"output": np.stack(output), "h_n": h[None].copy()}

    return run


program.capabilities = {"cells": ("RNN_TANH",), "bidirectional": False, "max_layers": 1, "nonfinite": False}


def faithful(program):
    return lambda inputs: program(inputs)


def burnt(program):
    """Forgets all steps but the first two."""
    return lambda inputs: program({**inputs, "x": inputs["x"][:2]}) if len(inputs["x"]) > 2 else program(inputs)


def refuses(program):
    raise NotImplementedError("no loops here")


def unfinished(program):
    return "a model"
'''


@pytest.fixture
def chain(tmp_path):
    """The name of a chain of functions of STAGES."""
    (tmp_path / "stages.py").write_text(STAGES)
    return lambda *names: " > ".join(f"{tmp_path}/stages.py:{name}" for name in names)


def test_a_chain_whose_stages_are_right_conforms(chain):
    report = conformance.check(chain("program", "faithful"), properties=["equivalence", "shapes", "time"])
    assert report.verdict == "conforms", report
    assert not report.diagnosis


def test_the_stage_that_is_wrong_is_to_blame(chain):
    report = conformance.check(chain("program", "faithful", "burnt"), properties=["equivalence.steps"])
    (finding,) = report.diagnosis
    assert report.verdict == "fails" and finding.fault == "measured.stage" and not finding.patch
    assert finding.title.split(" is to blame: ")[0].endswith("stages.py:burnt")
    assert "what it is given is right, and it gives output of shape (2, 1, 3), must be (3, 1, 3)" in finding.title
    assert kind_of(finding) == "the chain was run stage by stage, on the case of a failure"


def test_the_first_stage_may_be_the_wrong_one(chain, tmp_path):
    wrong = STAGES.replace("np.tanh(", "np.sin(")
    (tmp_path / "wrong.py").write_text(wrong)
    target = f"{tmp_path}/wrong.py:program > {tmp_path}/wrong.py:faithful"
    (finding,) = conformance.check(target, properties=["equivalence.steps"]).diagnosis
    assert "wrong.py:program is to blame: it gives" in finding.title


@pytest.mark.parametrize(
    "stage, said",
    [
        ("refuses", "the target raised NotImplementedError: no loops here (in its stage "),
        ("unfinished", "unfinished that gave a str, which cannot be called with arrays"),
    ],
)
def test_what_refuses_cannot_be_judged(chain, stage, said):
    report = conformance.check(chain("program", stage), properties=["equivalence", "shapes"])
    assert report.verdict == "inconclusive"
    judged = [result for result in report.results if result.status != "not_claimed"]
    assert judged and all(result.status == "inconclusive" and said in result.message for result in judged)


@pytest.mark.parametrize(
    "target, said",
    [
        ("torch > foo", "'foo' is no stage of a chain, must be file.py:name or one of torch, "),
        ("torch > ", "'' is no stage of a chain"),
        ("torch > onnx", "onnx gives a model, which does not run by itself: > onnxruntime, > onnx-reference"),
        ("torch > onnxruntime", "torch gives a program, but onnxruntime takes a model"),
        ("onnx > onnxruntime", "onnx takes a program, so it cannot come first; a chain begins with torch"),
        ("nowhere.py:a > jit", "there is no file 'nowhere.py'"),
    ],
)
def test_what_is_no_chain_is_one_clear_line(target, said, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "conformance", "check", target], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 2 and said in done.stderr and len(done.stderr.strip().splitlines()) == 1


def test_a_chain_is_named_from_elsewhere(chain, tmp_path):
    target = chain("program", "faithful")
    there = tmp_path / "there"
    assert move_target("stages.py:program > jit", Path("folder")) == "folder/stages.py:program > jit"
    assert rebase_target(target, tmp_path, there) == target.replace(str(tmp_path), str(there))
    assert place_of(f"torch > {tmp_path}/stages.py:faithful").file == (tmp_path / "stages.py").resolve()
    with pytest.raises(conformance.UsageError, match="comes with this kit, and has no revisions"):
        folder_of("torch > onnx > onnxruntime")
    assert folder_of(target) == tmp_path.resolve()


def test_a_chain_is_written_out(chain, tmp_path, run_script):
    target = chain("program", "faithful", "burnt")
    (result,) = conformance.check(target, properties=["equivalence.steps"], diagnosis=False).results
    text = script(counterexample_from_data(result.found | {"target": target}), "A statement.")
    done = run_script(text)
    assert done.returncode == 1 and "must be {'output': (3, 1, 3)" in done.stdout, done.stderr
    (tmp_path / "stages.py").write_text(STAGES.replace('inputs["x"][:2]', 'inputs["x"]'))
    assert run_script(text).returncode == 0


def test_cells_of_files_are_not_judged_in_fixed_point():
    with pytest.raises(CapabilityError, match="of the cells of the kit only"):
        conformance.Capabilities(cells=({"file": "a.py", "name": "b"},), arithmetic="fixed<16,6>")


@pytest.mark.parametrize(
    "claims, count",
    [({}, 2), ({"max_layers": 1}, 1), ({"sizes": {"hidden_size": (4, 8)}}, 4), ({"dtypes": ("float32", "float64")}, 4)],
)
def test_the_configurations_that_are_dear_are_counted(claims, count):
    claims = {"max_layers": None} | claims
    assert conformance.Capabilities(recompiles="model", **claims).configurations == count


# Who is to blame, of an exporter and a runtime

RIGHT = Outcome({"h_n": np.ones(3)})
WRONG = Outcome({"h_n": np.zeros(3)}, "gives 0 for h_n[0], must be 1")
OTHER = Outcome({"h_n": np.full(3, 7.0)}, "gives 7 for h_n[0], must be 1")
NOTHING = Outcome({}, "raised ValueError")


@pytest.mark.parametrize(
    "onnxruntime, reference, openvino, said",
    [
        (WRONG, RIGHT, None, "onnxruntime is to blame: onnx-reference runs the same model rightly; onnxruntime gives"),
        (WRONG, WRONG, None, "onnx is to blame: its model is wrong in two runtimes alike; onnxruntime gives 0 for"),
        (NOTHING, NOTHING, None, "onnx is to blame: its model is wrong in two runtimes alike; onnxruntime raised"),
        (NOTHING, NOTHING, RIGHT, "onnxruntime is to blame: openvino runs the same model rightly; onnxruntime raised"),
        (WRONG, OTHER, None, "whether onnx or onnxruntime is to blame cannot be told: onnxruntime gives 0 for h_n[0]"),
        (WRONG, OTHER, OTHER, "whether onnx or onnxruntime is to blame cannot be told"),
        (WRONG, NOTHING, WRONG, "onnx is to blame: its model is wrong in two runtimes alike"),
        (WRONG, OTHER, RIGHT, "onnxruntime is to blame: openvino runs the same model rightly"),
        (WRONG, None, None, "must be 1; no other runtime that is installed here runs it"),
    ],
)
def test_two_runtimes_that_are_wrong_alike_convict_the_exporter(onnxruntime, reference, openvino, said):
    outcomes = {"torch": RIGHT, "onnxruntime": onnxruntime, "onnx-reference": reference, "openvino": openvino}
    assert said in sentence(outcomes, np.ones(3))


def test_a_habit_that_runtimes_share_convicts_nobody():
    outcomes = {"torch": RIGHT, "onnxruntime": WRONG, "onnx-reference": WRONG, "openvino": None}
    assert "cannot be told" in sentence(outcomes, np.array([1.0, np.nan, 1.0]))


def sentence(outcomes, must):
    """What is said where the stages of a chain, run up to the last one, have these outcomes."""
    from conformance.harness.call import Call
    from conformance.harness.process import Limits

    call = Call("forward", case("RNN_TANH"), {})
    found = Counterexample("", "", "", call.case, (call,), 0, (0,), ({"h_n": (must, np.zeros(3))},))
    trial = Trial(["torch", "onnx", "onnxruntime"], found, Limits())
    trial.outcome = lambda stages: outcomes[stages[-1]]
    return trial.sentence()


# Where a new model is dear


class Counted:
    """A right target that notes the models that it is asked, and for each the sizes."""

    capabilities = conformance.Capabilities(
        cells=("RNN_TANH", "RNN_RELU", "GRU", "LSTM"), bidirectional=True, max_layers=None, no_bias=True, lengths=True,
        default_state=True, batch_first=True, dropout=True, gradients=True, recompiles="model",
    )  # fmt: skip

    def __init__(self, models):
        self.models = models

    def forward(self, case):
        key = (repr(vars(case.config)), *(array.tobytes() for array in case.parameters.values()))
        self.models.setdefault(key, set()).add(case.x.shape)
        return reference.forward(case)

    def gradients(self, case, *cotangents):
        key = (repr(vars(case.config)), *(array.tobytes() for array in case.parameters.values()))
        self.models.setdefault(key, set()).add(case.x.shape)
        return reference.gradients(case, *cotangents)


@pytest.mark.sample
def test_few_models_are_asked_where_each_is_dear_and_all_sizes_of_each():
    models = {}
    report = conformance.check(Counted(models), diagnosis=False)
    assert report.verdict == "conforms", report
    assert 16 <= len(models) <= MODELS
    assert sorted(map(len, models.values()))[-8] > 10  # the eight that are shared


@pytest.mark.parametrize("id", catalogue())
def test_a_property_says_how_many_models_it_takes_beside_those_of_its_case(id):
    prop = catalogue()[id]
    if prop.sketches is not COVERING or prop.missing(Counted.capabilities):
        pytest.skip("it has other cases, or is not claimed")
    subject = Subject(open_target(Counted({})))
    judging = Judging(prop, subject, PropertyResult(id, "inconclusive"))
    subject.spare, taken = 1000, []
    judging.restart()
    for one in covering(judging.allowed):
        before, subject.others = judging.result.examples, set()
        judging.one(one)
        taken += [len(subject.others)] * (judging.result.examples - before)
    assert not taken or prop.models in (min(taken), max(taken))  # that each case takes, or that none takes more than


# With the packages themselves

HERE = [importlib.util.find_spec(name) is not None for name in ("torch", "onnx", "onnxruntime", "onnxscript")]
needs_packages = pytest.mark.skipif(not all(HERE), reason="torch, onnx, onnxruntime or onnxscript is not installed")


@needs_packages
def test_a_chain_of_packages_conforms(tmp_path):
    report = conformance.check(
        "torch > onnx-script > onnxruntime", properties=["shapes", "equivalence"], in_process=False, workers=1
    )
    assert report.verdict == "conforms", report


@pytest.mark.sample
@needs_packages
def test_the_exporter_of_today_is_named_for_the_sizes_that_it_burns_in(tmp_path):
    report = conformance.check(
        "torch > onnx-dynamo > onnxruntime", properties=["time.final_state_is_last_output"], in_process=False, workers=1
    )
    if report.verdict == "conforms":
        pytest.skip("this version of PyTorch keeps dynamic sizes")
    titles = [finding.title for finding in report.diagnosis]
    assert any("onnx-dynamo" in title for title in titles), json.dumps(report.to_json())[:2000]


@pytest.mark.sample
@needs_packages
@pytest.mark.parametrize("stages", ["torch > onnx-script > onnxruntime", "torch > jit", "torch > {}:faithful"])
@pytest.mark.parametrize("cell", ["GRU", "LSTM"])
def test_a_chain_of_packages_is_written_out(stages, cell, tmp_path, run_script):
    (tmp_path / "stages.py").write_text(STAGES)
    target = open_target(stages.format(tmp_path / "stages.py"))
    own = {"c_0": 0.5} if cell == "LSTM" else {}
    call = Call("forward", case(cell, T=4, N=2, H=2, weight_hh_l0=0.25, x=0.5, h_0=0.1, **own))
    expected = right(Subject(target), call)
    target.stop()
    said = ("equivalence.steps", "it is wrong", "value:output")
    one = Counterexample(*said, call.case, (call,), 0, (0,), (expected,), "numbers", target=target.name)
    done = run_script(script(one, "A statement."))
    assert (done.returncode, done.stdout) == (0, "it holds\n"), done.stdout + done.stderr
    expected["output"][0].flat[0] += 0.01
    done = run_script(script(one, "A statement."))
    assert done.returncode == 1 and done.stdout.endswith("it fails\n")
