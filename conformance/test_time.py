"""Time. A state is all that one step hands on to the next, and nothing comes from the future."""

from __future__ import annotations

import numpy as np

from conformance.judging.metamorphic import other_numbers, part, saturated, states, steps
from conformance.judging.properties import agree, applicable, claimed, fail, prop
from reference_rnn import Result


def holds(cell):
    """Whether it is known what makes a cell hold its state."""
    return cell.holds is not None


@prop(min_steps=1)
def test_final_state_is_last_output(target, case):
    """The top layer's final state is the output of each row's last step, the first in the reverse direction."""
    applicable(case.num_rows > 0 and case.row_lengths.all())
    run = target(case)
    H, D = case.config.state_size, case.config.num_directions

    def from_output(result):
        last = np.take_along_axis(result.output, (case.row_lengths - 1)[None, :, None], 0)[..., :H]
        ends = np.concatenate([last, result.output[:1, :, H:]]) if D == 2 else last
        return Result(result.output[:0], ends)

    def from_states(result):
        return Result(result.output[:0], result.h_n[-D:])

    agree(run.map(case, from_states), run.map(case, from_output))


@prop(bidirectional=False, min_steps=2, models=1)
def test_split(target, case):
    """A run split at any step and continued from its state is the run."""
    claimed(case.h_0 is not None)
    run = target(case)
    cut = 1 + int(abs(np.nan_to_num(case.h_0)).sum() * 8) % (case.num_steps - 1)
    head, tail = steps(case, 0, cut), steps(case, cut, case.num_steps)
    start = target(head)
    reached = {name: getattr(start.result, name).astype(case.x.dtype) for name, _ in states(case)}
    end = target(tail.replace(**{name[0] + "_0": state for name, state in reached.items()}))
    output = np.concatenate([start.result.output, end.result.output])
    agree(run.joined(Result(output, end.result.h_n, end.result.c_n), start, end), run)


@prop(max_layers=1, min_steps=2)
def test_no_future(target, case):
    """The forward half does not see later steps, nor the reverse half earlier ones."""
    applicable(case.num_rows > 0)
    run = target(case)
    middle = case.num_steps // 2
    H = case.config.state_size
    changed = case.replace(x=np.concatenate([case.x[:middle], other_numbers(case.x[middle:])]))
    agree(part(target(changed), changed, past(middle, H)), part(run, changed, past(middle, H)))
    if case.config.bidirectional:
        changed = case.replace(x=np.concatenate([other_numbers(case.x[:middle]), case.x[middle:]]))
        agree(part(target(changed), changed, future(middle, H)), part(run, changed, future(middle, H)))


@prop(about=holds, max_layers=1, lengths=False, bias=True, empty=(), min_steps=2, memory=False, models=1)
def test_memory(target, case):
    """The first step can matter to the last one."""
    held = remembering(case)
    changed = held.x.copy()
    changed[0] += 0.5
    both = held.replace(x=changed), held
    if target.arithmetic(case).quantum:  # in fixed point, whatever is small is gone
        applicable(last_steps_differ(*map(target.expected, both)))
    other, run = map(target, both)
    if (other.result.output[-1] == run.result.output[-1]).all():
        last = case.num_steps - 1
        text = (
            f"the output of step {last} does not depend on step 0: it is the same on A and B; is the state handed on?"
        )
        fail("value:output", text, other, run)


def last_steps_differ(one, other):
    """Whether no rounding makes the last steps of two runs the same."""
    room = sum(run.rad.output[-1] if run.rad else 0.0 for run in (one, other))
    return (abs(one.result.output[-1] - other.result.output[-1]) > room).any()


@prop(needs="empty.time", lengths=False)
def test_no_steps(target, case):
    """Without steps the output is empty and the final state is the initial one."""
    empty = case.replace(x=case.x[:0])
    result = target(empty).result
    for final, initial in states(case):
        if (abs(getattr(result, final) - initial) > target.flushed(case)).any():
            fail(f"value:{final}", f"with T = 0, {final} is not {final[0]}_0")


def past(middle, H):
    """Chooses the forward half before the middle."""
    return lambda name, array: array[:middle, :, :H] if name == "output" else array[:0]


def future(middle, H):
    """Chooses the reverse half from the middle on."""
    return lambda name, array: array[middle:, :, H:] if name == "output" else array[:0]


def remembering(case):
    """The case with each unit keeping its own state, gates half open, and adding the first input."""

    def change(name, array):
        if name.startswith("weight_hh"):
            return np.tile(np.eye(*array.shape, dtype=array.dtype)[: case.config.hidden_size], (gates, 1))
        if name.startswith("weight_ih"):
            return (np.arange(array.shape[1]) == 0) * np.ones_like(array)
        return np.ones_like(array) if name.startswith("weight_hr") else np.zeros_like(array)

    gates = len(case.config.cell.packing("weight_hh"))
    return saturated(case.map(change), **case.config.cell.holds)
