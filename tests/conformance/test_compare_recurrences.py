"""compare: two versions of a recurrence, whose equations are known or not."""

import json
import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from conformance import Capabilities, Mode
from conformance.chapters import catalogue
from conformance.comparison.compare import beyond, common, compare
from conformance.diagnosis.faulty import FaultyRecurrence
from conformance.faults.recurrences import mistakes_of
from conformance.harness.load import TargetError, open_target
from conformance.report import html
from reference_rnn import Recurrence, exp, recurrence, vecmat
from reference_rnn.recurrences import handed

RNN = Path(sys.executable).with_name("rnn-conformance")
SCHEMAS = Path(html.__file__).parent / "schemas"
SHAPES = {
    "inputs": {"q": "K", "k": "K", "v": "V", "g": "K"}, "states": {"S": "KV"}, "outputs": {"o": "V"},
    "ranges": {"g": (-2, 0)},
}  # fmt: skip
LAYERS = "import reference_rnn\n\ndef forward(case):\n    return reference_rnn.forward(case)\n"
SPEC = """
from reference_rnn import exp, recurrence, vecmat


@recurrence(
    inputs={"q": "K", "k": "K", "v": "V", "g": "K"}, states={"S": "KV"}, outputs={"o": "V"}, ranges={"g": (-2, 0)}
)
def gated(q, k, v, g, S):
    S = exp(g)[..., None] * S + k[..., None] * v[..., None, :]
    return vecmat(q, S), S
"""
TARGET = """
import numpy as np

capabilities = {
    "cells": ["spec.py:gated"], "dtypes": ["float64", "float32"],
    "modes": {"step": {}, "chunk": {"order": "chunks"}}, "default_state": False,
}

def forward(case):
    S, outputs = case.states["S"].copy(), []
    for q, k, v, g in zip(*(case.inputs[name] for name in "qkvg")):
        S = np.exp(g)[..., None] * S + k[..., None] * v[..., None, :]
        outputs.append((q[..., None] * S).sum(-2))
    return {"o": np.array(outputs)}, {"S": S}
"""
IN_CHUNKS = TARGET.replace('{"S": S}', '{"S": S * (2 if case.mode == "chunk" else 1)}')


@recurrence(**SHAPES)
def gated(q, k, v, g, S):
    S = exp(g)[..., None] * S + k[..., None] * v[..., None, :]
    return vecmat(q, S), S


CLAIMS = Capabilities(
    cells=(gated,), dtypes=("float32", "float64"), default_state=True, lengths=True, packed=True,
    modes={"step": Mode(), "chunk": Mode(order="chunks")},
)  # fmt: skip
UNKNOWN = replace(CLAIMS, cells=(recurrence(**SHAPES, name="gated"),))


@cache
def mistakes():
    return mistakes_of(gated)


class Otherwise(FaultyRecurrence):
    """The same numbers, but for rounding: the equations are computed in single precision."""

    def forward(self, case):
        config = replace(case.config, cell=self.cell)
        found = handed(replace(case, config=config).map(lambda _, array: array * (1 + 2.0**-52)))
        kind = case.config.numpy_dtype
        return tuple({name: a.astype(kind) for name, a in part.items()} for part in (found.outputs, found.states))


def both(new, old=None, claims=CLAIMS, count=20):
    """Compares two targets; the mistake of each by its id, in all modes."""
    made = [
        target if not isinstance(target, str | None)
        else FaultyRecurrence(gated, mistakes()[target] if target else None, claims)
        for target in (old, new)
    ]  # fmt: skip
    return compare(*map(open_target, made), catalogue(), count)


@pytest.fixture
def run(tmp_path):
    """Runs compare on old.py and new.py, in a folder of their own."""

    def command(old=TARGET, new=TARGET, *words):
        for name, text in (("spec", SPEC), ("old", old), ("new", new)):
            (tmp_path / f"{name}.py").write_text(text)
        words = ("compare", "old.py", "new.py", *words)
        return subprocess.run([RNN, *words], cwd=tmp_path, capture_output=True, text=True, timeout=120)

    return command


@pytest.mark.sample
@pytest.mark.parametrize("claims", [CLAIMS, UNKNOWN, replace(UNKNOWN, dtypes=("float32",), modes={})])
def test_the_same_twice_is_the_same_bit_for_bit(claims):
    found = both(None, claims=claims)
    assert found.status == 0 and found.counts["same"] == found.counts["identical"] == found.cases
    assert found.cases > 20 * max(len(claims.modes), 1) and not found.suspected


@pytest.mark.sample
@pytest.mark.parametrize("claims", [CLAIMS, UNKNOWN])
def test_rounding_is_no_difference(claims):
    found = both(Otherwise(gated, None, claims), claims=claims)
    assert found.status == 0 and not found.differences
    assert found.counts["identical"] < found.counts["same"] == found.cases


def test_with_equations_it_is_said_who_leaves(moving):
    for id in moving({id: mistake for id, mistake in mistakes().items() if id.startswith("handed.")}):
        worse, mended = both(id), both(None, old=id)
        assert {d.leaves for d in worse.differences} == {"NEW"} and {d.leaves for d in mended.differences} == {"OLD"}
        assert "state.equations" in {d.failing for d in worse.differences}
        assert worse.status == mended.status == 1 and worse.always


@pytest.mark.sample
def test_every_case_is_asked_in_each_mode():
    wrong = FaultyRecurrence(gated, mistakes()["handed.final-doubled"], CLAIMS, ("chunk",))
    found = both(wrong)
    assert {d.case.mode for d in found.differences} == {"chunk"}
    assert len(found.differences) == found.counts["same"] == found.cases / 2
    assert found.areas[found.differences[0].sort] == ["mode chunk"]


@pytest.mark.sample
def test_what_is_wrong_alike_is_no_difference():
    found = both("handed.final-doubled", old="handed.final-doubled")
    assert found.status == 0 and found.counts["wrong alike"] > 20 and not found.differences
    found = both("handed.final-doubled", old="handed.final-is-zero")
    assert found.status == 1 and {d.leaves for d in found.differences} == {"both"}


def test_without_equations_they_differ_and_nobody_knows_who_is_wrong():
    found = both("handed.final-doubled", claims=UNKNOWN)
    assert found.status == 1 and {d.leaves for d in found.differences} == {"neither"}
    assert found.always and found.smallest.case.num_steps == 1
    assert "by OLD and by NEW" in found.smallest.new and "not known" in found.smallest.old


@pytest.mark.sample
def test_without_double_precision_they_differ_where_that_is_more_than_either_shows_of_itself():
    found = both("handed.final-doubled", claims=replace(UNKNOWN, dtypes=("float32",)))
    assert found.status == 1 and {d.leaves for d in found.differences} == {"neither"}
    assert "times what one ulp in the inputs does" in found.smallest.new and not found.suspected


def test_what_both_claim_is_compared_and_the_rest_is_told():
    less = replace(CLAIMS, packed=False, dtypes=("float64",), modes={"step": Mode(), "chunk": Mode("chunks", {"T": 4})})
    shared = common(CLAIMS, less)
    assert shared.modes == less.modes and not shared.packed and shared.dtypes == ("float64",)
    lost = "; ".join(beyond(CLAIMS, shared))
    assert "dtypes float32" in lost and "packed" in lost and "mode chunk {'order': 'chunks', 'multiple': {}} (" in lost
    assert not beyond(less, shared)
    assert beyond(CLAIMS, common(CLAIMS, replace(CLAIMS, modes={"step": Mode()}))) == ["mode chunk"]
    asked = common(
        replace(CLAIMS, modes={"m": Mode(multiple={"T": 4})}), replace(CLAIMS, modes={"m": Mode("scan", {"T": 6})})
    )
    assert asked.modes == {"m": Mode("scan", {"T": 12})}


def test_a_recurrence_that_only_one_claims_is_told():
    other = Recurrence(None, **SHAPES, name="other")
    shared = common(UNKNOWN, replace(UNKNOWN, cells=(*UNKNOWN.cells, other)))
    assert shared.cells == UNKNOWN.cells
    assert beyond(replace(UNKNOWN, cells=(*UNKNOWN.cells, other)), shared) == ["cells OTHER"]


@pytest.mark.parametrize(
    ("claims", "message"),
    [
        (replace(CLAIMS, modes={}), "they have no modes in common: OLD claims ['step', 'chunk'], NEW claims []"),
        (replace(CLAIMS, modes={"scan": Mode()}), "they have no modes in common"),
        (UNKNOWN, "they have no cells in common"),
        (Capabilities(cells=("GRU",)), "they have no cells in common"),
        (replace(CLAIMS, dtypes=("bfloat16",)), "they have no dtypes in common"),
    ],
)
def test_what_has_nothing_in_common_is_refused(claims, message):
    with pytest.raises(TargetError) as refused:
        common(CLAIMS, claims)
    assert message in str(refused.value)


@pytest.mark.sample
def test_states_of_another_dtype_are_handed_on_as_each_claims():
    narrow = replace(CLAIMS, dtypes=("bfloat16", "float64"))
    wide = replace(narrow, state_dtype="float64")

    class Wide(FaultyRecurrence):
        def forward(self, case):
            outputs, states = super().forward(case)
            exact = handed(replace(case, config=replace(case.config, cell=self.cell)))
            return outputs, {name: exact.states[name].copy() for name in states}

    found = both(Wide(gated, None, wide), claims=narrow)
    assert not found.differences and found.lost and found.counts["same"] > 20


@pytest.mark.sample
def test_a_command_says_and_saves_it(run, tmp_path):
    done = run(TARGET, IN_CHUNKS, "--json", "found.json")
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].startswith("new.py differs from old.py beyond rounding (")
    assert "NEW leaves the reference, OLD does not (state.equations)" in done.stdout
    assert "in all of them: mode chunk" in done.stdout and "OLD: right, but for rounding" in done.stdout
    data = json.loads((tmp_path / "found.json").read_text())
    jsonschema.validate(data, json.loads((SCHEMAS / "comparison.json").read_text()))
    (file,) = (tmp_path / ".rnn-conformance" / "new.py").iterdir()
    for name, status in (("new.py", 1), ("old.py", 0)):
        told = subprocess.run([RNN, "replay", file, name], cwd=tmp_path, capture_output=True, text=True, timeout=120)
        assert told.returncode == status, told.stdout + told.stderr


@pytest.mark.sample
def test_a_command_without_equations_saves_nothing(run, tmp_path):
    shapes = f"[dict({', '.join(f'{key}={value!r}' for key, value in SHAPES.items())}, name='gated')]"
    old, new = (text.replace('["spec.py:gated"]', shapes) for text in (TARGET, IN_CHUNKS))
    done = run(old, new, "--json", "found.json")
    assert done.returncode == 1 and "nobody knows which of them is wrong: " in done.stdout, done.stderr
    assert not (tmp_path / ".rnn-conformance").exists()
    data = json.loads((tmp_path / "found.json").read_text())
    jsonschema.validate(data, json.loads((SCHEMAS / "comparison.json").read_text()))
    single = [text.replace('["float64", "float32"]', '["float32"]') for text in (old, new)]
    narrow = run(*single)
    assert narrow.returncode == 1 and "times what one ulp in the inputs does" in " ".join(narrow.stdout.split())


def test_layers_and_a_recurrence_are_one_clear_line(run):
    done = run(TARGET, LAYERS)
    assert done.returncode == 2 and "they have no cells in common" in done.stderr and "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == 1


@recurrence(inputs={"x": "K"}, states={"s": "K"}, outputs={"y": "K"}, parameters={"a": "K"}, heads=False)
def leaky(x, s, p):
    s = p["a"] * s + x
    return s, s


class Leaky:
    """The same as equations and as gradients; passed, a factor of what goes back into a state."""

    capabilities = Capabilities(cells=(leaky,), dtypes=("float32", "float64"), gradients=True, default_state=False)

    def __init__(self, passed=1.0):
        self.passed = passed

    def forward(self, case):
        found = handed(replace(case, config=replace(case.config, cell=leaky)))
        return tuple(
            {n: np.array(a, case.config.numpy_dtype) for n, a in p.items()} for p in (found.outputs, found.states)
        )

    def gradients(self, case, d_outputs, d_states):
        a, x, d = case.parameters["a"], case.inputs["x"], d_states["s"]
        before = np.concatenate([case.states["s"][None], self.forward(case)[0]["y"]])
        d_a, d_x = np.zeros_like(a), np.zeros_like(x)
        for t in reversed(range(len(x))):
            d_x[t] = d = d + d_outputs["y"][t]
            d_a = d_a + (d * before[t]).sum(0)
            d = (self.passed * a * d).astype(x.dtype)
        return {"x": d_x, "s": d, "a": d_a.astype(a.dtype)}


@pytest.mark.sample
@pytest.mark.parametrize("known", [True, False])
def test_of_gradients_that_differ_those_that_are_no_slopes_are_wrong(known):
    claims = Leaky.capabilities if known else replace(Leaky.capabilities, cells=(recurrence(**leaky.shapes),))

    def seen(old, new, claims=claims):
        targets = Leaky(old), Leaky(new)
        for target in targets:
            target.capabilities = claims
        return compare(*map(open_target, targets), catalogue(), 10)

    assert not seen(1.0, 1.0).differences and not seen(1.0, 1 + 2.0**-50).differences
    for old, new, leaves in ((1.0, 1.5, "NEW"), (1.5, 1.0, "OLD"), (0.5, 1.5, "both")):
        found = seen(old, new)
        assert {d.leaves for d in found.differences} == {leaves} and found.status == 1
        assert {d.failing for d in found.differences} == {"state.gradients_are_slopes"}
    assert "gradients by OLD and by NEW" in found.smallest.new
    assert not seen(0.5, 0.5).differences  # check finds what is wrong in both
    assert seen(1.0, 1.5, replace(claims, dtypes=("float32",))).status == 2


def test_gradients_that_one_does_not_claim_are_not_compared():
    target = Leaky(1.5)
    target.capabilities = replace(Leaky.capabilities, gradients=False)
    found = compare(open_target(Leaky()), open_target(target), catalogue(), 5)
    assert not found.differences and found.lost == ["gradients"]
