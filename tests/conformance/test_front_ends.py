"""Command line, pytest and Python are three faces of one trial: they say the same."""

import json
import runpy
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from xml.etree import ElementTree

import pytest

import conformance
from conformance.chapters import catalogue
from conformance.cli import cli
from conformance.trial import options

TARGETS = Path(__file__).parent.parent / "targets"
TABLES = runpy.run_path(str(Path(__file__).with_name("test_targets.py")))
WRONG, DEADLY, UNUSABLE = TABLES["WRONG"], TABLES["DEADLY"], TABLES["UNUSABLE"]
RIGHT = sorted((TARGETS / "right").glob("*.py"))
ASKED = ("equivalence.steps", "shapes.shapes")


# What they keep outlives their instances: what they answer depends on all that the same process was asked before.
KEEPING = ("keeps_state", "keeps_weights")


def statuses(found):
    """Each property with its status."""
    return [result[:2] for result in found[0][1]]


def told(report):
    """What must be the same, whoever says it."""
    results = [
        (r["id"], r["status"], r["message"], r["counterexample"], r["examples"], r["random"]) for r in report["results"]
    ]
    return report["verdict"], results, report["reasons"], report["coverage"]


def by_python(target, ids, **others):
    """The report of ``conformance.check``."""
    report = conformance.check(target, properties=ids, diagnosis=False, **others)
    return told(json.loads(report.to_json())), report.status


def by_command(target, ids, *words):
    """The report and the status of the command."""
    file = Path("command.json").absolute()
    asked = [word for id in ids for word in ("--property", id)]
    status = cli.main(
        ["check", str(target), "--no-diagnosis", "--json", str(file), *asked, *words], standalone_mode=False
    )
    return told(json.loads(file.read_text())), status


def by_pytest(target, ids, *words):
    """The report and the status of pytest."""
    asked = [f"--rnn-property={id}" for id in ids]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--pyargs", "conformance"]
    command += ["--rnn", str(target), "--rnn-no-diagnosis", "--rnn-json", "pytest.json", *asked, *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    return told(json.loads(Path("pytest.json").read_text())), done.returncode


@pytest.mark.parametrize("path", [*RIGHT, *(TARGETS / "wrong" / f"{name}.py" for name in WRONG)], ids=lambda p: p.stem)
@pytest.mark.sample
def test_all_faces_say_the_same(path, capsys):
    ids = dict.fromkeys([*ASKED, WRONG[path.stem][0]] if path.stem in WRONG else ASKED)
    here = by_python(path, ids, saved=False)
    if path.stem in KEEPING:
        found = by_command(path, ids, "-n", "2", "--no-saved")
        assert [found[0][0], found[1], *statuses(found)] == [here[0][0], here[1], *statuses(here)]
        return
    assert by_command(path, ids, "--in-process", "--no-saved") == here
    assert by_command(path, ids, "-n", "2", "--no-saved") == here
    assert by_pytest(path, ids, "--rnn-no-saved") == here
    capsys.readouterr()


@pytest.mark.sample
@pytest.mark.parametrize("name", ["crashes", "exits_at_once"])
def test_all_faces_survive_the_same(name, capsys):
    path = TARGETS / "wrong" / f"{name}.py"
    assert name in DEADLY
    one = by_command(path, ["shapes.shapes"], "-n", "1", "--no-saved")
    assert one == by_command(path, ASKED[1:], "-n", "2", "--no-saved") == by_pytest(path, ASKED[1:], "--rnn-no-saved")
    assert one[1] == 1
    capsys.readouterr()


def test_an_option_that_there_is_not_is_one_line(right):
    with pytest.raises(conformance.UsageError, match="there is no option 'property'; did you mean properties"):
        conformance.assert_conforms("right.py", property="shapes")


@pytest.mark.parametrize("name", UNUSABLE)
@pytest.mark.sample
def test_all_faces_refuse_the_same(name):
    path = TARGETS / "wrong" / f"{name}.py"
    with pytest.raises(conformance.TargetError, match=UNUSABLE[name]) as here:
        conformance.check(path)
    with pytest.raises(conformance.TargetError, match=UNUSABLE[name]) as there:
        cli.main(["check", str(path), "-n", "2"], standalone_mode=False)
    command = [sys.executable, "-m", "pytest", "-q", "--pyargs", "conformance", "--rnn", str(path), "-n", "2"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert done.returncode == 2
    assert str(here.value) == str(there.value)
    assert str(here.value).splitlines()[0][:60] in done.stdout


@pytest.mark.parametrize("face", ["python", "in process", "one", "two", "pytest", "pytest, two"])
@pytest.mark.sample
def test_the_first_failure_is_the_strongest_whatever_the_number_of_processes(face, capsys):
    path = TARGETS / "wrong" / "halves_apart.py"
    reference = by_python(path, (), stop_on_first=True, saved=False)
    runs = {
        "python": lambda: by_python(path, (), stop_on_first=True, in_process=False, workers=2, saved=False),
        "in process": lambda: by_command(path, (), "-x", "--in-process", "--no-saved"),
        "one": lambda: by_command(path, (), "-x", "-n", "1", "--no-saved"),
        "two": lambda: by_command(path, (), "-x", "-n", "2", "--no-saved"),
        "pytest": lambda: by_pytest(path, (), "-x", "--rnn-no-saved"),
        "pytest, two": lambda: by_pytest(path, (), "-x", "-n", "2", "--rnn-no-saved"),
    }
    assert runs[face]() == reference
    failed = [result[0] for result in reference[0][1] if result[1] == "failed"]
    assert len(failed) == 1
    capsys.readouterr()


@pytest.mark.sample
def test_a_saved_counterexample_is_judged_first_by_all(right, capsys):
    Path("mine.py").write_text(right.replace("h @ p", "case.h_0[0] @ p"))
    id = "batch.rows_are_independent"
    assert conformance.check("mine.py", properties=["equivalence.steps"], diagnosis=False).verdict == "fails"
    saved = next(Path(".rnn-conformance").rglob("*.json"))
    saved.rename(saved.with_name("equivalence.steps.json"))
    kept = by_python("mine.py", ["equivalence.steps"])
    assert kept[0][1][0][4] == 1  # the first case it is judged on
    assert by_command("mine.py", ["equivalence.steps"], "-n", "2") == kept
    assert by_command("mine.py", ["equivalence.steps"], "--in-process") == kept
    assert by_pytest("mine.py", ["equivalence.steps"]) == kept
    assert id in catalogue()
    capsys.readouterr()


def test_a_target_of_any_name_is_shown_kept_and_found_again_by_all(right, capsys):
    name = "\x1b[31m\n::error::" + "long/" * 60 + "mine.py"
    Path(name).parent.mkdir(parents=True)
    Path(name).write_text(right.replace("h @ p", "case.h_0[0] @ p"))
    ids = ["equivalence.steps"]
    first, _ = by_command(name, ids, "-n", "2", "--junitxml", "r.xml")
    (file,) = Path(".rnn-conformance").rglob("*.json")
    saved = json.loads(file.read_text())
    assert (saved["target"], saved["repeatable"], first[0]) == (name, True, "fails")
    assert by_command(name, ids, "--in-process") == by_pytest(name, ids)
    assert json.loads(Path("pytest.json").read_text())["results"][0]["examples"] == 1  # that of the first run
    shown = capsys.readouterr().out
    assert all(map(str.isprintable, shown.splitlines())) and "\n::error" not in shown
    assert ElementTree.parse("r.xml").getroot().get("name").isprintable()
    assert json.loads(Path("command.json").read_text())["target"] == name


def test_times_and_sizes_are_numbers_or_texts_in_python_and_explained():
    asked = conformance.Options(budget="1.5h", time_limit="2m", call_limit=3, memory_limit="512M")
    assert (asked.budget, asked.time_limit, asked.call_limit, asked.memory_limit) == (5400, 120, 3, 2**29)
    with pytest.raises(conformance.UsageError, match="'1d' is not a duration like 90s or 2m"):
        conformance.Options(budget="1d")
    said = conformance.Options.__doc__
    assert all(f"\n{one.name}" in said for one in options.declared_options())
    assert "memory_limit  " in said and "Given as bytes, or a text like '512M'" in said
    assert "saved=False  Neither judge nor keep" in said and "strict=True  What is expected" in said


def test_a_report_is_printed_as_it_is_shown(right, capsys):
    Path("right.py").write_text(right)
    report = conformance.check("right.py", properties="time.split", budget="1s")
    cli(["check", "right.py", "--property", "time.split", "--budget", "1s", "--no-saved"], standalone_mode=False)
    head = "right.py conforms (1 property held"
    for printed in (str(report), capsys.readouterr().out):
        assert printed.splitlines()[-1].startswith(head)
    assert conformance.__version__ == metadata.version("rnn-conformance")


def test_every_option_is_known_to_all():
    command = {name for parameter in cli.get_command(None, "check").params for name in parameter.opts}
    done = subprocess.run([sys.executable, "-m", "pytest", "--help"], capture_output=True, text=True, timeout=60)
    for one in options.declared_options():
        name = options.spelled(one)
        assert f"--{name}" in command
        assert one.metadata["elsewhere"] or (
            f"--rnn-{name}" in done.stdout and f"rnn_{name.replace('-', '_')}" in done.stdout
        )


def test_what_pytest_is_told_in_its_ini_file(right):
    Path("mine.py").write_text(right)
    ini = "[pytest]\nrnn = mine.py\nrnn_property = shapes.shapes shapes.dtype\nrnn_seed = 7\nrnn_json = r.json\n"
    Path("pytest.ini").write_text(ini + "rnn_no_diagnosis = true\n")
    command = [sys.executable, "-m", "pytest", "-q", "--pyargs", "conformance"]
    assert subprocess.run(command, capture_output=True, timeout=60).returncode == 0
    report = json.loads(Path("r.json").read_text())
    assert report["seed"] == 7
    assert [result["id"] for result in report["results"]] == ["shapes.shapes", "shapes.dtype"]


def test_a_mistake_of_the_kit_is_no_verdict_about_the_target(right, monkeypatch):
    Path("mine.py").write_text(right)

    def broken(*_):
        raise ZeroDivisionError("a mistake")

    monkeypatch.setattr("conformance.judging.subject.Subject.cover", broken)
    report = conformance.check("mine.py", properties=["equivalence.steps", "shapes.shapes"])
    statuses = {result.id: result.status for result in report.results}
    assert statuses == {"shapes.shapes": "passed", "equivalence.steps": "inconclusive"}
    assert report.status == 2
    assert "a mistake of this kit, not of the target: ZeroDivisionError: a mistake" in report.results[1].message
    assert "ZeroDivisionError" in next(Path(".rnn-conformance").rglob("*.traceback.txt")).read_text()


def test_a_broken_diagnosis_takes_nothing_away(right, monkeypatch):
    Path("mine.py").write_text(right.replace("h @ p", "case.h_0[0] @ p"))

    def broken(*_):
        raise MemoryError

    monkeypatch.setattr("conformance.trial.runner.diagnose", broken)
    report = conformance.check("mine.py", properties=["equivalence.steps"])
    assert report.verdict == "fails"
    assert "the diagnosis itself failed" in report.known[0]


def test_files_that_a_mistake_of_the_kit_has_cost_are_said(right, monkeypatch, capsys):
    Path("mine.py").write_text(right)
    monkeypatch.setattr("conformance.trial.verdict.Report.as_dict", lambda report: 1 / 0)
    status = cli.main(["check", "mine.py", "--property", "shapes.shapes", "--json", "r.json"], standalone_mode=False)
    told = capsys.readouterr()
    assert status == 2 and told.out.splitlines()[-1].startswith("mine.py conforms")
    assert "not written  by a mistake of this kit: ZeroDivisionError: division by zero" in told.out
    assert "the verdict stands" in told.err


def test_a_kit_that_is_not_installed_has_no_version(right, monkeypatch):
    Path("mine.py").write_text(right)

    def missing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    report, status = by_command("mine.py", ["shapes.shapes"], "--in-process")
    assert (report[0], status) == ("conforms", 0)
    assert json.loads(Path("command.json").read_text())["kit_version"] == "unknown"


def test_a_broken_listener_takes_nothing_away(right, monkeypatch, capsys):
    Path("mine.py").write_text(right)
    monkeypatch.setattr("conformance.report.terminal.verdict", lambda report: 1 / 0)
    status = cli.main(["check", "mine.py", "--property", "shapes.shapes", "--json", "r.json"], standalone_mode=False)
    assert status == 0
    assert json.loads(Path("r.json").read_text())["verdict"] == "conforms"
    assert "the verdict stands" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"profile": "fast"}, "there is no profile 'fast'; there are quick, standard, thorough"),
        ({"properties": ["equivalence.step"]}, "did you mean equivalence.steps"),
        ({"require": ["gradient"]}, "did you mean gradients"),
        ({"workers": 2}, "more than one worker needs a target in a process of its own"),
        ({"call_limit": 3.0}, "a call limit needs a target in a process of its own"),
        ({"memory_limit": 2**20}, "a memory limit needs a target in a process of its own"),
        ({"profile": None}, "there is no profile None; there are quick"),
        ({"properties": 5}, "properties is 5, must be a sequence of texts"),
        ({"properties": [None]}, "there is no property None"),
        ({"budget": 0}, "budget is 0, must be a positive number"),
        ({"budget": "1d"}, "'1d' is not a duration like 90s or 2m"),
        ({"seed": "x"}, "seed is 'x', must be a whole number"),
        ({"json": "."}, "'.' is not the path of a file"),
    ],
)
def test_what_cannot_be_asked(asked, message):
    with pytest.raises(conformance.UsageError, match=message):
        conformance.check(TARGETS / "right" / "plain.py", **asked)


def test_a_default_can_be_asked_for_in_process():
    report = conformance.check(TARGETS / "right" / "plain.py", workers=1, call_limit=10.0, properties=["shapes.shapes"])
    assert report.verdict == "conforms"


@pytest.mark.parametrize("words", [("--in-process",), ("-n", "2")], ids=["in process", "two"])
def test_what_is_expected_to_fail_does_not_stop_a_trial(right, words, capsys):
    Path("mine.py").write_text(right.replace("h @ p", "case.h_0[0] @ p"))
    Path("known.toml").write_text('[[expected]]\nproperty = "equivalence.steps"\nreason = "known"\n')
    words = ("-x", "--expected-failures", "known.toml", "--no-saved", *words)
    (_, results, _, _), status = by_command("mine.py", ["equivalence.steps", "time.split"], *words)
    assert status == 1
    assert [result[1] for result in results] == ["expected_failure", "failed"]
    assert "found        equivalence.steps" not in capsys.readouterr().out
