"""The page of findings and the reports say what saved cases and measurements say; the cases are reproduced where
their packages are installed.
"""

import ast
import importlib
import json
import re
import sys
from datetime import date
from importlib import metadata
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import jsonschema
import numpy as np
import pytest

from conformance.harness.load import SHIPPED
from conformance.report import html
from conformance.trial.counterexamples import load

HOME = Path(__file__).parent.parent
DOCS = HOME / "docs"
sys.path.insert(0, str(DOCS))  # where its scripts find each other
findings, history = map(importlib.import_module, ("findings", "history"))

FINDINGS = history.FINDINGS
IDS = [finding["file"] for finding in FINDINGS]
SMALL = 8  # numbers that are not 0, in a case that a person can follow
SCHEMA = json.loads((Path(html.__file__).parent / "schemas" / "counterexample.json").read_text())
FILES = sorted((DOCS / "findings").rglob("*.json"))


def test_the_page_is_up_to_date():
    assert findings.PAGE.read_text() == findings.page(FINDINGS)


def test_every_finding_has_its_parts():
    assert {finding["kind"] for finding in FINDINGS} == set(findings.KINDS) == set(findings.AGAINST)
    for finding in FINDINGS:
        assert all(finding[key] for key in ("title", "package", "version", "says", "target"))
        assert finding["source"].startswith("https://")
        adapter = finding.get("adapter")
        assert adapter is None or (adapter in SHIPPED and finding["target"].startswith("findings/"))


def test_every_case_belongs_to_a_finding():
    assert {DOCS / "findings" / finding["file"] for finding in FINDINGS} == set(FILES)


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_every_case_follows_the_schema_and_knows_no_machine(file):
    data = json.loads(file.read_text())
    jsonschema.validate(data, SCHEMA)
    assert not data["target"].startswith("/") and " /" not in data["message"] and "(/" not in data["message"]


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_every_case_is_small(file):
    found = load(file)
    for case in (found.case, *(call.case for call in found.calls)):
        assert sum(np.count_nonzero(array) for _, array in case.arrays()) <= SMALL


# ---------------------------------------------------------------- reports


@pytest.mark.parametrize("finding", FINDINGS, ids=IDS)
def test_every_report_is_up_to_date_and_knows_no_machine(finding):
    text = findings.report_of(finding).read_text()
    assert text == findings.report(finding)
    assert not any(place in text for place in (str(HOME), sys.prefix, str(Path.home()), "/tmp/"))


def test_every_report_belongs_to_a_finding():
    assert set((DOCS / "findings").rglob("*.md")) == set(map(findings.report_of, FINDINGS))


@pytest.mark.parametrize("finding", FINDINGS, ids=IDS)
def test_every_report_has_what_shows_the_finding(finding):
    """Python that stands alone, or lines for a command; where a file of ours calls the package, how it is replayed."""
    text = findings.report(finding)
    if finding["target"].endswith(".py") and "adapter" not in finding:
        assert f"rnn-conformance replay findings/{finding['file']} {finding['target']}\n" in text
        return
    if finding["target"].startswith("cmd:"):
        assert '{"do":"start"}' in text and '{"do":"forward"' in text
        return
    (script,) = (part.partition("```")[0] for part in text.split("```python\n")[1:])
    imported = {node.module for node in ast.walk(ast.parse(script)) if isinstance(node, ast.ImportFrom)}
    assert not any(name.startswith(("conformance", "reference_rnn", "strategies")) for name in imported)
    assert "sys.exit(bool(fails))" in script


# ---------------------------------------------------------------- earlier releases


def test_what_is_measured_is_what_was_planned():
    rows = [(row["name"], row["version"], row["finding"]) for row in history.rows()]
    assert rows == [
        (plan["name"], release["version"], finding["file"])
        for plan in history.PLAN
        for release in plan["releases"]
        for _, finding in history.titles(plan)
    ]
    assert history.MEASURED.read_text() == history.document(history.rows())


def test_every_measurement_says_what_was_seen():
    for row in history.rows():
        assert row["result"] in findings.MARKS
        assert row["said"] and not any(sign + "/" in row["said"] for sign in " '("), row


@pytest.mark.parametrize("plan", history.PLAN, ids=lambda plan: plan["name"])
def test_every_plan_has_its_parts(plan):
    assert plan["page"].startswith("https://")
    assert set(plan["packages"]) <= {finding["package"] for finding in FINDINGS}
    days = [release["date"] for release in plan["releases"]]
    assert len(days) >= 3 and all(one < other for one, other in pairwise(days))


@pytest.mark.parametrize("plan", history.PLAN, ids=lambda plan: plan["name"])
def test_the_release_of_a_finding_has_it(plan):
    for _, finding in history.titles(plan):
        assert history.results_of(finding)[finding["version"]] == history.PRESENT


@pytest.mark.parametrize(
    ("results", "words"),
    [
        ("pp", "in all from 0 to 1"),
        ("upup", "in all from 1 to 3"),
        ("up", "in 1"),
        ("ap", "since 1"),
        ("uap", "since 2"),
        ("pua", "since 0, mended in 2"),
        ("pap", "since 0, mended in 1, since 2"),
        ("au", "in none of them"),
        ("uu", ""),
    ],
)
def test_history_in_words(results, words):
    letters = {"p": history.PRESENT, "a": history.ABSENT, "u": history.UNKNOWN}
    assert findings.in_words({str(at): letters[letter] for at, letter in enumerate(results)}) == words


@pytest.mark.parametrize(
    ("needs", "words"),
    [
        ("then", [["--uploaded-prior-to", "2024-02-01", "p==1", "numpy", "q"]]),
        ("now", [["p==1", "numpy", "q"]]),
        ("beside", [["numpy", "q"], ["--no-deps", "p==1"]]),
    ],
)
def test_what_is_installed_with_a_release(needs, words):
    plan, release = {"name": "p", "beside": ["q"], "needs": needs}, {"version": "1", "date": date(2024, 1, 30)}
    assert list(history.wanted(plan, release)) == words


def test_what_cannot_be_installed_leaves_nothing(monkeypatch, tmp_path):
    plan, release = {"name": "p", "beside": [], "needs": "now"}, {"version": "1", "date": date(2024, 1, 30)}
    monkeypatch.setattr(history, "PIP", (sys.executable, "-c", "raise SystemExit('ERROR: no p')"))
    with pytest.raises(history.NotInstalled, match=r"^pip: no p$"):
        history.installed(tmp_path / "there", plan, release)
    assert not (tmp_path / "there").exists()


@pytest.mark.parametrize(
    ("target", "result"),
    [("right/plain.py", "absent"), ("wrong/ignores_lengths.py", "present"), ("wrong/crashes.py", "unknown")],
)
def test_a_release_is_judged_by_its_failure_and_by_a_plain_case(target, result, monkeypatch):
    monkeypatch.chdir(HOME)
    finding = {"file": "onnx-reference/lengths.padded_row_is_row_alone.json", "target": f"tests/targets/{target}"}
    assert history.judged(sys.executable, finding)[0] == result


def test_the_picture_has_a_mark_for_every_measurement():
    """And three that say what they mean."""
    drawn = ElementTree.fromstring((DOCS / "pictures" / "releases.svg").read_text())
    circles = drawn.findall(".//{http://www.w3.org/2000/svg}circle")
    known = [row for row in history.rows() if row["result"] != history.UNKNOWN]
    assert len(circles) == len(known) + 2
    words = {text.text for text in drawn.findall(".//{http://www.w3.org/2000/svg}text")}
    assert {title for plan in history.PLAN for title, _ in history.titles(plan)} <= words


# ---------------------------------------------------------------- with the packages


@pytest.mark.parametrize("finding", FINDINGS, ids=IDS)
def test_every_finding_is_reproduced_by_its_version(finding, monkeypatch, tmp_path):
    package = finding["package"].split()[0]
    if not package.startswith("@") and installed(package) != finding["version"]:
        pytest.skip(f"{package} {finding['version']} is not installed")
    monkeypatch.chdir(DOCS)
    copy = tmp_path / "findings" / finding["file"]
    copy.parent.mkdir(parents=True)
    copy.write_text((DOCS / "findings" / finding["file"]).read_text())
    monkeypatch.setattr(findings, "HOME", tmp_path)
    said = findings.again(finding)
    if said.startswith("not judged"):
        pytest.skip(said)
    assert said == "reproduced"


def installed(package):
    """The version of a package, without what its build adds; None where it is missing."""
    try:
        return metadata.version(package).partition("+")[0]
    except metadata.PackageNotFoundError:
        return None


def test_the_figures_of_the_first_page_are_those_of_the_pages_that_it_names():
    first, strong = ((DOCS / name).read_text() for name in ("index.md", "how-strong.md"))
    defects = [finding for finding in FINDINGS if finding["kind"] == "defect"]
    packages = {finding["package"] for finding in defects}
    assert f"{len(defects)} defects in {len(packages)} released packages" in " ".join(first.split())
    found, tried = re.search(r"\| 100 \| (\d+) \| \d+ \| \d+ \| (\d+) \|", strong).groups()
    assert f"{found} of {tried} mistakes by people" in first
    section = strong.partition("## False alarms")[2].partition("\n## ")[0]
    sized, odd = (int(number.replace(",", "")) for number in re.findall(r"\b\d{3},\d{3}\b", section))
    readme = (DOCS.parent / "README.md").read_text()
    assert all(f"{sized + odd:,} cases of correct code" in text for text in (first, readme))
