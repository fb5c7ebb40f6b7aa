"""The pages as people see them: in a browser, at two widths, light and dark, with the longest names and many rows."""

import json
import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from conformance import check
from conformance.report import html
from conformance.report.report_set import ReportSet, Unjudged
from reference_rnn import CELLS

BROWSER = Path(__file__).parents[1] / "browser"
TARGETS = Path(__file__).parents[1] / "targets"
LOOK = (shutil.which("node"), BROWSER / "look.js", shutil.which("chromium"))
HERE = all(LOOK) and (BROWSER / "node_modules" / "axe-core").is_dir()
LONG = "students/a_very_long_name_of_a_file_that_somebody_gave_it_in_a_hurry.py:TheClassWithTheLongestNameOfAllOfThem"
# Continuous integration has what is needed, and says so if it has not.
in_a_browser = pytest.mark.skipif(
    not HERE and not os.environ.get("BROWSER_REQUIRED"), reason="no Chromium, Node and tests/browser here"
)


@pytest.fixture(scope="module")
def reports():
    """What is known of a right and of two wrong targets."""
    files = ("right/plain.py", "wrong/reads_forward_twice.py", "wrong/trailing_axis.py")
    return [
        check(
            str(TARGETS / file), properties=("equivalence.steps", "equivalence.delay_line", "lengths"), in_process=True
        )
        for file in files
    ]


def page(entries):
    """The page of some reports, and of what could not be judged."""
    return html.page(ReportSet(list(entries)))


def seen(text, tmp_path):
    """What a browser shows at each width and in each scheme of colours."""
    (tmp_path / "page.html").write_text(text)
    done = subprocess.run([*map(str, LOOK), tmp_path / "page.html"], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert {(view["width"], view["colorScheme"]) for view in found} == {
        (width, scheme) for width in (1280, 390) for scheme in ("light", "dark")
    }
    return found


@in_a_browser
def test_a_browser_has_nothing_to_complain_about(reports, tmp_path):
    many = [replace(reports[number % 3], target=f"students/s{number:02}.py") for number in range(50)]
    many[7] = replace(many[7], target=LONG)
    many[3:3] = [Unjudged("no_such_package", "there is no file and no module " + "no_such_package" * 20)]
    many.append(Unjudged(LONG, LONG))
    for view in [*seen(page(many), tmp_path), *seen(page(reports[1:2]), tmp_path)]:
        assert view["scrollWidth"] == view["clientWidth"] and view["violations"] == [], view


@in_a_browser
def test_a_browser_complains_where_there_is_something_to_complain_about(reports, tmp_path):
    text = page(reports)
    wide = text.replace("</main>", "<p style='width: 90rem'>wide</p></main>")
    assert all(view["scrollWidth"] > view["clientWidth"] for view in seen(wide, tmp_path))
    faint = text.replace("--soft: #55555c", "--soft: #ccccdd")
    assert {
        view["colorScheme"]: any("color-contrast" in violation for violation in view["violations"])
        for view in seen(faint, tmp_path)
    } == {"light": True, "dark": False}


def test_one_target_has_no_table_of_targets(reports):
    text = page(reports[1:2])
    assert "Verdicts by target" not in text and "reads_forward_twice.py does not conform</h1>" in text
    assert "Verdicts by target" in page(reports)
    assert "Verdicts by target" in page([reports[0], Unjudged("absent", "there is no such file")])


def test_the_mistake_stands_before_everything_else(reports):
    text = page(reports[1:2])
    marks = [
        "does not conform</h1>",
        "both directions read the input forwards",
        "Where the output is wrong",
        "Properties",
    ]
    assert sorted(marks, key=text.index) == marks


def test_the_first_wrong_number_is_marked(reports):
    error_map = reports[1].error_map
    step, unit = error_map["first"]
    assert error_map["shares"][step][unit] > 1 and unit == 1 and step == len(error_map["shares"]) - 1
    assert error_map["given"][step][unit] != error_map["right"][step][unit]
    assert error_map["given"][step][0] == pytest.approx(error_map["right"][step][0], rel=1e-5)
    text = page(reports[1:2])
    assert text.count("(the first wrong number)") == 1 and text.count(' first"') == 1
    assert f"{error_map['given'][step][unit]:.4g}" in text and f"{error_map['right'][step][unit]:.4g}" in text


def test_what_nobody_claims_is_folded(reports):
    columns = html.Columns.of(reports)
    assert columns.cells == ["RNN_TANH", "RNN_RELU"] and columns.chapters == ["equivalence", "lengths"]
    assert columns.unclaimed == [cell for cell in CELLS if cell not in columns.cells]
    alone = html.Columns.of(reports[1:2])
    assert "lengths" in alone.unclaimed and "Nobody claims" in page(reports)


def test_what_holds_and_what_is_not_claimed_is_folded_by_chapter(reports):
    report = reports[1]
    found = list(html.by_chapter(report))
    assert ("not_claimed", "lengths") in [(status, chapter) for status, chapter, _ in found]
    listed = [result.id for _, _, results in found for result in results]
    assert sorted(listed) == sorted(r.id for r in report.results if r.status in ("passed", "not_claimed", "not_run"))
    lengths = [result.id for result in report.results if result.id.startswith("lengths.")]
    assert f"lengths: {len(lengths)} properties</summary>" in page([report])


def test_names_break_behind_separators_only():
    assert html.breakable("a/long_name.py:Some-Thing") == "a/<wbr>long_<wbr>name.py:<wbr>Some-<wbr>Thing"
    assert html.breakable("<b>_x") == "&lt;b&gt;_<wbr>x"


def test_claims_at_their_default_are_left_out(reports):
    assert html.claims(reports[1]) == "cells: RNN_TANH; dtypes: float32; bidirectional; one layer"
