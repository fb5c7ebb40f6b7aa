"""The action, the hook and the examples for CI: they are valid, and their steps do what they say."""

import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent
RIGHT = """
import numpy as np

def forward(case):
    p, h, output = case.parameters, case.h_0[0], []
    for x in case.x:
        h = np.tanh(x @ p["weight_ih_l0"].T + p["bias_ih_l0"] + h @ p["weight_hh_l0"].T + p["bias_hh_l0"])
        output.append(h)
    return np.stack(output), h[None].copy()
"""
WRONG = RIGHT.replace("h[None].copy()", "0 * h[None]")
ACTION = YAML(typ="safe").load(ROOT / "action.yml")
STEPS = {step["name"]: step for step in ACTION["runs"]["steps"]}
EXAMPLES = ROOT / "examples" / "ci"
SCHEMAS = {
    "action.yml": "vendor.github-actions",
    ".github/workflows/ci.yml": "vendor.github-workflows",
    ".github/workflows/nightly.yml": "vendor.github-workflows",
    "examples/ci/github.yml": "vendor.github-workflows",
    "examples/ci/pull-request.yml": "vendor.github-workflows",
    "examples/ci/gitlab.yml": "vendor.gitlab-ci",
}


def filled_in(text, inputs):
    """A value of ``env`` as the runner fills it in."""
    return re.sub(r"\$\{\{ inputs\.([a-z-]+) \}\}", lambda match: inputs[match[1]], text)


@pytest.fixture
def runner(tmp_path):
    """Runs a step of the action as GitHub's runner does, with these inputs."""
    workspace, temporary = tmp_path / "workspace", tmp_path / "temp"
    for folder in (workspace, temporary):
        folder.mkdir()
    files = {name: tmp_path / name for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
    for file in files.values():
        file.touch()

    def step(name, /, path=str(BIN), **given):
        told = STEPS[name]
        inputs = {key: one["default"] for key, one in ACTION["inputs"].items()}
        inputs |= {key.replace("_", "-"): value for key, value in given.items()}
        environment = {name: filled_in(text, inputs) for name, text in told["env"].items()}
        environment |= {name: str(file) for name, file in files.items()}
        environment |= {
            "GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": str(workspace), "GITHUB_ACTION_PATH": str(ROOT),
            "RUNNER_TEMP": str(temporary), "PATH": f"{path}{os.pathsep}{os.environ['PATH']}",
        }  # fmt: skip
        script = tmp_path / "step.sh"
        script.write_text(told["run"])
        assert told["shell"] == "bash"
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)]
        folder = workspace / filled_in(told.get("working-directory", "."), inputs)
        env = {**os.environ, **environment}
        done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=240)
        return done, {name: file.read_text() for name, file in files.items()}

    step.workspace, step.temporary = workspace, temporary
    return step


@pytest.mark.sample
@pytest.mark.parametrize(
    ("text", "status", "verdict"),
    [(RIGHT, 0, "conforms"), (WRONG, 1, "fails"), ("import absent", 2, "inconclusive")],
    ids=["conforms", "fails", "inconclusive"],
)
def test_the_step_that_checks(runner, text, status, verdict):
    (runner.workspace / "sub").mkdir()
    (runner.workspace / "sub" / "my rnn.py").write_text(text)
    (runner.workspace / "sub" / "known.toml").write_text("")
    done, files = runner(
        "Check", target="my rnn.py", working_directory="sub", seed="3", profile="quick",
        expected_failures="known.toml", name="a report",
    )  # fmt: skip
    assert done.returncode == status, done.stdout + done.stderr
    assert files["GITHUB_OUTPUT"] == f"verdict={verdict}\n"
    assert files["GITHUB_STEP_SUMMARY"].startswith("## `my rnn.py` ")
    written = sorted(file.name for file in runner.temporary.iterdir())
    assert written == ["a report.html", "a report.json", "a report.sarif"]
    report = json.loads((runner.temporary / "a report.json").read_text())
    sarif = json.loads((runner.temporary / "a report.sarif").read_text())
    if status == 2:
        assert report["missing"] and "::error title=rnn-conformance::" in done.stdout
        return
    assert (report["seed"], report["verdict"]) == (3, verdict)
    results = sarif["runs"][0]["results"]
    assert bool(results) == (status == 1)
    for one in results:
        assert one["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "sub/my%20rnn.py"
    assert ("::error file=sub/my rnn.py,line=" in done.stdout) == (status == 1)


@pytest.mark.sample
def test_the_step_takes_a_baseline(runner):
    (runner.workspace / "mine.py").write_text(WRONG)
    (runner.workspace / "pyproject.toml").write_text("[tool.rnn-conformance]\nproperty = 'equivalence.steps'\n")
    assert runner("Check", target="mine.py", name="first")[0].returncode == 1
    done, files = runner("Check", target="mine.py", baseline=str(runner.temporary / "first.json"))
    assert done.returncode == 0 and "Compared with `" in files["GITHUB_STEP_SUMMARY"]


def test_what_is_asked_wrongly_fails_the_step_and_tells_nothing_else(runner):
    done, files = runner("Check", target="absent.py", profile="fast")
    assert done.returncode == 2 and files == {"GITHUB_OUTPUT": "", "GITHUB_STEP_SUMMARY": ""}
    assert "::error title=rnn-conformance::profile%3A" in done.stdout or "there is no profile 'fast'" in done.stdout


def test_an_input_is_never_a_command(runner):
    odd = "$(touch pwned) `touch pwned`; touch pwned --help"
    done, _ = runner("Check", target=odd, profile="quick")
    assert done.returncode == 2 and "neither a Python file nor a module" in done.stdout + done.stderr
    done, _ = runner("Check", target="--help")
    assert done.returncode == 2 and not list(runner.workspace.iterdir())


@pytest.mark.parametrize(("extras", "asked"), [("", str(ROOT)), ("torch,onnx", f"{ROOT}[torch,onnx]")])
def test_the_step_that_installs(runner, tmp_path, extras, asked):
    stub = tmp_path / "bin" / "python"
    stub.parent.mkdir()
    stub.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    stub.chmod(stub.stat().st_mode | stat.S_IXUSR)
    done, _ = runner("Install", path=str(stub.parent), extras=extras)
    assert done.stdout.splitlines() == ["-m", "pip", "install", asked]


def test_inputs_reach_scripts_through_the_environment_only():
    for step in ACTION["runs"]["steps"]:
        assert "${{" not in step.get("run", "")
    used = set(re.findall(r"inputs\.([a-z-]+)", (ROOT / "action.yml").read_text()))
    assert used == set(ACTION["inputs"])


def test_the_page_lists_the_inputs():
    first_cells = re.findall(r"^\| (`.*?) \|", (ROOT / "docs/in-ci.md").read_text(), re.MULTILINE)
    assert set(re.findall(r"`([a-z-]+)`", " ".join(first_cells))) == set(ACTION["inputs"])


def test_reports_are_kept_of_failures_too_and_forks_write_nowhere():
    assert "!cancelled()" in STEPS["Keep the reports"]["if"]
    condition = STEPS["Tell code scanning"]["if"]
    assert "!cancelled()" in condition and "head.repo.full_name == github.repository" in condition


@pytest.mark.sample
@pytest.mark.parametrize("file", SCHEMAS)
def test_ci_files_follow_their_schemas(file):
    command = [BIN / "check-jsonschema", "--builtin-schema", SCHEMAS[file], ROOT / file]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    if "workflows" in SCHEMAS[file]:
        assert YAML(typ="safe").load(ROOT / file)["permissions"]["contents"] == "read"


def test_the_hook_and_its_example_fit():
    (hook,) = YAML(typ="safe").load(ROOT / ".pre-commit-hooks.yaml")
    assert hook["pass_filenames"] is False and hook["entry"] == "rnn-conformance check"
    (repo,) = YAML(typ="safe").load(EXAMPLES / "pre-commit-config.yaml")["repos"]
    assert [one["id"] for one in repo["hooks"]] == [hook["id"]]


@pytest.mark.sample
def test_the_example_for_a_shell(tmp_path):
    (tmp_path / "my_rnn.py").write_text(WRONG)
    env = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(["sh", EXAMPLES / "check.sh"], cwd=tmp_path, env=env, capture_output=True, timeout=240)
    assert done.returncode == 1
    assert json.loads((tmp_path / "rnn-badge.json").read_text())["color"] == "red"


def test_no_address_is_invented():
    for file in ("action.yml", ".pre-commit-hooks.yaml", *(f"examples/ci/{file.name}" for file in EXAMPLES.iterdir())):
        for url in re.findall(r"https?://\S+", (ROOT / file).read_text()):
            assert "OWNER/rnn-conformance" in url, (file, url)


def test_ci_runs_the_second_command_of_the_readme():
    last = (ROOT / ".ci" / "run").read_text().splitlines()[-1]
    assert f"\n$ {last}\n" in (ROOT / "README.md").read_text()
