"""The text of a small target that is right; a test that wants a wrong one replaces a few words of it."""

import os
import random
import signal
import subprocess
import sys
from dataclasses import replace

import pytest

from conformance import check
from conformance.chapters import catalogue
from conformance.claims.allowed import taken
from conformance.diagnosis.asking import Bench
from conformance.diagnosis.earlier import is_wrong
from conformance.diagnosis.measured import Failures
from conformance.diagnosis.probes import Probe, answers, losses
from conformance.diagnosis.when import call_of, has_wrong_gradients, has_wrong_results
from conformance.diagnosis.work import CALLS, EXPERIMENTS, Deadline, Work
from conformance.harness.load import open_target
from conformance.harness.surroundings import Heard
from conformance.judging.subject import Subject
from reference_rnn.cell import loaded
from strategies.cases import build, decode

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Every test has a working directory of its own: what a trial keeps there is not judged first in another one."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture(autouse=True)
def signals():
    """A test leaves the signals of its process as they were: one that comes later would end it, and all that waits."""
    before = handlers()
    yield
    assert handlers() == before


def handlers():
    """What handles each signal, behind what a target in this process puts before it until it is stopped."""
    found = [signal.getsignal(number) for number in SIGNALS]
    return [handler.before if isinstance(handler, Heard) else handler for handler in found]


@pytest.fixture(scope="session")
def right():
    """The text of RIGHT, for any test here."""
    return RIGHT


JUDGES = {"": is_wrong, "results are ": has_wrong_results, "gradients are ": has_wrong_gradients}
OTHER_CALLS = 400  # on which a rule is tried, which are none of those that it was learnt from


@pytest.fixture
def triggers_of():
    """Learns when a target is wrong, of properties that fail, without looking for its mistake: the sentences.

    Each rule must be true of other random calls: of all that are wrong, and of no other if it says so.
    """

    def learnt(target, *properties):
        report = check(target, properties=properties, workers=1, in_process=True, diagnosis=False)
        failed = [result for result in report.results if result.status == "failed"]
        assert failed
        subject = Subject(open_target(target, in_process=True), anew=True)
        answered, deadline = answers(subject, Work(CALLS)), Deadline()
        failures = Failures(subject, catalogue(), failed, answered, EXPERIMENTS, deadline)
        rules = failures.rules(subject.capabilities.cells)
        for cell, (what, rule) in rules.items():
            bench = Bench(subject, cell, subject.capabilities.dtypes[0], Work(10 * OTHER_CALLS))
            for call in other_calls(subject, cell):
                wrong, foretold = JUDGES[what](bench, call), not rule.lacking(call)
                assert wrong in (foretold, None) or (rule.only and not wrong), (str(rule), call.do, call.case)
        return [f"{what}wrong {rule}" for what, rule in rules.values()]

    return learnt


def other_calls(subject, cell):
    """Random calls of a cell, some in each form that is claimed, every third for gradients if there are any."""
    claims, generator = subject.capabilities, random.Random(99)
    allowed = taken(claims)
    for number in range(OTHER_CALLS):
        case = build(replace(decode(generator.randbytes(48)), cell=allowed.cells.index(cell)), allowed)
        if subject.takes(case):
            backward = bool(claims.gradients) and number % 3 == 2
            yield call_of(subject, Probe(case, losses(case, claims) if backward else None))


RIGHT = """
import numpy as np

def forward(case):
    p, h, output = case.parameters, case.h_0[0], []
    for x in case.x:
        h = np.tanh(x @ p["weight_ih_l0"].T + p["bias_ih_l0"] + h @ p["weight_hh_l0"].T + p["bias_hh_l0"])
        output.append(h)
    return np.stack(output), h[None].copy()
"""


@pytest.fixture
def own_cell(tmp_path):
    """Makes a cell of one's own of its lines, in a file of its own; its gates are the letters behind ``p.``."""

    def made(name, *lines):
        gates = "".join(dict.fromkeys(part[0] for line in lines for part in line.split("p.")[1:]))
        body = "".join(f"    {line}\n" for line in lines)
        imports = "from reference_rnn import cell, mix, sigmoid, tanh\n\n\n"
        (tmp_path / f"{name}.py").write_text(f"{imports}@cell({gates!r})\ndef {name}(x, h, p):\n{body}")
        return loaded(str(tmp_path / f"{name}.py"), name)

    return made


@pytest.fixture
def run_script(tmp_path):
    """Runs a script away from us, in an environment that knows nothing of this checkout."""

    def run(text):
        (tmp_path / "script.py").write_text(text)
        words, clean = [sys.executable, "-I", "script.py"], {n: v for n, v in os.environ.items() if n != "PYTHONPATH"}
        return subprocess.run(words, cwd=tmp_path, env=clean, capture_output=True, text=True, timeout=100)

    return run
