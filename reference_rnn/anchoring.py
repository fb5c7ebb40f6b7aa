"""Steps that start from what an implementation returned: bounds that a long run does not widen."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .bounds.arithmetic import Arithmetic, arithmetic_of
from .bounds.ball import Ball, stored
from .case import Case, Result
from .cell import Parameters
from .functions import join, select, stack
from .layers import (
    Step,
    collect,
    forward,
    layer_parameters,
    lifted,
    like_case,
    run,
    scan,
    step_of,
    time_major,
    time_major_output,
)


@np.errstate(all="ignore")
def anchored(case: Case, output: np.ndarray, arithmetic: Arithmetic | str) -> Result[Ball]:
    """Balls of every step of the top layer, each from the implementation's own previous step.

    output      what the implementation returned for this case, in its layout: (T, N, D*H), or D*P with a projection
    arithmetic  the rounding that is allowed; a dtype stands for its strict one

    Rounding cannot pile up here: a ball allows for one step, so neither long nor chaotic sequences widen it. Hidden
    layers run freely, and so does everything where the arithmetic has another order than steps: there is no step to
    start from. Raises ShapeError if an array of the case does not fit, ValueError for a dtype that does not exist.

    >>> from reference_rnn import case
    >>> long = case("RNN_RELU", T=500, N=1, I=1, H=1, x=1.0, weight_hh_l0=1.0, bias_ih_l0=0.1)
    >>> own = forward(long).output
    >>> free, steps = forward(long, "float32").output, anchored(long, own, "float32").output
    >>> bool(free.rad.max() > 100 * steps.rad.max())
    True
    """
    allowed = arithmetic_of(arithmetic)
    if allowed.order != "steps":
        return forward(case, allowed)
    plain = time_major(case.check())
    layers = layer_parameters(plain)
    step = step_of(plain.config)
    x, initial = lifted(plain, allowed)
    own = time_major_output(case, output)
    walk = scan if plain.config.num_states == 2 else restart
    after, final = run_anchored(step, layers, x, initial, plain.row_lengths, own, walk)
    return like_case(case, collect(plain, after, final))


def run_anchored(
    step: Step, layers: list, x: list, initial: list, lengths: np.ndarray, own: np.ndarray, walk: Callable = scan
) -> tuple[list, list]:
    """The same as ``run``, with each step of the top layer from the implementation's own previous one."""
    x, final = run(step, layers[:-1], x, initial, lengths)
    halves = []
    size = own.shape[-1] // len(layers[-1])
    for reverse, p in enumerate(layers[-1]):
        half = own[..., reverse * size : reverse * size + size]
        output, state = walk(step, p, x, initial[len(final)], lengths, reverse, half)
        halves.append(output)
        final.append(state)
    return [join(*both) for both in zip(*halves)], final


def restart(
    step: Step, p: Parameters, x: list, state: tuple, lengths: np.ndarray, reverse: int, own: np.ndarray
) -> tuple[list, tuple]:
    """The same as ``scan`` with ``own``, but all steps at once: for cells whose state is h alone."""
    T, N, H = own.shape
    if T == 0:
        return [], state
    (h_0,) = state
    before = np.concatenate([own[1:], own[:1]] if reverse else [own[-1:], own[:-1]])
    steps = np.arange(T)[:, None]
    first = steps >= lengths - 1 if reverse else steps < 1
    previous = stored(before, h_0.arithmetic)
    previous = select(stack(h_0), first[..., None], previous)
    (after,) = step(stack(*x).reshape(T * N, x[0].shape[-1]), (previous.reshape(T * N, H),), p)
    alive = (steps < lengths)[..., None]
    output = list(select(after.reshape(T, N, H), alive, 0.0))
    last = h_0
    for t in reversed(range(T)) if reverse else range(T):
        last = select(output[t], (t < lengths)[:, None], last)
    return output, (last,)
