"""A target's processes end with it, whatever they do; and why it ended is its own doing."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from conformance.harness import family
from conformance.harness.family import cpu_seconds
from conformance.harness.load import TargetError, open_target
from conformance.harness.process import Limits
from conformance.hunt.units import HELD, Unit, do_unit, options_of
from conformance.trial.options import Options
from reference_rnn import case

linux = pytest.mark.skipif(not family.LINUX, reason="what has detached itself is found on Linux only")
CASE = case("RNN_TANH", T=2, N=1, I=1, H=1, weight_hh_l0=1, h_0=1)

# A grandchild that writes its number down, so that it is known whom to look for.
GRANDCHILD = """
PIDS = {pids!r}

def grandchild(detached=False, twice=False, seconds=60):
    first = os.fork()
    if first:
        return os.waitpid(first, 0) if twice else first
    if detached:
        os.setsid()
    if twice and os.fork():
        os._exit(0)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with open(PIDS, "a") as file:
        file.write(str(os.getpid()) + "\\n")
    time.sleep(seconds)
    os._exit(0)

def written():
    while not os.path.exists(PIDS) or not os.path.getsize(PIDS):
        time.sleep(0.01)
"""

ASKED_ONCE = "\ncapabilities = {'recompiles': False}\n"  # or a call would tell, before the first that is judged


@pytest.fixture
def pids(tmp_path):
    """The file in which grandchildren write their numbers; reads them."""
    file = tmp_path / "pids"

    class Pids:
        path = str(file)

        @staticmethod
        def read():
            return [int(line) for line in file.read_text().split()] if file.exists() else []

    return Pids


# What a target does, how it ends, and what is said of it.
ENDS = {
    "grandchild, then exit": ("grandchild(); written(); os._exit(3)", "exit", "ended its process with status 3"),
    "session, then exit": ("grandchild(True); written(); os._exit(4)", "exit", "with status 4"),
    "daemon, then exit": ("grandchild(True, True); written(); os._exit(5)", "exit", "with status 5"),
    "daemon, then abort": ("grandchild(True, True); written(); os.abort()", "crash", "died of SIGABRT"),
    "grandchild, then hang": ("grandchild(); time.sleep(60)", "hang", "did not return in time"),
    "daemons, then hang": ("[grandchild(True, True) for _ in range(5)]; time.sleep(60)", "hang", "did not return"),
    "killed by itself": ("os.kill(os.getpid(), signal.SIGKILL)", "crash", "died of SIGKILL"),
    "by a signal without a name": ("os.kill(os.getpid(), 40)", "crash", "died of signal 40"),
    "by a terminal that is gone": ("os.kill(os.getpid(), signal.SIGHUP)", "crash", "died of SIGHUP"),
    "by its own group": ("os.kill(0, signal.SIGKILL)", "crash", "died of SIGKILL"),
    "kills its parent": ("os.kill(os.getppid(), signal.SIGKILL); time.sleep(60)", "crash", "died of SIGKILL"),
    "leaves its parent killed": (
        "grandchild(True, True); written(); os.kill(os.getppid(), signal.SIGKILL); time.sleep(60)", "crash", "SIGKILL",
    ),
    "ends its parent": ("os.kill(os.getppid(), signal.SIGTERM); time.sleep(60)", "exit", "ended its process with"),
    "stops its parent": ("os.kill(os.getppid(), signal.SIGSTOP); os._exit(6)", "protocol", "closed its channel"),
    "stops itself": ("os.kill(os.getpid(), signal.SIGSTOP)", "hang", "did not return in time"),
    "a broken pipe": ("signal.signal(13, signal.SIG_DFL); os.kill(os.getpid(), 13)", "crash", "died of SIGPIPE"),
    "nothing to point at": ("import ctypes; ctypes.string_at(0)", "crash", "died of SIGSEGV"),
}  # fmt: skip


@pytest.mark.sample
@linux
@pytest.mark.parametrize("name", ENDS)
def test_a_family_ends_and_the_cause_is_its_own(made, asked, pids, left, name):
    attack, kind, words = ENDS[name]
    began = time.monotonic()
    problem, target = asked(made(attack, GRANDCHILD.format(pids=pids.path)), call=2.0)
    assert (problem.kind, words in problem.message) == (kind, True), problem
    assert time.monotonic() - began < 9
    left(pids.read())
    if "grandchild" in attack:
        assert pids.read()
    assert target.deaths == {problem.message: 1}


@linux
def test_a_death_behind_another_failure_is_told(made, asked):
    _, target = asked(made("case.config.num_layers > 1 and os.abort()"))
    two = case("RNN_TANH", T=1, N=1, I=1, H=1, L=2, h_0=0)
    assert [target.forward(c).problem is None for c in (CASE, two, CASE, two)] == [True, False, True, False]
    assert target.deaths == {"died of SIGABRT": 2}


@linux
def test_memory_is_that_of_the_family(made, asked, pids, left):
    hoard = "    block = bytearray(2**27)\n    block[::4096] = b'x' * len(block[::4096])\n    time.sleep(seconds)"
    top = GRANDCHILD.format(pids=pids.path).replace("    time.sleep(seconds)", hoard)
    problem, _ = asked(made("[grandchild(True, True) for _ in range(4)]; time.sleep(60)", top), memory=2**28)
    assert (problem.kind, problem.message) == ("memory", "took more than 0.2 GiB of memory")
    left(pids.read())


@linux
def test_memory_that_is_shared_counts_once(made, asked):
    top = "block = None\ndef share():\n    global block\n    block = b'x' * 2**27\n"
    top += "    for _ in range(6):\n        os.fork() or (time.sleep(1), os._exit(0))\n    time.sleep(0.5)\n"
    assert asked(made("block or share()", top), memory=2**28)[0] is None


def test_memory_counts_from_when_the_target_is_loaded(made, asked):
    top = "held = b'x' * 2**27\ntime.sleep(0.3)\n"
    assert asked(made(top=top), memory=2**26)[0] is None
    problem, _ = asked(made("more = b'x' * 2**27; time.sleep(20)", top=top), memory=2**26)
    assert (problem.kind, problem.message) == ("memory", "took more than 64.0 MiB of memory")


def test_what_is_printed_without_end_is_capped(made, asked):
    problem, target = asked(
        made("os.write(1, b'first\\n'); [os.write(2, b'y' * 2**16) for _ in range(2000)]; os._exit(1)")
    )
    assert problem.kind == "exit" and target.all_notes()[0] == "printed: first"
    assert len(target.last.first + target.last.last) <= 2**13 and max(map(len, target.all_notes())) <= 300


def test_an_interrupt_of_the_judge_ends_the_call_and_the_process(made, left):
    target = open_target(made("time.sleep(60)", ASKED_ONCE), limits=Limits(call=30))
    target.start()
    signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    with pytest.raises(KeyboardInterrupt):
        target.forward(CASE)
    assert target.channel is None
    left()
    assert target.start() is None  # and it can be used again
    target.stop()
    left()


# A judge of its own, that opens a target whose daemon has left it, and is killed in the midst of a call.
JUDGE = """
import sys, threading
from conformance.harness.load import open_target
from reference_rnn import case
from conformance.harness.process import Limits
target = open_target(sys.argv[1], limits=Limits(call=60))
target.start()
print("ready", flush=True)
target.forward(case("RNN_TANH", T=2, N=1, I=1, H=1, h_0=1))
"""


@pytest.mark.sample
@linux
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_when_the_judge_ends_nothing_stays(made, pids, left, number):
    attack = "grandchild(True, True); written(); time.sleep(60)"
    top = GRANDCHILD.format(pids=pids.path) + ASKED_ONCE
    words = [sys.executable, "-c", JUDGE, str(made(attack, top))]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=Path.cwd()) as judge:
        assert judge.stdout.readline() == b"ready\n"
        while not pids.read():
            time.sleep(0.01)
        family_of_judge = [member.pid for member in psutil.Process(judge.pid).children(recursive=True)]
        judge.send_signal(number)
    assert len(family_of_judge) >= 2
    left(pids.read() + family_of_judge)


@linux
def test_a_worker_ends_with_its_parent(tmp_path, left):
    file = tmp_path / "pid"
    worker = f"""
import os, time
from conformance.harness.family import die_with_parent
die_with_parent(parent=int(os.environ["STARTER"]))
open({str(file)!r}, "w").write(str(os.getpid()))
time.sleep(60)
"""
    starter = f"""
import os, subprocess, sys, time
subprocess.Popen([sys.executable, "-c", {worker!r}], env=os.environ | {{"STARTER": str(os.getpid())}})
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", starter]) as parent:
        until = time.monotonic() + 20
        while not (file.exists() and file.read_text()) and time.monotonic() < until:
            time.sleep(0.01)
        parent.kill()
    left([int(file.read_text())])


def test_a_parent_that_has_ended_before_is_noticed():
    late = "from conformance.harness.family import die_with_parent as d; import time; d(parent=1 << 22); time.sleep(5)"
    assert subprocess.run([sys.executable, "-c", late], timeout=20).returncode == -signal.SIGKILL


@linux
def test_a_subreaper_finds_and_ends_what_has_left_its_parents(tmp_path, left):
    script = """
import json, os, time
from conformance.harness.family import become_subreaper, descendants, end_family
assert become_subreaper()
if not os.fork():
    os.setsid()
    if os.fork():
        os._exit(0)
    time.sleep(60)
time.sleep(0.3)
found = descendants(os.getpid())
end_family()
print(json.dumps([found, descendants(os.getpid())]))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30)
    found, after = json.loads(done.stdout)
    assert found and not after
    left(found)


def test_a_status_is_the_commands_own():
    for words, status in ((["true"], 0), (["sh", "-c", "exit 9"], 9), (["sh", "-c", "kill -ABRT $$"], -signal.SIGABRT)):
        process = family.start_kept(words)
        assert process.wait(10) == status
        family.dismiss(process)


@pytest.mark.parametrize("word", ["no-such-program", "/", "/dev/null", ""])
def test_what_cannot_be_started_says_why(word):
    with pytest.raises(OSError) as error:
        family.start_kept([word])
    assert error.value.strerror in ("No such file or directory", "Permission denied")


@linux
def test_without_lists_of_children_the_table_of_processes_is_read():
    with subprocess.Popen(["sleep", "30"]) as process:
        assert (process.pid, os.getpid()) in list(family.parents())
        process.kill()


# A cell file whose import leaves a process behind that has left its parents.
FORKS = """
import os, time
from reference_rnn import cell, mix, sigmoid, tanh

if first := os.fork():
    os.waitpid(first, 0)
else:
    os.setsid()
    os.fork() and os._exit(0)
    with open({pids!r}, "a") as file:
        file.write(str(os.getpid()) + "\\n")
    time.sleep(60)

@cell("zn")
def mgu(x, h, p):
    "h' = (1 - z) n + z h."
    z = sigmoid(p.z(x, h))
    return mix(z, tanh(p.n(x, h)), h)
"""


@linux
@pytest.mark.parametrize("words", ["cell spec.py:mgu", "check t.py -n 1", "check t.py -n 2", "hunt t.py --rounds 1"])
def test_a_cell_file_that_forks_leaves_nothing(tmp_path, pids, left, words):
    (tmp_path / "spec.py").write_text(FORKS.format(pids=pids.path))
    (tmp_path / "t.py").write_text("capabilities = {'cells': ['spec.py:mgu']}\ndef forward(case): return 1, 2\n")
    cheap = [] if words.startswith("cell") else ["--property", "shapes.shapes", "--property", "state", "--no-diagnosis"]
    command = [sys.executable, "-m", "conformance", *words.split(), *cheap]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=100)
    assert done.returncode == bool(cheap) and done.stderr == "", done.stdout + done.stderr
    assert pids.read()
    left(pids.read())


def test_what_is_printed_is_kept_to_its_ends_whoever_prints(made, asked):
    prints = "os.system('yes | head -c 100000000; echo last'); libc.puts(b'native'); libc.fflush(None)"
    top = "import ctypes, stat\nlibc = ctypes.CDLL(None)\nassert stat.S_ISFIFO(os.fstat(1).st_mode)\n"
    problem, target = asked(made(prints, top))
    assert problem is None and target.channel.printed.size > 100_000_000
    kept = target.channel.printed
    assert len(kept.first + kept.last) <= 8192 and kept.lines[-2:] == ["last", "native"]
    target.stop()


def test_the_time_of_processes_that_have_ended_counts():
    burns = "import time\nwhile time.process_time() < 0.3: pass"
    runs = f"subprocess.run([sys.executable, '-c', {burns!r}])"
    waits = f"import subprocess, sys\n{runs}\nprint(flush=True)\nsys.stdin.read()"
    words = [sys.executable, "-c", waits]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        assert 0.3 <= cpu_seconds(process.pid) < 5
        process.stdin.close()
    assert cpu_seconds(process.pid) == 0


# ---------------------------------------------------------------- the environment

RUNNER = (
    "GITHUB_OUTPUT", "GITHUB_ENV", "GITHUB_PATH", "GITHUB_STATE", "GITHUB_STEP_SUMMARY", "GITHUB_TOKEN",
    "ACTIONS_RUNTIME_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_CACHE_URL",
)  # fmt: skip
LEFT = ("GITHUB_ACTIONS", "GITHUB_SHA", "GITHUB_WORKSPACE", "ACTION", "MY_ACTIONS_TOKEN", "TOKEN")
NOTES_DOWN = """
import json, os
with open({seen!r}, "w") as file:
    json.dump(dict(os.environ), file)

def stage(before):
    return before
"""


def opened_as(kind, file):
    """Loads a target of some kind from a file, whether or not it is one."""
    words = {
        "file": f"{file}",
        "interpreter": f"python={sys.executable} {file}",
        "chain": f"{file}:stage > {file}:stage",
        "command": f"cmd: {sys.executable} {file}",
        "worker of a hunt": f"{file}",
        "this process": f"{file}",
    }[kind]
    if kind == "worker of a hunt":  # of Dask as of this machine
        do_unit(Unit("open", words, options_of(Options())).to_text())
        return HELD.stop()
    with contextlib.suppress(TargetError):
        return open_target(words, in_process=kind == "this process").stop()


@pytest.mark.parametrize("kind", ["file", "interpreter", "chain", "command", "worker of a hunt", "this process"])
def test_what_steps_of_a_workflow_are_told_by_is_kept_from_targets(tmp_path, monkeypatch, right, kind):
    for name in (*RUNNER, *LEFT):
        monkeypatch.setenv(name, "value")
    (tmp_path / "mine.py").write_text(NOTES_DOWN.format(seen=str(tmp_path / "seen")) + ASKED_ONCE + right)
    opened_as(kind, tmp_path / "mine.py")
    there = json.loads((tmp_path / "seen").read_text())
    assert all(there.get(name) == "value" for name in LEFT)
    assert [name for name in RUNNER if name in there] == (list(RUNNER) if kind == "this process" else [])
    assert not set(os.environ) - set(there) - set(RUNNER)
