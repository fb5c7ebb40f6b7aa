"""However a run ends, the verdict is given, what was found is not lost, and nothing stays behind."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from pathlib import Path

import psutil
import pytest

import conformance
from conformance.chapters import catalogue
from conformance.trial import interrupts
from conformance.trial.interrupts import Interrupted, Interrupts, noted
from conformance.trial.options import Options
from conformance.trial.plan import Plan
from conformance.trial.worker_pool import Pool, judged_by_processes

RNN = str(Path(sys.executable).with_name("rnn-conformance"))
WRONG = ("h @ p", "case.h_0[0] @ p")


@pytest.fixture
def run(tmp_path, right):
    """Starts the command on right.py, wrong.py and others, and checks at the end that no process is left."""
    marker = uuid.uuid4().hex
    (tmp_path / "right.py").write_text(right)
    (tmp_path / "wrong.py").write_text(right.replace(*WRONG))
    (tmp_path / "slow.py").write_text(right.replace(*WRONG).replace("(case):", "(case):\n    time.sleep(0.02)"))
    with open(tmp_path / "slow.py", "a") as file:
        file.write("\nimport time\n")

    def start(*words, **options):
        environment = {**os.environ, "RNN_TEST": marker, "NO_COLOR": "1"} | options.pop("env", {})
        command = options.pop("command", [RNN, *words])
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
        return subprocess.Popen(command, cwd=tmp_path, env=environment, text=True, **pipes)

    yield start
    deadline = time.monotonic() + 5
    while left := processes(marker):
        assert time.monotonic() < deadline, left
        time.sleep(0.1)


def processes(marker):
    """The processes that a run has left."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("RNN_TEST") == marker and process.status() != psutil.STATUS_ZOMBIE:
                found.append(" ".join(process.cmdline()))
        except psutil.Error:
            continue
    return found


def report(tmp_path):
    """The report that was written."""
    return json.loads((tmp_path / "r.json").read_text())


CHECK = ("check", "wrong.py", "--json", "r.json", "--no-diagnosis", "--property", "equivalence")


@pytest.mark.sample
def test_a_reader_that_wants_one_line(run, tmp_path):
    process = run(*CHECK)
    assert process.stdout.readline().startswith("found        equivalence.first_look: output[")
    process.stdout.close()
    assert process.wait(60) == 1
    assert "Error" not in process.stderr.read()
    assert report(tmp_path)["verdict"] == "fails"
    assert list((tmp_path / ".rnn-conformance").rglob("equivalence.steps.json"))


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("ends", [[0], [1], [2], [1, 2], [0, 1, 2]], ids=str)
@pytest.mark.sample
def test_streams_that_are_not_there(run, tmp_path, ends, workers):
    process = run(*CHECK, "-n", workers, preexec_fn=lambda: [os.close(end) for end in ends])
    process.communicate(timeout=60)
    assert process.returncode == 1
    assert report(tmp_path)["verdict"] == "fails"


@pytest.mark.sample
def test_a_full_disk_under_standard_output(run, tmp_path):
    with open("/dev/full", "w") as full:
        process = run(*CHECK, stdout=full)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert said.strip() == "rnn-conformance: standard output: No space left on device; the exit status is 1"
    assert report(tmp_path)["verdict"] == "fails"


@pytest.mark.sample
@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_an_encoding_that_cannot_hold_the_text(run, tmp_path, encoding, right):
    (tmp_path / "wrong.py").write_text(right.replace("p, h,", "raise ValueError('λ → \\udc80')\n    p, h,"))
    process = run(*CHECK, env={"PYTHONIOENCODING": encoding}, encoding=encoding)
    said, complaints = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "the target raised ValueError: " in said and "Traceback" not in complaints
    assert "raised ValueError: λ → " in report(tmp_path)["results"][0]["message"]


@pytest.mark.sample
def test_a_terminal_without_columns(run):
    process = run(*CHECK, env={"COLUMNS": "0"})
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert said.startswith("found        equivalence.first_look: ") and "wrong.py does not conform" in said


@pytest.mark.sample
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("words", [("-n", "2"), ("-n", "1"), ("--in-process",)], ids=["two", "one", "in process"])
def test_a_signal_after_the_first_failure(run, tmp_path, number, words):
    process = run("check", "slow.py", "--json", "r.json", "--profile", "thorough", *words)
    assert process.stdout.readline().startswith("found        equivalence.first_look: ")
    process.send_signal(number)
    said, complaints = process.communicate(timeout=30)
    assert process.returncode == 1, complaints
    found = report(tmp_path)
    left = [result["id"] for result in found["results"] if result["status"] == "not_run"]
    claimed = [result for result in found["results"] if result["status"] != "not_claimed"]
    assert len(claimed) < 40 and not [id for id in left if id.partition(".")[0] in ("state", "gates", "dropout")]
    share = f"{len(left)} of {len(claimed)}"
    assert found["reasons"] == [f"interrupted by {signal.Signals(number).name}: {share} properties were not judged"]
    assert found["reasons"][0] in said and "saved        " in said
    assert list((tmp_path / ".rnn-conformance").rglob("equivalence.first_look.json"))


@pytest.mark.sample
@pytest.mark.parametrize("words", [("-n", "2"), ("--in-process",)], ids=["two", "in process"])
def test_a_signal_before_anything_failed(run, tmp_path, right, words):
    (tmp_path / "right.py").write_text(right + "\nprint(open('begun', 'w').close())\n")
    process = run("check", "right.py", "--json", "r.json", "--profile", "thorough", *words)
    wait_for(tmp_path / "begun")
    time.sleep(0.5)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == 2
    if (tmp_path / "r.json").exists():  # not while it was being loaded
        assert report(tmp_path)["verdict"] == "inconclusive"


def test_a_signal_while_the_target_is_loaded(run, tmp_path, right):
    (tmp_path / "right.py").write_text("open('begun', 'w').close()\nimport time\ntime.sleep(60)\n" + right)
    process = run("check", "right.py")
    wait_for(tmp_path / "begun")
    process.send_signal(signal.SIGINT)
    said, complaints = process.communicate(timeout=30)
    assert process.returncode == 2
    assert "interrupted by SIGINT" in said + complaints


def test_a_signal_while_one_of_several_is_loaded_is_told_in_their_files(run, tmp_path, right):
    (tmp_path / "slow.py").write_text("open('begun', 'w').close()\nimport time\ntime.sleep(60)\n" + right)
    tables = [f"[targets.{name}]\ntarget = '{name}.py'\njson = '{name}.json'\n" for name in ("right", "slow", "wrong")]
    (tmp_path / "rnn-conformance.toml").write_text(
        "workers = 1\nproperty = 'shapes.shapes'\nsummary = 'all.md'\n" + "".join(tables)
    )
    process = run("check")
    wait_for(tmp_path / "begun")
    process.send_signal(signal.SIGINT)
    said, complaints = process.communicate(timeout=30)
    assert process.returncode == 2, said + complaints
    assert json.loads((tmp_path / "right.json").read_text())["verdict"] == "conforms"
    missing = [json.loads((tmp_path / f"{name}.json").read_text())["missing"] for name in ("slow", "wrong")]
    assert missing == [
        {"slow.py": "interrupted by SIGINT while it was loaded"},
        {"wrong.py": "interrupted before it was judged"},
    ]
    assert all(f"`{name}.py`" in (tmp_path / "all.md").read_text() for name in ("right", "slow", "wrong"))


@pytest.mark.sample
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_time_limit_that_strikes_while_one_is_loaded_is_over_for_that_one(run, tmp_path, right, workers):
    (tmp_path / "endless.py").write_text("while True: pass\n")
    (tmp_path / "rnn-conformance.toml").write_text(
        f"workers = {workers}\nproperty = 'shapes.shapes'\nsummary = 'all.md'\n"
        "[targets.endless]\ntarget = 'endless.py'\ntime-limit = '3s'\njson = 'endless.json'\n"
        "[targets.right]\ntarget = 'right.py'\njson = 'right.json'\n"
    )
    process = run("check")
    said, complaints = process.communicate(timeout=60)
    assert process.returncode == 2, said + complaints
    assert "endless.py could not be judged: its time limit was over while it was loaded" in said
    found = json.loads((tmp_path / "endless.json").read_text())
    assert found["missing"] == {"endless.py": "its time limit was over while it was loaded"}
    assert json.loads((tmp_path / "right.json").read_text())["verdict"] == "conforms"


def test_what_one_of_several_asks_wrongly_is_told_before_any_is_judged(run, tmp_path):
    (tmp_path / "base.json").write_text("[]")
    for wrong, words in (
        ("property = 'shapes.form'", "there is no property 'shapes.form'"),
        ("baseline = 'base.json'", "baseline: base.json"),
        ("baseline = 'git:main'", "git:"),
    ):
        (tmp_path / "rnn-conformance.toml").write_text(
            f"[targets.gone]\ntarget = 'gone.py'\n[targets.right]\ntarget = 'right.py'\njson = 'r.json'\n"
            f"[targets.wrong]\ntarget = 'wrong.py'\n{wrong}\n"
        )
        process = run("check")
        said, complaints = process.communicate(timeout=60)
        assert process.returncode == 2 and said == "" and words in complaints, said + complaints
        assert complaints.count("\n") == 1 and not (tmp_path / "r.json").exists()


# In a process of its own: a signal to this one would reach pytest's workers.
INTERRUPTED = """
import conformance, json
try:
    conformance.check("me.py", json="r.json")
except KeyboardInterrupt as error:
    print(error, "|", json.load(open("r.json"))["missing"])
try:
    conformance.check("endless.py", json="r.json", time_limit=1)
except conformance.TargetError as error:
    print(error, "|", [*json.load(open("r.json"))["missing"]])
"""


def test_python_says_the_same_of_an_interruption_while_it_is_loaded(tmp_path):
    (tmp_path / "me.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n")
    (tmp_path / "endless.py").write_text("while True: pass\n")
    done = subprocess.run([sys.executable, "-c", INTERRUPTED], cwd=tmp_path, capture_output=True, text=True)
    first, second = done.stdout.splitlines()
    assert first == "interrupted by SIGINT while it was loaded | {'me.py': 'interrupted by SIGINT while it was loaded'}"
    assert second.endswith("its time limit was over while it was loaded | ['endless.py']"), done.stderr


def test_a_time_limit_that_could_not_strike_is_asked_wrongly(monkeypatch):
    asked = []

    def ask():
        with pytest.raises(conformance.UsageError, match="time_limit needs"):
            conformance.check("right.py", time_limit=60)
        with pytest.raises(conformance.UsageError, match="time_limit needs"), noted(60):
            pass
        asked.append(True)

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    before = signal.signal(signal.SIGALRM, lambda number, frame: None)
    try:
        ask()
    finally:
        signal.signal(signal.SIGALRM, before)
    monkeypatch.setattr(interrupts, "ALARM", None)
    ask()
    assert len(asked) == 3


def test_a_signal_in_the_diagnosis(run, tmp_path):
    process = run("check", "slow.py", "--json", "r.json", "--property", "equivalence.steps")
    while process.stdout.readline().startswith("found"):
        process.send_signal(signal.SIGINT)
        break
    process.communicate(timeout=30)
    assert process.returncode == 1
    assert report(tmp_path)["verdict"] == "fails"


@pytest.mark.sample
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_after_the_verdict(run, tmp_path, right, number):
    late = f"import atexit, os\natexit.register(os.kill, os.getpid(), {int(number)})\n"
    (tmp_path / "late.py").write_text(late + right.replace(*WRONG))
    process = run("check", "late.py", "--property", "equivalence.steps", "--no-diagnosis", "--in-process")
    said, complaints = process.communicate(timeout=60)
    assert (process.returncode, complaints) == (1, "") and "late.py does not conform" in said


def test_a_signal_while_the_kit_is_imported(run, tmp_path):
    (tmp_path / "click.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n")
    process = run("check", "right.py", env={"PYTHONPATH": str(tmp_path)})
    assert process.communicate(timeout=60)[1] == "rnn-conformance: interrupted; nothing was judged\n"
    assert process.returncode == 2


def test_a_signal_that_also_ends_what_starts_workers(monkeypatch):
    came = Interrupts()

    def ended(pool, count):
        came.handle(signal.SIGHUP, None)
        raise EOFError

    monkeypatch.setattr(Pool, "hire", ended)
    with pytest.raises(Interrupted, match="SIGHUP"):
        list(judged_by_processes("right.py", Plan.of(Options(), catalogue), 2, came))


UNCAUGHT = """
import signal, sys, time
from conformance.trial.interrupts import Interrupted, noted

class Dying:
    def __del__(self):
        signal.raise_signal(signal.SIGHUP)  # what is raised here is printed, and goes nowhere

began = time.monotonic()
try:
    with noted() as interrupts, interrupts.armed():
        Dying()
        while time.monotonic() < began + {seconds}:
            pass
except Interrupted as interruption:
    print(interruption, time.monotonic() < began + 20)
time.sleep({late})  # a signal would end this process now
print(sys.unraisablehook is sys.__unraisablehook__, signal.getsignal(signal.SIGHUP) is signal.SIG_DFL)
"""


@pytest.mark.parametrize(("seconds", "late"), [(20, 0), (0, 0.1)], ids=["in time", "too late"])
def test_a_signal_that_is_raised_where_nobody_can_catch_it_is_raised_again(run, seconds, late):
    process = run(command=[sys.executable, "-c", UNCAUGHT.format(seconds=seconds, late=late)])
    assert process.communicate(timeout=60) == ("SIGHUP True\nTrue True\n", "")


def test_what_else_nobody_can_catch_is_printed_as_ever(monkeypatch):
    class Broken:
        def __del__(self):
            raise ValueError

    printed = []
    monkeypatch.setattr(sys, "unraisablehook", lambda what: printed.append(what.exc_type))
    with noted():
        broken = Broken()
        del broken
    assert printed == [ValueError]


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.sample
def test_a_signal_to_a_matrix_ends_all_of_it(run, tmp_path, number, workers):
    slow = (tmp_path / "slow.py").read_text()
    loading = [f"slower{place}" for place in range(workers)]
    for name in loading:
        (tmp_path / f"{name}.py").write_text(f"{slow}\nopen({str(tmp_path / name)!r}, 'w').close()\ntime.sleep(60)\n")
    targets = ["right.py", *(f"{name}.py" for name in loading), "slow.py"]
    process = run("matrix", *targets, "--property", "shapes.shapes", "--json", "all.json", "-n", str(workers))
    for name in loading:
        wait_for(tmp_path / name)
    wait_for_line(process, "right.py conforms")
    process.send_signal(number)
    said, complaints = process.communicate(timeout=30)
    assert process.returncode == 2 and complaints == ""
    assert len([line for line in said.splitlines() if "could not be judged" in line]) == workers
    found = json.loads((tmp_path / "all.json").read_text())
    assert [(one["target"], one["verdict"]) for one in found["reports"]] == [("right.py", "conforms")]
    loaded = f"interrupted by {signal.Signals(number).name} while it was loaded"
    assert found["missing"] == dict.fromkeys(targets[1:-1], loaded) | {"slow.py": "interrupted before it was judged"}
    assert "right.py" in (tmp_path / "matrix.html").read_text()


@pytest.mark.sample
@pytest.mark.parametrize("whom", ["the main process", "all processes"])
def test_a_signal_while_some_of_a_matrix_are_judged(run, tmp_path, whom):
    targets = ["slow0.py", "slow1.py"]
    for name in targets:
        loaded = f"\nopen({str(tmp_path / name)!r} + '.begun', 'w').close()\n"
        (tmp_path / name).write_text((tmp_path / "slow.py").read_text() + loaded)
    words = ("matrix", *targets, "right.py", "--profile", "thorough", "-n", "2", "--json", "all.json")
    process = run(*words, start_new_session=True)
    for name in targets:
        wait_for(tmp_path / f"{name}.begun")
    time.sleep(6)
    send = os.kill if whom == "the main process" else os.killpg  # as a terminal does, and timeout(1)
    send(process.pid, signal.SIGTERM)
    _, complaints = process.communicate(timeout=30)
    assert process.returncode == 1 and complaints == ""
    found = json.loads((tmp_path / "all.json").read_text())
    assert [(one["target"], one["verdict"]) for one in found["reports"]] == [(name, "fails") for name in targets]
    assert all("interrupted by SIGTERM: " in one["reasons"][0] for one in found["reports"])
    assert found["missing"] == {"right.py": "interrupted before it was judged"}


@pytest.mark.sample
def test_an_interrupted_matrix_restores_what_was_deleted(run, tmp_path, right):
    (tmp_path / "students").mkdir()
    text = "import shutil, time\n{}\nopen({!r}, 'w').close()\ntime.sleep(60)\n"
    for name, does in (("amy", f"shutil.rmtree({str(tmp_path / 'students')!r})"), ("bob", "")):
        (tmp_path / "students" / f"{name}.py").write_text(text.format(f"time.sleep(3)\n{does}", str(tmp_path / name)))
    process = run("matrix", "students", "-n", "2", "--json", "all.json")
    wait_for(tmp_path / "amy")
    wait_for(tmp_path / "bob")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    missing = json.loads((tmp_path / "all.json").read_text())["missing"]
    assert missing == dict.fromkeys(["students/amy.py", "students/bob.py"], "interrupted by SIGINT while it was loaded")
    assert sorted(file.name for file in (tmp_path / "students").glob("*.py")) == ["amy.py", "bob.py"]


@pytest.mark.sample
def test_a_signal_while_one_of_a_matrix_is_judged_by_all_workers(run, tmp_path):
    with open(tmp_path / "slow.py", "a") as file:
        file.write(f"\nopen({str(tmp_path / 'begun')!r}, 'w').close()\n")
    process = run("matrix", "slow.py", "right.py", "--profile", "thorough", "-n", "3", "--json", "all.json")
    wait_for(tmp_path / "begun")
    time.sleep(4)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == 1
    assert [one["target"] for one in json.loads((tmp_path / "all.json").read_text())["reports"]] == ["slow.py"]


@pytest.mark.sample
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_killed_processes_of_a_matrix_cost_nothing(run, tmp_path, right, number):
    for name in ("amy", "bob"):
        (tmp_path / f"{name}.py").write_text(f"{right}\nopen({str(tmp_path / name)!r}, 'w').close()\n")
    process = run("matrix", "amy.py", "bob.py", "--property", "shapes", "-n", "2", "--json", "all.json")
    wait_for(tmp_path / "amy")
    wait_for(tmp_path / "bob")
    (judge,) = psutil.Process(process.pid).children()
    start = next(child for child in judge.children() if child.children())
    for killed in (*start.children(), *([start] if number == signal.SIGKILL else [])):
        killed.send_signal(number)
    said, complaints = process.communicate(timeout=120)
    assert process.returncode == 0 and "amy.py conforms" in said and "bob.py conforms" in said, complaints


def test_a_killed_matrix_leaves_nothing_behind(run, tmp_path):
    for name in ("amy", "bob"):
        loaded = f"\nopen({str(tmp_path / name)!r}, 'w').close()\n"
        (tmp_path / f"{name}.py").write_text((tmp_path / "slow.py").read_text() + loaded)
    words = ("matrix", "amy.py", "bob.py", "--profile", "thorough", "-n", "2")
    with tempfile.TemporaryDirectory() as temp:  # a short name: sockets in it have a path of at most 107 bytes
        process = run(*words, env={"TMPDIR": temp})
        wait_for(tmp_path / "amy")
        wait_for(tmp_path / "bob")
        assert len(list(Path(temp).glob("rnn-conformance-*"))) == 2
        process.kill()
        process.communicate(timeout=30)
        deadline = time.monotonic() + 20
        while left := list(Path(temp).glob("rnn-conformance-*")):
            assert time.monotonic() < deadline, left
            time.sleep(0.1)


def test_two_signals(run, tmp_path):
    process = run("check", "slow.py", "--json", "r.json", "--profile", "thorough")
    process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 1
    assert report(tmp_path)["verdict"] == "fails"


def test_a_killed_main_process_leaves_nothing_behind(run, tmp_path):
    process = run("check", "slow.py", "--profile", "thorough")
    process.stdout.readline()
    process.kill()
    process.communicate(timeout=30)


@pytest.mark.sample
def test_killed_workers_cost_nothing(run, tmp_path):
    process = run("check", "slow.py", "--json", "r.json", "--property", "equivalence", "--no-diagnosis", "-n", "2")
    process.stdout.readline()
    workers = [
        p for p in psutil.Process(process.pid).children(recursive=True) if "child.py" not in " ".join(p.cmdline())
    ]
    for worker in workers[-2:]:
        worker.kill()
    process.communicate(timeout=120)
    assert process.returncode == 1
    assert not [r for r in report(tmp_path)["results"] if r["status"] == "inconclusive"]


@pytest.mark.sample
@pytest.mark.parametrize("place", ["absent/r.json", "/dev/full", "/proc/r.json"])
def test_a_file_that_cannot_be_written_is_said(run, place):
    process = run("check", "right.py", "--property", "shapes", "--json", place)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "right.py conforms" in said and f"not written  {place} cannot be written: " in said


def test_a_file_that_cannot_be_written_changes_no_failure(run):
    process = run("check", "wrong.py", "--property", "equivalence.steps", "--html", "absent/r.html")
    process.communicate(timeout=60)
    assert process.returncode == 1


def test_the_report_on_standard_output(run):
    process = run("check", "right.py", "--property", "shapes.shapes", "--json", "/dev/stdout")
    said, _ = process.communicate(timeout=60)
    assert json.JSONDecoder().raw_decode(said)[0]["verdict"] == "conforms"
    assert process.returncode == 0


def test_the_report_into_a_pipe(run, tmp_path):
    os.mkfifo(tmp_path / "fifo")
    read = []
    reader = threading.Thread(target=lambda: read.append((tmp_path / "fifo").read_text()))
    reader.start()
    process = run("check", "right.py", "--property", "shapes.shapes", "--json", "fifo")
    process.communicate(timeout=60)
    reader.join(10)
    assert json.loads(read[0])["verdict"] == "conforms"


def test_a_link_stays_a_link(run, tmp_path):
    (tmp_path / "r.json").write_text("old")
    (tmp_path / "link").symlink_to("r.json")
    process = run("check", "right.py", "--property", "shapes.shapes", "--json", "link")
    process.communicate(timeout=60)
    assert (tmp_path / "link").is_symlink()
    assert report(tmp_path)["verdict"] == "conforms"


def test_a_folder_that_cannot_be_written(run, tmp_path):
    (tmp_path / ".rnn-conformance").write_text("a file in its place")
    process = run("check", "wrong.py", "--property", "equivalence.steps", "--no-diagnosis")
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "not saved    " in said


def test_a_working_directory_that_is_gone(run, tmp_path):
    gone = tmp_path / "gone"
    gone.mkdir()
    words = [RNN, "check", str(tmp_path / "right.py"), "--property", "shapes.shapes"]
    command = f"cd {gone} && rmdir {gone} && exec {' '.join(words)}"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=60)
    assert "Traceback" not in done.stderr
    assert done.returncode == 2 and done.stderr.startswith("rnn-conformance: the working directory is gone")


def wait_for(file):
    """Waits until a target has been loaded."""
    for _ in range(300):
        if file.exists():
            return
        time.sleep(0.1)
    raise AssertionError(f"{file} never came")


def wait_for_line(process, words):
    """Waits until a process prints a line with these words."""
    while words not in (line := process.stdout.readline()):
        assert line, f"{words} never came"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("workers", ["0", "2"])
@pytest.mark.sample
def test_a_signal_to_pytest(run, tmp_path, number, workers):
    words = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-v", "--pyargs", "conformance.test_equivalence"]
    words += ["--rnn", "slow.py", "--rnn-profile", "thorough", "--rnn-json", "r.json", "-n", workers]
    process = run(command=words)
    while "FAILED" not in process.stdout.readline():
        assert process.poll() is None
    process.send_signal(number)
    said, complaints = process.communicate(timeout=30)
    assert process.returncode == 1, said + complaints
    found = report(tmp_path)
    assert found["verdict"] == "fails"
    assert found["reasons"][0].startswith(f"interrupted by {signal.Signals(number).name}: ")


@pytest.mark.sample
def test_more_workers_than_properties(run, tmp_path):
    process = run("check", "wrong.py", "--json", "r.json", "--no-diagnosis", "--property", "equivalence", "-n", "8")
    process.communicate(timeout=120)
    assert process.returncode == 1
    assert {result["status"] for result in report(tmp_path)["results"]} == {"failed", "passed", "not_claimed"}


@pytest.mark.sample
def test_a_target_that_loads_only_once_loses_nothing(run, tmp_path, right):
    once = "if os.path.exists('loaded'):\n    raise ImportError('once is enough')\nopen('loaded', 'w').close()\n"
    (tmp_path / "once.py").write_text(f"import os\n{once}{right.replace(*WRONG)}")
    process = run("check", "once.py", "--json", "r.json", "--property", "equivalence", "-n", "2", "--no-saved")
    _, complaints = process.communicate(timeout=60)
    assert process.returncode == 1, complaints
    statuses = [result["status"] for result in report(tmp_path)["results"]]
    assert "failed" in statuses and "inconclusive" not in statuses


@pytest.mark.sample
@pytest.mark.parametrize("workers", ["1", "2"])
def test_the_time_limit_ends_a_trial_with_what_was_found(run, tmp_path, workers):
    process = run("check", "slow.py", "--time-limit", "9s", "--json", "r.json", "-n", workers, "--profile", "thorough")
    assert process.wait(60) == 1
    assert "interrupted by its time limit" in process.stdout.read() and report(tmp_path)["verdict"] == "fails"


@pytest.mark.sample
def test_the_time_limit_ends_a_session_of_pytest(run, tmp_path):
    words = ["-m", "pytest", "--pyargs", "conformance", "--rnn", "slow.py", "--rnn-time-limit", "15s", "-q"]
    process = run(
        command=[
            sys.executable,
            *words,
            "--rnn-json",
            "r.json",
            "--rnn-property",
            "equivalence",
            "--rnn-profile",
            "thorough",
        ]
    )
    assert process.wait(60) == 1
    assert "interrupted by its time limit" in process.stdout.read() and report(tmp_path)["verdict"] == "fails"
