"""The pytest skin: items of its own, exit status, the same verdict as the others."""

import json
import sys

import pytest

import conformance


@pytest.fixture
def run(pytester, right):
    """Runs pytest in a folder with a right and a wrong target; both warn."""
    chatty = right.replace("(case):", "(case):\n    import warnings\n    warnings.warn('slow path', RuntimeWarning)")
    pytester.makepyfile(right=chatty, wrong=chatty.replace("h @ p", "case.h_0[0] @ p"))

    def pytest_with(*words):
        return pytester.run(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *words, timeout=180)

    return pytest_with


def test_a_right_target(run):
    done = run("--pyargs", "conformance", "--rnn", "right.py")
    assert done.ret == 0
    done.stdout.fnmatch_lines(["*note*warned: RuntimeWarning: slow path", "right.py conforms*"])


def test_a_wrong_target(run):
    done = run("--pyargs", "conformance", "--rnn", "wrong.py", "-n", "2")
    assert done.ret == 1
    done.stdout.fnmatch_lines(["Every step is the step of the equations*", "*output[[]1, 0, 0[]]*second step*"])
    assert "Traceback" not in done.stdout.str()


@pytest.mark.sample
def test_the_three_skins_agree(run, pytester):
    run("--pyargs", "conformance", "--rnn", "wrong.py", "--rnn-json", "report.json", "--rnn-seed", "3", "-n", "2")
    by_pytest = json.loads((pytester.path / "report.json").read_text())
    here = json.loads(conformance.check(str(pytester.path / "wrong.py"), seed=3).to_json())
    told = [
        [(r["id"], r["status"], r["examples"], r["counterexample"]) for r in x["results"]] for x in (by_pytest, here)
    ]
    assert told[0] == told[1]
    assert by_pytest["verdict"] == here["verdict"] == "fails"


@pytest.mark.sample
def test_foreign_settings_change_nothing(run, pytester):
    pytester.makeini("[pytest]\npython_files = check_*.py\nfilterwarnings = error\nxfail_strict = true\nrnn = right.py")
    pytester.makeconftest(
        "from hypothesis import settings\nsettings.register_profile('mine', max_examples=1, derandomize=True)\n"
        "settings.load_profile('mine')\n"
    )
    done = run("-W", "error", "--strict-markers", "--pyargs", "conformance")
    assert done.ret == 0
    done.stdout.fnmatch_lines(["right.py conforms*"])


def test_a_target_that_cannot_be_loaded(run):
    done = run("--pyargs", "conformance", "--rnn", "absent.py")
    assert done.ret == 2
    done.stdout.fnmatch_lines(["*there is no file 'absent.py'*"])


def test_nothing_judged_is_not_a_success(run, pytester):
    pytester.makepyfile(test_own="def test_own(): pass")
    done = run("test_own.py", "--rnn", "right.py")
    assert done.ret == 2
    done.stdout.fnmatch_lines(["no property was judged: name them with --pyargs conformance"])


def test_an_unknown_profile(run):
    done = run("--pyargs", "conformance", "--rnn", "right.py", "--rnn-profile", "fast")
    assert done.ret == 4
    done.stderr.fnmatch_lines(["*there is no profile 'fast'; there are quick, standard, thorough"])


@pytest.mark.parametrize(
    "words", [("conformance",), ("conformance.test_shapes",), ("conformance", "-n", "2"), ("test_own", "conformance")]
)
def test_without_a_target_it_asks_for_one(run, pytester, words):
    pytester.makepyfile(test_own="def test_own(): pass")
    pytester.makeconftest(
        "import sys\ndef pytest_unconfigure():\n"
        "    print('imported:', {'conformance', 'strategies', 'reference_rnn'} & sys.modules.keys())\n"
    )
    done = run("--pyargs", *words)
    assert done.ret == 4
    done.stderr.fnmatch_lines(["ERROR: *conformance judges a target; say which: pytest --pyargs conformance --rnn *"])
    assert [line for line in done.outlines + done.errlines if line] == ["imported: set()", done.errlines[0]]


def test_help_needs_no_target(run):
    assert run("--pyargs", "conformance", "--help").ret == 0


@pytest.mark.sample
@pytest.mark.parametrize("words", [("conformance",), ("--pyargs", "conformance"), ("--pyargs", "conformance.test_own")])
def test_a_folder_of_that_name_is_its_owners(run, pytester, words):
    folder = pytester.mkpydir("conformance")
    (folder / "test_own.py").write_text("def test_own(): pass\n")
    run(*words).assert_outcomes(passed=1)


def test_nothing_of_ours_is_imported_unless_it_is_asked_for(run, pytester):
    pytester.makepyfile(
        strategies="mine = True",
        conformance="mine = True",
        test_own="import sys, strategies, conformance\n"
        "def test_own():\n    assert strategies.mine and conformance.mine\n"
        "    assert 'reference_rnn' not in sys.modules\n",
    )
    assert run("test_own.py").ret == 0
    assert run("--pyargs", "test_own").ret == 0


LATE = """
import os, signal
import conformance.plugin as plugin

def {name}(*given, real=plugin.{name}):
    {body}

plugin.{name} = {name}
"""
IN_THE_DIAGNOSIS = {"name": "reopen_target", "body": "os.kill(os.getpid(), signal.{}); return real(*given)"}
AT_THE_FIRST_FAILURE = {
    "name": "judged_here",
    "body": "for event in real(*given):\n        yield event\n"
    "        if type(event).__name__ == 'FailureFound': os.kill(os.getpid(), signal.{})",
}
FEW = ("--rnn-property", "shapes.shapes", "--rnn-property", "equivalence.steps", "--rnn-property", "time.split")


@pytest.mark.sample
@pytest.mark.parametrize("number", ["SIGALRM", "SIGINT", "SIGTERM"])
@pytest.mark.parametrize("when", [IN_THE_DIAGNOSIS, AT_THE_FIRST_FAILURE], ids=["diagnosis", "failure"])
def test_what_interrupts_late_takes_no_verdict_away(run, pytester, number, when):
    pytester.makeconftest(LATE.format(**when).replace("signal.{}", f"signal.{number}"))
    done = run("--pyargs", "conformance", "--rnn", "wrong.py", "--rnn-time-limit", "600s", "--rnn-json", "r.json", *FEW)
    assert done.ret == 1, done.stdout.str() + done.stderr.str()
    report = json.loads((pytester.path / "r.json").read_text())
    assert report["verdict"] == "fails"
    said = "its time limit" if number == "SIGALRM" else number
    assert f"interrupted by {said}" in " ".join([*report["notes"], *report["reasons"]])
    done.stdout.fnmatch_lines(["wrong.py does not conform (*"])


def test_a_time_limit_that_strikes_while_it_is_loaded(run, pytester):
    pytester.makepyfile(endless="while True: pass")
    done = run("--pyargs", "conformance", "--rnn", "endless.py", "--rnn-time-limit", "3s", "--rnn-json", "r.json", *FEW)
    assert done.ret == 2, done.stdout.str() + done.stderr.str()
    done.stdout.fnmatch_lines(["*its time limit was over while it was loaded"])
    assert json.loads((pytester.path / "r.json").read_text())["missing"].keys() == {"endless.py"}


def test_a_time_limit_without_an_alarm_is_a_usage_error(run, pytester):
    pytester.makeconftest("import signal\nsignal.signal(signal.SIGALRM, lambda *_: None)\n")
    done = run("--pyargs", "conformance", "--rnn", "right.py", "--rnn-time-limit", "600s", *FEW)
    assert done.ret == 4 and "time_limit needs the alarm" in done.stderr.str()


OWN = """
import conformance
@conformance.parametrize("right.py", properties=["shapes.shapes"], baseline="base.json")
def test_mine(check): check()
"""


@pytest.mark.sample
def test_what_else_fails_in_the_session_is_no_success(run, pytester):
    right = ("--pyargs", "conformance", "--rnn", "right.py", *FEW)
    pytester.makepyfile(test_broken="import nothing_there")
    assert run(*right, "test_broken.py", "--continue-on-collection-errors").ret == 1
    assert run(*right, "test_broken.py", "--continue-on-collection-errors", "-n", "2").ret == 1
    (pytester.path / "test_broken.py").unlink()
    wider = json.loads(conformance.check("right.py", properties=["shapes.shapes"]).to_json())
    wider["capabilities"]["bidirectional"] = True
    (pytester.path / "base.json").write_text(json.dumps(wider))
    pytester.makepyfile(test_mine=OWN)
    done = run(*right, "test_mine.py")
    assert done.ret == 1 and done.parseoutcomes().get("failed") is None, done.stdout.str()
    done.stdout.fnmatch_lines(["*narrower than base.json*"])
