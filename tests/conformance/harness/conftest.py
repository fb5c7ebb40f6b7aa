"""Targets that mean harm, and a look at what they leave behind."""

import re
import time
from contextlib import suppress

import psutil
import pytest

from conformance.harness.load import open_target
from conformance.harness.process import Limits
from reference_rnn import case

CASE = case("RNN_TANH", T=2, N=1, I=1, H=1, weight_hh_l0=1, h_0=1)


@pytest.fixture
def made(tmp_path, right):
    """Writes a right target, and what it does before each answer; returns the file."""

    def written(attack="pass", top=""):
        file = tmp_path / "target.py"
        body = right.replace("    p, h, output", f"    {attack}\n    p, h, output")
        file.write_text("import os, signal, subprocess, sys, time, warnings\n" + top + body)
        return file

    return written


@pytest.fixture
def asked(left):
    """Opens a target in a child and asks it once; the problem, and the target, which is stopped in the end."""
    opened = []

    def ask(target, case=CASE, **limits):
        opened.append(open_target(target, limits=Limits(**{"call": 20.0, **limits})))
        assert opened[-1].start() is None
        return opened[-1].forward(case).problem, opened[-1]

    yield ask
    for target in opened:
        target.stop()
    left()


def alive(pids):
    """The children of this process that belong to targets, and which of these processes live."""
    found = psutil.Process().children(recursive=True)
    for pid in pids:
        with suppress(psutil.NoSuchProcess):
            found.append(psutil.Process(pid))
    return [process for process in found if lives(process)]


def lives(process):
    """Whether a process is neither gone nor a zombie of somebody else's."""
    try:
        words = " ".join(process.cmdline())
        # what multiprocessing keeps for the workers of other tests is nothing of a target
        return process.status() != psutil.STATUS_ZOMBIE and not re.search("resource_tracker|forkserver", words)
    except psutil.Error:
        return False


@pytest.fixture
def left():
    """Fails unless, after a while, nothing is left of targets and of these processes but what other tests had left."""
    before = alive(())

    def nothing_left(pids=(), seconds=5.0):
        until = time.monotonic() + seconds
        while (found := [one for one in alive(pids) if one not in before]) and time.monotonic() < until:
            time.sleep(0.02)
        assert not found

    return nothing_left
