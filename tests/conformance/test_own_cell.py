"""A cell of one's own through every command: claimed, judged, diagnosed, saved, replayed."""

import json
import subprocess
import sys
import textwrap
from types import SimpleNamespace

import pytest

import conformance
from conformance import Capabilities, from_cell
from conformance.adapters import reference
from conformance.claims.capabilities import CapabilityError
from conformance.diagnosis.faulty import FaultyTarget
from conformance.faults import FAULTS
from conformance.faults.operators import derived
from conformance.harness.load import TargetError, open_target
from conformance.report.html import page
from conformance.report.report_set import ReportSet
from reference_rnn import CellError
from reference_rnn.cell import loaded

SPEC = '''
from reference_rnn import cell, mix, sigmoid, tanh


@cell("fn")
def mgu(x, h, p):
    """Zhou et al. (2016), arXiv:1603.09420."""
    f = sigmoid(p.f(x, h))
    n = tanh(p.n(x, f * h))
    return mix(f, h, n)
'''

TARGET = """
import numpy as np

from conformance import from_cell


def step(x, h, p):
    W, R, b = p["weight_ih"], p["weight_hh"], p["bias_ih"] + p["bias_hh"]
    H = h.shape[-1]
    with np.errstate(over="ignore"):
        f = 1 / (1 + np.exp(-(x @ W[:H].T + h @ R[:H].T + b[:H])))
    n = np.tanh(x @ W[H:].T + (f * h) @ R[H:].T + b[H:])
    return f * n + (1 - f) * h


mine = from_cell(step, "spec.py:mgu")
"""
WRONG = TARGET.replace("f * n + (1 - f) * h", "(1 - f) * n + f * h")
SOME = ["shapes.shapes", "equivalence.steps", "directions.reversal", "layers.in_a_row", "symmetries.bias_moved"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name, text in (("spec.py", SPEC), ("mine.py", TARGET), ("wrong.py", WRONG)):
        (tmp_path / name).write_text(textwrap.dedent(text))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments):
    """A command in a process of its own: its status and what it printed."""
    done = subprocess.run([sys.executable, "-m", "conformance", *arguments], capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.sample
@pytest.mark.parametrize("how", [{"in_process": True}, {"in_process": False, "workers": 2}])
def test_a_right_implementation_conforms_and_a_wrong_one_does_not(folder, how):
    right = conformance.check("mine.py:mine", properties=SOME, diagnosis=False, **how)
    wrong = conformance.check("wrong.py:mine", properties=SOME, diagnosis=False, **how)
    assert (right.verdict, wrong.verdict) == ("conforms", "fails")
    assert right.cells == {"MGU": "passed"} and wrong.cells == {"MGU": "failed"}
    assert json.loads(right.to_json())["capabilities"]["cells"] == [loaded(str(folder / "spec.py"), "mgu").crossing]


def test_the_mistake_is_named_with_a_diff_of_their_equation(folder):
    report = conformance.check("wrong.py:mine", properties=["equivalence.steps"])
    (finding, *_) = report.diagnosis
    assert finding.title == "1 - f stands where f should (MGU)"
    assert "-    return mix(f, h, n)" in finding.patch and "+    return mix((1 - f), h, n)" in finding.patch


def test_the_object_itself_can_be_claimed(folder):
    mgu = loaded(str(folder / "spec.py"), "mgu")
    assert Capabilities(cells=(mgu, "LSTM")).cells == ("MGU", "LSTM")
    target = from_cell(lambda x, h, p: h, mgu)
    assert conformance.check(target, properties=["equivalence.steps"], diagnosis=False).verdict == "fails"


@pytest.mark.sample
def test_every_command(folder):
    assert run("check", "mine.py:mine", "--property", "equivalence.steps", "-n", "1")[0] == 0
    assert run("check", "wrong.py:mine", "--property", "equivalence.steps", "--no-diagnosis", "-n", "1")[0] == 1
    (saved,) = folder.glob(".rnn-conformance/*/equivalence.steps.json")
    assert json.loads(saved.read_text())["case"]["cell"]["name"] == "mgu"
    assert run("replay", str(saved), "mine.py:mine")[0] == 0
    assert run("replay", str(saved), "wrong.py:mine")[0] == 1
    status, printed = run("reproduce", str(saved))
    assert status == 0 and "'MGU'" in printed
    assert run("trace", "mine.py:mine")[0] == 0 and run("trace", "wrong.py:mine", "--cell", "MGU")[0] == 1
    assert run("vectors", "write", "vectors", "--cell", "spec.py:mgu", "--count", "3")[0] == 0
    assert [run("vectors", "check", "vectors", f"{name}.py:mine")[0] for name in ("mine", "wrong")] == [0, 1]
    assert run("compare", "mine.py:mine", "wrong.py:mine")[0] == 1
    status, printed = run("shapes", "--cell", "spec.py:mgu")
    assert status == 0 and "(2H, I)" in printed
    status, printed = run("cell", "spec.py:mgu")
    assert status == 0 and "Zhou et al." in printed and "mistakes can be detected" in printed
    assert "d n / d f = (1 - n * n) * N.W_hh * h" in printed
    assert "new h\n    ├── f\n    │   ├── x\n" in printed


def test_derivatives_that_cannot_be_written_down_are_said(folder):
    helped = (folder / "spec.py").read_text().replace("sigmoid(p.f(x, h))", "gate(p.f(x, h))")
    (folder / "helped.py").write_text(helped.replace("@cell", "def gate(z):\n    return sigmoid(z)\n\n\n@cell"))
    status, printed = run("cell", "helped.py:mgu")
    assert status == 0 and "no derivatives are written down: MGU: the derivative of 'gate(affine(" in printed
    assert "mistakes can be detected" in printed and "Traceback" not in printed


def test_a_saved_case_of_a_cell_that_nobody_claims_is_not_read(folder):
    run("check", "wrong.py:mine", "--property", "equivalence.steps", "--no-diagnosis", "-n", "1")
    (saved,) = folder.glob(".rnn-conformance/*/equivalence.steps.json")
    status, printed = run("replay", str(saved), "reference")
    assert status == 2 and "no cell 'mgu' of the hash" in printed and "Traceback" not in printed
    (folder / "spec.py").write_text(SPEC + "\n# nothing that the cell needs\n")
    assert run("replay", str(saved), "wrong.py:mine")[0] == 1
    (folder / "spec.py").write_text(SPEC.replace("f * h", "h * f"))
    status, printed = run("replay", str(saved), "wrong.py:mine")
    assert status == 2 and "its text has changed, or is another" in printed


# What a step never reads

UNREAD = """
from reference_rnn import cell, mix, sigmoid, tanh


@cell("fz", states="hc")
def no_h(x, h, c, p):
    c = sigmoid(p.f.input(x)) * c + p.z.input(x)
    return c, c


@cell("zn")
def no_x(x, h, p):
    return mix(sigmoid(p.z.recurrent(h)), tanh(p.n.recurrent(h)), h)


@cell("un", states="hc")
def no_c(x, h, c, p):
    p.u(x, h)  # nor what this gate says
    n = tanh(p.n(x, h))
    return n, n
"""


@pytest.mark.parametrize(("name", "order"), [("no_h", "steps"), ("no_h", "scan"), ("no_x", "steps"), ("no_c", "steps")])
def test_a_step_need_not_read_everything(folder, name, order):
    (folder / "unread.py").write_text(UNREAD)
    claims = Capabilities(
        cells=(loaded(str(folder / "unread.py"), name),), gradients=True, bidirectional=True, order=order
    )
    target = SimpleNamespace(capabilities=claims, forward=reference.forward, gradients=reference.gradients)
    properties = ["gradients.first_look", "gradients.one_step", "gradients.each_result"]
    report = conformance.check(target, properties=properties, diagnosis=False, budget=1e-6)
    assert report.verdict == "conforms", report.reasons


def test_a_mistake_is_named_where_a_step_does_not_read_everything(folder):
    (folder / "unread.py").write_text(UNREAD)
    own = loaded(str(folder / "unread.py"), "no_h")
    target = FaultyTarget(derived(own)["no-h.exchange.22"], cells=(own,))
    report = conformance.check(target, properties=["equivalence.steps", "gradients.back_propagation"])
    assert report.verdict == "fails" and report.diagnosis[0].title == "h stands where c should in c (NO_H)"


# Bad input


@pytest.mark.sample
@pytest.mark.parametrize(
    ("claims", "message"),
    [
        ("('nowhere.py:mgu',)", "cells has 'mgu' of .*nowhere.py, but there is no such file"),
        ("('spec.py:gru',)", "spec.py has no cell 'gru'; it has mgu"),
        ("('broken.py:mgu',)", r"broken.py cannot be imported: ZeroDivisionError: division by zero"),
        ("('unknown.py:mgu',)", r"MGU: unknown.py, line 8, .*: there is no p.q; there are p.f, p.n"),
        ("('spec.py:mgu', 'spec.py:mgu')", "cells has two of the name"),
        ("('MGU',)", "cells has 'MGU', must be of RNN_TANH, .*, or a cell of your own"),
        ("(5,)", "cells has 5, must be of RNN_TANH"),
    ],
)
@pytest.mark.parametrize("in_process", [True, False])
def test_a_claim_that_cannot_be_is_one_line(folder, claims, message, in_process):
    (folder / "broken.py").write_text("1 / 0")
    (folder / "unknown.py").write_text(SPEC.replace("p.f(x, h)", "p.q(x, h)"))
    (folder / "claims.py").write_text(
        f"capabilities = {{'cells': {claims}}}\n\n\ndef forward(case):\n    return case.x\n"
    )
    with pytest.raises(TargetError, match=message) as caught:
        open_target("claims.py", in_process=in_process)
    assert "\n" not in str(caught.value)


@pytest.mark.sample
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("cell", "spec.py"), "'spec.py' is no cell, add :NAME; it has mgu"),
        (("cell", "plain.py"), "'plain.py' is no cell, it has none: put @cell(...) above a step"),
        (
            ("cell", "plain.py:leak"),
            "has no cell 'leak': leak is a plain function, put @cell(...) or @recurrence(...) ",
        ),
    ],
)
def test_what_is_no_cell_yet_is_one_line(folder, words, message):
    (folder / "plain.py").write_text("def leak(x, h, p):\n    return h\n")
    status, printed = run(*words)
    assert status == 2 and message in printed and printed.count("\n") == 1


def test_a_cell_of_a_notebook_is_refused_with_advice():
    space = {}
    exec("from reference_rnn import cell, tanh\n@cell('h')\ndef typed(x, h, p):\n    return tanh(p.h(x, h))", space)
    target = type("Target", (), {"forward": lambda self, case: None, "capabilities": {"cells": (space["typed"],)}})
    with pytest.raises(TargetError, match=r"TYPED stands in no file .* put it into a file of its own, spec.py"):
        open_target(target)


def test_two_cells_of_one_name_are_refused(folder):
    (folder / "other.py").write_text(SPEC.replace("f, h, n", "f, n, h"))
    both = tuple(loaded(str(folder / name), "mgu") for name in ("spec.py", "other.py"))
    with pytest.raises(CapabilityError, match="cells has two of the name MGU"):
        Capabilities(cells=both)


def test_a_spec_is_not_imported_twice(folder):
    assert loaded(str(folder / "spec.py"), "mgu") is loaded(str(folder / "spec.py"), "mgu")
    with pytest.raises(CellError, match="has no cell 'forward'; it has mgu"):
        loaded(str(folder / "spec.py"), "forward")


SCRIPT = """
import numpy as np

import conformance
from conformance import Capabilities, from_cell
from conformance.adapters import reference
from reference_rnn import cell, tanh


@cell("h")
def mine(x, h, p):
    return tanh(p.h(x, h))


def step(x, h, p):
    return np.tanh(x @ p["weight_ih"].T + h @ p["weight_hh"].T + p["bias_ih"] + p["bias_hh"])


print(conformance.check(from_cell(step, mine), properties=["equivalence.steps"], diagnosis=False).verdict)
"""


def test_the_page_of_several_targets_has_a_column_for_ones_own_cell(folder):
    report = conformance.check("mine.py:mine", properties=["equivalence.steps"], diagnosis=False)
    assert '<th scope="col"><span class="turned">MGU</span></th>' in page(ReportSet([report, report]))


def test_a_script_that_defines_its_cell_and_checks_it_is_not_run_once_more(folder):
    (folder / "script.py").write_text(SCRIPT)
    done = subprocess.run([sys.executable, "script.py"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "conforms\n"), done.stderr


@pytest.mark.sample
@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_pytest_says_the_same(folder, workers):
    arguments = ["-q", "-p", "no:cacheprovider", "--pyargs", "conformance", "--rnn-property", "equivalence.steps"]
    for name, status in (("mine", 0), ("wrong", 1)):
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *arguments, "--rnn", f"{name}.py:mine", *workers], capture_output=True
        )
        assert done.returncode == status, done.stdout


def test_a_saved_failure_of_ones_own_cell_can_be_expected(folder):
    run("check", "wrong.py:mine", "--property", "equivalence.steps", "--no-diagnosis", "-n", "1")
    (saved,) = folder.glob(".rnn-conformance/*/equivalence.steps.json")
    (folder / "known.toml").write_text(
        f'[[expected]]\ncounterexample = "{saved.relative_to(folder)}"\nreason = "known"\n'
    )
    status, printed = run(
        "check", "wrong.py:mine", "--property", "equivalence.steps", "--expected-failures", "known.toml", "-n", "1"
    )
    assert status == 0, printed


@pytest.mark.sample
def test_options_that_are_claimed_beside_ones_own_cell_are_asked_of_the_others(folder):
    target = FaultyTarget(FAULTS["update-inverted-after"], cells=(loaded(str(folder / "spec.py"), "mgu"), "GRU"))
    report = conformance.check(target, properties=["equivalence.steps", "options.clip"])
    assert report.diagnosis[0].fault == "update-inverted-after" and report.cells == {"MGU": "passed", "GRU": "failed"}


def test_a_command_that_claims_ones_own_cell_is_told_its_name(folder):
    (folder / "speaks.py").write_text(SPEAKS)
    status, printed = run("check", f"cmd: {sys.executable} speaks.py", "--property", "shapes.shapes", "-n", "1")
    assert status == 0, printed


SPEAKS = """
import json
import sys

for line in sys.stdin:
    asked = json.loads(line)
    if asked["do"] == "start":
        print(json.dumps({"capabilities": {"cells": ["spec.py:mgu"]}}), flush=True)
    elif asked["do"] == "forward":
        assert asked["config"]["cell"] == "MGU", asked
        T, N, _ = asked["x"]["shape"]
        H = asked["config"]["hidden_size"]
        zeros = lambda *shape: {"shape": list(shape), "data": [0] * (shape[0] * shape[1] * shape[2])}
        print(json.dumps({"output": zeros(T, N, H), "h_n": zeros(1, N, H)}), flush=True)
    else:
        break
"""
