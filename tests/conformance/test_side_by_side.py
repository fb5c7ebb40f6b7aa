"""Targets side by side: each comes out as if it were alone, in its order, whatever the others do."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from conformance.chapters import catalogue
from conformance.harness.tree import Tree
from conformance.trial import side_by_side
from conformance.trial.options import Options
from conformance.trial.pool import Worker
from conformance.trial.side_by_side import outcomes

RNN = Path(sys.executable).with_name("rnn-conformance")
FEW = ("--property", "equivalence.steps", "--property", "shapes.shapes")
STEP = ("    for x in case.x:", "    while True:\n        x = case.x[0]")
DELETES = "import numpy as np, pathlib, shutil\nshutil.rmtree(pathlib.Path(__file__).parent)"
CLASS = {
    "amy": STEP,
    "bob": ("import numpy as np", DELETES),
    "cat": None,
    "dan": ('h @ p["weight_hh_l0"].T', 'h @ p["weight_hh_l0"]'),
    "eve": ("import numpy as np", "import numpy as"),
    "fay": ("import numpy as np", "import numpy as np\nraise RuntimeError('at home it works')"),
    "gus": None,
}


def matrix(folder, *words):
    """What the command says, and its report but for how long everything took."""
    done = subprocess.run([RNN, "matrix", *words, "--json", "all.json"], cwd=folder, capture_output=True, text=True)
    assert done.stderr == ""
    return done.stdout.splitlines(), json.loads((folder / "all.json").read_text(), object_hook=without_seconds)


def without_seconds(data):
    return {name: value for name, value in data.items() if name != "seconds"}


@pytest.mark.nightly
def test_the_report_is_the_same_for_any_number_of_workers(tmp_path, right):
    (tmp_path / "students").mkdir()
    for name, change in CLASS.items():
        assert change is None or change[0] in right
        (tmp_path / "students" / f"{name}.py").write_text(right.replace(*change) if change else right)
    words = ("students", *FEW, "--call-limit", "2s")
    lines, report = matrix(tmp_path, *words, "-n", "1")
    assert [line.partition(".py")[0].removeprefix("students/") for line in lines[: len(CLASS)]] == list(CLASS)
    verdicts = {Path(one["target"]).stem: one["verdict"] for one in report["reports"]}
    assert verdicts == {"amy": "fails", "bob": "conforms", "cat": "conforms", "dan": "fails", "gus": "conforms"}
    assert [Path(name).stem for name in report["missing"]] == ["eve", "fay"]
    assert any(one["diagnosis"] for one in report["reports"])
    assert matrix(tmp_path, *words, "-n", "2") == (lines, report)
    assert len(list((tmp_path / "students").glob("*.py"))) == len(CLASS)


HURT = """
import pathlib, time
begun, weights = pathlib.Path({begun!r}), pathlib.Path(__file__).with_name("weights")
begun.touch()
until = time.monotonic() + 10
while weights.exists() and time.monotonic() < until and not begun.with_name("hurt").exists():
    time.sleep(0.05)
if not weights.exists():
    begun.with_name("hurt").touch()
weights.read_text()
"""
HURTS = """
import pathlib, shutil, time
until = time.monotonic() + 30
while not pathlib.Path({begun!r}).exists() and time.monotonic() < until:
    time.sleep(0.05)
shutil.rmtree(pathlib.Path(__file__).parent)
"""


@pytest.mark.sample(every=2)
@pytest.mark.parametrize("names", [("amy", "bob"), ("bob", "amy")])
def test_who_is_hurt_by_what_another_deletes_is_judged_again_alone(tmp_path, right, names):
    (tmp_path / "students").mkdir()
    begun = str(tmp_path / "begun")
    for name, text in zip(names, (HURTS, HURT)):
        (tmp_path / "students" / f"{name}.py").write_text(text.format(begun=begun) + right)
    (tmp_path / "students" / "weights").write_text("1")
    (tmp_path / "students" / "zoe.py").write_text(right)
    lines, _ = matrix(tmp_path, "students", "--property", "shapes.shapes", "-n", "2")
    assert (tmp_path / "hurt").exists()
    assert [line.partition(" (")[0] for line in lines[:3]] == [
        f"students/{n}.py conforms" for n in ("amy", "bob", "zoe")
    ]
    assert (tmp_path / "students" / "weights").read_text() == "1"


def test_the_folder_that_is_deleted_may_be_the_one_where_all_are(tmp_path, right):
    for name, change in (("amy", CLASS["bob"]), ("bob", None), ("cat", None)):
        (tmp_path / f"{name}.py").write_text(right.replace(*change) if change else right)
    lines, _ = matrix(tmp_path, ".", "--property", "shapes.shapes", "-n", "2")
    assert [line.partition(" (")[0] for line in lines[:3]] == [f"./{n}.py conforms" for n in ("amy", "bob", "cat")]
    assert (tmp_path / "matrix.html").exists()


def test_what_cannot_be_started_where_something_was_deleted_is_started_again(monkeypatch):
    missing, calls = [False, True], []

    def failing(*words):
        calls.append(words)
        if len(calls) == 2:
            raise FileNotFoundError
        return Worker(*words)

    monkeypatch.setattr(side_by_side, "Worker", failing)
    asked = [("reference", Options(workers=2, properties=("shapes.shapes",), saved=False))] * 2
    found = list(outcomes(asked, catalogue, lambda: bool(missing and missing.pop()), None))
    assert [one.verdict for one in found] == ["conforms", "conforms"] and len(calls) == 4


def test_a_verdict_is_shown_as_soon_as_all_before_it_are(tmp_path, right):
    (tmp_path / "amy.py").write_text(right)
    (tmp_path / "bob.py").write_text(f"import os, time\nwhile not os.path.exists('go'): time.sleep(0.1)\n{right}")
    (tmp_path / "cat.py").write_text(right)
    words = [RNN, "matrix", "amy.py", "bob.py", "cat.py", "--property", "shapes.shapes", "-n", "2"]
    with subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline().startswith("amy.py conforms")
        (tmp_path / "go").touch()
        assert [line.split()[0] for line in process.stdout] == ["bob.py", "cat.py", "written:"]


KILLS = "import os, psutil\npsutil.Process(os.getppid()).parent().kill()\n"


def test_who_kills_the_judge_is_judged_no_more_after_some_tries(tmp_path, right):
    (tmp_path / "amy.py").write_text(KILLS)
    (tmp_path / "bob.py").write_text(
        f"import os\nif not os.path.exists('seen'):\n    open('seen', 'w')\n    exec({KILLS!r})\n{right}"
    )
    (tmp_path / "cat.py").write_text(right)
    lines, _ = matrix(tmp_path, "amy.py", "bob.py", "cat.py", "--property", "shapes.shapes", "-n", "2")
    assert lines[0] == "amy.py could not be judged: the process that judges it died every time"
    assert lines[1].startswith("bob.py conforms") and lines[2].startswith("cat.py conforms")


@pytest.mark.parametrize(("count", "workers"), [(1, [2]), (2, [1, 1])])
def test_all_workers_are_for_one_target_where_there_are_more_of_them(monkeypatch, count, workers):
    def judged(target, options, *others):
        return options.workers, False

    def alone(room, interrupts):
        return iter([judged(*one)[0] for one in room.asked])

    monkeypatch.setattr(side_by_side, "judged", judged)
    monkeypatch.setattr(side_by_side.SideBySide, "outcomes", alone)
    asked = [("reference", Options(workers=2))] * count
    assert list(outcomes(asked, catalogue, lambda: False, None)) == workers


BROKEN = """
import multiprocessing
from conformance.chapters import catalogue
from conformance.trial.options import Options
from conformance.trial.side_by_side import outcomes

def broken():
    if multiprocessing.parent_process():
        raise ArithmeticError("it is broken")
    return catalogue()

def answers():
    return list(outcomes([("reference", Options(workers=2))] * 2, broken, lambda: False, None))
"""


def test_a_mistake_of_the_kit_is_raised_by_the_main_process_with_its_place(tmp_path):
    (tmp_path / "kit.py").write_text(BROKEN)
    words = [sys.executable, "-c", "import kit; print(kit.answers())"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert "in broken" in done.stderr and "RuntimeError: Traceback" in done.stderr
    assert done.stderr.rstrip().endswith("ArithmeticError: it is broken")


def test_a_tree_says_whether_anything_was_missing(tmp_path):
    (tmp_path / "room").mkdir()
    (tmp_path / "room" / "amy.py").write_text("x")
    tree = Tree.of(tmp_path / "room")
    assert tree.restore() is False
    (tmp_path / "room" / "amy.py").write_text("y")
    assert tree.restore() is False
    shutil.rmtree(tmp_path / "room")
    assert tree.restore() is True and os.listdir(tmp_path / "room") == ["amy.py"]


def test_who_is_still_to_be_judged_alone_is_not_forgotten():
    room = side_by_side.SideBySide([("a.py", Options())] * 3, catalogue, 2, lambda: True, None)
    room.again([0, 2])
    room.again([])
    assert room.alone == [0, 2]
