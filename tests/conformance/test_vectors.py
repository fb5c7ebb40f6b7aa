"""vectors: cases and their results as files."""

import copy
import json
import re
import subprocess
import sys
from functools import reduce
from operator import getitem
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from conformance.claims.capabilities import Capabilities
from conformance.faults.patching import FaultyReference
from conformance.faults.wiring import wiring
from conformance.harness.load import open_target
from conformance.judging.serialisation import case_to_data
from conformance.judging.subject import Subject
from conformance.report import html
from conformance.vectors import vector_files
from conformance.vectors.vector_runner import judge, unclaimed
from conformance.vectors.vector_selection import choose, derived_mistakes
from reference_rnn import CELLS, DTYPES, PROFILES, case, cell_of, forward

TARGETS = Path(__file__).parent.parent / "targets"
EVERYTHING = dict(bidirectional=True, max_layers=None, no_bias=True, lengths=True, empty=True, projections=True)
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
        for name, vector in chosen(cell).vectors.items():
            vector_files.write_vector(made, name, vector)
    return made


def chosen(cell, dtype="float32", most=24, **claims):
    """Vectors of one cell, for who claims everything unless it is said."""
    return choose(Capabilities(cells=(cell,), dtypes=(dtype,), **EVERYTHING | claims), cell_of(cell), dtype, most)


def judged(target, folder):
    return judge(Subject(open_target(target, in_process=True)), vector_files.read_all(folder))


@pytest.mark.sample
def test_vectors_are_written_and_a_right_target_gives_them(run, tmp_path):
    done = run("write", "made", "--cell", "RNN_TANH", "--cell", "LSTM", "--count", "6")
    assert done.returncode == 0 and "12 test vectors are in made" in done.stdout
    assert len(list((tmp_path / "made").iterdir())) == 13
    done = run("check", "made", "right.py")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.match(r"right.py: (\d+) of \1 test vectors hold; \d+ need what is not claimed: LSTM,", done.stdout)


@pytest.mark.sample
def test_the_same_vectors_are_the_same_bytes(run, tmp_path):
    words = ("--cell", "GRU", "--dtype", "float16", "--count", "5")
    assert run("write", "one", *words).returncode == run("write", "other", *words).returncode == 0
    for file in (tmp_path / "one").iterdir():
        assert file.read_bytes() == (tmp_path / "other" / file.name).read_bytes()


@pytest.mark.sample
def test_a_folder_with_other_vectors_is_refused(run, tmp_path):
    old = tmp_path / "made" / "rnn_tanh-float32-001.json"
    old.parent.mkdir()
    old.write_text("{}")
    done = run("write", "made", "--cell", "RNN_TANH", "--count", "1")
    assert done.returncode == 2 and not done.stdout and list(old.parent.iterdir()) == [old]
    assert done.stderr == (
        "rnn-conformance: 'made' has other files that would be read as test vectors, such as "
        "rnn_tanh-float32-001.json: name another folder, or move them away\n"
    )


def test_others_are_vectors_that_are_not_written_anew(tmp_path):
    for name in ("index.json", "a-0.json", "a-1.json", "a-1.txt", "notes.txt"):
        (tmp_path / name).write_text("vector 2 LSTM" if name == "a-1.txt" else "mine")
    assert vector_files.left_over(tmp_path, ["a-0", "a-1", "a-2"], "json") == ["a-1.txt"]
    assert vector_files.left_over(tmp_path, ["a-1"], "text") == ["a-0.json", "a-1.json"]


@pytest.mark.sample
def test_a_wrong_target_is_told_where(run, right, folder, tmp_path):
    (tmp_path / "wrong.py").write_text(right.replace('p["bias_hh_l0"])', '0 * p["bias_hh_l0"])'))
    done = run("check", str(folder), "wrong.py")
    assert done.returncode == 1 and done.stdout.startswith("wrong.py: 0 of 4 test vectors hold")
    assert "rnn_tanh-float32-000.json: output[0, 0, 0] is " in done.stdout
    assert ", must be " in done.stdout and " +/- " in done.stdout and "; it is the first step" in done.stdout


@pytest.mark.sample
@pytest.mark.parametrize("name", ["plain", "reversed_sums", "float64_inside", "split_products"])
def test_every_right_target_gives_them(name, folder):
    outcome = judged(TARGETS / "right" / f"{name}.py", folder)
    assert len(outcome.held) > 40 and not outcome.wrong


def test_shapes_and_deaths_are_told(folder):
    assert "trailing axis" in judged(TARGETS / "wrong" / "trailing_axis.py", folder).wrong["rnn_tanh-float32-000.json"]
    raises = judged(TARGETS / "wrong" / "raises_bidirectional.py", folder)
    assert any("raised" in message for message in raises.wrong.values()) and raises.held


def test_a_checker_needs_one_line(folder):
    """What README and schema promise: abs(y - data) <= rad."""
    for file in folder.iterdir():
        data = json.loads(file.read_text())
        result = forward(vector_files.read_vector(file).case)
        for name, entry in data["expected"].items():
            y = getattr(result, name).astype(np.float32).astype(float).ravel()
            mid, rad = np.array(entry["data"]), np.array(entry["rad"])
            assert (abs(y - mid) <= rad).all()
            assert not rad.size or (abs(y + 0.01 - mid) > rad).any()


def test_vectors_follow_their_schema(folder):
    for file in folder.iterdir():
        jsonschema.validate(json.loads(file.read_text()), SCHEMA)


def test_the_schema_knows_what_the_code_knows():
    protocol = json.loads((SCHEMAS.parent.parent / "harness" / "schemas" / "protocol.json").read_text())["$defs"]
    saved = json.loads((SCHEMAS / "counterexample.json").read_text())["$defs"]
    mine = SCHEMA["$defs"]
    assert mine["cell"] == saved["cell"] and mine["array"] == protocol["array"]
    assert mine["config"]["properties"].keys() == protocol["config"]["properties"].keys()
    assert mine["config"]["required"] == protocol["config"]["required"]
    for kind, asked, number in (
        ("layers", "forward", vector_files.SCHEMA),
        ("recurrence", "forward_2", vector_files.RECURRENT),
    ):
        case = mine[kind]["properties"]["case"]
        assert case["required"] == [n for n in protocol[asked]["required"] if n != "do"]
        assert case["properties"].keys() == set(case["required"])
        assert mine[kind]["properties"]["schema"]["const"] == number
    config = mine["recurrence"]["properties"]["case"]["properties"]["config"]
    assert config["properties"].keys() == protocol["recurrence"]["properties"].keys() == set(config["required"])
    names = f"({'|'.join(PROFILES)})"
    assert mine["arithmetic"]["pattern"] == rf"^(fixed<\d+,\d+>|{names}(\+{names})*)$"


@pytest.mark.sample
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_there_are_as_many_as_were_asked_for_and_none_is_void(cell, dtype):
    found = chosen(cell, dtype, 12)
    assert len(found.vectors) == 12
    for vector in found.vectors.values():
        assert all(np.isfinite(ball.mid + ball.rad).all() for _, ball in vector.balls.items())


ONE = ("--layers", "1", "--directions", "1", "--count", "40", "--without", "lengths,empty,no_bias,projections")


@pytest.mark.sample
def test_whoever_claims_little_gets_as_many(run, tmp_path):
    done = run("write", "made", "--cell", "LSTM", *ONE, "--size", "hidden_size=4,8")
    assert done.returncode == 0 and done.stdout.startswith("40 test vectors are in made"), done.stderr
    claims = Capabilities(cells=("LSTM",), sizes={"hidden_size": (4, 8)})
    assert not any(unclaimed(vector, claims) for vector in vector_files.read_all(tmp_path / "made").values())
    index = json.loads((tmp_path / "made" / "index.json").read_text())
    told = {entry["mistake"]: entry["told_by"] for entry in index["mistakes"]}
    assert f"they detect {sum(map(bool, told.values()))} of {len(told)} known mistakes," in done.stdout
    assert all(told.values())  # what needs a second layer or direction is not counted
    assert 0 < len(told) < len(derived_mistakes(cell_of("LSTM")))
    assert index["claims"]["layers"] == 1 and index["claims"]["bidirectional"] is False
    later = {name for name in told.values() if name} - {f"lstm-float32-{number:03}" for number in range(25)}
    assert not later  # those that tell come first


@pytest.mark.sample
def test_every_known_mistake_is_told():
    """Those in the equations by each cell; those in the loops by some cell, since not every one has two states."""
    unchanged = []
    for cell in CELLS:
        found = chosen(cell, most=64)
        assert all(found.told.values())
        unchanged.append(derived_mistakes(cell_of(cell)).keys() - found.told.keys())
        known = derived_mistakes(cell_of(cell))
        for id, name in [item for item in found.told.items() if item[1]][::29]:
            vector = found.vectors[name]
            with np.errstate(all="ignore"):
                try:
                    given = known[id].forward(vector.case)
                except Exception:
                    continue
            assert any(is_far(getattr(given, result), ball) for result, ball in vector.balls.items()), id
    assert all(id.startswith("wiring.") for ids in unchanged for id in ids)
    wrong = wiring()
    assert all(shows_where_the_batch_comes_first(wrong[id]) for id in set.intersection(*unchanged))


def is_far(given, ball):
    """Whether numbers are of another shape than a ball, or somewhere outside twice its width; NaN is far, too."""
    return given.shape != ball.mid.shape or not np.all(abs(given - ball.mid) <= 2 * ball.rad)


def shows_where_the_batch_comes_first(fault):
    """Whether a mistake is one in what no vector asks for: they have steps first."""
    numbers = np.arange(24.0).reshape(2, 3, 4) / 24
    one = case("RNN_TANH", T=3, N=2, I=4, H=2, weight_ih_l0=0.5, h_0=0, batch_first=True).replace(x=numbers)
    try:
        return not np.array_equal(FaultyReference(fault).forward(one).output, forward(one).output)
    except Exception:
        return True


@pytest.mark.sample
def test_text_has_what_json_has(run, tmp_path):
    words = ("--cell", "LSTM", "--count", "24")
    assert run("write", "made", *words).returncode == run("write", "text", *words, "--format", "text").returncode == 0
    for file, vector in vector_files.read_all(tmp_path / "made").items():
        first, *lines = (tmp_path / "text" / file.replace(".json", ".txt")).read_text().splitlines()
        assert first == "vector 2 LSTM float32 strict steps"
        found = {}
        for head, numbers in zip(lines[::2], lines[1::2], strict=True):
            name, axes, *sizes = head.split()
            assert int(axes) == len(sizes)
            found[name] = np.array(numbers.split(), float).reshape([int(size) for size in sizes])
        case, config = vector.case, vector.case.config
        for name in ("input_size", "hidden_size", "num_layers", "num_directions", "bias", "proj_size"):
            assert found.pop(name) == getattr(config, name)
        if case.lengths is not None:
            assert (found.pop("lengths") == case.lengths).all()
        for name, array in case.arrays():
            np.testing.assert_array_equal(found.pop(name), array)
        for name, ball in vector.balls.items():
            np.testing.assert_array_equal(found.pop(name), ball.mid)
            np.testing.assert_array_equal(found.pop(f"{name}.rad"), ball.rad)
        assert not found
    done = run("check", "text", "right.py")
    assert done.returncode == 2 and "'text' has no test vectors in JSON, only as text" in done.stderr


def test_files_of_schema_1_are_still_read(folder, tmp_path):
    vector = vector_files.read_vector(folder / "lstm-float32-000.json")
    old = {
        "schema": 1, "arithmetic": "strict",
        "case": json.loads(json.dumps(case_to_data(vector.case)).replace('"data"', '"numbers"')),
        "expected": {
            name: {"shape": list(ball.shape), "mid": ball.mid.ravel().tolist(), "rad": ball.rad.ravel().tolist()}
            for name, ball in vector.balls.items()
        },
    }  # fmt: skip
    (tmp_path / "old.json").write_text(json.dumps(old))
    assert vector_files.to_data(vector_files.read_vector(tmp_path / "old.json")) == vector_files.to_data(vector)


def test_void_cases_are_left_out():
    assert chosen("LSTM", "bfloat16").void


def test_a_vector_survives_being_data(folder):
    for file in folder.iterdir():
        data = json.loads(file.read_text())
        assert vector_files.to_data(vector_files.from_data(copy.deepcopy(data))) == data


@pytest.mark.sample
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
    found = vector_files.read_all(folder)
    everything = Capabilities(
        cells=CELLS, bidirectional=True, max_layers=None, no_bias=True, lengths=True, empty=True, projections=True
    )
    assert not any(unclaimed(vector, everything) for vector in found.values())
    for name, claims, missing in (
        ("lstm-float32-000.json", {}, ["LSTM", "projections"]),
        ("rnn_tanh-float32-000.json", {"dtypes": ("float64",)}, ["float32"]),
        ("rnn_tanh-float32-000.json", {"biases": "one"}, ["two biases"]),
        ("rnn_tanh-float32-000.json", {"sizes": {"batch": (7,)}}, ["these sizes"]),
        ("rnn_tanh-float32-000.json", {"arithmetic": "lenient"}, ["strict arithmetic"]),
        ("rnn_tanh-float32-000.json", {"initial_state": False}, ["initial_state"]),
        ("rnn_tanh-float32-002.json", {}, ["2 layers", "lengths"]),
        ("rnn_tanh-float32-004.json", {"max_layers": None}, ["no_bias"]),
        ("rnn_tanh-float32-017.json", {"max_layers": 2, "bidirectional": True}, ["empty.time"]),
        ("rnn_tanh-float32-018.json", {}, ["empty.batch"]),
    ):
        assert unclaimed(found[name], Capabilities(**claims)) == missing


@pytest.mark.sample
def test_lenient_targets_have_vectors_of_their_own(run, tmp_path):
    run("write", "strict", "--cell", "RNN_TANH", "--count", "20")
    run("write", "lenient", "--cell", "RNN_TANH", "--count", "20", "--arithmetic", "lenient")
    target = str(TARGETS / "right" / "lenient_tanh.py")
    assert run("check", "lenient", target).returncode == 0
    done = run("check", "strict", target)
    assert done.returncode == 2 and "0 of 0 test vectors hold; 20 need what is not claimed: strict" in done.stdout


@pytest.mark.sample
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["write", "made", "--cell", "RNN"], "'RNN' is no cell, must be SPEC.py:NAME or one of RNN_TANH, RNN_RELU"),
        (["write", "made", "--dtype", "double"], "there is no dtype 'double'; there are float32, float64"),
        (["write", "made", "--arithmetic", "exact"], "arithmetic is 'exact', must be one of strict, lenient"),
        (["write", "made", "--count", "0"], "0 is not in the range x>=1"),
        (["write", "right.py"], "right.py: File exists"),
        (["write", "made", "--size", "hidden_size"], "--size 'hidden_size' must be like hidden_size=16 or batch=1,2"),
        (["write", "made", "--size", "units=3"], "sizes has 'units', must be of input_size, hidden_size, num_layers"),
        (["write", "made", "--without", "gates"], "there is no feature 'gates'; there are lengths, empty"),
        (["write"], "Missing argument 'DIR'; usage: "),
        (["read", "made"], "No such command 'read'; commands are check, write"),
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


@pytest.mark.sample
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("not json", "Expecting value"),
        ("[]", "it is not a test vector of schema 1, 2 or 3"),
        ('{"schema": 4}', "it is not a test vector of schema 1, 2 or 3"),
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


@pytest.mark.sample
@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (["arithmetic"], "exact", "arithmetic is 'exact', must be one of strict"),
        (["arithmetic"], [], "arithmetic is [], must be one of strict"),
        (["expected"], [], "expected must be an object with output, h_n"),
        (["expected", "c_n"], {}, "expected must be an object with output, h_n"),
        (["expected", "h_n"], 1, "h_n must be an object with shape, data, rad"),
        (["expected", "h_n", "shape"], [1, 3], "h_n has shape [1, 3], must be [1, 3, 5] for its case"),
        (["expected", "h_n", "data"], [1.0], "data of h_n must be a list of 15 numbers"),
        (["expected", "h_n", "rad", 0], -1.0, "rad of h_n must not be negative"),
        (["expected", "h_n", "rad", 0], float("nan"), 'NaN must be the string "NaN"'),
        (["expected", "h_n", "data", 0], "1", "data of h_n must hold finite numbers only"),
        (["expected", "h_n", "data", 0], True, "data of h_n must hold finite numbers only"),
        (["case", "config", "cell"], "RNN", "it does not describe a case: cell is 'RNN'"),
        (["case", "x", "shape"], [1, 2, 3], "it does not describe a case: x has "),
    ],
)
def test_a_vector_that_was_damaged_is_refused_and_does_not_follow_the_schema(folder, tmp_path, path, value, message):
    data = json.loads((folder / "rnn_tanh-float32-000.json").read_text())
    *above, last = path
    reduce(getitem, above, data)[last] = value
    (tmp_path / "one.json").write_text(json.dumps(data))
    with pytest.raises(vector_files.VectorError) as refused:
        vector_files.read_all(tmp_path)
    assert str(refused.value).startswith(f"{tmp_path / 'one.json'}: ") and message in str(refused.value)
