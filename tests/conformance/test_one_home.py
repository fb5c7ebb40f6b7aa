"""Names that stand in several places are those of their one home."""

import json
import os
import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner

import conformance
from conformance.chapters import catalogue
from conformance.cli import cli
from conformance.events import STATUSES
from conformance.harness.load import SHIPPED
from conformance.trial.options import PROFILES
from conformance.trial.verdict import STATUS

ROOT = Path(conformance.__file__).parent
SCHEMA = json.loads((ROOT / "report" / "schemas" / "report.json").read_text())
PACKAGES = (ROOT.parent / "docs" / "your-implementation.md").read_text()


def test_the_schema_of_reports():
    assert SCHEMA["properties"]["verdict"]["enum"] == list(STATUS)
    assert SCHEMA["properties"]["profile"]["enum"] == list(PROFILES)
    assert SCHEMA["$defs"]["result"]["properties"]["status"]["enum"] == list(STATUSES)


def test_the_help_of_check():
    said = " ".join(CliRunner().invoke(cli, ["check", "--help"]).output.split()).replace("- ", "-")  # lines end there
    assert f"a shipped name ({', '.join(SHIPPED)})" in said
    assert f"How much to run: {', '.join(PROFILES)}." in said


def test_the_table_of_packages():
    for name in SHIPPED:
        assert f"`{name}`" in PACKAGES, name


def test_statements_outlive_an_interpreter_without_docstrings():
    code = "from conformance.chapters import catalogue; print(*(p.statement for p in catalogue().values()), sep='\\n')"
    usual, bare = (
        subprocess.run([sys.executable, *flags, "-c", code], capture_output=True, text=True, timeout=60).stdout
        for flags in ([], ["-OO"])
    )
    assert usual == bare and len(usual.splitlines()) == len(catalogue())


def test_a_target_under_safe_path(tmp_path, right):
    (tmp_path / "helper.py").write_text("ONE = 1\n")
    (tmp_path / "mine.py").write_text(f"import fractions\nimport helper\n{right}")
    command = [sys.executable, "-m", "conformance", "check", "mine.py", "--property", "shapes.shapes"]
    environment = {**os.environ, "PYTHONSAFEPATH": "1"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
