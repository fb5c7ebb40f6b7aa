"""Expected failures, and the page of many targets."""

import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import jsonschema
import pytest

from conformance.chapters import catalogue
from conformance.events import PropertyResult
from conformance.report import html
from conformance.trial.expectations import apply, read_expectations
from conformance.trial.property_names import Names

RNN = Path(sys.executable).with_name("rnn-conformance")
WRONG = Path(__file__).parent.parent / "targets" / "wrong"
SCHEMA = json.loads((Path(html.__file__).parent / "schemas" / "report.json").read_text())
KNOWN = '[[expected]]\nproperty = "equivalence.steps"\nreason = "it was never carried on"\n'
NAMED = """
[[expected]]
property = "equivalence"
mistake = "input-bias-dropped-tanh"
reason = "it comes later"
"""
FEW = ("--property", "equivalence.steps", "--property", "shapes.dtype", "-n", "1")


@pytest.fixture
def run(tmp_path, right):
    """Runs the command in a folder that holds right.py, and wrong.py with tanh made sin."""
    (tmp_path / "right.py").write_text(right)
    (tmp_path / "wrong.py").write_text(right.replace("np.tanh(", "np.sin("))

    def command(*words):
        return subprocess.run([RNN, *words], cwd=tmp_path, capture_output=True, text=True, timeout=240)

    return command


def test_what_is_expected_to_fail_conforms_with_exceptions(run, tmp_path):
    (tmp_path / "known.toml").write_text(KNOWN)
    done = run("check", "wrong.py", *FEW, "--expected-failures", "known.toml", "--json", "r.json", "--strict")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].startswith("wrong.py conforms (1 property held, 1 failed as expected, ")
    report = json.loads((tmp_path / "r.json").read_text())
    jsonschema.validate(report, SCHEMA)
    assert report["verdict"] == "conforms"
    (result,) = [result for result in report["results"] if result["status"] == "expected_failure"]
    assert result["id"] == "equivalence.steps" and result["message"].endswith("; expected: it was never carried on")
    assert "expected     equivalence.steps: " in done.stdout


def test_what_was_expected_to_fail_and_did_not_is_said(run, tmp_path):
    (tmp_path / "known.toml").write_text(KNOWN)
    words = ("check", "right.py", *FEW, "--expected-failures", "known.toml")
    done, strict = run(*words), run(*words, "--strict")
    said = "equivalence.steps was expected to fail and did not (it was never carried on)"
    assert done.returncode == 0 and f"note {said}" in " ".join(done.stdout.split())
    assert strict.returncode == 1 and said in " ".join(strict.stdout.split())


def test_an_expected_failure_may_name_its_mistake(run, right, tmp_path):
    one = right.replace(' + p["bias_ih_l0"]', "")
    (tmp_path / "one.py").write_text(one)
    (tmp_path / "two.py").write_text(one.replace("h[None].copy()", "output[0][None].copy()"))
    (tmp_path / "known.toml").write_text(NAMED)
    one, two = (run("check", name, "--expected-failures", "known.toml", "-v") for name in ("one.py", "two.py"))
    assert one.returncode == 1 and "  known: your numbers are those of the reference with this change" in one.stdout
    said = " ".join(two.stdout.split())
    assert two.returncode == 1 and two.stdout.index("  diagnosis: ") < two.stdout.index("  known: ")
    assert "expected equivalence.steps: b_ih is not added (tanh RNN); expected: it comes later" in said
    assert "which is not what was found" not in said
    (tmp_path / "known.toml").write_text(NAMED.replace("input-bias-dropped-tanh", "gates-ifog"))
    other = run("check", "two.py", "--expected-failures", "known.toml")
    said = "equivalence was expected to fail by gates-ifog, which is not what was found"
    assert other.returncode == 1 and said in " ".join(other.stdout.split()) and "  known: " not in other.stdout


def test_a_mistake_of_a_baseline_is_shown_last(run, right, tmp_path):
    one = right.replace(' + p["bias_ih_l0"]', "")
    (tmp_path / "one.py").write_text(one)
    (tmp_path / "two.py").write_text(one.replace("h[None].copy()", "output[0][None].copy()"))
    run("check", "one.py", "--json", "one.json", "--no-saved")
    done = run("check", "two.py", "--baseline", "one.json", "--json", "two.json", "--no-saved")
    report = json.loads((tmp_path / "two.json").read_text())
    jsonschema.validate(report, SCHEMA)
    new, known = report["diagnosis"]
    assert done.returncode == 1 and (new["expected"], known["expected"]) == ("", "baseline")
    status = {result["id"]: result["status"] for result in report["results"]}
    assert status["equivalence.steps"] == "expected_failure" and status["time.split"] == "failed"


EQUIVALENCE = [id for id in catalogue() if id.startswith("equivalence.")]


@pytest.mark.parametrize(
    ("entries", "failed", "left", "said"),
    [
        (["equivalence"], EQUIVALENCE[:2], [], []),
        (["equivalence"], [EQUIVALENCE[0], "shapes.dtype"], ["shapes.dtype"], []),
        (["equivalence"], [], [], ["equivalence was expected to fail and did not (sin)"]),
        (["equivalence", EQUIVALENCE[1]], EQUIVALENCE[1:2], [], []),
        (
            ["equivalence", EQUIVALENCE[1]],
            EQUIVALENCE[:1],
            [],
            [f"{EQUIVALENCE[1]} was expected to fail and did not (sin)"],
        ),
    ],
)
def test_of_a_chapter_that_is_expected_to_fail_one_must(tmp_path, entries, failed, left, said):
    known = tmp_path / "known.toml"
    known.write_text("".join(f'[[expected]]\nproperty = "{name}"\nreason = "sin"\n' for name in entries))
    results = [PropertyResult(id, "failed" if id in failed else "passed", "") for id in (*EQUIVALENCE, "shapes.dtype")]
    assert apply(read_expectations(known, Names(catalogue())), results) == said
    assert [result.id for result in results if result.status == "failed"] == left


@pytest.mark.parametrize("status", ["not_run", "inconclusive"])
def test_nothing_is_said_of_a_chapter_that_was_judged_in_part(tmp_path, status):
    known = tmp_path / "known.toml"
    known.write_text('[[expected]]\nproperty = "equivalence"\nreason = "sin"\n')
    results = [PropertyResult(id, "passed", "") for id in EQUIVALENCE]
    results[-1].status = status
    assert apply(read_expectations(known, Names(catalogue())), results) == []


@pytest.mark.sample
def test_a_chapter_can_be_expected(run, tmp_path):
    (tmp_path / "known.toml").write_text(KNOWN.replace(".steps", ""))
    words = ("--property", "equivalence", "--expected-failures", "known.toml", "--strict", "--no-diagnosis")
    done = run("check", "wrong.py", *words)
    assert done.returncode == 0 and "failed as expected" in done.stdout, done.stdout + done.stderr
    assert run("check", "right.py", *words).returncode == 1
    assert run("check", "right.py", *FEW, *words[2:]).returncode == 0  # what was left out may fail


def test_one_counterexample_can_be_expected(run, tmp_path):
    run("check", "wrong.py", *FEW, "--no-diagnosis")
    saved = ".rnn-conformance/wrong.py/equivalence.steps.json"
    (tmp_path / "known.toml").write_text(f'[[expected]]\ncounterexample = "{saved}"\nreason = "known"\n')
    assert run("check", "wrong.py", *FEW, "--expected-failures", "known.toml").returncode == 0
    shutil.rmtree(tmp_path / ".rnn-conformance" / "wrong.py")
    assert "cannot" in run("check", "wrong.py", *FEW, "--expected-failures", "gone.toml").stderr


@pytest.mark.sample
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[expected]]\nproperty = 'equivalence.steps'", "known.toml, entry 1: a reason is required"),
        (
            "[[expected]]\nproperty = 'equivalence.stepz'\nreason = 'x'",
            "entry 1: there is no property 'equivalence.stepz'",
        ),
        ("[[expected]]\nreason = 'x'", "entry 1: must have either property or counterexample"),
        ("[[expected]]\ncounterexample = 'gone.json'\nreason = 'x'", "entry 1: gone.json: No such file or directory"),
        ("[[expected]]\nprop = 'x'\nreason = 'x'", "known.toml, entry 1: unknown key 'prop'; the keys are property"),
        ("[[expected]\n", "known.toml cannot be read"),
        ("wrong = 1", "known.toml must hold [[expected]] tables and nothing else"),
    ],
)
def test_what_is_not_understood_is_one_line_and_status_2(run, tmp_path, text, words):
    (tmp_path / "known.toml").write_text(text)
    done = run("check", "right.py", *FEW, "--expected-failures", "known.toml")
    assert done.returncode == 2 and words in done.stderr and done.stderr.count("\n") == 1


class Page(HTMLParser):
    """What is in a page: its rows by text, its ids and links, and the scripts it would need."""

    def __init__(self, text):
        super().__init__()
        self.ids, self.links, self.scripts, self.open, self.texts = set(), [], 0, [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.ids |= {attributes["id"]} if "id" in attributes else set()
        self.links += [attributes[name] for name in ("href", "src") if name in attributes]
        self.scripts += tag == "script"
        if tag not in ("meta", "br", "link", "wbr"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


@pytest.mark.sample
def test_the_matrix_is_one_page_that_needs_nothing_else(run, tmp_path):
    (tmp_path / "students").mkdir()
    for name in ("right.py", "wrong.py"):
        shutil.copy(tmp_path / name, tmp_path / "students" / name)
    done = run("matrix", "students", "no_such_package", *FEW, "--html", "all.html", "--json", "all.json")
    assert done.returncode == 1, done.stdout + done.stderr
    text = (tmp_path / "all.html").read_text()
    page = Page(text)
    assert not page.open and not page.scripts
    assert all((link.startswith("#") and link[1:] in page.ids) or link.startswith("https://") for link in page.links)
    words = " ".join(page.texts)
    assert "right.py" in words and "does not conform" in words and "case('RNN_TANH'" in words
    assert "there is no file and no module 'no_such_package'" in words
    assert re.search(r"students/ *wrong.py.*does not conform *✗ *fails", " ".join(words.split()))
    assert 'name="viewport"' in text and 'scope="row"' in text
    data = json.loads((tmp_path / "all.json").read_text())
    assert [report["verdict"] for report in data["reports"]] == ["conforms", "fails"]
    assert [report["cells"] for report in data["reports"]] == [{"RNN_TANH": "passed"}, {"RNN_TANH": "failed"}]
    assert list(data["missing"]) == ["no_such_package"]
    for report in data["reports"]:
        jsonschema.validate(report, SCHEMA)


def test_all_that_conforms_is_status_0_and_a_missing_one_is_never_passed(run):
    assert run("matrix", "right.py", *FEW).returncode == 0
    assert run("matrix", "right.py", "no_such_package", *FEW).returncode == 2


def test_an_empty_folder_is_said(run, tmp_path):
    (tmp_path / "empty").mkdir()
    done = run("matrix", "empty")
    assert done.returncode == 2 and "'empty' has no Python files" in done.stderr


@pytest.mark.sample
def test_check_writes_the_same_page_with_a_map_of_the_errors(run, tmp_path):
    run("check", "wrong.py", *FEW, "--html", "one.html")
    text = (tmp_path / "one.html").read_text()
    assert "Where the output is wrong" in text and 'class="grid"' in text
    assert re.search(r'<td class="e[1-9]( first)?">', text)


def test_what_a_target_says_is_text_and_nothing_else(run, tmp_path, right):
    (tmp_path / "evil.py").write_text(right + "\nprint('<script>alert(1)</script>')\n")
    run("check", "evil.py", *FEW, "--html", "evil.html")
    text = (tmp_path / "evil.html").read_text()
    assert "<script" not in text and "&lt;script&gt;alert(1)" in text


def test_the_darker_the_wronger():
    assert [html.shade(value) for value in (0.5, 1.0, 3.0, 1e3, 1e30, None)] == [0, 0, 1, 4, 9, 9]
