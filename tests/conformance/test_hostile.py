"""Whatever a target, a disk or a killer does: the verdict is given, and nothing that was found is lost."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from conformance import check

RNN = Path(sys.executable).with_name("rnn-conformance")
TARGETS = Path(__file__).parent.parent / "targets"
FULL = Path("/dev/full")  # a device on which every write fails for want of room
STEPS = ("--property", "equivalence.steps", "-n", "1", "--no-diagnosis")


@pytest.fixture
def run(tmp_path, right):
    """Runs the command in a folder that holds right.py, and wrong.py with tanh made sin."""
    (tmp_path / "right.py").write_text(right)
    (tmp_path / "wrong.py").write_text(right.replace("np.tanh(", "np.sin("))

    def command(*words):
        return subprocess.run([RNN, *map(str, words)], cwd=tmp_path, capture_output=True, text=True, timeout=240)

    return command


def judged(name, **limits):
    report = check(
        TARGETS / "wrong" / f"{name}.py", properties=["equivalence.steps"], in_process=False, diagnosis=False,
        workers=1, **limits,
    )  # fmt: skip
    (result,) = report.results
    assert (report.verdict, result.status) == ("fails", "failed")
    return result


@pytest.mark.sample
def test_death_on_the_hundredth_call_is_shown_with_the_calls_before_it():
    result = judged("dies_late")
    assert (result.message, result.examples) == ("the target died of SIGABRT", 100)
    assert result.counterexample.startswith("first: case('RNN_TANH', T=1, ") and result.counterexample.endswith(
        "100 times"
    )


@pytest.mark.sample
def test_a_slip_on_the_seven_hundredth_call_is_shown_with_the_calls_before_it():
    report = check(TARGETS / "wrong" / "slips_seldom.py", properties=["shapes.repeatable"], diagnosis=False)
    first, then = report.results[0].counterexample.splitlines()
    assert first.startswith("first: case('RNN_TANH', T=1, ") and first.endswith("698 times")
    assert then.startswith("A and B: case('RNN_TANH', T=1, ")


@pytest.mark.sample
def test_a_copy_that_answers_in_its_place_is_not_heard():
    result = judged("forks", call_limit=1.5)
    assert result.message == "the target did not return in time"
    assert "rnn-conformance" not in [p.name() for p in psutil.process_iter() if p.status() == psutil.STATUS_ZOMBIE]


def test_a_gigabyte_is_no_answer():
    result = judged("returns_too_much", call_limit=60)
    assert result.message == "output has shape (1, 16384, 8192): 0.5 GB"


@pytest.mark.sample
def test_a_report_that_cannot_be_written_costs_no_verdict(run):
    for option in ("--json", "--junitxml", "--html"):
        right, wrong = run("check", "right.py", *STEPS, option, FULL), run("check", "wrong.py", *STEPS, option, FULL)
        assert right.returncode == 2 and right.stdout.splitlines()[-1].startswith("right.py conforms")
        assert wrong.returncode == 1 and "smallest case: case('RNN_TANH', T=1" in wrong.stdout
        for done in (right, wrong):
            assert "not written  /dev/full cannot be written: No space left on device" in done.stdout
            assert not done.stderr


def test_where_nothing_can_be_kept_that_is_said(run, tmp_path):
    (tmp_path / ".rnn-conformance").write_text("in the way")
    done = run("check", "wrong.py", *STEPS, "--json", "report.json")
    assert done.returncode == 1 and "not saved    .rnn-conformance cannot be written here" in done.stdout
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["results"][0]["case"]["config"]["cell"] == "RNN_TANH"


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no SIGKILL here")
def test_a_worker_that_is_killed_costs_nothing(tmp_path, right):
    # slow enough to be killed on the way
    (tmp_path / "wrong.py").write_text("import time\n" + right.replace("np.tanh(", "time.sleep(0.002) or np.sin("))
    words = [RNN, "check", "wrong.py", "--property", "equivalence", "--property", "shapes", "-n", "2", "--no-diagnosis"]
    process = subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    killed = 0
    while process.poll() is None and killed < 2:
        time.sleep(1.5)
        killed += kill_a_worker(process.pid)
    out, err = process.communicate(timeout=240)
    assert killed and process.returncode == 1, out + err
    assert "of 17 properties failed" in out
    assert "died every time" not in out and "smallest case: case('RNN_TANH', T=1" in out and not err


def kill_a_worker(pid):
    """Kills one process that judges properties; whether there was one."""
    for child in psutil.Process(pid).children(recursive=True):
        with suppress(psutil.Error):  # it has ended meanwhile
            if "forkserver" in " ".join(child.cmdline()):
                for worker in child.children():
                    os.kill(worker.pid, signal.SIGKILL)
                    return True
    return False
