"""trace, replay, new and shapes, and what check leaves behind."""

import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from dataclasses import fields
from functools import reduce
from operator import getitem
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from conformance.harness.call import FORMS, Call
from conformance.judging import serialisation
from conformance.judging.counterexample import DEMANDS, Counterexample, notes
from conformance.report import html
from conformance.scripts.reproducer import lengths_literal
from conformance.trial import counterexamples
from reference_rnn import CELLS, DTYPES, Config, case
from reference_rnn.case import ACTIVATIONS
from strategies import layout_of, relaid
from strategies.forms import LENGTHS, kind_of_lengths, of_kind
from strategies.memory import LAYOUTS

TARGETS = Path(__file__).parent.parent / "targets"
QUESTION = str(TARGETS / "wrong" / "question.py")
OWN = f"{QUESTION}:rnn"  # as it was asked, without an adapter
RNN = Path(sys.executable).with_name("rnn-conformance")
SCHEMAS = Path(html.__file__).parent / "schemas"
SCHEMA = json.loads((SCHEMAS / "report.json").read_text())
COUNTEREXAMPLE = json.loads((SCHEMAS / "counterexample.json").read_text())


@pytest.fixture
def run(tmp_path):
    """Runs the command in an empty folder."""

    def command(*words, **environment):
        env = {k: v for k, v in os.environ.items() if k != "GITHUB_ACTIONS"} | environment
        return subprocess.run([RNN, *words], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120)

    return command


def test_new_writes_an_adapter_that_conforms(run, tmp_path):
    assert run("new", "my_rnn.py").returncode == 0
    done = run("check", "my_rnn.py", "--junitxml", "junit.xml", "--json", "report.json", "-n", "1")
    assert done.returncode == 0, done.stdout
    report = json.loads((tmp_path / "report.json").read_text())
    jsonschema.validate(report, SCHEMA)
    cases = ET.parse(tmp_path / "junit.xml").getroot().findall("testsuite/testcase")
    claimed = {result["id"] for result in report["results"] if result["status"] != "not_claimed"}
    assert {case.get("name") for case in cases} == claimed < {result["id"] for result in report["results"]}
    assert not (tmp_path / ".rnn-conformance").exists()


def test_new_wants_a_file_that_can_be_checked(run):
    done = run("new", "mine")
    assert done.returncode == 2 and "'mine' must end in .py, so that it can be checked" in done.stderr


def test_new_overwrites_nothing(run, tmp_path):
    (tmp_path / "mine.py").write_text("precious")
    done = run("new", "mine.py")
    assert done.returncode == 2 and "is there already; name another file" in done.stderr
    assert (tmp_path / "mine.py").read_text() == "precious"


def test_shapes_answers_the_question_that_was_asked(run):
    text = run("shapes", "-T", "5", "-N", "3", "-I", "4", "-H", "2", "-L", "2", "--bidirectional").stdout
    assert "(5, 3, 4)   (T, N, 2H)" in text and "(4, 3, 2)   (L*D, N, H)" in text
    assert "weight_ih_l1_reverse   (2, 4)      (H, 2H)" in text


def test_shapes_are_those_of_a_cell_that_the_target_claims(run, tmp_path):
    (tmp_path / "mine.py").write_text("capabilities = {'cells': ['GRU']}\ndef forward(case): pass\n")
    assert "(6, 4)      (3H, I)" in run("shapes", "mine.py").stdout
    assert "(8, 4)      (4H, I)" in run("shapes", "mine.py", "--cell", "LSTM").stdout


@pytest.mark.sample
def test_shapes_and_trace_speak_the_names_of_the_question(run):
    text = run("shapes", OWN, "--bidirectional").stdout
    blocks = [line.split("│")[1:-1] for line in text.splitlines() if line.startswith("│")]
    assert [[word.strip() for word in line] for line in blocks] == [
        ["w0 of direction d", "I = 4 columns", "H = 2 columns"],
        ["H = 2 rows", "W_ih", "zero"], ["H = 2 rows", "zero", "W_hh"],
    ]  # fmt: skip
    assert "w        (1, 2, 2, 6)   (L-1, D, H, D*H+H)" in text and "weight_ih" not in text
    assert "weight_ih_l0" in run("shapes", "torch").stdout
    text = run("trace", OWN).stdout
    assert "xs (5, 1, 3)\n  [[[ 0.   -0.5   0.25]]" in text and "w0 (2, 4, 5)" in text and "case(" not in text
    assert "bias_ih_l0 (2,)\n  [" in run("trace", "reference").stdout


def test_a_counterexample_is_saved_judged_first_and_replayed(run, tmp_path):
    run("check", QUESTION, "--property", "equivalence.steps", "--json", "first.json")
    (file,) = (tmp_path / ".rnn-conformance").rglob("*.json")
    jsonschema.validate(json.loads(file.read_text()), COUNTEREXAMPLE)
    again = run("check", QUESTION, "--property", "equivalence.steps", "--json", "again.json")
    assert again.returncode == 1
    first, second = (json.loads((tmp_path / name).read_text())["results"][0] for name in ("first.json", "again.json"))
    assert second["examples"] == 1 and second["counterexample"] == first["counterexample"]

    still = run("replay", str(file), QUESTION)
    assert still.returncode == 1 and "output[1, 0, 0] is 0.7615942, must be 0.9426808" in still.stdout
    mended = run("replay", str(file), "reference", "--bisect")
    assert mended.returncode == 0 and "equivalence.steps: holds" in mended.stdout
    assert run("replay", str(file), "absent.py", "--bisect").returncode == 125
    assert run("replay", str(file), "absent.py").returncode == 2


@pytest.mark.sample
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("not json", "Expecting value"),
        ("[]", "it is not a counterexample of schema 1, 2 or 3"),
        ('{"schema": 1, "property": "equivalence.steps", "case": {}}', "it does not describe a case"),
        ('{"schema": 2, "property": "equivalence.steps"}', "it is no counterexample: it has no kind"),
        ('{"schema": 4, "property": "equivalence.steps"}', "it is not a counterexample of schema 1, 2 or 3"),
        ("[" * 100000, "it is nested too deeply"),
    ],
)
def test_a_file_that_is_no_counterexample_is_one_clear_line(run, tmp_path, text, message):
    (tmp_path / "case.json").write_text(text)
    done = run("replay", "case.json", "reference")
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert done.stderr.startswith("rnn-conformance: case.json: ") and message in done.stderr


def test_a_case_survives_being_data():
    for name in LAYOUTS:
        before = case(
            "RNN_RELU", T=2, N=3, I=2, H=2, lengths=[2, 0, 1], x={(1, 1, 0): float("nan")}, h_0=0.1, weight_hh_l0=2
        )
        before = before.map(lambda _, array, name=name: relaid(array, name))
        after = serialisation.case_from_data(json.loads(json.dumps(serialisation.case_to_data(before))))
        assert repr(after) == repr(before)
        assert layout_of(after.x) == layout_of(before.x) == name


@pytest.mark.parametrize("kind", ["", *LENGTHS])
def test_lengths_survive_being_data_printed_and_in_a_script(kind):
    before = case(T=2, N=3, lengths=[2, 0, 1])
    before = before.replace(lengths=of_kind(before.lengths, kind) if kind else before.lengths)
    written = json.loads(json.dumps(serialisation.case_to_data_2(before)))
    jsonschema.validate(written, COUNTEREXAMPLE | {"oneOf": [{"$ref": "#/$defs/case"}]})
    older = json.loads(json.dumps(serialisation.case_to_data(before)))
    for after in (serialisation.case_from_data_2(written), serialisation.case_from_data(older)):
        assert after.lengths.tolist() == [2, 0, 1] and kind_of_lengths(after.lengths) == kind
    printed = eval(repr(before), {"case": case})
    assert printed.lengths.dtype == before.lengths.dtype
    told = " ".join(notes(Call("forward", before)))
    assert ("lengths" in told) == (kind in ("strided", "negative"))
    assert kind_of_lengths(eval(lengths_literal(before.lengths), {"np": np, "relaid": relaid})) == kind


def test_a_kind_of_lengths_that_there_is_not_is_one_clear_line():
    written = serialisation.case_to_data_2(case(T=2, N=1, lengths=[2])) | {"lengths": {"kind": "float", "data": [2]}}
    said = "kind of lengths is 'float', must be one of int32, uint8"
    with pytest.raises(serialisation.CounterexampleError, match=said):
        serialisation.case_from_data_2(written)


@pytest.fixture
def saved(tmp_path, monkeypatch):
    """A counterexample as it is saved, with everything that a file of that kind can hold."""
    monkeypatch.chdir(tmp_path)
    x = {(0, 0, 0): float("nan"), (0, 0, 1): float("inf"), (1, 0, 0): -float("inf")}
    held = case("RNN_RELU", T=2, N=2, I=2, H=2, L=2, D=2, lengths=[2, 0], x=x, h_0=0.1).replace(dropout=0.5)
    held = held.map(lambda name, array: relaid(array, "negative" if name == "x" else "C"))
    d = {"d_output": np.ones((2, 2, 4), np.float32), "d_h_n": None}
    expected = {"x": (np.zeros((2, 2, 2)), np.full((2, 2, 2), np.inf))}
    calls = (Call("forward", held), Call("gradients", held, d, 1))
    one = Counterexample(
        "shapes.shapes",
        "output is nan",
        "value:output",
        held,
        calls,
        1,
        (1,),
        ({}, expected),
        "numbers",
        True,
        "my_rnn.py",
    )
    return json.loads(counterexamples.save(one).read_text())


def test_a_saved_counterexample_follows_its_schema(saved):
    jsonschema.validate(saved, COUNTEREXAMPLE)
    assert {"NaN", "Infinity", "-Infinity"} < set(saved["case"]["x"]["data"])
    optional = case("LSTM", peepholes=True, clip=0.5, activations=("hard_sigmoid", "tanh", "softsign"))
    for other in (case(T=0, N=0), optional):
        plain = serialisation.case_to_data_2(other)
        jsonschema.validate(saved | {"case": plain}, COUNTEREXAMPLE)
        assert repr(serialisation.case_from_data_2(json.loads(json.dumps(plain)))) == repr(other)


def test_a_counterexample_of_the_first_schema_is_still_read(tmp_path):
    held = case(T=2, h_0=0.1)
    old = {"schema": 1, "property": "shapes.shapes", "target": "my_rnn.py", "message": "odd"}
    old["case"] = serialisation.case_to_data(held)
    jsonschema.validate(old, COUNTEREXAMPLE)
    (tmp_path / "old.json").write_text(json.dumps(old))
    one = counterexamples.load(tmp_path / "old.json")
    assert (one.property, one.message, one.target, repr(one.case)) == ("shapes.shapes", "odd", "my_rnn.py", repr(held))


@pytest.mark.sample
@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["schema"], 3),
        (["demand"], "luck"),
        (["before"], -1),
        (["compared"], [-1]),
        (["repeatable"], "yes"),
        (["calls", 0, "do"], "stop"),
        (["calls", 0, "times"], 0),
        (["calls", 0, "form"], "flat"),
        (["calls", 1, "cotangents", "d_x"], None),
        (["calls", 1, "expected", "x", "room"], ["a"]),
        (["property"], "Shapes"),
        (["message"], None),
        (["author"], "me"),
        (["case", "training"], "no"),
        (["case", "lengths"], [2, -1]),
        (["case", "cell"], "RNN"),
        (["case", "config", "input_size"], 0),
        (["case", "config", "nonlinearity"], "tanh"),
        (["case", "parameters", "weight_ih_l0"], [0.0]),
        (["case", "x", "dtype"], "float32"),
        (["case", "x", "memory"], "sparse"),
        (["case", "x", "shape"], [1.5]),
        (["case", "x", "data"], [1.0, "infinity"]),
        (["case", "x", "data"], [[1.0]]),
    ],
)
def test_what_is_no_counterexample_does_not_follow_the_schema(saved, path, value):
    *above, last = path
    reduce(getitem, above, saved)[last] = value
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(saved, COUNTEREXAMPLE)


def test_nothing_may_be_missing_in_a_counterexample(saved):
    validator = jsonschema.Draft202012Validator(COUNTEREXAMPLE)
    call = saved["calls"][1]
    for part in (saved, call, call["expected"]["x"], saved["case"], saved["case"]["config"], saved["case"]["x"]):
        for name in list(part):
            value = part.pop(name)
            assert not validator.is_valid(saved), name
            part[name] = value


def test_the_schema_knows_what_the_code_knows():
    known = COUNTEREXAMPLE["$defs"]
    config = known["config"]["properties"]
    cell = known["cell"]["anyOf"][0]
    assert (tuple(cell["enum"]), tuple(config["dtype"]["enum"])) == (CELLS, DTYPES)
    assert (
        config.keys() | {"cell"} == {field.name for field in fields(Config)} == known["config_1"]["properties"].keys()
    )
    assert {"cell", *known["config"]["required"]} == Config().as_dict().keys()
    demands = [tuple(known[name]["properties"]["demand"]["enum"]) for name in ("schema_2", "schema_3")]
    assert demands == [tuple(demand for demand in DEMANDS if demand != "same"), tuple(DEMANDS)]
    assert tuple(known["call"]["properties"]["form"]["enum"]) == FORMS
    assert tuple(config["activations"]["items"]["enum"]) == tuple(ACTIVATIONS)
    assert tuple(known["array"]["properties"]["memory"]["enum"]) == LAYOUTS
    assert known["schema_2"]["properties"]["schema"]["const"] == serialisation.SCHEMA


def test_a_hostile_case_is_refused():
    plain = serialisation.case_to_data(case())
    plain["arrays"]["x"]["shape"] = [10**9, 1, 1]
    with pytest.raises(serialisation.CounterexampleError, match="which do not fit its shape"):
        serialisation.case_from_data(plain)


def test_trace_marks_the_first_number_that_differs(run):
    done = run("trace", QUESTION)
    assert done.returncode == 1
    text = done.stdout
    assert "the target raised" in text and "With one direction only" in text
    assert re.search(r"1 +0 +0 +0.635149 +0.3747531 +<-- first", text)
    assert text.count("<-- first") == 1


ODD_WORDS = "only [bold]x[/bold] of [(1, 2)] at [/] and :x:"


def test_trace_says_what_the_target_said_word_for_word(run, tmp_path, right):
    (tmp_path / "raises.py").write_text(f"def forward(case):\n    raise ValueError({ODD_WORDS!r})\n")
    done = run("trace", "raises.py")
    assert done.returncode == 1 and f"ValueError: {ODD_WORDS} (" in done.stdout
    assert done.stdout.rstrip().splitlines()[-1] == "some numbers are missing: see what the target said"
    (tmp_path / "one.py").write_text(
        'capabilities = {"bidirectional": True}\n'
        + right.replace("    p, h,", f"    if case.config.bidirectional: raise ValueError({ODD_WORDS!r})\n    p, h,")
    )
    done = run("trace", "one.py")
    assert done.returncode == 1 and ODD_WORDS in done.stdout and "With one direction only:" in done.stdout
    last = "With both directions, some numbers are missing: see what the target said"
    assert done.stdout.rstrip().splitlines()[-1] == last


def test_the_last_line_of_trace_is_its_status(run, tmp_path, right):
    (tmp_path / "right.py").write_text(right)
    (tmp_path / "wrong.py").write_text(right.replace("h[None].copy()", "0 * h[None]"))
    for name, status, last in (("right", 0, "every number agrees"), ("wrong", 1, "some numbers differ")):
        done = run("trace", f"{name}.py")
        assert done.returncode == status
        assert done.stdout.rstrip().splitlines()[-1].startswith(last)


def test_matrix_says_word_for_word_why_a_target_was_not_judged(run, tmp_path):
    (tmp_path / "odd.py").write_text(f"raise RuntimeError({ODD_WORDS!r})\n")
    assert f"RuntimeError: {ODD_WORDS}" in run("matrix", "odd.py").stdout


def test_trace_shows_every_layer_and_direction(run):
    done = run("trace", "reference")
    assert done.returncode == 0 and done.stdout.rstrip().endswith("every number agrees, but for rounding")
    for title in ("layer 0, forward", "layer 0, reverse", "layer 1, forward", "layer 1, reverse"):
        assert title in done.stdout


def test_trace_shows_any_cell(run):
    done = run("trace", "reference", "--cell", "LSTM")
    assert done.returncode == 0 and done.stdout.startswith("cell='LSTM', input_size=3, ")
    unknown = run("trace", "reference", "--cell", "RNN")
    assert unknown.returncode == 2 and "there is no cell 'RNN'; there are RNN_TANH" in unknown.stderr


@pytest.mark.sample
def test_annotations_appear_on_github_only(run):
    words = ("check", QUESTION, "--property", "equivalence.steps")
    assert "::error" not in run(*words).stdout
    line = next(line for line in run(*words, GITHUB_ACTIONS="true").stdout.splitlines() if line.startswith("::error"))
    assert "title=" in line and "equivalence.steps::output[1, 0, 0]" in line and "%0Asmallest case:" in line
