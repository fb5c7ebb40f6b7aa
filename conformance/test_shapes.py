"""Shape and hygiene. What comes back has the shape and dtype that were asked for, the call leaves no
traces, and what does not change the problem does not change the result.
"""

from __future__ import annotations

from itertools import cycle, islice

import numpy as np

from conformance.judging.call_sequences import MANY, in_turn, right_by_columns, right_in_place, with_others
from conformance.judging.metamorphic import laid_out, part, rows, steps, with_one_bias, without_state
from conformance.judging.properties import agree, applicable, fail, prop, right_at_first, steps_right
from reference_rnn import parameter_shapes
from strategies.forms import BATCH_FIRST, UNBATCHED


@prop()
def test_shapes(target, case):
    """Output is (T, N, D*H); final states are (L*D, N, H), layers first and directions second."""
    well_shaped(target(case))


@prop(about_memory=True)
def test_dtype(target, case):
    """Results have the dtype of the case."""
    wanted = {case.config.dtype, str(case.config.numpy_dtype), None}
    for name, dtype in target.answer(case).dtypes.items():
        if dtype not in wanted:
            fail(f"dtype:{name}", f"{name} has dtype {dtype}, must be {case.config.dtype} like the case")


@prop(about_memory=True, models=1)
def test_inputs_untouched(target, case):
    """Nothing that was passed in is changed."""
    training = [case.replace(dropout=0.5, training=True)] if target.capabilities.dropout else []
    for asked in (case, *training):
        for name in target.answer(asked).changed:
            fail(f"changed:{name}", f"{name} was changed by the call; work on a copy")


@prop(about_memory=True)
def test_results_own_their_memory(target, case):
    """Results share no memory with the inputs or with the results of another call, also where there are no steps."""
    applicable(case.num_rows > 0)
    target(case)
    for name, other in target.answer(case).shared:
        fail(f"shared:{name}", f"{name} shares memory with {other}; return a copy")


@prop(calls=1000)
def test_repeatable(target, case):
    """The same call twice gives the same bits, however many calls came before."""
    same_bits(target.answer(case), target.answer(case))


@prop(about_history=True, models=4)
def test_calls_are_independent(target, case):
    """What was called before does not matter, not even if one thing alone was different: weights, a state, lengths."""
    before = target.answer(case)
    right_at_first(steps_right, target.read(case, before))
    for other in islice(in_turn(target, case, MANY), 1, None):
        steps_right(target(other))
    same_bits(before, target.answer(case))


@prop(about_memory=True, models=4)
def test_memory_layout(target, case):
    """Where the numbers lie in memory does not matter."""
    judge = lambda target, case, d: steps_right(target(case))  # noqa: E731
    plain, *others = with_others(target, case)
    right_at_first(steps_right, target(plain))
    right_by_columns(judge, target, plain)
    for layouts, other in zip(laid_out(case.arrays(), sum(case.x.shape)), cycle(others)):
        # with other numbers each time: what is kept of the same ones, as they lay before, would hide it
        right_in_place(judge, target, other, layouts)


@prop(needs="default_state")
def test_default_state(target, case):
    """A state that is not given is zero, also where a state was given just before."""
    target(case)
    agree(target(case.replace(h_0=None, c_0=None)), target(without_state(case)))


@prop(needs=("batch_first", "time_major"), models=1)
def test_batch_first(target, case):
    """With batch_first, x and output are (N, T, ...) and nothing else changes."""
    run, swapped = target(case), target(BATCH_FIRST.ask(case))
    well_shaped(swapped)
    swap = lambda name, array: array.swapaxes(0, 1) if name == "output" else array  # noqa: E731
    agree(swapped, part(run, swapped.case, swap))


@prop(needs="unbatched", lengths=False, models=1)
def test_unbatched(target, case):
    """Without a batch axis the result is that of a batch of one."""
    applicable(case.num_rows > 0)
    row = rows(case, [0])
    alone = UNBATCHED.ask(row)
    expected = part(target(row), alone, lambda name, array: array[:, 0])
    # batch_first means nothing without a batch
    for form in (alone, alone.replace(batch_first=True)) if target.capabilities.batch_first else (alone,):
        run = target(form)
        well_shaped(run)
        agree(run, expected)


@prop(needs="no_bias", bias=False, models=3)
def test_no_bias(target, case):
    """No bias is a bias of zero, and a bias of one gate alone counts."""
    with_zeros = case.replace(bias=True)
    zeros = {name: np.zeros(shape.sizes, case.x.dtype) for name, shape in parameter_shapes(with_zeros.config).items()}
    with_zeros = with_zeros.replace(parameters=zeros | case.parameters)
    one = with_one_bias(with_zeros, "bias_hh" if target.capabilities.biases == "two" else "bias_ih")
    first = steps(one, 0, 1)  # a single step is often code of its own
    steps_right(target(first if case.config.hidden_size % 2 and target.takes(first) else one))
    agree(target(case), target(with_zeros))  # after a bias, which may not stay


def well_shaped(run):
    """No shape of a run had to be put right."""
    for sentence in run.misread:
        fail("shape:" + mistake(sentence), sentence)


def mistake(sentence):
    """What a sentence about a shape says without its numbers: the array and the mistake."""
    return sentence.split()[0] + sentence.partition(";")[2].partition(".")[0]


def same_bits(before, after):
    """Two answers are the same, bit for bit."""
    for name, array in before.arrays.items():
        if array.tobytes() != after.arrays[name].tobytes():
            text = f"{name} differs between two calls with the same case; something is kept between calls"
            fail(f"bits:{name}", text, before, after)
