"""Back-propagation through time: the forward text on a tape, read backwards.

``autodiff.tape`` holds the derivative of each generic function; cells, time, directions and layers are those of
``forward``.
The same text runs on float64 arrays and on balls.

Source: Werbos (1990), Backpropagation through time: what it does and how to do it, Proc. IEEE 78(10).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .anchoring import run_anchored
from .autodiff.tape import Read, Tape, Traced, Weight, backward
from .bounds.arithmetic import Arithmetic, arithmetic_of
from .bounds.ball import Ball, exact, settled, summing
from .case import Case, check_shape, result_shapes
from .cell import Parameters
from .functions import select, stack, total
from .layers import (
    Step,
    as_float64,
    layer_parameters,
    lifted,
    lifted_masks,
    run,
    step_of,
    swap_steps_and_rows,
    time_major,
    time_major_output,
    without_padding,
)
from .layouts import suffix


@np.errstate(all="ignore")
def gradients(
    case: Case,
    d_output: np.ndarray | None = None,
    d_h_n: np.ndarray | None = None,
    d_c_n: np.ndarray | None = None,
    arithmetic: Arithmetic | str | None = None,
    masks: list | None = None,
    output: np.ndarray | None = None,
    one_pass: bool = False,
) -> dict[str, Any]:
    """The gradients of a loss with respect to x, h_0, c_0 and every parameter, by name and in their shapes.

    d_output, d_h_n, d_c_n  the gradients of the loss with respect to the results, in their shapes; None: zero
    arithmetic              float64 arrays without, balls with it; a dtype stands for its strict one
    masks                   of dropout, as ``forward`` takes them
    output                  what an implementation returned: the top layer's steps start from it; nothing is dropped
    one_pass                whether all results go back together; else balls have room for a pass for each of them, too

    Raises ShapeError if an array does not fit, ValueError without masks.
    """
    arithmetic = arithmetic_of(arithmetic)
    plain = without_padding(time_major(case.check()))
    tape: Tape = []
    layers = [[p.map(Weight) for p in directions] for directions in layer_parameters(plain)]
    x, initial = lifted(plain, arithmetic)
    x, initial = [Traced(x_t, tape) for x_t in x], [tuple(Traced(s, tape) for s in entry) for entry in initial]
    step = reading(step_of(plain.config))
    if output is None or (arithmetic is not None and arithmetic.order != "steps"):
        after, final = run(step, layers, x, initial, plain.row_lengths, lifted_masks(plain, masks, arithmetic))
    else:
        after, final = run_anchored(step, layers, x, initial, plain.row_lengths, time_major_output(case, output))
    d_after, d_final = cotangents(case, d_output, d_h_n, d_c_n, arithmetic)
    hand_back(after, d_after)
    for state, d_state in zip(final, d_final):
        hand_back(state, d_state)
    backward(tape)
    d_x = [select(x_t.gradient, (t < plain.row_lengths)[:, None], 0.0) for t, x_t in enumerate(x)]
    d_initial = [tuple(s.gradient for s in entry) for entry in initial]
    d_parameters = [parameter_gradients(p) for directions in layers for p in directions]
    found = by_name(case, d_x, d_initial, d_parameters)
    if arithmetic is None:
        return found
    # where there are no steps, nothing was computed that could be a ball
    balls = {name: g if isinstance(g, Ball) else exact(g, arithmetic) for name, g in found.items()}
    given = (d_output, d_h_n, d_c_n)
    alone = [[d if n == own else None for n, d in enumerate(given)] for own in range(3) if np.any(given[own])]
    if one_pass or len(alone) < 2 or not (arithmetic.u or arithmetic.eta):  # where nothing rounds, all passes are one
        return balls
    return added_up(balls, [gradients(case, y, h, c, arithmetic, masks, output) for y, h, c in alone])


def added_up(balls: dict[str, Any], passes: list[dict[str, Any]]) -> dict[str, Any]:
    """The balls of one pass, as wide as the sum of several, one for each result.

    Where cotangents cancel, one pass adds them up first, and what it rounds is as small as their sum. Several passes
    round what each of them contributes. A pass for some of the results lies between these: radii are sublinear.
    """
    summed = {name: total(*(found[name] for found in passes)) for name in balls}
    # and no narrower, where the sum of the cotangents alone may be larger than the format has
    return {n: Ball(b.mid, np.maximum(b.rad, summed[n].rad), b.arithmetic) for n, b in balls.items()}


def reading(step: Step) -> Step:
    """The step, with a number of its own for each state that it reads."""
    return lambda x, state, p: step(x, tuple(Read(s, settled(s.value)) for s in state), p)


def hand_back(results: Any, gradients: Any) -> None:
    """Hands the gradient of the loss to each result."""
    for result, d in zip(results, gradients):
        result.parts.append(d)


def parameter_gradients(p: Parameters) -> dict[str, Any]:
    """The gradients of the parameters of one layer and direction, by kind."""
    found = {kind: weight.gradient for kind, weight in p.arrays.items()}
    return found


def cotangents(case: Case, d_output: Any, d_h_n: Any, d_c_n: Any, arithmetic: Arithmetic | None) -> tuple[list, list]:
    """The gradients of the results: of output step by step, of the final states by layer and direction."""
    lift = as_float64 if arithmetic is None else lambda array: summing(exact(array, arithmetic))
    shapes = result_shapes(case)
    given = {"output": d_output, "h_n": d_h_n, "c_n": d_c_n}
    arrays = {name: given[name] for name in shapes}
    for name, shape in shapes.items():
        if arrays[name] is None:
            arrays[name] = np.zeros(shape.sizes)
        check_shape("d_" + name, arrays[name], shape)
    states = [arrays[name] for name in ("h_n", "c_n") if name in arrays]
    if case.unbatched:
        states = [state[:, None] for state in states]
    d_final = [tuple(lift(state) for state in entry) for entry in zip(*states)]
    return [lift(d) for d in time_major_output(case, arrays["output"])], d_final


def by_name(case: Case, d_x: list, d_states: list[tuple], d_parameters: list[dict[str, Any]]) -> dict[str, Any]:
    """The gradients under the names and in the layout of the arrays of a case."""
    found: dict[str, Any] = {}
    D = case.config.num_directions
    for entry, parameters in enumerate(d_parameters):
        end = suffix(*divmod(entry, D))
        found |= {kind + end: array for kind, array in parameters.items()}
    states = [stack(*entries) for entries in zip(*d_states)]
    found |= {"x": stack(*d_x) if d_x else np.zeros(time_major(case).x.shape)} | dict(zip(("h_0", "c_0"), states))
    if case.unbatched:
        found |= {name: found[name][:, 0] for name in ("x", "h_0", "c_0") if name in found}
    elif case.config.batch_first:
        found["x"] = swap_steps_and_rows(found["x"])
    return {name: found[name] for name, _ in case.arrays()}
