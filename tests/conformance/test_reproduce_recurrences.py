"""reproduce of recurrences: what they hand on, in a script of its own."""

import json
import subprocess
import sys
import types
from pathlib import Path

import jsonschema
import pytest

from conformance import check
from conformance.judging.serialisation import CounterexampleError, counterexample_from_data, counterexample_to_data
from conformance.report import html
from conformance.scripts.reproducer import USER_FILE, script
from conformance.trial import counterexamples

RNN = Path(sys.executable).with_name("rnn-conformance")
SCHEMA = json.loads((Path(html.__file__).parent / "schemas" / "counterexample.json").read_text())
SPEC = """
from reference_rnn import exp, recurrence, vecmat

SHAPES = dict(inputs={"q": "K", "k": "K", "v": "V", "g": "K"}, states={"S": "KV"}, outputs={"o": "V"},
              ranges={"g": (-1.0, 0.0)})

@recurrence(**SHAPES)
def gated(q, k, v, g, S):
    S = exp(g)[..., None] * S + k[..., None] * v[..., None, :]
    return vecmat(q, S), S
"""
RIGHT = """
import numpy as np
from conformance import Capabilities, Mode
from reference_rnn import recurrence
from spec import SHAPES, gated

capabilities = Capabilities(
    cells=(KNOWN,), dtypes=("float32", "float64"), default_state=True, lengths=True, packed=True, empty=("length",),
    modes={"step": Mode(), "chunk": Mode(order="chunks")},
)
CALLS = []

def forward(case):
    x, S = case.inputs, case.states["S"]
    packed = case.offsets is not None
    rows = len(case.offsets) - 1 if packed else x["q"].shape[1]
    heads = x["q"].shape[-2]
    S = np.zeros((rows, heads, x["q"].shape[-1], x["v"].shape[-1]), x["q"].dtype) if S is None else S.copy()
    o = np.zeros_like(x["v"])
    for row in range(rows):
        steps = len(x["q"]) if case.lengths is None else case.lengths[row]
        for at in range(case.offsets[row], case.offsets[row + 1]) if packed else [(t, row) for t in range(steps)]:
            S[row] = np.exp(x["g"][at])[..., None] * S[row] + x["k"][at][..., None] * x["v"][at][..., None, :]
            o[at] = (x["q"][at][..., None] * S[row]).sum(-2)
    return {"o": o}, {"S": S}
"""

# A mistake, the property that finds it, whether the equations are known, and what is demanded of the calls.
WRONG = {
    "numbers": (("* S[row] + ", "* S[row] + 1e-3 + "), "state.equations", True, "numbers"),
    "numbers of chunks": (
        ("* S[row] + ", "* S[row] + 1e-3 * (case.mode == 'chunk') + "), "state.equations", True, "numbers",
    ),
    "the state of another row": (("S.copy()", "S[::-1].copy()"), "state.row_is_row_alone", False, "same"),
    "modes": (("* S[row] + ", "* S[row] + 1e-3 * (case.mode == 'chunk') + "), "state.modes_agree", False, "same"),
    "what is handed on": (('{"S": S}', '{"S": S * 1.5}'), "state.split", False, "same"),
    "what is handed on step by step": (('{"S": S}', '{"S": S * 1.5}'), "state.step_by_step", False, "same"),
    "what is no number": (
        ('{"o": o}', '{"o": o * (np.nan if case.mode == "chunk" else 1)}'), "state.shapes", False, "same",
    ),
    "packed rows": (("case.offsets[row + 1])", "case.offsets[row + 1] - 1)"), "state.arranged", False, "same"),
    "rows": (("o[at] = ", "o[at] = row * 1e-3 + "), "state.rows_permute", False, "same"),
    "heads": (("o[at] = ", "o[at] = np.arange(heads)[:, None] * 1e-3 + "), "state.heads_permute", False, "same"),
    "bits": (("S.copy()\n", "S.copy() + (CALLS.append(0) or len(CALLS))\n"), "state.repeatable", False, "same"),
    "another row": (('{"S": S}', '{"S": S + S.sum(0)}'), "state.nan_stays_in_its_row", False, "same"),
    "a shape": (('{"S": S}', '{"S": S[0]}'), "state.shapes", False, "shapes"),
    "one missing": (('{"S": S}', "{}"), "state.shapes", False, "shapes"),
    "one too many": (('{"o": o}', '{"o": o, "p": o.copy()}'), "state.shapes", False, "shapes"),
    "an input": (("np.zeros_like(x[\"v\"])", "x[\"v\"]"), "state.nothing_is_changed", False, "unchanged"),
    "memory": (('{"S": S}', '{"S": CALLS.append(S) or CALLS[0]}'), "state.nothing_is_changed", False, "own memory"),
    "what raises": (("o[at] = ", "o[at, at, at, at] = "), "state.shapes", False, "answer"),
}  # fmt: skip


def text(known, change=("", "")):
    """The target, changed; known: whether the equations are, or the shapes alone."""
    assert change[0] in RIGHT
    cell = "gated" if known else 'recurrence(name="gated", **SHAPES)'
    return RIGHT.replace("KNOWN", cell).replace(*change)


@pytest.fixture(autouse=True)
def spec(tmp_path):
    """The recurrence, in a file of its own: so the target can be mended, and the equations stay the same."""
    (tmp_path / "spec.py").write_text(SPEC)


def found(mistake):
    """What a check of mine.py, which is written with a mistake, finds."""
    change, id, known, _ = WRONG[mistake]
    Path("mine.py").write_text(text(known, change))
    (result,) = check("mine.py", properties=[id], diagnosis=False, in_process=False).results
    assert result.status == "failed", result
    return counterexample_from_data(result.found | {"target": "mine.py"})


def command(*words):
    """What the command says."""
    return subprocess.run([RNN, *map(str, words)], capture_output=True, text=True, timeout=100)


@pytest.mark.parametrize("mistake", WRONG)
@pytest.mark.sample
def test_a_counterexample_of_a_recurrence_fails_with_the_kit_and_without_it(mistake, run_script):
    one = found(mistake)
    assert one.demand == WRONG[mistake][3], one.message
    file = counterexamples.save(one)
    assert command("replay", file, "mine.py").returncode == 1
    printed = command("reproduce", file)
    assert printed.returncode == 0, printed.stderr
    shown = run_script(printed.stdout)
    assert shown.returncode == 1, shown.stdout + shown.stderr
    assert one.demand == "answer" or not shown.stderr, shown.stderr

    Path("mine.py").write_text(text(WRONG[mistake][2]))
    assert command("replay", file, "mine.py").returncode == 0
    mended = run_script(printed.stdout)
    assert mended.returncode == 0, mended.stdout + mended.stderr


def test_which_numbers_must_be_the_same_survives_being_a_file():
    one = found("what is handed on")
    data = json.loads(json.dumps(counterexample_to_data(one)))
    jsonschema.validate(data, SCHEMA)
    again = counterexample_from_data(data)
    assert again.same == one.same and len(again.same.handed) == 1
    assert script(again, "A statement.") == script(one, "A statement.")
    for spoil in (
        lambda same: same["places"][0].update(call=9), lambda same: same["places"][1].update(array="p"),
        lambda same: same["places"][0].update(at=[99]), lambda same: same["places"].pop(), lambda same: same.clear(),
        lambda same: same["handed"][0].update(by=2, call=1), lambda same: same["handed"][0].update(state="T"),
        lambda same: same.update(room="little"),
    ):  # fmt: skip
        spoilt = json.loads(json.dumps(data))
        spoil(spoilt["same"])
        with pytest.raises(CounterexampleError):
            counterexample_from_data(spoilt)


def test_for_a_command_it_is_said_what_is_handed_on():
    one = counterexample_from_data(counterexample_to_data(found("what is handed on")) | {"target": "cmd: mine"})
    lines = script(one, "A statement.").splitlines()
    assert sum(line.startswith("{") for line in lines) == 2 + len(one.calls)
    assert [line for line in lines if line in ("# A:", "# B:", "# C:")] == ["# A:", "# B:", "# C:"]
    (at,) = [number for number, line in enumerate(lines) if line.startswith("# its S is what ")]
    assert json.loads(lines[at - 1])["do"] == "forward" and lines[-2].startswith("# must be the same, but for ")


def test_a_file_is_read_where_the_kit_is_not_installed(monkeypatch):
    """What a file says of itself with the kit's help is not needed; what it computes with is its own."""
    Path("mine.py").write_text(text(True))
    names = {}
    exec("import importlib, importlib.util, os, sys, types\n" + USER_FILE, names)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    for name in list(sys.modules):
        if name.split(".")[0] in ("conformance", "reference_rnn"):
            monkeypatch.delitem(sys.modules, name)
    module = names["module_in"]("mine.py")
    assert isinstance(module.capabilities, types.ModuleType) and module.forward.__module__ == "mine"
