"""Gates. Each gate is opened and closed by itself: what it does is then plain to see.

A gate that reads nothing and has a bias of 40 is at 1, with a bias of -40 at 0, but for rounding.
"""

from __future__ import annotations

import numpy as np

from conformance.judging.metamorphic import negative, saturated, states
from conformance.judging.properties import GRUS, agree, applicable, prop
from reference_rnn import Result
from reference_rnn.case import gate_rows

OPEN, CLOSED = 40.0, -40.0


@prop(cells=GRUS, bias=True, memory=False, models=1)
def test_update_gate_holds(target, case):
    """With the update gate at 1, a GRU copies its state."""
    holding = saturated(case, z=OPEN)
    run = target(holding)
    agree(run, run.like(holding_result(holding)))


@prop(cells=GRUS, bias=True, memory=False, models=1)
def test_update_gate_renews(target, case):
    """With the update gate at 0, a GRU takes the candidate: without recurrent weights, no state is left."""
    keep_rows_without_steps_apart(case)
    renewing = saturated(without_recurrence(case), z=CLOSED)
    agree(target(renewing), target(renewing.map(without_states)))


@prop(cells=GRUS, bias=True, memory=False, models=2)
def test_reset_gate_hides_the_state(target, case):
    """With the reset gate at 0, the candidate of a GRU does not see the state, nor b_hn if it is reset with it."""
    hiding = saturated(case, r=CLOSED)
    n = gate_rows(case.config, "n")
    after = "n" not in case.config.cell.sums  # b_hn is a part of what is reset

    def unread(name, array):
        if name.startswith("weight_hh") or (name.startswith("bias_hh") and after):
            array = array.copy()
            array[n] = 0
        return array

    agree(target(hiding), target(hiding.map(unread)))


@prop(cells=GRUS, bias=True, memory=False, models=1)
def test_open_gru_is_a_plain_rnn(target, case):
    """With the reset gate at 1 and the update gate at 0, a GRU is a tanh RNN."""
    keep_rows_without_steps_apart(case)
    opened = saturated(case, r=OPEN, z=CLOSED)
    n = gate_rows(case.config, "n")
    plain = opened.map(lambda name, array: array[n] if name.startswith(("weight", "bias")) else array)
    run = target(opened)
    expected = target.expected(plain.replace(cell="RNN_TANH"))
    agree(run, run.like(expected.result))


@prop(cells=["LSTM"], bias=True, memory=False, models=1)
def test_forget_gate_holds(target, case):
    """With the forget gate at 1 and the input gate at 0, an LSTM holds its cell state."""
    run = target(saturated(case, f=OPEN, i=CLOSED))
    ((_, _), (_, c_0)) = states(case)
    agree(cell_state(run), cell_state(run.like(Result(None, None, c_0))))


@prop(cells=["LSTM"], bias=True, memory=False, models=1)
def test_forget_gate_forgets(target, case):
    """With the forget gate at 0, the initial cell state of an LSTM does not matter."""
    keep_rows_without_steps_apart(case)
    forgetting = saturated(case, f=CLOSED)
    agree(target(forgetting), target(forgetting.map(lambda name, array: negative(array) if name == "c_0" else array)))


@prop(cells=["LSTM"], bias=True, memory=False, models=1)
def test_output_gate_silences(target, case):
    """With the output gate at 0, the output of an LSTM is zero, whatever its cell state."""
    keep_rows_without_steps_apart(case)
    run = target(saturated(case, o=CLOSED))
    silent = run.result.map(lambda name, array: array if name == "c_n" else 0 * array)
    agree(run, run.like(silent))


@prop(cells=["LSTM"], bias=True, memory=False, models=1)
def test_cell_state_counts(target, case):
    """With the input and forget gates at 1 and a candidate of 1, the cell state of an LSTM counts the steps."""
    counting = saturated(case, i=OPEN, f=OPEN, g=OPEN)
    counting = counting.map(lambda name, array: np.round(4 * array) if name == "c_0" else array)
    run = target(counting)
    ((_, _), (_, c_0)) = states(counting)
    agree(cell_state(run), cell_state(run.like(Result(None, None, c_0 + case.row_lengths[:, None]))))


def holding_result(case):
    """What a network gives that holds its states: those of the top layer at every valid step."""
    ((_, h_0),) = states(case)
    top = np.concatenate(list(h_0[-case.config.num_directions :]), -1)
    alive = (np.arange(case.num_steps)[:, None] < case.row_lengths)[..., None]
    return Result(np.where(alive, top, 0.0), h_0)


def cell_state(run):
    """The part of a run that is c_n."""
    return run.map(run.case, lambda result: Result(None, None, result.c_n))


def without_recurrence(case):
    """The case without recurrent weights, and without the biases that go with them."""
    return case.map(lambda name, array: np.zeros_like(array) if name.startswith(("weight_hh", "bias_hh")) else array)


def without_states(name, array):
    """Zeros for the initial states."""
    return np.zeros_like(array) if name in ("h_0", "c_0") else array


def keep_rows_without_steps_apart(case):
    """A row without steps keeps its initial state, whatever the gates."""
    applicable(case.num_steps > 0 and bool(case.row_lengths.all()))
