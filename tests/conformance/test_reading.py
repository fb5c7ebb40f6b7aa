"""Whatever stands in a file of the kit: reading it runs nothing, opens no target, and writes nowhere else."""

import json
import os
import random
import re
import shlex
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from conformance.chapters import catalogue
from conformance.claims.capabilities import Capabilities
from conformance.cli import NAMES, cli
from conformance.events import PropertyResult
from conformance.harness.call import Call
from conformance.harness.load import TargetError, open_target
from conformance.hunt.corpus import Corpus, Kept
from conformance.hunt.deduplication import Defect, FailureSignature
from conformance.hunt.shards import Part, Shard
from conformance.judging.counterexample import Counterexample, right
from conformance.judging.recurrent_subject import subject_of
from conformance.judging.serialisation import (
    CounterexampleError,
    case_to_data,
    counterexample_from_data,
    counterexample_to_data,
    document,
)
from conformance.report.grades import rubric
from conformance.trial import expectations
from conformance.trial.baseline import stored
from conformance.trial.expectations import read_expectations
from conformance.trial.options import UsageError
from conformance.trial.property_names import Names
from conformance.trial.verdict import Report
from conformance.vectors import vector_files
from reference_rnn import Result, case, forward, recurrence
from reference_rnn.bounds.ball import Ball
from reference_rnn.cell import loaded

TOUCH = "cmd: touch PWNED"
SPEC = """
from pathlib import Path
from reference_rnn import cell, mix, sigmoid, tanh

Path("PWNED").touch()


@cell("fn")
def mgu(x, h, p):
    f = sigmoid(p.f(x, h))
    n = tanh(p.n(x, f * h))
    return mix(f, h, n)
"""
TARGET = """
capabilities = {"cells": ["spec.py:mgu"]}

def forward(case):
    return case.x, case.h_0
"""
STATEMENT = catalogue()["equivalence.steps"].statement


class Watched:
    """What happens while it is on: whatever is run or imported, and every file that is made, changed or removed."""

    RUNS = ("subprocess.Popen", "os.fork", "os.forkpty", "os.exec", "os.posix_spawn", "os.spawn", "os.system", "exec",
            "import", "socket.connect")  # fmt: skip
    CHANGES = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod")
    WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT

    def __init__(self):
        self.on, self.events = False, []
        sys.addaudithook(self.hear)

    def hear(self, event, arguments):
        """Notes an event of the interpreter."""
        if self.on and (self.runs(event, arguments) or event in self.CHANGES or self.writes(event, arguments)):
            self.events.append((event, *map(str, arguments[:2])))

    def runs(self, event, arguments):
        """Whether something is run or imported, other than an annotation of ours, or a part of the standard library."""
        if event == "exec":
            return not getattr(arguments[0], "co_filename", "").startswith(("<string>", os.path.dirname(os.__file__)))
        if event == "import":
            return arguments[0].partition(".")[0] not in sys.stdlib_module_names
        return event in self.RUNS

    def writes(self, event, arguments):
        """Whether a file is opened to be written."""
        named = event == "open" and isinstance(arguments[0], str | bytes) and arguments[0] != os.devnull
        return named and bool((arguments[2] or 0) & self.WRITING)

    def __enter__(self):
        self.on, self.events = True, []
        return self.events

    def __exit__(self, *_):
        self.on = False


WATCHED = Watched()  # a hook of the interpreter stays for good
for name in NAMES:
    cli.get_command(None, name)  # which imports it


def run(*words):
    """A command in this process: its status and what it prints. Raises what only a mistake of the kit raises."""
    done = CliRunner().invoke(cli, [*map(str, words)], standalone_mode=False)
    if isinstance(done.exception, (TargetError, UsageError)):
        return 2, str(done.exception)
    if done.exception:
        raise done.exception
    return done.return_value or 0, done.output


def counterexample(cell="RNN_TANH", target="mine.py", **sizes):
    """A counterexample on a case of a cell."""
    c = case(cell, T=1, N=1, I=1, H=1, x=1, **sizes)
    opened = open_target("reference", in_process=True)
    call = Call("forward", c)
    expected = right(subject_of(opened), call)
    return Counterexample(
        "equivalence.steps", "output[0, 0, 0] is 2, must be 1", "value:output", c, (call,), 0, (0,), (expected,),
        "numbers", True, target,
    )  # fmt: skip


def own(tmp_path, target="mine.py:mine"):
    """A counterexample on a case of a cell of the user's own, as data."""
    (tmp_path / "spec.py").write_text(SPEC)
    cell = loaded(str(tmp_path / "spec.py"), "mgu")
    (tmp_path / "PWNED").unlink(missing_ok=True)
    return counterexample_to_data(counterexample(cell, target))


@pytest.fixture(autouse=True)
def nothing_is_loaded(monkeypatch):
    """No test knows the cells of another one."""
    forgotten(monkeypatch)


def forgotten(monkeypatch):
    """From now on no cell of a user has been loaded."""
    monkeypatch.setattr(sys.modules[loaded.__module__], "LOADED", {})


@pytest.fixture
def attack(tmp_path, monkeypatch):
    """A corpus with one finding, whose counterexample would have a target opened; and the file alone."""
    data = own(tmp_path) | {"target": TOUCH}
    old = {key: value for key, value in data.items() if key != "cells"}
    first = {key: old[key] for key in ("property", "target", "message")} | {"schema": 1}
    first["case"] = case_to_data(counterexample_from_data(data).case)
    one = {"shape": [1, 1, 1, 1], "memory": "C", "data": [0]}
    cell = {"file": "spec.py", "name": "leaky", "sha256": "0" * 64}
    third = old | {"schema": 3, "calls": [], "compared": [], "case": {
        "config": {"cell": cell, "sizes": {"K": 1}, "heads": 1, "dtype": "float32"}, "inputs": {"x": one},
        "states": {}, "parameters": {}, "lengths": None, "offsets": None, "mode": None,
    }}  # fmt: skip
    forgotten(monkeypatch)
    return {"an own cell": old, "schema 1": first, "a recurrence": third}


KINDS = ("an own cell", "schema 1", "a recurrence")


def corpus(folder, data=None, **changes):
    """A corpus with one finding, and its id."""
    result = PropertyResult("equivalence.steps", "failed", STATEMENT, message="wrong", kind="value:output")
    defect = Defect("mine.py", ("failure", "equivalence.steps", "output"), "wrong", "", result)
    defect.shown.append(FailureSignature("equivalence.steps", "value:output"))
    made = Corpus.made(Path(folder))
    finding = Kept.of({**vars(defect), "id": defect.id, "shown": [vars(one) for one in defect.shown],
                       "result": vars(result)}, 0, {"numpy": "2"})  # fmt: skip
    made.keep(replace(finding, **changes), data)
    return finding.id


# ---------------------------------------------------------------- reading runs nothing


@pytest.mark.parametrize("kind", KINDS)
def test_reading_a_saved_case_opens_nothing(attack, kind, tmp_path):
    Path("case.json").write_text(document(attack[kind]))
    Path("known.toml").write_text('[[expected]]\ncounterexample = "case.json"\nreason = "known"\n')
    id = corpus("corpus", attack[kind])
    with WATCHED as events:
        status, said = run("reproduce", "case.json")
        assert status == 2 and said == (
            "this case is of a cell of cmd: touch PWNED; say so if you trust it: reproduce case.json 'cmd: touch PWNED'"
        )
        (one,) = read_expectations(Path("known.toml"), Names(catalogue()))
        assert not one.fits(PropertyResult("equivalence.steps", "failed"))
        status, said = run("corpus", "report", "corpus", id)
        assert status == 2 and said.endswith(f"corpus report corpus {id[:12]} --target 'cmd: touch PWNED'")
    assert events == [] and not Path("PWNED").exists()


def test_a_command_to_be_copied_has_names_that_a_shell_only_reads(attack):
    Path("saved").mkdir()
    Path("saved/$(touch PWNED) x.json").write_text(document(attack["schema 1"]))
    corpus("a corpus; touch PWNED", attack["schema 1"])
    (id,) = (place.name for place in Path("a corpus; touch PWNED/findings").iterdir())
    for words, file in (
        (("reproduce", "saved"), "saved/$(touch PWNED) x.json"),
        (("corpus", "report", "a corpus; touch PWNED", id), "a corpus; touch PWNED"),
    ):
        command = run(*words)[1].partition("trust it: ")[2]
        assert file in shlex.split(command) and ";" not in command.replace(f"'{file}'", "")


def test_check_runs_no_target_but_its_own(attack, right):
    Path("mine.py").write_text(right)
    for kind, data in attack.items():
        Path("case.json").write_text(document(data))
        Path("known.toml").write_text('[[expected]]\ncounterexample = "case.json"\nreason = "known"\n')
        words = ("--property", "shapes.dtype", "--in-process", "--no-saved", "--no-diagnosis")
        assert run("check", "mine.py", *words, "--expected-failures", "known.toml")[0] == 0, kind
    assert not Path("PWNED").exists()


def test_a_target_that_is_named_is_opened(attack, tmp_path):
    Path("mine.py").write_text(TARGET)
    for kind in ("an own cell", "schema 1"):
        Path("case.json").write_text(document(attack[kind]))
        status, said = run("reproduce", "case.json", "mine.py")
        assert status == 0 and "module_in(" in said and "touch PWNED" not in said
        Path("known.toml").write_text('[[expected]]\ncounterexample = "case.json"\nreason = "known"\n')
        words = ("--property", "equivalence.steps", "--in-process", "--no-saved", "--no-diagnosis")
        assert "equivalence.steps" in run("check", "mine.py", *words, "--expected-failures", "known.toml")[1]
    id = corpus("corpus", attack["an own cell"])
    status, said = run("corpus", "report", "corpus", id, "--target", "mine.py")
    assert status == 0 and "```python" in said


def test_a_case_of_an_own_cell_that_is_expected_to_fail_is_known_by_its_text(tmp_path, monkeypatch):
    data = own(tmp_path)
    plain = case_to_data(counterexample_from_data(data).case)
    for saved in (data, {key: value for key, value in data.items() if key != "cells"}):
        Path("case.json").write_text(document(saved))
        Path("known.toml").write_text('[[expected]]\ncounterexample = "case.json"\nreason = "known"\n')
        with monkeypatch.context() as patch:
            forgotten(patch)
            (one,) = read_expectations(Path("known.toml"), Names(catalogue()))
        assert one.fits(PropertyResult("equivalence.steps", "failed", case=plain))
        (tmp_path / "spec.py").write_text(SPEC.replace("f * h", "h * f"))
        other = counterexample(loaded(str(tmp_path / "spec.py"), "mgu"))
        assert not one.fits(PropertyResult("equivalence.steps", "failed", case=case_to_data(other.case)))


def test_the_equations_of_an_own_cell_are_saved_and_need_no_target(tmp_path, monkeypatch):
    data = own(tmp_path, "mine.py:mine")
    (cell,) = data["cells"]
    assert "n = tanh(affine(x, N.W_ih, f * h, N.W_hh, N.b_ih, N.b_hh))" in cell["equations"]
    forgotten(monkeypatch)
    Path("spec.py").unlink()
    Path("mine.py").write_text("raise SystemExit('run')")
    Path("case.json").write_text(document(data))
    with WATCHED as events:
        status, said = run("reproduce", "case.json")
    assert status == 0 and events == [] and not Path("PWNED").exists()
    assert "#         n = tanh(affine(x, N.W_ih, f * h, N.W_hh, N.b_ih, N.b_hh))\n" in said and "cell='MGU'" in said
    compile(said, "script", "exec")


def test_equations_are_text(tmp_path, monkeypatch):
    data = own(tmp_path)
    data["cells"][0]["equations"] = "def mgu(x, h, p):\r    open('PWNED', 'w')\x0c\nopen('PWNED', 'w')\u2028x\x1b[2J"
    forgotten(monkeypatch)
    Path("mine.py").write_text("")
    Path("case.json").write_text(json.dumps(data))
    status, said = run("reproduce", "case.json")
    lines = [line for line in said.split("\n") if "PWNED" in line or "2J" in line]
    assert status == 0 and len(lines) == 3 and all(line.startswith("# ") for line in lines)
    assert "\r" not in said and "\x1b" not in said and "\x0c" not in said


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"equations": 7}, "cells[0].equations is 7, must be a text"),
        ({"sha256": "../x"}, "cells[0].sha256 is '../x', must match [0-9a-f]{64}"),
        ({"gates": "f"}, None),
        ({"gates": ["f"]}, 'cells[0].gates is ["f"], must be a text'),
        ({"reads": {"x": 1}}, "cells[0].reads['x'] is 1, must be a text"),
        ({"other": 1}, "cells[0] has an unknown key 'other'"),
    ],
)
def test_an_odd_outline_of_a_cell_is_one_line(tmp_path, monkeypatch, change, said):
    data = own(tmp_path)
    data["cells"][0] |= change
    forgotten(monkeypatch)
    Path("case.json").write_text(json.dumps(data))
    status, line = run("reproduce", "case.json")
    assert status == 2 and (said or "it does not describe a case") in line and "\n" not in line


def test_a_report_shows_no_file_that_only_a_corpus_names(tmp_path):
    inside = Path("inside").resolve()
    inside.mkdir()
    secret = tmp_path / "secret.py"
    secret.write_text("def forward(case):\n    return 'hunter2'\n")
    id = corpus(inside / "corpus", None, target=str(secret), status="new")
    os.chdir(inside)
    status, said = run("corpus", "report", "corpus", id)
    assert status == 0 and "hunter2" not in said
    assert "hunter2" in run("corpus", "report", "corpus", id, "--target", secret)[1]


# ---------------------------------------------------------------- an unknown property is told as that


@pytest.mark.parametrize("words", [("reproduce", "case.json"), ("replay", "case.json", "reference"), ("report",)])
def test_an_unknown_property_is_told_as_that(words):
    data = counterexample_to_data(counterexample()) | {"property": "no.such", "demand": "shapes"}
    Path("case.json").write_text(document(data))
    if words == ("report",):
        words = ("corpus", "report", "corpus", corpus("corpus", data))
    status, said = run(*words)
    assert (status == 2 and "counterexample.json: " in said) or "case.json: " in said
    assert "there is no property 'no.such'" in said


def test_an_unknown_property_of_an_expected_failure_is_told_with_its_file():
    data = counterexample_to_data(counterexample()) | {"property": "no.such"}
    Path("case.json").write_text(document(data))
    Path("known.toml").write_text('[[expected]]\ncounterexample = "case.json"\nreason = "known"\n')
    with pytest.raises(UsageError, match=r"known.toml, entry 1: case.json: there is no property 'no.such'"):
        read_expectations(Path("known.toml"), Names(catalogue()))


# ---------------------------------------------------------------- corpora


def change(file, **changes):
    """Changes keys of a file."""
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))
    return file


@pytest.mark.parametrize("id", ["../../../x", "/tmp/reads-x", "A" * 64, "0" * 63, "0" * 64, 7, None, ["a"], "a\0b"])
def test_merge_writes_nowhere_but_into_its_corpus(tmp_path, id):
    Path("deep/er").mkdir(parents=True)
    mine = corpus("deep/er/theirs")
    file = change(Path(f"deep/er/theirs/findings/{mine}/finding.json"), id=id)
    before = {*tmp_path.rglob("*")}
    with WATCHED as events:
        status, said = run("corpus", "merge", "into", "deep/er/theirs")
    assert status == 2 and f"{file}: id is " in said
    assert {path.relative_to(tmp_path).parts[0] for path in {*tmp_path.rglob("*")} - before} == {"into"}
    named = [path for _, path, *_ in events if "/" in path]  # others are names in a folder that was opened
    assert named and all(path.startswith(str(tmp_path / "into")) for path in named), events
    assert not [*Path("into/findings").iterdir()]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"schema": 9}, "schema is 9, must be 1"), ({"status": "odd"}, "status is 'odd', must be one of new, known"),
        ({"key": []}, "key has 0 entries, must have at least 2"), ({"key": "x"}, "key is 'x', must be a list"),
        ({"shown": [{"id": 1, "kind": "x"}]}, "shown[0].id is 1, must be a text"),
        ({"shown": [{"id": "a.b"}]}, "shown[0] has no kind"), ({"seed": 10**19}, "too large for 64 bits"),
        ({"seed": True}, "seed is true, must be a whole number"),
        ({"environment": {"numpy": 1}}, "environment['numpy'] is 1, must be a text or null"),
        ({"given": [{"output": {"shape": [-1], "data": [], "memory": "C"}}]}, "given[0]['output'].shape[0] is -1"),
        ({"given": [{"output": {"shape": [1], "data": ["x"], "memory": "C"}}]}, "given[0]['output'].data[0] is 'x'"),
        ({"more": 1}, "it has an unknown key 'more'"), ({"first_seen": "yesterday"}, "first_seen is 'yesterday'"),
    ],
)  # fmt: skip
def test_a_finding_that_cannot_be_read_is_a_line_and_the_rest_counts(changes, said):
    spoilt = corpus("theirs")
    whole = corpus("others")
    file = Path(f"theirs/findings/{'f' * 64}/finding.json")
    file.parent.mkdir()
    file.write_text(Path(f"theirs/findings/{spoilt}/finding.json").read_text())
    change(file, **{"id": "f" * 64} | changes)
    status, printed = run("corpus", "merge", "into", "theirs", "others")
    assert (status == 2 and f"{file}: {said}" in printed) or ("cannot be read" in printed and said in printed)
    assert "into: 1 finding, 1 added, 1 new" in printed and printed.count("finding.json") == 1
    assert [*Corpus.there(Path("into")).findings()] == [whole]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"next": 10**15}, "next is 1000000000000000, must be at most"),
        ({"next": -1}, "next is -1, must be at least 0"),
        ({"next": "1"}, "next is '1', must be a whole number"), ({"next": 1.5}, "next is 1.5, must be a whole number"),
        ({"ahead": [10**15]}, "ahead[0] is 1000000000000000"), ({"ahead": 7}, "ahead is 7, must be a list"),
        ({"ahead": ["x"]}, "ahead[0] is 'x'"), ({"seed": [0]}, "seed is [0], must be a whole number"),
        ({"shard": "3/2"}, "shard"), ({"shard": 1}, "shard is 1, must be a text"),
        ({"rounds": {"x": 1}}, "rounds['x'] is 'x', must match"),
        ({"rounds": {"f" * 64: "many"}}, "must be a whole number"),
        ({"rounds": [1]}, "rounds is [1], must be an object"), ({"coverage": {"T": "x"}}, "coverage['T'] is 'x'"),
        ({"seen": [["a.b", "c"]]}, "seen[0] has 2 entries, must have 3"),
        ({"seen": [["a.b", "c", "../x"]]}, "seen[0][2]"),
        ({"alike": [1]}, "alike[0] is 1, must be a text"), ({"held": {}}, "held is {}, must be a list"),
        ({"examples": -5}, "examples is -5"), ({"examples": 2**62}, "examples is 4611686018427387904, must be at most"),
        ({"rounds": {"f" * 64: 2**62}}, "must be at most"), ({"target": 5}, "target is 5, must be a text"),
        ({"odd": 1}, "unknown key 'odd'"),
    ],
)  # fmt: skip
def test_seeds_that_cannot_be_read_are_a_line_and_the_rest_counts(changes, said):
    made = Corpus.made(Path("theirs"))
    part = Part("mine.py", 0, Shard(1, 2), next=3)
    made.save(part)
    made.save(Part("mine.py", 0, Shard(2, 2), next=4))
    file = change(made.file_of("mine.py", 0, Shard(1, 2)), **changes)
    status, printed = run("corpus", "merge", "into", "theirs")
    assert status == 2 and f"{file}: " in printed and said in printed and printed.count(str(file)) == 1
    assert [one.next for one in Corpus.there(Path("into")).parts()] == [4]


def test_seeds_of_which_very_many_are_said_to_be_done_keep_nobody():
    most = 10**9
    all_odd, all_even = (Part("mine.py", 0, Shard(k, 2), next=most) for k in (1, 2))
    seed = Part("mine.py", 0, Shard()).skip([all_odd, all_even], ())
    assert not all_odd.has(seed) and not all_even.has(seed)
    assert Part("mine.py", 0, Shard(), next=most).skip([], ()) == most


def test_a_call_that_is_made_often_is_read_once():
    Path("mine.py").touch()
    data = counterexample_to_data(counterexample())
    data["calls"][0]["times"] = 9999
    data["compared"] = []
    found = counterexample_from_data(data)
    compared = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("conformance.harness.call.same_array", lambda *arrays: compared.append(arrays) or True)
        from conformance.judging.counterexample import call_lines
        from conformance.scripts.reproducer import script

        assert len(call_lines(replace(found, compared=(9998,)))) == 1
        script(replace(found, compared=(9998,)), STATEMENT)
    assert len(compared) < 100


def test_many_calls_of_other_numbers_are_each_compared_with_few(monkeypatch):
    Path("mine.py").touch()
    data = counterexample_to_data(counterexample())
    (entry,) = data["calls"]
    data["calls"] = [json.loads(json.dumps(entry)) for _ in range(300)]
    for number, one in enumerate(data["calls"]):
        one["case"]["x"]["data"] = [number // 2]
    compared = []
    monkeypatch.setattr("conformance.harness.call.same_array", lambda *arrays: compared.append(arrays) or True)
    from conformance.scripts.reproducer import script

    said = script(counterexample_from_data(data), STATEMENT)
    assert "case_299 = " in said and "case_300 = " not in said and len(compared) < 3000


@pytest.mark.parametrize("spoil", [lambda d: d.update(calls=[{}]), lambda d: d.update(case=[]), lambda d: d.clear()])
def test_a_hunt_goes_on_without_a_case_of_a_wrong_shape(right, spoil):
    Path("mine.py").write_text(right)
    data = counterexample_to_data(counterexample())
    spoil(data)
    id = corpus("corpus", data)
    words = ("--property", "equivalence.steps", "--no-diagnosis", "-n", "1", "--rounds", "1")
    status, printed = run("hunt", "mine.py", *words)
    assert status == 2 and "1 round in" in printed and printed.count(f"{id}/counterexample.json: ") == 1


def test_a_hunt_goes_on_beside_what_cannot_be_read(right):
    Path("wrong.py").write_text(right.replace("h @ p", "case.h_0[0] @ p"))
    id = corpus("corpus")
    change(Path(f"corpus/findings/{id}/finding.json"), status="odd")
    words = ("--property", "equivalence.steps", "--no-diagnosis", "-n", "1", "--rounds", "1")
    status, printed = run("hunt", "wrong.py", *words)
    assert status == 1 and f"{id}/finding.json: status is 'odd', must be one of new, known" in printed
    assert "1 new, 0 known" in printed


def test_a_share_whose_seeds_cannot_be_read_is_not_begun_anew(right):
    Path("mine.py").write_text(right)
    made = Corpus.made(Path("corpus"))
    made.save(Part("mine.py", 0, Shard(), next=3))
    file = change(made.file_of("mine.py", 0, Shard()), next="3")
    status, said = run("hunt", "mine.py", "--property", "equivalence.steps", "-n", "1", "--rounds", "1")
    assert (status, said.partition(";")[0]) == (2, f"{file}: next is '3', must be a whole number")
    assert json.loads(file.read_text())["next"] == "3"


# ---------------------------------------------------------------- sizes in files


@pytest.mark.parametrize("change", [{"order": "x" * 10**6}, {"arithmetic": "x" * 10**6}, {"shape": [1] * 10**5}])
def test_what_is_said_of_a_vector_is_short(tmp_path, monkeypatch, change):
    ((data,), read) = vector(tmp_path, monkeypatch)
    data["expected"]["output"] |= {name: value for name, value in change.items() if name == "shape"}
    Path("file").write_text(json.dumps(data | {name: value for name, value in change.items() if name != "shape"}))
    with pytest.raises(vector_files.VectorError) as error:
        read()
    assert len(str(error.value)) < 1100


def test_what_is_said_of_an_unknown_name_is_short():
    with pytest.raises(UsageError) as error:
        Names(catalogue()).among("x" * 10**6)
    assert len(str(error.value)) < 1100


@pytest.mark.parametrize(
    "spoil",
    [
        lambda d: d["case"]["config"].update(num_layers=60000, bidirectional=True),
        lambda d: d["case"]["x"].update(shape=[0, 2**40, 2**20], data=[]),
        lambda d: d["calls"][0]["expected"]["output"].update(shape=[-1]),
        lambda d: d["calls"][0]["expected"]["output"].update(shape=[0, 2**62], data=[], room=[]),
        lambda d: d["calls"][0]["expected"]["output"].update(shape=[1] * 200),
        lambda d: d["calls"][0].update(expected=[]), lambda d: d["calls"][0].update(cotangents=[1]),
        lambda d: d["calls"][0].update(times=10_001), lambda d: d.update(repeatable="no"), lambda d: d.update(kind=[]),
        lambda d: d.update(target={}), lambda d: d.update(message=7), lambda d: d.update(more=1),
        lambda d: d["calls"][0].update(more=1), lambda d: d.update(compared=[0] * 10_001),
    ],
)  # fmt: skip
def test_what_a_file_cannot_mean_is_one_line(spoil):
    data = counterexample_to_data(counterexample())
    spoil(data)
    Path("case.json").write_text(json.dumps(data))
    status, said = run("reproduce", "case.json")
    assert status == 2 and said.startswith("case.json: ") and "\n" not in said


# ---------------------------------------------------------------- files that are changed at random

FEW, MANY = 300, 10_000  # mutations of each kind, in every run and at night
TOLD = (CounterexampleError, UsageError, TargetError, vector_files.VectorError)  # one line each; all else is a mistake
PYTHON = re.compile(  # its words, which say nothing of a file
    r"[a-z]Error\b|invalid literal|\w+ argument\b|NoneType|subscriptable|unhashable|unsupported|has no attribute|"
    r"__init__|max_str"
)
NAMES = Names(catalogue())
IDS = list(catalogue())
HOSTILE = [
    None, True, False, 0, -1, 1, 2**31, 10**15, 2**63 - 1, -(2**63), 1e308, 0.5, "", "x", "NaN", "-Infinity", [], {},
    [[]], [None], [1, 2], {"a": 1}, {"inputs": {}}, "../../../x", "/etc/passwd", "cmd: touch PWNED", "PWNED.py", "a\0b",
    "\ud800", "\x1b[2J", "x" * 5000, "LSTM", "float16", [0] * 3000,
    {"file": "PWNED.py", "name": "a", "sha256": "0" * 64},
]  # fmt: skip
TOKENS = (
    b"NaN",
    b"1e999",
    b"[" * 3000,
    b'{"a":' * 3000,
    b"9" * 5000,
    b"\x00",
    b"\xff",
    b"\xef\xbb\xbf",
    b'"',
    b"}",
    b",",
)


def paths(data, path=()):
    """The place of everything in some data."""
    yield path
    for key, value in data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ():
        yield from paths(value, (*path, key))


def of_data(data, generator):
    """The data with one part changed."""
    data = json.loads(json.dumps(data))
    *before, last = generator.choice([path for path in paths(data) if path])
    inside = data
    for key in before:
        inside = inside[key]
    how = generator.randrange(5)
    if how == 0:
        del inside[last]
    elif how == 1 and isinstance(inside, dict):
        inside[generator.choice(["x", "schema", "__class__", "cell", "case", "\x1b"])] = inside.pop(last)
    elif how == 2 and isinstance(inside, list):
        inside.extend([inside[last]] * generator.choice([1, 7, 500]))
    elif how == 3 and isinstance(inside[last], (int, float)) and not isinstance(inside[last], bool):
        inside[last] = generator.choice([inside[last] + 1, -inside[last] - 1, 1000 * inside[last], 1.5, 2**16, 9999])
    else:
        inside[last] = generator.choice(HOSTILE)
    return data


def of_text(text, generator):
    """The bytes with some of them changed."""
    at = generator.randrange(len(text))
    to = min(len(text), at + generator.choice([1, 1, 2, 20, 200]))
    how = generator.randrange(4)
    if how == 0:
        return text[:at] + text[to:]
    if how == 1:
        return text[:to] + text[at:]
    if how == 2:
        return text[:at] + generator.choice(TOKENS) + text[to if generator.random() < 0.5 else at :]
    return text[:at] + bytes(generator.randrange(256) for _ in range(to - at)) + text[to:]


# ---------------------------------------------------------------- what is read, and how


def saved(tmp_path, monkeypatch):
    """Cases of schema 1, 2 and 3, with cells of one's own and without, read by reproduce and as expected failures."""
    plain = counterexample_to_data(counterexample(lengths=[1], h_0=0.5))
    first = {key: plain[key] for key in ("property", "target", "message")} | {"schema": 1}
    first["case"] = case_to_data(case("LSTM", T=2, N=1, I=1, H=2, L=2, D=2, P=1, x=1))
    data = own(tmp_path)
    shapes = recurrence(name="leaky", inputs={"x": "K"}, states={"s": "K"}, outputs={"y": "K"})
    call_lines = ("state.shapes", "y is missing", "missing")
    c = shapes.case({"x": np.ones((1, 1, 1, 1))})
    one = Counterexample(*call_lines, c, (Call("forward", c),), 0, (0,), ({},), "shapes", True, "mine.py:mine")
    by_shapes = counterexample_to_data(one)
    third = json.loads(json.dumps(by_shapes))
    cell = {"file": "spec.py", "name": "leaky", "sha256": "0" * 64}
    for part in (third, *third["calls"]):
        part["case"]["config"]["cell"] = cell
    facts = {key: value for key, value in shapes.shapes.items() if key != "name"}
    third["cells"] = [cell | {"equations": "def leaky(x, s):\n    return s, s"} | facts]
    (tmp_path / "mine.py").write_text("def mine(case):\n    raise SystemExit")
    (tmp_path / "known.toml").write_text('[[expected]]\ncounterexample = "file"\nreason = "known"\n')
    forgotten(monkeypatch)

    def read():
        status, said = run("reproduce", "file")
        assert status == 0 or (status == 2 and "\n" not in said and not PYTHON.search(said)), said
        expectations.read_expectations(Path("known.toml"), NAMES)

    return [plain, first, data, third, by_shapes], read


def kept(tmp_path, monkeypatch):
    """What a corpus has of a finding, and what shows it, read by merge and report."""
    data = counterexample_to_data(counterexample())
    (tmp_path / "mine.py").write_text("def forward(case):\n    raise SystemExit")
    id = corpus("theirs", data, given=[{"output": {"shape": [1, 1, 1], "memory": "C", "data": [2]}}])
    file = Path(f"theirs/findings/{id}/finding.json")

    def read():
        text = Path("file").read_bytes()
        file.write_bytes(text)
        there = Corpus.there(Path("theirs"))
        for one in there.findings():
            run("corpus", "report", "theirs", one)
        assert there.findings() or len(there.unread) == 1
        Corpus.there(Path("into")).add(there)

    Corpus.made(Path("into"))
    return [json.loads(file.read_text())], read


def seeds(tmp_path, monkeypatch):
    """What a share of the seeds has done, read by merge and by the next hunt."""
    part = Part("mine.py", 0, Shard(2, 3), 4, {6, 9}, "a", 400, mutants=7, alike=["x"], held=["time.split"])
    part.seen[FailureSignature("time.split", "value:h_n")] = "f" * 64
    part.rounds["f" * 64] = 3
    part.coverage["T=1"] = 4
    made = Corpus.made(Path("theirs"))
    made.save(part)
    (file,) = Path("theirs/seeds").glob("*.json")

    def read():
        file.write_bytes(Path("file").read_bytes())
        there = Corpus.there(Path("theirs"))
        parts = there.parts()
        assert len(parts) + len(there.unread) == 1
        for one in parts:
            one.skip(parts, ())
        Corpus.there(Path("into")).add(there)

    Corpus.made(Path("into"))
    return [part.to_data()], read


def expected(tmp_path, monkeypatch):
    """Expected failures in TOML."""
    entries = [f'[[expected]]\nproperty = "{id}"\nreason = "because"\n' for id in (*IDS[:2], "time")]
    return ["\n".join(entries).encode()], lambda: expectations.read_expectations(Path("file"), NAMES)


def graded(tmp_path, monkeypatch):
    """A rubric in TOML."""
    text = '[[criterion]]\nname = "Shapes"\nproperties = ["shapes", "time.split"]\npoints = 10\npartial = true\n'
    text += 'require = ["bidirectional"]\n'
    return [text.encode()], lambda: rubric(Path("file"), IDS, IDS)


def baseline(tmp_path, monkeypatch):
    """A stored report, as a baseline."""
    results = [PropertyResult("time.split", "failed", "All is right.", 3, message="wrong", counterexample="case()")]
    report = Report("mine.py", "fails", Capabilities().as_dict(), "quick", 0, results, {})
    data = json.loads(report.to_json())
    data["diagnosis"] = [{"fault": "x", "title": "y", "patch": "-a\n+b", "explains": 1, "exact": True, "together": []}]
    claims = Capabilities(cells=("GRU",))

    def read():
        found = stored(Path("file"), "mine.py", NAMES)
        found.narrower(claims)
        found.apply([PropertyResult("time.split", "failed")], None, False)

    return [data, {"reports": [data]}], read


def vector(tmp_path, monkeypatch):
    """Test vectors of layers and of a recurrence."""
    c = case("GRU", T=2, N=1, I=1, H=1, x=1, lengths=[1])
    exact = vector_files.EXACT
    balls = Result(**{name: Ball(array, 0 * array, exact) for name, array in forward(c).items()})
    data = vector_files.to_data(vector_files.Vector(c, balls, "strict"))
    return [data], lambda: vector_files.read_vector(Path("file"))


READERS = (saved, kept, seeds, expected, graded, baseline, vector)


@pytest.mark.parametrize("count", [FEW, pytest.param(MANY, marks=pytest.mark.sample)])
@pytest.mark.parametrize("kind", READERS, ids=lambda kind: kind.__name__)
def test_files_that_are_changed_at_random(kind, count, tmp_path, monkeypatch):
    originals, read = kind(tmp_path, monkeypatch)
    generator, accepted = random.Random(count), 0
    before = {path for path in tmp_path.rglob("*") if "into" not in path.parts}
    for number in range(-len(originals), count):
        original = originals[number % len(originals)]
        changed = original
        if number >= 0 and not isinstance(original, bytes) and generator.random() < 0.7:
            changed = of_data(original, generator)
        text = changed if isinstance(changed, bytes) else json.dumps(changed).encode()
        if number >= 0 and changed is original:
            text = of_text(text, generator)
        Path("file").write_bytes(text)
        with WATCHED as events:
            try:
                read()
                accepted += 1
            except TOLD as error:
                assert "\n" not in str(error) and len(str(error)) < 10_000, text
                assert not PYTHON.search(str(error)), (error, text)
            except Exception as error:
                raise AssertionError(f"mutation {number}: {error!r}: {text[:3000]!r}") from error
        strange = [event for event in events if not ours(event, tmp_path)]
        assert not strange and not Path("PWNED").exists(), (strange, text)
        assert number >= 0 or accepted == number + len(originals) + 1, f"{kind.__name__} does not read its own"
    after = {path for path in tmp_path.rglob("*") if "into" not in path.relative_to(tmp_path).parts}
    assert after - before <= {tmp_path / "file"}


def ours(event, tmp_path):
    """Whether an event is of a corpus that is being read and merged, here."""
    name, path, *_ = event
    path = re.sub(rf"^{re.escape(str(tmp_path))}/", "", path)
    named = "/" not in path or path.partition("/")[0] in ("into", "theirs")  # in a folder that was opened, or from here
    here = named and ".." not in path
    return here and (name == "open" or name.startswith(("os.mkdir", "os.rename", "os.remove", "os.chmod", "os.rmdir")))
