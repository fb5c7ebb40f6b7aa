"""Who compiles for each new shape is noticed by what its process has loaded, and judged on few shapes; said is said."""

import importlib
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import conformance
from conformance import Capabilities
from conformance.cli import cli
from conformance.comparison.compare import beyond, common
from conformance.harness.load import open_target
from conformance.harness.process import Limits
from reference_rnn import case

CASE = case("RNN_TANH", T=2, N=1, I=1, H=1, weight_hh_l0=1, h_0=1)
# What stands in for packages: a target finds them beside it, in its own process.
JAX = {"jax.py": ""}
DYNAMO = {
    "torch/__init__.py": "", "torch/_dynamo/__init__.py": "",
    "torch/_dynamo/utils.py": "counters = {'frames': {'total': 0}, 'stats': {}}",
}  # fmt: skip
COMPILE = "import torch._dynamo.utils as utils; utils.counters['frames']['total'] += 1"
GRAPH = "import torch._dynamo.utils as utils; utils.counters['stats']['calls_captured'] = 9"  # without a graph break
BACK = "\ndef gradients(case, d_output, d_h_n, d_c_n):\n    import jax\n    raise NotImplementedError\n"

# Files beside the target, what it does in each call, at its end, what is noticed.
TARGETS = {
    "imported": (JAX, "pass", "import jax", "jax"),
    "imported, with claims": (JAX, "pass", "import jax\ncapabilities = {'max_layers': 2}", "jax"),
    "in the call": (JAX, "import jax", "", "jax"),
    "in the gradients": (JAX, "pass", BACK + "capabilities = {'gradients': True}", "jax"),
    "of another cell": (
        JAX, "if case.config.cell == 'RNN_RELU': import jax", "capabilities = {'cells': ('RNN_TANH', 'RNN_RELU')}",
        "jax",
    ),
    "a frame compiled": (DYNAMO, COMPILE, "", "torch.compile"),
    "a full graph": (DYNAMO, GRAPH, "", "torch.compile"),
    "a frame that takes long": (DYNAMO, COMPILE + "; time.sleep(30)", "", "torch.compile"),
    "loaded, not used": (DYNAMO, "import torch._dynamo.utils", "", ""),
    "nothing": (JAX, "pass", "", ""),
    "a call that raises": (JAX, "import jax; 1 / 0", "", "jax"),
    "a call that dies": (JAX, "import os; os._exit(3)", "", ""),
    "a call that hangs": (JAX, "time.sleep(30)", "", ""),
    "said, false": (JAX, "pass", "import jax\ncapabilities = {'recompiles': False}", ""),
    "said, true": (JAX, "pass", "import jax\ncapabilities = {'recompiles': True}", ""),
    "said by an object": (
        JAX, "pass", "import jax\nfrom conformance import Capabilities\ncapabilities = Capabilities(recompiles=False)",
        "",
    ),
}  # fmt: skip


@pytest.fixture
def made(tmp_path, right):
    """Writes a right target, packages beside it, what it does in each call, and what stands at its end."""

    def written(files, attack="pass", end="", name="layer.py"):
        for beside, text in files.items():
            (tmp_path / beside).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / beside).write_text(text)
        file = tmp_path / name
        file.write_text("import time\n" + right.replace("    p, h, output", f"    {attack}\n    p, h, output") + end)
        return file

    yield written
    for name, module in list(sys.modules.items()):
        if Path(getattr(module, "__file__", None) or "/").is_relative_to(tmp_path):
            del sys.modules[name]


@pytest.fixture
def opened():
    """Opens targets, which are stopped in the end."""
    targets = []

    def open_it(file, **limits):
        targets.append(open_target(file, limits=Limits(**limits)))
        return targets[-1]

    yield open_it
    for target in targets:
        target.stop()


@pytest.mark.parametrize("name", TARGETS)
def test_what_compiles_is_noticed_unless_it_is_said(made, opened, name):
    files, attack, end, compiler = TARGETS[name]
    target = opened(made(files, attack, end), call=1.0)
    claimed = {"said, true": True, "said, false": False, "said by an object": False}.get(name)
    assert target.capabilities.recompiles == ("noticed" if compiler else claimed)
    (told,) = target.all_notes() or [""]
    assert told.startswith(f"{compiler} compiles for each new shape: " if compiler else "")
    assert "recompiles" in told or not compiler
    assert not target.deaths


def test_to_notice_takes_no_first_call_away(made, opened):
    first = "time.calls = getattr(time, 'calls', 0) + 1\n    if time.calls == 1: return case.x, case.h_0"
    target = opened(made({}, first))
    assert target.start() is None
    calls = [target.forward(CASE).arrays["output"].tolist() for _ in range(3)]
    assert calls[0] != calls[1] == calls[2]


def statuses(report):
    """What must be the same, whoever says it."""
    return report["capabilities"], [(r["id"], r["status"], r["examples"]) for r in report["results"]], [
        note for note in report["notes"] if "compiles for each new shape" in note
    ]  # fmt: skip


FACES = {
    "one worker": ["-n", "1"], "two workers": ["-n", "2"], "in process": ["--in-process"],
    "pytest": [], "pytest, two workers": ["-n", "2"],
}  # fmt: skip


@pytest.mark.parametrize(("name", "count"), [("imported", 5), ("a frame compiled", 2)])
def test_all_faces_notice_the_same(made, name, count, capsys):
    files, attack, end, _ = TARGETS[name]
    file, reports = made(files, attack, end), []
    for face in list(FACES)[:count]:
        if "pytest" in face:
            command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--pyargs", "conformance"]
            command += [
                "--rnn",
                str(file),
                "--rnn-no-saved",
                "--rnn-json",
                "found.json",
                "--rnn-property",
                "shapes.shapes",
            ]
            assert subprocess.run([*command, *FACES[face]], capture_output=True, timeout=240).returncode == 0
        else:
            command = ["check", str(file), "--no-saved", "--json", "found.json", "--property", "shapes.shapes"]
            assert cli.main([*command, *FACES[face]], standalone_mode=False) == 0
        reports.append(statuses(json.loads(Path("found.json").read_text())))
    assert reports[0][0]["recompiles"] == "noticed" and len(reports[0][2]) == 1
    assert all(report == reports[0] for report in reports)
    capsys.readouterr()


def test_in_process_an_object_compiles_if_its_module_names_what_does(made, monkeypatch):
    file = made(JAX, name="my_object.py")
    monkeypatch.syspath_prepend(file.parent)
    monkeypatch.setitem(sys.modules, "jax", ModuleType("jax"))  # by somebody else: that says nothing
    layer = importlib.import_module("my_object")
    assert open_target(layer.forward).capabilities.recompiles is None
    layer.jax = sys.modules["jax"]
    assert open_target(layer.forward).capabilities.recompiles == "noticed"
    layer.capabilities = {"recompiles": False}
    assert open_target(layer.forward).capabilities.recompiles is False


def test_what_is_noticed_is_no_narrower_claim():
    before, now = Capabilities(), Capabilities(recompiles="noticed")
    for old, new in ((before, now), (now, before), (Capabilities(recompiles=False), now)):
        shared = common(old, new)
        assert shared.recompiles == "noticed"
        assert beyond(old, shared) == beyond(new, shared) == []


def test_a_report_says_what_was_noticed(made):
    report = conformance.check(made(JAX, end="import jax"), properties=["shapes.shapes"], in_process=False, saved=False)
    assert report.verdict == "conforms" and json.loads(report.to_json())["capabilities"]["recompiles"] == "noticed"
    assert Capabilities.of(report.capabilities).recompiles == "noticed"
    plain = conformance.check(made({}), properties=["shapes.shapes"], in_process=False, saved=False)
    assert plain.capabilities["recompiles"] is False


SLOW = """
SEEN = set()

def compile(case):
    if case.x.shape not in SEEN:
        until = time.process_time() + 0.08
        while time.process_time() < until:
            pass
    SEEN.add(case.x.shape)
"""


@pytest.mark.parametrize(("shapes", "claims", "said"), [(4, {}, 1), (3, {}, 0), (4, {"recompiles": False}, 0)])
@pytest.mark.parametrize("in_process", [False, True])
def test_what_else_is_slow_for_each_shape_is_noted_with_the_remedy(made, shapes, claims, said, in_process):
    target = open_target(made({}, "compile(case)", SLOW + f"capabilities = {claims}"), in_process=in_process)
    target.start()
    for steps in range(1, shapes + 1):
        for _ in range(2):
            target.forward(case("RNN_TANH", T=steps, N=1, I=1, H=1, h_0=0))
    notes = [note for note in target.all_notes() if "recompiles=True" in note]
    target.stop()
    assert len(notes) == said
