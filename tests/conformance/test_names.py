"""Our names are common words: what happens where somebody else has them too."""

import subprocess
import sys
from pathlib import Path

import pytest

import conformance

RNN = Path(sys.executable).with_name("rnn-conformance")

HIDDEN = "strategies.py' hides the package 'strategies' of rnn-conformance; rename it, or run 'rnn-conformance check'"


@pytest.fixture
def run(tmp_path, right):
    """Runs a command in a folder that has a strategies.py and a conformance/ of its own."""
    (tmp_path / "strategies.py").write_text("mine = True\n")
    (tmp_path / "my_rnn.py").write_text("import strategies\nassert strategies.mine\n" + right)

    def command(*words):
        return subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=120)

    return command


def test_the_command_line_does_not_look_there_and_the_target_gets_its_own(run, tmp_path):
    (tmp_path / "conformance").mkdir()
    (tmp_path / "conformance" / "__init__.py").write_text("mine = True\n")
    done = run(RNN, "check", "my_rnn.py", "-n", "1", "--property", "equivalence")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith("my_rnn.py conforms")


def test_python_says_which_file_is_in_the_way(run):
    done = run(sys.executable, "-c", "import conformance; conformance.check('my_rnn.py')")
    assert done.stderr.splitlines()[-1].startswith("ImportError: ") and HIDDEN in done.stderr


HIDING = ("strategies", "click", "numpy", "hypothesis", "psutil", "random", "typing", "multiprocessing")


@pytest.mark.parametrize("name", HIDING)
@pytest.mark.parametrize("command", [("-m", "conformance"), (str(RNN),)], ids=["python -m", "rnn-conformance"])
@pytest.mark.sample
def test_files_beside_a_target_hide_nothing_from_a_command(run, tmp_path, right, name, command):
    (tmp_path / "my_rnn.py").write_text(right)
    (tmp_path / f"{name}.py").write_text("raise SystemExit(1)\n")
    if name in ("numpy", "random"):  # which the target itself then finds
        (tmp_path / "targets").mkdir()
        (tmp_path / "my_rnn.py").rename(tmp_path / "targets" / "my_rnn.py")
    target = next(tmp_path.rglob("my_rnn.py")).relative_to(tmp_path)
    done = run(sys.executable, *command, "check", str(target), "-n", "2", "--property", "shapes")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "does", ["raise SystemExit(0)", "raise RuntimeError('mine')", "mine = True", "import os; os._exit(0)"]
)
def test_what_is_in_the_way_is_no_verdict(run, tmp_path, monkeypatch, does):
    (tmp_path / "strategies.py").unlink()
    (tmp_path / "click.py").write_text(f"{does}\n")
    monkeypatch.setenv("PYTHONPATH", ".")
    done = run(RNN, "check", "my_rnn.py")
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert done.stderr.startswith("rnn-conformance: ")
    if "_exit" not in does:
        assert "cannot be used here: " in done.stderr and "click" in done.stderr


def test_what_needs_no_strategies_works_all_the_same(run):
    code = "import conformance, sys; conformance.Capabilities(); print({'hypothesis', 'pytest'} & sys.modules.keys())"
    assert run(sys.executable, "-c", code).stdout == "set()\n"


def test_pytest_says_which_file_is_in_the_way(run):
    done = run(
        sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--pyargs", "conformance", "--rnn", "my_rnn.py"
    )
    assert done.returncode == 4
    assert "rnn-conformance cannot be used here" in done.stderr and HIDDEN in done.stderr


@pytest.mark.parametrize("inside", ["__init__.py", "mine.py"], ids=["package", "folder"])
@pytest.mark.parametrize("name", ["conformance", "strategies", "reference_rnn"])
def test_pytest_and_python_say_which_folder_is_in_the_way(run, tmp_path, name, inside):
    (tmp_path / "strategies.py").unlink()
    (tmp_path / name).mkdir()
    (tmp_path / name / inside).write_text("mine = True\n")
    said = f"'{tmp_path / name}' hides the package '{name}' of rnn-conformance; rename it, or run"
    words = ("-p", "no:cacheprovider", "--pyargs", "conformance", "--rnn", "my_rnn.py")
    done = run(sys.executable, "-m", "pytest", *words)
    assert done.returncode == 4 and said in done.stderr, done.stdout + done.stderr
    if name != "conformance":  # then it is not the kit that is imported
        done = run(sys.executable, "-c", "import conformance; conformance.check('my_rnn.py')")
        assert said in done.stderr.splitlines()[-1]


def test_strategies_say_when_the_reference_is_hidden(tmp_path):
    (tmp_path / "reference_rnn.py").write_text("")
    done = subprocess.run([sys.executable, "-c", "import strategies"], cwd=tmp_path, capture_output=True, text=True)
    assert "hides the package 'reference_rnn' of rnn-conformance; rename it" in done.stderr


def test_two_targets_in_one_process_have_modules_of_their_own(tmp_path, right):
    for name, function in (("one", "tanh"), ("two", "sin")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "beside.py").write_text(f"from numpy import {function} as activation\n")
        (tmp_path / name / "rnn.py").write_text(
            f"from beside import activation\n{right}".replace("np.tanh", "activation")
        )
    for name, verdict in (("one", "conforms"), ("two", "fails"), ("one", "conforms")):
        report = conformance.check(tmp_path / name / "rnn.py", properties=["equivalence.activation"], diagnosis=False)
        assert report.verdict == verdict
