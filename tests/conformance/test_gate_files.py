"""What a gate reads: the summary of a job, SARIF, a badge, annotations; and where they point."""

import json
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

import conformance
from conformance.cli import cli
from conformance.events import Finding, PropertyResult
from conformance.report import badge, github, junit, markdown, report_files, sarif
from conformance.report.report_set import ReportSet, Unjudged
from conformance.trial.options import Options
from conformance.trial.source_location import SourcePlace, place_of
from conformance.trial.verdict import Report

TWICE = Path(__file__).parent.parent / "targets" / "wrong" / "reads_forward_twice.py"
HOSTILE = "it said ```` | <script> @you [a](http://b) ::error::x %0A `one` {0}"


def told(*results, verdict="fails", **others):
    """A report with these results."""
    report = Report("a.py", verdict, conformance.Capabilities().as_dict(), "quick", 0, list(results), {}, **others)
    return ReportSet([report])


def failure(message="wrong", id="equivalence.steps", **others):
    """A result that failed."""
    return PropertyResult(id, "failed", "All is right.", 3, message=message, counterexample="case()", **others)


@pytest.fixture
def wrong(right):
    """A file with a wrong target."""
    Path("mine.py").write_text(right.replace("h @ p", "case.h_0[0] @ p"))
    return "mine.py"


@pytest.mark.sample
def test_all_files_of_a_wrong_target(capsys):
    Path("twice.py").write_text(TWICE.read_text())
    words = ["--summary", "s.md", "--sarif", "s.sarif", "--badge", "b.json", "--html", "p.html", "--json", "r.json"]
    asked = ["--property", "equivalence.steps", "--property", "time.split"]
    assert cli.main(["check", "twice.py", "--no-saved", "-n", "1", *asked, *words], standalone_mode=False) == 1
    capsys.readouterr()
    markdown = Path("s.md").read_text()
    assert markdown.startswith("## `twice.py` does not conform\n\n1 of 2 properties failed, ")
    assert "`both directions read the input forwards`\n\n```diff\n-for t in reversed(steps)" in markdown
    assert "### `equivalence.steps`" in markdown and "smallest case: case('RNN_TANH', T=2" in markdown
    assert re.search(
        r"\| chapter \| held \| judged \| cases \|\n\|---\|---:\|---:\|---:\|\n\| equivalence \| 0 \| 1 \|", markdown
    )
    (run,) = json.loads(Path("s.sarif").read_text())["runs"]
    (result,) = run["results"]
    line = next(n for n, text in enumerate(TWICE.read_text().splitlines(), 1) if text.startswith("def forward"))
    assert result["locations"][0]["physicalLocation"] == {
        "artifactLocation": {"uri": "twice.py"},
        "region": {"startLine": line},
    }
    assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"] == "equivalence.steps"
    assert "both directions read the input forwards\n  -for t in" in result["message"]["text"]
    assert json.loads(Path("b.json").read_text())["message"] == "does not conform"
    annotation = next(github.workflow_commands(conformance.check("twice.py", properties=asked[1::2], saved=False)))
    assert annotation.startswith(f"::error file=twice.py,line={line},title=twice.py%3A equivalence.steps::output[1, 0,")
    assert "both directions read the input forwards%0A  -for t in" in annotation and "\n" not in annotation


def test_the_files_are_the_same_for_all_faces(wrong):
    ids = ["equivalence.steps", "shapes.dtype"]
    names = {"summary": "s.md", "sarif": "s.sarif", "badge": "b.json"}
    report = conformance.check(wrong, properties=ids, saved=False, in_process=False, **names)
    by_python = {name: Path(file).read_text() for name, file in names.items()}
    words = [f"--rnn-{name}={file}" for name, file in names.items()]
    words += ["--rnn", wrong, "--rnn-no-saved", *(f"--rnn-property={id}" for id in ids)]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--pyargs", "conformance", *words]
    assert subprocess.run(command, capture_output=True, timeout=120).returncode == report.status == 1
    assert {name: Path(file).read_text() for name, file in names.items()} == by_python


@pytest.mark.parametrize(
    ("results", "verdict", "message", "color"),
    [
        ([PropertyResult("a.a", "passed")], "conforms", "conforms", "brightgreen"),
        ([PropertyResult("a.a", "expected_failure")], "conforms", "conforms, 1 known failure", "green"),
        ([failure()], "fails", "does not conform", "red"),
        ([], "inconclusive", "could not be judged", "lightgrey"),
    ],
)
def test_badges(results, verdict, message, color):
    assert json.loads(badge.document(told(*results, verdict=verdict))) == {
        "schemaVersion": 1, "label": "rnn-conformance", "message": message, "color": color,
    }  # fmt: skip


def test_junit_counts_what_it_holds():
    statuses = ("passed", "failed", "inconclusive", "not_claimed", "not_run", "expected_failure")
    results = [PropertyResult(f"a.{status}", status, message=status) for status in statuses]
    (suite,) = ElementTree.fromstring(junit.document(told(*results)).partition("\n")[2])
    elements = {"tests": "testcase", "failures": "failure", "skipped": "skipped"}
    assert {name: int(suite.get(name)) for name in elements} == {
        name: len(list(suite.iter(element))) for name, element in elements.items()
    }
    assert "a.not_claimed" not in [case.get("name") for case in suite.iter("testcase")]
    given = {given.get("name"): given.get("value") for given in suite.iter("property")}
    assert given == {"not_claimed": "1", "not_claimed.ids": "a.not_claimed"}


def test_several_targets_in_one_file():
    reports = [*told(failure()).reports, *told(verdict="conforms").reports]
    both = ReportSet([*reports, Unjudged("c.py", "it is gone")])
    assert json.loads(badge.document(both))["message"] == "1 of 3 conform"
    assert "## `c.py` could not be judged\n\n```text\nit is gone\n```" in markdown.document(both)
    run = json.loads(sarif.document(both))["runs"][0]
    assert run["invocations"][0]["toolExecutionNotifications"][-1]["message"]["text"].startswith("c.py could not")
    assert [len(json.loads(both.to_json())[name]) for name in ("reports", "missing")] == [2, 1]
    assert '<error message="it is gone"' in junit.document(both)
    assert both.verdict == "fails"


def test_what_a_target_says_is_code_in_a_summary():
    found = Finding("x", HOSTILE, "-" + HOSTILE, 1, 1, seen=["http://a"])
    text = markdown.document(
        told(failure(HOSTILE), diagnosis=[found], notes=[HOSTILE], known=[HOSTILE], reasons=[HOSTILE])
    )
    outside, fence = [], None
    for line in text.splitlines():
        run = re.match("`{3,}", line)
        if fence is None and run:
            fence = run[0]
        elif fence is not None and line == fence:
            fence = None
        elif fence is None:
            outside.append(re.sub(r"(?<!`)(`+)(?!`).*?(?<!`)\1(?!`)", "", line))
    assert fence is None
    assert not any(word in "\n".join(outside) for word in ("script>", "@you", "http://b", "::error"))


def test_what_a_target_says_is_no_command_and_no_link():
    report = told(failure("a\n::error::b%\r")).reports[0]
    (line,) = github.workflow_commands(report)
    assert line == "::error title=a.py%3A equivalence.steps::a%0A\\x3a:error::b%25%0Acase()"
    report.place = SourcePlace(Path("/r/a,b:\n.py"), 3)
    (line,) = github.workflow_commands(report)
    assert line.startswith("::error file=/r/a%2Cb%3A%0A.py,line=3,title=")
    message = json.loads(sarif.document(told(failure(HOSTILE))))["runs"][0]["results"][0]["message"]["text"]
    assert "](" not in message


def test_a_summary_is_no_larger_than_github_takes():
    many = [failure(f"{n} " + "x" * 1000, f"a.a{n}") for n in range(300)]
    for one in many:
        one.counterexample = "\n".join("y" * 5000 for _ in range(20))
    text = markdown.document(told(*many, notes=["z" * 300] * 60))
    assert len(text.encode()) < 2**20 and "`a.a299`" in text


def test_annotations_group_what_is_said_in_the_same_words():
    report = told(failure("same"), failure("same", "time.split"), failure("other", "a.b")).reports[0]
    titles = [line.partition("::a")[0] for line in github.workflow_commands(report)]
    assert len(titles) == 2 and "equivalence.steps%2C time.split" in titles[0]


def of_one_mistake():
    """A report of two failures that a mistake explains, and of one that it does not."""
    results = failure("far", "time.split"), failure("near"), failure("other", "shapes.dtype")
    found = Finding("rows-by-time", "rows are taken for steps", "-a\n+b", 3, 3)
    return told(*results, diagnosis=[found], explained=["equivalence.steps", "time.split"])


def test_each_case_of_junit_has_the_diagnosis():
    failures = list(ElementTree.fromstring(junit.document(of_one_mistake()).partition("\n")[2]).iter("failure"))
    assert len(failures) == 3
    assert all("rows are taken for steps\n  -a\n  +b" in failure.text for failure in failures)


def test_a_mistake_is_one_result_of_sarif_with_what_else_fails_by_it():
    one, other = json.loads(sarif.document(of_one_mistake()))["runs"][0]["results"]
    assert (one["ruleId"], other["ruleId"]) == ("equivalence.steps", "shapes.dtype")
    assert [place["message"]["text"] for place in one["relatedLocations"]] == ["time.split: far"]
    assert "relatedLocations" not in other
    assert one["partialFingerprints"].keys() == {"targetAndProperty/v1", "mistake/v1"}
    assert other["partialFingerprints"].keys() == {"targetAndProperty/v1"}
    told_otherwise = of_one_mistake()
    told_otherwise.reports[0].results.reverse()
    told_otherwise.reports[0].results[1].id = "equivalence.sizes"  # another property speaks for the same mistake
    told_otherwise.reports[0].explained = ["time.split", "equivalence.sizes"]
    results = json.loads(sarif.document(told_otherwise))["runs"][0]["results"]
    (again,) = (result for result in results if "relatedLocations" in result)
    assert again["partialFingerprints"]["mistake/v1"] == one["partialFingerprints"]["mistake/v1"]
    assert again["partialFingerprints"]["targetAndProperty/v1"] != one["partialFingerprints"]["targetAndProperty/v1"]


def test_a_mistake_is_one_annotation():
    one, other = github.workflow_commands(of_one_mistake().reports[0])
    assert "title=a.py%3A equivalence.steps::near" in one and one.endswith("explains why these fail too: time.split")
    assert "explains" not in other


def test_places(monkeypatch):
    Path("mine.py").write_text("import os\n\n\n@dec\ndef forward(case): ...\n\n\nclass Net: ...\n\n\nother = Net()\n")
    Path("package").mkdir()
    Path("package/inner.py").write_text("def forward(case): ...\n")
    Path("broken.py").write_text("x = 1\ndef (\n")
    here = Path.cwd()
    named = {
        "mine.py": ("mine.py", 5),
        "mine.py:Net": ("mine.py", 8),
        "python=python3 mine.py:other": ("mine.py", 11),
        "mine.py:absent": ("mine.py", 1),
        "package.inner": ("package/inner.py", 1),
        "broken.py": ("broken.py", 2),
        "cmd: node mine.py": ("mine.py", 1),
    }
    for name, (file, line) in named.items():
        assert place_of(name) == SourcePlace(here.resolve() / file, line), name
    for name in ("torch", "absent.py", "absent.module", "cmd: node", "cmd: 'x", "", "python="):
        assert place_of(name) is None
    assert place_of(Path("mine.py")).line == 5
    assert place_of(test_places).file == Path(__file__).resolve()
    assert place_of(Holder()) == place_of(Holder)
    assert place_of(5) is None and place_of(conformance.from_cell(lambda x, h, p: h, "RNN_TANH")) is None


class Holder:
    """Something to find."""

    def method(self):
        """Likewise."""


def test_a_place_is_told_from_the_root_of_the_repository(monkeypatch, tmp_path):
    monkeypatch.delenv("GITHUB_WORKSPACE", raising=False)
    deep = tmp_path.resolve() / "a" / "b"
    deep.mkdir(parents=True)
    place = SourcePlace(deep / "c.py")
    assert place.from_root == "a/b/c.py"  # from the working directory
    (tmp_path / "a" / ".git").mkdir()
    assert place.from_root == "b/c.py"
    monkeypatch.setenv("GITHUB_WORKSPACE", str(deep))
    assert place.from_root == "c.py"
    assert SourcePlace(Path("/elsewhere/c.py")).from_root == "/elsewhere/c.py"


def test_a_target_that_does_not_load_is_told_in_all_files(capsys, monkeypatch):
    monkeypatch.setenv("GITHUB_OUTPUT", str(Path("out").absolute()))
    words = ["--summary", "s.md", "--sarif", "s.sarif", "--badge", "b.json", "--json", "r.json"]
    with pytest.raises(conformance.TargetError):
        cli.main(["check", "absent.py", *words], standalone_mode=False)
    assert "there is no file 'absent.py'" in Path("s.md").read_text()
    assert json.loads(Path("r.json").read_text())["missing"].keys() == {"absent.py"}
    assert not json.loads(Path("s.sarif").read_text())["runs"][0]["invocations"][0]["executionSuccessful"]
    assert json.loads(Path("b.json").read_text())["message"] == "could not be judged"
    assert Path("out").read_text() == "verdict=inconclusive\n"


def test_all_faces_tell_of_a_target_that_does_not_load():
    with pytest.raises(conformance.TargetError):
        conformance.check("absent.py", summary="python.md")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--pyargs", "conformance"]
    command += ["--rnn", "absent.py", "--rnn-summary", "pytest.md"]
    assert subprocess.run(command, capture_output=True, timeout=60).returncode == 2
    assert Path("pytest.md").read_text() == Path("python.md").read_text() != ""


def test_an_output_that_cannot_be_written_takes_no_verdict_away(right, capsys, monkeypatch):
    Path("mine.py").write_text(right)
    monkeypatch.setenv("GITHUB_OUTPUT", str(Path("no/such").absolute()))
    words = ["--property", "shapes.dtype", "--in-process", "--no-saved"]
    assert cli.main(["check", "mine.py", *words], standalone_mode=False) == 0
    assert "GITHUB_OUTPUT cannot be written: No such file or directory" in capsys.readouterr().err


def test_files_that_cannot_be_written_are_said(wrong):
    made = report_files.Files(Options(summary="no/such.md", sarif="no/s.sarif"))
    made.refused(Unjudged("a.py", "because"))
    assert [loss.partition(" cannot")[0] for loss in made.losses] == ["no/such.md", "no/s.sarif"]
