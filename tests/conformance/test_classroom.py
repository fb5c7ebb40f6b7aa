"""A class: a folder of files, a page and points for each, no solution given away, and nothing that stops the others."""

import ast
import csv
import html as markup
import io
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from conformance import check
from conformance.chapters import catalogue
from conformance.claims.capabilities import Capabilities
from conformance.cli import cli
from conformance.cli.matrix import expand_folders, is_there, passed_over, with_name
from conformance.diagnosis import recurrent
from conformance.diagnosis.alike import finding_of
from conformance.diagnosis.rewriting import candidates
from conformance.diagnosis.rewriting import fault_of as rewritten
from conformance.events import MEASURED, Finding, Judged, PropertyResult, Started
from conformance.faults import FAULTS
from conformance.faults.backward import backward
from conformance.faults.operators import derived
from conformance.faults.recurrences import mistakes_of
from conformance.faults.wiring import wiring
from conformance.harness.forbidden import forbidden_import
from conformance.harness.load import TargetError
from conformance.report import feedback, grades, html, wording
from conformance.report.report_files import write_inside
from conformance.report.report_set import ReportSet, Unjudged
from conformance.trial.interrupts import Interrupted, Interrupts
from conformance.trial.options import Options, UsageError
from conformance.trial.plan import Plan
from conformance.trial.runner import conclude
from conformance.trial.verdict import Report
from reference_rnn import CELLS, cell_of
from reference_rnn.cell import loaded

RNN = Path(sys.executable).with_name("rnn-conformance")
TARGETS = Path(__file__).parents[1] / "targets"
EXAMPLES = Path(__file__).parents[2] / "examples"
SAMPLE = 3  # mistakes of each kind and cell
FEW = ("--property", "equivalence.steps", "--property", "shapes.shapes")
SHAPES = ("shapes.shapes",)
HISTORY = "shapes.calls_are_independent"
STUDENTS = {
    "amy": None,
    "bob": ('h @ p["weight_hh_l0"].T', 'h @ p["weight_hh_l0"]'),
    "cat": ("import numpy as np", "from reference_rnn import rnn"),
    "dan": (
        "def forward(case):",
        "def forward(case):\n    import importlib; importlib.import_module('reference' + '_rnn')",
    ),
    "eve": ("import numpy as np", "import numpy as np\nwhile True: pass"),
    "fay": ("import numpy as np", "import numpy as np\nfor _ in range(9999): print('=' * 99)"),
    "gus": ("def forward", "def MyRNN"),
    "hal": ("import numpy as np", "import numpy as"),
    "ida": ("import numpy as np", "import numpy as np, pathlib, shutil\nshutil.rmtree(pathlib.Path(__file__).parent)"),
}


@pytest.fixture(scope="module")
def room(tmp_path_factory, right):
    """A folder of students, and what ``matrix`` made of it."""
    folder = tmp_path_factory.mktemp("room")
    (folder / "students").mkdir()
    for name, change in STUDENTS.items():
        assert change is None or change[0] in right
        (folder / "students" / f"{name}.py").write_text(right.replace(*change) if change else right)
    (folder / "rubric.toml").write_text(
        '[[criterion]]\nname = "Numbers"\nproperties = ["equivalence"]\npoints = 6\npartial = false\n'
        '[[criterion]]\nname = "Shapes"\nproperties = ["shapes.shapes"]\npoints = 2\n'
        '[[criterion]]\nname = "Both ways"\nproperties = ["equivalence"]\npoints = 2\nrequire = ["bidirectional"]\n'
    )
    words = (
        "students",
        "--names",
        "forward,MyRNN",
        "--time-limit",
        "20s",
        "--rubric",
        "rubric.toml",
        "--json",
        "all.json",
    )
    files = ("--feedback", "pages", "--no-solution", "--grades", "grades.csv", "--gradescope", "scopes")
    return folder, matrix(folder, *words, *files, *FEW)


def matrix(folder, *words):
    return subprocess.run([RNN, "matrix", *words], cwd=folder, capture_output=True, text=True, timeout=300)


@pytest.mark.sample
def test_everybody_stands_in_the_order_with_a_verdict_or_a_reason(room):
    folder, done = room
    assert done.returncode == 1, done.stdout + done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("students/")]
    assert [re.match(r"students/(\w+)\.py", line)[1] for line in lines] == list(STUDENTS)
    said = dict(zip(STUDENTS, lines))
    assert "amy.py conforms" in said["amy"] and "bob.py does not conform" in said["bob"]
    assert "cat.py imports reference_rnn on line 2, which is forbidden here" in said["cat"]
    assert "eve.py could not be judged: its time limit was over while it was loaded" in said["eve"]
    assert "fay.py conforms" in said["fay"] and "gus.py:MyRNN conforms" in said["gus"]
    assert "hal.py has a syntax error at line" in said["hal"]
    assert "ida.py" in said["ida"] and "conforms" in said["ida"]
    assert sorted(file.stem for file in (folder / "students").glob("*.py")) == sorted(STUDENTS)  # ida's deletes them
    page = (folder / "matrix.html").read_text()
    places = [page.index(f"<wbr>{name}.py") for name in STUDENTS]
    assert places == sorted(places)


@pytest.mark.sample
def test_what_is_imported_on_the_way_is_forbidden_too(tmp_path, right):
    (tmp_path / "dan.py").write_text(right.replace(*STUDENTS["dan"]))
    (tmp_path / "helper.py").write_text("import torch\n")
    (tmp_path / "joe.py").write_text("def forward(case):\n    import helper\n")
    done = subprocess.run(
        [RNN, "check", "dan.py", "--forbid", "reference_rnn", *FEW], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 1 and "ImportError: reference_rnn may not be imported here" in done.stdout
    done = subprocess.run(
        [RNN, "check", "joe.py", "--forbid", "torch", *FEW], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 2 and "helper.py imports torch on line 1, which is forbidden here" in done.stderr


@pytest.mark.parametrize(
    ("line", "forbid", "said"),
    [
        ("import torch.nn.functional as F", "torch", "torch on line 3"),
        ("import torch.nn.functional as F", "torch.nn", "torch.nn on line 3"),
        ("from torch.nn import *", "torch.nn", "torch.nn on line 3"),
        ("from torch import nn", "torch.nn", "torch.nn on line 3"),
        ("def f(): import_module('torch.nn')", "torch.nn", "torch.nn on line 3"),
        ("import torchvision, os", "torch", ""),
        ("import torch.nnx", "torch.nn", ""),
        ("from torch import tensor", "torch.nn", ""),
        ("from mine import torch", "torch", ""),
    ],
)
def test_what_is_forbidden_is_a_module_with_all_in_it(tmp_path, right, line, forbid, said):
    (tmp_path / "amy.py").write_text(f"import os\nimport sys\n{line}\n{right}")
    told = forbidden_import(tmp_path / "amy.py", (forbid,))
    assert told == (said and f"amy.py imports {said}, which is forbidden here")


@pytest.mark.sample
def test_what_is_forbidden_is_refused_as_it_runs_too(tmp_path, right):
    for name in ("pack", "packs"):
        (tmp_path / name / "deep").mkdir(parents=True)
        (tmp_path / name / "__init__.py").write_text("")
        (tmp_path / name / "deep" / "__init__.py").write_text("")
    puzzle = "def forward(case):\n    import importlib; importlib.import_module('{}' + '{}')"
    for name, parts in (("amy", ("pa", "ck")), ("bob", ("pac", "k.deep")), ("cat", ("pack", "s.deep"))):
        (tmp_path / f"{name}.py").write_text(right.replace("def forward(case):", puzzle.format(*parts)))

    def status(name, *words):
        return subprocess.run([RNN, "check", f"{name}.py", *FEW, "-x", *words], cwd=tmp_path).returncode

    assert [status(name, "--forbid", "pack") for name in ("amy", "bob", "cat")] == [1, 1, 0]
    assert [status(name, "--forbid", "pack.deep") for name in ("amy", "bob", "cat")] == [0, 1, 0]


@pytest.mark.sample
def test_what_cannot_be_forbidden_is_one_line(tmp_path, right):
    (tmp_path / "amy.py").write_text(right)
    for words, said in (
        (["cmd: python amy.py", "--forbid", "torch"], "forbid: the kit cannot see what a command imports"),
        (["amy.py", "--forbid", "torch, jax"], "forbid: 'torch, jax' is not the name of a module"),
        (["amy.py", "--forbid", ""], "forbid: '' is not the name of a module"),
    ):
        done = subprocess.run([RNN, "check", *words], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 2 and said in done.stderr and done.stderr.count("\n") == 1, done.stderr
    with pytest.raises(UsageError, match="is not the name of a module"):
        check("amy.py", in_process=False, forbid=["a b"])


def test_claims_may_be_said_with_the_kits_own_word(tmp_path, right):
    claimed = right.replace("import numpy as np", "import numpy as np\nfrom conformance import Capabilities")
    (tmp_path / "students").mkdir()
    (tmp_path / "students" / "amy.py").write_text(claimed + "\ncapabilities = Capabilities(cells=('RNN_TANH',))\n")
    (tmp_path / "students" / "q.py").write_text((TARGETS / "wrong" / "question.py").read_text())
    done = matrix(tmp_path, "students", *FEW, "--no-diagnosis")
    assert "amy.py conforms" in done.stdout and "q.py does not conform" in done.stdout, done.stdout


@pytest.mark.sample
def test_points_follow_the_rubric(room):
    folder, _ = room
    rows = {row["student"]: row for row in csv.DictReader((folder / "grades.csv").open())}
    assert list(rows) == list(STUDENTS)
    assert {name: float(row["score"]) for name, row in rows.items()} | {"ida": 8.0} == {
        "amy": 8.0, "bob": 2.0, "cat": 0.0, "dan": 0.0, "eve": 0.0, "fay": 8.0, "gus": 8.0, "hal": 0.0, "ida": 8.0,
    }  # fmt: skip
    assert {row["max_score"] for row in rows.values()} == {"10.0"}
    assert "W_hh is applied transposed" in rows["bob"]["mistakes"] and "forbidden" in rows["cat"]["reason"]
    bob = json.loads((folder / "scopes" / "bob" / "results.json").read_text())
    assert bob["score"] == 2.0 and [test["score"] for test in bob["tests"]] == [0.0, 2.0, 0.0]
    assert bob["tests"][0]["output"] == "0 of 1 hold; not equivalence.steps"
    assert bob["tests"][2]["output"] == "not claimed: bidirectional"
    assert json.loads((folder / "scopes" / "hal" / "results.json").read_text())["score"] == 0


def test_no_page_gives_the_solution_away(room):
    folder, _ = room
    bob = next(r for r in json.loads((folder / "all.json").read_text())["reports"] if "bob" in r["target"])
    patch = [line for finding in bob["diagnosis"] for line in lines_of(finding["patch"])]
    numbers = [word(v) for r in bob["results"] if r["found"] for c in r["found"]["calls"]
               for e in c["expected"].values() for v in e["data"]]  # fmt: skip
    numbers += [word(v) for step in bob["error_map"]["right"] for v in step]
    numbers += re.findall(r"must be (-?[\d.]+)", json.dumps(bob))
    given = {word(v) for step in bob["error_map"]["given"] for v in step}
    telling = [number for number in numbers if len(number.strip("-0.")) > 3 and number not in given]
    assert patch and telling
    written = [file for file in (*folder.glob("pages/*"), *folder.glob("scopes/*/*")) if "bob" in str(file)]
    assert len(written) == 3
    for file in written:
        text = file.read_text()
        assert not [line for line in patch if line in text] and not [number for number in telling if number in text]
    assert "W_hh is applied transposed" in (folder / "pages" / "bob.html").read_text()
    assert "W_hh is applied transposed" in (folder / "pages" / "bob.md").read_text().replace("\\", "")


def test_both_pages_show_the_students_own_numbers(room):
    folder, _ = room
    bob = next(r for r in json.loads((folder / "all.json").read_text())["reports"] if "bob" in r["target"])
    markdown, page = ((folder / "pages" / f"bob.{kind}").read_text() for kind in ("md", "html"))
    drawn, rows = bob["error_map"], [line for line in markdown.splitlines() if re.match(r"\| \d+ \|", line)]
    assert len(rows) == len(drawn["given"])
    for row, numbers in zip(rows, drawn["given"]):
        assert [one.strip(" *") for one in row.split("|")[2:-1]] == [wording.figure(one) for one in numbers]
        assert all(wording.figure(one) in page for one in numbers)
    step, unit = drawn["first"]
    assert rows[step].split("|")[2 + unit].strip().startswith("**")
    said = f"The first wrong number is at step {step}, unit {unit}."
    assert said in markdown and said in page and "the right one" not in markdown + page


def lines_of(patch):
    """The lines of a diff, without signs and room."""
    return [line[1:].strip() for line in patch.splitlines()]


def unwritten(patch):
    """What the text that is right computes, and the text with the mistake does not, as expressions."""

    def computed(sign):
        text = textwrap.dedent("\n".join(line[1:] for line in patch.splitlines() if line[0] == sign))
        try:
            nodes = list(ast.walk(ast.parse(text)))
        except SyntaxError:  # the head of a block, or one line of several
            return set()
        return {ast.unparse(node) for node in nodes if isinstance(node, ast.Call | ast.BinOp | ast.Subscript)}

    return computed("-") - computed("+")


def told_of(*findings):
    """What a student reads of a report with these findings, in each file."""
    report, criteria = told(diagnosis=list(findings)), grades.rubric(None, SHAPES, SHAPES)
    pages = feedback.files_of([report], solution=False)
    (scope,) = grades.gradescope([report], criteria, solution=False).values()
    return [*map(markup.unescape, pages.values()), "\n".join(json.loads(scope)["output"].splitlines())]


def gives_nothing_away(finding):
    """Whether each file names a mistake, with neither a line of its diff nor what must stand in its place."""
    hidden = [*lines_of(finding.patch), *unwritten(finding.patch)]
    if right := re.search(r" stands where (.+) should", finding.title):
        hidden.append(f"where {right[1]} should")
    name = finding.hint or finding.title
    return all(name in text and not [one for one in hidden if one in text] for text in told_of(finding))


def some(mistakes):
    """A sample of mistakes, with all kinds of hints in it."""
    mistakes = sorted(mistakes, key=lambda mistake: (mistake.hint == "", random.Random(mistake.id).random()))
    return [*mistakes[:SAMPLE], *mistakes[-SAMPLE:]]


@pytest.mark.sample
@pytest.mark.parametrize("cell", CELLS)
def test_no_page_says_what_should_stand_in_the_place_of_a_derived_mistake(cell):
    gives_away_nothing_of(cell_of(cell))


@pytest.mark.sample
@pytest.mark.parametrize("file", sorted((EXAMPLES / "cells").glob("*.py")), ids=lambda file: file.stem)
def test_no_page_says_what_should_stand_in_the_place_of_one_in_an_own_cell(file):
    gives_away_nothing_of(loaded(str(file), file.stem))


def gives_away_nothing_of(cell):
    """Demands that of a sample of the mistakes that are derived from the equations of a cell, and of its forms."""
    forms = random.Random(cell).sample(candidates(cell), 2 * SAMPLE)
    filled = [form.filled(dict.fromkeys(form.unknowns, 0.25)) for form in forms]
    mistakes = [*some(derived(cell).values()), *some(backward(cell).values()), *(rewritten(cell, f, 0) for f in filled)]
    assert any(mistake.hint for mistake in mistakes)
    for mistake in mistakes:
        assert gives_nothing_away(finding_of(mistake, 9, 9, True)), (mistake.title, mistake.hint)


def test_no_page_says_what_should_stand_in_a_loop_or_in_the_place_of_a_known_mistake():
    mistakes = [*wiring().values(), *FAULTS.values()]
    for fault in (fault for fault in mistakes if fault.hint):
        assert gives_nothing_away(finding_of(fault, 9, 9, True)), (fault.title, fault.hint)
    assert not [fault for fault in mistakes if re.search("stands where .* should", fault.title) and not fault.hint]


@pytest.mark.sample
@pytest.mark.parametrize("name", ["gated_delta_rule", "minlstm", "selective_scan"])
def test_no_page_says_what_should_stand_in_a_recurrence(name):
    mistakes = mistakes_of(loaded(str(EXAMPLES / "recurrences" / f"{name}.py"), name)).values()
    for mistake in some(mistakes):
        assert gives_nothing_away(recurrent.finding(mistake, {"in mode scan": 9}, 2)), (mistake.title, mistake.hint)


def test_a_mistake_that_is_not_all_that_is_wrong_has_its_hint_beside_the_others():
    one, other = (finding_of(fault, 9, 9, True) for fault in some(derived(cell_of("GRU")).values())[:2])
    one.together = [other.fault]
    assert all(other.title not in text and other.hint in text for text in told_of(one, other))


def word(number):
    """A number in the digits in which pages and messages show it, without the last, which may be rounded."""
    return f"{number:.4g}" if isinstance(number, float) else str(number)


def test_with_the_solution_the_page_has_it(right):
    report = check(
        str(TARGETS / "wrong" / "reads_forward_twice.py"), properties=("equivalence.steps",), in_process=True
    )
    texts = list(feedback.files_of([report], solution=True).values())
    assert all("for t in steps:" in text for text in texts)
    assert not any("for t in steps:" in text for text in feedback.files_of([report], solution=False).values())


@pytest.mark.parametrize(
    ("targets", "names"),
    [
        (["a/rnn.py", "b/rnn.py:forward", "c.py"], ["a-rnn", "b-rnn", "c"]),
        (["a/rnn.py", "a/rnn.py:MyRNN", "a-rnn.py"], ["a-rnn", "a-rnn-2", "a-rnn-3"]),
        (["pack.amy", "pack.bob:RNN"], ["pack.amy", "pack.bob"]),
        (["s/Amy.py", "s/amy.py", "S/AMY.py"], ["s-Amy", "s-amy-2", "S-AMY-3"]),
        (["s/Jose\u0301.py", "s/Jos\u00e9.py"], ["s-Jos\u00e9", "s-Jos\u00e9-2"]),
        (["/tmp/x/rnn.py", "../rnn.py", "rnn.py"], ["_-tmp-x-rnn", "rnn", "rnn-2"]),
        (["s/amy lee.py", "s/.hidden.py", "s/...py", "s/a\\b:c?.py"], ["amy lee", "hidden", "_", "a_b_c_"]),
        (["cmd: ./rnn <x", "cmd: ../rnn >y"], ["rnn _x", "rnn _y"]),
        (["s/" + "\u00fc" * 120 + "1.py", "s/" + "\u00fc" * 120 + "2.py"], ["\u00fc" * 100, "\u00fc" * 98 + "-2"]),
    ],
)
def test_each_entry_has_a_name_of_its_own_that_a_file_can_have(tmp_path, targets, names):
    entries = [Unjudged(target, "x") for target in targets]
    pairs = feedback.by_student(entries)
    assert [entry for _, entry in pairs] == entries
    assert [name for name, _ in pairs] == names or names[0].startswith("\u00fc")
    assert len({feedback.on_disk(name) for name, _ in pairs}) == len(targets)
    texts = feedback.files_of(entries, solution=True)
    texts |= grades.gradescope(entries, grades.rubric(None, SHAPES, SHAPES), solution=True)
    assert len(texts) == 3 * len(targets) and write_inside(tmp_path, texts) == []
    assert all(tmp_path.joinpath(*parts).is_file() for parts in texts)
    rows = list(csv.DictReader(io.StringIO(grades.as_csv(entries, grades.rubric(None, SHAPES, SHAPES)))))
    assert len({row["student"] for row in rows}) == len(targets)


def test_two_students_of_one_name_both_get_a_page(tmp_path, right):
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "an rnn.py").write_text(right)
    (tmp_path / "two" / "an rnn.py").write_text("import nothing_there\n")
    done = matrix(tmp_path, "one", "two", "one", *FEW, "--feedback", "pages", "--gradescope", "scopes")
    assert done.returncode == 2, done.stdout + done.stderr
    names = ["one-an rnn", "one-an rnn-2", "two-an rnn"]
    assert sorted(file.name for file in tmp_path.glob("scopes/*")) == names
    assert "`one/an rnn.py` conforms" in (tmp_path / "pages" / "one-an rnn-2.md").read_text()
    assert "could not be judged" in (tmp_path / "pages" / "two-an rnn.md").read_text()


def test_without_the_solution_only_sentences_that_tell_right_numbers_are_left_out(right):
    entry = check(reads_the_first_state, properties=("shapes.shapes",))
    told = [
        Finding("measured.curve", "h' is another curve: it must give tanh(z) = 0.4621172", "", 0, 1, MEASURED),
        Finding("measured.precision", "h' is rounded to 11 significant bits", "", 0, 1, MEASURED),
        Finding("measured.influence", "h_n does not read h_0, with one step (T = 1)", "", 0, 1, MEASURED),
        Finding("measured.curve", "h' is sigmoid(z), must be tanh(z)", "", 0, 1, MEASURED),
    ]
    shown = feedback.without_solution(replace(entry, diagnosis=told)).diagnosis
    assert [finding.fault for finding in shown] == ["measured.precision", "measured.influence"]


def reads_the_first_state(case):
    """A target of any numbers."""
    return np.zeros((*case.x.shape[:2], case.h_0.shape[2]), case.x.dtype), case.h_0.copy()


def test_no_spreadsheet_computes_what_a_student_says():
    criteria = grades.rubric(None, SHAPES, SHAPES)
    text = grades.as_csv([Unjudged("=cmd|'/c calc'!A1.py", "=1+1")], criteria)
    assert all(not value.startswith("=") for row in csv.reader(text.splitlines()) for value in row)


@pytest.mark.sample
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = 1", "must hold [[criterion]] tables and nothing else"),
        ("[[criterion]]\npoints = 1", "criterion 1: a name is required"),
        ("[[criterion]]\nname = 'a'\npoints = 1", "properties must name at least one property or chapter"),
        (
            "[[criterion]]\nname = 'a'\nproperties = ['shape']\npoints = 1",
            "rubric.toml, criterion 1: there is no property 'shape'; did you mean shapes",
        ),
        ("[[criterion]]\nname = 'a'\nproperties = ['shapes']\npoints = 0", "points is 0, must be a positive number"),
        ("[[criterion]]\nname = 'a'\nproperties = ['shapes']\npoints = 1\npartial = 2", "must be true or false"),
        (
            "[[criterion]]\nname = 'a'\nproperties = ['shapes']\npoints = 1\nweight = 2",
            "criterion 1: unknown key 'weight'; the keys are name, properties, points, ",
        ),
        (
            "[[criterion]]\nname = 'a'\nproperties = ['shapes']\npoints = 1\nrequire = ['wings']",
            "criterion 1: there is no capability 'wings'; ",
        ),
        ("[[criterion]", "rubric.toml cannot be read"),
    ],
)
def test_a_rubric_that_is_not_understood_is_one_line(tmp_path, text, words):
    (tmp_path / "rubric.toml").write_text(text)
    done = matrix(tmp_path, "absent.py", "--rubric", "rubric.toml", "--grades", "grades.csv")
    assert done.returncode == 2 and words in done.stderr and done.stderr.count("\n") == 1, done.stderr


def test_a_rubric_without_points_is_said(tmp_path):
    done = matrix(tmp_path, "absent.py", "--rubric", "rubric.toml")
    assert done.returncode == 2 and "--rubric is about points: give --grades FILE or --gradescope DIR" in done.stderr


def test_failures_whose_numbers_are_hidden_are_the_same_only_on_the_same_case():
    shown = {"demand": "numbers"}
    ids = ("equivalence.steps", "time.split", "symmetries.odd")
    results = [PropertyResult(id, "failed", "", message=f"{n}", found=shown) for n, id in enumerate(ids)]
    for result, case in zip(results, ("case('RNN_TANH')", "case('RNN_TANH')", "case('GRU')")):
        result.counterexample = f"smallest case: {case}"
    report = replace(ended([]), results=results)
    groups = wording.group_failures(feedback.without_solution(report))
    assert [[one.id for one in group] for group in groups] == [list(ids[:2]), [ids[2]]]


def test_what_cannot_be_judged_here_costs_no_points():
    everything = grades.Criterion("all", ("equivalence", "shapes"), 10.0)
    report = check("reference", properties=("equivalence.steps", "shapes.shapes"))
    missing = PropertyResult("equivalence.pytorch", "not_run", "", message="PyTorch is not installed")
    assert everything.score(replace(report, results=[*report.results, missing])) == 10.0
    assert everything.score(replace(report, results=[*report.results, missing], left=[missing.id])) < 10.0


@pytest.mark.sample
@pytest.mark.parametrize(
    ("target", "points", "said"),
    [
        ("ignores_lengths", 10.0, f"1 of 1 hold; {HISTORY} not counted, as {grades.SAYS_NOTHING}"),
        ("keeps_weights", 5.0, f"1 of 2 hold; not {HISTORY}"),  # outside of instances
    ],
)
def test_a_call_that_is_wrong_by_itself_costs_no_points_for_history(target, points, said):
    file = str(TARGETS / "wrong" / f"{target}.py")
    report = check(file, properties=(HISTORY, *SHAPES), in_process=False, workers=1, diagnosis=False, saved=False)
    assert report.verdict == "fails" and {r.id: r.status for r in report.results}[HISTORY] == "failed"
    criterion = grades.Criterion("Shapes", ("shapes",), 10.0)
    assert (criterion.score(report), criterion.reason(report)) == (points, said)
    alone = grades.Criterion("History", (HISTORY,), 1.0)
    assert alone.score(report) == 0 and alone.reason(report).endswith(said.partition("; ")[2])
    (row,) = csv.DictReader(io.StringIO(grades.as_csv([report], [alone])))
    assert row["reason"] == (f"History: {alone.reason(report)}" if report.alone else "")


@pytest.mark.sample
def test_the_time_for_all_ends_all(tmp_path, right):
    shutil.copytree(TARGETS / "right", tmp_path / "students", ignore=lambda *_: {"__pycache__"})
    done = matrix(tmp_path, "students", "--total-limit", "3s", "--json", "all.json")
    assert done.returncode == 2
    data = json.loads((tmp_path / "all.json").read_text())
    assert "the time for all targets was over before it was judged" in data["missing"].values()
    assert len(data["missing"]) + len(data["reports"]) == len(list((tmp_path / "students").glob("*.py")))


@pytest.mark.sample
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--no-solution",), "--no-solution is about what students see: give --feedback DIR or --gradescope DIR too"),
        (("--names", "a b"), "--names has 'a b', must be names"),
        (("--total-limit", "soon"), "'soon' is not a duration like 90s or 2m"),
    ],
)
def test_what_cannot_be_is_one_line(tmp_path, words, said):
    done = matrix(tmp_path, "absent.py", *words)
    assert done.returncode == 2 and said in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.sample
def test_the_name_of_a_file_is_neither_a_command_nor_an_interpreter(tmp_path, right):
    names = ["cmd: touch owned #.py", "python=false x.py", "a b\n:é.py", "-x.py"]
    for name in names:
        (tmp_path / name).write_text(right)
    (tmp_path / "folder.py").mkdir()
    done = matrix(tmp_path, ".", *FEW, "--feedback", "pages", "--grades", "grades.csv")
    assert not (tmp_path / "owned").exists() and done.returncode == 2, done.stdout + done.stderr
    assert done.stdout.count(" conforms (") == len(names) and "there is no file './folder.py'" in done.stdout
    assert len(list(csv.DictReader((tmp_path / "grades.csv").open()))) == len(names) + 1
    assert len(list(tmp_path.glob("pages/*.md"))) == len(names) + 1


def test_a_folder_without_files_is_one_line(tmp_path):
    (tmp_path / "students").mkdir()
    done = matrix(tmp_path, "students", "--feedback", "pages")
    assert done.returncode == 2 and done.stderr == "rnn-conformance: 'students' has no Python files\n"


@pytest.mark.sample
def test_what_one_deletes_is_there_for_the_next(tmp_path, right):
    (tmp_path / "students").mkdir()
    (tmp_path / "students" / "amy.py").write_text(right.replace(*STUDENTS["ida"]))
    (tmp_path / "students" / "bob.py").write_text("from weights import WEIGHTS\n" + right)
    (tmp_path / "students" / "weights.py").write_bytes(b"\xef\xbb\xbfWEIGHTS = 1\r\n")
    done = matrix(tmp_path, "students", *FEW)
    assert "amy.py conforms" in done.stdout and "bob.py conforms" in done.stdout, done.stdout
    assert (tmp_path / "students" / "weights.py").read_bytes() == b"\xef\xbb\xbfWEIGHTS = 1\r\n"


@pytest.mark.sample
def test_what_was_saved_of_one_is_not_asked_of_it_alone(tmp_path, right):
    (tmp_path / "students").mkdir()
    (tmp_path / "students" / "amy.py").write_text(right.replace(*STUDENTS["bob"]))
    subprocess.run([RNN, "check", "students/amy.py", *FEW], cwd=tmp_path, stdout=subprocess.DEVNULL)
    assert list(tmp_path.glob(".rnn-conformance/*/*.json"))
    (tmp_path / "students" / "amy.py").write_text(right)
    (tmp_path / "students" / "bea.py").write_text(right)
    matrix(tmp_path, "students", *FEW, "--json", "all.json")
    amy, bea = json.loads((tmp_path / "all.json").read_text())["reports"]
    assert [one["examples"] for one in amy["results"]] == [one["examples"] for one in bea["results"]]


def test_what_is_no_file_keeps_nobody_waiting(tmp_path, right):
    (tmp_path / "students").mkdir()
    os.mkfifo(tmp_path / "students" / "fifo.py")
    (tmp_path / "students" / "zero.py").symlink_to("/dev/zero")
    (tmp_path / "students" / "zoe.py").write_text(right)
    done = matrix(tmp_path, "students", *FEW)
    assert done.returncode == 2 and "zoe.py conforms" in done.stdout, done.stdout
    assert "fifo.py could not be judged" in done.stdout and "zero.py could not be judged" in done.stdout


def ended(results, number=signal.SIGALRM, claims=None, observes_memory=True):
    """The report on a file whose trial was interrupted once these results were there."""
    plan = Plan.of(Options(saved=False), catalogue)

    def events():
        yield Started("amy.py", Capabilities.of(claims).as_dict(), list(plan.properties), observes_memory)
        yield from map(Judged, results)
        raise Interrupted(number)

    *_, finished = conclude(plan, "amy.py", events(), None, Interrupts())
    return finished.report


def test_what_an_interrupted_file_does_not_claim_counts_for_nothing():
    report = ended([PropertyResult("shapes.shapes", "passed", examples=3)])
    chapters = {result.id.partition(".")[0] for result in report.results if result.status == "not_claimed"}
    assert {"state", "gates", "dropout", "gradients"} <= chapters
    claimed = [result for result in report.results if result.status != "not_claimed"]
    assert len(claimed) < 40 and {result.id.partition(".")[0] for result in claimed}.isdisjoint({"state", "gates"})
    said = f"{len(claimed) - 1} of {len(claimed)} properties were not judged"
    assert report.reasons == [f"interrupted by its time limit: {said}"] and report.verdict == "inconclusive"
    (row,) = csv.DictReader(io.StringIO(grades.as_csv([report], grades.rubric(None, catalogue(), catalogue()))))
    assert float(row["score"]) == round(100 / len(claimed), 2) and said in row["reason"]
    left = {result.id: result for result in report.results}["directions.reversal"]
    assert (left.status, left.message) == ("not_claimed", "bidirectional is not claimed")
    numbers = ended([], observes_memory=False)
    unseen = [result for result in numbers.results if result.message.startswith("not observable")]
    seen = len(claimed) - len(unseen)
    assert unseen and numbers.reasons == [f"interrupted by its time limit: {seen} of {seen} properties were not judged"]
    both = ended([], claims={"bidirectional": True})
    assert {result.id: result for result in both.results}["directions.reversal"].status == "not_run"


def test_what_is_interrupted_when_all_was_judged_is_said():
    passed = [PropertyResult(id, "passed", examples=1) for id in catalogue()]
    assert ended(passed).notes[-1] == "interrupted by its time limit when everything had been judged"
    report = ended(
        [*passed[1:], PropertyResult(next(iter(catalogue())), "failed", "All is right.", 1, message="wrong")]
    )
    said = "the verdict is complete, but the search for the mistake was interrupted by its time limit"
    assert report.verdict == "fails" and report.reasons[-1] == said and not report.notes
    criteria = grades.rubric(None, catalogue(), catalogue())
    (scope,) = grades.gradescope([report], criteria, solution=True).values()
    texts = [grades.as_csv([report], criteria), scope, *feedback.files_of([report], solution=False).values()]
    assert all(said in text for text in texts)


def test_what_could_not_be_judged_has_no_tick():
    shown = html.page(ReportSet([ended([]), ended([])]))
    assert '<span aria-hidden="true">?</span><span class="sr"> could not tell</span>' in shown
    assert html.cell_entry(ended([]), "RNN_TANH").status == "inconclusive"
    assert html.cell_entry(ended([PropertyResult(id, "passed") for id in catalogue()]), "GRU").status == "not_claimed"


def told(**others):
    """A report on a file that fails in three properties."""
    results = [
        PropertyResult("shapes.calls_are_independent", "failed", "Calls.", 1, message="other"),
        PropertyResult("equivalence.first_look", "failed", "Looked.", 1, message="a", counterexample="case(A)"),
        PropertyResult("equivalence.steps", "failed", "Each step.", 1, message="must be 1", counterexample="case(B)",
                       found={"demand": "numbers"}),
        PropertyResult("time.split", "passed", "Split.", 2),
        PropertyResult("equivalence.sizes", "failed", "Sizes.", 1, message="b"),
    ]  # fmt: skip
    explained = ["equivalence.first_look", "equivalence.steps", "equivalence.sizes"]
    return Report("amy.py", "fails", Capabilities().as_dict(), "quick", 0, results, {}, explained=explained, **others)


def test_the_page_has_the_order_and_the_folds_of_the_markdown():
    ids = [result.id for result in told().results if result.status == "failed"]
    markdown, page = (text.replace("<wbr>", "") for text in feedback.files_of([told()], True).values())
    page = page[page.index("<h3>Properties</h3>") :]
    assert sorted(ids, key=markdown.index) == sorted(ids, key=page.index)
    assert page.count("equivalence.first_look") == markdown.count("equivalence.first_look") == 1
    assert "<p>equivalence.first_look, equivalence.sizes</p>" in page and "2 more properties: the same mistake" in page
    assert "Judged on 1 case." in page and "Judged on 2 cases." in page


def test_a_guess_is_no_mistake():
    guess = Finding("x", "b is added twice", "", 0, 9, exact=False)
    report = told(diagnosis=[guess, Finding("y", "W is transposed", "-a\n+b", 9, 9)])
    criteria = grades.rubric(None, SHAPES, SHAPES)
    assert ",perhaps: b is added twice; W is transposed," in grades.as_csv([report], criteria)
    (scope,) = grades.gradescope([report], criteria, solution=True).values()
    assert "\nperhaps: b is added twice\nW is transposed\n" in json.loads(scope)["output"]


@pytest.mark.parametrize("solution", [True, False])
def test_gradescope_says_what_failed_first(solution):
    report = told(reasons=["bidirectional is required, but not claimed"])
    report.results = report.results[2:]
    (text,) = grades.gradescope([report], grades.rubric(None, SHAPES, SHAPES), solution).values()
    assert json.loads(text)["output"].splitlines() == [
        "does not conform (2 of 3 properties failed, 4 cases, quick, seed 0)",
        "bidirectional is required, but not claimed",
        "",
        "equivalence.steps: Each step.",
        "must be 1" if solution else feedback.WRONG_NUMBERS,
        "case(B)",
        wording.UNNAMED,
    ]


@pytest.mark.parametrize("solution", [True, False])
def test_what_a_case_does_not_name_is_said_where_cases_are_shown_and_nowhere_else(solution):
    right = replace(told(), results=told().results[3:4], explained=[])
    for report, times in ((told(), 1), (right, 0)):
        pages = list(feedback.files_of([report], solution).values())
        (scope,) = grades.gradescope([report], grades.rubric(None, SHAPES, SHAPES), solution).values()
        assert [text.count(wording.UNNAMED) for text in (*pages, scope)] == [times] * 3
    reading = (Path(__file__).parents[2] / "docs" / "reading-a-report.md").read_text()
    assert wording.UNNAMED in " ".join(reading.split())


@pytest.mark.parametrize(
    ("explains", "exact", "said"),
    [
        (49, True, "all 49 wrong answers are explained by this mistake"),
        (7, True, "7 of 49 wrong answers are explained by this mistake"),
        (7, False, "a known mistake fails in the same words"),
        (0, False, "a known mistake is wrong in the same places, but does not give your numbers"),
    ],
)
def test_a_change_that_is_not_shown_leaves_no_box(explains, exact, said):
    report = told(diagnosis=[Finding("y", "W is transposed", "-a\n+b", explains, 49, exact=exact)])
    markdown, page = feedback.files_of([report], solution=False).values()
    label = "Diagnosis" if explains else "A place to look"
    assert f"**{label}**: {said}\n\n`W is transposed`" in markdown and "```diff" not in markdown
    assert f'<p class="soft">{label}: {said}.</p>\n</div>' in page and "with this change" not in markdown + page


def test_a_criterion_that_is_not_asked_is_refused_and_one_that_is_not_claimed_says_so(tmp_path):
    file = tmp_path / "rubric.toml"
    file.write_text("[[criterion]]\nname = 'Gates'\nproperties = ['gates', 'shapes.shapes']\npoints = 2\n")
    with pytest.raises(UsageError, match=r"rubric\.toml, criterion 1: --property leaves out gates; name it there too"):
        grades.rubric(file, catalogue(), SHAPES)
    file.write_text("[[criterion]]\nname = 'Gates'\nproperties = ['gates']\npoints = 2\n")
    criteria = grades.rubric(file, catalogue(), catalogue())
    (row,) = csv.DictReader(io.StringIO(grades.as_csv([told()], criteria)))
    assert float(row["score"]) == 0 and row["reason"] == "Gates: nothing of this was claimed"
    (scope,) = grades.gradescope([told()], criteria, solution=True).values()
    assert json.loads(scope)["tests"][0]["output"] == "nothing of this was claimed"


@pytest.mark.parametrize(
    ("text", "target", "refusal"),
    [
        ("def my_network(case): ...", "./amy.py", "amy.py defines none of rnn, MyRNN; it defines my_network"),
        (
            "def forward(case): ...\nclass A: ...",
            "./amy.py",
            "amy.py defines none of rnn, MyRNN; it defines forward, A",
        ),
        ("x = 1", "./amy.py", "amy.py defines none of rnn, MyRNN; it defines nothing to call"),
        ("def MyRNN(case): ...\nrnn = MyRNN", "./amy.py:rnn", ""),
        ("try:\n    import torch\nexcept ImportError:\n    def MyRNN(case): ...", "./amy.py:MyRNN", ""),
        ("def f():\n    def MyRNN(case): ...", "./amy.py", "amy.py defines none of rnn, MyRNN; it defines f"),
        ("from mine import *", "./amy.py:rnn", ""),
        ("def broken(", "./amy.py", ""),
    ],
)
def test_the_first_name_that_a_file_defines_is_taken_and_no_other(text, target, refusal):
    Path("amy.py").write_text(text)
    asked = with_name(Path("amy.py"), ["rnn", "MyRNN"], Options())
    assert (asked.target, asked.refusal) == (target, refusal)
    assert with_name(Path("amy.py"), [], Options()).target == "./amy.py"


def test_the_table_has_the_names_as_they_are():
    entries = [Unjudged(f"s/{name}.py", "x") for name in ("M\u00fcller, Max", "a (1)", "a/b", "c/b")]
    rows = csv.DictReader(io.StringIO(grades.as_csv(entries, grades.rubric(None, SHAPES, SHAPES))))
    assert [row["student"] for row in rows] == ["M\u00fcller, Max", "a (1)", "s-a-b", "s-c-b"]
    assert feedback.by_student(entries)[0][0] == "M\u00fcller_ Max"


def test_a_name_of_nothing_leaves_everything_as_it_was():
    Path("matrix.html").write_text("last week's")
    for words in (["studnets"], ["studnets", "absent.py", "s/amy.py:RNN"]):
        with pytest.raises(TargetError, match="there is no file, no folder and no module 'studnets'"):
            cli.main(["matrix", *words], standalone_mode=False)
    assert Path("matrix.html").read_text() == "last week's"
    Path("here.py").write_text("")
    there = ("here.py:a", ".", "torch", "json.decoder", "here", "cmd: x", "python=p x.py", "torch > onnx")
    assert all(map(is_there, there)) and not any(map(is_there, ("her.py", "a/here.py", "studnets.x", "x:y")))


def test_folders_in_a_folder_are_not_passed_over_in_silence():
    for file in (
        "students/amy.py",
        "students/paul/deep/rnn.py",
        "students/rita/rnn.py",
        "students/.git/a.py",
        "old/x/a.py",
    ):
        Path(file).parent.mkdir(parents=True, exist_ok=True)
        Path(file).write_text("")
    Path("students/data").mkdir()
    said = "students/paul: a folder, not judged: name it, or move its file up"
    assert passed_over([Path("students"), Path("students/rita")]) == [said]
    with pytest.raises(
        TargetError, match="'old' has no Python files of its own, but its folders have: name those, like old/x"
    ):
        list(expand_folders(["old"], Options(), []))
