"""Targets that live in another interpreter, where nothing of ours is installed."""

import ast
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import numpy as np
import pytest

from reference_rnn import layouts

RNN = Path(sys.executable).with_name("rnn-conformance")

# What holds in the other interpreter only: who it is, and that its ``conformance`` is not the kit.
ELSEWHERE = """
import sys
import conformance
from conformance import Capabilities

assert sys.prefix == {prefix!r}, sys.prefix
assert not hasattr(conformance, "check")

capabilities = Capabilities(cells=("RNN_TANH",), max_layers=1)
"""


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """The folder of a virtual environment in which there is nothing, not even NumPy."""
    folder = tmp_path_factory.mktemp("bare")
    venv.create(folder, with_pip=False, symlinks=True)
    return folder


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    """The folder of a virtual environment in which there is NumPy, and nothing of ours."""
    folder, numpy_alone = tmp_path_factory.mktemp("other"), tmp_path_factory.mktemp("numpy_alone")
    venv.create(folder, with_pip=False, symlinks=True)
    here = Path(np.__file__).parent
    for package in (here, here.with_name("numpy.libs")):
        if package.exists():
            (numpy_alone / package.name).symlink_to(package)
    packages = Path(sysconfig.get_path("purelib", "venv", {"base": str(folder)}))
    (packages / "numpy_alone.pth").write_text(f"{numpy_alone}\n")
    return folder


@pytest.fixture
def run(tmp_path, right, other):
    """Runs a command in a folder with a target that works in the other interpreter only."""
    (tmp_path / "my_rnn.py").write_text(ELSEWHERE.format(prefix=str(other)) + right)

    def command(*words):
        return subprocess.run([RNN, *words], cwd=tmp_path, capture_output=True, text=True, timeout=120)

    return command


def test_a_target_in_another_interpreter_conforms(run, other):
    done = run("check", f"python={other}/bin/python my_rnn.py", "--property", "shapes", "--property", "equivalence")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].startswith(f"python={other}/bin/python my_rnn.py conforms (")


def test_a_wrong_target_in_another_interpreter_does_not(run, other, tmp_path):
    target = tmp_path / "my_rnn.py"
    target.write_text(target.read_text().replace("np.tanh(", "np.sin("))
    done = run("check", f"python={other}/bin/python my_rnn.py", "--property", "equivalence.steps")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "equivalence.steps: Every step is the step of the equations" in done.stdout


def test_the_same_target_does_not_load_here(run):
    done = run("check", "my_rnn.py")
    assert done.returncode == 2
    assert f"my_rnn.py does not import: AssertionError: {sys.prefix}" in done.stderr


@pytest.mark.sample
@pytest.mark.parametrize(
    ("python", "message"),
    [
        ("absent/bin/python", "cannot start 'absent/bin/python': No such file or directory"),
        (".", "cannot start '.': Permission denied"),
        ("my_rnn.py", "cannot start 'my_rnn.py': No such file or directory"),
    ],
)
def test_what_is_no_interpreter_is_one_clear_line(run, python, message):
    refused(run("check", f"python={python} my_rnn.py"), message)


def test_an_interpreter_needs_one_target(run, other):
    for words in (f"{other}/bin/python", f"{other}/bin/python my_rnn.py your_rnn.py", ""):
        refused(run("check", f"python={words}"), "must name an interpreter and one target")


def test_an_interpreter_needs_numpy(run, bare):
    refused(run("check", f"python={bare}/bin/python my_rnn.py"), "No module named 'numpy'")


KERAS = """
from reference_rnn.layouts import to_keras

def forward(case):
    kernel, recurrent, bias = to_keras(case.parameters)
    h, output = case.h_0[0], []
    for x in case.x:
        h = np.tanh(x @ kernel + h @ recurrent + bias)
        output.append(h)
    return np.array(output), h[None]
"""


@pytest.mark.sample
@pytest.mark.parametrize("installed", [None, "raise SystemError('an older one')", "to_keras = None"])
def test_the_layouts_go_with_the_target(installed, tmp_path, other):
    """Whatever version of them is installed there."""
    (tmp_path / "my_rnn.py").write_text("import numpy as np\n" + KERAS)
    if installed:
        (tmp_path / "reference_rnn").mkdir()
        (tmp_path / "reference_rnn" / "__init__.py").touch()
        (tmp_path / "reference_rnn" / "layouts.py").write_text(installed)
    words = (f"python={other}/bin/python my_rnn.py", "--property", "equivalence.steps")
    done = subprocess.run([RNN, "check", *words], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_layouts_need_numpy_and_an_old_python_only():
    tree = ast.parse(Path(layouts.__file__).read_text(), feature_version=(3, 8))
    modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert modules == {"__future__", "typing"} and names == {"numpy"}
    # what 3.8 parses, and does not run
    assert not any(isinstance(n, ast.AugAssign) and isinstance(n.op, ast.BitOr) for n in ast.walk(tree))


def refused(done, message):
    """Status 2, and one line that says why."""
    assert done.returncode == 2, done.stdout
    assert len(done.stderr.splitlines()) == 1 and done.stdout == ""
    assert message in done.stderr
