"""The command line, as a process: exit status, one clear line for what is asked wrongly, reports."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TARGETS = Path(__file__).parent.parent / "targets"
RNN = Path(sys.executable).with_name("rnn-conformance")


@pytest.fixture
def run(tmp_path, right):
    """Runs the command in a folder of its own."""
    (tmp_path / "right.py").write_text(right)

    def command(*words, **files):
        for name, text in files.items():
            (tmp_path / f"{name}.py").write_text(text)
        return subprocess.run([RNN, *words], cwd=tmp_path, capture_output=True, text=True, timeout=120)

    return command


def test_a_right_target_conforms(run, tmp_path):
    done = run("check", "right.py", "--json", "report.json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].startswith("right.py conforms (")
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["verdict"] == "conforms" and report["schema"] == 1
    keys = {"schema", "kit_version", "target", "verdict", "capabilities", "profile", "seed", "results", "diagnosis"}
    assert keys | {"coverage", "environment"} <= set(report)
    assert {r["status"] for r in report["results"]} <= {"passed", "not_claimed", "not_run"}


def test_a_wrong_target_does_not_conform_and_shows_why(run, right):
    done = run("check", "wrong.py", "-n", "1", wrong=right.replace('p["bias_hh_l0"])', '0 * p["bias_hh_l0"])'))
    assert done.returncode == 1
    assert "wrong.py does not conform" in done.stdout
    assert "equivalence.steps: Every step is the step of the equations" in done.stdout
    assert "it is the first step" in done.stdout
    assert "smallest case: case('RNN_TANH', T=1, N=1, I=1, H=1, bias_hh_l0=1, h_0=0)" in done.stdout


def test_it_runs_without_a_terminal_and_without_colours(run):
    assert "\x1b" not in run("check", "right.py", "--property", "shapes").stdout


@pytest.mark.sample
@pytest.mark.parametrize(
    ("words", "files", "message"),
    [
        (["check", "absent.py"], {}, "there is no file 'absent.py'; '.' has right.py"),
        (["check", "no.such.module"], {}, "there is no file and no module 'no.such.module'"),
        (["check", "broken.py"], {"broken": "def forward(case:\n"}, "broken.py has a syntax error at line 1"),
        (["check", "imports.py"], {"imports": "import nothing_of_that_name"}, "does not import: ModuleNotFoundError"),
        (["check", "raises.py"], {"raises": "1 / 0"}, "raises.py does not import: ZeroDivisionError"),
        (["check", "exits.py"], {"exits": "raise SystemExit(0)"}, "exits.py does not import: SystemExit"),
        (["check", "dies.py"], {"dies": "import os; os._exit(0)"}, "dies.py could not be loaded: it ended its process"),
        (["check", "right.py:backward"], {}, "right.py has no 'backward'; it defines forward"),
        (
            ["check", "rnn.py"],
            {"rnn": "def rnn(x): pass"},
            "no function 'forward'; it defines rnn. Name one: rnn.py:NAME",
        ),
        (["check", "five.py:five"], {"five": "five = 5"}, "five.py:five is a int, not something to call"),
        (
            ["check", "claims.py"],
            {"claims": "capabilities = {'lenghts': True}\ndef forward(case): pass"},
            "there is no capability 'lenghts'",
        ),
        (["check", "python=/no/python right.py"], {}, "cannot start '/no/python'"),
        (["trace"], {}, "Missing argument 'TARGET'; usage: "),
        (["check"], {}, "no TARGET is given, and pyproject.toml names none: rnn-conformance check my_rnn.py, or a"),
        (["check", "right.py", "--sed", "1"], {}, "options of check are --profile, --workers, --seed"),
        (["check", "right.py", "--profile", "fast"], {}, "no profile 'fast'; there are quick, standard, thorough"),
        (["check", "right.py", "--property", "shape"], {}, "no property 'shape'; did you mean shapes"),
        (["check", "right.py", "--require", "colour"], {}, "no capability 'colour'; there are bidirectional"),
        (["check", "right.py", "--budget", "soon"], {}, "'soon' is not a duration like 90s or 2m"),
        (["check", "right.py", "-n", "some"], {}, "'some' is neither a number of processes nor auto"),
        (["shapes", "--layers", "one"], {}, "'one' is not a valid integer range; must be a whole number, such as 2"),
        (["judge", "right.py"], {}, "commands are check, trace, replay, reproduce, new, shapes, cell, properties"),
    ],
)
def test_what_is_asked_wrongly_is_one_clear_line(run, words, files, message):
    done = run(*words, **files)
    assert done.returncode == 2, done.stdout
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1 and done.stdout == ""


def test_what_nobody_could_exercise_is_not_a_success(run):
    done = run("check", "right.py", "--property", "directions")
    assert done.returncode == 2
    assert "could not be judged" in done.stdout and "nothing was exercised" in done.stdout


def test_a_capability_that_is_required_must_be_claimed(run):
    done = run("check", "right.py", "--property", "shapes", "--require", "lengths")
    assert done.returncode == 1
    assert "lengths is required, but not claimed" in done.stdout


def test_an_lstm_must_return_its_cell_state_too(run):
    half = "import numpy as np\ndef forward(case): return np.zeros((*case.x.shape[:2], 9)), case.h_0"
    done = run("check", "lstm.py", "--property", "shapes.shapes", lstm=f"capabilities = {{'cells': ('LSTM',)}}\n{half}")
    assert done.returncode == 1
    assert "as final state, must return output, (h_n, c_n)" in " ".join(done.stdout.split())


def test_properties_are_listed(run):
    done = run("properties")
    assert done.returncode == 0
    assert "directions.reversal: Reversing time and swapping the directions reverses the output" in done.stdout


def test_the_budget_leaves_the_covering_cases(run, tmp_path):
    done = run("check", "right.py", "--budget", "0.01s", "--profile", "thorough", "--json", "report.json")
    assert done.returncode == 0, done.stdout
    steps = next(
        r for r in json.loads((tmp_path / "report.json").read_text())["results"] if r["id"] == "equivalence.steps"
    )
    assert 24 <= steps["examples"] < 200


@pytest.mark.sample
def test_workers_do_not_change_the_verdict(run, tmp_path, right):
    wrong = (
        right.replace("h @ p", "h.copy() @ 1.0001 * p").replace("@ 1.0001 * p", "@ p")
        + "\ncapabilities = {'lengths': True}"
    )
    seen = []
    for workers in ("1", "2"):
        shutil.rmtree(tmp_path / ".rnn-conformance", ignore_errors=True)  # else the second run begins with it
        run("check", "wrong.py", "-n", workers, "--json", f"{workers}.json", "--property", "lengths", wrong=wrong)
        results = json.loads((tmp_path / f"{workers}.json").read_text())["results"]
        seen.append([(r["id"], r["status"], r["examples"], r["message"], r["counterexample"]) for r in results])
    assert seen[0] == seen[1]
    assert any(status == "failed" for _, status, *_ in seen[0])
