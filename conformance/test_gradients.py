"""Gradients. They are the slopes of what the network computes, for every array that it reads.

The loss is a sum of all results, each times a number of its own: its cotangent.
"""

from __future__ import annotations

from itertools import cycle

import numpy as np

from conformance.judging.call_sequences import FEW, in_turn, right_by_columns, right_in_place, turned, with_others
from conformance.judging.gradients import (
    EXACT,
    Gradients,
    accepted_cotangents,
    chain_parts,
    cotangents,
    exact_cotangents,
    expected_from,
    gradient_answer,
    gradient_run,
    gradients_right,
    gradients_within,
    own_results,
    own_steps_agree,
    recorded_run,
    require_all_cotangents,
    slope_agrees,
    sum_of_runs,
)
from conformance.judging.mask_probes import (
    gradients_through_many_masks,
    gradients_through_masks,
    gradients_through_zeros,
    passes,
)
from conformance.judging.metamorphic import (
    far_apart,
    laid_out,
    mirror,
    rows,
    states,
    steps,
    with_padding,
    without_state,
)
from conformance.judging.oracle import OWN, first, index_in_answer, is_far
from conformance.judging.properties import Failure, Run, agree, applicable, claimed, fail, prop, right_at_first
from reference_rnn import Result, gradients
from strategies.covering import ALIKE, PAST, RICH, SOME
from strategies.forms import BATCH_FIRST, UNBATCHED


@prop(needs="gradients", every_cell=True, sketches=RICH)
def test_first_look(target, case):
    """Of rich cases, no gradient is far from what it must be."""
    d = accepted_cotangents(target, cotangents(case))
    run = gradient_run(target, case, d)
    if is_far(run.result, Gradients(gradients(case, **d)), run.arithmetic):
        gradients_within(target, run, case, d)


@prop(needs="gradients")
def test_shapes(target, case):
    """Gradients come by name, each with the shape and dtype of the array it belongs to, and leave no traces."""
    answer, asked = gradient_answer(target, case, accepted_cotangents(target, cotangents(case))), target.asked(case)
    wanted = (case.config.dtype, str(case.config.numpy_dtype), None)
    for name, array in asked.arrays():
        if not target.capabilities.has_gradient(name):
            continue
        if name not in answer.arrays:
            if not expected_from(target, case, name):
                continue
            fail(f"missing:{name}", f"the gradient of {name} is missing; there are {', '.join(answer.arrays)}")
        given = target.shaped(answer, name, array.shape)
        if given.shape != array.shape:
            fail(f"shape:{name}", f"the gradient of {name} has shape {given.shape}, must be {array.shape} like {name}")
        if answer.dtypes[name] not in wanted:
            fail(f"dtype:{name}", f"the gradient of {name} is {answer.dtypes[name]}, must be {case.config.dtype}")
    own = own_results(target, case, answer)
    for sentence in own.misread if own else ():
        fail(f"{OWN}shape:results", f"beside the gradients, {sentence}")
    for name in [name for name, _ in own.result.items() if name not in own.unseen] if own else ():
        if answer.dtypes[name] not in wanted:
            fail(f"dtype:{name}", f"the {name} beside the gradients is {answer.dtypes[name]}, must be {wanted[0]}")
    for name in answer.changed:
        fail(f"changed:{name}", f"{name} was changed by the call of gradients; work on a copy")


@prop(needs="gradients", about_memory=True)
def test_results_own_their_memory(target, case):
    """Gradients share no memory with what is passed in or with what another call returned."""
    applicable(case.num_rows > 0)
    d = accepted_cotangents(target, cotangents(case))
    target(case)
    for answer in (gradient_answer(target, case, d), gradient_answer(target, case, d)):
        for name, other in answer.shared:
            fail(f"shared:{name}", f"the gradient of {name} shares memory with {other}; return a copy", answer)


@prop(needs="gradients", about_history=True, models=4)
def test_calls_are_independent(target, case):
    """No gradient depends on what was called before, forward or back, not even if one thing alone was different."""
    first, *others = in_turn(target, case, FEW)
    d = accepted_cotangents(target, cotangents(first))
    before = right_at_first(gradients_right, target, first, d)
    odd = sum(case.x.shape) % 2
    if odd:  # else the next gradients are asked for in the arrays of the call before
        target(first)
    for other in others:
        gradients_right(target, other, accepted_cotangents(target, cotangents(other)))
        target(other)
    agree(gradient_run(target, first, d), before)
    if odd:  # those arrays may be kept: other numbers are written into them, and the first ones come in new arrays
        own = first.parameters if target.capabilities.recompiles else ()
        target(turned(*(name for name, _ in first.arrays() if name not in own))(first))
        agree(gradient_run(target, first, d), before)


@prop(needs="gradients", every_cell=True)
def test_back_propagation(target, case):
    """Gradients are those of back-propagation through time, from the states of the run that was recorded for them."""
    d = accepted_cotangents(target, cotangents(case))
    run, own = recorded_run(target, case, d)
    if own:
        own_steps_agree(own)
    target.cover_gradients(case, gradients_within(target, run, case, d, output=own.result.output if own else None))


@prop(needs="gradients", every_cell=True, sketches=(*PAST, *ALIKE[:8]), empty=(), memory=False)
def test_sizes(target, case):
    """Gradients at large sizes, of many steps, rows or layers, and at sizes all the same are those of the equations."""
    propagated_back(target, case)


@prop(needs="gradients", sketches=SOME, empty=(), memory=False)
def test_each_size(target, case):
    """Gradients at sizes up to 66, with every remainder of 8 and 16, and of 257 steps are those of back-propagation."""
    propagated_back(target, case)


@prop(needs="gradients", every_cell=True, sketches=RICH, max_layers=1, empty=(), memory=False, models=4)
def test_magnitudes(target, case):
    """Gradients are those of back-propagation where tiny weights meet huge numbers, and huge ones tiny ones."""
    for other in far_apart(case):
        gradients_right(target, other, accepted_cotangents(target, cotangents(other)))


def propagated_back(target, case):
    """Gradients are those of back-propagation, where a shape costs no more than a call."""
    claimed(not target.capabilities.recompiles)
    d = accepted_cotangents(target, cotangents(case))
    run, own = recorded_run(target, case, d)
    try:
        gradients_within(target, run, case, d, output=own.result.output if own else None)
    except Failure:
        if own:  # no gradient is to blame for an output that is wrong itself
            own_steps_agree(own)
        raise


@prop(needs="gradients", min_steps=1)
def test_one_step(target, case):
    """The gradients of a single step are those of the equations: nothing has piled up yet."""
    first = steps(case, 0, 1)
    d = accepted_cotangents(target, cotangents(first))
    gradients_within(target, gradient_run(target, first, d), first, d)


@prop(needs="gradients", cells=["RNN_RELU"], network="integer", bias=True, models=1)
def test_integer_networks(target, case):
    """The gradients of a ReLU network of integers are exact."""
    d = exact_cotangents(target, case)
    gradients_within(target, gradient_run(target, case, d), case, d, arithmetic=EXACT)


@prop(needs="gradients")
def test_each_result(target, case):
    """A loss on one result alone has its own gradients, and those of a sum of losses are their sum."""
    d = accepted_cotangents(target, cotangents(case))
    alone = [gradient_run(target, case, {name: d[name] if name == one else None for name in d}) for one in d]
    agree(sum_of_runs(alone), gradient_run(target, case, d))


@prop(needs="gradients")
def test_none_is_zero(target, case):
    """A cotangent that is not given is zero."""
    require_all_cotangents(target)
    d = accepted_cotangents(target, cotangents(case))
    zeros = d | {"d_output": np.zeros_like(d["d_output"])}
    agree(gradient_run(target, case, d | {"d_output": None}), gradient_run(target, case, zeros))


@prop(needs="gradients")
def test_linear(target, case):
    """Cotangents that are many times larger give gradients that are as many times larger."""
    d, times = accepted_cotangents(target, cotangents(case)), 4 if case.config.dtype == "float16" else 1024
    manifold = gradient_run(target, case, {name: times * array for name, array in d.items()})
    once = gradient_run(target, case, d)
    agree(manifold, once.map(case, lambda result: result.map(lambda name, array: times * array)))


@prop(needs=("gradients", "lengths"))
def test_padding_has_none(target, case):
    """The gradient of x is exactly zero past the end of a row, whatever the cotangent is there."""
    ended = np.arange(case.num_steps)[:, None] >= case.row_lengths
    claimed(target.capabilities.has_gradient("x"))
    applicable(ended.any())
    run = gradient_run(target, case, accepted_cotangents(target, cotangents(case)))
    d_x = run.result.x
    if d_x[ended].any():
        at = first(ended[..., None] & (d_x != 0))
        place = list(index_in_answer(run, "x", at))
        fail("padding:x", f"the gradient of x{place} is {d_x[at]:g}, must be zero: row {at[1]} has ended")


@prop(needs=("gradients", "lengths"))
def test_padding_is_not_read(target, case):
    """What stands past the end of a row, NaN and infinity included, changes no gradient; 0 times NaN is NaN."""
    ended = np.arange(case.num_steps)[:, None] >= case.row_lengths
    claimed(case.num_steps > 1 or target.capabilities.claims("empty.length"))
    applicable(ended.any())
    d = accepted_cotangents(target, cotangents(case))
    expected = gradient_run(target, with_padding(case, 0), d)
    for padding in (np.nan, np.inf):
        agree(gradient_run(target, with_padding(case, padding), d), expected)


@prop(needs="gradients", bidirectional=False, min_steps=2, models=1)
def test_split(target, case):
    """Gradients of a run that is split and continued: those of the second part's states go into the first part."""
    require_all_cotangents(target)
    claimed(case.h_0 is not None and all(target.capabilities.has_gradient(name[0] + "_0") for name, _ in states(case)))
    cut = case.num_steps // 2
    d = accepted_cotangents(target, cotangents(case))
    head, tail = steps(case, 0, cut), steps(case, cut, case.num_steps)
    reached = target(head).result
    begun = {name[0] + "_0": getattr(reached, name).astype(case.x.dtype) for name, _ in states(case)}
    later = gradient_run(target, tail.replace(**begun), d | {"d_output": d["d_output"][cut:]})
    applicable(all(name[0] + "_0" in later.result.arrays for name, _ in states(case)))  # they are, if not all zero
    handed = {f"d_{name}": getattr(later.result, name[0] + "_0").astype(case.x.dtype) for name, _ in states(case)}
    earlier = gradient_run(target, head, handed | {"d_output": d["d_output"][:cut]})
    whole = gradient_run(target, case, d)
    agree(chain_parts(earlier, later, whole), whole)


@prop(needs=("gradients", "bidirectional"), models=1)
def test_reversal(target, case):
    """Reversing time and swapping the directions does the same to the gradients."""
    require_all_cotangents(target)
    d = accepted_cotangents(target, cotangents(case))
    run = gradient_run(target, case, d)
    expected = run.map(mirror(case), lambda result: result.moved(case, mirror))
    agree(gradient_run(target, mirror(case), mirrored(run, d)), expected)


@prop(needs=("gradients", "batch_first", "time_major"), models=1)
def test_batch_first(target, case):
    """With batch_first, the gradient of x is (N, T, I) and nothing else changes."""
    require_all_cotangents(target)
    d, swapped = accepted_cotangents(target, cotangents(case)), BATCH_FIRST.ask(case)
    run = gradient_run(target, case, d)
    expected = run.map(swapped, lambda result: result.map(lambda name, a: a.swapaxes(0, 1) if name == "x" else a))
    agree(gradient_run(target, swapped, d | {"d_output": d["d_output"].swapaxes(0, 1).copy()}), expected)


@prop(needs=("gradients", "unbatched"), lengths=False)
def test_unbatched(target, case):
    """Without a batch axis the gradients are those of a batch of one."""
    applicable(case.num_rows > 0)
    row = rows(case, [0])
    alone = UNBATCHED.ask(row)
    d = accepted_cotangents(target, cotangents(row))
    choose = lambda name, a: a[:, 0] if name in ("x", "h_0", "c_0") else a  # noqa: E731
    expected = gradient_run(target, row, d).map(alone, lambda result: result.map(choose))
    agree(gradient_run(target, alone, {name: array[:, 0].copy() for name, array in d.items()}), expected)


@prop(needs=("gradients", "default_state"))
def test_default_state(target, case):
    """Where no state is given, the other gradients are those of a state of zero."""
    d = accepted_cotangents(target, cotangents(case))
    without = case.replace(h_0=None, c_0=None)
    zeros = gradient_run(target, without_state(case), d)
    expected = zeros.map(without, lambda result: result.only(name for name, _ in without.arrays()))
    agree(gradient_run(target, without, d), expected)


@prop(needs=("gradients", "dropout", "layers"), models=2)
def test_dropout(target, case):
    """With p = 1 in training, nothing flows back through what was dropped; outside training, dropout does nothing."""
    d = accepted_cotangents(target, cotangents(case))
    run = gradient_run(target, case, d)
    target.answer(case.replace(dropout=0.5, training=True))  # after which it may not stay in training
    agree(gradient_run(target, case.replace(dropout=0.5), d), run)
    if target.capabilities.dropout is True:  # p = 1 is claimed too
        dropped = case.replace(dropout=1.0, training=True)
        target.answer(dropped.replace(training=False))  # nor outside it
        gradients_within(target, gradient_run(target, dropped, d), dropped, d)


@prop(
    needs=("gradients", "dropout", "layers"),
    about=passes,
    max_layers=4,
    bias=True,
    projections=False,
    memory=False,
    models=2,
)
def test_training(target, case):
    """In training, gradients flow back through what was kept in their own run, scaled up like it."""
    claimed("d_output" in target.capabilities.cotangents)
    through = gradients_through_masks if case.config.num_layers == 2 else gradients_through_many_masks
    through(target, case, (0.5, 0.75)[case.config.hidden_size % 2])
    if sum(case.x.shape) % 3 == 1 and target.capabilities.has_gradient("x"):
        gradients_through_zeros(target, case)


@prop(needs="gradients", about_memory=True, models=4)
def test_memory_layout(target, case):
    """Where arrays and cotangents lie in memory does not matter."""
    d = accepted_cotangents(target, cotangents(case))
    plain, *others = with_others(target, case)
    right_at_first(gradients_right, target, plain, d)
    right_by_columns(gradients_right, target, plain, **d)
    for layouts, other in zip(laid_out([*d.items(), *case.arrays()], sum(case.x.shape)), cycle(others)):
        right_in_place(gradients_right, target, other, layouts, **d)


@prop(needs="gradients", lengths=False, models=2)
def test_central_differences(target, case):
    """Gradients are the slopes of the target's own results."""
    applicable(case.x.size > 0)
    slope_agrees(target, case, accepted_cotangents(target, cotangents(case)))


def mirrored(run, d):
    """The cotangents of a case whose time is reversed and whose directions are swapped."""
    results = Run(run.case, Result(*d.values()), run.arithmetic, lambda: None)
    return {f"d_{name}": np.ascontiguousarray(array) for name, array in mirror(results).result.items()}
