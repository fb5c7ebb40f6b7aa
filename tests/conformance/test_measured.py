"""What experiments show is said in a sentence: every kind on a planted mistake, and nothing about what is right."""

import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from conformance import Capabilities, check, from_cell
from conformance.adapters import reference
from conformance.adapters.reference import as_case
from conformance.chapters import catalogue
from conformance.diagnosis.asking import Bench
from conformance.diagnosis.curves import curves
from conformance.diagnosis.diagnosis import diagnose
from conformance.diagnosis.digits import few_digits
from conformance.diagnosis.faulty import FaultyTarget
from conformance.diagnosis.history import history
from conformance.diagnosis.influence import ONE_STEP, influence
from conformance.diagnosis.measured import BACKWARD, results_of, shown
from conformance.diagnosis.measured import EXPERIMENTS as FORWARD
from conformance.diagnosis.probes import answers
from conformance.diagnosis.scale import scale
from conformance.diagnosis.settings import settings
from conformance.diagnosis.work import DEAR_EXPERIMENTS, EXPERIMENTS, Work
from conformance.faults import FAULTS
from conformance.faults.backward import backward
from conformance.harness.load import open_target
from conformance.judging.subject import Subject
from conformance.report.terminal import as_text
from reference_rnn import CELLS, DTYPES, Result, cell_of, forward, gradients
from reference_rnn.cell import loaded

HOME = Path(__file__).parent.parent.parent
RIGHT = sorted((HOME / "tests" / "targets" / "right").glob("*.py"))
SPECS = sorted((HOME / "examples" / "cells").glob("*.py"))
CLAIMS = {"dtypes": ("float32", "float64"), "bidirectional": True, "max_layers": None, "lengths": True}


def planted(asked=lambda case: case, told=lambda case, result: result, **claims):
    """The reference, asked something else, or its results told otherwise."""

    def target(case):
        case = as_case(case)
        result = told(case, forward(asked(case)))
        output, h_n, *c_n = (np.asarray(array, case.config.numpy_dtype) for _, array in result.items())
        return output, ((h_n, *c_n) if c_n else h_n)

    target.capabilities = Capabilities(**CLAIMS | claims)
    return target


def said(target, cell="RNN_TANH", dtype="float32", calls=EXPERIMENTS, series=FORWARD):
    """The kind of what experiments on a target show, and the sentences."""
    opened = open_target(target, in_process=True)
    try:
        found = shown(Bench(Subject(opened), cell_of(cell), dtype, Work(calls)), series)
    finally:
        opened.stop()
    return {kind for kind, _ in found}, [sentence for _, sentence in found]


def arrays(change):
    """A case with other arrays."""
    return lambda case: case.map(change)


def without(name):
    """A case with zeros in an array of this name."""
    return arrays(lambda own, array: 0 * array if own.startswith(name) else array)


def forward_states(case):
    """A case whose reverse directions start as the forward ones do."""
    h_0 = case.h_0.copy()
    h_0[1::2] = h_0[::2][: len(h_0[1::2])]
    return case.replace(h_0=h_0) if case.config.bidirectional else case


def transposed(name):
    """A case in which square weights are transposed, gate by gate."""

    def change(own, array):
        if own != name or len(array) % array.shape[1]:
            return array
        return np.concatenate([block.T for block in np.split(array, len(array) // array.shape[1])])

    return arrays(change)


def leaking(case, result):
    """The output of the third row has some of the first."""
    output = result.output.copy()
    output[:, 2:3] += output[:, :1] / 2
    return Result(output, result.h_n, result.c_n)


def interleaved(case, result):
    """The halves of the output lie unit beside unit."""
    halves = np.split(result.output, case.config.num_directions, -1)
    return Result(np.stack(halves, -1).reshape(result.output.shape), result.h_n, result.c_n)


def first_state(case, result):
    """h_n is the state after the first step."""
    h_n = result.output[:1] if len(result.h_n) == 1 and case.num_steps else result.h_n
    return Result(result.output, h_n, result.c_n)


def narrow(case, result):
    """Units from 16 on are constant."""
    output = np.where(np.arange(result.output.shape[-1]) >= 16, 0.5, result.output)
    return Result(output, result.h_n, result.c_n)


def not_turned_back(case, result):
    """Of several layers, the reverse half of the output is in the order in which it was gone through."""
    if not case.config.bidirectional or case.config.num_layers == 1:
        return result
    ahead, back = np.split(result.output, 2, -1)
    return Result(np.concatenate([ahead, back[::-1]], -1), result.h_n, result.c_n)


ONE_UNIT = "with one step of one unit (T = 1, N = 1, I = 1, H = 1, L = 1)"
WIRING = {
    "a bias is not read": (
        planted(without("bias_ih_l1")),
        "bias_ih of layer 1 is not read, with two layers (T = 1, N = 1, I = 2, H = 3, L = 2)",
    ),
    "a row leaks": (
        planted(told=leaking),
        "output of row 2 reads numbers of row 0, with three rows (T = 1, N = 3, I = 2, H = 3, L = 1)",
    ),
    "the reverse half starts as the forward one": (
        planted(forward_states),
        "h_0 of the reverse direction is not read; results of the reverse direction read h_0 of the forward direction, "
        "with two directions (T = 1, N = 1, I = 2, H = 3, L = 1)",
    ),
    "h_n is that of the first step": (
        planted(told=first_state),
        "h_n reads what output at step 0 should, with two steps (T = 2, N = 1, I = 2, H = 3, L = 1)",
    ),
    "the reverse half is not turned back": (
        planted(told=not_turned_back),
        "output of the reverse direction at step 2 reads what that of the reverse direction at step 0 should, "
        "with three steps of two rows, two layers and two directions (T = 3, N = 2, I = 2, H = 2, L = 2)",
    ),
    "h_n is h_0": (
        planted(told=lambda case, result: Result(result.output, case.h_0, result.c_n)),
        f"h_n sees nothing but h_0, {ONE_UNIT}",
    ),
    "final states from the top": (
        planted(told=lambda case, result: Result(result.output, result.h_n[::-1], result.c_n)),
        "h_n of layer 0 reads what that of layer 1 should; h_n of layer 1 reads what that of layer 0 should, "
        "with two layers (T = 1, N = 1, I = 2, H = 3, L = 2)",
    ),
    "the halves are interleaved": (
        planted(told=interleaved),
        "output of the forward direction of unit 1 reads what that of the reverse direction of unit 0 should; "
        "output of the forward direction of unit 2 reads what that of the forward direction of unit 1 should; "
        "and so on, 4 in all, with two directions (T = 1, N = 1, I = 2, H = 3, L = 1)",
    ),
    "columns are reversed": (
        planted(arrays(lambda name, array: array[:, ::-1] if name == "weight_ih_l0" else array)),
        "weight_ih in column 2 is not read; results read weight_ih in column 0 of the same unit, with one step where "
        "all but the last feature of x and the last unit of h_0 are 0 (T = 1, N = 1, I = 3, H = 3, L = 1)",
    ),
    "W_hh is transposed": (
        planted(transposed("weight_hh_l0")),
        "weight_hh_l0 is read transposed, with one step (T = 1, N = 1, I = 2, H = 3, L = 1)",
    ),
    "W_ih is transposed where it can be": (
        planted(transposed("weight_ih_l0")),
        "weight_ih_l0 is read transposed, with one step where I = H (T = 1, N = 1, I = 3, H = 3, L = 1)",
    ),
    "many units": (
        planted(told=narrow),
        "output from unit 16 on sees nothing, with 19 units (T = 1, N = 1, I = 19, H = 19, L = 1)",
    ),
    "lengths are ignored": (
        planted(lambda case: case.replace(lengths=None)),
        "results in the padding read numbers that are of no other row; h_n of row 1 reads x in the padding, "
        "with a row that ends before the other (T = 3, N = 2, I = 2, H = 3, L = 1)",
    ),
}  # fmt: skip


@pytest.mark.sample
@pytest.mark.parametrize("mistake", WIRING)
def test_what_reads_what(mistake):
    target, sentence = WIRING[mistake]
    assert said(target) == ({"influence"}, [sentence])


def exchanged_weights(name, array):
    """The first two gates of the weights have changed places, and those of the biases have not."""
    first, second, *rest = np.split(array, 3) if name.startswith("weight") else [array, array[:0]]
    return np.concatenate([second, first, *rest])


def reshaped(name, array):
    """The weights of the projection are brought into another shape where they must be transposed."""
    return array.reshape(array.shape[::-1]).T if name.startswith("weight_hr") else array


def unsorted(case):
    """The rows of c_0 stand in the order of the lengths."""
    if case.lengths is None or case.c_0 is None:
        return case
    return case.replace(c_0=case.c_0[:, np.argsort(-case.row_lengths, kind="stable")])


def by_the_permutation(case, result):
    """The rows of the final states are put back with the permutation that sorted them, not with its inverse."""
    order = np.argsort(-case.row_lengths, kind="stable")
    return Result(result.output, result.h_n[:, order][:, order], result.c_n)


def lowest_projection(case):
    """A case whose layers are all projected by the weights of the lowest one."""
    lowest = case.parameters.get("weight_hr_l0")
    return case.map(lambda name, array: lowest if name.startswith("weight_hr") else array)


ENDS = "with rows that end in another order (T = 3, N = 3, I = 2, H = 2, L = 1)"
LATER = {
    "the weights of two gates": (
        "GRU",
        planted(arrays(exchanged_weights), cells=("GRU",)),
        "weight_ih of gate z is not read; results read weight_ih of gate r of the same unit, with one step where h_0 "
        "and the biases are 0 (T = 1, N = 1, I = 2, H = 3, L = 1)",
    ),
    "the shape of a projection": (
        "LSTM",
        planted(arrays(reshaped), cells=("LSTM",), projections=True),
        "weight_hr in column 1 of the same unit is not read; output[0, 0, 1] reads weight_hr_l0[0, 1], one of 4 such "
        "pairs, with one step with a projection (T = 1, N = 1, I = 2, H = 3, L = 1)",
    ),
    "the projection of another layer": (
        "LSTM",
        planted(lowest_projection, cells=("LSTM",), projections=True, max_layers=None),
        "weight_hr of layer 1 is not read, with two layers with a projection (T = 1, N = 1, I = 2, H = 3, L = 2)",
    ),
    "c_0 is not sorted": (
        "LSTM",
        planted(unsorted, cells=("LSTM",)),
        "c_0 of row 0 is read where that of row 1 should be; c_0 of row 1 is read where that of row 2 should be; and "
        f"so on, 3 in all, {ENDS}",
    ),
    "final states are put back by the permutation": (
        "RNN_TANH",
        planted(told=by_the_permutation),
        "h_n of row 0 reads what that of row 1 should; h_n of row 1 reads what that of row 2 should; and so on, 3 in "
        f"all, {ENDS}",
    ),
}


@pytest.mark.parametrize("mistake", LATER)
@pytest.mark.sample
def test_what_shows_on_a_later_rung_only(mistake):
    cell, target, sentence = LATER[mistake]
    assert said(target, cell) == ({"influence"}, [sentence])


def test_what_a_rung_shows_whole_is_asked_for_once():
    """And what differs once more, of a new instance."""
    asked = Counter()

    def noted(case):
        asked[repr(case)] += 1
        return without("bias_ih")(case)

    bench = Bench(Subject(open_target(planted(noted))), cell_of("RNN_TANH"), "float32", Work(1000))
    bench.restart()
    assert "bias_ih is not read" in influence(bench, ONE_STEP)[0]
    changed = [count for case, count in asked.items() if "bias_ih_l0=" in case]
    assert sorted(asked.values())[-2] <= 2 and changed


def test_the_states_of_an_lstm():
    mixed = planted(told=lambda case, result: Result(result.output, result.h_n, result.h_n), cells=("LSTM",))
    assert said(mixed, "LSTM") == ({"influence"}, [f"c_n reads what h_n should, {ONE_UNIT}"])
    deaf = planted(without("c_0"), cells=("LSTM",))
    assert said(deaf, "LSTM") == ({"influence"}, [f"nothing of gate f is read; c_0 is not read, {ONE_UNIT}"])


def test_one_gate_alone_is_transposed():
    found = said(FaultyTarget(FAULTS["update-transposed-after"], cells=("GRU",)), "GRU")[1]
    assert found == ["weight_hh_l0 of gate z is read transposed, with one step (T = 1, N = 1, I = 2, H = 3, L = 1)"]


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def as_bfloat16(array):
    bits = np.asarray(array, np.float32).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) & np.uint32(0xFFFF0000)).astype(np.uint32).view(np.float32)


def as_tf32(array):
    return (np.asarray(array, np.float32).view(np.uint32) & np.uint32(0xFFFFE000)).view(np.float32)


def as_tf32_away_from_zero(array):
    """The same, rounded to the nearest, a number in the middle to the larger one."""
    return ((np.asarray(array, np.float32).view(np.uint32) + 0x1000) & 0xFFFFE000).view(np.float32)


def same(array):
    return array


def rnn(tanh=np.tanh, operand=same, sums=same, result=same, **claims):
    """A plain RNN with other pieces."""

    def step(x, h, p):
        z = sums(operand(x) @ operand(p["weight_ih"]).T + p["bias_ih"] + operand(h) @ operand(p["weight_hh"]).T)
        return result(tanh(z + p["bias_hh"]).astype(x.dtype))

    return from_cell(step, "RNN_TANH", **claims)


def lstm(gate=sigmoid, forget=None, tanh=np.tanh, hidden=None, peephole=0.0, **claims):
    """An LSTM with other pieces."""

    def step(x, state, p):
        h, c = state
        i, f, g, o = np.split(x @ p["weight_ih"].T + p["bias_ih"] + h @ p["weight_hh"].T + p["bias_hh"], 4, axis=-1)
        c = (forget or gate)(f) * c + gate(i + peephole * c) * tanh(g)
        return (gate(o) * (hidden or tanh)(c)).astype(x.dtype), c.astype(x.dtype)

    return from_cell(step, "LSTM", **claims)


def pade(z):
    return np.clip(z * (27 + z * z) / (27 + 9 * z * z), -1, 1)


def fraction(z):
    q = z * z
    return z * (135135 + q * (17325 + q * (378 + q))) / (135135 + q * (62370 + q * (3150 + 28 * q)))


def hard_sigmoid(z):
    return np.clip(z / 5 + 0.5, 0, 1)


CURVES = {
    "a quotient": (rnn(pade), "the activation is the quotient z (27 + z²) / (27 + 9 z²), must be tanh(z)"),
    "a clip": (rnn(lambda z: np.tanh(np.clip(z, -3, 3))), "the activation is tanh of what is clipped at 3"),
    "a clip of any bound": (rnn(lambda z: np.tanh(np.clip(z, -2.5, 2.5))), "the activation is tanh of what is clipped"),
    "a fraction of what is cut off": (
        rnn(lambda z: fraction(np.clip(z, -4, 4))),
        "the activation is its continued fraction of degree 7 of what is clipped at 4, must be tanh(z)",
    ),
    "a fraction that is cut off": (
        rnn(lambda z: np.clip(fraction(z), -1, 1)), "the activation is its continued fraction of degree 7, clipped at 1"
    ),
    "NaN that is cut off": (
        rnn(lambda z: np.tanh(np.fmax(z, -20)), nonfinite=True), "the activation is -1 at z = NaN, must be NaN, where"
    ),
    "hard tanh": (rnn(lambda z: np.clip(z, -1, 1)), "the activation is hard tanh, z between -1 and 1"),
    "half of it": (rnn(lambda z: np.tanh(z / 2)), "the activation is tanh(0.5 z), must be tanh(z), where z = W_ih x"),
    "one and a half of it": (rnn(lambda z: 1.5 * np.tanh(z)), "the activation is 1.5 tanh(z), must be tanh(z)"),
    "a table": (rnn(lambda z: np.tanh(np.round(64 * z) / 64)), "h_n comes in steps, 7 of them for z between 0.5"),
    "no small numbers": (
        rnn(lambda z: 2 / (1 + np.exp(-2 * z)) - 1), "h_n is accurate in absolute terms only: it gives 0.000244"
    ),
    "no name": (
        rnn(lambda z: np.tanh(z) * (1 + 0.01 * np.cos(z))), "h_n is another curve, off by up to 0.01: it gives -1.00998"
    ),
}  # fmt: skip
GATES = {
    "hard sigmoids": (lstm(hard_sigmoid), "the activation of i, f and o is a hard sigmoid, z / 5 + 1/2, must be"),
    "one hard sigmoid": (lstm(forget=hard_sigmoid), "the activation of gate f is a hard sigmoid, z / 5 + 1/2"),
    "a forget bias": (lstm(forget=lambda z: sigmoid(z + 0.5)), "the activation of gate f is sigmoid(z + 0.5), must be"),
    "tanh of c": (lstm(hidden=pade), "the activation of the state c is the quotient z (27 + z²) / (27 + 9 z²)"),
    "no tanh of c": (lstm(hidden=same), "the activation of the state c is z itself, must be tanh(z), where z = c_0"),
    "a tanh that ends": (
        lstm(tanh=lambda z: np.where(abs(z) > 3.2, np.sign(z), np.tanh(z)), hidden=np.tanh),
        "the activation of gate g is tanh(z), but -1 or 1 where |z| > 3.2, must be tanh(z)",
    ),
    "a sigmoid that ends": (
        lstm(forget=lambda z: np.where(abs(z) >= 4, 1.0 * (z > 0), sigmoid(z))),
        "the activation of gate f is sigmoid(z), but 0 or 1 where |z| >= 4, must be sigmoid(z)",
    ),
    "a clip that shuts no gate": (
        lstm(lambda z: sigmoid(np.clip(z, -4, 4))), "the activation of gate i is sigmoid of what is clipped at 4"
    ),
    "an exponential that overflows": (
        lstm(lambda z: np.exp(z) / (1 + np.exp(z))),
        "the activation of i, f and o is no number at z = 100, must be 1, where z = W_ih x",
    ),
    "a peephole": (
        lstm(peephole=0.3), "c_n moves with c_0 where no weight and no gate lets it through, seen on gate i"
    ),
}  # fmt: skip


@pytest.mark.sample
@pytest.mark.parametrize("bound", [6, 8])
def test_a_clip_that_shuts_no_gate_is_named(bound):
    target = lstm(lambda z: sigmoid(np.clip(z, -bound, bound)))
    (found,) = check(target, properties=["equivalence.steps"], in_process=True).diagnosis
    assert found.title == f"the activation of i, f and o is sigmoid of what is clipped at {bound} (LSTM)"


OVERFLOWING = {
    "the activation of i, f and o is exp(z) / (1 + exp(z)), which overflows (LSTM)": lstm(
        lambda z: np.exp(z) / (1 + np.exp(z)), dtypes=("float32", "float64")
    ),
    "the activation of the state c is expm1(2 z) / (expm1(2 z) + 2), which overflows (LSTM)": lstm(
        hidden=lambda z: np.expm1(2 * z) / (np.expm1(2 * z) + 2), dtypes=("float32", "float64")
    ),
}


@pytest.mark.sample
@pytest.mark.parametrize("title", OVERFLOWING)
@pytest.mark.filterwarnings("ignore:(overflow|invalid value) encountered")
def test_an_exponential_that_overflows_is_named_in_both_dtypes(title):
    (found,) = check(OVERFLOWING[title], properties=["equivalence.steps"], in_process=True).diagnosis
    assert found.title == title and found.exact


@pytest.mark.sample
def test_an_exponential_that_overflows_in_one_dtype_alone_is_not_named():
    def gate(z):
        with np.errstate(all="ignore"):
            return np.exp(z) / (1 + np.exp(z)) if z.dtype == np.float32 else sigmoid(z)

    target = lstm(gate, dtypes=("float32", "float64"))
    report = check(target, properties=["equivalence.steps"], in_process=True)
    assert report.diagnosis and not any("overflows" in finding.title for finding in report.diagnosis)


def test_a_curve_of_one_gate_is_tried_in_all_that_cannot_be_held():
    def step(x, h, p):
        r, z, n = np.split(x @ p["weight_ih"].T + p["bias_ih"], 3, axis=-1)
        hr, hz, hn = np.split(h @ p["weight_hh"].T + p["bias_hh"], 3, axis=-1)
        r, z = (sigmoid(np.clip(sums, -15, 15)) for sums in (r + hr, z + hz))
        return (1 - z) * np.tanh(n + r * hn) + z * h

    target = from_cell(step, "GRU", dtypes=("float64",))
    bench = Bench(Subject(open_target(target)), cell_of("GRU"), "float64", Work(EXPERIMENTS))
    [found] = curves(bench)
    assert found.startswith("the activation of gate z is sigmoid of what is clipped at 15")
    assert "the activation of r and z is sigmoid of what is clipped at 15 (GRU)" in {one.title for one in bench.leads}


@pytest.mark.sample
def test_what_loses_digits_in_a_difference_is_named():
    """2 sigmoid(z) - 1 is tanh(z / 2), with no more digits than 1 has: as many as its equations have on balls."""
    target = lstm(tanh=lambda z: 2 * sigmoid(z) - 1, hidden=np.tanh)
    (found,) = check(target, properties=["equivalence.steps"], in_process=True).diagnosis
    assert found.exact and found.title == "the activation of gate g is tanh(0.5 z) (LSTM)"
    assert "2 * sigmoid(z) - 1" in found.patch


@pytest.mark.sample
def test_gates_that_are_not_held_have_no_sentence():
    target = lstm(lambda z: 0.99 * sigmoid(np.clip(z, -8, 8)))
    found = check(target, properties=["equivalence.steps"], in_process=True).diagnosis
    assert not any("clipped at" in one.title for one in found)


@pytest.mark.sample
@pytest.mark.parametrize("mistake", CURVES)
def test_curves_of_a_plain_rnn(mistake):
    target, sentence = CURVES[mistake]
    kinds, (found,) = said(target)
    assert kinds == {"curve"} and found.startswith(sentence)


def test_a_table_that_is_off_by_a_millionth():
    kinds, (found,) = said(HOME / "tests" / "targets" / "wrong" / "rough_tanh.py")
    assert kinds == {"curve"} and found.startswith("h_n is another curve, off by up to 5e-07: it gives ")


@pytest.mark.sample
@pytest.mark.parametrize("mistake", GATES)
def test_curves_of_gates(mistake):
    target, sentence = GATES[mistake]
    kinds, (found,) = said(target, "LSTM")
    assert kinds == {"curve"} and found.startswith(sentence)


@pytest.mark.sample
@pytest.mark.parametrize("cell", ["RNN_TANH", "GRU", "LSTM"])
def test_small_results_that_are_zero(cell):
    told = lambda _, result: result.map(lambda _, a: np.where(abs(a) < 1e-6, 0, a))  # noqa: E731
    kinds, (found,) = said(planted(told=told, cells=(cell,)), cell)
    lost, kept = re.fullmatch("results of up to (.*) are zero, none of (.*) or more", found).groups()
    assert kinds == {"vanishing"} and 2.5e-7 < float(lost) < 1e-6 < float(kept) < 4e-6


def rescaled(axes):
    """x as products with what is largest along some of its axes make of it: one NaN becomes several."""
    return lambda case: case.replace(x=case.x + 0 * case.x.max(axes, keepdims=True, initial=0))


REACHED = {
    "other rows": (1, 2), "steps before it": (0, 2), "other rows and steps before it": (0, 1, 2),
}  # fmt: skip


@pytest.mark.parametrize("what", REACHED)
def test_what_a_nan_reaches(what):
    target = planted(asked=rescaled(REACHED[what]), nonfinite=True)
    assert said(target) == ({"nonfinite"}, [f"a NaN in x reaches {what}"])
    assert not said(planted(asked=rescaled(REACHED[what])))[1]  # which is no mistake where it is not claimed


def test_a_unit_that_is_zero_is_not_taken_for_a_small_one():
    dead = planted(told=lambda _, result: result.map(lambda _, a: np.where(np.arange(a.shape[-1]) == 1, 0, a)))
    assert said(dead)[0] == {"influence"}


def test_what_scales_a_term_is_not_taken_for_an_activation():
    """A number that another term gives goes through the same activation, and comes out right."""

    def scaled(x, h, p):
        z = 1.5 * (x @ p["weight_ih"].T) + 2 * p["bias_ih"] - h @ p["weight_hh"].T + p["bias_hh"]
        return np.tanh(z).astype(x.dtype)

    kinds, found = said(from_cell(scaled, "RNN_TANH"))
    assert kinds == {"curve"}
    assert found == [
        "the unit reads 1.5 W_ih x where it must read W_ih x", "the unit reads 2 b_ih where it must read b_ih",
        "the unit reads -W_hh h where it must read W_hh h",
    ]  # fmt: skip


def test_what_goes_past_the_weights_is_not_taken_for_a_factor():
    def leaking(x, h, p):
        z = x @ p["weight_ih"].T + p["bias_ih"] + h @ p["weight_hh"].T + p["bias_hh"]
        return np.tanh(z + 0.01 * h).astype(x.dtype)

    found = said(from_cell(leaking, "RNN_TANH"))
    assert found == ({"curve"}, ["h_n moves with h_0 where no weight and no gate lets it through"])


def test_a_gate_that_another_one_hides_is_not_called_unread():
    """Where the candidate is a ReLU, units of which it is zero do not show what their gates read."""
    kinds, found = said(lstm(tanh=lambda z: np.maximum(z, 0), hidden=np.tanh), "LSTM")
    assert kinds == {"curve"} and found[0].startswith("the activation of gate g is relu(z), must be tanh(z)")


@pytest.mark.sample
@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        (rnn(operand=as_bfloat16), "x, W_ih, h_0 and W_hh are rounded to 8 significant bits, as in bfloat16"),
        (rnn(operand=as_tf32), "x, W_ih, h_0 and W_hh are rounded to 11 significant bits, as in float16 and tf32"),
        (
            rnn(operand=as_tf32_away_from_zero),
            "x, W_ih, h_0 and W_hh are rounded to 11 significant bits, as in float16 and tf32",
        ),
        (rnn(sums=as_bfloat16), "sums are rounded to 8 significant bits, as in bfloat16"),
        (rnn(result=as_bfloat16), "h_n is rounded to 8 significant bits, as in bfloat16"),
    ],
)  # fmt: skip
def test_bits_that_are_kept(target, sentence):
    assert said(target) == ({"precision"}, [sentence])


def test_double_precision_in_single_precision():
    inside = planted(arrays(lambda name, array: array.astype(np.float32).astype(array.dtype)))
    sentence = "x, W_ih, h_0, W_hh, b_ih and b_hh are rounded to 24 significant bits, as in float32"
    assert said(inside, dtype="float64") == ({"precision"}, [sentence])
    assert said(inside, dtype="float32") == (set(), [])


def test_weights_of_few_decimals_are_no_sums_of_few_bits():
    decimals = planted(arrays(lambda name, array: np.round(array, 7) if name.startswith("weight") else array))
    found = "W_ih and W_hh are rounded to about 7 decimals"
    assert said(decimals, dtype="float64") == ({"precision"}, [found])


def test_a_relu_with_an_end_is_a_curve_with_a_name():
    def step(x, h, p):
        z = x @ p["weight_ih"].T + p["bias_ih"] + h @ p["weight_hh"].T + p["bias_hh"]
        return np.clip(z, 0, 20).astype(x.dtype)

    (found,) = said(from_cell(step, "RNN_RELU"), "RNN_RELU")[1]
    assert found == "the activation is relu of what is clipped at 20, must be relu(z), where z = W_ih x"


def test_a_gate_of_fewer_bits_is_a_curve_that_is_right_to_so_many():
    kinds, found = said(lstm(gate=lambda z: sigmoid(z.astype(np.float32)).astype(z.dtype)), "LSTM", dtype="float64")
    assert kinds == {"curve"} and "c_n is right to about 24 significant bits only, as in float32" in found[0]
    assert said(lstm(gate=lambda z: sigmoid(z) * (1 + 1e-4)), "LSTM")[0] == {"curve"}
    assert not any("significant" in one for one in said(lstm(gate=lambda z: sigmoid(z) * (1 + 1e-4)), "LSTM")[1])


def test_a_gate_that_is_right_to_so_many_bits_after_the_point_is_told_from_one_of_few_bits():
    def gate(z):
        return (0.5 * np.tanh(0.5 * z.astype(np.float32)) + 0.5).astype(z.dtype)

    kinds, found = said(lstm(gate=gate), "LSTM", dtype="float64")
    assert kinds == {"curve"} and "is right to about 24 bits after the point only, as in float32" in found[0]
    given, must = re.search(r"gives (\S+) at .* = (\S+), where", found[0]).groups()
    assert given != must


@pytest.mark.parametrize(("arithmetic", "kinds"), [("strict", {"precision"}), ("half-sums", set())])
def test_sums_in_halves_are_told_to_who_does_not_claim_them(arithmetic, kinds):
    def halves(case):
        h, p, output = case.h_0[0], case.parameters, []
        for x in case.x:
            z = np.zeros((len(x), 1), np.float16) + p["bias_ih_l0"] + p["bias_hh_l0"]
            for numbers, W in ((x, p["weight_ih_l0"]), (h, p["weight_hh_l0"])):
                for k in range(numbers.shape[1]):
                    z = z + numbers[:, k : k + 1] * W[:, k]
            h = np.tanh(z)
            output.append(h)
        return np.stack(output), h[None]

    halves.capabilities = Capabilities(dtypes=("float16",), arithmetic=arithmetic)
    assert said(halves, dtype="float16")[0] == kinds


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.sample
def test_nothing_is_said_about_the_reference(cell, dtype):
    target = planted(cells=CELLS, dtypes=DTYPES)
    if dtype == "bfloat16":  # which travels in float32
        target = reference
    assert said(target, cell, dtype) == (set(), [])


@pytest.mark.parametrize("path", RIGHT, ids=lambda path: path.stem)
@pytest.mark.sample
def test_nothing_is_said_about_what_is_right(path):
    claims = open_target(path, in_process=True).capabilities
    calls = DEAR_EXPERIMENTS if claims.recompiles else EXPERIMENTS
    for number, cell in enumerate(claims.cells[-2:]):
        assert said(path, cell, claims.dtypes[number % len(claims.dtypes)], calls) == (set(), [])


class Backward:
    """The reference with other gradients."""

    def __init__(self, asked=lambda case, d: d, told=lambda case, d, found: found):
        self.capabilities = Capabilities(**CLAIMS, cells=CELLS, gradients=True)
        self.own_d, self.own = asked, told

    def forward(self, case):
        return reference.forward(case)

    def gradients(self, case, d_output, d_h_n, d_c_n):
        case, d = as_case(case), {"d_output": d_output, "d_h_n": d_h_n, "d_c_n": d_c_n}
        found = gradients(case, **self.own_d(case, d))
        return {n: a.astype(case.config.numpy_dtype) for n, a in self.own(case, d, dict(found)).items()}


def without_reset_gate(case, d, found):
    """The gradient of each bias_hh is that of bias_ih."""
    return found | {name: found[name.replace("hh", "ih")] for name in found if name.startswith("bias_hh")}


def from_the_second_step(case, d, found):
    """The gradient of weight_hh begins with the second step."""
    return found if case.num_steps > 1 else found | {n: 0 * a for n, a in found.items() if n.startswith("weight_hh")}


def in_blocks(case, d, found):
    """What comes back from step 16 on is not handed to the steps before."""
    if case.num_steps <= 16 or case.lengths is not None:
        return found
    early = np.where((np.arange(case.num_steps) < 16)[:, None, None], d["d_output"], 0)
    return found | {"x": np.concatenate([gradients(case, early)["x"][:16], found["x"][16:]])}


BACK = {
    "the gate is left out": (
        "GRU",
        Backward(told=without_reset_gate),
        "the gradient of bias_hh reads what the gradient of bias_ih should, with one step where h_0 and the biases are "
        "0 (T = 1, N = 1, I = 2, H = 3, L = 1)",
    ),
    "a cotangent is left out": (
        "LSTM", Backward(lambda case, d: d | {"d_h_n": None}), f"d_h_n is not read, {ONE_UNIT}",
    ),
    "a step is left out": (
        "RNN_TANH", Backward(told=from_the_second_step), f"the gradient of weight_hh sees nothing, {ONE_UNIT}",
    ),
    "a block ends": (
        "LSTM",
        Backward(told=in_blocks),
        "gradients at step 14 see nothing from step 16 on; gradients at step 13 see nothing from step 16 on; the "
        "gradient of x[8, 0, 1] does not see x[16, 0, 0], one of 151 such pairs, with 19 steps (T = 19, N = 1, I = 2, "
        "H = 2, L = 1)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("mistake", BACK)
@pytest.mark.sample
def test_what_gradients_read(mistake):
    cell, target, sentence = BACK[mistake]
    assert said(target, cell, series=BACKWARD) == ({"backward"}, [sentence])


def by_norm(found):
    """All gradients, made smaller together where their norm is larger than 5."""
    norm = np.sqrt(sum(np.square(array, dtype=float).sum() for array in found.values()))
    return {name: array * min(1, 5 / norm) for name, array in found.items()}


def of_weights(found):
    """The gradients of weights kept in float16."""
    return {n: a.astype("float16").astype("float64") if n.startswith("weight") else a for n, a in found.items()}


def clipped(found, most):
    """The gradients of parameters, between -most and most."""
    return {n: a if n in ("x", "h_0", "c_0") else np.clip(a, -most, most) for n, a in found.items()}


SCALES = {
    "clipped below what is usual": (
        lambda found: clipped(found, 0.25),
        [
            "gradients of weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0 do not grow with the cotangents: "
            "no number of them is larger than 0.25"
        ],
    ),
    "clipped": (
        lambda found: {name: np.clip(array, -10, 10) for name, array in found.items()},
        ["gradients do not grow with the cotangents: no number of them is larger than 10"],
    ),
    "clipped by their norm": (
        by_norm,
        ["gradients do not grow with the cotangents: the norm of all of them is never larger than 5"],
    ),
    "each clipped by its norm": (
        lambda found: {name: by_norm({name: array})[name] for name, array in found.items()},
        ["gradients do not grow with the cotangents: the norm of each is never larger than 5"],
    ),
    "left out where they are large": (
        lambda found: {n: 0 * a if abs(found["x"]).max() > 20 else a for n, a in found.items()},
        ["large gradients are wrong, right where cotangents are smaller"],
    ),
    "in float16": (
        of_weights,
        [
            "large gradients of weight_ih_l0, weight_hh_l0 are wrong, right where cotangents are smaller",
            "small gradients of weight_ih_l0, weight_hh_l0 are wrong, right where cotangents are larger",
        ],
    ),
}


@pytest.mark.parametrize("mistake", SCALES)
def test_what_becomes_of_large_and_small_gradients(mistake):
    change, sentences = SCALES[mistake]
    target = Backward(told=lambda case, d, found: change(found))
    assert said(target, "GRU", series=BACKWARD) == ({"scale"}, sentences)


def kept_in(bits, case, d):
    """Gradients of a case whose numbers are kept in so many bits."""

    def change(name, array):
        digits, exponent = np.frexp(np.asarray(array, np.float64))
        return np.ldexp(np.round(digits * 2**bits) / 2**bits, exponent)

    return dict(gradients(case.map(change), **d))


@pytest.mark.parametrize(
    ("bits", "dtype", "like"),
    [(8, "float32", "bfloat16"), (11, "float32", "float16 and tf32"), (24, "float64", "float32")],
)
def test_how_many_bits_are_kept_for_gradients(bits, dtype, like):
    target = Backward(told=lambda case, d, found: kept_in(bits, case, d))
    assert said(target, "RNN_TANH", dtype, series=BACKWARD) == (
        {"precision"}, [f"gradients are right to about {bits} significant bits only, as in {like}"],
    )  # fmt: skip


@pytest.mark.parametrize("factor", [1 + 2.0**-8, 1 + 2.0**-11])
def test_gradients_that_are_a_little_too_large_are_not_kept_in_few_bits(factor):
    target = Backward(told=lambda case, d, found: {name: factor * array for name, array in found.items()})
    assert said(target, "RNN_TANH", series=BACKWARD) == (set(), [])


def test_a_bound_within_is_not_taken_for_one_of_a_norm():
    within = "what goes back into h of a step is cut off at 1 each way (GRU)"
    (fault,) = (one for one in backward(cell_of("GRU")).values() if one.title == within)
    _, sentences = said(FaultyTarget(fault, cells=("GRU",)), "GRU", series=(("scale", scale),))
    assert sentences == ["gradients do not grow with the cotangents: something is cut off on the way back"]


@pytest.mark.parametrize("value", [np.nan, 1.0])
def test_what_is_wrong_with_any_cotangents_is_no_matter_of_their_size(value):
    target = Backward(told=lambda case, d, found: found | {"h_0": 0 * found["h_0"] + value})
    assert "scale" not in said(target, "GRU", series=BACKWARD)[0]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.sample
def test_nothing_is_said_about_gradients_of_the_reference(cell, dtype):
    assert said(reference, cell, dtype, series=BACKWARD) == (set(), [])


@pytest.mark.parametrize("path", RIGHT, ids=lambda path: path.stem)
@pytest.mark.sample
def test_nothing_is_said_about_gradients_that_are_right(path):
    claims = open_target(path, in_process=True).capabilities
    calls = DEAR_EXPERIMENTS if claims.recompiles else EXPERIMENTS
    assert said(path, claims.cells[-1], claims.dtypes[0], calls, BACKWARD) == (set(), [])


@pytest.mark.sample
def test_what_gradients_read_is_in_the_report():
    _, target, sentence = BACK["a block ends"]  # which shows in no probe
    report = check(target, properties=["gradients.sizes"], in_process=True)
    assert any(sentence.partition(";")[0] in finding.title for finding in report.diagnosis), report.diagnosis


@pytest.mark.sample
def test_a_cotangent_that_is_left_out_is_named_in_each_cell():
    """Few answers are wrong, and late ones: what depends on the calls before them takes all work, if it comes first."""
    _, target, _ = BACK["a cotangent is left out"]
    report = check(target, properties=["gradients.back_propagation"], in_process=True)
    assert [finding.fault for finding in report.diagnosis] == ["gradient-of-final-state-lost"]


def printed(style):
    """Results as they are read again where they were printed in a style of C."""
    return lambda case, result: result.map(
        lambda _, array: np.array([float(style % n) for n in array.flat]).reshape(array.shape)
    )


PRINTED = {
    (
        "%f",
        "float32",
    ): "results have 6 decimal places only; where they are printed, float32 takes 9 significant digits (%.9g)",
    (
        "%.6g",
        "float32",
    ): "results have 6 significant digits only; where they are printed, float32 takes 9 significant digits (%.9g)",
    (
        "%.6g",
        "float64",
    ): "results have 6 significant digits only; where they are printed, float64 takes 17 significant digits (%.17g)",
    (
        "%.2f",
        "float16",
    ): "results have 2 decimal places only; where they are printed, float16 takes 5 significant digits (%.5g)",
}


@pytest.mark.parametrize(("style", "dtype"), PRINTED)
def test_too_few_digits_are_told_from_wrong_arithmetic(style, dtype):
    assert digits_said(planted(told=printed(style), dtypes=(dtype,))) == {PRINTED[style, dtype]}


@pytest.mark.sample
def test_too_few_digits_are_in_the_diagnosis():
    target = planted(told=printed("%f"), max_layers=1, bidirectional=False)
    found = check(target, properties=["equivalence.steps"]).diagnosis
    said = f"RNN_TANH: {PRINTED['%f', 'float32']}"
    assert [(one.fault, one.title) for one in found] == [("measured.digits", said)]


@pytest.mark.sample
def test_results_that_are_wrong_by_so_little_that_no_mistake_is_needed_are_diagnosed():
    target = planted(told=lambda _, r: r.map(lambda _, a: np.round(a, 2)), dtypes=("float16",))
    (found,) = diagnose(open_target(target), catalogue()).findings
    assert found.title == f"RNN_TANH: {PRINTED['%.2f', 'float16']}"


ENOUGH_DIGITS = {
    "printed with 9": planted(told=printed("%.9g"), dtypes=("float32",)),
    "printed with 17": planted(told=printed("%.17g"), dtypes=("float64",)),
    "six bits, which are six decimal places": planted(told=lambda _, r: r.map(lambda _, a: np.round(a * 64) / 64)),
    "all zero": planted(told=lambda _, r: r.map(lambda _, a: 0 * a)),
    "all a tenth": planted(told=lambda _, r: r.map(lambda _, a: 0 * a + 0.1)),
    "wrong": planted(without("bias_ih")),
}


@pytest.mark.parametrize("target", ENOUGH_DIGITS.values(), ids=ENOUGH_DIGITS)
def test_nothing_is_said_of_digits_that_are_enough(target):
    assert digits_said(target) == set()


@pytest.mark.parametrize("path", RIGHT, ids=lambda path: path.stem)
@pytest.mark.sample
def test_nothing_is_said_of_the_digits_of_what_is_right(path):
    assert digits_said(path) == set()


def digits_said(target):
    """What is said of the digits of a target's answers to the probes, cell by cell."""
    opened = open_target(target, in_process=True)
    try:
        answered = answers(Subject(opened, anew=True), Work(120))
    finally:
        opened.stop()
    asked = {(one.probe.case.config.cell, one.probe.case.config.dtype) for one in answered}
    return {few_digits(results_of(answered, cell, dtype), dtype) for cell, dtype in asked} - {None}


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
@pytest.mark.sample
def test_nothing_is_said_about_cells_of_ones_own(path):
    cell = loaded(str(path), path.stem)
    assert said(FaultyTarget(cells=(cell,)), cell) == (set(), [])


def test_the_gates_of_ones_own_cell_are_found_from_its_equations():
    mgu = loaded(str(HOME / "examples" / "cells" / "mgu.py"), "mgu")
    assert [(setting.swept, setting.activation) for setting in settings(mgu)] == [("f", "sigmoid"), ("n", "tanh")]

    def step(x, h, p):
        (W_f, W_n), (U_f, U_n), b = (np.split(p[name], 2) for name in ("weight_ih", "weight_hh", "bias_ih"))
        b_f, b_n = (one + other for one, other in zip(b, np.split(p["bias_hh"], 2)))
        f = hard_sigmoid(x @ W_f.T + h @ U_f.T + b_f)
        n = np.tanh(x @ W_n.T + (f * h) @ U_n.T + b_n)
        return ((1 - f) * h + f * n).astype(x.dtype)

    kinds, (found,) = said(from_cell(step, mgu), mgu)
    assert kinds == {"curve"} and found.startswith("the activation of gate f is a hard sigmoid, z / 5 + 1/2")


def test_sizes_that_are_claimed_alone_are_asked_for():
    sizes = {"hidden_size": (4,), "input_size": (5,), "batch": (2,), "steps": (3,)}
    target = planted(without("bias_ih"), sizes=sizes, max_layers=1, bidirectional=False, lengths=False)
    assert said(target)[1] == ["bias_ih is not read, with T = 3, N = 2, I = 5, H = 4, L = 1"]


def test_where_a_new_shape_is_dear_few_are_asked_for():
    shapes = set()

    def noted(case):
        shapes.add((case.x.shape, case.config.num_layers))
        return case

    assert said(planted(noted, recompiles=True, max_layers=2, bidirectional=False), calls=DEAR_EXPERIMENTS)[1] == []
    assert 1 <= len(shapes) <= 6


def test_a_target_without_answers_is_not_spoken_of():
    def raises(case):
        raise RuntimeError("not yet")

    assert said(raises) == (set(), [])
    (finding,) = diagnose(open_target(raises), catalogue()).findings
    assert finding.fault == "measured.raised" and ", in every call (" in finding.title


def test_what_depends_on_the_calls_before_is_not_spoken_of():
    kept = {}

    def first_weights(case):
        weights = kept.setdefault(case.x.shape, case.parameters)
        return reference.forward(as_case(case).replace(parameters=weights))

    def every_third(case):
        kept["calls"] = kept.get("calls", 0) + 1
        output, h_n = reference.forward(case)
        return output + output.dtype.type(kept["calls"] % 3 == 0), h_n

    assert said(first_weights) == said(every_third) == (set(), [])


def test_it_ends_when_no_calls_are_left():
    calls = []

    def counted(case):
        calls.append(case)
        return reference.forward(case)

    counted.capabilities = Capabilities(max_layers=2)
    assert said(counted, calls=50) == (set(), [])
    assert len(calls) == 50


@pytest.mark.sample
def test_each_cell_has_calls_of_its_own():
    """Four cells are wrong in a way that is none of those measured, and spend all that they have."""

    def odd(case, result):
        fifth = case.config.cell == CELLS[-1]
        output = result.output if fifth else result.output + 0.01 * np.cos(97 * result.output)
        return Result(output, result.h_n, result.c_n)

    def asked(case):
        return without("bias_ih_l1")(case) if case.config.cell == CELLS[-1] else case

    found = diagnose(open_target(planted(asked, odd, cells=CELLS)), catalogue()).findings
    assert any(finding.title.startswith(f"{CELLS[-1]}: bias_ih of layer 1 is not read") for finding in found)


@pytest.mark.sample
def test_a_sentence_stands_before_what_is_only_alike_and_a_name_alone():
    report = check(planted(told=leaking, cells=("RNN_TANH", "RNN_RELU")), properties=["equivalence.steps"])
    first, *others = report.diagnosis
    assert (first.fault, first.patch, first.exact) == ("measured.influence", "", True)
    assert first.title.startswith("RNN_TANH, RNN_RELU: output of row 2 reads numbers of row 0")
    assert first.telling > 0 and not any(other.exact for other in others)
    named = check(FaultyTarget(FAULTS["gates-igfo"], cells=("LSTM",)), properties=["equivalence.steps"])
    assert [finding.fault for finding in named.diagnosis] == ["gates-igfo"]


def test_a_shape_is_still_recognised():
    def squeezed(case):
        output, h_n = planted(without("bias_ih"))(case)
        return output[..., None], h_n

    squeezed.capabilities = Capabilities()
    report = check(squeezed, properties=["shapes.shapes", "equivalence.steps"])
    assert report.diagnosis[0].fault == "shape-of-output"


@pytest.mark.sample
def test_the_report_says_that_it_was_measured():
    def first_twice(name, array):
        """Weights of x whose last column is the first one, in one direction."""
        return np.concatenate([array[:, :-1], array[:, :1]], 1) if name == "weight_ih_l0" else array

    report = check(planted(arrays(first_twice), max_layers=1), properties=["equivalence.steps"])
    text = as_text(report)
    assert "diagnosis: no known mistake gives these numbers; experiments on your code show this" in text
    assert "weight_ih in column 1 is not read" in text
    assert "probes are wrong" not in text  # which says less


class Keeps:
    """The reference with a memory: what a call keeps reaches those after it."""

    capabilities = Capabilities(**CLAIMS, default_state=True)

    def __init__(self):
        self.memory = {}

    def forward(self, case):
        return self.answer(as_case(case))

    def kept(self, case, *names):
        """The case with the arrays of the first call of its sizes in place of some."""
        return case.map(
            lambda name, array: (
                self.memory.setdefault((case.x.shape, case.config, name), array.copy())
                if name.startswith(names)
                else array
            )
        )


class KeepsWeights(Keeps):
    def answer(self, case):
        return reference.forward(self.kept(case, "weight_hh", "bias_ih"))


class KeepsArrays(Keeps):
    def answer(self, case):
        array = case.parameters["weight_ih_l0"]
        kept = self.memory.setdefault(id(array), (array, array.copy()))[1]
        return reference.forward(case.map(lambda name, array: kept if name == "weight_ih_l0" else array))


class KeepsStates(Keeps):
    def answer(self, case):
        key = case.config, case.x.shape[1]
        output, h_n = reference.forward(case.replace(h_0=self.memory.get(key)) if case.h_0 is None else case)
        self.memory[key] = h_n
        return output, h_n


class KeepsItsOwnZeros(Keeps):
    def answer(self, case):
        key = case.config, case.x.shape[1]
        output, h_n = reference.forward(case.replace(h_0=self.memory.get(key)) if case.h_0 is None else case)
        if case.h_0 is None:
            self.memory[key] = h_n
        return output, h_n


class KeepsCells(Keeps):
    def answer(self, case):
        key = case.config, case.x.shape[1]
        if case.h_0 is None and key in self.memory:
            case = case.replace(h_0=0 * self.memory[key], c_0=self.memory[key])
        output, (h_n, self.memory[key]) = reference.forward(case)
        return output, (h_n, self.memory[key].copy())


class KeepsPadding(Keeps):
    def answer(self, case):
        output, h_n = reference.forward(case)
        ended = (np.arange(case.num_steps)[:, None] >= case.row_lengths)[..., None]
        kept = np.where(ended, self.memory.get(output.shape, output), output)
        self.memory[output.shape] = kept
        return kept.copy(), h_n


HISTORY = {
    KeepsWeights: "weight_hh and bias_ih of an earlier call of the same sizes are used again",
    KeepsArrays: "weight_ih: told from those of an earlier call by the arrays, not by the numbers in them",
    KeepsStates: "a call without an initial state starts from the final state of the call before",
    KeepsItsOwnZeros: (
        "a call without an initial state starts from the final state of the call before that had none either"
    ),
    KeepsPadding: "behind the end of a row the output still holds what the call before put there",
}


def test_a_cell_state_that_is_kept_alone():
    KeepsCells.capabilities = Capabilities(**CLAIMS, cells=("LSTM",), default_state=True)
    bench = Bench(Subject(open_target(KeepsCells)), cell_of("LSTM"), "float32", Work(200))
    assert history(bench) == ["a call without an initial state starts from c_n of the call before"]


@pytest.mark.parametrize("target", HISTORY)
def test_what_is_kept_between_calls(target):
    bench = Bench(Subject(open_target(target)), cell_of("RNN_TANH"), "float32", Work(200))
    assert history(bench) == [HISTORY[target]]


def ones(case):
    """A case that starts from ones where no state is given."""
    return case if case.h_0 is not None else case.replace(h_0=np.ones((1, case.num_rows, case.config.hidden_size)))


KEEPING_NOTHING = {
    "right": reference,
    "wrong every time": planted(without("bias_ih")),
    "wrong without a state": planted(ones, default_state=True, bidirectional=False, max_layers=1),
    "wrong where a row ends": planted(lambda case: case.replace(lengths=None)),
}


@pytest.mark.sample
@pytest.mark.parametrize("target", KEEPING_NOTHING.values(), ids=KEEPING_NOTHING)
def test_nothing_is_said_of_what_keeps_nothing(target):
    bench = Bench(Subject(open_target(target)), cell_of("RNN_TANH"), "float32", Work(600))
    assert history(bench) == []
