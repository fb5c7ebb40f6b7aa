"""vectors: cases and their results as files."""

import copy
import json
import subprocess
import sys
from functools import reduce
from operator import getitem
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from conformance.claims.capabilities import Capabilities
from conformance.harness.load import open_target
from conformance.judging.subject import Subject
from conformance.report import html
from conformance.trial import vectors
from reference_rnn import CELLS, DTYPES, PROFILES, forward
from strategies.covering import COVERING

TARGETS = Path(__file__).parent.parent / "targets"
RNN = Path(sys.executable).with_name("rnn-conformance")
SCHEMAS = Path(html.__file__).parent / "schemas"
SCHEMA = json.loads((SCHEMAS / "vector.json").read_text())


@pytest.fixture
def run(tmp_path, right):
    """Runs the command in a folder that has a right target."""
    (tmp_path / "right.py").write_text(right)

    def command(*words):
        return subprocess.run([RNN, "vectors", *words], cwd=tmp_path, capture_output=True, text=True, timeout=120)

    return command


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Vectors for plain RNNs and LSTMs."""
    made = tmp_path_factory.mktemp("vectors")
    for cell in ("RNN_TANH", "RNN_RELU", "LSTM"):
        for name, vector in vectors.vectors(cell, "float32"):
            if vector:
                vectors.write(made, name, vector)
    return made


def judged(target, folder):
    return vectors.judge(Subject(open_target(target, in_process=True)), vectors.read_all(folder))


def test_vectors_are_written_and_a_right_target_gives_them(run, tmp_path):
    done = run("write", "made", "--cell", "RNN_TANH", "--cell", "LSTM", "--count", "6")
    assert done.returncode == 0 and "12 test vectors are in made" in done.stdout
    assert len(list((tmp_path / "made").iterdir())) == 12
    done = run("check", "made", "right.py")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("right.py: 2 of 2 test vectors hold; 10 need what is not claimed: LSTM,")


def test_the_same_vectors_are_the_same_bytes(run, tmp_path):
    words = ("--cell", "GRU", "--dtype", "float16", "--count", "5")
    assert run("write", "one", *words).returncode == run("write", "other", *words).returncode == 0
    for file in (tmp_path / "one").iterdir():
        assert file.read_bytes() == (tmp_path / "other" / file.name).read_bytes()


def test_a_wrong_target_is_told_where(run, right, folder, tmp_path):
    (tmp_path / "wrong.py").write_text(right.replace('p["bias_hh_l0"])', '0 * p["bias_hh_l0"])'))
    done = run("check", str(folder), "wrong.py")
    assert done.returncode == 1 and done.stdout.startswith("wrong.py: 0 of 4 test vectors hold")
    assert "rnn_tanh-float32-00.json: output[0, 0, 0] is " in done.stdout
    assert ", must be " in done.stdout and " +/- " in done.stdout and "; it is the first step" in done.stdout


@pytest.mark.parametrize("name", ["plain", "reversed_sums", "float64_inside", "split_products"])
def test_every_right_target_gives_them(name, folder):
    outcome = judged(TARGETS / "right" / f"{name}.py", folder)
    assert len(outcome.held) > 40 and not outcome.wrong


def test_shapes_and_deaths_are_told(folder):
    assert "trailing axis" in judged(TARGETS / "wrong" / "trailing_axis.py", folder).wrong["rnn_tanh-float32-00.json"]
    raises = judged(TARGETS / "wrong" / "raises_bidirectional.py", folder)
    assert any("raised" in message for message in raises.wrong.values()) and raises.held


def test_a_checker_needs_one_line(folder):
    """What README and schema promise: abs(y - mid) <= rad."""
    for file in folder.iterdir():
        data = json.loads(file.read_text())
        result = forward(vectors.read(file).case)
        for name, entry in data["expected"].items():
            y = getattr(result, name).astype(np.float32).astype(float).ravel()
            mid, rad = np.array(entry["mid"]), np.array(entry["rad"])
            assert (abs(y - mid) <= rad).all()
            assert not rad.size or (abs(y + 0.01 - mid) > rad).any()


def test_vectors_follow_their_schema(folder):
    for file in folder.iterdir():
        jsonschema.validate(json.loads(file.read_text()), SCHEMA)


def test_the_schema_knows_what_the_code_knows():
    defined = json.loads((SCHEMAS / "counterexample.json").read_text())["$defs"]
    cases = json.loads(json.dumps({name: defined.get(f"{name}_1", part) for name, part in defined.items()}))
    mine = {name: part for name, part in SCHEMA["$defs"].items() if name != "balls"}
    assert json.dumps(mine) == json.dumps({name: cases[name] for name in mine}).replace('_1"', '"')
    assert SCHEMA["properties"]["schema"]["const"] == vectors.SCHEMA
    names = f"({'|'.join(PROFILES)})"
    assert SCHEMA["properties"]["arithmetic"]["pattern"] == rf"^{names}(\+{names})*$"


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_void_cases_are_left_out_and_others_are_not(cell, dtype):
    found = dict(vectors.vectors(cell, dtype))
    # an LSTM has four sums a step that may be stored in eight bits, and is void first
    least = len(COVERING) // (5 if (cell, dtype) == ("LSTM", "bfloat16") else 4)
    assert len(found) == len(COVERING) and sum(v is not None for v in found.values()) >= least
    for vector in filter(None, found.values()):
        assert all(np.isfinite(ball.mid + ball.rad).all() for _, ball in vector.balls.items())


def test_some_cases_are_void():
    assert None in dict(vectors.vectors("LSTM", "bfloat16")).values()


def test_a_vector_survives_being_data(folder):
    for file in folder.iterdir():
        data = json.loads(file.read_text())
        assert vectors.to_data(vectors.from_data(copy.deepcopy(data))) == data


def test_vectors_of_another_order_are_for_those_who_claim_it(run):
    examples = Path(__file__).parents[2] / "examples" / "cells"
    words = ("write", "made", "--cell", f"{examples / 'mingru.py'}:mingru", "--count", "6")
    assert run(*words, "--order", "scan").returncode == 0
    scan, steps = (run("check", "made", str(examples / "targets" / f"{name}.py")) for name in ("mingru_scan", "mingru"))
    assert scan.returncode == 0 and "test vectors hold" in scan.stdout
    assert steps.returncode == 2 and "need what is not claimed: the order of scan" in steps.stdout
    refused = run("write", "made", "--order", "log")
    assert refused.returncode == 2 and "no linear recurrence" in refused.stderr


def test_what_is_not_claimed_is_not_run(folder):
    found = vectors.read_all(folder)
    everything = Capabilities(
        cells=CELLS, bidirectional=True, max_layers=None, no_bias=True, lengths=True, empty=True, projections=True
    )
    assert not any(vectors.unclaimed(vector, everything) for vector in found.values())
    for name, claims, missing in (
        ("lstm-float32-00.json", {}, ["LSTM", "projections"]),
        ("rnn_tanh-float32-00.json", {"dtypes": ("float64",)}, ["float32"]),
        ("rnn_tanh-float32-00.json", {"biases": "one"}, ["two biases"]),
        ("rnn_tanh-float32-00.json", {"sizes": {"batch": (7,)}}, ["these sizes"]),
        ("rnn_tanh-float32-00.json", {"arithmetic": "lenient"}, ["strict arithmetic"]),
        ("rnn_tanh-float32-00.json", {"initial_state": False}, ["initial_state"]),
        ("rnn_tanh-float32-02.json", {}, ["2 layers", "lengths"]),
        ("rnn_tanh-float32-10.json", {"max_layers": None}, ["no_bias"]),
        ("rnn_tanh-float32-17.json", {"max_layers": 2, "bidirectional": True}, ["empty.time"]),
        ("rnn_tanh-float32-18.json", {}, ["empty.batch"]),
    ):
        assert vectors.unclaimed(found[name], Capabilities(**claims)) == missing


def test_lenient_targets_have_vectors_of_their_own(run, tmp_path):
    run("write", "strict", "--cell", "RNN_TANH")
    run("write", "lenient", "--cell", "RNN_TANH", "--arithmetic", "lenient")
    target = str(TARGETS / "right" / "lenient_tanh.py")
    assert run("check", "lenient", target).returncode == 0
    done = run("check", "strict", target)
    assert done.returncode == 2 and "0 of 0 test vectors hold; 24 need what is not claimed: strict" in done.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["write", "made", "--cell", "RNN"], "'RNN' is no cell, must be SPEC.py:NAME or one of RNN_TANH, RNN_RELU"),
        (["write", "made", "--dtype", "double"], "there is no dtype 'double'; there are float32, float64"),
        (["write", "made", "--arithmetic", "exact"], "arithmetic is 'exact', must be one of strict, lenient"),
        (["write", "made", "--count", "25"], "25 is not in the range 1<=x<=24"),
        (["write", "right.py"], "right.py: File exists"),
        (["write"], "Missing argument 'DIR'; usage: "),
        (["read", "made"], "No such command 'read'; commands are write, check"),
        (["check", "absent", "right.py"], "there is no folder 'absent'"),
        (["check", ".", "right.py"], "'.' has no test vectors; rnn-conformance vectors write ."),
    ],
)
def test_what_is_asked_wrongly_is_one_clear_line(run, words, message):
    done = run(*words)
    assert done.returncode == 2 and "Traceback" not in done.stderr and message in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_target_that_is_missing_is_one_clear_line(run, folder):
    done = run("check", str(folder), "absent.py")
    assert done.returncode == 2 and "there is no file 'absent.py'; '.' has right.py" in done.stderr


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("not json", "Expecting value"),
        ("[]", "it is not a test vector of schema 1"),
        ('{"schema": 2}', "it is not a test vector of schema 1"),
        ('{"schema": 1, "arithmetic": "strict"}', "it has no 'case'"),
        ('{"schema": 1, "arithmetic": "strict", "case": {}, "expected": {}}', "it does not describe a case"),
        ("[" * 100000, "it is nested too deeply"),
        ("\xff", "it is not text in UTF-8: byte 0 is 0xff"),
    ],
)
def test_a_file_that_is_no_vector_is_one_clear_line(run, tmp_path, text, message):
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "one.json").write_bytes(text.encode("latin-1"))
    done = run("check", "made", "right.py")
    assert done.returncode == 2 and done.stdout == "" and "Traceback" not in done.stderr
    assert done.stderr.startswith("rnn-conformance: made/one.json: ") and message in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (["arithmetic"], "exact", "arithmetic is 'exact', must be one of strict"),
        (["arithmetic"], [], "arithmetic is [], must be one of strict"),
        (["expected"], [], "expected must be an object with output, h_n"),
        (["expected", "c_n"], {}, "expected must be an object with output, h_n"),
        (["expected", "h_n"], 1, "h_n must be an object with shape, mid, rad"),
        (["expected", "h_n", "shape"], [1, 3], "h_n has shape [1, 3], must be [1, 3, 5] for its case"),
        (["expected", "h_n", "mid"], [1.0], "mid of h_n must be a list of 15 numbers"),
        (["expected", "h_n", "rad", 0], -1.0, "rad of h_n must not be negative"),
        (["expected", "h_n", "rad", 0], float("nan"), 'NaN must be the string "NaN"'),
        (["expected", "h_n", "mid", 0], "1", "mid of h_n must hold finite numbers only"),
        (["expected", "h_n", "mid", 0], True, "mid of h_n must hold finite numbers only"),
        (["case", "config", "cell"], "RNN", "it does not describe a case: CellError: cell is 'RNN'"),
        (["case", "arrays", "x", "shape"], [1, 2, 3], "it does not describe a case: ValueError: x has "),
    ],
)
def test_a_vector_that_was_damaged_is_refused_and_does_not_follow_the_schema(folder, tmp_path, path, value, message):
    data = json.loads((folder / "rnn_tanh-float32-00.json").read_text())
    *above, last = path
    reduce(getitem, above, data)[last] = value
    (tmp_path / "one.json").write_text(json.dumps(data))
    with pytest.raises(vectors.VectorError) as refused:
        vectors.read_all(tmp_path)
    assert str(refused.value).startswith(f"{tmp_path / 'one.json'}: ") and message in str(refused.value)
