"""Whatever code of users does in the process that judges, no command ends with 0 or 1 without a verdict."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

import conformance
from conformance.harness import supervisor
from reference_rnn import CellError
from reference_rnn.cell import loaded
from reference_rnn.cell_source.user_code import try_elsewhere

RNN = str(Path(sys.executable).with_name("rnn-conformance"))
SPEC = """
import os, sys
from reference_rnn import cell, mix, sigmoid, tanh
{top}

@cell("fn")
def mgu(x, h, p):
    f = sigmoid(p.f(x, h))
    {step}
    n = tanh(p.n(x, f * h))
    return mix(f, h, n)
"""
RECURRENCE = """
import os, sys
from reference_rnn import recurrence
{top}

@recurrence(inputs={{"x": "K"}}, states={{"s": "K"}}, outputs={{"y": "K"}}, heads=False)
def mgu(x, s):
    {step}
    s = 0.5 * s + x
    return s, s
"""
TARGET = """
import numpy as np

from conformance import from_cell


def step(x, h, p):
    W, R, b = p["weight_ih"], p["weight_hh"], p["bias_ih"] + p["bias_hh"]
    H = h.shape[-1]
    f = 1 / (1 + np.exp(-(x @ W[:H].T + h @ R[:H].T + b[:H])))
    n = np.tanh(x @ W[H:].T + (f * h) @ R[H:].T + b[H:])
    return f * n + (1 - f) * h


mine = from_cell(step, "spec.py:mgu")
"""
SCAN = """
import numpy as np

capabilities = {"cells": ("spec.py:mgu",)}


def forward(case):
    s, y = case.states["s"], []
    for x in case.inputs["x"]:
        s = 0.5 * s + x
        y.append(s)
    return {"y": np.stack(y)}, {"s": s}
"""
SECRET = "class Secret(Exception):\n    def __str__(self):\n        1 / 0\n"
RAISED = {
    "an exit": ("", "sys.exit(0)", "SystemExit: 0"),
    "a generator's end": ("", "raise GeneratorExit", "GeneratorExit"),
    "an interruption": ("", "raise KeyboardInterrupt", "KeyboardInterrupt"),
    "a group": ("", "raise BaseExceptionGroup('all', [SystemExit(0)])", "BaseExceptionGroup: all"),
    "no text": ("", "raise Exception()", "Exception"),
    "a text that raises": (SECRET, "raise Secret()", "Secret"),
    "two lines": ("", "raise Exception('one\\ntwo')", "Exception: one two"),
    "recursion": ("def deep(n):\n    return deep(n + 1)\n", "deep(0)", "RecursionError"),
    "memory": ("", "raise MemoryError", "MemoryError"),
}
SOON = "N = []\n"  # in a step: N.append(0) counts its calls
LATE = "(N.append(0), len(N) > 40 and {does})"


def run(*words, folder=None, **options):
    """A command: its status, and the lines that it printed."""
    done = subprocess.run([RNN, *words], cwd=folder, capture_output=True, text=True, timeout=100, **options)
    return done.returncode, (done.stdout + done.stderr).splitlines()


@pytest.fixture
def folder(tmp_path):
    """Writes spec.py, with something in its module or its step, beside a target that claims it."""

    def written(top="", step="pass", text=SPEC, target=TARGET):
        (tmp_path / "spec.py").write_text(text.format(top=top, step=step))
        (tmp_path / "t.py").write_text(target)
        return tmp_path

    return written


@pytest.mark.parametrize("text", [SPEC, RECURRENCE], ids=["cell", "recurrence"])
@pytest.mark.parametrize("raised", RAISED.values(), ids=RAISED)
def test_what_a_spec_raises_is_one_line_with_file_line_and_cause(folder, raised, text):
    helper, does, cause = raised
    for place in ({"top": helper + does}, {"top": helper, "step": does}):
        with pytest.raises(CellError) as caught:
            loaded(str(folder(**place, text=text) / "spec.py"), "mgu")
        said = str(caught.value)
        assert "spec.py" in said and cause in said and does.partition("(")[0] in said and "\n" not in said
        assert "line" in said


@pytest.mark.parametrize("raised", RAISED.values(), ids=RAISED)
def test_what_a_step_raises_later_leaves_no_verdict_and_is_no_mistake_of_this_kit(folder, raised):
    helper, does, cause = raised
    failing = f"def fail():\n    {does}\n"
    folder(helper + failing + SOON, LATE.format(does="fail()"))
    report = conformance.check("t.py:mine", properties=["equivalence.steps", "shapes.shapes"])
    assert report.verdict == "inconclusive" and report.status == 2
    said = next(result.message for result in report.results if result.status == "inconclusive")
    assert said.startswith("MGU: spec.py, line ") and cause in said and "\n" not in said


def test_an_interruption_by_a_signal_is_no_error_of_a_cell(folder):
    for place in ({"top": "import signal; signal.raise_signal(signal.SIGINT)"}, {"step": "os.kill(os.getpid(), 2)"}):
        with pytest.raises(KeyboardInterrupt):
            loaded(str(folder(**place) / "spec.py"), "mgu")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            "mgu = cell('fn')(lambda x, h, p: tanh(p.f(x, h)))",
            "spec.py, line 2, .* must be a function that is written with def",
        ),
        ("mgu = cell('h')(5)", "must be a function that is written with def"),
    ],
)
def test_what_is_no_function_of_its_own_is_no_step(folder, line, said):
    with pytest.raises(CellError, match=said):
        loaded(str(folder(text="from reference_rnn import cell, tanh\n" + line) / "spec.py"), "mgu")


def test_equations_that_are_nested_too_deep_are_refused(folder):
    terms = folder(step="h = (h" + " + h" * 2000 + ") * 0.0004")
    with pytest.raises(CellError, match=r"MGU: spec.py, line \d+, .* is nested .* deep, must be at most"):
        loaded(str(terms / "spec.py"), "mgu")
    signs = folder(top=f"a = {'-' * 100_000}1")
    with pytest.raises(CellError, match=r"spec\.py cannot be imported: "):
        loaded(str(signs / "spec.py"), "mgu")


def test_a_condition_in_a_step_is_no_mistake_of_this_kit(folder):
    status, lines = run(
        "cell", "spec.py:mgu", folder=folder(top=SOON, step="N.append(0)\n    if not N:\n        h = x")
    )
    assert status == 2 and "MGU: 'if not N:' is no line like name = expression" in lines[-1]


EXIT = "os._exit(0)"
COMMANDS = [
    ("check", "t.py:mine", "-n", "1"), ("check", "t.py:mine", "-n", "2"), ("check", "t.py:mine", "--in-process"),
    ("cell", "spec.py:mgu"), ("cell", "spec.py"), ("trace", "t.py:mine"),
    ("vectors", "write", "v", "--cell", "spec.py:mgu"),
    ("replay", "saved.json", "t.py:mine"), ("reproduce", "saved.json", "t.py:mine"),
    ("compare", "t.py:mine", "t.py:mine"),
    ("hunt", "t.py:mine", "-n", "1", "--rounds", "1"), ("matrix", "t.py:mine"), ("shapes", "--cell", "spec.py:mgu"),
]  # fmt: skip


@pytest.fixture(scope="session")
def saved(tmp_path_factory):
    """The text of a counterexample of the cell, with a target that claims it."""
    folder = tmp_path_factory.mktemp("saved")
    (folder / "spec.py").write_text(SPEC.format(top="", step="pass"))
    (folder / "t.py").write_text(TARGET.replace("f * n + (1 - f) * h", "f * h + (1 - f) * n"))
    run("check", "t.py:mine", "--property", "equivalence.steps", "--no-diagnosis", "-n", "1", folder=folder)
    (file,) = folder.glob(".rnn-conformance/*/*.json")
    return file.read_text().replace(str(folder), "FOLDER")


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("place", ["top", "step"])
@pytest.mark.sample
def test_no_command_ends_well_where_a_spec_ends_its_process(folder, saved, words, place):
    where = folder(**{place: EXIT})
    (where / "saved.json").write_text(saved.replace("FOLDER", str(where)))
    status, lines = run(*words, folder=where)
    assert status == 2, lines
    assert [line for line in lines if "spec.py" in line] and "Traceback" not in "".join(lines)


@pytest.mark.parametrize("ending", ["os._exit(0)", "os.kill(os.getpid(), 11)", "os.kill(os.getpid(), 9)"])
def test_a_spec_that_ends_its_process_late_is_named(folder, ending):
    where = folder(SOON, LATE.format(does=ending))
    environment = {**os.environ, "GITHUB_ACTIONS": "true"}
    status, lines = run(
        "check", "t.py:mine", "-n", "1", "--property", "equivalence.steps", folder=where, env=environment
    )
    how = {"os._exit(0)": "ended with status 0", "os.kill(os.getpid(), 11)": "died of SIGSEGV"}
    assert status == 2 and len(lines) == 2
    assert how.get(ending, "was ended by SIGKILL, a signal from outside") in lines[1] and "spec.py" in lines[1]
    assert lines[0].startswith("::error title=rnn-conformance::") or lines[1].startswith("::error")


@pytest.mark.parametrize("words", [("check", "t.py:mine", "-n", "1"), ("cell", "spec.py:mgu")], ids=" ".join)
def test_a_spec_that_closes_all_descriptors_silences_no_command(folder, words):
    _, lines = run(*words, folder=folder("os.closerange(0, 256)"))
    assert len(lines) == 1 and lines[0].startswith("rnn-conformance: ") and "Bad file descriptor" in lines[0]
    assert words[0] == "cell" or "spec.py" in lines[0]


def test_what_the_supervisor_says_of_a_file_does_nothing(capfd):
    supervisor.complain("spec\x1b[2J\u202e\udc80.py")
    assert capfd.readouterr().err == "rnn-conformance: spec?[2J??.py\n"


def test_a_target_in_this_process_that_ends_it_is_named(tmp_path, right):
    (tmp_path / "t.py").write_text(right.replace("p, h,", "__import__('os')._exit(0)\n    p, h,"))
    status, (line,) = run("check", "t.py", "--in-process")
    assert status == 2 and "t.py" in line and "ended with status 0" in line


@pytest.mark.parametrize(
    "later",
    [
        "atexit; atexit.register(os._exit, 0)",
        "threading, time; threading.Thread(target=time.sleep, args=(90,)).start()",
    ],
    ids=["an end", "a thread that never ends"],
)
def test_what_comes_after_the_verdict_changes_no_status(folder, later):
    where = folder(f"import {later}", target=TARGET.replace("f * n", "n"))
    status, _ = run("check", "t.py:mine", "-n", "1", "--property", "equivalence.steps", "--no-diagnosis", folder=where)
    assert status == 1


@pytest.mark.parametrize("place", ["top", "step"])
def test_from_python_a_spec_is_tried_in_a_process_of_its_own(folder, place):
    folder(**{place: EXIT})
    with pytest.raises(conformance.TargetError, match=r"spec.py ended the process that tried it, with status 0"):
        conformance.check("t.py:mine")


@pytest.mark.parametrize("name", ["PYTHONPATH", "GITHUB_OUTPUT", "MINE"])
def test_a_spec_is_tried_in_the_environment_in_which_it_is_loaded(folder, monkeypatch, name):
    where = folder(f"if os.environ.get({name!r}) == 'value': os._exit(0)")
    try_elsewhere(str(where / "spec.py"), "mgu")
    monkeypatch.setenv(name, "value")
    with pytest.raises(CellError, match="ended the process that tried it"):
        try_elsewhere(str(where / "spec.py"), "mgu")


def test_a_recurrence_too(folder):
    status, lines = run("check", "t.py", "-n", "1", folder=folder(step=EXIT, text=RECURRENCE, target=SCAN))
    assert status == 2 and len(lines) == 1 and "spec.py" in lines[0]


@pytest.mark.sample
def test_a_stage_that_ends_its_process_is_a_finding(tmp_path):
    (tmp_path / "stage.py").write_text("import os\n\n\ndef mine(program):\n    os._exit(0)\n")
    words = ("check", "torch > stage.py:mine", "-n", "1", "--property", "shapes.shapes", "--no-diagnosis")
    status, lines = run(*words)
    assert status in (1, 2) and "Traceback" not in "".join(lines)


def judge_of(process):
    """The process that judges for a command."""
    (judge,) = psutil.Process(process.pid).children()
    return judge


@pytest.fixture
def slow(tmp_path):
    """A command that has loaded a target which takes long."""
    (tmp_path / "slow.py").write_text("open('begun', 'w').close()\nimport time\ntime.sleep(60)\n")
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    process = subprocess.Popen([RNN, "check", "slow.py", "-n", "1"], **pipes, text=True, process_group=0)
    while not (tmp_path / "begun").exists():
        assert process.poll() is None
        time.sleep(0.05)
    yield process
    process.kill()
    process.communicate()


def test_a_judge_that_is_killed_is_no_verdict(slow):
    judge_of(slow).kill()
    said, _ = slow.communicate(timeout=60)
    assert slow.returncode == 2
    assert "the process that judges was ended by SIGKILL, a signal from outside" in said


@pytest.mark.parametrize("send", [os.kill, os.killpg], ids=["one process", "both"])
def test_an_interruption_counts_once(slow, send):
    send(slow.pid, signal.SIGINT)
    said, _ = slow.communicate(timeout=60)
    assert slow.returncode == 2 and said.count("\n") == said.count("interrupted") == 1


def test_a_judge_that_is_stopped_can_be_interrupted(slow):
    judge_of(slow).suspend()
    slow.send_signal(signal.SIGINT)
    said, _ = slow.communicate(timeout=60)
    assert slow.returncode == 2 and said.count("\n") == said.count("interrupted") == 1


def test_the_judge_ends_with_the_command(slow):
    judge = judge_of(slow)
    slow.kill()
    slow.wait()
    psutil.wait_procs([judge], timeout=10)
    assert not judge.is_running() or judge.status() == psutil.STATUS_ZOMBIE


def test_a_command_stops_and_goes_on_with_its_judge(slow):
    judge = judge_of(slow)
    for number, stopped in ((signal.SIGTSTP, True), (signal.SIGCONT, False)):
        slow.send_signal(number)
        deadline = time.monotonic() + 10
        while any((p.status() == psutil.STATUS_STOPPED) != stopped for p in (judge, psutil.Process(slow.pid))):
            assert time.monotonic() < deadline
            time.sleep(0.02)


def test_a_command_without_fork_judges_in_its_own_process():
    code = "import os; del os.fork; from conformance.__main__ import main; main()"
    done = subprocess.run([sys.executable, "-c", code, "properties"], capture_output=True, text=True)
    assert done.returncode == 0 and "equivalence.steps" in done.stdout


def test_a_command_that_has_nothing_to_judge_ends_with_0():
    docs, saved = Path(__file__).parents[2] / "docs", "findings/torch/lengths.length_zero.json"
    command = [sys.executable, "-m", "conformance", "reproduce", saved]
    done = subprocess.run(command, cwd=docs, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "") and "forward(case)" in done.stdout
