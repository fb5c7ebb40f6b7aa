"""What is printed and saved is what the target was given: copied out, it fails."""

import json
import re
from dataclasses import replace
from itertools import islice
from math import inf, nan
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from conformance import check
from conformance.adapters import reference
from conformance.chapters import catalogue
from conformance.harness.call import Call
from conformance.harness.load import open_target
from conformance.judging.counterexample import Counterexample, call_lines
from conformance.judging.metamorphic import mirror, part
from conformance.judging.minimise import fewest
from conformance.judging.oracle import Failure, NotApplicable, NotRun, agree, origin_of
from conformance.judging.recurrences import StateProperty
from conformance.judging.serialisation import (
    CounterexampleError,
    counterexample_from_data,
    counterexample_to_data,
    document,
)
from conformance.judging.subject import Subject
from conformance.report import html
from reference_rnn import case, cotangents
from reference_rnn.case_text import cotangents_expression
from strategies import relaid
from strategies.covering import covering

SCHEMA = json.loads((Path(html.__file__).parent / "schemas" / "counterexample.json").read_text())
VALID = jsonschema.validators.validator_for(SCHEMA)(SCHEMA)
TWO_STEPS = case("RNN_TANH", D=2, T=2, x=1, weight_ih_l0=1, weight_ih_l0_reverse=1, weight_hh_l0_reverse=1)

TARGET = """
import numpy as np
from conformance import Capabilities
capabilities = Capabilities({claims})

def forward(case):
    p, h, output = case.parameters, case.h_0[0], []
    lengths = np.full(case.x.shape[1], len(case.x)) if case.lengths is None else case.lengths
    for t, x in enumerate(case.x):
        alive = t < lengths
        new = x @ p["weight_ih_l0"].T + p["bias_ih_l0"] + h @ p["weight_hh_l0"].T + p["bias_hh_l0"]
        h = np.where(alive[:, None], CELL(new), h)
        output.append(np.where(alive[..., None], h, 0))
    return np.array(output).reshape(*case.x.shape[:2], -1), h[None].copy()
"""


def failed(tmp_path, text, id, name="mine.py", **options):
    """The failure of a property of a target with this text, and its counterexample."""
    (tmp_path / name).write_text(text)
    (result,) = check(tmp_path / name, properties=[id], diagnosis=False, **options).results
    assert result.status == "failed", result
    return result, counterexample_from_data(result.found)


def read(line):
    """The case that a printed line stands for."""
    return eval(line.partition(": ")[2], {"case": case, "nan": nan, "inf": inf})


def test_nan_is_shown_in_the_case_that_was_given(tmp_path):
    text = TARGET.format(claims="nonfinite=True").replace("CELL(new)", "np.nan_to_num(np.tanh(new))")
    result, _ = failed(tmp_path, text, "nonfinite.propagation")
    assert re.fullmatch(r"output\[0, 0, 0\] is 0, must be nan: NaN is in (x|h_0|bias_ih_l0\[0\])", result.message)
    shown = read(result.counterexample)
    where = result.message.rpartition(" ")[2].partition("[")[0]
    assert np.isnan(dict(shown.arrays())[where]).any() and all(size == 1 for size in shown.x.shape)


def test_lengths_are_those_that_were_given(tmp_path):
    text = TARGET.format(claims="lengths=True, empty=True").replace("CELL(new)", "np.tanh(new)")
    text = text.replace(
        "np.where(alive[..., None], h, 0)", "np.where(alive[..., None] | (lengths == 0)[:, None], h, 0)"
    )
    result, _ = failed(tmp_path, text, "lengths.length_zero")
    assert result.message == "row 0 has length 0, but its output is not zero"
    assert re.search(r"lengths=\[0\].*h_0=", result.counterexample), result.counterexample


def test_two_calls_are_named_and_both_are_shown(tmp_path):
    text = TARGET.format(claims="").replace("CELL(new)", "np.tanh(np.maximum(-1, new))")
    result, one = failed(tmp_path, text, "symmetries.odd")
    number = r"-?\d[\d.e-]*"
    said = rf"(minus )?output\[0, 0, 0\] is {number} on A and (minus )?output\[0, 0, 0\] is {number} on B; rounding"
    assert re.match(said, result.message), result.message
    a, b = result.counterexample.splitlines()
    assert a.startswith("A: case('RNN_TANH', T=1, N=1, I=1, H=1") and b.startswith("B: case('RNN_TANH'")
    assert one.demand == "numbers" and one.compared == (0, 1)


def test_gates_held_open_are_in_the_printed_case():
    class Forgets:
        capabilities = replace(reference.capabilities, cells=("LSTM",), max_layers=1, bidirectional=False)

        def forward(self, case):
            output, (h_n, c_n) = reference.forward(case)
            return output, (h_n, c_n * np.float32(0.5))

    (result,) = check(Forgets, properties=["gates.forget_gate_holds"], diagnosis=False).results
    assert result.status == "failed" and "bias_ih_l0={0: -40, 1: 40}" in result.counterexample


def test_the_heading_is_true_of_the_case_beneath_it():
    class Wrong:
        capabilities = reference.capabilities

        def forward(self, case):
            output, *rest = reference.forward(case)
            return output * 0 + np.float32(0.25), *rest

    ids = ["equivalence.linear_regime", "equivalence.integer_networks", "equivalence.automata"]
    for result in check(Wrong, properties=ids, diagnosis=False).results:
        allowed = catalogue()[result.id].allowed(reference.capabilities)
        shown = read(result.counterexample.splitlines()[0])
        assert result.status == "failed" and allowed.admits(shown), result.counterexample
    assert not catalogue()["equivalence.linear_regime"].allowed(reference.capabilities).admits(case(x=1, h_0=1))


@pytest.mark.parametrize("id", [id for id, prop in catalogue().items() if not isinstance(prop, StateProperty)])
@pytest.mark.sample
def test_every_call_of_every_property_is_rebuilt_from_its_expression_and_its_data(id):
    prop, subject = catalogue()[id], Subject(open_target(reference))
    allowed = prop.allowed(subject.capabilities)
    calls = []
    for one in islice(covering(allowed, 3), 4):
        try:
            subject.restart()
            prop.judge(subject, one)
        except (Failure, NotApplicable, NotRun):
            pass
        calls += [call for call, _ in subject.record.made]
    assert calls
    for call in calls:
        assert {array.dtype for _, array in call.arrays()} == {call.case.config.numpy_dtype}
        names = {"case": case, "nan": nan, "inf": inf}
        rebuilt = eval(repr(call.case), names)
        given = eval(cotangents_expression(call.cotangents), names | {"cotangents": cotangents, "case": rebuilt})
        again = Call(call.do, rebuilt, given if call.cotangents else {}, in_place=call.in_place)
        assert again.same(call.plain()), repr(call.case)
        plain = counterexample_to_data(Counterexample(id, "", "", call.case, (call,), 0, (0,), ({},)))
        text = document(plain)
        VALID.validate(json.loads(text))
        assert counterexample_from_data(json.loads(text)).calls[0].same(call)


def test_each_number_is_named_by_the_index_that_its_call_gave_it():
    subject = Subject(open_target(reference))
    run = mirror(subject(TWO_STEPS))
    assert origin_of(run, "output", (0, 0, 1)) == ("output", (1, 0, 0), 1.0)
    assert origin_of(run, "h_n", (1, 0, 0)) == ("h_n", (0, 0, 0), 1.0)
    turned = part(run, run.case, lambda name, array: -4 * array)
    assert origin_of(turned, "output", (0, 0, 1)) == ("output", (1, 0, 0), -4.0)
    wrong = replace(run, result=run.result.map(lambda name, array: array + 1))
    with pytest.raises(Failure) as failure:
        agree(subject(mirror(TWO_STEPS)), wrong)
    assert " on A and " in failure.value.message.replace(" on B and ", " on A and ")
    assert len(subject.record.calls_of(failure.value.about)) == 2


STATEFUL = """
import numpy as np

class Mine:
    def __init__(self):
        self.calls = 0

    def forward(self, case):
        self.calls += 1
        p, h, output = case.parameters, case.h_0[0], []
        for x in case.x:
            h = np.tanh(x @ p["weight_ih_l0"].T + p["bias_ih_l0"] + h @ p["weight_hh_l0"].T + p["bias_hh_l0"])
            output.append(h + (self.calls >= {}))
        return np.array(output).reshape(*case.x.shape[:2], -1), h[None].copy()

forward = Mine
"""


@pytest.mark.sample
@pytest.mark.parametrize("calls", [2, 5, 23])
def test_calls_that_matter_are_part_of_the_counterexample(tmp_path, calls):
    (tmp_path / "mine.py").write_text(STATEFUL.format(calls))
    (result,) = check(f"{tmp_path}/mine.py:Mine", properties=["equivalence.steps"], diagnosis=False).results
    one = counterexample_from_data(result.found)
    assert (len(one.calls), one.compared, one.before) == (calls, (calls - 1,), calls - 1)
    assert result.counterexample == f"first: case('RNN_TANH', T=1, N=1, I=1, H=1, h_0=0), {calls} times"
    assert len(document(result.found)) < 6000


def test_calls_that_do_not_matter_are_left_out(tmp_path):
    (tmp_path / "mine.py").write_text(STATEFUL.format(1).replace("self.calls >=", "np.any(p['weight_ih_l0']) and 1 >="))
    (result,) = check(f"{tmp_path}/mine.py:Mine", properties=["shapes.calls_are_independent"], diagnosis=False).results
    assert result.status != "failed" or len(counterexample_from_data(result.found).calls) <= 3


def test_fewest_leaves_nothing_out_that_is_needed():
    needed = {3, 17, 18}
    tried = []
    kept = fewest(range(40), lambda items: tried.append(items) or needed <= set(items), 200, 10.0)
    assert kept == sorted(needed) and len(tried) < 100
    assert fewest(range(40), lambda items: True, 200, 10.0) == []
    assert fewest(range(4), lambda items: True, 0, 10.0) == [0, 1, 2, 3]


def test_what_lies_otherwise_in_memory_is_said_where_it_matters(tmp_path):
    text = TARGET.format(claims="").replace("CELL(new)", "np.tanh(new)")
    plain = text.replace("p, h, output = case.parameters", "p, h, output = case.parameters", 1)
    odd = plain.replace("new = x @", "x = x if case.x.flags.c_contiguous else 0 * x\n        new = x @")
    result, _ = failed(tmp_path, odd, "shapes.memory_layout")
    assert re.search(
        r"\n  (.*\bx\b.*|.*every array) (is|are|lies|lie) .*(Fortran|strided|backwards|cut out)", result.counterexample
    )
    result, _ = failed(tmp_path, text.replace("np.tanh(new)", "np.tanh(new + 1)"), "equivalence.steps", "plain.py")
    assert "memory" not in result.counterexample and "Fortran" not in result.counterexample


def test_gradients_are_shown_with_their_cotangents():
    class Wrong:
        capabilities = replace(reference.capabilities, cells=("RNN_TANH",))

        def forward(self, case):
            return reference.forward(case)

        def gradients(self, case, d_output, d_h_n, d_c_n):
            found = reference.gradients(case, d_output, d_h_n, d_c_n)
            return found | {"x": found["x"] * 2}

    (result,) = check(Wrong, properties=["gradients.one_step"], diagnosis=False).results
    one = counterexample_from_data(result.found)
    line = result.counterexample.splitlines()[1].strip()
    assert line.startswith("its gradients, with cotangents(case, d_output=")
    shown = read(result.counterexample.splitlines()[0])
    given = eval(line.removeprefix("its gradients, with "), {"cotangents": cotangents, "case": shown})
    assert Call("gradients", shown, given).same(one.calls[0])


@pytest.mark.sample
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d.update(schema=4), "schema 1, 2 or 3"),
        (lambda d: d.update(demand="luck"), "demand is 'luck', must be one of numbers"),
        (lambda d: d["calls"][0].update(times=10**9), "times"),
        (lambda d: d["calls"][0].update(times=0), "times"),
        (lambda d: d["calls"][0].update(do="stop"), "do is"),
        (lambda d: d["calls"][0].update(form="unbatched"), "form is"),
        (
            lambda d: d["calls"][0]["case"].update(cell={"file": "a.py", "name": "A", "sha256": "0" * 64}),
            "no cell 'A' of the hash 00",
        ),
        (lambda d: d["calls"][0]["case"]["x"].update(shape=[9]), "which do not fit its shape"),
        (lambda d: d.update(before=5), "before has 5, must be the number of a call"),
        (lambda d: d.update(before=-1), "before has -1, must be the number of a call"),
        (lambda d: d.update(compared=[7]), "compared has 7, must be the number of a call"),
        (lambda d: d.update(compared=[-1]), "compared has -1, must be the number of a call"),
        (lambda d: d.update(compared={}), "compared is {}, must be a list"),
        (lambda d: d.pop("calls"), "calls"),
        (lambda d: d["calls"][0]["expected"]["output"].update(data=["x"]), "expected has 'x', must be a number"),
    ],
)
def test_a_file_that_is_odd_is_refused(tmp_path, change, said):
    text = TARGET.format(claims="").replace("CELL(new)", "np.sin(new)")
    result, _ = failed(tmp_path, text, "equivalence.steps")
    change(result.found)
    with pytest.raises(CounterexampleError, match=said):
        counterexample_from_data(result.found)


def test_the_file_can_be_read_by_people(tmp_path):
    text = TARGET.format(claims="").replace("CELL(new)", "np.sin(new)")
    result, one = failed(tmp_path, text, "equivalence.steps")
    lines = document(result.found).splitlines()
    assert len(lines) < 60 and sum(line.strip().startswith('"weight_ih_l0": {') for line in lines) == 2
    assert call_lines(one) == result.counterexample.splitlines()
    assert not any(re.fullmatch(r" *[-\d.]+,?", line) for line in lines)


def test_relaid_arrays_come_back(tmp_path):
    c = case(T=2, N=2, I=2, H=2, x=1).map(lambda name, array: relaid(array, "negative"))
    plain = counterexample_to_data(Counterexample("a.b", "", "", c, (Call("forward", c),), 0, (0,), ({},)))
    assert not counterexample_from_data(plain).calls[0].is_plain
