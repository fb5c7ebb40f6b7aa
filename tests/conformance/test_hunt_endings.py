"""A hunt ends when it has to, whatever its workers, its scheduler and its corpus do; what it found is told."""

import errno
import json
import os
import shutil
import signal
import socket
import sys
import time
from dataclasses import asdict
from pathlib import Path

import psutil
import pytest

from conformance.events import PropertyResult
from conformance.harness import family
from conformance.harness.load import TargetError
from conformance.hunt import corpus as corpora
from conformance.hunt.campaign import EXPLAINING, TRIES, WAIT, Hunt
from conformance.hunt.corpus import Corpus
from conformance.hunt.executors import Crew, Servant, check_address, host_and_port
from conformance.hunt.hunt_events import FindingFound, HuntOver, Idle
from conformance.hunt.shards import Shard
from conformance.hunt.units import Unit, options_of
from conformance.report.hunt_report import HuntListener, summary
from conformance.trial.interrupts import Interrupts
from conformance.trial.options import Options, UsageError

STEPS = "equivalence.steps"
BUDGET, CALL, STEP = 100.0, 7.0, 3.0  # seconds of a hunt, of one call, and between two looks at the workers
LATEST = BUDGET + EXPLAINING + CALL
FAILED = asdict(PropertyResult(STEPS, "failed", "It is right.", message="output is wrong", kind="value:output"))
DIES = {"died": ""}  # in no code of users
HANGS = None


class Scripted:
    """Workers whose clock is in their hands; ``script`` says what comes of a unit: an answer, or HANGS."""

    def __init__(self, script, count=2, seconds=STEP):
        self.script, self.workers, self.seconds = script, count, seconds
        self.now, self.given, self.out, self.ended = 0.0, [], [], False

    def clock(self):
        return self.now

    @property
    def busy(self):
        return len(self.out)

    @property
    def room(self):
        return self.workers - self.busy

    def give(self, unit):
        self.given.append((self.now, unit))
        self.out.append((unit, self.script(self, unit)))

    def finished(self, _):
        self.now += self.seconds
        back = [(unit, answer) for unit, answer in self.out if answer is not HANGS]
        self.out = [(unit, answer) for unit, answer in self.out if answer is HANGS]
        return back

    def end(self):
        self.ended = True


def usual(unit, failed=()):
    """What a worker answers that lives."""
    if unit.do == "open":
        return {"areas": [], "environment": {}, "seconds": 1.0}
    if unit.do == "judge":
        held = [] if failed else [STEPS]
        return {
            "failed": list(failed), "held": held, "again": [], "stumbled": [], "examples": 1, "coverage": {},
            "cut": False, "seconds": STEP,
        }  # fmt: skip
    return {"mutants": 0, "alike": None, "defects": [], "environment": {}, "seconds": STEP}


def only(what, of):
    """A script in which units of one sort come to this, and others to what is usual; rounds fail if ``of`` says so."""
    return lambda engine, unit: what if unit.do == of else usual(unit, [FAILED] if of == "explain" else ())


@pytest.fixture
def folder(tmp_path, right, monkeypatch):
    """The working directory, with a target that is only read."""
    monkeypatch.chdir(tmp_path)
    Path("right.py").write_text(right)
    return tmp_path


def hunted(engine, rounds=None, budget=BUDGET, wait=None):
    """A hunt, and what happened in it."""
    options = Options(properties=(STEPS,), call_limit=CALL, budget=budget)
    hunt = Hunt(
        ["right.py"], options, Corpus.made(Path("corpus")), engine, Shard(), rounds, wait=wait, clock=engine.clock
    )
    events = list(hunt.events(Interrupts()))
    assert engine.ended and isinstance(events[-1], HuntOver)
    return hunt.state, events


# ---------------------------------------------------------------- time


@pytest.mark.parametrize(
    ("what", "of", "status", "lost"),
    [
        (HANGS, "judge", 2, "seed 0 of right.py: it was not judged when the hunt had to end"),
        (HANGS, "explain", 1, "what fails at seed 0 of right.py: it was not explained when the hunt had to end"),
        (HANGS, "tell apart", 0, ""),
        (DIES, "judge", 2, "seed 0 of right.py: its worker process died every time"),
        (DIES, "explain", 1, "what fails at seed 0 of right.py: its worker process died every time"),
        (DIES, "tell apart", 0, ""),
    ],
)
def test_no_hunt_is_longer_than_its_budget_explanations_and_a_call(folder, what, of, status, lost):
    engine = Scripted(only(what, of))
    state, _ = hunted(engine)
    assert engine.now <= LATEST + STEP
    assert state.status == status and (lost in state.lost if lost else not state.lost)
    assert bool(state.new) == (of == "explain")


@pytest.mark.parametrize(("what", "said"), [(HANGS, "when the hunt had to end"), (DIES, "died every time")])
def test_a_target_that_no_worker_can_load(folder, what, said):
    engine = Scripted(only(what, "open"))
    with pytest.raises(TargetError, match=f"right.py: .*{said}"):
        hunted(engine)
    assert engine.ended and engine.now <= LATEST + STEP


def test_whose_code_ran_last_is_said_where_a_worker_died_every_time(folder):
    state, _ = hunted(Scripted(only({"died": "; the code that ran last is that of spec.py"}, "judge")))
    assert state.lost[0] == (
        "seed 0 of right.py: its worker process died every time; the code that ran last is that of spec.py"
    )


def test_what_is_explained_has_the_seconds_that_are_left(folder):
    def slow(engine, unit):
        """Every round fails; it comes back when the budget is nearly over, or just over."""
        engine.now += 40 if unit.do == "judge" else 20
        return usual(unit, [FAILED | {"kind": f"value:{len(engine.given)}"}] if unit.do == "judge" else ())

    engine = Scripted(slow, count=3)
    state, _ = hunted(engine)
    allowed = [(now, unit.seconds) for now, unit in engine.given if unit.do == "explain"]
    assert allowed and all(now + seconds <= BUDGET + EXPLAINING for now, seconds in allowed)
    assert state.status == 1


def test_a_round_whose_worker_died_has_what_is_left_and_none_behind_the_end(folder):
    def script(engine, unit):
        engine.now += 25 if unit.do == "judge" else 0
        return DIES if unit.do == "judge" else usual(unit)

    engine = Scripted(script, count=1)
    state, _ = hunted(engine)
    judged = [(now, unit) for now, unit in engine.given if unit.do == "judge"]
    assert all(now + unit.seconds == pytest.approx(BUDGET) and now < BUDGET for now, unit in judged)
    assert [unit.seed for _, unit in judged] == [0, 0, 0, 1]
    assert state.lost == ["seed 0 of right.py: its worker process died every time"]  # the other was cut by the budget


@pytest.mark.parametrize("deaths", [{0}, {0, 1}, {0, 3, 6, 9}, set(range(2 * TRIES - 2))])
def test_workers_that_die_cost_no_round(folder, deaths):
    count = iter(range(1000))
    engine = Scripted(lambda _, unit: DIES if unit.do == "judge" and next(count) in deaths else usual(unit))
    state, _ = hunted(engine, rounds=4, budget=None)
    (part,) = Corpus.there(Path("corpus")).parts()
    assert state.status == 0 and state.rounds == part.next == 4 and not state.lost


def test_without_a_budget_nothing_is_given_up(folder):
    engine = Scripted(lambda _, unit: HANGS if unit.do == "judge" and not unit.seed else usual(unit), seconds=LATEST)
    interrupts = Interrupts()
    options = Options(properties=(STEPS,))
    hunt = Hunt(["right.py"], options, Corpus.made(Path("corpus")), engine, Shard(), clock=engine.clock)
    for _ in hunt.events(interrupts):
        if engine.now > 10 * LATEST:
            interrupts.came = signal.SIGTERM
    assert hunt.state.early == "interrupted by SIGTERM" and hunt.state.rounds >= 5


# ---------------------------------------------------------------- nobody there


def leaving(when, found=False):
    """A script in which all workers go at some time; what they were at hangs."""

    def script(engine, unit):
        if engine.now >= when:
            engine.workers = 0
            return HANGS
        return usual(unit, [FAILED] if found and unit.do == "judge" else ())

    return script


@pytest.mark.parametrize(
    ("found", "budget", "wait", "until", "said"),
    [
        (False, BUDGET, None, BUDGET, "there are no workers, and the budget is over"),
        (True, BUDGET, None, BUDGET, "there are no workers, and the budget is over"),
        (False, None, None, 30 + WAIT, "there were no workers for 600 s"),
        (True, None, 130.0, 30 + 130, "there were no workers for 130 s"),
        (False, BUDGET, 20.0, 30 + 20, "there were no workers for 20 s"),
    ],
)
def test_without_workers_a_hunt_waits_and_says_so(folder, found, budget, wait, until, said):
    engine = Scripted(leaving(30, found), seconds=1.0)
    state, events = hunted(engine, budget=budget, wait=wait)
    assert until <= engine.now <= until + 5 and state.early == said
    assert state.status == (1 if found else 2)
    assert len([event for event in events if isinstance(event, Idle)]) == 1 + (until - 31) // 60


def test_without_workers_from_the_beginning_nothing_is_judged(folder, capsys):
    engine = Scripted(lambda *_: HANGS, count=0)
    state, events = hunted(engine, budget=10.0)
    assert isinstance(events[0], Idle) and state.status == 2 and not state.rounds
    from conformance.cli.console import verbatim

    for event in (events[0], Idle(state, 60.0)):
        HuntListener(verbatim())(event)
    assert capsys.readouterr().out.splitlines() == [
        "no workers   waiting for some to join", "no workers   for 60 s, waiting for some to join",
    ]  # fmt: skip


def test_workers_that_come_back_go_on(folder):
    def script(engine, unit):
        engine.workers = 0 if len(engine.given) == 4 else 2
        return usual(unit)

    class Returning(Scripted):
        """Workers come when nobody has been there for two minutes."""

        gone = 0

        def finished(self, seconds):
            self.gone = 0 if self.workers else self.gone + 1
            if self.gone > 45:
                self.workers = 2
            return super().finished(seconds)

    state, events = hunted(Returning(script), rounds=6, budget=None)
    assert state.rounds == 6 and state.status == 0 and not state.early
    assert len([event for event in events if isinstance(event, Idle)]) == 3


# ---------------------------------------------------------------- addresses


@pytest.mark.parametrize(
    "address",
    ["x://", "", "tcp://", "8786", "here", "tcp://here", "tcp://:8786", "tcp://127.0.0.1:none", "tcp://127.0.0.1:70000",
     "tcp://127.0.0.1:0", "http://127.0.0.1:80", "inproc://here:80", "tcp://127.0.0.1:8786/x", "tcp://a b:1",
     "tcp://127.0.0.1:1:2", "://127.0.0.1:1", "tcp//127.0.0.1:1", "tcp://[::1:80", "tcp://127.0.0.1:-1"],
)  # fmt: skip
def test_what_is_no_address_is_one_line_at_once(address):
    with pytest.raises(UsageError) as error:
        host_and_port(address)
    assert str(error.value) == f"--scheduler {address!r} is no address, must be like tcp://127.0.0.1:8786"


@pytest.mark.parametrize("host", ["127.0.0.1", "no-such-host.invalid"])
def test_where_nobody_listens_is_one_line_at_once(host):
    with pytest.raises(UsageError, match=rf"^--scheduler tcp://{host}:9 cannot be reached: [^\n]+$"):
        check_address(f"tcp://{host}:9")


def test_who_listens_and_is_no_scheduler_is_given_up(monkeypatch):
    from conformance.hunt import executors

    pytest.importorskip("distributed", reason="the extra hunt is not installed")
    monkeypatch.setattr(executors, "CONNECTING", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(UsageError, match=rf"^--scheduler {address} cannot be reached: [^\n]+$"):
            executors.Cluster(address)


# ---------------------------------------------------------------- the corpus


def deleted(monkeypatch):
    """The corpus goes."""
    shutil.rmtree("corpus")


def full(number):
    """Nothing can be written any more."""

    def attack(monkeypatch):
        def synced(*_):
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(corpora.os, "fsync", synced)

    return attack


def replaced(monkeypatch):
    """The corpus becomes a file."""
    shutil.rmtree("corpus")
    Path("corpus").write_text("")


ATTACKS = {
    "deleted": (deleted, os.strerror(errno.ENOENT)), "full": (full(errno.ENOSPC), os.strerror(errno.ENOSPC)),
    "read-only": (full(errno.EROFS), os.strerror(errno.EROFS)),
    "quota": (full(errno.EDQUOT), os.strerror(errno.EDQUOT)),
    "a file": (replaced, "there is a link or a file in its way"),
}  # fmt: skip


@pytest.mark.parametrize("moment", ["judge", "explain"])
@pytest.mark.parametrize("name", ATTACKS)
def test_a_corpus_that_cannot_be_written_is_told_with_its_path(folder, monkeypatch, name, moment):
    attack, said = ATTACKS[name]

    def script(engine, unit):
        if unit.do == moment and len(engine.given) > 2:
            with monkeypatch.context() as others:
                attack(monkeypatch)
                others.undo()
        return usual(unit, [FAILED] if moment == "explain" and unit.do == "judge" else ())

    state, events = hunted(Scripted(script))
    assert state.early == f"corpus cannot be written: {said}"
    assert state.status == (1 if moment == "explain" else 2)
    assert bool(state.new) == (moment == "explain") == any(isinstance(event, FindingFound) for event in events)
    assert "what was found and done is kept" not in "".join(summary(state))


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="mounts a folder of its own")
def test_a_disk_that_is_full(folder):
    Path("corpus").mkdir()
    if os.system("mount -t tmpfs -o size=64k tmpfs corpus 2>/dev/null"):
        pytest.skip("nothing can be mounted here")

    def script(engine, unit):
        if unit.do == "judge" and len(engine.given) > 2:
            with open("corpus/filler", "wb", buffering=0) as file, pytest.raises(OSError):
                while True:
                    file.write(b"x" * 4096)
        return usual(unit)

    try:
        state, _ = hunted(Scripted(script))
    finally:
        os.system("umount -l corpus")
    assert (state.early, state.status) == ("corpus cannot be written: No space left on device", 2)


# ---------------------------------------------------------------- processes

SLEEPS = """
import os, time

def forward(case):
    with open("pid", "w") as file:
        file.write(str(os.getpid()))
    os.rename("pid", "calling")
    time.sleep(600)
"""


def gone(pid, seconds=10):
    """Whether a process ends, or has ended."""
    until = time.monotonic() + seconds
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


def waiting_for(file):
    """The number in a file, as soon as it is there."""
    until = time.monotonic() + 60
    while not Path(file).exists() and time.monotonic() < until:
        time.sleep(0.02)
    return int(Path(file).read_text())


def unit_of(file, do="open"):
    """A unit."""
    return Unit(do, file, options_of(Options(properties=(STEPS,), call_limit=600.0))).to_text()


@pytest.mark.skipif(not family.LINUX, reason="what has detached itself is found on Linux only")
def test_a_servant_ends_with_all_that_it_has_started(folder):
    Path("sleeps.py").write_text(SLEEPS)
    servant = Servant()
    servant.give(unit_of("sleeps.py", "judge"))
    target = waiting_for("calling")
    servant.end()
    assert gone(target) and json.loads(servant.answer()) == DIES


def test_a_servant_that_has_died_leaves_whose_code_ran_last(folder):
    Path("spec.py").write_text("import os\n\nos._exit(0)\n")
    Path("claims.py").write_text("capabilities = {'cells': ('spec.py:mgu',)}\n\n\ndef forward(case):\n    pass\n")
    servant = Servant()
    servant.give(unit_of("claims.py"))
    answer = json.loads(servant.answer())
    servant.end()
    assert answer == {"died": f"; the code that ran last is that of {Path('spec.py').resolve()}"}


def test_a_machine_lets_go_of_a_hunt_that_is_over(folder):
    import threading

    Path("sleeps.py").write_text(SLEEPS)
    crew, answers = Crew(), []
    at_it = threading.Thread(target=lambda: answers.append(json.loads(crew.do("one", unit_of("sleeps.py", "judge")))))
    at_it.start()
    target = waiting_for("calling")
    assert json.loads(crew.do("other", unit_of("right.py")))["areas"]
    crew.dismiss("one")
    at_it.join(20)
    assert gone(target) and answers == [DIES]
    assert json.loads(crew.do("one", unit_of("right.py"))) == {"lost": "the hunt is over"}
    assert json.loads(crew.do("other", unit_of("right.py")))["areas"]
    crew.dismiss("other")
