"""A mistake in the equations that nobody has written down is found from one step, with its numbers, as a diff."""

import numpy as np
import pytest

from conformance import Capabilities, check, from_cell
from conformance.adapters import reference
from conformance.diagnosis.asking import Bench
from conformance.diagnosis.faulty import FaultyTarget
from conformance.diagnosis.rewriting import candidates, rewritten
from conformance.diagnosis.work import Work
from conformance.faults.patching import patched_source
from conformance.harness.load import open_target
from conformance.judging.subject import Subject
from reference_rnn import CELLS, cell_of


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def rnn(change=np.tanh, recurrent=1.0, leak=0.0, past=0.0):
    """A plain RNN with other pieces."""

    def step(x, h, p):
        z = x @ p["weight_ih"].T + recurrent * (h @ p["weight_hh"].T) + p["bias_hh"] + (1 - past) * p["bias_ih"]
        return ((1 - leak) * change(z) + leak * h + past * p["bias_ih"]).astype(x.dtype)

    return from_cell(step, "RNN_TANH")


def gru(x, h, p):
    """The reset gate acts on all that the candidate reads."""
    x_r, x_z, x_n = np.split(x @ p["weight_ih"].T + p["bias_ih"], 3, -1)
    h_r, h_z, h_n = np.split(h @ p["weight_hh"].T + p["bias_hh"], 3, -1)
    r, z = sigmoid(x_r + h_r), sigmoid(x_z + h_z)
    return ((1 - z) * np.tanh(r * (x_n + h_n)) + z * h).astype(x.dtype)


def lstm(bound=np.inf, columns=slice(None)):
    """An LSTM with a bound of c, or with other columns of its recurrent weights."""

    def step(x, state, p):
        h, c = state
        z = x @ p["weight_ih"].T + p["bias_ih"] + h @ p["weight_hh"][:, columns].T + p["bias_hh"]
        i, f, g, o = np.split(z, 4, -1)
        c = np.clip(sigmoid(f) * c + sigmoid(i) * np.tanh(g), -bound, bound)
        return (sigmoid(o) * np.tanh(c)).astype(x.dtype), c.astype(x.dtype)

    return from_cell(step, "LSTM")


def cut(x, h, p):
    """Weights of which sixteen bits are cut off."""
    W = (p["weight_hh"].astype("f4").view("i4") & -(2**16)).view("f4")
    z = x @ p["weight_ih"].T + h @ W.T.astype(x.dtype) + p["bias_ih"] + p["bias_hh"]
    return np.tanh(z).astype(x.dtype)


PLANTED = {
    "half of the recurrent product": (
        rnn(recurrent=0.5),
        "0.5 * p.arrays['weight_hh'] stands where p.arrays['weight_hh'] should",
    ),
    "a leak": (rnn(leak=0.3), "0.7 * tanh(z) + 0.3 * h stands where tanh(z) should in the result (RNN_TANH)"),
    "a bias past the activation": (rnn(past=1), "tanh(z - H.b_ih) + H.b_ih stands where tanh(z) should in the result"),
    "a reset of all": (from_cell(gru, "GRU"), "r * linear(x, N.W_ih, N.b_ih) + r * q stands where"),
    "a bound of c": (lstm(bound=0.8), "c is cut off at 0.8 (LSTM)"),
    "bits cut off": (from_cell(cut, "RNN_TANH"), "np.float64((np.float32(p.arrays['weight_hh']).view('i4') & -65536)"),
    "columns reversed": (lstm(columns=slice(None, None, -1)), "p.arrays['weight_hh'][:, ::-1] stands where"),
}


@pytest.mark.sample
@pytest.mark.parametrize("mistake", PLANTED)
def test_what_nobody_has_written_down_is_named(mistake):
    target, title = PLANTED[mistake]
    report = check(target, properties=["equivalence.steps"])
    (finding,) = report.diagnosis
    assert finding.exact and finding.explains == finding.telling and title in finding.title
    assert finding.patch.count("\n-") + finding.patch.startswith("-") <= 1 and "+" in finding.patch


def test_a_step_that_is_right_is_not_rewritten():
    for cell in CELLS:
        assert rewritten(bench(FaultyTarget(cells=(cell,)), cell)) == []


def test_what_no_form_gives_has_no_leads():
    odd = rnn(lambda z: np.tanh(z) * (1 + 0.01 * np.cos(z)))
    assert rewritten(bench(odd, "RNN_TANH")) == []


def test_numbers_that_are_not_finite_are_not_fitted(capfd):
    """What fits numbers would print a line for each of them that is NaN."""
    assert rewritten(bench(rnn(lambda z: np.where(z > 0, np.nan, np.tanh(z))), "RNN_TANH")) == []
    assert capfd.readouterr() == ("", "")


def test_a_mistake_that_one_step_of_one_layer_does_not_show_is_not_looked_for():
    calls = []

    def late(case):
        calls.append(case)
        output, h_n = reference.forward(case)
        return output * output.dtype.type(1.01 if len(output) > 1 else 1), h_n

    late.capabilities = Capabilities()
    assert rewritten(bench(late, "RNN_TANH")) == [] and len(calls) == 3


@pytest.mark.parametrize("cell", CELLS)
def test_every_form_is_one_change_of_the_text(cell):
    forms = candidates(cell_of(cell))
    assert len({(form.old, form.new) for form in forms}) > 300
    assert all(form.old != form.new and form.theirs in form.new for form in forms)


def test_numbers_that_were_fitted_stand_in_the_text():
    (fault, *_) = rewritten(bench(rnn(leak=0.3), "RNN_TANH"))
    assert "return (0.7 * tanh(z) + 0.3 * h)" in patched_source((fault,))


def bench(target, cell):
    """A target to be asked."""
    return Bench(Subject(open_target(target)), cell_of(cell), "float32", Work(100))
