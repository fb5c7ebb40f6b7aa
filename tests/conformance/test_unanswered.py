"""What never answers is said once: the rest is not run, by any number of workers, and what answers is judged in all."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

import conformance
from conformance import Capabilities
from conformance.adapters import reference
from conformance.cli import cli

LOOKS = ("equivalence.first_look", "gradients.first_look")
ASKED = (*LOOKS, "time.split", "shapes.shapes", "gradients.linear")
WHY = "no call returned in "


class Raising:
    """The reference, but that it raises where a condition holds: of what is done, and of the case."""

    capabilities = replace(reference.capabilities, cells=("RNN_TANH",), options=())

    def __init__(self, when=lambda do, case: True):
        self.when = when

    def answer(self, do, case, *d):
        if self.when(do, case):
            raise ValueError("no")
        return getattr(reference, do)(case, *d)

    def forward(self, case):
        return self.answer("forward", case)

    def gradients(self, case, *d):
        return self.answer("gradients", case, *d)


def judged(target, **options):
    return conformance.check(target, diagnosis=False, **{"properties": ASKED, **options})


def test_what_never_answers_is_said_by_two_properties():
    report = judged(Raising())
    assert report.verdict == "fails" and report.status == 1
    assert {r.id: r.status for r in report.results} == dict.fromkeys(ASKED, "not_run") | dict.fromkeys(LOOKS, "failed")
    assert {r.message for r in report.results if r.status == "not_run"} == {WHY + " and ".join(LOOKS)}


def test_without_gradients_the_next_one_decides():
    target = Raising()
    target.capabilities = Capabilities(cells=("RNN_TANH",))
    report = judged(target, properties=())
    failed = [r.id for r in report.results if r.status == "failed"]
    assert len(failed) == 2 and failed[0] == LOOKS[0]
    assert {r.status for r in report.results} == {"failed", "not_run", "not_claimed"}


@pytest.mark.parametrize("ids", [LOOKS, LOOKS[:1], ASKED[2:4]])
def test_of_few_properties_none_is_left_out(ids):
    assert [result.status for result in judged(Raising(), properties=ids).results] == ["failed"] * len(ids)


FORMS = {
    "batch_first": lambda case: case.config.batch_first,
    "not batch_first": lambda case: not case.config.batch_first,
    "unbatched": lambda case: case.unbatched,
    "batched": lambda case: not case.unbatched,
    "a state": lambda case: case.h_0 is not None,
    "no state": lambda case: case.h_0 is None,
    "lengths": lambda case: case.lengths is not None,
    "two directions": lambda case: case.config.bidirectional,
    "one direction": lambda case: not case.config.bidirectional,
    "layers": lambda case: case.config.num_layers > 1,
    "one layer": lambda case: case.config.num_layers == 1,
    "float32": lambda case: case.config.dtype == "float32",
    "not float64": lambda case: case.config.dtype != "float64",
    "a bias": lambda case: case.config.bias,
    "small": lambda case: case.num_steps < 3 or case.config.hidden_size < 3,
    "large": lambda case: case.num_steps > 2 or case.config.hidden_size > 2,
}


@pytest.mark.parametrize("when", FORMS)
def test_what_raises_in_some_forms_is_judged_in_all(when):
    report = judged(Raising(lambda do, case: FORMS[when](case)))
    assert report.verdict == "fails"
    assert "not_run" not in {result.status for result in report.results}


@pytest.mark.parametrize("do", ["forward", "gradients"])
def test_what_answers_in_one_direction_is_judged_in_all(do):
    report = judged(Raising(lambda other, case: other == do))
    assert report.verdict == "fails"
    assert "not_run" not in {result.status for result in report.results}


def test_what_is_expected_to_fail_does_not_stand_for_the_rest(tmp_path):
    known = "".join(f'[[expected]]\nproperty = "{id}"\nreason = "known"\n' for id in LOOKS)
    (tmp_path / "expected.toml").write_text(known)
    report = judged(Raising(), expected_failures="expected.toml")
    assert report.verdict == "fails" and "not_run" not in {result.status for result in report.results}


# ---------------------------------------------------------------- in processes

NEVER = {
    "hangs": "import time\ntime.sleep(3600)",
    "dies": "import os\nos.kill(os.getpid(), 11)",
    "raises": "raise ValueError('no')",
}
TARGET = """
from pathlib import Path

def note(word):
    with Path("log").open("a") as file:
        file.write(word + "\\n")

note("loaded")

def forward(case):
    note("called")
    {body}
"""


def checked(*words):
    """The status of the command, and the statuses and messages of its report."""
    asked = [word for id in (*ASKED, "batch", "equivalence") for word in ("--property", id)]
    words = ["check", "never.py", "--no-diagnosis", "--json", "report.json", *asked, *words]
    status = cli.main(words, standalone_mode=False)
    results = json.loads(Path("report.json").read_text())["results"]
    return status, [(result["id"], result["status"], result["message"]) for result in results]


@pytest.mark.parametrize("how", NEVER)
def test_the_same_is_said_by_any_number_of_workers(how, tmp_path):
    (tmp_path / "never.py").write_text(TARGET.format(body=NEVER[how].replace("\n", "\n    ")))
    limits = ("--call-limit", "0.5s")
    found = []
    for workers in "123":
        Path("log").unlink(missing_ok=True)
        found.append(checked("-n", workers, *limits))
        if workers == "1" and how != "raises":
            assert Path("log").read_text().count("called") <= 12  # each costs a process, or as long as a call may take
    assert found[0] == found[1] == found[2]
    status, results = found[0]
    assert status == 1 and [of for _, of, _ in results].count("failed") == 2
    assert [said.partition(" in ")[0] for _, of, said in results if of == "not_run"].count("no call returned") >= 5


@pytest.mark.parametrize("workers", "12")
def test_how_often_its_process_ended_is_said_once(tmp_path, workers):
    (tmp_path / "never.py").write_text(TARGET.format(body=NEVER["dies"].replace("\n", "\n    ")))
    checked("-n", workers)
    report = json.loads(Path("report.json").read_text())
    deaths = [result["deaths"].get("died of SIGSEGV", 0) for result in report["results"]]
    assert report["notes"] == [f"ended {sum(deaths)} times: it died of SIGSEGV"]
    assert [number > 0 for number in deaths].count(True) == 2


def test_what_loads_once_and_never_again_is_said_once(tmp_path):
    body = "import os; os._exit(1)"
    gone = "if Path('log').read_text().count('loaded') > 2: raise OSError\n"
    (tmp_path / "never.py").write_text(TARGET.format(body=body) + gone)
    status, results = checked("-n", "1")
    assert status == 1 and [of for _, of, _ in results].count("failed") == 2
    assert Path("log").read_text().count("loaded") < 16


TYPO = "from pathlib import Path\nwith Path('log').open('a') as file:\n    file.write('loaded')\nimport torhc\n"


@pytest.mark.parametrize("words", [("-n", "1"), ("-n", "2"), ("-n", "1", "--in-process")])
def test_what_does_not_load_is_loaded_once(words, tmp_path, capsys):
    (tmp_path / "never.py").write_text(TYPO)
    with pytest.raises(Exception, match="torhc"):
        checked(*words)
    assert Path("log").read_text() == "loaded"
