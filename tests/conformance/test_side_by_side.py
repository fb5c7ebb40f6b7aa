"""Targets side by side: each comes out as if it were alone, in its order, whatever the others do."""

import functools
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from conformance.chapters import catalogue
from conformance.claims.capabilities import Capabilities
from conformance.events import PropertyResult
from conformance.harness.snapshot import Snapshot
from conformance.report import feedback, grades, html
from conformance.report.report_set import ReportSet, Unjudged
from conformance.trial import multi_target
from conformance.trial.configuration import Job
from conformance.trial.equal_files import leaders, places
from conformance.trial.multi_target import Row, TrialOutcome, is_disturbed, outcomes, unreached_properties
from conformance.trial.options import Options
from conformance.trial.source_location import place_of
from conformance.trial.verdict import Report
from conformance.trial.worker_pool import Worker

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
ONE = Options(workers=2, properties=("shapes.shapes",), saved=False, diagnosis=False, call_limit=2.0)


def matrix(folder, *words):
    """What the command says, and its report but for how long everything took."""
    done = subprocess.run([RNN, "matrix", *words, "--json", "all.json"], cwd=folder, capture_output=True, text=True)
    assert done.stderr == ""
    return done.stdout.splitlines(), json.loads((folder / "all.json").read_text(), object_hook=without_seconds)


def without_seconds(data):
    return {name: value for name, value in data.items() if name != "seconds"}


def written(folder, **texts):
    """Some files of a folder, by the names of students."""
    folder.mkdir(exist_ok=True)
    for name, text in texts.items():
        (folder / f"{name}.py").write_text(text)
    return folder


def judged(*targets, options=ONE, **limits):
    """What there is to say of each."""
    return list(outcomes([Job(target, options) for target in targets], catalogue, **limits))


def verdict(row):
    """The verdict, or why there is none."""
    return row.outcome.verdict if isinstance(row.outcome, Report) else row.outcome


@pytest.fixture(autouse=True)
def no_copy_is_left(tmp_path, monkeypatch):
    """The private copies lie here, and are gone in the end."""
    (tmp_path / "temp").mkdir()
    made = functools.partial(tempfile.TemporaryDirectory, dir=tmp_path / "temp")
    monkeypatch.setattr(tempfile, "TemporaryDirectory", made)
    yield
    assert list(tmp_path.glob("temp/rnn-conformance-*")) == []


@pytest.mark.sample
def test_the_report_is_the_same_for_any_number_of_workers(tmp_path, right):
    written(
        tmp_path / "students", **{name: right.replace(*change) if change else right for name, change in CLASS.items()}
    )
    words = ("students", *FEW, "--call-limit", "2s")
    lines, report = matrix(tmp_path, *words, "-n", "1")
    shown = [line for line in lines if line.startswith("students/")]
    assert [line.partition(".py")[0].removeprefix("students/") for line in shown] == list(CLASS)
    verdicts = {Path(one["target"]).stem: one["verdict"] for one in report["reports"]}
    assert verdicts == {"amy": "fails", "bob": "conforms", "cat": "conforms", "dan": "fails", "gus": "conforms"}
    assert [Path(name).stem for name in report["missing"]] == ["eve", "fay"]
    assert any(one["diagnosis"] for one in report["reports"])
    assert matrix(tmp_path, *words, "-n", "2") == (lines, report)
    assert len(list((tmp_path / "students").glob("*.py"))) == len(CLASS)


def test_a_verdict_is_shown_as_soon_as_all_before_it_are(tmp_path, right):
    go = str(tmp_path / "temp" / "go")
    waits = f"import os, time\nwhile not os.path.exists({go!r}): time.sleep(0.1)\n{right}"
    written(tmp_path, amy=right, bob=waits, cat=f"{right}\n")
    words = [RNN, "matrix", "amy.py", "bob.py", "cat.py", "--property", "shapes.shapes", "-n", "2"]
    with subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline().startswith("amy.py conforms")
        Path(go).touch()
        assert [line.split()[0] for line in process.stdout] == ["bob.py", "cat.py", "written:"]
    os.remove(go)


# ---------------------------------------------------------------- what one does to another

VICTIM = """
import os, pathlib, psutil, time
here = pathlib.Path({here!r})
me = psutil.Process()
(here / "part").write_text(repr((me.pid, me.parent().pid, me.parent().parent().pid)))
if not (here / "pids").exists():
    (here / "part").rename(here / "pids")
until = time.monotonic() + 60
while not (here / "done").exists() and time.monotonic() < until:
    time.sleep(0.02)
"""
ATTACKER = """
import os, pathlib, shutil, signal, time
here = pathlib.Path({here!r})
folder = here / "students"
if not (here / "done").exists():
    while not (here / "pids").exists():
        time.sleep(0.02)
    target, keeper, judge = eval((here / "pids").read_text())
    try:
        {attack}
    finally:
        (here / "done").touch()
"""
ATTACKS = {
    "kills another": "os.kill(target, signal.SIGKILL)",
    "terminates another": "os.kill(target, signal.SIGTERM)",
    "kills what keeps another": "os.kill(keeper, signal.SIGKILL)",
    "kills the judge of another": "os.kill(judge, signal.SIGKILL)",
    "terminates the judge of another": "os.kill(judge, signal.SIGTERM)",
    "interrupts the judge of another": "os.kill(judge, signal.SIGINT)",
    "hangs up on the judge of another": "os.kill(judge, signal.SIGHUP)",
    "stops the judge of another": "os.kill(judge, signal.SIGSTOP)",
    "kills its own judge": "import psutil; psutil.Process(os.getppid()).parent().kill()",
    "rewrites a file": "(folder / 'bob.py').write_text('wrong')",
    "rewrites what a file reads": "(folder / 'weights').write_text('2')",
    "rewrites the copy of another": "[c.write_text('2') for c in here.glob('temp/*/**/students/weights')]",
    "deletes its own folder": "shutil.rmtree(pathlib.Path(__file__).parent)",
    "deletes the folder": "shutil.rmtree(folder)",
    "adds a module": "(folder / 'decimal.py').write_text('raise SystemExit')",
    "ends at once": "[(here / 'done').touch(), os._exit(0)]",
    "kills its family": "[(here / 'done').touch(), os.killpg(0, signal.SIGKILL)]",
}
READS = "assert pathlib.Path(__file__).with_name('weights').read_text() == '1'\n"
ENDS = {"ends at once": "students/amy.py could not be loaded: it ended its process with status 0"}
REMARKS = {
    "rewrites a file": "somebody changed students/bob.py",
    "rewrites what a file reads": "somebody changed students/weights",
    "deletes the folder": "somebody deleted students",
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_what_one_does_changes_no_verdict_on_another(tmp_path, right, attack):
    here = str(tmp_path)
    written(
        tmp_path / "students",
        amy=ATTACKER.format(here=here, attack=ATTACKS[attack]) + right,
        bob=VICTIM.format(here=here) + READS + right,
    )
    (tmp_path / "students" / "weights").write_text("1")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "students").iterdir()}
    amy, bob = judged("students/amy.py", "students/bob.py")
    assert (tmp_path / "done").exists() and verdict(bob) == "conforms"
    assert verdict(amy) == ENDS.get(attack, "conforms")
    said = REMARKS.get(attack)
    assert (
        [any(said in remark for remark in row.remarks) for row in (amy, bob)] == [True, True]
        if said
        else [row.remarks for row in (amy, bob)] == [[], []]
    )
    if "rewrites" not in attack:
        now = {path: path.stat().st_mtime_ns for path in (tmp_path / "students").iterdir()}
        assert before.items() <= now.items()


def test_the_folder_that_is_deleted_may_be_the_one_where_all_are(tmp_path, right, monkeypatch):
    home = tmp_path / "room"
    text = f"import shutil, numpy as np\nshutil.rmtree({str(home)!r}, ignore_errors=True)"
    written(home, amy=right.replace("import numpy as np", text), bob=right, cat=right + "\n")
    monkeypatch.chdir(home)
    assert [verdict(row) for row in judged("./amy.py", "./bob.py", "./cat.py")] == ["conforms"] * 3
    assert sorted(os.listdir(os.curdir)) == ["amy.py", "bob.py", "cat.py"]


KILLS = "import os, psutil\npsutil.Process(os.getppid()).parent().kill()\n"


def test_who_kills_the_judge_is_judged_once_more_and_no_further(tmp_path, right):
    written(tmp_path, amy=KILLS, bob=right)
    amy, bob = judged("amy.py", "bob.py")
    assert verdict(amy) == "the process that judges it died of SIGKILL, twice" and verdict(bob) == "conforms"


def test_a_spec_that_kills_its_group_ends_nobody_else_and_is_named(tmp_path, right):
    written(tmp_path / "a", amy="capabilities = {'cells': ('spec.py:own',)}\ndef forward(case): ...",
            spec="import os\nos.killpg(0, 9)")  # fmt: skip
    written(tmp_path, bob=right)
    words = [RNN, "matrix", "a/amy.py", "bob.py", "--property", "shapes.shapes", "-n", "2"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, process_group=0)
    amy, bob, _ = done.stdout.splitlines()
    spec = tmp_path / "a" / "spec.py"
    assert amy == (
        f"a/amy.py could not be judged: the process that judges it died of SIGKILL; the code that ran last is that of "
        f"{spec}, twice"
    )
    assert bob.startswith("bob.py conforms") and done.returncode == 2


@pytest.mark.parametrize("name", ["SIGSEGV", "SIGKILL"])
def test_a_signal_of_ones_own_is_a_finding(tmp_path, right, name):
    kills = right.replace("    p, h,", f"    import os, signal; os.kill(os.getpid(), signal.{name})\n    p, h,")
    written(tmp_path, amy=kills, bob=right)
    amy, bob = judged("amy.py", "bob.py")
    assert [verdict(amy), verdict(bob)] == ["fails", "conforms"] and f"died of {name}" in amy.outcome.results[0].message


@pytest.mark.parametrize(
    ("said", "disturbed"),
    [
        ("amy.py could not be loaded: it died of SIGKILL", True),
        ("the target did not return in time", True),
        ("the target died of SIGHUP", True),
        ("the target died of SIGSEGV", False),
        ("the target died of SIGABRT", False),
        ("must be 1", False),
    ],
)
def test_what_others_may_have_done_is_asked_once_more(said, disturbed):
    told = report()
    told.results = [PropertyResult("shapes.shapes", "failed", message=said)]
    assert is_disturbed(told) is is_disturbed(said) is disturbed
    told.results[0].status = "passed"
    assert not is_disturbed(told)


# ---------------------------------------------------------------- limits


@pytest.mark.parametrize(
    ("text", "limits", "said"),
    [
        ("while True: pass", {"cpu_limit": 0.5}, "its CPU limit was over while it was loaded; cut, twice"),
        (
            "import subprocess, sys\nwhile True: subprocess.run([sys.executable, '-c', 'sum(range(10**6))'])",
            {"cpu_limit": 1},
            "its CPU limit was over while it was loaded; cut, twice",
        ),
        ("import time\ntime.sleep(99)", {"cpu_limit": 60}, "its time limit was over while it was loaded; cut, twice"),
    ],
)
def test_who_is_cut_is_judged_once_more_and_both_is_said(tmp_path, text, limits, said):
    written(tmp_path, amy=text)
    options = Options(workers=1, properties=ONE.properties, saved=False, time_limit=4 if "time." in text else 100)
    (row,) = judged("amy.py", options=options, **limits)
    assert row.outcome == said


def test_who_is_cut_under_load_is_judged_alone_at_the_end(tmp_path, right):
    first = f"import os, time\nif not os.path.exists({str(tmp_path / 'seen')!r}):\n"
    first += f"    open({str(tmp_path / 'seen')!r}, 'w').close()\n    while True: pass\n"
    written(tmp_path, amy=first + right, bob=right)
    amy, bob = judged("amy.py", "bob.py", cpu_limit=5)
    assert [verdict(amy), verdict(bob)] == ["conforms", "conforms"] and amy.outcome.reasons == []


def test_of_two_trials_that_were_cut_the_one_that_says_more_counts():
    room = multi_target.Room([], catalogue, [], None, None)
    short, long = (report(left=["x"] * count) for count in (9, 2))
    for first, second in ((short, long), (long, short), (long, "its CPU limit was over while it was loaded")):
        found = room.at_last(TrialOutcome(first, cut=True), TrialOutcome(second, cut=True), "")
        assert (unreached_properties(found), found.reasons) == (2, ["cut, twice"])
    assert room.at_last(TrialOutcome(short, cut=True), TrialOutcome(long), "") is long


def test_the_time_for_all_includes_second_tries(tmp_path):
    room = multi_target.Room([Job("amy.py", ONE)], catalogue, [None], None, 0.0)
    room.again[0], room.todo = TrialOutcome(report(), cut=True), []
    room.start()
    assert room.known[0].reasons == ["no time was left to judge it once more"] and not room.running


def report(**others):
    """A report on nothing."""
    return Report("amy.py", "inconclusive", Capabilities().as_dict(), "quick", 0, [], {}, **others)


def test_targets_compute_in_one_thread_each(tmp_path):
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    written(tmp_path, amy=f"import os\nraise ValueError([os.environ[name] for name in {names}])")
    (row,) = judged("amy.py")
    assert "['1', '1', '1']" in row.outcome


# ---------------------------------------------------------------- the same file


def kinds(*targets, options=ONE):
    """For each target the number of the one that is judged for it."""
    with tempfile.TemporaryFile() as kept:
        jobs = [Job(target, options) for target in targets]
        return list(leaders(jobs, places(jobs, kept, lambda line: None)).values())


def test_the_same_file_is_judged_once_and_both_are_told_by_their_own_names(tmp_path, right, monkeypatch):
    text = right.replace("    p, h,", "    raise ValueError\n    p, h,")
    written(tmp_path / "s", amy=text, bob=text, cat=right)
    started = []
    monkeypatch.setattr(multi_target, "Worker", lambda *w, **o: started.append(w) or Worker(*w, **o))
    amy, bob, cat = judged("s/amy.py", "s/bob.py", "s/cat.py")
    assert len(started) == 2 and amy.sha256 == bob.sha256 != cat.sha256
    assert amy.remarks == ["the same file as s/bob.py, judged once for all"] and cat.remarks == []
    assert (bob.outcome.target, bob.outcome.place.file) == ("s/bob.py", tmp_path / "s" / "bob.py")
    assert "amy" not in repr(bob.outcome) and repr(amy.outcome).replace("amy", "bob") == repr(bob.outcome)


@pytest.mark.parametrize(
    ("line", "once"),
    [
        ("", True),
        ("x = open('weights')", True),
        ("x = __file__", False),
        ("import bob", False),
        ("import inspect", False),
        ("import os; os.listdir('.')", False),
        ("x = 'rearview'", True),
        ("x = len(__name__)", False),
        ("if __name__ == '__main__': pass", True),
        ("x = kinds.__module__", False),
        ("import sys; x = sys.path[0] + '/../data'", False),
    ],
)
def test_who_could_tell_its_name_is_judged_for_itself(tmp_path, line, once):
    written(tmp_path / "s", amy=line, bob=line)
    assert kinds("s/amy.py", "s/bob.py") == ([0, 0] if once else [0, 1])


@pytest.mark.parametrize(
    ("file", "once"), [(None, True), ("b/helper.py", False), ("b/data", False), ("b/in/helper.py", False)]
)
def test_files_of_other_folders_are_the_same_where_the_folders_are(tmp_path, file, once):
    for folder in "ab":
        written(tmp_path / folder, rnn="import helper\ndef rnn(case): ...")
    if file:
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text("x")
    assert kinds("a/rnn.py", "b/rnn.py") == ([0, 0] if once else [0, 1])
    assert kinds("a/rnn.py", "b/rnn.py:rnn") == kinds("torch", "torch") == [0, 1]


def test_what_lies_beside_a_file_must_not_tell_folders_apart(tmp_path):
    for folder in "ab":
        written(tmp_path / folder, rnn="import helper\ndef rnn(case): ...", helper="data = open(__file__ + '/../../x')")
        written(tmp_path / "s", **{f"rnn_{folder}": "import helper", "helper": "x = __file__"})
    assert kinds("a/rnn.py", "b/rnn.py") == [0, 1]
    assert kinds("s/rnn_a.py", "s/rnn_b.py") == [0, 0]  # which have the same one beside them


def test_what_is_too_large_to_be_copied_is_judged_where_it_is_and_that_is_said(tmp_path, right, monkeypatch):
    written(tmp_path / "s", amy=right, bob=right)
    monkeypatch.setattr("conformance.harness.snapshot.LARGEST", 9)
    said = []
    amy, bob = judged("s/amy.py", "s/bob.py", say=said.append)
    assert said == ["s is too large to be copied: what is judged there can change, or delete, what others need"]
    assert [verdict(amy), verdict(bob)] == ["conforms"] * 2 and amy.sha256 == bob.sha256 and amy.remarks == []


# ---------------------------------------------------------------- the copy


@pytest.mark.sample
@pytest.mark.parametrize("target", ["s/amy.py", "{}/s/amy.py", "desk/../s/amy.py", "link/amy.py", "./s/amy.py"])
def test_what_a_file_reads_is_where_it_was(tmp_path, right, target):
    reads = [
        "open('s/weights')", "open('desk/data')", "open(P(__file__).with_name('weights'))", "open('s/../desk/data')",
        "open(P(__file__).parents[1] / 'desk' / 'data')", "open(P(__file__).resolve().parents[1] / 's' / 'weights')",
    ]  # fmt: skip
    text = "from pathlib import Path as P\nimport helper\n" + "\n".join(f"assert {one}.read() == 'x'" for one in reads)
    written(tmp_path / "s", amy=f"{text}\nopen('log', 'w').write('y')\n{right}", helper="")
    (tmp_path / "link").symlink_to("s")
    (tmp_path / "desk").mkdir()
    for name in ("s/weights", "desk/data"):
        (tmp_path / name).write_text("x")
    (row,) = judged(target.format(tmp_path))
    assert verdict(row) == "conforms", row
    assert row.outcome.target == target.format(tmp_path) and not (tmp_path / "log").exists()
    assert sorted(os.listdir(tmp_path / "s")) == ["amy.py", "helper.py", "weights"]


@pytest.mark.parametrize("target", ["s/amy.py", "{}/s/amy.py"])
def test_no_text_names_the_copy(tmp_path, right, target):
    fails = right.replace("    p, h,", "    print(__file__); raise ValueError(__file__)\n    p, h,")
    written(tmp_path / "s", amy=fails, bob="raise ValueError(__file__)")
    amy, bob = judged(target.format(tmp_path), target.format(tmp_path).replace("amy", "bob"))
    assert f"ValueError: {tmp_path / 's' / 'amy.py'}" in amy.outcome.results[0].message
    assert amy.outcome.place.file == tmp_path / "s" / "amy.py"
    assert bob.outcome.endswith(f"does not import: ValueError: {tmp_path / 's' / 'bob.py'}")
    assert "temp" not in repr((amy, bob)).replace(str(tmp_path), "")


def test_a_copy_that_cannot_be_made_is_the_reason_of_its_target(tmp_path, right, monkeypatch):
    written(tmp_path, amy=right)

    def full(*words):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Snapshot, "copy", full)
    amy, torch = judged("amy.py", "no_such_module")
    assert amy.outcome.startswith("its folder cannot be copied to ") and amy.outcome.endswith("No space left on device")
    assert "no module 'no_such_module'" in torch.outcome


def test_the_hash_and_the_remarks_are_on_each_face_and_not_on_those_of_students(tmp_path):
    entries = [report(sha256="a" * 64, remarks=["like bob"]), Unjudged("bob.py", "empty", "b" * 64, ["like amy"])]
    data, page = json.loads(ReportSet(entries).all_to_json()), html.page(ReportSet(entries))
    assert (data["reports"][0]["sha256"], data["reports"][0]["remarks"]) == ("a" * 64, ["like bob"])
    assert data["missing_files"] == {"bob.py": {"sha256": "b" * 64, "remarks": ["like amy"]}}
    criteria = grades.rubric(None, catalogue(), catalogue())
    for text in (page, grades.as_csv(entries, criteria)):
        assert "like bob" in text and "like amy" in text
    assert "a" * 64 in page and "b" * 64 in page
    texts = feedback.files_of(entries, True) | grades.gradescope(entries, criteria, True)
    assert not [text for text in texts.values() if "like" in text]


# ---------------------------------------------------------------- what starts processes, and what goes wrong


def test_what_cannot_be_started_is_started_again(monkeypatch):
    calls = []

    def failing(*words, **others):
        calls.append(words)
        if len(calls) == 2:
            raise FileNotFoundError
        return Worker(*words, **others)

    monkeypatch.setattr(multi_target, "Worker", failing)
    assert [verdict(row) for row in judged("reference", "reference")] == ["conforms", "conforms"] and len(calls) == 3


@pytest.mark.parametrize(("count", "workers"), [(1, [4]), (4, [1] * 4)])
def test_all_workers_are_for_one_target_where_there_are_more_of_them(monkeypatch, count, workers):
    jobs = [Job("reference", Options(workers=4))] * count
    room = multi_target.Room(jobs, catalogue, [None] * count, None, None)
    assert [one.options.workers for one in room.jobs] == workers
    assert (room.leads, room.count) == ((True, 1) if count == 1 else (False, 4))


def test_one_target_is_judged_by_several_workers_in_its_copy(tmp_path, right):
    written(tmp_path, amy="assert open('weights').read() == '1'\n" + right)
    (tmp_path / "weights").write_text("1")
    (row,) = judged("amy.py", options=replace(ONE, properties=(*ONE.properties, "shapes.dtype")))
    assert verdict(row) == "conforms"


def test_an_exception_about_one_target_is_its_reason():
    def broken():
        raise ArithmeticError("it is broken")

    said = multi_target.judge_one("reference", ONE, broken).outcome
    assert said.startswith("a mistake of this kit: ArithmeticError: it is broken (test_side_by_side.py, line ")


DEEP = {"minus": "x = " + "-" * 100_000 + "1", "parentheses": "(" * 50_000, "sum": "x = " + "+".join("1" * 50_000)}


@pytest.mark.parametrize("deep", DEEP)
def test_a_text_that_cannot_be_parsed_stops_nobody_else(tmp_path, right, deep):
    written(tmp_path / "students", amy=DEEP[deep], bob=right)
    assert place_of("students/amy.py").line >= 1
    amy, bob = judged("students/amy.py", "students/bob.py")
    assert isinstance(amy.outcome, str) and verdict(bob) == "conforms"


def test_who_is_refused_is_a_row_too(tmp_path):
    written(tmp_path, amy="x = 1")
    rows = list(outcomes([Job("amy.py", ONE, "it defines nothing")], catalogue))
    assert rows == [Row("it defines nothing", rows[0].sha256)] and len(rows[0].sha256) == 64
