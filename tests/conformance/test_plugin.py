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
    done.stdout.fnmatch_lines(["right.py conforms*", "*note*warned: RuntimeWarning: slow path"])


def test_a_wrong_target(run):
    done = run("--pyargs", "conformance", "--rnn", "wrong.py", "-n", "2")
    assert done.ret == 1
    done.stdout.fnmatch_lines(["Every step is the step of the equations*", "*output[[]1, 0, 0[]]*second step*"])
    assert "Traceback" not in done.stdout.str()


def test_the_three_skins_agree(run, pytester):
    run("--pyargs", "conformance", "--rnn", "wrong.py", "--rnn-json", "report.json", "--rnn-seed", "3", "-n", "2")
    by_pytest = json.loads((pytester.path / "report.json").read_text())
    here = json.loads(conformance.check(str(pytester.path / "wrong.py"), seed=3).to_json())
    told = [
        [(r["id"], r["status"], r["examples"], r["counterexample"]) for r in x["results"]] for x in (by_pytest, here)
    ]
    assert told[0] == told[1]
    assert by_pytest["verdict"] == here["verdict"] == "fails"


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
