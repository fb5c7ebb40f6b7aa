"""The page of findings says what the saved cases say, and they are reproduced where their packages are installed."""

import importlib.util
import json
import tomllib
from importlib import metadata
from pathlib import Path

import jsonschema
import pytest

from conformance.report import html

DOCS = Path(__file__).parent.parent / "docs"
FINDINGS = tomllib.loads((DOCS / "findings.toml").read_text())["finding"]
SCHEMA = json.loads((Path(html.__file__).parent / "schemas" / "counterexample.json").read_text())
FILES = sorted((DOCS / "findings").rglob("*.json"))


@pytest.fixture
def script():
    """docs/findings.py as a module."""
    spec = importlib.util.spec_from_file_location("findings", DOCS / "findings.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_up_to_date(script):
    assert script.PAGE.read_text() == script.page(FINDINGS)


def test_every_finding_has_its_parts(script):
    assert {finding["kind"] for finding in FINDINGS} == set(script.KINDS)
    for finding in FINDINGS:
        assert all(finding[key] for key in ("title", "package", "version", "says", "target"))
        assert finding["source"].startswith("https://")


def test_every_case_belongs_to_a_finding():
    assert {DOCS / "findings" / finding["file"] for finding in FINDINGS} == set(FILES)


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_every_case_follows_the_schema_and_knows_no_machine(file):
    data = json.loads(file.read_text())
    jsonschema.validate(data, SCHEMA)
    assert not data["target"].startswith("/") and " /" not in data["message"] and "(/" not in data["message"]


@pytest.mark.parametrize("finding", FINDINGS, ids=lambda finding: finding["file"])
def test_every_finding_is_reproduced_by_its_version(script, finding, monkeypatch, tmp_path):
    package = finding["package"].split()[0]
    if not package.startswith("@") and installed(package) != finding["version"]:
        pytest.skip(f"{package} {finding['version']} is not installed")
    monkeypatch.chdir(DOCS)
    copy = tmp_path / "findings" / finding["file"]
    copy.parent.mkdir(parents=True)
    copy.write_text((DOCS / "findings" / finding["file"]).read_text())
    monkeypatch.setattr(script, "HOME", tmp_path)
    said = script.again(finding)
    if said.startswith("not judged"):
        pytest.skip(said)
    assert said == "reproduced"


def installed(package):
    """The version of a package, without what its build adds; None where it is missing."""
    try:
        return metadata.version(package).partition("+")[0]
    except metadata.PackageNotFoundError:
        return None
