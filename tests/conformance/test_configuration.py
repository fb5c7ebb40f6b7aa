"""What a project says of its trials: where it is found, what it means, and one clear line for anything wrong."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import jsonschema
import pytest

import conformance
from conformance.cli import cli
from conformance.harness.load import SHIPPED
from conformance.trial import configuration, options
from conformance.trial.configuration import find_configuration

SCHEMA = json.loads((Path(conformance.__file__).parent / "report" / "schemas" / "configuration.json").read_text())
CHECK = '[tool.rnn-conformance]\nproperty = "shapes.dtype"\nno-saved = true\n'


@pytest.fixture
def project(right):
    """A project with a right and a wrong target, in a repository."""
    Path(".git").mkdir()
    Path("src").mkdir()
    Path("src/right.py").write_text(right)
    Path("src/wrong.py").write_text(right.replace("(output)", "(output).astype(np.float64)"))
    return Path.cwd()


def write(text, name="pyproject.toml"):
    """Writes a configuration."""
    Path(name).write_text(text)


def checked(*words, status):
    """Runs the command, which must end with this status."""
    assert cli.main(["check", *words], standalone_mode=False) == status


TWO = CHECK + (
    'json = "all.json"\nsummary = "all.md"\nbadge = "badge.json"\n'
    '[tool.rnn-conformance.targets.good]\ntarget = "src/right.py"\nseed = 3\n'
    '[tool.rnn-conformance.targets.bad]\ntarget = "python=python3 src/wrong.py:forward"\n'
)


@pytest.mark.sample
def test_all_named_targets_are_judged(project, capsys):
    write(TWO)
    checked(status=1)
    told = capsys.readouterr().out.splitlines()
    assert [line.partition(" (")[0] for line in told[-2:]] == [
        "src/right.py conforms",
        "python=python3 src/wrong.py:forward does not conform",
    ]
    reports = json.loads(Path("all.json").read_text())["reports"]
    assert [(r["verdict"], r["seed"], r["configuration"]) for r in reports] == [
        ("conforms", 3, "pyproject.toml"),
        ("fails", 0, "pyproject.toml"),
    ]
    assert Path("all.md").read_text().count("## `") == 3  # two verdicts and a property that failed
    assert json.loads(Path("badge.json").read_text())["message"] == "1 of 2 conform"


def test_a_name_and_the_command_line_go_first(project, capsys, monkeypatch):
    write(TWO)
    (project / "deep").mkdir()
    monkeypatch.chdir("deep")
    checked("good", "--seed", "5", "--json", "mine.json", status=0)
    report = json.loads(Path("mine.json").read_text())
    assert (report["target"], report["seed"], report["configuration"]) == ("../src/right.py", 5, "../pyproject.toml")
    assert (project / "all.md").exists() and not Path("all.md").exists()
    assert "configured   by ../pyproject.toml" in capsys.readouterr().out


@pytest.mark.sample
def test_one_that_does_not_load_stops_no_other(project, capsys):
    write(TWO + '[tool.rnn-conformance.targets.gone]\ntarget = "src/gone.py"\n')
    checked(status=1)
    assert json.loads(Path("all.json").read_text())["missing"].keys() == {"src/gone.py"}
    Path("src/wrong.py").write_text(Path("src/right.py").read_text())
    checked(status=2)
    assert capsys.readouterr().out.rstrip().endswith("src/gone.py could not be judged")


def test_pytest_reads_it_too(project):
    write(TWO + "[tool.pytest.ini_options]\nrnn_seed = 7\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--pyargs", "conformance"]
    done = subprocess.run([*command, "--rnn", "good"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout
    assert json.loads(Path("all.json").read_text())["seed"] == 7
    done = subprocess.run([*command, "--rnn", "good", "--rnn-seed", "9"], capture_output=True, timeout=60)
    assert done.returncode == 0 and json.loads(Path("all.json").read_text())["seed"] == 9
    write(CHECK + "strict = 1\n")
    done = subprocess.run([*command, "--rnn", "src/right.py"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 4 and "ERROR: pyproject.toml: strict is 1, must be true or false" in done.stderr


def test_the_nearest_file_with_the_table_is_the_only_one(project, monkeypatch):
    write(CHECK + "seed = 1\n")
    Path("a/b").mkdir(parents=True)
    write("[tool.other]\n", "a/pyproject.toml")
    monkeypatch.chdir("a/b")
    assert find_configuration(Path.cwd()).common["seed"] == 1
    write('profile = "standard"\n', "../rnn-conformance.toml")
    assert dict(find_configuration(Path.cwd()).common) == {"profile": "standard"}
    write(CHECK, "pyproject.toml")
    assert find_configuration(Path.cwd()).file == Path("pyproject.toml")
    write("", "rnn-conformance.toml")
    assert (
        find_configuration(Path.cwd()).file == Path("rnn-conformance.toml")
        and not find_configuration(Path.cwd()).common
    )


def test_it_is_not_looked_for_past_a_repository(project, monkeypatch):
    write(CHECK)
    Path("inner/.git").mkdir(parents=True)
    monkeypatch.chdir("inner")
    assert find_configuration(Path.cwd()) == configuration.Configuration()


def test_paths_are_those_of_the_file(project, monkeypatch):
    Path("tool.js").touch()
    write(
        CHECK + f'json = "{project}/abs.json"\nexpected-failures = "known.toml"\n'
        + "".join(
            f"[tool.rnn-conformance.targets.t{n}]\ntarget = {json.dumps(target)}\n"
            for n, target in enumerate(
                ["cmd: node tool.js --flag", "python=.venv/bin/python src/right.py:forward", "torch", "a.b", "/x/y.py"]
            )
        )
    )  # fmt: skip
    monkeypatch.chdir("src")
    read = find_configuration(Path.cwd())
    assert [target for target, _ in read.targets.values()] == [
        "cmd: node ../tool.js --flag",
        "python=../.venv/bin/python right.py:forward",
        "torch",
        "a.b",
        "/x/y.py",
    ]
    assert read.common["json"] == project / "abs.json"
    assert read.common["expected_failures"] == Path("../known.toml")


WRONG = {
    "[tool.rnn-conformance": "cannot be read: it is no TOML",
    "tool.rnn-conformance = 3": "[tool.rnn-conformance] is 3, must be a table",
    CHECK + "call_limit = 3": "there is no key 'call_limit'; did you mean call-limit",
    CHECK + "seed = 1.5": "seed: '1.5' is not a whole number",
    CHECK + "seed = true": "seed is True, must be a text or a number",
    CHECK + 'strict = "yes"': "strict is 'yes', must be true or false",
    CHECK + 'profile = "fast"': "profile: there is no profile 'fast'; there are quick",
    CHECK + "require = [1]": "require is [1], must be a text or a list of texts",
    CHECK + "json = ''": "json: '' is not the path of a file",
    CHECK + "targets = 1": "targets is 1, must be a table",
    CHECK + "targets.x = 1": "targets.x is 1, must be a table",
    CHECK + "targets.x.seed = 1": "targets.x: target is missing, must be a text",
    CHECK + "targets.x.target = ''": "targets.x: target is '', must be a text",
    CHECK + "targets.x = {target = 'a.py', sed = 1}": "targets.x: there is no key 'sed'; did you mean seed",
    CHECK + "targets.x.target = 'cmd: \"'": "targets.x: No closing quotation",
    CHECK + "targets.torch.target = 'a.py'": "targets.torch: torch is the name of a shipped target; choose another",
    CHECK + "targets.'a b'.target = 'a.py'": "targets has 'a b', must be a name of letters, digits, - and _",
}


@pytest.mark.parametrize("text", WRONG, ids=range(len(WRONG)))
def test_anything_wrong_is_one_clear_line(project, text):
    write(text)
    with pytest.raises(conformance.UsageError) as raised:
        cli.main(["check"], standalone_mode=False)
    assert str(raised.value).startswith("pyproject.toml") and WRONG[text] in str(raised.value)
    assert "\n" not in str(raised.value)


def test_without_a_target_and_a_name_it_says_what_to_do(project):
    with pytest.raises(conformance.UsageError, match=r"no TARGET is given, and pyproject.toml names none: rnn-conf"):
        cli.main(["check"], standalone_mode=False)


def test_options_that_do_not_go_together_are_told_before_anything_is_judged(project, capsys):
    write(TWO + "in-process = true\ncall-limit = 3\n")
    with pytest.raises(conformance.UsageError, match="a call limit needs a target in a process of its own"):
        cli.main(["check"], standalone_mode=False)
    assert not capsys.readouterr().out


def test_the_schema_for_editors_is_that_of_the_code():
    assert configuration.schema() == SCHEMA
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["properties"].keys() - {"targets"} == {options.spelled(one) for one in options.declared_options()}


@pytest.mark.parametrize("text", [*WRONG, TWO, CHECK + "workers = 'auto'\nbudget = 60\nmemory-limit = '2G'"])
def test_the_schema_and_the_code_say_the_same(project, text):
    write(text)
    try:
        table = tomllib.loads(text)["tool"]["rnn-conformance"]
    except tomllib.TOMLDecodeError:
        return
    try:
        find_configuration(Path.cwd())
    except conformance.UsageError as error:
        if "No closing quotation" in str(error):
            return  # which no schema says
        assert not jsonschema.Draft202012Validator(SCHEMA).is_valid(table)
    else:
        jsonschema.validate(table, SCHEMA)


def test_every_shipped_name_is_taken():
    names = SCHEMA["properties"]["targets"]["propertyNames"]["not"]["enum"]
    assert names == list(SHIPPED)


def test_python_reads_no_file(project):
    write(CHECK + "seed = 5\n")
    report = conformance.check("src/right.py", properties=["shapes.dtype"], saved=False)
    assert (report.seed, report.configuration) == (0, None)
