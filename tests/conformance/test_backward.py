"""Mistakes in the gradients of any cell follow from its equations: each is told apart, found, and named."""

import numpy as np
import pytest

from conformance import Capabilities, check
from conformance.adapters import reference
from conformance.adapters.reference import as_case
from conformance.diagnosis.faulty import FaultyTarget
from conformance.faults.backward import answer, backward, drawn
from conformance.faults.patching import FaultyReference
from reference_rnn import CELLS, cell_of

TITLES = {
    "the gradient of c in f * c is multiplied by 1, not by f (LSTM)",
    "the gradient of f in f * c is multiplied by the new c, not by c (LSTM)",
    "the slope of tanh in h is 1 - y (LSTM)",
    "no gradient goes back to c in the result (LSTM)",
    "what goes from one step back to the one before is cut off at 1 each way (LSTM)",
    "the gradient of weight_hh is taken with the state after each step, not before it (LSTM)",
    "the gradient of weight_hh in the forward direction lacks the first step (LSTM)",
    "the gradient of weight_hh has its gates in the order i, g, f, o (LSTM)",
    "the gradient of each parameter has its gates in the order i, f, o, g (LSTM)",
    "the gradient of o in o * tanh(c) is multiplied by tanh(c) of the step before (LSTM)",
    "what goes back into h of a step is cut off at 1 each way (LSTM)",
    "the gradient of weight_hh lacks each row's first step (LSTM)",
    "nothing goes back into each row's first step (LSTM)",
    "the gradient of each parameter lacks the first step (LSTM)",
    "the gradient of g in i * g is multiplied by i and f, not by i (LSTM)",
    "i * g is computed in the place of g, which the way back finds there (LSTM)",
}


def test_the_gradients_of_a_cell_have_their_mistakes():
    assert {fault.title for fault in backward(cell_of("LSTM")).values()} >= TITLES


@pytest.mark.sample
@pytest.mark.parametrize("cell", CELLS)
def test_only_gradients_show_them_and_each_is_told_apart(cell):
    cell = cell_of(cell)
    mistakes = backward(cell)
    assert len(mistakes) > 40 and all(fault.backward_only and fault.about(cell) for fault in mistakes.values())
    case = drawn(cell)
    numbers = {answer(FaultyReference(fault), case) for fault in mistakes.values()}
    assert len(numbers) == len(mistakes) and answer(FaultyReference(), case) not in numbers


@pytest.mark.parametrize("title", sorted(TITLES)[::2])
@pytest.mark.sample
def test_it_is_named_where_nobody_has_written_it_down(title):
    (fault,) = (fault for fault in backward(cell_of("LSTM")).values() if fault.title == title)
    report = check(FaultyTarget(fault, cells=("LSTM",)), properties=["gradients.back_propagation"])
    assert report.diagnosis[0].exact and report.diagnosis[0].title == title


@pytest.mark.sample
def test_a_parameter_that_gets_the_gradient_of_another_one_is_named():
    class Same:
        """Both biases get the gradient of bias_ih, which is right where no gate stands before bias_hh."""

        capabilities = Capabilities(cells=("GRU",), bidirectional=True, max_layers=None, gradients=True)
        forward = staticmethod(reference.forward)

        @staticmethod
        def gradients(case, d_output, d_h_n, d_c_n):
            found = reference.gradients(case, d_output, d_h_n, d_c_n)
            return found | {name: found[name.replace("_hh", "_ih")] for name in found if name.startswith("bias_hh")}

    report = check(Same, properties=["gradients.back_propagation"])
    assert [finding.title for finding in report.diagnosis] == ["the gradient of bias_hh is that of bias_ih (GRU)"]


def test_it_is_named_in_code_that_is_not_the_reference():
    class Slope:
        """One layer, one direction: the slope of tanh is taken for 1 - h."""

        capabilities = Capabilities(gradients=True)
        forward = staticmethod(reference.forward)

        @staticmethod
        def gradients(case, d_output, d_h_n, d_c_n):
            p, states = case.parameters, [case.h_0[0], *reference.forward(case)[0]]
            W, U = p["weight_ih_l0"], p["weight_hh_l0"]
            found = {name: np.zeros_like(array) for name, array in p.items()} | {"x": np.zeros_like(case.x)}
            d = np.zeros_like(states[0]) if d_h_n is None else d_h_n[0]
            for t in reversed(range(len(case.x))):
                h = states[t + 1]
                dz = (d + (0 if d_output is None else d_output[t])) * (1 - h)
                found["weight_ih_l0"] += dz.T @ case.x[t]
                found["weight_hh_l0"] += dz.T @ states[t]
                found["bias_ih_l0"] += dz.sum(0)
                found["bias_hh_l0"] += dz.sum(0)
                found["x"][t], d = dz @ W, dz @ U
            return found | {"h_0": d[None]}

    report = check(Slope, properties=["gradients.back_propagation"])
    assert [finding.title for finding in report.diagnosis] == ["the slope of tanh in the result is 1 - y (RNN_TANH)"]


@pytest.mark.sample
def test_a_projection_whose_gradient_is_that_of_one_step_is_said():
    class First:
        """The gradient of weight_hr is that of the step that is gone through last, not the sum of all."""

        capabilities = Capabilities(cells=("LSTM",), projections=True, gradients=True)
        forward = staticmethod(reference.forward)

        @staticmethod
        def gradients(case, d_output, d_h_n, d_c_n):
            found = reference.gradients(case, d_output, d_h_n, d_c_n)
            if not case.config.proj_size or len(case.x) < 2:
                return found
            later = as_case(case).replace(x=case.x[1:], **dict(zip(("h_0", "c_0"), after_one_step(as_case(case)))))
            rest = reference.gradients(later, None if d_output is None else d_output[1:], d_h_n, d_c_n)
            first = found["weight_hr_l0"] - rest["weight_hr_l0"]
            return found | {"weight_hr_l0": np.round(first * 2**12) / 2**12}  # else a last bit of the others is left

    report = check(First, properties=["gradients.back_propagation"])
    [finding] = report.diagnosis
    assert finding.fault == "measured.backward"
    assert "the gradient of weight_hr sees nothing from step 1 on" in finding.title


def after_one_step(case):
    """The states after the first step."""
    states = reference.forward(case.replace(x=case.x[:1]))[1]
    return [np.asarray(state, case.config.numpy_dtype) for state in states]


# What the gradient of a bias of one gate is, of one step, by hand: dc is what comes back to the new c.
BY_HAND = {
    "the gradient of f in f * c is multiplied by c and i, not by c": ("f", lambda i, f, g, c: c * i * f * (1 - f)),
    "the gradient of g in i * g is multiplied by i and f, not by i": ("g", lambda i, f, g, c: i * f * (1 - g * g)),
    "f * c is computed in the place of f, which the way back finds there": (
        "f", lambda i, f, g, c: c * (f * c) * (1 - f * c)
    ),
    "i * g is computed in the place of g, which the way back finds there": (
        "i", lambda i, f, g, c: i * g * i * (1 - i)
    ),
}  # fmt: skip


@pytest.mark.parametrize("title", BY_HAND)
def test_a_mistake_is_what_it_says(title):
    (fault,) = (one for one in backward(cell_of("LSTM")).values() if one.title == f"{title} (LSTM)")
    gate, by_hand = BY_HAND[title]
    given = drawn(cell_of("LSTM"))
    p = {name: a for name, a in given.parameters.items() if name.endswith("l0")}
    given = given.replace(
        num_layers=1, bidirectional=False, parameters=p, x=given.x[:1], h_0=given.h_0[:1], c_0=given.c_0[:1],
        lengths=None,
    )  # fmt: skip
    z = given.x[0] @ p["weight_ih_l0"].T + given.h_0[0] @ p["weight_hh_l0"].T + p["bias_ih_l0"] + p["bias_hh_l0"]
    z_i, z_f, z_g, _ = np.split(z, 4, 1)
    i, f, g = 1 / (1 + np.exp(-z_i)), 1 / (1 + np.exp(-z_f)), np.tanh(z_g)
    dc = np.arange(1.0, 1 + given.c_0[0].size).reshape(given.c_0[0].shape)
    found = FaultyReference(fault).gradients(given, d_c_n=dc[None])["bias_ih_l0"]
    wanted = (dc * by_hand(i, f, g, given.c_0[0])).sum(0)
    np.testing.assert_allclose(np.split(found, 4)["ifg".index(gate)], wanted, rtol=1e-12)


@pytest.mark.sample
def test_what_magnifies_rounding_is_named_all_the_same():
    """The slope at r h is taken where it must be that at r, which may be large: in float32 all of it is rounding."""
    (overwritten,) = (one for one in backward(cell_of("GRU_RESET_BEFORE")).values() if ".overwritten." in one.id)

    class InPlace:
        capabilities = Capabilities(cells=("GRU_RESET_BEFORE",), max_layers=None, gradients=True)
        forward = staticmethod(reference.forward)

        @staticmethod
        def gradients(case, d_output, d_h_n, d_c_n):
            dtype = case.config.numpy_dtype
            found = FaultyReference(overwritten, dtype=dtype.name).gradients(as_case(case), d_output, d_h_n)
            return {name: array.astype(dtype) for name, array in found.items()}

    report = check(InPlace, properties=["gradients.back_propagation"], workers=1, in_process=True)
    assert [finding.title for finding in report.diagnosis] == [overwritten.title]


@pytest.mark.sample
def test_of_a_loss_that_a_target_does_not_take_nothing_is_said():
    class OutputOnly:
        capabilities = Capabilities(max_layers=None, gradients=True, cotangents=("d_output",))
        forward = staticmethod(reference.forward)

        @staticmethod
        def gradients(case, d_output, d_h_n, d_c_n):
            assert d_h_n is None and d_c_n is None
            found = reference.gradients(case, d_output, None, None)
            return {name: array / 2 if name.startswith("bias_hh") else array for name, array in found.items()}

    report = check(OutputOnly, properties=["gradients.back_propagation"], workers=1, in_process=True)
    assert [finding.title for finding in report.diagnosis] == ["the gradient of bias_hh counts half"]
    assert not any("no result" in line for line in report.known)
