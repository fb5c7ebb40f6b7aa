"""The command faults: what it says about the catalogue, and its exit statuses."""

import importlib
import sys

import pytest

from conformance.cli import main
from conformance.faults import FAULTS
from conformance.kills import Kill, kills


@pytest.fixture
def run(monkeypatch, capsys):
    """Runs the command in this process: its status, output and errors."""

    def command(*words):
        monkeypatch.setattr(sys, "argv", ["rnn-conformance", "faults", *words])
        monkeypatch.setattr("conformance.cli.signals_end_with", lambda status: None)  # this process goes on
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code or 0, *capsys.readouterr()

    return command


def test_a_fault_is_described(run):
    status, out, _ = run("--list", "packed-data-as-one-sequence")
    assert status == 0
    lines = [line.split(maxsplit=1) for line in out.splitlines()]
    assert lines[0] == ["packed-data-as-one-sequence:", FAULTS["packed-data-as-one-sequence"].title]
    assert lines[1][0] == "class" and lines[1][1].startswith("second-path: One of several paths")
    assert ["smallest", "T=2, N=2, lengths=[2, 2]"] in lines
    assert ["forward", "+    if case.lengths is not None:"] in lines
    assert ["found", "by  lengths.full_lengths, equivalence.steps"] in lines
    assert ["seen", "https://github.com/pytorch/pytorch/issues/95118"] in lines


def test_brackets_in_a_patch_are_shown(run):
    assert "+state = initial[0]" in run("--list", "initial-state-of-first-entry")[1]


def test_a_class_stands_for_its_faults(run):
    status, out, _ = run("--list", "carried-state", "reverse-padding")
    named = [line.partition(":")[0] for line in out.splitlines() if not line.startswith(" ")]
    wanted = [id for id, fault in FAULTS.items() if fault.fault_class in ("carried-state", "reverse-padding")]
    assert status == 0 and named == wanted and len(named) > 2


def test_an_unknown_name_is_one_line(run):
    status, out, err = run("gate-ordre")
    assert status == 2 and not out
    assert err.count("\n") == 1
    assert err.startswith(
        "rnn-conformance: there is no fault and no class 'gate-ordre'; classes are reverse-output-order"
    )


def test_faults_are_found(run):
    status, out, _ = run("gates-zrn-before", "reverse-runs-forward")
    assert status == 0
    assert "2 of 2 faults are found (quick, seed 0)" in out and "to the first failure" in out
    assert out.count("equivalence.first_look") == 2


def test_what_survives_is_said(run, monkeypatch):
    found = [Kill("gates-zrn-after", "equivalence.steps", 10, 0.5), Kill("gates-zrn-before", None, 9000, 60.0)]
    monkeypatch.setattr(importlib.import_module("conformance.cli.faults"), "kills", lambda *_, **__: iter(found))
    status, out, _ = run("gates-zrn-after", "gates-zrn-before", "--seed", "7")
    assert status == 1
    assert "SURVIVES" in out and "1 of 2 faults are found (quick, seed 7)" in out


def test_what_is_found_at_each_seed_is_found_by_cases_that_come_first():
    faults = [FAULTS["gates-zrn-before"], FAULTS["mask-by-multiplication"]]
    found = list(kills(faults, seed=None))
    assert [(one.fault, one.property) for one in found] == [(fault.id, "equivalence.first_look") for fault in faults]
    assert found[0].cases < found[1].cases < 100
