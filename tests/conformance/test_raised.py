"""What raises is explained: what, where, and by which calls; then what is wrong beside it."""

from dataclasses import replace
from itertools import islice

import numpy as np
import pytest

import conformance
from conformance import Capabilities, Mode
from conformance.adapters import reference
from conformance.diagnosis.raised import Observed, asking, fresh_calls, raised
from conformance.diagnosis.triggers import LONGEST, features_of
from conformance.diagnosis.work import Deadline, Work
from conformance.harness.load import open_target
from conformance.judging.subject import Subject
from reference_rnn import exp, handed, recurrence, vecmat

CLAIMS = replace(reference.capabilities, cells=("GRU",), gradients=False, options=(), dropout=False)
WHEN = {
    "there is more than one layer": lambda c: c.config.num_layers > 1,
    "no initial state is given": lambda c: c.h_0 is None,
    "there are two directions and the dtype is float64": lambda c: (
        c.config.bidirectional and c.config.dtype == "float64"
    ),
    "N > 1 and H is not N": lambda c: c.num_rows > 1 and c.num_rows != c.config.hidden_size,
    "there are two directions and N > 2, or there is more than one layer": lambda c: (
        c.config.bidirectional and (c.num_rows > 2 or c.config.num_layers > 1)
    ),
    "T is no multiple of 2": lambda c: c.num_steps % 2 == 1,
    "N > 1, there is more than one layer and the batch comes first": lambda c: (
        c.num_rows > 1 and c.config.num_layers > 1 and c.config.batch_first
    ),
}


class Raising:
    """The reference, but that it raises where a condition holds."""

    capabilities = CLAIMS

    def __init__(self, when, change=lambda output: output):
        self.when, self.change = when, change

    def forward(self, case):
        if self.when(case):
            raise ValueError(f"cannot do {case.num_steps} steps")
        output, h_n = reference.forward(case)
        return self.change(output), h_n


def diagnosed(target, **options):
    return conformance.check(target, profile="quick", **options)


@pytest.mark.parametrize("words", WHEN)
def test_a_rule_foretells_what_raises(words):
    subject = Subject(open_target(Raising(WHEN[words])), anew=True)
    fresh = lambda: fresh_calls(subject, CLAIMS.cells[0], Deadline())  # noqa: E731
    ask = asking(subject, Work(2_000))
    observed = [Observed(call, ask(call)) for call in islice(fresh(), 60)]
    (found,) = raised(observed, ask, fresh)
    calls = list(islice(fresh(), 900))[400:]
    features = features_of(found.calls, [])

    assert len(found.rule.features) <= LONGEST
    assert [not found.rule.lacks(call, features) for call in calls] == [bool(WHEN[words](call.case)) for call in calls]


def test_a_report_says_what_raises_when_and_where():
    report = diagnosed(Raising(WHEN["there is more than one layer"]))

    (finding,) = report.diagnosis
    assert finding.fault == "measured.raised"
    assert finding.title.startswith("GRU: the target raised ValueError: cannot do ")
    assert "test_raised.py:" in finding.title and "raise ValueError(" in finding.title
    assert (
        ", where there is more than one layer, and nowhere else (smallest: T = 1, N = 1, I = 1, H = 1" in finding.title
    )
    assert len(report.known) == 1 and report.known[0].endswith("other probes of GRU are right")


def test_two_mistakes_that_raise_are_told_apart():
    class Twice(Raising):
        def forward(self, case):
            if case.h_0 is None:
                raise KeyError("h_0")
            return super().forward(case)

    titles = [finding.title for finding in diagnosed(Twice(WHEN["there is more than one layer"])).diagnosis]

    assert len(titles) == 2
    assert any(
        "raised KeyError" in title and "where no initial state is given, and nowhere else" in title for title in titles
    )
    assert any("raised ValueError" in t and "where there is more than one layer, and nowhere else" in t for t in titles)


def test_what_is_wrong_beside_it_is_named():
    plain = diagnosed(Raising(lambda case: False, np.tanh)).diagnosis
    both = diagnosed(Raising(WHEN["no initial state is given"], np.tanh)).diagnosis

    named = [one.title for one in both if one.fault != "measured.raised"]
    assert plain and named == [one.title for one in plain] and len(both) == len(plain) + 1


def test_what_always_raises_does_so_in_every_call():
    report = diagnosed(Raising(lambda case: True))

    assert [finding.title.partition("), ")[2] for finding in report.diagnosis] == [
        "in every call (smallest: T = 1, N = 1, I = 1, H = 1)"
    ]


def test_what_raises_by_chance_has_no_rule():
    class Wavering(Raising):
        calls = 0

        def forward(self, case):
            Wavering.calls += 1
            if Wavering.calls % 3 == 0:
                raise ValueError("no")
            return super().forward(case)

    found = diagnosed(Wavering(lambda case: False)).diagnosis

    assert not any("nowhere else" in finding.title for finding in found)


@recurrence(inputs={"q": "K", "k": "K", "v": "V", "g": "K"}, states={"S": "KV"}, outputs={"o": "V"})
def decayed(q, k, v, g, S):
    S = exp(-g * g)[..., None] * S + k[..., None] * v[..., None, :]
    return vecmat(q, S), S


class Recurrent:
    """A recurrence that raises, or is wrong, in one of two modes where a condition holds."""

    capabilities = Capabilities(
        cells=(decayed,), dtypes=("float64",), default_state=True, modes={"step": Mode(), "scan": Mode(order="scan")}
    )

    def __init__(self, when, raises):
        self.when, self.raises = when, raises

    def forward(self, case):
        wrong = case.mode == "scan" and self.when(case)
        if wrong and self.raises:
            raise ValueError("no")
        result = handed(case)
        return {name: (1 + wrong) * o for name, o in result.outputs.items()}, result.states


IN_MODES = {
    "where no state is given": lambda c: c.stateless,
    "where N > 1 and K is not V": lambda c: c.num_rows > 1 and c.config.sizes["K"] != c.config.sizes["V"],
    "where a state is given and T > 4": lambda c: not c.stateless and c.num_steps > 4,
    "where N > 2": lambda c: c.num_rows > 2,
}


@pytest.mark.parametrize("words", IN_MODES)
@pytest.mark.parametrize("raises", [True, False])
def test_a_recurrence_is_wrong_or_raises_in_a_mode_by_a_rule(words, raises):
    (finding,) = diagnosed(Recurrent(IN_MODES[words], raises)).diagnosis

    said = "in mode scan: the target raised ValueError: no" if raises else "in mode scan: o is wrong, "
    assert finding.title.startswith(said) and f"{words}, and nowhere else" in finding.title
