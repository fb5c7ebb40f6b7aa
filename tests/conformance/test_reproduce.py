"""replay and reproduce: a saved counterexample again, with the kit and without it."""

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from conformance import check
from conformance.adapters import reference
from conformance.chapters import catalogue
from conformance.diagnosis.consequence import follows
from conformance.faults.handed_back import handed_back
from conformance.harness.answer import DEATHS
from conformance.harness.call import Call
from conformance.harness.frame import KINDS
from conformance.harness.load import SHIPPED, open_target
from conformance.judging.counterexample import SORTS, Counterexample, right
from conformance.judging.gradients import cotangents
from conformance.judging.oracle import Failure
from conformance.judging.serialisation import (
    CounterexampleError,
    counterexample_from_data,
    counterexample_to_data,
    document,
)
from conformance.judging.subject import Subject
from conformance.scripts.reproducer import script
from conformance.scripts.standalone_source import NotAlone, alone, brief
from conformance.trial import counterexamples
from reference_rnn import case

RNN = Path(sys.executable).with_name("rnn-conformance")
OURS = re.compile(r"^\s*(from|import) (conformance|reference_rnn|strategies)", re.MULTILINE)
DOCS = Path(__file__).parent.parent.parent / "docs"
RIGHT = """
from itertools import cycle

import numpy as np
from conformance import Capabilities

capabilities = Capabilities(max_layers=1, gradients=GRADIENTS)
KEPT = {}

def forward(case):
    p, h, output = case.parameters, case.h_0[0], []
    for x in case.x:
        h = np.tanh(x @ p["weight_ih_l0"].T + p["bias_ih_l0"] + h @ p["weight_hh_l0"].T + p["bias_hh_l0"])
        output.append(h)
    return np.array(output).reshape(*case.x.shape[:2], -1), h[None].copy()

def gradients(case, d_output, d_h_n, d_c_n):
    output, _ = forward(case)
    p, found = case.parameters, {}
    found = {name: np.zeros_like(array) for name, array in (*p.items(), ("x", case.x), ("h_0", case.h_0))}
    d = np.zeros_like(case.h_0[0]) if d_h_n is None else d_h_n[0]
    for t in reversed(range(len(case.x))):
        d = d if d_output is None else d + d_output[t]
        before = output[t - 1] if t else case.h_0[0]
        d = d * (1 - output[t] ** 2)
        found["weight_ih_l0"] += d.T @ case.x[t]
        found["weight_hh_l0"] += d.T @ before
        for name in ("bias_ih_l0", "bias_hh_l0"):
            found[name] += d.sum(0)
        found["x"][t] = d @ p["weight_ih_l0"]
        d = d @ p["weight_hh_l0"]
    found["h_0"][0] = d
    return found
""".replace("GRADIENTS", "True")

# A mistake, the property that finds it, and how many calls show it, of which how many are compared.
WRONG = {
    "one call": (("np.tanh(", "np.sin("), "equivalence.steps", 1, 1),
    "two calls": (("np.tanh(", "np.sin(1e-2 + "), "symmetries.odd", 2, 2),
    "gradients": (('found["h_0"][0] = d', 'found["h_0"][0] = 2 * d'), "gradients.one_step", 1, 1),
    "results beside gradients": (
        ("return found", 'return found | {"output": 2 * output, "h_n": forward(case)[1]}'),
        "gradients.back_propagation", 1, 1,
    ),
    "a shape beside gradients": (
        ("return found", 'return found | {"output": output, "h_n": forward(case)[1][..., None]}'),
        "gradients.shapes", 1, 1,
    ),
    "gradients of more calls": (
        ("found[name] += d.sum(0)", "found[name] += abs(d.sum(0))"), "gradients.each_result", None, None,
    ),
    "a sequence": (
        (
            "p, h, output = case.parameters,",
            "p = KEPT.setdefault((case.x.shape[2], case.h_0.shape[2]), case.parameters)\n    h, output =",
        ),
        "equivalence.steps", 2, 1,
    ),
    "the same arrays": (
        (
            "p, h, output = case.parameters,",
            "w = case.parameters['weight_hh_l0']\n    w = KEPT.setdefault(id(w), (w, w.copy()))[1]\n"
            "    p = {**case.parameters, 'weight_hh_l0': w}\n    h, output =",
        ),
        "shapes.calls_are_independent", 2, 1,
    ),
    "what raises": (("h[None].copy()", "h[None].copy()[len(case.x) - 1:1][:, 5]"), "equivalence.steps", 1, 1),
    "a shape": (("h[None].copy()", "h.copy()[:, None, None]"), "shapes.shapes", 1, 1),
    "a dtype": (("h[None].copy()", "h[None].astype(float)"), "shapes.dtype", 1, 1),
    "an input": (("h[None].copy()", "np.add(h[None], case.x.fill(1) or 0)"), "shapes.inputs_untouched", 1, 1),
    "memory": (("h[None].copy()", "case.h_0"), "shapes.results_own_their_memory", None, 1),
    "bits": (
        ("np.array(output)", "(np.array(output) * (1 + 1e-6 * next(KEPT.setdefault(0, cycle((0, 1))))))"),
        "shapes.repeatable", 2, 2,
    ),
}  # fmt: skip


NAMELESS = {
    "an object": "class Net:\n    def forward(self, case):\n        return result(case)\n\nforward = Net()\n",
    "a class": "class forward:\n    def forward(self, case):\n        return result(case)\n",
}


@pytest.mark.parametrize("kind", NAMELESS)
def test_what_a_file_calls_forward_may_be_an_object_or_a_class(kind, tmp_path, monkeypatch, run_script):
    monkeypatch.chdir(tmp_path)
    text = RIGHT.partition("def gradients")[0].replace("True", "False").replace("def forward", "def result")
    Path("right.py").write_text(text + NAMELESS[kind])
    Path("wrong.py").write_text(text.replace("np.tanh(", "np.sin(") + NAMELESS[kind])
    ids = ["equivalence.steps"]
    assert check("right.py", properties=ids, diagnosis=False, saved=False).verdict == "conforms"
    report = check("wrong.py", properties=ids, diagnosis=False, saved=False)
    found = counterexample_from_data(report.results[0].found | {"target": "wrong.py"})
    done = run_script(script(found, catalogue()[ids[0]].statement))
    assert report.verdict == "fails" and done.returncode == 1 and not done.stderr


@pytest.fixture
def command(tmp_path):
    """Runs the command in an empty folder."""

    def run(*words):
        return subprocess.run([RNN, *map(str, words)], cwd=tmp_path, capture_output=True, text=True, timeout=200)

    return run


@pytest.mark.parametrize("mistake", WRONG)
@pytest.mark.sample
def test_a_counterexample_fails_again_with_the_kit_and_without_it(mistake, tmp_path, monkeypatch, command, run_script):
    (old, new), id, calls, compared = WRONG[mistake]
    monkeypatch.chdir(tmp_path)
    assert old in RIGHT
    Path("mine.py").write_text(RIGHT.replace(old, new))
    report = check("mine.py", properties=[id], diagnosis=False, in_process=False)
    (result,) = report.results
    assert result.status == "failed"
    one = counterexample_from_data(result.found | {"target": "mine.py"})
    (one,) = counterexamples.confirm_all("mine.py", [one], catalogue())
    assert one.repeatable is True, result.message
    assert calls in (None, len(one.calls)) and compared in (None, len(one.compared))
    file = counterexamples.save(one)

    done = command("replay", file, "mine.py")
    assert done.returncode == 1 and done.stdout.startswith(f"{id}: "), done.stdout + done.stderr
    printed = command("reproduce", file)
    assert printed.returncode == 0 and "rnn_conformance" not in printed.stdout, printed.stderr
    shown = run_script(printed.stdout)
    assert shown.returncode == 1 and "NameError" not in shown.stderr, shown.stdout + shown.stderr
    assert mistake == "what raises" or not shown.stderr, shown.stderr

    Path("mine.py").write_text(RIGHT)
    assert command("replay", file, "mine.py").returncode == 0
    mended = run_script(printed.stdout)
    assert mended.returncode == 0, mended.stdout + mended.stderr


def of_package(name, id, make):
    """A counterexample that calls a package, whose numbers are right, or made wrong."""
    target = open_target(name)
    try:
        subject = Subject(target)
        calls = make(subject)
        expected = tuple(right(subject, call) for call in calls)
    finally:
        target.stop()
    compared = tuple(range(len(calls)))
    return Counterexample(
        id, "it is wrong", "value:output", calls[0].case, calls, 0, compared, expected, "numbers", target=name
    )


def forward_calls(subject):
    """Calls of every cell that is claimed, through all that a call can have."""
    given = {"L": 2, "D": 2, "T": 3, "N": 2, "H": 2, "lengths": [3, 1], "h_0": 0.5, "x": {(0, 1, 0): 0.1}}
    cells = [cell for cell in subject.capabilities.cells]
    cases = [case(cell, weight_ih_l0=0.25, **given, **({"c_0": 0.25} if cell == "LSTM" else {})) for cell in cells]
    return tuple(Call("forward", c, {}, number) for number, c in enumerate(cases))


def gradient_calls(subject):
    """The same with gradients."""
    claimed = [call.case for call in forward_calls(subject)]
    names = ("d_output", "d_h_n", "d_c_n")
    given = [{name: cotangents(c).get(name) for name in names} for c in claimed]
    return tuple(Call("gradients", c, d, number) for number, (c, d) in enumerate(zip(claimed, given)))


@pytest.mark.sample
@pytest.mark.parametrize(
    ("name", "make"), [("torch", forward_calls), ("torch", gradient_calls), ("onnxruntime", forward_calls)]
)
def test_a_package_is_called_by_the_lines_of_its_adapter(name, make, run_script):
    pytest.importorskip(name)
    one = of_package(name, "equivalence.steps", make)
    text = script(one, "A statement.")
    assert not OURS.search(text)
    done = run_script(text)
    assert (done.returncode, done.stdout) == (0, "it holds\n"), done.stdout + done.stderr
    part = next(iter(one.expected[-1]))
    one.expected[-1][part][0].flat[0] += 0.01
    done = run_script(script(one, "A statement."))
    assert done.returncode == 1 and done.stdout.endswith("it fails\n") and "must be" in done.stdout


@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_every_adapter_can_be_written_out(name):
    if name == "reference":
        with pytest.raises(NotAlone):
            alone({SHIPPED[name]: ["forward"]})
        return
    text = alone({SHIPPED[name]: ["forward"]})
    compile(text, name, "exec")
    assert not OURS.search(text)
    assert "class Capabilities" not in text  # nor what that drags in


def test_what_is_written_out_is_the_adapters_own():
    """What is an argument in one module and a function in both is the function of the adapter."""
    text = alone({SHIPPED["opacus"]: ["forward"]})
    assert "opacus.layers.DPRNN" in text and text.count("def prepare(case)") == text.count("def build(") == 1


def test_of_a_long_docstring_the_first_paragraph_is_written_out():
    code = '''def both(a):
    """The sum, in a sentence
    of two lines.

    a  a number
    """
    def inner(b):
        """Once."""
        return b

    return a + inner(a)
'''
    short = brief(code)
    assert short == code.rstrip().replace('lines.\n\n    a  a number\n    """', 'lines."""')
    assert brief(short) == short


def test_what_has_to_be_done_before_an_import_is_done_before_it():
    text = alone({SHIPPED["keras"]: ["forward"]})
    assert text.index("\nos.environ.setdefault(") < text.index("\nimport keras\n")


def test_a_function_in_another_layout_is_called_as_the_kit_calls_it(run_script):
    wrong = DOCS.parent / "tests" / "targets" / "wrong" / "question.py"
    (result,) = check(f"{wrong}:rnn", properties=["equivalence.steps"], diagnosis=False).results
    one = counterexample_from_data(result.found | {"target": f"{wrong}:rnn"})
    done = run_script(script(one, "A statement."))
    assert done.returncode == 1 and "output[1, 0, 0] is 0.76" in done.stdout, done.stdout + done.stderr


def test_for_a_command_there_are_lines(tmp_path):
    c = case(T=2, x=1, weight_ih_l0=1, h_0=0)
    call = Call("forward", c)
    expected = {"output": (np.ones((2, 1, 1)), np.full((2, 1, 1), np.inf))}
    said = ("equivalence.steps", "it is wrong", "value:output")
    one = Counterexample(*said, c, (call,), 0, (0,), (expected,), "numbers", target="cmd: cat")
    lines = script(one, "A statement.").splitlines()
    requests = [json.loads(line) for line in lines if not line.startswith("#")]
    assert "#     grep -v '^#' FILE | cat" in lines and not any("NumPy" in line or "Exit" in line for line in lines)
    assert [request["do"] for request in requests] == ["start", "forward", "stop"]
    (expected,) = [json.loads(line.removeprefix("# expected: ")) for line in lines if line.startswith("# expected: ")]
    assert expected == {"output": {"shape": [2, 1, 1], "data": [1.0, 1.0], "rad": ["Infinity", "Infinity"]}}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "rnn-conformance: there is no file 'mine.py'"),
        ("def forward(case:", ""),
        ("# coding: latin-1\ndef forward(case): return '\u00e9'", ""),
        ("x = '\0'", ""),
    ],
    ids=["gone", "unfinished", "latin-1", "zeros"],
)
def test_a_target_that_has_changed_is_no_mistake_of_the_kit(tmp_path, monkeypatch, command, text, said):
    monkeypatch.chdir(tmp_path)
    c = case(T=1, N=1, I=1, H=1)
    call = Call("forward", c)
    one = Counterexample("shapes.shapes", "", "", c, (call,), 0, (0,), ({},), "answer", True, "mine.py")
    file = counterexamples.save(one)
    if text is not None:
        Path("mine.py").write_text(text, encoding="latin-1")
    done = command("reproduce", file)
    assert (done.returncode, done.stderr.strip()[: len(said) or None]) == (2 if said else 0, said)


def test_a_folder_stands_for_the_only_file_in_it(tmp_path):
    with pytest.raises(CounterexampleError, match=" is a folder; counterexamples in it are none"):
        counterexamples.file_in(tmp_path)
    one, other = tmp_path / "my_rnn.py" / "shapes.shapes.json", tmp_path / "other.json"
    one.parent.mkdir()
    one.touch()
    assert counterexamples.file_in(tmp_path) == counterexamples.file_in(one) == one
    other.touch()
    with pytest.raises(CounterexampleError) as error:
        counterexamples.file_in(tmp_path)
    assert str(error.value) == f"{tmp_path} is a folder; counterexamples in it are {one}, {other}"


def test_what_is_not_saved_shows_what_a_new_process_needs_too(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    kept = "(case.x.shape != KEPT.setdefault('shape', case.x.shape)) + np.tanh("
    Path("mine.py").write_text(RIGHT.replace("np.tanh(", kept))
    (result,) = check("mine.py", properties=["equivalence.steps"], diagnosis=False, saved=False).results
    one = counterexample_from_data(result.found)
    assert one.repeatable and one.before == 1 and len(one.calls) == 2
    assert one.calls[0].case.num_rows == 2 * one.calls[1].case.num_rows


@pytest.mark.sample
def test_what_cannot_be_repeated_is_said(tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    here = RIGHT.replace("np.tanh(", "float(os.getpid() == PID) + np.tanh(")
    Path("mine.py").write_text(here.replace("KEPT = {}", "import os\nPID = int(open('pid').read())"))
    Path("pid").write_text("0")
    report = check("mine.py", properties=["equivalence.steps"], diagnosis=False)
    assert report.verdict == "conforms"
    Path("pid").write_text(str(os.getpid()))
    (result,) = check("mine.py", properties=["equivalence.steps"], diagnosis=False).results
    one = counterexample_from_data(result.found | {"target": "mine.py"})
    (one,) = counterexamples.confirm_all("mine.py", [one], catalogue())  # another process, which is right
    assert one.repeatable is False and one.message.endswith("; a new process that is called with it alone is right")
    file = counterexamples.save(one)
    done, bisecting = command("replay", file, "mine.py"), command("replay", file, "mine.py", "--bisect")
    assert (done.returncode, bisecting.returncode) == (2, 125)
    assert "this cannot be repeated" in done.stderr and "this cannot be repeated" in bisecting.stderr


def test_another_version_of_a_property_still_tells(tmp_path, monkeypatch):
    """Where a property makes other calls of its case today, the saved calls and numbers decide."""
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(RIGHT.replace("np.tanh(", "np.where(case.x.any(), np.sin, np.tanh)[()]("))
    id = "equivalence.steps"
    (result,) = check("mine.py", properties=[id], diagnosis=False).results
    one = counterexample_from_data(result.found)
    holds = case(T=1, h_0=0)  # on which the property of today says nothing wrong
    for text, fails in ((Path("mine.py").read_text(), True), (RIGHT, False)):
        Path("now.py").write_text(text)
        for old in (replace(one, case=holds), replace(one, property="gone.property")):
            target = open_target("now.py")
            try:
                assert (counterexamples.replay_counterexample(old, target, catalogue()) is not None) is fails
            finally:
                target.stop()


def test_counterexamples_of_the_first_schema_are_replayed(command):
    for file in ("torch/lengths.length_zero.json", "torch/time.no_steps.json"):
        found = counterexamples.load(DOCS / "findings" / file)
        assert found.property in catalogue() and found.repeatable is not False


@pytest.mark.parametrize("wrong", ["np.sin(", "np.tanh(1 / 0 + "])
def test_two_processes_are_enough_where_nothing_is_kept(wrong, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(RIGHT.replace("np.tanh(", wrong))
    report = check("mine.py", properties=["equivalence", "symmetries"], diagnosis=False, saved=False)
    ones = [counterexample_from_data(r.found | {"target": "mine.py"}) for r in report.results if r.found]
    assert len(ones) > 1 and all(one.repeatable for one in ones)  # what is not saved is confirmed, too
    ones = [replace(one, repeatable=None) for one in ones]
    opened = []
    monkeypatch.setattr(counterexamples, "open_target", lambda *a, **k: opened.append(1) or open_target(*a, **k))
    done = counterexamples.confirm_all("mine.py", ones, catalogue())
    assert [one.repeatable for one in done] == [True] * len(ones) and len(opened) == 2


def test_masks_that_are_drawn_are_nothing_that_is_kept(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text("""
import numpy as np
from conformance.adapters import reference
from conformance.adapters.reference import capabilities

def forward(case):
    output, final = reference.forward(case)
    return output * np.float32(1.01), final
""")
    ids = ["equivalence.steps", "dropout.mask", "dropout.everything_at_one"]
    report = check("mine.py", properties=ids, diagnosis=False, saved=False)
    ones = [counterexample_from_data(r.found | {"target": "mine.py"}) for r in report.results if r.found]
    assert len(ones) > 1 and any(call.case.draws for one in ones for call in one.calls)
    opened = []
    monkeypatch.setattr(counterexamples, "open_target", lambda *a, **k: opened.append(1) or open_target(*a, **k))
    by_chance = [one for one in ones if all(call.case.draws for call in one.calls)]
    ones = [replace(one, repeatable=None) for one in ones]
    assert all(one.repeatable for one in counterexamples.confirm_all("mine.py", ones, catalogue()))
    assert len(opened) <= 2 + len(by_chance)


def test_each_kind_of_problem_demands_an_answer():
    assert {SORTS[kind] for kind in (*KINDS, *DEATHS, "load")} == {"answer"}
    assert Failure("own:shape:h_n", "").sort == "shape" and Failure("value:h_n", "").sort == "value"


def test_what_is_wrong_beside_gradients_is_no_consequence_of_wrong_gradients():
    class Beside:
        capabilities = reference.capabilities
        forward = staticmethod(reference.forward)

        def gradients(self, case, d_output, d_h_n, d_c_n):
            found = reference.gradients(case, d_output, d_h_n, d_c_n)
            return found | {"h_0": 2 * found["h_0"], "output": found["output"] + 1}

    ids = ["gradients.back_propagation", "gradients.one_step"]
    report = check(Beside, properties=ids, diagnosis=False)
    beside, alone = (counterexample_from_data(result.found) for result in report.results)
    assert beside.is_beside_gradients() and not alone.is_beside_gradients()
    (twice,) = [fault for fault in handed_back().values() if fault.title == "the gradient of h_0 counts twice"]
    subject = Subject(open_target(Beside), anew=True)
    assert follows(alone, [twice], subject) and not follows(beside, [twice], subject)


def test_a_file_that_is_written_is_read_again(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(RIGHT.replace("np.tanh(", "np.sin("))
    (result,) = check("mine.py", properties=["equivalence.steps"], diagnosis=False).results
    one = counterexample_from_data(result.found | {"target": "mine.py"})
    file = counterexamples.save(one)
    assert counterexample_to_data(counterexamples.load(file)) == counterexample_to_data(one)
    assert file.read_text() == document(counterexample_to_data(one))
    assert [path.name for path in file.parent.iterdir()] == ["equivalence.steps.json"]
