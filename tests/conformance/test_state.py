"""Recurrences as targets: what hands its state on rightly conforms, and each mistake in that is found."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

import jsonschema
import numpy as np
import pytest

import conformance
import reference_rnn
from conformance import Capabilities, CapabilityError, Mode
from conformance.chapters import catalogue
from conformance.diagnosis.faulty import FaultyRecurrence
from conformance.faults.recurrences import mistakes_of
from conformance.harness.channel import Nonsense
from conformance.harness.command import recurrent_results
from conformance.hunt.mutant_coverage import surviving_mutants
from conformance.judging.recurrences import StateProperty
from conformance.report import html
from reference_rnn import exp, maximum, recurrence, rounded, tanh, vecmat

SHAPES = {
    "inputs": {"q": "K", "k": "K", "v": "V", "g": "K"}, "states": {"S": "KV"}, "outputs": {"o": "V"},
    "ranges": {"g": (-2, 0)},
}  # fmt: skip


@recurrence(**SHAPES)
def gated(q, k, v, g, S):
    S = exp(g)[..., None] * S + k[..., None] * v[..., None, :]
    return vecmat(q, S), S


@recurrence(**SHAPES)
def curved(q, k, v, g, S):
    S = tanh(exp(g)[..., None] * S + k[..., None] * v[..., None, :])
    return vecmat(q, S), S


CLAIMS = Capabilities(
    cells=(gated,), dtypes=("float32", "float64"), default_state=True, lengths=True, packed=True, empty=("length",),
    modes={"step": Mode(), "chunk": Mode(order="chunks")},
)  # fmt: skip
UNKNOWN = replace(CLAIMS, cells=(recurrence(**SHAPES, name="gated"),))


@cache
def mistakes():
    return mistakes_of(gated)


def handed():
    """Those that are made with any equations: in what is handed from step to step, and over."""
    return {id: mistake for id, mistake in mistakes().items() if id.startswith("handed.")}


def judged(target, **options):
    return conformance.check(target, diagnosis=options.pop("diagnosis", False), **options)


@pytest.mark.sample
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("claims", [CLAIMS, UNKNOWN, replace(CLAIMS, dtypes=("float16", "bfloat16"))])
def test_what_is_right_conforms(claims, seed):
    report = judged(FaultyRecurrence(gated, None, claims), seed=seed)
    assert report.verdict == "conforms", report.reasons
    assert {r.id.partition(".")[0] for r in report.results if r.status == "passed"} == {"state"}


def test_there_are_mistakes_of_both_kinds():
    assert len(handed()) >= 30 and len(mistakes()) - len(handed()) >= 30


@pytest.mark.parametrize("modes", [(), ("chunk",)])
def test_a_mistake_is_found_with_equations(modes, moving):
    wrong = [FaultyRecurrence(gated, mistake, CLAIMS, modes) for mistake in moving(mistakes()).values()]
    assert {judged(one, stop_on_first=True).verdict for one in wrong} == {"fails"}


def test_a_mistake_in_one_mode_is_found_without_equations(moving):
    wrong = [FaultyRecurrence(gated, mistake, UNKNOWN, ("chunk",)) for mistake in moving(handed()).values()]
    assert {judged(one, stop_on_first=True).verdict for one in wrong} == {"fails"}


@pytest.mark.parametrize("id", ["handed.state-of-row-0", "handed.stepped-once-more", "handed.lost-every-16"])
@pytest.mark.parametrize("modes", [(), ("chunk",)])
@pytest.mark.sample
def test_a_mistake_is_named_with_its_mode(id, modes):
    target = FaultyRecurrence(gated, mistakes()[id], CLAIMS, modes)
    report = judged(target, diagnosis=True, properties=["state.split", "state.equations"])
    (finding,) = report.diagnosis
    assert finding.fault == id and finding.patch == mistakes()[id].patch
    assert finding.title.endswith(", in mode chunk only") == bool(modes)


def test_what_has_no_name_is_measured():
    right = mistakes()["handed.state-ignored"]
    odd = replace(right, handed=lambda case: gated_with(case, lambda t: 1.25 if t == 12 else 1.0))
    report = judged(FaultyRecurrence(gated, odd, CLAIMS, ("chunk",)), diagnosis=True, properties=["state.equations"])
    (finding,) = report.diagnosis
    assert finding.fault == "measured.trigger"
    assert finding.title == "in mode chunk: o and S are wrong, never before step 12, where T > 12, and nowhere else"


@pytest.mark.parametrize(("order", "status"), [("steps", "failed"), ("chunks", "passed")])
def test_nan_reaches_earlier_steps_where_a_target_does_not_compute_step_by_step(order, status):
    def forward(case):
        answer = reference_rnn.handed(case)
        late = np.sum([0 * array for array in case.inputs["v"]], 0)  # 0, or NaN in a row that has NaN anywhere
        return {"o": answer.outputs["o"] + late}, answer.states

    class Target:
        capabilities = Capabilities(cells=(gated,), modes={"one": Mode(order=order)})

    Target.forward = staticmethod(forward)
    (result,) = judged(Target, properties=["state.nan_stays_in_its_row"]).results
    assert result.status == status, result.message


def gated_with(case, factor):
    """The equations, with another factor of the state at some steps."""
    from reference_rnn import recurrences

    original = recurrences.stepped
    steps = iter(range(10**6))
    try:
        recurrences.stepped = lambda cell, x, states, p: original(cell, x, [factor(next(steps)) * s for s in states], p)
        return recurrences.handed(case)
    finally:
        recurrences.stepped = original


@pytest.mark.sample
def test_a_state_that_nothing_enters_is_found_without_equations():
    target = FaultyRecurrence(gated, mistakes()["handed.every-step-from-start"], UNKNOWN)
    assert {r.id for r in judged(target).results if r.status == "failed"} == {"state.takes_in"}


def test_only_shapes_are_known_and_said():
    target = FaultyRecurrence(gated, mistakes()["handed.final-is-given"], UNKNOWN)
    report = judged(target, diagnosis=True, properties=["state.split"])
    assert report.verdict == "fails"
    assert report.known == ["Only the shapes of GATED are known. Give its equations, and a mistake can be named."]


def test_without_double_precision_what_is_far_off_is_wrong():
    claims = replace(UNKNOWN, dtypes=("float32",))
    report = judged(FaultyRecurrence(gated, mistakes()["handed.final-is-given"], claims), properties=["state.split"])
    (result,) = report.results
    assert result.status == "failed" and "times what one ulp in the inputs does" in result.message


@pytest.mark.parametrize("id", ["handed.state-of-row-0", "handed.state-ignored", "handed.output-past-the-end"])
@pytest.mark.sample
def test_without_double_precision_exact_statements_still_fail(id):
    claims = replace(UNKNOWN, dtypes=("bfloat16",))
    assert judged(FaultyRecurrence(gated, mistakes()[id], claims)).verdict == "fails"


@pytest.mark.parametrize(
    ("given_out", "reads", "said"),
    [
        (("n",), False, None),
        ((), False, "n of row 0 changes nothing in the first step"),
        (("n",), True, "n of row 0 is only given out, and changes the results of the first step"),
    ],
)
@pytest.mark.parametrize("known", [True, False])
def test_a_state_that_is_only_given_out_is_judged_as_an_output(known, given_out, reads, said):
    cell = recurrence(**GIVEN_OUT | {"given_out": given_out}, name="shapes")
    claims = Capabilities(cells=(with_a_state_given_out if known and given_out else cell,), sizes={"batch": (1,)})

    class Target:
        capabilities = claims

        def forward(self, case):
            x, s, n = case.inputs["x"], case.states["s"], case.states["n"]
            out = []
            for x_t in x:
                s = np.tanh(s * x.dtype.type(0.5) + x_t)
                n = 1 + s * x_t + (n if reads else 0)
                out.append(s)
            return {"y": np.array(out).reshape(x.shape)}, {"s": s, "n": n}

    (result,) = judged(Target(), properties=["state.is_used"]).results
    assert (result.status, result.message) == (("failed", said) if said else ("passed", "")), result.message


class Answering:
    capabilities = CLAIMS

    def __init__(self, change):
        self.change = change
        self.right = FaultyRecurrence(gated, None, CLAIMS)

    def forward(self, case):
        return self.change(*self.right.forward(case))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda outputs, states: outputs["o"], "must return outputs, states: two dicts of arrays by name"),
        (lambda outputs, states: (outputs["o"], states["S"]), "outputs that are a ndarray"),
        (lambda outputs, states: (outputs, {}), "S is missing, must be an array of shape"),
        (
            lambda outputs, states: (outputs | {"z": outputs["o"]}, states),
            "forward returned an output 'z'; the outputs are: o",
        ),
        (lambda outputs, states: (outputs, {"state": states["S"]}), "returned a state 'state'; the states are: S"),
        (lambda outputs, states: (states, outputs), "returned the state 'S' among the outputs, must return outputs, "),
        (lambda outputs, states: (outputs, {"S": states["S"].swapaxes(0, 1)}), "= (N, M, K, V)"),
    ],
)
def test_what_is_no_answer_is_named(change, said):
    report = judged(Answering(change), properties=["state.shapes"])
    assert report.verdict == "fails" and said in report.results[0].message


def test_a_command_that_names_a_state_otherwise_is_told_the_names():
    reply = {"outputs": {}, "states": {"state": {"shape": [0], "data": []}}}
    with pytest.raises(Nonsense, match="it answered forward with a state 'state'; the states are: S"):
        recurrent_results(reply, gated.case(dict.fromkeys("qkvg", np.zeros((1, 1, 1, 1)))))


def changing(case_to_change):
    class Changing(Answering):
        def __init__(self):
            super().__init__(lambda *both: both)

        def forward(self, case):
            case_to_change(case)
            return super().forward(case)

    return Changing()


def test_what_is_changed_is_named():
    def doubled(case):
        if not case.stateless:
            case.states["S"] *= 2

    result = judged(changing(doubled), properties=["state.nothing_is_changed"]).results[0]
    assert result.status == "failed" and result.message == "the call changed S"


@pytest.mark.sample
def test_what_is_kept_between_calls_is_found():
    class Keeping(Answering):
        def __init__(self):
            super().__init__(lambda *both: both)
            self.kept = None

        def forward(self, case):
            outputs, states = super().forward(case)
            if self.kept is not None and self.kept.shape == states["S"].shape:
                states = {"S": states["S"] + 0.25 * self.kept}
            self.kept = states["S"].copy()
            return outputs, states

    failed = {r.id for r in judged(Keeping()).results if r.status == "failed"}
    assert {"state.repeatable", "state.handed_on_is_all"} <= failed


@recurrence(inputs={"k": "K", "v": "V", "b": ""}, states={"S": "KV"}, outputs={"o": "V"}, ranges={"b": (0, 1)})
def delta(k, v, b, S):
    S = S + (b[..., None] * k)[..., None] * (v - vecmat(k, S))[..., None, :]
    return vecmat(k, S), S


class Matrices:
    """The same equations, in which what is erased is a product of matrices."""

    capabilities = Capabilities(cells=(delta,), dtypes=("float32", "float64", "float16"))
    wrong = 1.0

    def forward(self, case):
        S, outputs = case.states["S"], []
        for k, v, b in zip(*(case.inputs[name] for name in "kvb")):
            erased = np.eye(k.shape[-1], dtype=k.dtype) - b[..., None, None] * k[..., :, None] * k[..., None, :]
            S = erased @ S + b[..., None, None] * k[..., :, None] * v[..., None, :] * k.dtype.type(self.wrong)
            outputs.append((k[..., None, :] @ S)[..., 0, :])
        return {"o": np.array(outputs)}, {"S": S}


@pytest.mark.sample
@pytest.mark.parametrize("seed", range(4))
def test_equations_may_be_spelt_in_another_way(seed):
    report = judged(Matrices(), seed=seed)
    assert report.verdict == "conforms", report.reasons


@pytest.mark.parametrize("wrong", [1.0001, np.nan])
def test_what_is_no_spelling_is_found(wrong):
    target = Matrices()
    target.wrong = wrong
    (result,) = judged(target, properties=["state.equations"]).results
    assert result.status == "failed"


class Mixing(FaultyRecurrence):
    """Each head reads the state of the last one."""

    def forward(self, case):
        outputs, states = super().forward(case)
        return {"o": outputs["o"] + outputs["o"][..., -1:, :]}, states


class OneForNone(FaultyRecurrence):
    """A state that is not given is one."""

    def forward(self, case):
        zeros = FaultyRecurrence(self.cell, None, self.capabilities)
        ones = {name: np.ones_like(a) for name, a in zeros.forward(case)[1].items()} if case.stateless else case.states
        return super().forward(replace(case, states=ones))


@pytest.mark.sample
def test_every_property_can_fail():
    """Those of gradients, of junk and of memory do elsewhere."""
    slips = (
        "final-is-given", "state-ignored", "every-step-from-start", "state-of-row-0", "state-of-head-0",
        "packed-row-continued", "output-past-the-end", "input-of-next-step", "final-of-row-0", "row-ends-late",
    )  # fmt: skip
    targets = [FaultyRecurrence(gated, mistakes()[f"handed.{id}"], CLAIMS) for id in slips]
    targets += [FaultyRecurrence(gated, mistakes()["handed.state-ignored"], CLAIMS, ("chunk",))]
    targets += [Mixing(gated, None, CLAIMS), OneForNone(gated, None, CLAIMS)]
    elsewhere = {"shapes", "dtype", "nothing_is_changed", "repeatable", "handed_on_is_all"}
    gradients = {"gradient_shapes", "gradients_are_slopes", "gradients_through_the_state"}
    everything = {id for id, prop in catalogue().items() if isinstance(prop, StateProperty)}
    others = {f"state.{name}" for name in elsewhere | gradients}
    assert others < everything
    left = everything - others
    for target in targets:
        report = judged(target, properties=sorted(left), budget=1e-6)  # no random cases
        left -= {r.id for r in report.results if r.status == "failed"}
    assert not left


# ---------------------------------------------------------------- odd, and right


def of_step(cell):
    """A right target of a recurrence: its own equations."""
    dtypes = ("float32", "float64")
    claims = Capabilities(cells=(cell,), dtypes=dtypes, modes={"step": Mode(), "chunk": Mode(order="chunks")})
    return FaultyRecurrence(cell, None, claims)


@recurrence(inputs={"x": ""}, states={"m": ""}, outputs={"y": ""}, heads=False)
def largest_so_far(x, m):
    m = maximum(m, x)
    return m, m


@recurrence(inputs={"x": "", "g": ""}, states={"s": ""}, outputs={"y": ""}, heads=False, ranges={"g": (-100, 0)})
def forgets_soon(x, g, s):
    s = exp(g) * s + x
    return s, s


@recurrence(inputs={"x": "K"}, states={"s": "K"}, outputs={"y": "K"}, ranges={"x": (0, 0.1)})
def bounded_below(x, s):
    s = maximum(s * 0.5 + x, 0.0)
    return s, s


@recurrence(inputs={"x": ""}, states={"s": "", "last": ""}, outputs={"y": ""}, ranges={"last": (0, 0)})
def with_a_fixed_state(x, s, last):
    y = s + last
    return y, s + x, 0 * last


@recurrence(inputs={"x": "K"}, states={"s": "K"}, outputs={"y": "K"})
def in_place(x, s):
    s *= 0.5
    s += x
    return s, s


GIVEN_OUT = {"inputs": {"x": "K"}, "states": {"s": "K", "n": "K"}, "outputs": {"y": "K"}, "given_out": ("n",)}


@recurrence(**GIVEN_OUT)
def with_a_state_given_out(x, s, n):
    s = tanh(s * 0.5 + x)
    return s, s, 1 + s * x


@pytest.mark.parametrize(
    "cell", [largest_so_far, forgets_soon, bounded_below, with_a_fixed_state, in_place, with_a_state_given_out],
    ids=lambda cell: str(cell),
)  # fmt: skip
def test_odd_recurrences_conform(cell):
    report = judged(of_step(cell))
    assert report.verdict == "conforms", [(r.id, r.message) for r in report.results if r.status == "failed"]


@pytest.mark.sample
@pytest.mark.parametrize("seed", range(3))
def test_nothing_at_all_conforms_where_it_is_claimed(seed):
    report = judged(FaultyRecurrence(gated, None, replace(CLAIMS, empty=True)), seed=seed)
    assert report.verdict == "conforms", (report.reasons, [r.message for r in report.results if r.status == "failed"])
    assert {"T = 0", "N = 0", "length 0"} <= set(report.coverage)


@pytest.mark.parametrize(
    ("empty", "has"),
    [
        ("time", lambda case: case.num_rows > 0 and case.num_steps == 0), ("batch", lambda case: case.num_rows == 0),
        ("length", lambda case: case.num_steps > 0 and 0 in case.row_lengths),
    ],
)  # fmt: skip
@pytest.mark.sample
def test_nothing_at_all_is_asked_where_it_is_claimed(empty, has):
    class Full(FaultyRecurrence):
        def forward(self, case):
            assert not has(case), "nothing there"
            return super().forward(case)

    report = judged(Full(gated, None, replace(CLAIMS, empty=True)))
    assert "nothing there" in {r.id: r.message for r in report.results}["state.equations"]
    others = tuple(name for name in ("time", "batch", "length") if name != empty)
    assert judged(Full(gated, None, replace(CLAIMS, empty=others))).verdict == "conforms"


@pytest.mark.sample
@pytest.mark.parametrize("claim", ["lengths", "packed"])
def test_one_arrangement_is_enough(claim):
    claims = replace(CLAIMS, lengths=claim == "lengths", packed=claim == "packed")
    report = judged(FaultyRecurrence(gated, None, claims))
    assert report.verdict == "conforms", report.reasons


@pytest.mark.sample
@pytest.mark.parametrize("sizes", [{"steps": (64,)}, {"batch": (1, 4), "heads": (1, 4), "steps": (1, 64)}])
def test_no_other_sizes_are_asked(sizes):
    class Sized(FaultyRecurrence):
        def forward(self, case):
            given = {"steps": case.num_steps, "batch": case.num_rows, "heads": case.config.heads}
            assert all(given[name] in allowed for name, allowed in sizes.items()), given
            return super().forward(case)

    report = judged(Sized(gated, None, replace(CLAIMS, sizes=sizes, lengths=False, packed=False)))
    assert report.verdict == "conforms", [(r.id, r.message) for r in report.results if r.status == "failed"]


@pytest.mark.parametrize("sizes", [{"K": (777,), "V": (1,)}, {"K": (37, 100), "V": (257,)}, {"batch": (53,)}])
@pytest.mark.parametrize("dtypes", [("float32", "float64"), ("float16", "float64"), ("bfloat16",)])
@pytest.mark.sample
def test_large_sizes_conform(sizes, dtypes):
    report = judged(FaultyRecurrence(gated, None, replace(CLAIMS, sizes=sizes, dtypes=dtypes)))
    assert report.verdict == "conforms", report.reasons


@pytest.mark.sample
def test_arrays_come_in_plain_memory():
    class Plain(FaultyRecurrence):
        def forward(self, case):
            assert all(array.flags.c_contiguous for _, array in case.arrays())
            return super().forward(case)

    assert judged(Plain(gated, None, CLAIMS)).verdict == "conforms"


@pytest.mark.sample
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_what_is_wrong_in_one_dtype_is_found_beside_another(dtype):
    class Narrow(FaultyRecurrence):
        def forward(self, case):
            outputs, states = super().forward(case)
            wrong = case.config.dtype == dtype and case.mode == "chunk"
            return outputs, {"S": states["S"] * 2} if wrong else states

    report = judged(Narrow(gated, None, replace(UNKNOWN, dtypes=(dtype, "float64"))))
    failed = [r for r in report.results if r.status == "failed"]
    assert failed and all(f"in {dtype}" in r.message for r in failed)


@pytest.mark.sample
@pytest.mark.parametrize(("cell", "bounded"), [(gated, True), (curved, False)], ids=["linear", "another"])
def test_chunks_of_single_precision_are_judged_where_there_is_a_bound(cell, bounded):
    class Wrong(FaultyRecurrence):
        def forward(self, case):
            outputs, states = super().forward(case)
            return {name: o * (1 + 2e-3 * (case.mode == "chunk")) for name, o in outputs.items()}, states

    claims = replace(CLAIMS, cells=(cell,), dtypes=("float32",))
    report = judged(Wrong(cell, None, claims))
    failed = {r.id: r.message for r in report.results if r.status == "failed"}
    assert set(failed) == {"state.equations", "state.modes_agree"}
    assert ("+/-" in failed["state.equations"]) == bounded
    assert "times what one ulp in the inputs does" in failed["state.modes_agree"]
    assert judged(FaultyRecurrence(cell, None, claims)).verdict == "conforms"


@pytest.mark.sample
def test_decays_that_overflow_as_denominators_are_wrong_in_single_precision():
    class Dividing(FaultyRecurrence):
        def forward(self, case):
            outputs, states = super().forward(case)
            over = case.mode == "chunk" and case.num_steps > 60
            return {name: o * np.float32(np.nan if over else 1) for name, o in outputs.items()}, states

    report = judged(Dividing(gated, None, replace(CLAIMS, dtypes=("float32",))))
    assert "is nan, in mode step " in {r.id: r.message for r in report.results}["state.shapes"]


@pytest.mark.sample
@pytest.mark.parametrize("state_dtype", ["float32", "bfloat16"])
def test_states_may_be_narrower(state_dtype):
    class Narrow(FaultyRecurrence):
        def forward(self, case):
            outputs, states = super().forward(case)
            return outputs, {"S": rounded(states["S"], state_dtype)}

    claims = replace(CLAIMS, dtypes=("float64", "float32"), state_dtype=state_dtype)
    report = judged(Narrow(gated, None, claims))
    assert report.verdict == "conforms", [(r.id, r.message) for r in report.results if r.status == "failed"]


@pytest.mark.sample
def test_a_buffer_that_is_used_again_is_found():
    class Buffer(FaultyRecurrence):
        kept: dict = {}

        def forward(self, case):
            outputs, states = super().forward(case)
            kept = self.kept.setdefault((states["S"].shape, states["S"].dtype), np.empty_like(states["S"]))
            kept[...] = states["S"]
            return outputs, {"S": kept}

    failed = {r.id: r.message for r in judged(Buffer(gated, None, CLAIMS)).results if r.status == "failed"}
    assert failed["state.nothing_is_changed"] == "S shares memory with an earlier result"


# ---------------------------------------------------------------- gradients


@recurrence(inputs={"x": "K"}, states={"s": "K"}, outputs={"y": "K"}, parameters={"a": "K"}, heads=False)
def leaky(x, s, p):
    s = p["a"] * s + x
    return s, s


class Leaky:
    """y_t = s_t = a s_(t-1) + x_t, with its gradients written by hand."""

    capabilities = Capabilities(cells=(leaky,), dtypes=("float32", "float64"), gradients=True, default_state=True)

    def forward(self, case):
        s = case.states["s"]
        s = np.zeros_like(case.inputs["x"], shape=case.inputs["x"].shape[1:]) if s is None else s
        outputs = []
        for x in case.inputs["x"]:
            s = case.parameters["a"] * s + x
            outputs.append(s)
        return {"y": np.array(outputs)}, {"s": s.copy()}

    def gradients(self, case, d_outputs, d_states):
        a, x = case.parameters["a"], case.inputs["x"]
        s = np.zeros_like(x, shape=x.shape[1:]) if case.states["s"] is None else case.states["s"]
        before = [s]
        for step in x:
            before.append(a * before[-1] + step)
        d, d_a, d_x = self.start(d_states["s"], x), np.zeros_like(a), np.zeros_like(x)
        for t in reversed(range(len(x))):
            d = d + d_outputs["y"][t]
            d_x[t] = d
            d_a = d_a + (d * before[t]).sum(0)
            d = self.through(a * d, t)
        return {"x": d_x, "s": d, "a": d_a.astype(a.dtype)}

    def start(self, d, x):
        return np.zeros_like(x, shape=x.shape[1:]) if d is None else d

    def through(self, d, t):
        return d


class CutAtChunk(Leaky):
    def through(self, d, t):
        return d * (t % 4 != 0 or t == 0)


class StateNotAsked(Leaky):
    def start(self, d, x):
        return 0 * super().start(d, x)


class NothingToTheState(Leaky):
    def through(self, d, t):
        return d * (t > 0)


class Kinks(Leaky):
    """The same with s_t = max(0, a s_(t-1) + x_t)."""

    def forward(self, case):
        s, outputs = case.states["s"], []
        s = np.zeros_like(case.inputs["x"], shape=case.inputs["x"].shape[1:]) if s is None else s
        for x in case.inputs["x"]:
            s = np.maximum(case.parameters["a"] * s + x, 0)
            outputs.append(s)
        self.alive = np.array(outputs) > 0
        return {"y": np.array(outputs)}, {"s": s.copy()}

    def gradients(self, case, d_outputs, d_states):
        outputs, _ = self.forward(case)
        a, d = case.parameters["a"], d_states["s"]
        start = np.zeros_like(outputs["y"][:1]) if case.states["s"] is None else case.states["s"][None]
        before = np.concatenate([start, outputs["y"]])
        d = np.zeros_like(start[0]) if d is None else d
        d_x, d_a = np.zeros_like(outputs["y"]), np.zeros_like(a)
        for t in reversed(range(len(d_x))):
            d_x[t] = (d + d_outputs["y"][t]) * self.alive[t]
            d_a = d_a + (d_x[t] * before[t]).sum(0)
            d = a * d_x[t]
        return {"x": d_x, "s": d, "a": d_a.astype(a.dtype)}


@pytest.mark.parametrize("seed", range(3))
def test_gradients_with_kinks_conform(seed):
    target = Kinks()
    target.capabilities = replace(Leaky.capabilities, cells=(recurrence(**leaky.shapes),))
    report = judged(target, seed=seed)
    assert report.verdict == "conforms", [(r.id, r.message) for r in report.results if r.status == "failed"]


def test_right_gradients_conform():
    report = judged(Leaky())
    assert report.verdict == "conforms", report.reasons
    assert {"state.gradient_shapes", "state.gradients_are_slopes", "state.gradients_through_the_state"} <= {
        r.id for r in report.results if r.status == "passed"
    }


@pytest.mark.sample
@pytest.mark.parametrize("target", [CutAtChunk, StateNotAsked, NothingToTheState])
def test_wrong_gradients_are_found(target):
    failed = {r.id for r in judged(target()).results if r.status == "failed"}
    assert "state.gradients_are_slopes" in failed and "state.gradients_through_the_state" in failed


# ---------------------------------------------------------------- what is claimed


@pytest.mark.parametrize(
    ("claims", "said"),
    [
        ({"cells": (gated, "LSTM")}, "give recurrences and layers of cells a target each"),
        ({"cells": (gated,), "bidirectional": True}, "bidirectional is said of layers of cells only"),
        ({"packed": True}, "packed is said of recurrences only"),
        ({"cells": (gated,), "sizes": {"H": (3,)}}, "heads, batch, steps, K, V"),
        ({"cells": (gated,), "modes": {"chunk": "chunks"}}, "must be a Mode"),
        ({"cells": (gated,), "modes": {"chunk": {"order": "sideways"}}}, "order is 'sideways'"),
        ({"cells": (gated,), "modes": {"chunk": {"multiple": {"T": 0}}}}, "multiple['T'] is 0"),
        (
            {"cells": (gated,), "modes": {"chunk": {"multiple": {"heads": 2}}}},
            "a multiple of 'heads', must be of T, K, V",
        ),
        ({"cells": (gated,), "state_dtype": "int8"}, "state_dtype is 'int8'"),
    ],
)
def test_claims_that_cannot_be_are_one_line(claims, said):
    with pytest.raises(CapabilityError) as error:
        Capabilities(**claims)
    assert said in str(error.value)


@pytest.mark.sample
def test_states_may_be_wider():
    class Wide(FaultyRecurrence):
        def forward(self, case):
            outputs, states = super().forward(case)
            return outputs, {"S": states["S"].astype(self.given)}

    target = Wide(gated, None, replace(CLAIMS, dtypes=("float16",), state_dtype="float32"))
    target.given = "float32"
    assert judged(target).verdict == "conforms"
    target.given = "float16"
    (result,) = judged(target, properties=["state.dtype"]).results
    assert result.message == "S has dtype float16, must be float32"


@pytest.mark.sample
def test_chunks_have_whole_lengths():
    class Whole(FaultyRecurrence):
        def forward(self, case):
            if case.mode == "chunk":
                assert case.num_steps % 16 == 0 and not (case.row_lengths % 16).any()
            return super().forward(case)

    modes = {"step": Mode(), "chunk": Mode(order="chunks", multiple={"T": 16})}
    report = judged(Whole(gated, None, replace(CLAIMS, modes=modes)))
    assert report.verdict == "conforms", report.reasons


# ---------------------------------------------------------------- files and commands

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

capabilities = {"cells": ["spec.py:gated"], "dtypes": ["float64", "float32"]}

def forward(case):
    S, outputs = case.states["S"].copy(), []
    for q, k, v, g in zip(*(case.inputs[name] for name in "qkvg")):
        S = np.exp(g)[..., None] * S + k[..., None] * v[..., None, :]
        outputs.append((q[..., None] * S).sum(-2))
    return {"o": np.array(outputs)}, {"S": S}
"""
RNN = Path(sys.executable).with_name("rnn-conformance")
SCHEMAS = Path(html.__file__).parent / "schemas"


@pytest.fixture
def spec():
    Path("spec.py").write_text(SPEC)
    Path("right.py").write_text(TARGET)
    Path("wrong.py").write_text(TARGET.replace('{"S": S}', '{"S": 2 * S}'))


def run(*words):
    return subprocess.run([RNN, *words], capture_output=True, text=True, timeout=120)


@pytest.mark.sample
def test_a_file_is_judged_saved_and_replayed(spec):
    assert run("check", "right.py", "-n", "1").returncode == 0
    found = run("check", "wrong.py", "-n", "1", "--property", "state.split", "--json", "r.json")
    assert found.returncode == 1
    assert "the states that are handed on count twice" in found.stdout
    (file,) = Path(".rnn-conformance").rglob("*.json")
    data = json.loads(file.read_text())
    assert data["schema"] == 3
    jsonschema.validate(data, json.loads((SCHEMAS / "counterexample.json").read_text()))
    jsonschema.validate(json.loads(Path("r.json").read_text()), json.loads((SCHEMAS / "report.json").read_text()))
    still = run("replay", str(file), "wrong.py")
    assert still.returncode == 1
    assert "then: " not in still.stdout and re.search(r"^\(and \d more that measure rounding\)$", still.stdout, re.M)
    holds = run("replay", str(file), "right.py")
    assert holds.returncode == 0 and "then: " not in holds.stdout + found.stdout
    assert max(np.prod(array["shape"]) for array in data["case"]["inputs"].values()) <= 4


def test_a_mode_that_is_gone_says_nothing(spec):
    moded = TARGET.replace("capabilities = {", 'capabilities = {"modes": {"chunk": {}}, ')
    Path("moded.py").write_text(moded.replace('{"S": S}', '{"S": 2 * S}'))
    assert run("check", "moded.py", "-n", "1", "--property", "state.split").returncode == 1
    (file,) = Path(".rnn-conformance").rglob("*.json")
    Path("mended.py").write_text(moded)
    assert run("replay", str(file), "mended.py").returncode == 0
    Path("other.py").write_text(moded.replace("chunk", "other"))
    told = run("replay", str(file), "other.py")
    assert "mistake of this kit" not in told.stderr, told.stderr


def test_sizes_by_letter_cross_to_another_process(spec):
    claims = '"dtypes": ["float64", "float32"]'
    Path("sized.py").write_text(TARGET.replace(claims, f'{claims}, "sizes": {{"K": [2, 4], "batch": [2]}}'))
    assert run("check", "sized.py", "-n", "1", "--property", "state.shapes").returncode == 0
    Path("sized.py").write_text(TARGET.replace(claims, f'{claims}, "sizes": {{"H": [2]}}'))
    told = run("check", "sized.py", "-n", "1")
    assert told.returncode == 2 and "sizes has 'H', must be of heads, batch, steps, K, V" in told.stderr


@pytest.mark.sample
def test_a_broken_file_is_one_line(spec):
    run("check", "wrong.py", "-n", "1", "--property", "state.split")
    (file,) = Path(".rnn-conformance").rglob("*.json")
    data = json.loads(file.read_text())
    for change in ({"inputs": {}}, {"offsets": [0, "x"]}, {"config": {}}, {"mode": 3}):
        file.write_text(json.dumps(data | {"case": data["case"] | change}))
        told = run("replay", str(file), "wrong.py")
        assert told.returncode == 2 and "it does not describe a case" in told.stderr, told.stderr


@pytest.mark.sample
def test_commands_speak_of_recurrences(spec):
    shown = run("trace", "wrong.py")
    assert shown.returncode == 1 and "<-- first" in shown.stdout
    assert run("trace", "right.py").returncode == 0
    assert "(T, N, M, K)" in run("shapes", "right.py").stdout
    told = run("cell", "spec.py:gated").stdout
    assert "GATED" in told and "in what is handed on" in told


@pytest.mark.sample
@pytest.mark.parametrize("sizes", ['{"steps": [6]}', '{"K": [16], "heads": [4], "batch": [3]}'])
def test_what_is_shown_has_the_sizes_that_are_claimed(spec, sizes):
    claims = '"dtypes": ["float64", "float32"]'
    allowed = "    sizes = {'steps': len(case.inputs['q']), 'batch': case.inputs['q'].shape[1], **case.config.sizes}\n"
    check = f"    assert all(sizes[name] in allowed for name, allowed in {sizes}.items() if name != 'heads')\n"
    text = TARGET.replace(claims, f'{claims}, "sizes": {sizes}').replace("    S, out", f"{allowed}{check}    S, out")
    Path("sized.py").write_text(text)
    shown = run("trace", "sized.py")
    assert shown.returncode == 0, shown.stdout
    assert str(json.loads(sizes).get("K", [6])[0]) in run("shapes", "sized.py").stdout


def test_a_trace_of_a_mode_that_is_gone_is_refused(spec):
    Path("moded.py").write_text(TARGET.replace("capabilities = {", 'capabilities = {"modes": {"chunk": {}}, '))
    Path("wrong.py").write_text(Path("moded.py").read_text().replace('{"S": S}', '{"S": 2 * S}'))
    run("check", "wrong.py", "-n", "1", "--property", "state.split")
    (file,) = Path(".rnn-conformance").rglob("*.json")
    told = run("trace", "right.py", "--case", str(file))
    assert told.returncode == 2 and "its mode is 'chunk', must be one of None" in told.stderr


def test_no_answer_is_no_right_answer(spec):
    Path("silent.py").write_text(TARGET.replace("    S, out", "    raise ValueError('no')\n    S, out"))
    told = run("check", "silent.py", "-n", "1", "--property", "state.shapes").stdout
    assert (
        "raised ValueError: no" in told
        and "in every call" in " ".join(told.split())
        and "those of the equations" not in told
    )


def test_a_hunt_derives_no_mutants_of_recurrences():
    assert surviving_mutants(CLAIMS, catalogue(), 10, 0, True, None, float("inf")) == (0, [])


COMMAND = """
import json, sys
import numpy as np
from right import forward

class Case:
    pass

def array(given):
    return None if given is None else np.array([float(n) for n in given["data"]]).reshape(given["shape"])

def tensor(a):
    return {"shape": list(a.shape), "data": ["NaN" if n != n else n for n in a.ravel().tolist()]}

for line in sys.stdin:
    request = json.loads(line)
    if request["do"] == "stop":
        break
    if request["do"] == "start":
        print(json.dumps({"capabilities": {"cells": ["spec.py:gated"], "dtypes": ["float64"]}}), flush=True)
        continue
    assert request["schema"] == 2
    case = Case()
    case.inputs, case.states = ({n: array(a) for n, a in request[kind].items()} for kind in ("inputs", "states"))
    outputs, states = forward(case)
    print(json.dumps({"outputs": {n: tensor(a) for n, a in outputs.items()},
                      "states": {n: tensor(a) for n, a in states.items()}}), flush=True)
"""


@pytest.mark.sample
def test_a_recurrence_in_another_language(spec):
    Path("command.py").write_text(COMMAND)
    command = f"cmd: {sys.executable} command.py"
    found = run("check", command, "-n", "1", "--property", "state")
    assert found.returncode == 0, found.stdout
    Path("right.py").write_text(TARGET.replace("np.exp(g)", "np.exp(2 * g)"))
    assert run("check", command, "-n", "1", "--property", "state.equations").returncode == 1


@pytest.mark.sample
def test_requests_keep_to_the_schema(spec):
    from conformance.harness.command import request
    from strategies.recurrences import Sequences

    schema = json.loads((Path(conformance.__file__).parent / "harness/schemas/protocol.json").read_text())
    for case in Sequences((gated,), arranged=("padded", "lengths", "packed"), stateless=None).covering(0):
        message = json.loads(json.dumps(request("forward", case, {})))
        jsonschema.validate(message, schema | {"$ref": "#/$defs/request"})
        message = json.loads(json.dumps(request("gradients", case, {"d_outputs.o": None, "d_states.S": None})))
        jsonschema.validate(message, schema | {"$ref": "#/$defs/request"})


def test_another_interpreter_needs_nothing_of_the_kit(spec):
    code = "import sys; sys.exit('reference_rnn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
    assert run("check", f"python={sys.executable} right.py", "-n", "1", "--property", "state.split").returncode == 0


@pytest.mark.sample
@pytest.mark.parametrize("in_process", [True, False])
def test_layers_have_the_names_of_recurrences_too(in_process):
    text = """
capabilities = {"cells": ["LSTM", "GRU"]}

def forward(case):
    from conformance.adapters import reference
    assert list(case.inputs) == ["x"] and case.inputs["x"] is case.x
    assert list(case.states) == ["h", "c"][: case.config.num_states]
    assert all(one is other for one, other in zip(case.states.values(), (case.h_0, case.c_0)))
    return reference.forward(case)
"""
    Path("named.py").write_text(text)
    report = judged("named.py", properties=["equivalence.steps"], in_process=in_process)
    assert report.verdict == "conforms", report.results[0].message
