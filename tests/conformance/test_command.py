"""Targets in other languages, by the line protocol."""

import json
import math
import re
import shutil
import subprocess
import sys
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from conformance import check
from conformance.cli.protocol import SCHEMA
from conformance.harness.channel import Channel
from conformance.harness.command import array_of, as_meant, line_of, request, tensor
from conformance.harness.load import TargetError, open_target
from conformance.harness.process import Limits, Nonsense
from conformance.judging.serialisation import case_from_data
from conformance.vectors.vector_files import Request, saved_case
from reference_rnn import CELLS, case, forward, rounded

RNN = Path(sys.executable).with_name("rnn-conformance")
NODE = Path(__file__).parent.parent.parent / "examples" / "node" / "rnn.js"
TFJS = NODE.parent.parent / "tfjs" / "rnn.js"
BRAINJS = NODE.parent.parent / "brainjs" / "rnn.js"
PROTOCOL = json.loads(SCHEMA.read_text())

# A harness in Python that shares nothing with the kit's own; CHANGE is put in for what is to go wrong.
HARNESS = """
import json, math, sys

def numbers(array):
    return [float(n) for n in array["data"]]

def answer(request):
    if request["do"] == "start":
        return {"capabilities": {"cells": ["RNN_TANH"], "dtypes": ["float64"]}}
    if request["do"] != "forward":
        return {"error": "unknown request"}
    c, p = request["config"], {k: numbers(v) for k, v in request["parameters"].items()}
    T, N, I = request["x"]["shape"]
    H, x, h = c["hidden_size"], numbers(request["x"]), numbers(request["h_0"])
    output = []
    for t in range(T):
        h = [
            math.tanh(
                p["bias_ih_l0"][k] + p["bias_hh_l0"][k]
                + sum(p["weight_ih_l0"][k * I + i] * x[(t * N + n) * I + i] for i in range(I))
                + sum(p["weight_hh_l0"][k * H + j] * h[n * H + j] for j in range(H))
            )
            for n in range(N) for k in range(H)
        ]
        output += h
    return {"output": {"shape": [T, N, H], "data": output}, "h_n": {"shape": [1, N, H], "data": h}}

for line in sys.stdin:
    request = json.loads(line)
    if request["do"] == "stop":
        break
    reply = answer(request)
    CHANGE
    print(json.dumps(reply), flush=True)
"""


@pytest.fixture
def harness(tmp_path):
    """The command of a harness in which something goes wrong."""

    def written(change="pass"):
        file = tmp_path / "harness.py"
        file.write_text(HARNESS.replace("CHANGE", change))
        return f"cmd: {sys.executable} -u {file}"

    return written


def run(*words):
    return subprocess.run([RNN, *words], capture_output=True, text=True, timeout=240)


def valid(kind, message):
    """Whether a message is what the schema says."""
    jsonschema.validate(message, {**PROTOCOL, "$ref": f"#/$defs/{kind}"})


@pytest.mark.parametrize("cell", CELLS)
def test_requests_are_what_the_schema_says(cell):
    c = case(cell, T=2, N=2, I=2, H=3, x={(0, 0, 0): math.nan}, h_0=0, **({"c_0": 1} if cell == "LSTM" else {}))
    valid("request", request("forward", c, {}))
    valid("request", request("gradients", c, {"d_output": np.ones((2, 2, 3)), "d_h_n": None, "d_c_n": None}))


@pytest.mark.parametrize("dtype, digits", [("float32", 9), ("float64", 17), ("float16", 5), ("bfloat16", 4)])
def test_as_many_digits_as_tell_numbers_of_a_dtype_apart_are_enough(dtype, digits):
    numbers = rounded(np.random.default_rng(0).normal(size=1000) * 2.0 ** np.arange(-9, 11).repeat(50), dtype)
    told = np.array([float(f"{number:.{digits}g}") for number in numbers.tolist()])
    assert (told != numbers).any() or dtype == "float64"
    meant = as_meant({"output": told}, case("RNN_TANH", dtype=dtype))["output"]
    assert meant.dtype == np.float64 and (meant == numbers).all()


def test_the_page_shows_a_request_and_its_reply():
    page = (NODE.parents[2] / "docs" / "another-language.md").read_text()
    asked, reply = map(json.loads, re.findall(r"```json\n(.*?)```", page, re.DOTALL))
    [sent] = re.findall(r"```text\n(.*?)```", page, re.DOTALL)
    assert sent.encode() == b"".join(map(line_of, ({"do": "start"}, asked, {"do": "stop"})))
    valid("request", asked)
    valid("reply", reply)
    shown = case_from_data(saved_case(Request, asked))
    assert request("forward", shown, {}) == asked
    for name, array in forward(shown).items():
        assert [float(f"{n:.9g}") for n in rounded(array, "float32").ravel().tolist()] == reply[name]["data"]
        assert list(array.shape) == reply[name]["shape"]


def test_arrays_come_back_as_they_went():
    array = np.array([[1.5, np.nan], [np.inf, -np.inf], [-0.0, 1e-300]])
    again = array_of("x", json.loads(json.dumps(tensor(array))))
    assert again.tobytes() == array.tobytes()
    assert array_of("x", tensor(np.zeros((0, 3)))).shape == (0, 3)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ([1, 2], 'output is [1, 2], must be {"shape": [...], "data": [...]}'),
        ({"shape": [2], "data": [1]}, "output has 1 numbers, must have 2 for its shape [2]"),
        ({"shape": [-1], "data": []}, "output has the shape [-1], must be a list of sizes"),
        (
            {"shape": [1], "data": ["nan"]},
            "output has 'nan' among its numbers; what is no number must be one of 'NaN', ",
        ),
        ({"shape": [1], "data": [None]}, "output has null among its numbers"),
        ({"shape": [1], "data": [True]}, "output has true among its numbers"),
    ],
)
def test_an_array_that_is_none_is_named(value, words):
    with pytest.raises(Nonsense) as error:
        array_of("output", value)
    assert str(error.value).startswith(words)


def test_a_right_harness_conforms_and_what_cannot_be_observed_is_listed(harness):
    report = check(harness(), in_process=False, properties=["shapes", "equivalence.steps", "time.split"])
    assert report.verdict == "conforms", report.reasons
    unseen = {result.id for result in report.results if result.status == "not_run"}
    assert {"shapes.dtype", "shapes.inputs_untouched", "shapes.memory_layout"} <= unseen


@pytest.mark.sample
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("reply['output']['data'].pop()", "numbers, must have"),
        ("print('hello')", "wrote 'hello' on standard output, must be one line of JSON; print what is for people on"),
        ("reply = [1]", "answered with [1], must be an object"),
        ("reply.pop('h_n')", "it answered forward without h_n; it gave output"),
        ("reply = {'error': 'no idea'}", "answered with an error: no idea"),
        ("sys.exit(5)", "ended its process with status 5"),
        ("reply['output'] = float('nan')", 'NaN must be the string "NaN"'),
    ],
)
def test_what_goes_wrong_is_a_finding_that_says_what(harness, change, words):
    report = check(harness(f"if 'output' in reply: {change}"), in_process=False, properties=["shapes.shapes"])
    assert report.verdict == "fails"
    assert words in report.results[0].message


def test_a_wrong_harness_does_not_conform(harness):
    change = "if 'h_n' in reply: reply['h_n']['data'] = [2 * n for n in reply['h_n']['data']]"
    done = run("check", harness(change), "--property", "equivalence.steps")
    assert done.returncode == 1 and "it is the final state of layer 0" in done.stdout


@pytest.mark.sample
@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("cmd: no-such-program x.js", "cannot start 'no-such-program'"),
        ("cmd:", "names no command, must be like: cmd: node my_rnn.js"),
        ('cmd: "node', "cannot be read: No closing quotation"),
        (f"cmd: {sys.executable} -c pass", "could not be started: it ended its process with status 0"),
        (f'cmd: {sys.executable} -c "print(1)"', "answered with 1, must be an object"),
        (f"cmd: {sys.executable} -c \"print('{{}}')\"", 'answered start with {}, must be {"capabilities": {...}}'),
    ],
)
def test_what_cannot_be_started_is_one_line_and_status_2(target, words):
    done = run("check", target)
    assert done.returncode == 2 and words in done.stderr and done.stderr.count("\n") == 1


def test_a_program_without_cmd_is_told_how(tmp_path):
    (tmp_path / "target").write_text("#!/bin/sh")
    with pytest.raises(TargetError, match=r"is not a Python file; for a program: \"cmd: .*/target\"$"):
        open_target(tmp_path / "target")


HELD_BACK = (
    "answered only after its input had ended: if it is not merely slow, flush standard output after each line, and "
    "read one line at a time"
)


def test_a_command_that_does_not_flush_is_told_so(harness):
    change = "sys.stdout = open(1, 'w'); print(json.dumps(reply)); continue"
    done = run("protocol", "check", harness(change), "--call-limit", "2")
    assert done.returncode == 2 and f"gave no answer to start within 2 s; it {HELD_BACK}" in done.stderr


def test_a_command_that_flushes_the_start_alone_is_told_so(harness):
    change = "if 'output' in reply: sys.stdout = open(1, 'w'); print(json.dumps(reply)); continue"
    done = run("protocol", "check", harness(change), "--call-limit", "1")
    assert done.returncode == 1 and f"forward of RNN_TANH: {HELD_BACK}" in done.stdout


def test_whatever_interrupts_the_search_for_what_was_held_back_leaves_no_process(harness, monkeypatch):
    def interrupted(channel, whole):
        channel.process.stdin.close()
        raise KeyboardInterrupt

    monkeypatch.setattr(Channel, "held_back", interrupted)
    target = open_target(harness("if 'output' in reply: import time; time.sleep(60)"), limits=Limits(call=0.5))
    with pytest.raises(KeyboardInterrupt):
        target.forward(case("RNN_TANH", h_0=0, dtype="float64"))
    assert target.channel is None
    target.stop()


@pytest.mark.sample
@pytest.mark.parametrize("end", ["time.sleep(60)", "sys.stdin.read(); print('bye', flush=True)"])
def test_a_command_that_hangs_is_not_told_that_it_held_something_back(harness, end):
    with pytest.raises(TargetError, match="to start within 1 s; does it flush standard output after each line"):
        open_target(harness(f"import time; {end}; sys.exit()"), limits=Limits(load=1))


def test_the_protocol_is_checked_step_by_step(harness):
    done = run("protocol", "check", harness())
    assert done.returncode == 0, done.stdout + done.stderr
    assert "forward of RNN_TANH: fine" in done.stdout and "keeps to the protocol" in done.stdout


def test_a_step_that_goes_wrong_is_said(harness):
    done = run("protocol", "check", harness("if 'output' in reply: reply['output']['shape'] = [6]"))
    assert done.returncode == 1
    assert "forward of RNN_TANH: output has 12 numbers, must have 6 for its shape [6]" in done.stdout


def test_a_command_that_dies_of_an_unknown_request_is_told_so(harness):
    done = run("protocol", "check", harness("sys.exit(3) if 'error' in reply else None"))
    assert done.returncode == 1
    said = 'an unknown request, {"do":"fly"}: it ended its process with status 3; must answer with {"error": ...}'
    assert said in done.stdout


def test_what_is_printed_before_each_answer_does_not_keep_later_steps_from_being_asked(harness):
    done = run("protocol", "check", harness("if 'output' in reply: print('debug: forward')"))
    assert done.returncode == 1 and not done.stderr
    assert done.stdout.count("wrote 'debug: forward' on standard output, must be one line of JSON") == 2
    assert 'an unknown request, {"do":"fly"}: fine\nstop: fine\n' in done.stdout
    assert done.stdout.endswith("\n2 of 5 answers were wrong\n")


def test_too_few_digits_are_said(harness):
    change = "reply = json.loads(json.dumps(reply), parse_float=lambda text: round(float(text), 6))"
    done = run("protocol", "check", harness(change))
    said = "results have 6 decimal places only; where they are printed, float64 takes 17 significant digits (%.17g)"
    assert done.returncode == 1 and f"forward of RNN_TANH: {said}" in done.stdout


def test_only_commands_have_a_protocol():
    done = run("protocol", "check", "my_rnn.py")
    assert done.returncode == 2 and "'my_rnn.py' is no command, must be like 'cmd: node my_rnn.js'" in done.stderr


def test_the_schema_is_printed():
    assert json.loads(run("protocol", "schema").stdout) == PROTOCOL


@pytest.mark.skipif(shutil.which("node") is None, reason="Node is not installed")
def test_the_example_in_node_conforms():
    assert run("protocol", "check", f"cmd: node {NODE}").returncode == 0
    done = run("check", f"cmd: node {NODE}", "--property", "equivalence", "--property", "lengths")
    assert done.returncode == 0, done.stdout


TENSORFLOW_JS = pytest.mark.skipif(not (TFJS.parent / "node_modules").exists(), reason="TensorFlow.js is not installed")


@TENSORFLOW_JS
def test_tensorflow_js_keeps_to_the_protocol():
    assert run("protocol", "check", f"cmd: node {TFJS}").returncode == 0
    assert run("check", f"cmd: node {TFJS}", "--property", "layers").returncode == 0


@TENSORFLOW_JS
@pytest.mark.sample
def test_tensorflow_js_masks_by_multiplication():
    done = run("check", f"cmd: node {TFJS}", "--property", "lengths.padding_is_not_read")
    assert done.returncode == 1 and "padding is masked by multiplication, which NaN survives" in done.stdout


@pytest.mark.skipif(not (BRAINJS.parent / "node_modules").exists(), reason="brain.js is not installed")
def test_brain_js_keeps_to_the_protocol_and_its_lstm_has_no_cell_state():
    assert run("protocol", "check", f"cmd: node {BRAINJS}").returncode == 0
    done = run("check", f"cmd: node {BRAINJS}", "--property", "equivalence.steps")
    assert done.returncode == 1 and "LSTM: right up to the first step, wrong from the second on" in done.stdout
    assert "RNN_RELU, GRU_RESET_BEFORE are right in every probe" in done.stdout
