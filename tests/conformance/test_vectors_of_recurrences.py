"""vectors of recurrences: cases and their results as files, with arrays that have names of their own."""

import copy
import json
import subprocess
import sys
from dataclasses import replace
from functools import reduce
from operator import getitem
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from conformance import Capabilities, Mode
from conformance.diagnosis.faulty import FaultyRecurrence
from conformance.faults.recurrences import mistakes_of
from conformance.harness.command import request
from conformance.harness.load import open_target
from conformance.judging.recurrent_subject import RecurrentSubject
from conformance.report import html
from conformance.vectors import vector_files
from conformance.vectors.vector_runner import judge, unclaimed
from conformance.vectors.vector_selection import LARGEST, choose
from reference_rnn import handed, recurrence, rounded, vecmat
from reference_rnn.cell import loaded
from strategies.recurrences import steps_kept

RNN = Path(sys.executable).with_name("rnn-conformance")
SCHEMA = json.loads((Path(html.__file__).parent / "schemas" / "vector.json").read_text())
SPEC = """
from reference_rnn import exp, recurrence, vecmat


@recurrence(
    inputs={"q": "K", "k": "K", "v": "V", "g": "K"}, states={"S": "KV"}, outputs={"o": "V"},
    parameters={"A": "K"}, ranges={"g": (-2, 0)},
)
def gated(q, k, v, g, S, p):
    S = exp(g)[..., None] * S + k[..., None] * v[..., None, :]
    return vecmat(p["A"] * q, S), S


bare = recurrence(inputs={"x": "K"}, states={"s": "K"}, outputs={"y": "K"}, name="bare")
"""
TARGET = """
import numpy as np

capabilities = {"cells": ["spec.py:gated"], "dtypes": ["float64", "float32"]}

def forward(case):
    S, outputs = case.states["S"].copy(), []
    for q, k, v, g in zip(*(case.inputs[name] for name in "qkvg")):
        S = np.exp(g)[..., None] * S + k[..., None] * v[..., None, :]
        outputs.append(((case.parameters["A"] * q)[..., None] * S).sum(-2))
    return {"o": np.array(outputs)}, {"S": S}
"""
FEW = ("--without", "lengths,empty,packed", "--count", "12")


@pytest.fixture
def run(tmp_path):
    """Runs the command in a folder that has a recurrence and a right target of it."""
    (tmp_path / "spec.py").write_text(SPEC)
    (tmp_path / "right.py").write_text(TARGET)

    def command(*words):
        return subprocess.run([RNN, "vectors", *words], cwd=tmp_path, capture_output=True, text=True, timeout=120)

    return command


@pytest.fixture(scope="module")
def gated(tmp_path_factory):
    """A recurrence with weights, in a file."""
    file = tmp_path_factory.mktemp("spec") / "spec.py"
    file.write_text(SPEC)
    return loaded(str(file), "gated")


@pytest.fixture(scope="module")
def claims(gated):
    """All that a vector may need."""
    return Capabilities(cells=(gated,), dtypes=("float32", "float64"), lengths=True, packed=True, empty=True)


@pytest.fixture(scope="module")
def chosen(claims):
    """Some vectors of it."""
    return choose(claims, claims.cells[0], "float32", 40)


@pytest.fixture(scope="module")
def folder(chosen, tmp_path_factory):
    """The same as files."""
    made = tmp_path_factory.mktemp("vectors")
    for name, vector in chosen.vectors.items():
        vector_files.write_vector(made, name, vector)
    return made


def judged(claims, folder, mistake=None, modes=()):
    target = open_target(FaultyRecurrence(claims.cells[0], mistake, claims, modes))
    return judge(RecurrentSubject(target), vector_files.read_all(folder))


@pytest.mark.sample
def test_vectors_are_written_and_a_right_target_gives_them(run, tmp_path):
    done = run("write", "made", "--cell", "spec.py:gated", *FEW)
    assert done.returncode == 0 and done.stdout.startswith("12 test vectors are in made"), done.stderr
    done = run("check", "made", "right.py")
    assert done.returncode == 0 and done.stdout == "right.py: 12 of 12 test vectors hold\n", done.stderr
    (tmp_path / "wrong.py").write_text(TARGET.replace('{"S": S}', '{"S": 2 * S}'))
    done = run("check", "made", "wrong.py")
    assert done.returncode == 1 and done.stdout.startswith("wrong.py: 0 of 12 test vectors hold")
    assert "gated-float32-000.json: S[0, 0, 0, 0] is " in done.stdout and ", must be " in done.stdout


@pytest.mark.sample
def test_the_same_vectors_are_the_same_bytes(run, tmp_path):
    words = ("--cell", "spec.py:gated", "--dtype", "bfloat16", "--count", "5")
    assert run("write", "one", *words).returncode == run("write", "other", *words).returncode == 0
    for file in (tmp_path / "one").iterdir():
        assert file.read_bytes() == (tmp_path / "other" / file.name).read_bytes()


def test_rows_are_padded_ragged_and_packed_and_states_are_given(chosen):
    cases = [vector.case for vector in chosen.vectors.values()]
    assert not any(case.stateless for case in cases)
    for kind in (
        lambda c: c.lengths is None and c.offsets is None,
        lambda c: c.lengths is not None and len(set(c.row_lengths.tolist())) > 1,
        lambda c: c.offsets is not None and c.num_rows > 1,
        lambda c: any(np.any(state) for state in c.states.values()),
        lambda c: c.num_steps == 0,
        lambda c: c.num_rows == 0,
    ):
        assert sum(map(kind, cases)) >= 2
    assert len({tuple(case.config.sizes.values()) for case in cases}) > 5


def test_every_known_mistake_is_told_by_the_vector_that_the_index_names(chosen, claims, folder):
    mistakes = mistakes_of(claims.cells[0])
    assert chosen.told.keys() == mistakes.keys() and all(chosen.told.values())
    assert [name for name in chosen.vectors if name in chosen.told.values()] == list(chosen.vectors)[
        : len(set(chosen.told.values()))
    ]  # those that tell come first
    for id, name in list(chosen.told.items())[::12]:
        wrong = judged(claims, folder, mistakes[id]).wrong
        assert f"{name}.json" in wrong, id


def test_what_the_equations_give_in_another_spelling_holds(folder, claims, gated):
    """(I - k k^T) S for S - k (k^T S): what cancels elsewhere is no mistake."""
    outcome = judged(claims, folder)
    assert len(outcome.held) == 40 and not outcome.wrong and not outcome.unclaimed

    @recurrence(inputs={"k": "K"}, states={"S": "KV"}, outputs={"o": "V"})
    def erased(k, S):
        """What a key stands for is taken out."""
        S = S - k[..., :, None] * vecmat(k, S)[..., None, :]
        return vecmat(k, S), S

    claims = Capabilities(cells=(erased,))

    class Written(FaultyRecurrence):
        def forward(self, case):
            S, outputs = case.states["S"], []
            for k in case.inputs["k"]:
                matrix = np.eye(k.shape[-1], dtype=k.dtype) - k[..., :, None] * k[..., None, :]
                S = matrix @ S
                outputs.append((k[..., None, :] @ S)[..., 0, :])
            return {"o": np.array(outputs, np.float32)}, {"S": S.copy()}

    found = choose(claims, erased, "float32", 30)
    outcome = judge(RecurrentSubject(open_target(Written(erased, None, claims))), found.vectors)
    assert len(outcome.held) == 30, outcome.wrong


@pytest.mark.parametrize("lost", [False, True])
def test_a_vector_may_be_run_in_parts_and_shows_a_state_that_is_lost(folder, claims, lost):
    class InParts(FaultyRecurrence):
        def forward(self, case):
            half = case.num_steps // 2
            if case.lengths is not None or case.offsets is not None or not half:
                return super().forward(case)
            first, states = super().forward(steps_kept(case, slice(0, half)))
            given = {name: 0 * state if lost else state for name, state in states.items()}
            rest, states = super().forward(replace(steps_kept(case, slice(half, case.num_steps)), states=given))
            return {name: np.concatenate([first[name], rest[name]]) for name in first}, states

    outcome = judge(
        RecurrentSubject(open_target(InParts(claims.cells[0], None, claims))), vector_files.read_all(folder)
    )
    assert bool(outcome.wrong) == lost and outcome.held


def test_a_checker_needs_one_line(folder):
    """abs(y - data) <= rad, of outputs and of states."""
    for file in folder.iterdir():
        data = json.loads(file.read_text())
        result = handed(vector_files.read_vector(file).case)
        for kind in ("outputs", "states"):
            for name, entry in data["expected"][kind].items():
                y = rounded(getattr(result, kind)[name], "float32").astype(float)
                assert list(y.shape) == entry["shape"]
                mid, rad = np.array(entry["data"]), np.array(entry["rad"])
                assert (abs(y.ravel() - mid) <= rad).all()
                assert not rad.size or (abs(y.ravel() + 0.1 - mid) > rad).any()


def test_the_case_is_what_the_line_protocol_asks(chosen):
    for vector in chosen.vectors.values():
        asked, saved = request("forward", vector.case, {}), vector_files.to_data(vector)["case"]
        cell = saved["config"].pop("cell")
        assert cell["name"] == "gated" and asked["config"].pop("cell") == "GATED"
        assert asked == saved | {"do": "forward"}


def test_vectors_follow_their_schema_and_survive_being_data(folder):
    for file in folder.iterdir():
        data = json.loads(file.read_text())
        jsonschema.validate(data, SCHEMA)
        assert data["schema"] == 3 and vector_files.to_data(vector_files.from_data(copy.deepcopy(data))) == data


def test_the_index_says_what_was_said(run, tmp_path):
    done = run("write", "made", "--cell", "spec.py:gated", "--size", "K=4,8", "--size", "heads=2", *FEW)
    assert done.returncode == 0, done.stderr
    index = json.loads((tmp_path / "made" / "index.json").read_text())
    assert index["claims"] == {
        "cells": ["GATED"], "dtypes": ["float32"], "arithmetic": "strict", "order": "steps",
        "sizes": {"K": [4, 8], "heads": [2]}, "lengths": False, "empty": False, "packed": False,
    }  # fmt: skip
    for file in (tmp_path / "made").glob("gated*"):
        config = json.loads(file.read_text())["case"]["config"]
        assert config["sizes"]["K"] in (4, 8) and config["heads"] == 2
    told = {entry["mistake"]: entry["told_by"] for entry in index["mistakes"]}
    assert f"they detect {sum(map(bool, told.values()))} of {len(told)} known mistakes," in done.stdout
    assert all((tmp_path / "made" / f"{name}.json").is_file() for name in told.values() if name)


def test_text_has_what_json_has(chosen):
    for vector in list(chosen.vectors.values())[:24]:
        first, *lines = vector_files.to_text(vector).splitlines()
        assert first == "vector 3 GATED float32 strict steps"
        found = {}
        for head, numbers in zip(lines[::2], lines[1::2], strict=True):
            name, axes, *sizes = head.split()
            assert int(axes) == len(sizes) and name not in found
            found[name] = np.array(numbers.split(), float).reshape([int(size) for size in sizes])
        case = vector.case
        assert found.pop("heads") == case.config.heads
        assert all(found.pop(f"sizes.{letter}") == size for letter, size in case.config.sizes.items())
        for name, array in case.counts():
            np.testing.assert_array_equal(found.pop(name), array)
        for kind in ("parameters", "inputs", "states"):
            for name, array in getattr(case, kind).items():
                np.testing.assert_array_equal(found.pop(f"{kind}.{name}"), array)
        for kind in ("outputs", "states"):
            for name, ball in getattr(vector.balls, kind).items():
                np.testing.assert_array_equal(found.pop(f"expected.{kind}.{name}"), ball.mid)
                np.testing.assert_array_equal(found.pop(f"expected.{kind}.{name}.rad"), ball.rad)
        assert not found


def test_each_mode_is_asked(claims, folder):
    moded = replace(claims, modes={"step": Mode(), "chunk": Mode(order="chunks"), "eights": Mode(multiple={"T": 8})})
    outcome = judged(moded, folder)
    assert not outcome.wrong and len(outcome.held) + len(outcome.unclaimed) == 3 * 40
    assert {name.split(" in mode ")[1] for name in outcome.held} == {"step", "chunk", "eights"}
    assert {tuple(missing) for missing in outcome.unclaimed.values()} == {("the sizes of mode eights",)}
    for modes in ("step",), ("chunk",):
        outcome = judged(moded, folder, mistakes_of(claims.cells[0])["handed.final-doubled"], modes)
        assert {name.split(" in mode ")[1] for name in outcome.wrong} == set(modes)
        assert all((", the vector has " in said) == ("chunk" in modes) for said in outcome.wrong.values())


def test_in_another_order_only_double_precision_tells(claims, folder):
    scan = {"scan": Mode(order="scan")}
    outcome = judged(replace(claims, modes=scan, dtypes=("float32",)), folder)
    assert not outcome.held and {tuple(m) for m in outcome.unclaimed.values()} == {("float64 in the order of scan",)}
    assert len(judged(replace(claims, modes=scan), folder).held) == 40


def test_what_is_not_claimed_is_not_run(chosen, claims, gated):
    found = list(chosen.vectors.values())
    plain = Capabilities(cells=(gated,), dtypes=("float32",))

    def needed(**more):
        return {missing for vector in found for missing in unclaimed(vector, replace(plain, **more))}

    assert needed() == {"lengths", "packed", "empty.time", "empty.batch", "empty.length"}
    everything = {"lengths": True, "packed": True, "empty": True}
    assert needed(**everything) == set()
    assert needed(dtypes=("float64",), **everything) == {"float32"}
    assert needed(arithmetic="lenient", **everything) == {"strict arithmetic"}
    assert needed(state_dtype="bfloat16", **everything) == {"states in float32"}
    assert needed(state_dtype="float64", **everything) == set()
    assert needed(sizes={"K": (1000,)}, **everything) == {"these sizes"}
    other = recurrence(inputs={"x": "K"}, states={"s": "K"}, outputs={"y": "K"}, name="other")
    assert needed(cells=(other,), **everything) == {"GATED"}
    assert {name for vector in found for name in unclaimed(vector, Capabilities(cells=("LSTM",)))} == {"GATED"}


@pytest.mark.sample
def test_layers_are_not_for_recurrences_and_neither_way(run):
    assert run("write", "layers", "--cell", "GRU", "--count", "2").returncode == 0
    done = run("check", "layers", "right.py")
    assert done.returncode == 2 and "0 of 0 test vectors hold; 2 need what is not claimed: GRU" in done.stdout


def test_what_has_too_many_numbers_is_left_out_and_there_is_an_end(run):
    done = run("write", "made", "--cell", "spec.py:gated", "--size", "K=300", "--size", "V=300", *FEW)
    assert done.returncode == 2 and done.stdout.startswith("0 test vectors are in made; "), done.stderr
    assert f"cases were left out: they have more than {LARGEST:,} numbers" in done.stdout


@pytest.mark.sample
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--layers", "1"], "--layers is said of layers of cells only: leave it out for GATED"),
        (["--directions", "both"], "--directions is said of layers of cells only: leave it out for GATED"),
        (["--biases", "one"], "--biases is said of layers of cells only: leave it out for GATED"),
        (["--order", "scan"], "--order is 'scan', must be steps for GATED"),
        (["--without", "projections"], "--without projections is said of layers of cells only"),
        (["--without", "gates"], "there is no feature 'gates'; there are lengths, empty, packed"),
        (["--size", "hidden_size=4"], "sizes has 'hidden_size', must be of heads, batch, steps, K, V"),
        (["--arithmetic", "fixed<16,4>"], "fixed point is judged"),
        (["--cell", "LSTM"], "give recurrences and layers of cells a target each"),
        (["--cell", "spec.py:bare"], "only the shapes of BARE are known: test vectors need its equations"),
        (["--cell", "spec.py:absent"], "has no cell 'absent'; it has gated, bare"),
    ],
)
def test_what_is_asked_wrongly_is_one_clear_line(run, words, message):
    done = run("write", "made", "--cell", "spec.py:gated", *words)
    assert done.returncode == 2 and "Traceback" not in done.stderr and message in done.stderr
    assert len(done.stderr.splitlines()) == 1 and not Path("made").exists()


@pytest.mark.sample
@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (["schema"], 4, "it is not a test vector of schema 1, 2 or 3"),
        (["arithmetic"], "exact", "arithmetic is 'exact', must be one of strict"),
        (["order"], "scan", "order is 'scan', must be 'steps' for a recurrence"),
        (["order"], None, "order is None, must be one of steps"),
        (["expected"], [], "expected must be an object with outputs, states"),
        (["expected", "outputs"], {}, "expected outputs must be an object with o"),
        (["expected", "states", "T"], {}, "expected states must be an object with S"),
        (["expected", "states", "S"], 1, "S must be an object with shape, data, rad"),
        (["expected", "states", "S", "shape"], "3", "S has shape '3', must be ["),
        (["expected", "states", "S", "data"], "1", "data of S must be a list of "),
        (["expected", "states", "S", "rad", 0], -1.0, "rad of S must not be negative"),
        (["expected", "outputs", "o", "data", 0], None, "data of o must hold finite numbers only"),
        (["case"], None, "it does not describe a case: it is null, must be an object"),
        (["case", "schema"], 3, "it does not describe a case: schema is 3, must be at most 2"),
        (["case", "mode"], "chunk", "it does not describe a case: mode is 'chunk', must be null"),
        (["case", "inputs"], [], "it does not describe a case: inputs is [], must be an object"),
        (["case", "inputs", "q"], 1, "it does not describe a case: inputs['q'] is 1, must be an object"),
        (["case", "inputs", "q", "shape", 0], -1, "it does not describe a case: q has "),
        (["case", "states", "S", "data", 0], "x", "it does not describe a case: S has 'x'"),
        (["case", "config", "sizes", "K"], 0, "it does not describe a case: config.sizes['K'] is 0"),
        (["case", "config", "cell"], 1, "it does not describe a case: cell is 1"),
        (["case", "config", "dtype"], "double", "it does not describe a case: dtype is 'double'"),
        (["case", "offsets"], "0", "it does not describe a case: offsets is '0', must be a list"),
    ],
)
def test_a_vector_that_was_damaged_is_refused_and_does_not_follow_the_schema(folder, tmp_path, path, value, message):
    data = json.loads((folder / "gated-float32-000.json").read_text())
    *above, last = path
    reduce(getitem, above, data)[last] = value
    (tmp_path / "one.json").write_text(json.dumps(data))
    with pytest.raises(vector_files.VectorError) as refused:
        vector_files.read_all(tmp_path)
    assert str(refused.value).startswith(f"{tmp_path / 'one.json'}: ") and message in str(refused.value)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(data, SCHEMA)


def test_a_recurrence_that_has_changed_is_one_clear_line(run, tmp_path):
    assert run("write", "made", "--cell", "spec.py:gated", *FEW).returncode == 0
    (tmp_path / "spec.py").write_text(SPEC.replace("exp(g)", "exp(-g)"))
    done = run("check", "made", "right.py")
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("rnn-conformance: made/gated-float32-000.json: ")
    assert "its text has changed, or is another" in done.stderr
