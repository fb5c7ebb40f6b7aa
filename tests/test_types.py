"""The wheel has types: ``mypy --strict`` on a user's file, outside the checkout, and no public result is Any."""

import inspect
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import typing
import venv
from pathlib import Path

import pytest

import conformance
import reference_rnn
import strategies
from conformance.trial import options

ROOT = Path(__file__).parent.parent
USER = ROOT / "tests" / "typing" / "user.py"
OURS = ("reference_rnn", "strategies", "conformance")
REVEALED = [
    "reference_rnn.case.Case", "numpy.ndarray", "dict[str, Any]", "reference_rnn.bounds.ball.Ball", "numpy.ndarray",
    "reference_rnn.bounds.ball.Ball", "conformance.trial.verdict.Report", "str | None", "str",
    "reference_rnn.cell.Cell", "pathlib.Path | None", "int",
]  # fmt: skip


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built from a copy of what it is made of."""
    place = tmp_path_factory.mktemp("wheel")
    for name in (*OURS, "docs", "setup.py", "pytest_rnn_conformance.py", "pyproject.toml", "README.md", "LICENSE"):
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, place / "source" / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, place / "source" / name)
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--wheel-dir", place, place / "source"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    return next(place.glob("*.whl"))


def test_a_source_distribution_is_complete(tmp_path):
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True).stdout.split("\0")
    files = [file for file in tracked if file and (ROOT / file).is_file()]
    if not files:
        pytest.skip("this is no checkout")
    for file in files:
        (tmp_path / "source" / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / file, tmp_path / "source" / file)
    code = "import sys; from setuptools.build_meta import build_sdist; print(build_sdist(sys.argv[1]))"
    command = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path / "source", capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    with tarfile.open(next(tmp_path.glob("*.tar.gz"))) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    apart = (".ci/", ".github/", ".gitignore", "benchmarks/unseen/")
    own = {file for file in files if not file.startswith(apart)}
    assert own - held == set()


def metadata_with(address, place):
    """The lines of the package's metadata, were its files at this address."""
    for name in ("docs/links.py", "setup.py", "pyproject.toml", "README.md", "LICENSE"):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, place / name)
    text = (place / "pyproject.toml").read_text()
    (place / "pyproject.toml").write_text(text.replace('address = ""', f"address = {address!r}"))
    code = "from setuptools.build_meta import prepare_metadata_for_build_wheel as made; print(made('.'))"
    done = subprocess.run([sys.executable, "-c", code], cwd=place, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return (place / done.stdout.split()[-1] / "METADATA").read_text().splitlines()


def test_the_package_says_where_its_files_are_once_that_is_set(tmp_path):
    lines = metadata_with("https://code.example/kit/", tmp_path / "set")
    assert "Project-URL: Source, https://code.example/kit/" in lines
    assert "Project-URL: Changelog, https://code.example/kit/CHANGELOG.md" in lines
    assert any("](https://code.example/kit/docs/how-it-decides.md)" in line for line in lines)
    assert "Author: rnn-conformance contributors" in lines
    assert "Classifier: Programming Language :: Python :: 3.11" in lines
    assert not [line for line in metadata_with("", tmp_path / "unset") if line.startswith("Project-URL")]


@pytest.fixture(scope="module")
def python(wheel, tmp_path_factory):
    """An interpreter that has the wheel, beside what this one has."""
    place = tmp_path_factory.mktemp("environment")
    venv.create(place)
    library = sysconfig.get_path("purelib", "venv", {"base": str(place), "platbase": str(place)})
    shutil.unpack_archive(wheel, library, "zip")
    (Path(library) / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return place / "bin" / "python"


@pytest.fixture
def checked(python, tmp_path):
    """What mypy says of a file in an empty folder, and its status; what it knows of the packages is kept."""

    def mypy(text):
        (tmp_path / "user.py").write_text(text)
        command = [sys.executable, "-m", "mypy", "--strict", "--python-executable", python, "user.py"]
        command += ["--cache-dir", python.parent.parent / "mypy"]
        # without what would put the checkout before the wheel
        env = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "MYPYPATH")}
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=400)
        return done.stdout + done.stderr, done.returncode

    return mypy


@pytest.mark.sample
def test_a_users_file_is_typed(checked):
    said, status = checked(USER.read_text())
    assert status == 0, said
    for given, wanted in zip(re.findall(r'Revealed type is "(.*)"', said), REVEALED, strict=True):
        assert re.match(re.escape(wanted) + r"($|\[)", given), (given, wanted)


def test_a_wrong_use_is_found(checked):
    said, _ = checked(
        "import conformance\nconformance.check('a.py', seed='x')\nconformance.Options(seeds=1)\n"
        "conformance.chekc\nconformance.check('a.py').verdit\nconformance.check('a.py', proprties='x')\n"
        "conformance.assert_conforms('a.py', profile='qick')\nconformance.check('a.py').verdict == 'conform'\n"
        "conformance.parametrize('a.py', workers=2)\n"
    )
    assert [int(line) for line in re.findall(r"user.py:(\d+): error", said)] == [2, 3, 4, 5, 6, 7, 8, 9]


def test_what_python_takes_as_keywords_are_the_options():
    named = {field.name for field in options.declared_options()}
    own = {"progress", "target"}
    for function, keywords in (
        (conformance.check, options.Keywords), (conformance.assert_conforms, options.CheckKeywords),
        (conformance.parametrize, options.ItemKeywords),
    ):  # fmt: skip
        parameters = {
            name for name, one in inspect.signature(function).parameters.items() if one.kind != one.VAR_KEYWORD
        }
        taken = (parameters | set(typing.get_type_hints(keywords))) - own
        assert taken == named - (
            {"workers", "stop_on_first", "verbose"} if function is conformance.parametrize else set()
        )


@pytest.mark.parametrize("package", [reference_rnn, strategies, conformance], ids=lambda package: package.__name__)
def test_no_public_result_is_any(package):
    for name in package.__all__:
        function = getattr(package, name)
        if inspect.isclass(function) or not callable(function):
            continue
        function = inspect.unwrap(function)
        hints = typing.get_type_hints(function) if hasattr(function, "__annotations__") else {}
        assert hints.get("return", None) is not typing.Any, name
        assert "return" in hints or not inspect.isfunction(function), name


def test_what_is_lazy_is_what_types_say():
    text = Path(conformance.__file__).read_text()
    named = {name: home for home, name in re.findall(r"    from ([\w.]+) import (\w+) as \2", text)}
    assert named == conformance.HOMES
    assert all(getattr(conformance, name) is not None for name in conformance.__all__)
