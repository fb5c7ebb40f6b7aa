"""Instances that are copies of the process that has loaded the target: they share nothing, and end as it would."""

import psutil
import pytest

from conformance.harness.family import LINUX
from conformance.harness.load import open_target
from conformance.harness.process import Limits
from reference_rnn import case

pytestmark = pytest.mark.skipif(not LINUX, reason="threads are counted on Linux only")

CALLS = """
import os
import signal
import threading

import numpy as np

calls = []


def forward(case):
    calls.append(1)
    return np.full((1, 1, 1), len(calls), np.float32), np.full((1, 1, 1), os.getpid(), np.float32)
"""
ASKED = case("RNN_TANH")


@pytest.fixture
def opened(tmp_path):
    """Opens a target that counts its calls, with some more text."""
    targets = []

    def open(more=""):
        path = tmp_path / "counts.py"
        path.write_text(CALLS + more)
        targets.append(open_target(str(path), limits=Limits(call=5.0)))
        return targets[-1]

    yield open
    for target in targets:
        target.stop()


def counted(target):
    """What a new instance counts in two calls, and in which process."""
    assert target.start() is None
    answers = [target.forward(ASKED).arrays for _ in range(2)]
    assert answers[0]["h_n"] == answers[1]["h_n"]
    return [answer["output"].item() for answer in answers], answers[0]["h_n"].item()


def test_copies_share_nothing(opened):
    target = opened()
    assert [counted(target)[0] for _ in range(2)] == [[1, 2], [3, 4]]
    assert target.copy_instances()
    (one, first), (two, second) = counted(target), counted(target)
    assert one == two == [1, 2] and first != second
    assert not target.copy_instances(False)
    assert counted(target) == ([3, 4], second)


def test_a_target_with_threads_of_its_own_is_not_copied(opened):
    target = opened("threading.Thread(target=threading.Event().wait, daemon=True).start()\n")
    assert not target.copy_instances()
    assert [counted(target)[0] for _ in range(2)] == [[1, 2], [3, 4]]


ENDS = [
    "os._exit(3)", "os.kill(os.getpid(), signal.SIGSEGV)", "os.kill(os.getpid(), signal.SIGKILL)", "signal.pause()",
]  # fmt: skip


@pytest.mark.sample
@pytest.mark.parametrize("end", ENDS)
def test_a_copy_ends_as_the_process_would(opened, end):
    target = opened(f"\n\ndef forward(case):\n    {end}\n")
    plain = target.forward(ASKED).problem
    assert target.copy_instances()
    assert (plain, plain) == (target.forward(ASKED).problem, target.forward(ASKED).problem)
    assert plain.kind in ("exit", "crash", "hang")


REAPS = """
def reap(*_):
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass

signal.signal(signal.SIGCHLD, {})
"""


@pytest.mark.parametrize("handler", ["signal.SIG_IGN", "reap"])
def test_a_target_that_reaps_its_children_is_copied(opened, handler):
    target = opened(REAPS.format(handler))
    assert target.copy_instances()
    assert [counted(target)[0] for _ in range(3)] == [[1, 2]] * 3


def test_a_target_that_closes_what_it_does_not_know_is_no_longer_copied(opened):
    target = opened("\n\nplain = forward\n\ndef forward(case):\n    os.closerange(5, 40)\n    return plain(case)\n")
    assert target.copy_instances()
    assert counted(target)[0] == counted(target)[0] == [1, 2]
    assert not target.copying and counted(target)[0] == [3, 4]


DIES_ONCE = """
from pathlib import Path

class Target:
    def __init__(self):
        if Path(__file__).with_name("dies").exists():
            Path(__file__).with_name("dies").unlink()
            os._exit(3)

    def forward(self, case):
        return forward(case)
"""


def test_an_instance_that_cannot_be_built_costs_no_other(opened, tmp_path):
    opened(DIES_ONCE)
    target = open_target(f"{tmp_path / 'counts.py'}:Target")
    try:
        assert target.copy_instances()
        (tmp_path / "dies").touch()
        assert target.start().kind == "exit"
        assert [counted(target)[0] for _ in range(2)] == [[1, 2]] * 2
    finally:
        target.stop()


def test_what_a_copy_has_started_ends_with_it(opened):
    text = "helper = []\nplain = forward\n\ndef forward(case):\n    helper or helper.append("
    target = opened(f"import subprocess\n{text}subprocess.Popen(['sleep', '600']))\n    return plain(case)\n")
    assert target.copy_instances()
    for _ in range(5):
        counted(target)
    family = psutil.Process(target.channel.process.pid).children(recursive=True)
    assert len([one for one in family if "sleep" in one.name()]) == 1


def test_a_copy_leaves_though_what_it_started_goes_on(opened):
    target = opened(
        "\n\ndef forward(case):\n    if not os.fork():\n        signal.pause()\n    return np.zeros((2, 1, 1, 1))\n"
    )
    assert target.copy_instances()
    for _ in range(3):
        assert target.start() is None and target.forward(ASKED).problem is None
