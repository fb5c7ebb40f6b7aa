"""The page of packages says what was measured, of every target that comes with the kit."""

import importlib
import json
import sys
from pathlib import Path

import pytest

import conformance
from conformance.report.report_set import ReportSet, Unjudged

sys.path.insert(0, str(Path(__file__).parent.parent / "docs"))  # where its scripts find each other
packages = importlib.import_module("packages")
MEASURED = json.loads(packages.MEASURED.read_text())


def test_the_page_is_up_to_date():
    assert packages.PAGE.read_text() == packages.page(MEASURED)


def test_every_target_has_a_row_or_is_said_to_have_none():
    page = packages.PAGE.read_text()
    for name in packages.PACKAGES:
        assert f"\n| {name} | " in page or name in page.rpartition("Not asked: ")[2]
    assert len(MEASURED) > 40


@pytest.mark.parametrize("name", MEASURED)
def test_a_row_holds_together(name):
    row = MEASURED[name]
    if "held" not in row:
        assert row["verdict"] == "inconclusive" and row["reasons"]
        return
    assert row["versions"]
    assert (row["verdict"] == "fails") == bool(row["failed"])
    assert row["held"] or row["verdict"] != "conforms"


def test_what_is_kept_of_a_matrix_is_what_its_reports_say(tmp_path):
    (tmp_path / "wrong.py").write_text(
        "import numpy as np\n\n\ndef forward(case):\n    return np.zeros((*case.x.shape[:2], 3)), case.h_0\n"
    )
    report = conformance.check(tmp_path / "wrong.py", properties=["shapes.shapes", "time"], saved=False)
    report.target = "torch-cells"
    rows = packages.rows_of(json.loads(ReportSet([report, Unjudged("keras", "keras is | not there")]).all_to_json()))
    row = rows["torch-cells"]
    assert row["failed"] == [result.id for result in report.results if result.status == "failed"] != []
    assert row["verdict"] == "fails" and "torch" in row["versions"]
    lines = packages.page(rows).splitlines()
    assert "Of 2 targets 1 do not conform, 1 could not be judged." in lines
    assert "| keras | could not be judged |  | keras is / not there |  |" in lines
    assert any(line.startswith("Not asked: torch, ") for line in lines)
