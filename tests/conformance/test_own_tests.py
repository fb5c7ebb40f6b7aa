"""``@conformance.parametrize`` in other people's tests: items, ids, fixtures, marks, processes, one report."""

import json
import sys
from pathlib import Path

import pytest

import conformance
from conformance.chapters import catalogue
from conformance.trial import interrupts
from conformance.trial.options import UsageError

MODULE = """
import numpy as np
import conformance
import pytest


class MyRNN:
    capabilities = {"bidirectional": False}

    def forward(self, case):
        p, h, output = case.parameters, case.h_0[0], []
        for x in case.x:
            h = np.tanh(x @ p["weight_ih_l0"].T + p["bias_ih_l0"] + h @ p["weight_hh_l0"].T + p["bias_hh_l0"])
            output.append(h)
        return np.stack(output), h[None].copy()


@conformance.parametrize(MyRNN, OPTIONS)
def test_my_rnn(check):
    check()
"""
IDS = ["shapes.shapes", "equivalence.steps", "time.split", "layers.in_a_row"]
FEW = f"properties={IDS}, json='own.json'"
WRONG = ("h @ p", "case.h_0[0] @ p")


@pytest.fixture
def run(pytester):
    """Writes test_mine.py and runs pytest on it."""

    def tests(*words, options=FEW, change=("", ""), more="", diagnosis=True):
        text = MODULE.replace("OPTIONS", options + ("" if diagnosis else ", diagnosis=False"))
        text = text.replace(*change) if change[0] else text
        pytester.makepyfile(test_mine=text + more)
        return pytester.run(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *words, timeout=240)

    return tests


def own():
    """The report that was written."""
    return json.loads(Path("own.json").read_text())


def told(report):
    """What must be the same, whoever says it."""
    results = [(r["id"], r["status"], r["message"], r["counterexample"], r["examples"]) for r in report["results"]]
    return report["verdict"], results, report["reasons"], report["coverage"], report["diagnosis"]


def test_a_right_class(run):
    done = run("-v")
    done.assert_outcomes(passed=3, skipped=1)
    assert done.ret == 0
    done.stdout.fnmatch_lines(["test_mine.py::test_my_rnn[[]equivalence.steps[]] PASSED*", "MyRNN conforms (*"])


@pytest.mark.sample
@pytest.mark.parametrize("words", [(), ("-n", "2")], ids=["here", "two"])
def test_it_says_what_check_says(run, pytester, words):
    done = run(*words, change=WRONG)
    assert done.ret == 1
    text = done.stdout.str()
    assert text.count("diagnosis: your numbers are those of the reference with this change") == 1
    assert "found        " not in text and "conformance/own_tests.py" not in text
    sys.path.insert(0, str(pytester.path))
    try:
        import test_mine

        here = conformance.check(test_mine.MyRNN, properties=IDS)
    finally:
        sys.path.remove(str(pytester.path))
        sys.modules.pop("test_mine", None)
    assert told(own()) == told(json.loads(here.to_json()))
    assert own()["target"] == "MyRNN" and own()["verdict"] == "fails"


@pytest.mark.sample
def test_a_named_target_in_a_process_of_its_own(run, right):
    Path("mine.py").write_text(right.replace(*WRONG))
    done = run("-n", "2", change=("MyRNN, ", "'mine.py', in_process=False, seed=4, "))
    assert done.ret == 1
    here = conformance.check("mine.py", seed=4, properties=IDS, in_process=False, saved=False)
    assert told(own())[:2] == told(json.loads(here.to_json()))[:2]


def test_an_id_can_be_pasted_back(run):
    done = run("test_mine.py::test_my_rnn[time.split]", change=WRONG, diagnosis=False)
    done.assert_outcomes(failed=1)
    assert "FAILED test_mine.py::test_my_rnn[time.split] - " in done.stdout.str()
    done = run("test_mine.py::test_my_rnn[layers.in_a_row]")
    assert done.ret == 0  # not claimed, and no verdict on the rest


def test_methods_fixtures_and_marks(run):
    more = """
class TestMine:
    @pytest.mark.filterwarnings("error")
    @pytest.mark.parametrize("number", [1, 2])
    @conformance.parametrize(MyRNN, properties=["shapes.dtype", "time.split"])
    def test_it(self, tmp_path, check, number, monkeypatch):
        monkeypatch.chdir(tmp_path)
        check()
        assert tmp_path.exists() and number
"""
    done = run("-k", "TestMine", "-n", "2", more=more)
    done.assert_outcomes(passed=4)
    done.stdout.fnmatch_lines(["MyRNN conforms (2 properties held*"])


def test_a_check_that_is_not_called_is_no_success(run):
    done = run(change=("    check()", "    pass"))
    done.assert_outcomes(failed=4)
    assert "time.split was not judged: the test must call check()" in done.stdout.str()


def expected(*ids):
    """Writes known.toml, by which these are known to fail."""
    entries = [f'[[expected]]\nproperty = "{id}"\nreason = "as documented"\n' for id in ids]
    Path("known.toml").write_text("".join(entries))
    return FEW + ", expected_failures='known.toml'"


def test_what_is_expected_to_fail(run):
    options = expected("equivalence.steps", "time.split")
    done = run(options=options, change=WRONG)
    done.assert_outcomes(passed=1, xfailed=2, skipped=1)
    assert done.ret == 0
    done = run(options=options)
    done.assert_outcomes(passed=1, failed=2, skipped=1)
    assert "[XPASS(strict)] as documented" in done.stdout.str()
    assert own()["reasons"][0].startswith("equivalence.steps was expected to fail and did not")


def test_of_a_chapter_that_is_expected_to_fail_an_item_may_hold(run):
    expected("time")
    options = "properties=['time'], expected_failures='known.toml', json='own.json', diagnosis=False"
    done = run(options=options, change=WRONG)
    outcomes = done.parseoutcomes()
    assert done.ret == 0 and outcomes["xfailed"] and outcomes["xpassed"] and "failed" not in outcomes
    assert own()["verdict"] == "conforms"
    done = run(options=options)
    assert done.ret == 1 and own()["reasons"] == ["time was expected to fail and did not (as documented)"]


def test_a_failure_on_another_case_than_the_expected_one_is_no_expected_failure(run, right):
    Path("other.py").write_text(right.replace('+ p["bias_hh_l0"]', ""))
    assert conformance.check("other.py", properties=["equivalence.steps"], diagnosis=False).status == 1
    (file,) = Path(".rnn-conformance").rglob("*.json")
    Path("known.toml").write_text(f'[[expected]]\ncounterexample = "{file}"\nreason = "one case"\n')
    done = run(options=FEW + ", expected_failures='known.toml'", change=WRONG)
    done.assert_outcomes(passed=1, failed=2, skipped=1)


def test_a_baseline(run):
    run(change=WRONG, diagnosis=False)
    Path("own.json").rename("base.json")
    done = run(options=FEW + ", baseline='base.json'", change=WRONG, diagnosis=False)
    done.assert_outcomes(passed=1, xfailed=2, skipped=1)
    assert done.ret == 0 and own()["verdict"] == "conforms"


@pytest.mark.sample
def test_a_property_that_the_older_kit_did_not_have(run):
    run(change=WRONG, diagnosis=False)
    base = own()
    base |= {"kit_version": "0", "asked": [], "results": [r for r in base["results"] if r["id"] != "time.split"]}
    Path("base.json").write_text(json.dumps(base))
    options = FEW + ", baseline='base.json'"
    run(options=options, change=WRONG, diagnosis=False).assert_outcomes(passed=1, xfailed=2, skipped=1)
    assert own()["verdict"] == "conforms"
    options += ", strict=True"
    run(options=options, change=WRONG, diagnosis=False).assert_outcomes(passed=1, xfailed=1, failed=1, skipped=1)
    assert own()["verdict"] == "fails"


def test_a_verdict_that_no_item_shows_fails_the_session(run):
    done = run(options="properties=['layers'], json='own.json'")
    assert done.ret == 1 and own()["verdict"] == "inconclusive"
    assert "nothing was exercised" in done.stdout.str()


def test_a_target_that_does_not_load(run):
    done = run(change=("MyRNN, ", "'absent.py', "))
    done.assert_outcomes(failed=1, skipped=3)
    assert done.ret == 1 and done.stdout.str().count("there is no file 'absent.py'") == 2  # and in the summary
    done.stdout.fnmatch_lines(["absent.py could not be judged: there is no file 'absent.py'*"])
    assert own()["missing"].keys() == {"absent.py"} and "there is no file" in own()["missing"]["absent.py"]
    assert own()["reports"] == []


def test_an_object_that_is_no_target(run):
    done = run("-rs", change=("MyRNN, ", "[1], "))
    done.assert_outcomes(failed=1, skipped=3)
    done.stdout.fnmatch_lines(["SKIPPED*not judged: the target could not be loaded, see shapes.shapes"])
    done.stdout.fnmatch_lines(["list could not be judged: [[]1[]] is a list: neither a name nor something to call"])


@pytest.mark.sample
@pytest.mark.parametrize("words", [(), ("-n", "2")], ids=["here", "two"])
def test_a_time_limit_is_for_all_items(run, words):
    slow = ("for x in case.x:", "import time; time.sleep(60)\n        for x in case.x:")
    done = run(*words, change=slow, options=f"properties={IDS[:3]}, json='own.json', time_limit=2")
    done.assert_outcomes(failed=3)
    assert done.ret == 1 and "interrupted by its time limit" in done.stdout.str()
    assert own()["verdict"] == "inconclusive"
    assert {one["message"] for one in own()["results"]} == {"interrupted by its time limit"}


def test_a_time_limit_that_strikes_while_it_is_loaded(run):
    Path("endless.py").write_text("while True: pass\n")
    done = run(change=("MyRNN, ", "'endless.py', "), options=FEW + ", time_limit=2")
    done.assert_outcomes(failed=1, skipped=3)
    done.stdout.fnmatch_lines(["endless.py could not be judged: its time limit was over while it was loaded"])


def test_a_time_limit_with_time_enough(run):
    done = run(options=FEW + ", time_limit=600")
    done.assert_outcomes(passed=3, skipped=1)
    assert done.ret == 0


def test_a_time_limit_without_an_alarm_is_asked_wrongly(monkeypatch):
    monkeypatch.setattr(interrupts, "ALARM", None)
    with pytest.raises(UsageError, match="time_limit needs an alarm"):
        conformance.parametrize(object, time_limit=60)
    conformance.parametrize(object)


def test_a_verdict_on_a_part_that_no_item_shows_fails_the_session(run):
    assert run("-k", "shapes").ret == 0
    wider = own()
    wider["capabilities"]["bidirectional"] = True
    Path("base.json").write_text(json.dumps(wider))
    done = run("-k", "shapes", options=FEW + ", baseline='base.json'")
    assert done.ret == 1 and own()["verdict"] == "fails" and "failed" not in done.parseoutcomes()


def test_a_lost_report_fails_the_session(run):
    done = run("-k", "shapes", options=FEW.replace("own.json", "nowhere/own.json"))
    assert done.ret == 1 and "not written" in done.stdout.str()


def test_a_report_that_cannot_be_made_fails_the_session(run, pytester):
    pytester.makeconftest(
        "import builtins\ndef pytest_configure(config):\n    builtins.is_main = not hasattr(config, 'workerinput')\n"
    )
    done = run("-n", "1", more="\nimport builtins\nassert not builtins.is_main\n")
    assert done.ret == 1 and "no report, since it cannot be collected here" in done.stdout.str()


def test_what_interrupts_the_diagnosis_takes_no_verdict_away(run, pytester):
    pytester.makeconftest(
        "import os, signal\nimport conformance.own_tests as own\n"
        "def reopened(trial, real=own.OwnTrial.reopened):\n"
        "    os.kill(os.getpid(), signal.SIGINT); return real(trial)\n"
        "own.OwnTrial.reopened = reopened\n"
    )
    done = run(change=WRONG)
    assert done.ret == 1 and own()["verdict"] == "fails"
    said = "the verdict is complete, but the search for the mistake was interrupted by SIGINT"
    assert own()["reasons"] == [said]


def test_an_interrupted_session_still_reports(run):
    done = run("-x", change=WRONG)
    assert done.ret == 1
    done.stdout.fnmatch_lines(["MyRNN does not conform (1 of *"])


@pytest.mark.parametrize(
    ("target", "options", "message"),
    [
        (object, {"workers": 2}, "workers is pytest's own: leave it out, and say pytest -n"),
        (object, {"stop_on_first": True}, "stop_on_first is pytest's own: leave it out, and say pytest -x"),
        (object, {"in_process": False}, "is an object of this process"),
        (object, {"profile": "fast"}, "there is no profile 'fast'"),
        (object, {"properties": ["time.splits"]}, "did you mean time.split"),
        ("mine.py", {"baseline": "git:HEAD"}, "pytest takes a stored report"),
    ],
)
def test_what_cannot_be_asked(target, options, message):
    with pytest.raises(UsageError, match=message):
        conformance.parametrize(target, **options)


def test_an_item_for_each_property():
    mark = conformance.parametrize(object).mark
    assert [one.id for one in mark.args[1]] == list(catalogue())
    assert mark.args[0] == "check"
