"""Whatever stands in a name, a reason or a message, nothing that leaves does anything but be seen."""

import csv
import io
import json
import os
import re
import subprocess
import sys
from collections import Counter
from contextlib import nullcontext
from dataclasses import fields
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

import conformance
from conformance import api
from conformance.cli import cli, compare, complain, matrix
from conformance.comparison.compare import Comparison, Difference
from conformance.events import Diagnosing, FailureFound, Finding, Finished, Judged, PropertyResult, Started
from conformance.harness.load import TargetError
from conformance.hunt.corpus import Corpus, Kept
from conformance.hunt.hunt_events import Begun, FindingFound, HuntOver, Moved, State, Target
from conformance.own_tests import PropertyFailed as OwnPropertyFailed
from conformance.plugin import PropertyFailed
from conformance.report import bug_report, feedback, github, grades, html, hunt_report, output, report_files, terminal
from conformance.report.report_set import ReportSet, Unjudged
from conformance.trial.multi_target import Row
from conformance.trial.options import UsageError
from conformance.trial.source_location import SourcePlace
from conformance.trial.verdict import Report
from reference_rnn import case

RNN = str(Path(sys.executable).with_name("rnn-conformance"))
# Escapes, bells, controls of either kind; marks of direction; what has no width or no ink; what no encoding holds.
ACTS = (
    "\x1b]0;title\x07\x9b2J\x08\x00\x7f\x85\u2028\u202e\u2066\u2069\u200e\u200f\u061c\u200b\u200d\u2060\ufeff\xad"
    "\u034f\u115f\u3164\ufffe\U000e0041\udc80"
)
HOSTILE = (
    f"=cmd{ACTS}\r\n::error file=a,line=1::it passed\n  ::stop-commands::x\n##[error]x\n# h\n~~~\n```\n<script>alert(1)"
    "</script></pre>--> ]]> [a](http://b) @you | `one` {{ 7 * 7 }} [bold red]:smile: https://c.example www.d.example"
)
STATUSES = ("passed", "failed", "failed", "inconclusive", "not_claimed", "not_run", "expected_failure")


def filled(kind, **given):
    """An object of a class, with hostile text wherever it can hold text."""
    values = {}
    for one in fields(kind):
        plain = {"str": HOSTILE, "str | None": HOSTILE, "list[str]": [HOSTILE], "dict[str, int]": {HOSTILE: 1}}
        if str(one.type) in plain:
            values[one.name] = plain[str(one.type)]
    return kind(**values | given)


def result(number, status):
    """A result of some status."""
    found = {"demand": HOSTILE} if status == "failed" else None
    return filled(
        PropertyResult,
        id=f"chapter{HOSTILE}.{number}{HOSTILE}",
        status=status,
        message=f"{number}{HOSTILE}",
        found=found,
    )


def report(verdict="fails"):
    """A report that is hostile throughout."""
    drawn = {"row": 0, "shares": [[2.0, 0.5]], "given": [[1.0, 2.0]], "right": [[1.5, 2.0]], "first": [0, 0]}
    claims = conformance.Capabilities().as_dict() | {
        "cells": [HOSTILE], "modes": {HOSTILE: {"order": HOSTILE}}, "options": [HOSTILE], "sizes": {HOSTILE: [1]},
    }  # fmt: skip
    findings = [
        filled(Finding, explains=1, telling=2),
        filled(Finding, explains=0, telling=2, exact=False, patch=""),
    ]
    return filled(
        Report, verdict=verdict, capabilities=claims, seed=0, diagnosis=findings, error_map=drawn | {"case": HOSTILE},
        results=[result(*pair) for pair in enumerate(STATUSES)], cells={HOSTILE: "failed"}, budget=None, explained=[],
        place=SourcePlace(Path(f"/r/{HOSTILE}.py"), 3),
    )  # fmt: skip


def kept(status="new"):
    """A finding of a corpus that is hostile throughout."""
    return filled(
        Kept, id="f" * 64, key=["mistake", HOSTILE], status=status, shown=[], seed=0, environment={HOSTILE: HOSTILE},
        first_seen="2026-01-01T00:00:00+00:00",
    )  # fmt: skip


REFUSED = Unjudged(HOSTILE, HOSTILE)
BOTH = ReportSet([report(), REFUSED])
CRITERIA = [grades.Criterion(HOSTILE, (f"chapter{HOSTILE}",), 1.0), grades.Criterion(f"-{HOSTILE}", (), 1.0)]


# ---------------------------------------------------------------- what is demanded


def is_plain(text, lines=True):
    """Whether nothing in a text acts: on a terminal, on a runner, on whoever reads it."""
    if lines:
        return all(is_plain(line, lines=False) for line in text.split("\n"))
    blank = set("\u034f\u115f\u3164") & set(text)
    return text.isprintable() and not blank and not text.lstrip().startswith("::") and "##[" not in text


def texts_in(data):
    """All texts in data."""
    if isinstance(data, str):
        yield data
    elif isinstance(data, dict):
        for key, value in data.items():
            yield from (key, *texts_in(value))
    elif isinstance(data, list):
        for value in data:
            yield from texts_in(value)


def check_text(text):
    assert "it passed" in text and is_plain(text)


def check_json(text):
    assert text.isascii() and is_plain(text)
    assert json.loads(text)


def check_shown_json(text):
    check_json(text)
    assert all(map(is_plain, texts_in(json.loads(text))))


def check_sarif(text):
    check_shown_json(text)
    assert not any("](" in one for one in texts_in(json.loads(text)))


def check_xml(text):
    assert is_plain(text)
    for element in ET.fromstring(text.encode()).iter():
        assert all(map(is_plain, [element.text or "", *element.attrib.values()]))


def check_exception(text):
    """Of what Python raises, in files that import nothing: no runner reads it as it is."""
    assert text.isprintable() and "it passed" in text


def check_line(text):
    check_text(text)
    assert text.count("\n") == 1


class Page(HTMLParser):
    """Sees what is in a page."""

    def __init__(self):
        super().__init__()
        self.tags, self.texts = Counter(), []

    def handle_starttag(self, tag, attributes):
        self.tags[tag] += 1
        self.texts += [value for _, value in attributes if value]
        assert not any(name.startswith("on") or (value or "").startswith("javascript") for name, value in attributes)

    def handle_data(self, data):
        self.texts.append(data)


def check_html(text):
    assert is_plain(text)
    page = Page()
    page.feed(text)
    assert not page.tags["script"] and page.tags["main"] == 1
    assert all(map(is_plain, page.texts)) and any("it passed" in one for one in page.texts)


def check_markdown(text):
    check_text(text)
    outside, fence = [], None
    for line in text.splitlines():
        run = re.match("`{3,}", line)
        if fence is None and run:
            fence = run[0]
        elif fence is not None and line == fence:
            fence = None
        elif fence is None:
            outside.append(re.sub(r"(?<![`\\])(`+)(?!`).*?(?<!`)\1(?!`)", "", line))
    assert fence is None
    left = "\n".join(outside)
    for word in ("<script", "](http", "@you", "https://c", "www.d", "it passed::"):
        assert word not in left, (word, left[max(0, left.find(word) - 60) :][:120])
    assert not re.search(r"^# h|^~~~|(?<!\\)</pre", left, re.MULTILINE)


def check_csv(text):
    assert is_plain(text)
    head, *rows = csv.reader(io.StringIO(text))
    assert len(rows) == 2 and all(len(row) == len(head) for row in rows)
    for one in (*head, *rows[0], *rows[1]):
        assert "\n" not in one and not one.lstrip().startswith(("=", "+", "-", "@", "\uff1d"))


def check_commands(text):
    lines = text.removesuffix("\n").split("\n")
    assert lines and all(
        re.match(r"::(error|warning|notice) (file=[^,:]*,line=\d+,)?title=[^,:]*::", line) for line in lines
    )
    assert all(is_plain(line.lstrip(":"), lines=False) for line in lines)


def check_terminal(text):
    """Of a terminal that is styled: rich's own escapes are styles, moves of the cursor and erasures."""
    check_text(re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\r", "", text))
    assert "\x1b]" not in text


# ---------------------------------------------------------------- all writers


def shown_by(listener_of, **options):
    """What a terminal shows of a trial."""
    stream = io.StringIO()
    console = terminal.console(file=stream, **options)
    with listener_of(console) as listener:
        for event in (
            filled(Started, capabilities={}), FailureFound(result(1, "failed")), Judged(result(1, "failed")),
            Diagnosing(HOSTILE), Finished(report()),
        ):  # fmt: skip
            listener(event)
    return stream.getvalue()


class Losing:
    """A writer that has lost something."""

    def said(self):
        return [HOSTILE]


def hunt_shown(**options):
    """What a terminal shows of a hunt."""
    stream = io.StringIO()
    console = terminal.console(file=stream, **options)
    with hunt_report.HuntListener(console) as watch:
        for event in (Begun(state()), FindingFound(state(), kept(), True), Moved(state()), HuntOver(state())):
            watch(event)
    return stream.getvalue()


def state():
    """The state of a hunt that is hostile throughout."""
    target = filled(Target, alike=[HOSTILE])
    return filled(State, targets=[target], workers=1, findings={"f" * 64: kept(), "e" * 64: kept("known")}, again={})


def all_commands():
    return "\n".join(github.workflow_commands(report("inconclusive")))


def assertion():
    with pytest.MonkeyPatch.context() as patch, pytest.raises(AssertionError) as error:
        patch.setattr(api, "check", lambda *_, **__: report())
        api.assert_conforms("a.py")
    return str(error.value)


def pages(ending, solution):
    made = feedback.files_of([report(), REFUSED], solution=solution)
    return [text for (name,), text in made.items() if name.endswith(ending)]


def scopes():
    return list(grades.gradescope(BOTH.entries, CRITERIA, solution=True).values())


def captured(do):
    """What goes to the standard streams."""
    with pytest.MonkeyPatch.context() as patch:
        streams = io.StringIO(), io.StringIO()
        patch.setattr(sys, "stdout", streams[0])
        patch.setattr(sys, "stderr", streams[1])
        do()
    return "".join(stream.getvalue() for stream in streams)


def complaint():
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("GITHUB_ACTIONS", raising=False)
        return captured(lambda: complain(HOSTILE))


WRITERS = {
    "terminal": (lambda: shown_by(lambda console: terminal.Terminal(console, [Losing()])), check_text),
    "styled terminal": (
        lambda: shown_by(lambda console: terminal.Terminal(console), force_terminal=True, width=200), check_terminal,
    ),
    "strings on the console": (lambda: captured(lambda: terminal.console(markup=False).print(HOSTILE)), check_text),
    "hunt": (hunt_shown, check_text),
    "styled hunt": (lambda: hunt_shown(force_terminal=True, width=400), check_terminal),
    "page of a hunt": (lambda: hunt_report.page(state(), over=True), check_html),
    "json": (BOTH.to_json, check_json),
    "json of one": (ReportSet([report()]).to_json, check_json),
    "junitxml": (lambda: report_files.FORMATS["junitxml"](BOTH), check_xml),
    "html": (lambda: html.page(BOTH), check_html),
    "html of one": (lambda: html.page(ReportSet([report()])), check_html),
    "summary": (lambda: report_files.FORMATS["summary"](BOTH), check_markdown),
    "sarif": (lambda: report_files.FORMATS["sarif"](BOTH), check_sarif),
    "badge": (lambda: report_files.FORMATS["badge"](BOTH), check_shown_json),
    "feedback in Markdown": (lambda: pages(".md", True)[0], check_markdown),
    "feedback without solution": (lambda: pages(".md", False)[0], check_markdown),
    "feedback of what was refused": (lambda: pages(".md", True)[1], check_markdown),
    "feedback in HTML": (lambda: pages(".html", True)[0], check_html),
    "gradescope": (lambda: scopes()[0], check_shown_json),
    "gradescope, refused": (lambda: scopes()[1], check_shown_json),
    "grades": (lambda: grades.as_csv(BOTH.entries, CRITERIA), check_csv),
    "annotations": (all_commands, check_commands),
    "an annotation": (lambda: github.command("error", HOSTILE, HOSTILE), check_commands),
    "a complaint": (complaint, check_text),
    "a line": (lambda: captured(lambda: output.say(HOSTILE)), check_line),
    "a document": (lambda: captured(lambda: output.show(HOSTILE)), check_text),
    "report of a corpus": (lambda: bug_report.document(kept(), Path("absent"), 2), check_markdown),
    "AssertionError": (assertion, check_text),
    "PropertyFailed": (lambda: str(PropertyFailed(HOSTILE)), check_text),
    "PropertyFailed in own tests": (lambda: str(OwnPropertyFailed(HOSTILE)), check_text),
    "TargetError": (lambda: str(TargetError(HOSTILE)), check_text),
    "UsageError": (lambda: str(UsageError(HOSTILE)), check_exception),
}  # fmt: skip


@pytest.mark.parametrize("writer", WRITERS)
def test_nothing_that_leaves_does_anything(writer):
    made, check = WRITERS[writer]
    check(made())


# ---------------------------------------------------------------- commands


def invoked(capsys, *words):
    """What a command says, and its status."""
    status = cli.main([str(word) for word in words], standalone_mode=False)
    said = capsys.readouterr()
    assert is_plain(said.out) and is_plain(said.err)
    return status, said.out + said.err


def test_compare_shows_and_writes_it(capsys, monkeypatch):
    first = filled(Difference, number=1, case=case("RNN_TANH", T=1, N=1, I=1, H=1, x=1, h_0=0), leaves="both")
    counts = Counter(same=1, void=1)
    found = filled(
        Comparison, counts=counts, differences=[first], areas={first.sort: [HOSTILE]}, smallest=first, always=False
    )
    monkeypatch.setattr(compare, "compare_targets", lambda *_: found)
    monkeypatch.setattr(compare, "open_side", lambda *_: nullcontext())
    monkeypatch.setattr(compare, "stopping", lambda opened: opened)
    status, said = invoked(capsys, "compare", HOSTILE, HOSTILE, "--json", "c.json")
    assert status == 1
    check_text(said)
    check_json(Path("c.json").read_text())


def test_matrix_shows_and_writes_it(capsys, monkeypatch):
    judged = [Row(report(), HOSTILE, [HOSTILE]), Row(HOSTILE, HOSTILE, [HOSTILE])]
    monkeypatch.setattr(matrix, "outcomes", lambda *_, **__: (one for one in judged))
    monkeypatch.setattr(grades, "rubric", lambda *_: CRITERIA)
    words = "--html", "m.html", "--json", "m.json", "--feedback", "f", "--grades", "g.csv", "--gradescope", "s"
    status, said = invoked(capsys, "matrix", "reference", f"reference:{HOSTILE}", *words)
    assert status == 1 and "not written" not in said
    check_text(said)
    check_html(Path("m.html").read_text())
    check_json(Path("m.json").read_text())
    check_csv(Path("g.csv").read_text())
    for file in (*Path("f").iterdir(), *Path("s").rglob("*.json")):
        assert file.name.isprintable()
        {".md": check_markdown, ".html": check_html, ".json": check_shown_json}[file.suffix](file.read_text())


def test_what_is_said_of_a_corpus_is_plain(capsys):
    made = Corpus.made(Path("corpus"))
    made.keep(kept(), None)
    for words in (("known", "corpus", "ffff"), ("report", "corpus", "ffff")):
        _, said = invoked(capsys, "corpus", *words)
        check_text(said)


SPEC = f"""
from reference_rnn import cell, tanh


@cell("n")
def mine(x, h, p):
    {HOSTILE!r}
    return tanh(p.n(x, h))
"""


def test_the_docstring_of_a_cell_is_plain(capsys):
    Path("spec.py").write_text(SPEC)
    _, said = invoked(capsys, "cell", "spec.py:mine")
    check_text(said)


MODES = f"capabilities = {{'modes': {{{HOSTILE!r}: {{'order': {HOSTILE!r}}}}}}}\ndef forward(case): pass\n"
TYPE = f"raise type('X\\x1b\\u202e', (Exception,), {{}})({HOSTILE!r})"
NUL = '[[expected]]\ncounterexample = "it passed\\u0000\\u202e\\u001b"\nreason = "r"'
# What a project may hold, whatever is asked: files by name, and the words of the command.
PROJECTS = {
    "an import error": ({"a.py": f"raise ImportError({HOSTILE!r})"}, ("check", "a.py")),
    "an exception of a strange type": ({"a.py": TYPE}, ("check", "a.py")),
    "names of modes": ({"a.py": MODES}, ("check", "a.py")),
    "a NUL in TOML": ({"k.toml": NUL}, ("check", "a.py", "--expected-failures", "k.toml")),
    "the name of a file": ({}, ("check", f"it passed{ACTS.replace(chr(0), '')}.py")),
}


@pytest.mark.parametrize("project", PROJECTS)
def test_whatever_a_project_holds_is_plain(tmp_path, right, project):
    texts, words = PROJECTS[project]
    for name, text in ({"a.py": right} | texts).items():
        Path(name).write_text(text)
    env = {**os.environ, "GITHUB_ACTIONS": "true", "NO_COLOR": "1"}
    done = subprocess.run([RNN, *words, "--no-diagnosis"], env=env, capture_output=True, timeout=100)
    out, err = done.stdout.decode(), done.stderr.decode()
    commands = [line for line in out.splitlines() if line.startswith("::error ")]
    assert done.returncode == 2 and err.count("\n") == 1 and len(commands) == 1
    check_text(err)
    assert is_plain(out.replace(commands[0], commands[0].lstrip(":")))


def test_the_reason_of_an_expected_failure_is_plain(right, capsys):
    Path("a.py").write_text(right.replace("np.stack(output)", "np.stack(output).astype(np.float64)"))
    reason = "".join(f"\\U{ord(c):08x}" for c in HOSTILE if c != "\udc80")
    Path("k.toml").write_text(f'[[expected]]\nproperty = "shapes.dtype"\nreason = "{reason}"\n')
    words = ("--in-process", "--no-saved", "--expected-failures", "k.toml", "--property", "shapes.dtype")
    names = {"summary": "s.md", "junitxml": "j.xml", "html": "h.html"}
    status, said = invoked(capsys, "check", "a.py", *words, *(f"--{name}={file}" for name, file in names.items()))
    assert status == 0
    check_text(said)
    check_markdown(Path("s.md").read_text())
    check_xml(Path("j.xml").read_text())
    check_html(Path("h.html").read_text())


def test_pytest_says_it_plainly(pytester, right):
    pytester.makefile(".py", a=f"raise ImportError({HOSTILE!r})")
    done = pytester.runpytest_inprocess(
        "--pyargs", "conformance", "--rnn", "a.py", "--rnn-property", "shapes.dtype", "-q"
    )
    assert done.ret == 2 and is_plain(done.stdout.str().replace("\t", "")) and "it passed" in done.stdout.str()


def test_what_is_shown_twice_is_shown_once():
    once = captured(lambda: output.show(HOSTILE))
    assert captured(lambda: output.show(once.removesuffix("\n"))) == once
