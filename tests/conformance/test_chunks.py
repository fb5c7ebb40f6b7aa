"""Mistakes at the ends of chunks of steps and of blocks of rows and units: each is named."""

import numpy as np
import pytest

from conformance import Capabilities, check
from conformance.adapters import reference
from conformance.adapters.reference import as_case
from conformance.faults import FaultyReference
from conformance.faults.blocks import from_each_step
from conformance.faults.operators import faults_of
from conformance.judging.metamorphic import steps
from reference_rnn import case

LONG = 16


class Restarted:
    """Each chunk of steps starts from zeros."""

    capabilities = Capabilities(cells=("GRU",))

    def forward(self, case):
        case, parts = as_case(case), []
        for start in range(0, case.num_steps, LONG):
            case = case.replace(h_0=0 * case.h_0) if start else case
            output, h_n = reference.forward(steps(case, start, min(start + LONG, case.num_steps)))
            parts.append(output)
        return (np.concatenate(parts), h_n) if parts else reference.forward(case)


class Truncated:
    """Gradients go back to the start of a chunk of eight steps, and no farther."""

    capabilities = Capabilities(cells=("RNN_TANH",), gradients=True)
    forward = staticmethod(reference.forward)

    def gradients(self, case, d_output, d_h_n, d_c_n):
        case, found, state = as_case(case), [], case.h_0
        for start in range(0, max(case.num_steps, 1), LONG // 2):
            end = min(start + LONG // 2, case.num_steps)
            part = steps(case, start, end).replace(h_0=state)
            d = None if d_output is None else d_output[start:end]
            found.append(reference.gradients(part, d, d_h_n if end == case.num_steps else None, None))
            state = found[-1]["h_n"]
        parameters = {name: sum(each[name] for each in found) for name in case.parameters}
        x = np.concatenate([each["x"] for each in found])
        output = np.concatenate([each["output"] for each in found])
        return {**parameters, "x": x, "h_0": found[0]["h_0"], "output": output, "h_n": state}


class LastSteps:
    """Gradients come from the last twenty steps alone; that of the state before these is handed out for h_0's."""

    capabilities = Capabilities(cells=("RNN_TANH",), gradients=True)
    forward = staticmethod(reference.forward)

    def gradients(self, case, d_output, d_h_n, d_c_n):
        case = as_case(case)
        start = max(case.num_steps - 20, 0)
        _, state = reference.forward(steps(case, 0, start)) if start else (None, case.h_0)
        last = steps(case, start, case.num_steps).replace(h_0=state)
        found = reference.gradients(last, None if d_output is None else d_output[start:], d_h_n, None)
        output, h_n = reference.forward(case)
        x = np.concatenate([np.zeros_like(case.x[:start]), found["x"]])
        return {**found, "x": x, "output": output, "h_n": h_n}


class MovedBack:
    """Rows are stepped four at a time; the last four overlap with others that have had this step."""

    capabilities = Capabilities(cells=("LSTM",))

    def forward(self, case):
        case, output = as_case(case), []
        twice = range(case.num_rows - 4, case.num_rows // 4 * 4)
        for t in range(case.num_steps):
            _, states = reference.forward(steps(case, t, t + 1))
            if case.num_rows > 4 and case.num_rows % 4:
                _, again = reference.forward(steps(case, t, t + 1).replace(h_0=states[0], c_0=states[1]))
                for state, other in zip(states, again):
                    state[:, twice] = other[:, twice]
            case = case.replace(h_0=states[0], c_0=states[1])
            output.append(states[0][0])
        return (np.stack(output), (case.h_0, case.c_0)) if output else reference.forward(case)


class FirstRows:
    """Rows are stepped four at a time, each from the state of the row in its place among the first four."""

    capabilities = Capabilities(cells=("LSTM",))

    def forward(self, case):
        case, output = as_case(case), []
        first = np.arange(case.num_rows) % 4
        for t in range(case.num_steps):
            before = case.replace(h_0=case.h_0[:, first], c_0=case.c_0[:, first])
            _, (h_n, c_n) = reference.forward(steps(before, t, t + 1))
            case = case.replace(h_0=h_n, c_0=c_n)
            output.append(h_n[0])
        return (np.stack(output), (case.h_0, case.c_0)) if output else reference.forward(case)


class InPlace:
    """A unit reads what those before it have become."""

    capabilities = Capabilities(cells=("RNN_RELU",))

    def forward(self, case):
        case, output = as_case(case), []
        for t in range(case.num_steps):
            new = case.h_0.copy()
            for unit in range(case.config.hidden_size):
                _, after = reference.forward(steps(case, t, t + 1).replace(h_0=new))
                new[..., unit] = after[..., unit]
            case = case.replace(h_0=new)
            output.append(new[0])
        return (np.stack(output), case.h_0) if output else reference.forward(case)


class SortedBack:
    """Rows are sorted for the way back, but a loss on their final states as if it were sorted already."""

    capabilities = Capabilities(cells=("GRU",), gradients=True, lengths=True)
    forward = staticmethod(reference.forward)

    def gradients(self, case, d_output, d_h_n, d_c_n):
        back = np.argsort(np.argsort(-as_case(case).row_lengths, kind="stable"))
        return reference.gradients(case, d_output, None if d_h_n is None else d_h_n[:, back[back]], None)


SIZES = "equivalence.sizes"
NAMED = {
    FirstRows: (
        SIZES,
        "rows are taken in blocks of 4, and each reads the state of the row in its place in the first block",
    ),
    InPlace: ("equivalence.steps", "each unit reads the new states of those before it"),
    LastSteps: (
        "gradients.sizes",
        "only the last 20 steps that are computed have gradients, and what they hand back is taken for the gradient of"
        " the initial state",
    ),
    MovedBack: (SIZES, "rows are taken in blocks of 4, the last is moved back to be whole, and steps once more"),
    Restarted: (SIZES, "the state starts from zero in each chunk of 16 steps"),
    SortedBack: (
        "gradients.back_propagation",
        "a loss on the final states is sorted back where it should be sorted with the rows",
    ),
    Truncated: ("gradients.sizes", "gradients of the state do not go back beyond the start of a chunk of 8 steps"),
}


@pytest.mark.sample
@pytest.mark.parametrize("target", NAMED)
def test_it_is_named(target):
    prop, title = NAMED[target]
    (finding,) = check(target, properties=[prop]).diagnosis
    assert finding.exact and finding.title == title and finding.patch


SOMETIMES = {
    "up to sixty steps": lambda case: case.num_steps <= 60,
    "in one layer": lambda case: case.config.num_layers == 1,
    "of few units": lambda case: case.config.hidden_size < 8,
    "of few rows": lambda case: case.num_rows <= 4,
    "in float32": lambda case: case.config.dtype == "float32",
}


@pytest.mark.sample
@pytest.mark.parametrize("said", SOMETIMES)
def test_what_is_made_in_some_calls_alone_has_no_name(said):
    class Sometimes(Restarted):
        capabilities = Capabilities(cells=("GRU",), max_layers=3, dtypes=("float32", "float64"))

        def forward(self, case):
            case = as_case(case)
            return super().forward(case) if SOMETIMES[said](case) else reference.forward(case)

    findings = check(Sometimes, properties=[SIZES]).diagnosis
    assert findings and all(finding.fault.startswith("measured.") for finding in findings)
    assert said != "up to sixty steps" or "T > " not in findings[0].title


@pytest.mark.parametrize("at", [0, 3])
def test_what_steps_hand_back_to_parameters_is_told_apart_in_both_directions(at):
    """Where x is 0 but at one step, the gradient of weight_ih is that of this step alone."""
    given = case("GRU", T=5, N=2, I=2, H=3, D=2, dtype="float64", weight_ih_l0=0.5, h_0=0.25)
    given = given.replace(x=np.where(np.arange(5)[:, None, None] == at, 0.5, np.zeros((5, 2, 2))))

    def gradients(*kept):
        changes = [("gradients", from_each_step("some steps", f"one * (t in {kept})"))]
        (fault,) = faults_of("some", "second-path", "gradients.back_propagation", changes).values()
        return FaultyReference(fault).gradients(given, d_h_n=np.ones((2, 2, 3)))

    right, of_it, of_others = gradients(*range(5)), gradients(at), gradients(*{*range(5)} - {at})
    for name in ("weight_ih_l0", "weight_ih_l0_reverse"):
        assert right[name].any() and (of_it[name] == right[name]).all() and not of_others[name].any()
    for name in ("weight_hh_l0", "weight_hh_l0_reverse", "bias_ih_l0", "bias_hh_l0_reverse"):
        assert np.allclose(of_it[name] + of_others[name], right[name]) and of_it[name].any() and of_others[name].any()


@pytest.mark.sample
def test_chunks_that_the_reverse_direction_goes_through_in_time_are_named():
    class InTime:
        capabilities = Capabilities(bidirectional="only")

        @staticmethod
        def forward(case):
            case = as_case(case)
            output, h_n = reference.forward(case)
            order = sorted(range(case.num_steps), key=lambda t: (-(t // 4), t))
            there = {name: case.parameters[f"{name}_reverse"] for name in case.parameters if name.endswith("l0")}
            alone = case.replace(bidirectional=False, parameters=there, x=case.x[order], h_0=case.h_0[1:])
            half, final = reference.forward(alone)
            output[order, :, case.config.hidden_size :] = half
            return output, np.concatenate([h_n[:1], final])

    report = check(InTime, properties=["equivalence.steps", SIZES], workers=1, in_process=True)
    title = "the reverse direction takes chunks of 4 steps from the last on, but goes on in time within each"
    assert [finding.title for finding in report.diagnosis] == [title]


@pytest.mark.sample
def test_a_weight_that_has_the_gradient_of_one_chunk_is_named():
    class LastChunk:
        capabilities = Capabilities(gradients=True)
        forward = staticmethod(reference.forward)

        @staticmethod
        def gradients(case, d_output, d_h_n, d_c_n):
            case = as_case(case)
            found = reference.gradients(case, d_output, d_h_n, d_c_n)
            start = max(case.num_steps - 1, 0) // 4 * 4
            if start:
                before = reference.forward(steps(case, 0, start))[1]
                last = steps(case, start, case.num_steps).replace(h_0=before)
                d = None if d_output is None else d_output[start:]
                found["weight_ih_l0"] = reference.gradients(last, d, d_h_n, d_c_n)["weight_ih_l0"]
            return found

    report = check(LastChunk, properties=["gradients.back_propagation"], workers=1, in_process=True)
    title = "weight_ih has a gradient from the last chunk of 4 steps alone"
    assert [finding.title for finding in report.diagnosis] == [title]
