"""Each property of gates rejects what it is about, and accepts what is right."""

from dataclasses import replace

import numpy as np
import pytest

from conformance import Capabilities, check
from conformance.adapters import reference
from conformance.chapters import catalogue
from conformance.diagnosis.faulty import FaultyTarget
from conformance.faults import Fault

GRUS = ("GRU", "GRU_RESET_BEFORE")
FUNCTIONS = {"GRU": "gru", "GRU_RESET_BEFORE": "gru_reset_before", "LSTM": "lstm"}
MIX = "return mix(z, n, h)"
AFTER = "n = tanh(linear(x, N.W_ih, N.b_ih) + r * q)"
BEFORE = "n = tanh(affine(x, N.W_ih, r * h, N.W_hh, N.b_ih, N.b_hh))"
PRODUCT = "q = linear(h, N.W_hh, N.b_hh)"
CELL = "c = f * c + i * g"
HIDDEN = "h = o * tanh(c)"

# A property; the mistake; the cells that make it; what is patched and how.
WRONG = [
    ("update_gate_holds", "z for 1 - z", GRUS, MIX, "return mix(1 - z, n, h)"),
    ("update_gate_holds", "the state that is kept has been reset", GRUS, MIX, "return mix(z, n, r * h)"),
    ("update_gate_renews", "part of the state goes past the update gate", GRUS, MIX, f"{MIX} + h / 64"),
    ("update_gate_renews", "z for 1 - z", GRUS, MIX, "return mix(1 - z, n, h)"),
    ("reset_gate_hides_the_state", "b_hn outside of the reset product", ("GRU",), f"{PRODUCT}\n    {AFTER}",
     "n = tanh(linear(x, N.W_ih, N.b_ih) + r * linear(h, N.W_hh, 0 * N.b_hh) + N.b_hh)"),
    ("reset_gate_hides_the_state", "reset before for after", ("GRU",), AFTER, BEFORE),
    ("reset_gate_hides_the_state", "no reset", ("GRU",), AFTER, AFTER.replace("r * q", "q")),
    ("reset_gate_hides_the_state", "no reset", ("GRU_RESET_BEFORE",), BEFORE, BEFORE.replace("r * h", "h")),
    ("reset_gate_hides_the_state", "1 - r for r", ("GRU_RESET_BEFORE",), BEFORE, BEFORE.replace("r *", "(1 - r) *")),
    ("open_gru_is_a_plain_rnn", "no b_hn", ("GRU",), PRODUCT, "q = linear(h, N.W_hh, 0 * N.b_hh)"),
    ("open_gru_is_a_plain_rnn", "no b_hn", ("GRU_RESET_BEFORE",), BEFORE, BEFORE.replace("N.b_hh)", "0 * N.b_hh)")),
    ("open_gru_is_a_plain_rnn", "a sigmoid for the candidate", GRUS, "    n = tanh(", "    n = sigmoid("),
    ("open_gru_is_a_plain_rnn", "1 - r for r", ("GRU",), AFTER, AFTER.replace("r * q", "(1 - r) * q")),
    ("forget_gate_holds", "the forget gate acts on the new term", ("LSTM",), CELL, "c = i * c + f * g"),
    ("forget_gate_holds", "the cell state goes through tanh", ("LSTM",), CELL, "c = tanh(f * c) + i * g"),
    ("forget_gate_forgets", "the forget gate acts on the new term", ("LSTM",), CELL, "c = i * c + f * g"),
    ("forget_gate_forgets", "nothing is forgotten", ("LSTM",), CELL, "c = c + i * g"),
    ("output_gate_silences", "no output gate", ("LSTM",), HIDDEN, "h = tanh(c)"),
    ("output_gate_silences", "o and g in the order g, o", ("LSTM",), "I, F, G, O = ", "I, F, O, G = "),
    ("cell_state_counts", "one gate for both, as in a coupled cell", ("LSTM",), CELL, "c = f * c + (1 - f) * g"),
    ("cell_state_counts", "the cell state is clipped at 3", ("LSTM",), CELL, f"c = np.clip({CELL[4:]}, -3, 3)"),
]  # fmt: skip


def mistaken(cell, old, new):
    """The reference with a mistake in one cell, which it claims alone."""
    return FaultyTarget(Fault("wrong", "", "", FUNCTIONS[cell], old, new, ()), cells=(cell,))


CASES = [(name, f"{title} ({cell})", cell, old, new) for name, title, cells, old, new in WRONG for cell in cells]


@pytest.mark.sample
@pytest.mark.parametrize(
    ("name", "cell", "old", "new"),
    [pytest.param(name, cell, old, new, id=f"{name}: {title}") for name, title, cell, old, new in CASES],
)
def test_a_mistake_is_rejected_by_the_property_that_is_about_it(name, cell, old, new):
    (result,) = check(mistaken(cell, old, new), properties=[f"gates.{name}"], diagnosis=False).results

    assert result.status == "failed"
    assert result.message and f"case('{cell}'" in result.counterexample


def test_every_property_of_gates_has_its_mistake():
    about = {id.removeprefix("gates.") for id in catalogue() if id.startswith("gates.")}

    assert about == {name for name, *_ in WRONG}


# What is right as far as a property says

INNOCENT = [
    ("open_gru_is_a_plain_rnn", "GRU", AFTER, BEFORE),  # with the reset gate at 1 both are the same
    ("update_gate_holds", "GRU", AFTER, AFTER.replace("r * q", "q")),
    ("update_gate_renews", "GRU_RESET_BEFORE", BEFORE, BEFORE.replace("r * h", "h")),
    ("forget_gate_holds", "LSTM", HIDDEN, "h = tanh(c)"),
    ("cell_state_counts", "LSTM", HIDDEN, "h = tanh(c)"),
    ("output_gate_silences", "LSTM", CELL, "c = i * c + f * g"),
]


@pytest.mark.parametrize(("name", "cell", "old", "new"), INNOCENT, ids=[name for name, *_ in INNOCENT])
def test_a_property_says_nothing_about_other_gates(name, cell, old, new):
    (result,) = check(mistaken(cell, old, new), properties=[f"gates.{name}"], diagnosis=False).results

    assert result.status == "passed"


def test_the_reference_has_right_gates_in_every_dtype():
    report = check(reference, properties=["gates"], diagnosis=False)

    assert {result.status for result in report.results} == {"passed"}, report.reasons
    assert all(result.examples >= 30 for result in report.results)


def test_torch_has_right_gates():
    pytest.importorskip("torch")
    from conformance.adapters import pytorch

    def forward(case):
        return pytorch.forward(case)

    forward.capabilities = replace(pytorch.capabilities, dtypes=("float32", "bfloat16"))
    report = check(forward, properties=["gates"], diagnosis=False, budget=0.1)

    assert {result.status for result in report.results} == {"passed"}, report.reasons


def test_gates_are_not_claimed_by_plain_cells():
    def forward(case):
        raise AssertionError("nobody should call this")

    forward.capabilities = Capabilities(cells=("RNN_TANH", "RNN_RELU"))
    report = check(forward, properties=["gates"], diagnosis=False)

    assert {result.status for result in report.results} == {"not_claimed"}


def test_with_one_bias_gates_are_judged_too():
    def forward(case):
        assert not any(bias.any() for name, bias in case.parameters.items() if name.startswith("bias_hh"))
        return reference.forward(case)

    forward.capabilities = Capabilities(cells=(*GRUS, "LSTM"), biases="one", projections=True)
    report = check(forward, properties=["gates"], diagnosis=False)

    assert {result.status for result in report.results} == {"passed"}, report.reasons


def test_a_gru_without_b_hn_is_right_where_that_is_claimed():
    def forward(case):
        H = case.config.hidden_size
        assert not any(array[2 * H :].any() for name, array in case.parameters.items() if name.startswith("bias_hh"))
        return reference.forward(case)

    forward.capabilities = Capabilities(cells=GRUS, biases="no b_hn", dtypes=("float32", "float64"))
    statuses = {result.id: result.status for result in check(forward, properties=["gates"], diagnosis=False).results}

    assert list(statuses.values()).count("passed") == 4 and list(statuses.values()).count("not_claimed") == 4


def test_a_sigmoid_that_never_reaches_1_is_rejected():
    """As one that is clipped for safety."""

    def clipped(case):
        output, h_n = reference.forward(case)
        return output * np.float32(0.999), h_n

    clipped.capabilities = Capabilities(cells=("GRU",))
    (result,) = check(clipped, properties=["gates.update_gate_holds"], diagnosis=False).results

    assert result.status == "failed" and result.message.startswith("output[0, 0, 0] is")
