"""Back-propagation through time, written beside the forward equations: one function for each of theirs.

The backward of a step takes what the step took and the gradient of the new state; it computes the step
again and applies the chain rule line by line, from the last line to the first. The same text runs on
float64 arrays and on balls.

Source: Werbos (1990), Backpropagation through time: what it does and how to do it, Proc. IEEE 78(10).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .arithmetic import Arithmetic
from .ball import Ball, exact
from .case import Case, check_shape, result_shapes, suffix
from .cells import Parameters, by_gate, lstm, step_of
from .functions import (
    affine,
    join,
    linear,
    outer,
    relu_slope,
    select,
    sigmoid,
    sigmoid_slope,
    tanh,
    tanh_slope,
    total,
)
from .recurrence import (
    as_float64,
    layer_parameters,
    lifted,
    lifted_masks,
    run,
    run_anchored,
    stack,
    swap_steps_and_rows,
    time_major,
    time_major_output,
)


class Backward(NamedTuple):
    """What one step hands back: the gradients of x and of the state before, and pairs for the weights.

    The gradient of a weight is the sum over all steps and rows of d (N, G*H) times what was multiplied (N, I or H).
    """

    x: Any
    state: tuple
    ih: list[tuple[Any, Any]]
    hh: list[tuple[Any, Any]]
    hr: list[tuple[Any, Any]]


def rnn_tanh_backward(x: Any, state: tuple, p: Parameters, d_state: tuple) -> Backward:
    """Of h' = tanh(z): dz = dh' tanh'(z)."""
    (h,) = state
    (d,) = d_state
    y = tanh(affine(x, p.W_ih, h, p.W_hh, p.b_ih, p.b_hh))
    d_z = d * tanh_slope(y)
    d_x = linear(d_z, p.W_ih.T, 0.0)
    d_h = linear(d_z, p.W_hh.T, 0.0)
    return Backward(d_x, (d_h,), [(d_z, x)], [(d_z, h)], [])


def rnn_relu_backward(x: Any, state: tuple, p: Parameters, d_state: tuple) -> Backward:
    """Of h' = max(0, z): dz = dh' where z > 0."""
    (h,) = state
    (d,) = d_state
    z = affine(x, p.W_ih, h, p.W_hh, p.b_ih, p.b_hh)
    d_z = d * relu_slope(z)
    d_x = linear(d_z, p.W_ih.T, 0.0)
    d_h = linear(d_z, p.W_hh.T, 0.0)
    return Backward(d_x, (d_h,), [(d_z, x)], [(d_z, h)], [])


def gru_backward(x: Any, state: tuple, p: Parameters, d_state: tuple) -> Backward:
    """Of h' = (1 - z) n + z h with n = tanh(... + r q): the reset gate takes part in the gradient of W_hn."""
    (h,) = state
    (d,) = d_state
    R, Z, N = by_gate(p, 3)
    r = sigmoid(affine(x, R.W_ih, h, R.W_hh, R.b_ih, R.b_hh))
    z = sigmoid(affine(x, Z.W_ih, h, Z.W_hh, Z.b_ih, Z.b_hh))
    q = linear(h, N.W_hh, N.b_hh)
    n = tanh(linear(x, N.W_ih, N.b_ih) + r * q)
    d_n = d * (1 - z) * tanh_slope(n)
    d_z = d * (h - n) * sigmoid_slope(z)
    d_r = d_n * q * sigmoid_slope(r)
    d_i = join(d_r, d_z, d_n)
    d_q = join(d_r, d_z, d_n * r)
    d_x = linear(d_i, p.W_ih.T, 0.0)
    d_h = total(linear(d_q, p.W_hh.T, 0.0), d * z)
    return Backward(d_x, (d_h,), [(d_i, x)], [(d_q, h)], [])


def gru_reset_before_backward(x: Any, state: tuple, p: Parameters, d_state: tuple) -> Backward:
    """Of h' = (1 - z) n + z h with n = tanh(... + W_hn (r h))."""
    (h,) = state
    (d,) = d_state
    R, Z, N = by_gate(p, 3)
    r = sigmoid(affine(x, R.W_ih, h, R.W_hh, R.b_ih, R.b_hh))
    z = sigmoid(affine(x, Z.W_ih, h, Z.W_hh, Z.b_ih, Z.b_hh))
    n = tanh(affine(x, N.W_ih, r * h, N.W_hh, N.b_ih, N.b_hh))
    d_n = d * (1 - z) * tanh_slope(n)
    d_z = d * (h - n) * sigmoid_slope(z)
    d_rh = linear(d_n, N.W_hh.T, 0.0)
    d_r = d_rh * h * sigmoid_slope(r)
    d_x = linear(join(d_r, d_z, d_n), p.W_ih.T, 0.0)
    d_h = total(linear(d_r, R.W_hh.T, 0.0), linear(d_z, Z.W_hh.T, 0.0), d_rh * r, d * z)
    return Backward(d_x, (d_h,), [(join(d_r, d_z, d_n), x)], [(join(d_r, d_z), h), (d_n, r * h)], [])


def lstm_backward(x: Any, state: tuple, p: Parameters, d_state: tuple) -> Backward:
    """Of c' = f c + i g and h' = o tanh(c'): both lead to c'."""
    (h, c) = state
    (d_h, d_c) = d_state
    I, F, G, O = by_gate(p, 4)  # noqa: E741
    i = sigmoid(affine(x, I.W_ih, h, I.W_hh, I.b_ih, I.b_hh))
    f = sigmoid(affine(x, F.W_ih, h, F.W_hh, F.b_ih, F.b_hh))
    g = tanh(affine(x, G.W_ih, h, G.W_hh, G.b_ih, G.b_hh))
    o = sigmoid(affine(x, O.W_ih, h, O.W_hh, O.b_ih, O.b_hh))
    y = tanh(f * c + i * g)
    d_c = total(d_c, d_h * o * tanh_slope(y))
    d_o = d_h * y * sigmoid_slope(o)
    d_i = d_c * g * sigmoid_slope(i)
    d_f = d_c * c * sigmoid_slope(f)
    d_g = d_c * i * tanh_slope(g)
    d_z = join(d_i, d_f, d_g, d_o)
    d_x = linear(d_z, p.W_ih.T, 0.0)
    d_before = linear(d_z, p.W_hh.T, 0.0)
    return Backward(d_x, (d_before, d_c * f), [(d_z, x)], [(d_z, h)], [])


def lstm_projected_backward(x: Any, state: tuple, p: Parameters, d_state: tuple) -> Backward:
    """Of h' = W_hr (o tanh(c'))."""
    (d_h, d_c) = d_state
    unprojected, _ = lstm(x, state, p)
    back = lstm_backward(x, state, p, (linear(d_h, p.W_hr.T, 0.0), d_c))
    return back._replace(hr=[(d_h, unprojected)])


BACKWARDS = {
    "RNN_TANH": rnn_tanh_backward,
    "RNN_RELU": rnn_relu_backward,
    "GRU": gru_backward,
    "GRU_RESET_BEFORE": gru_reset_before_backward,
    "LSTM": lstm_backward,
}


@np.errstate(all="ignore")
def gradients(
    case: Case,
    d_output: np.ndarray | None = None,
    d_h_n: np.ndarray | None = None,
    d_c_n: np.ndarray | None = None,
    arithmetic: Arithmetic | None = None,
    masks: list | None = None,
    output: np.ndarray | None = None,
) -> dict[str, Any]:
    """The gradients of a loss with respect to x, h_0, c_0 and every parameter, by name and in their shapes.

    d_output, d_h_n, d_c_n  the gradients of the loss with respect to the results, in their shapes; None: zero
    arithmetic              float64 arrays without, balls with it
    masks                   of dropout, as ``forward`` takes them
    output                  what an implementation returned: the steps of the top layer start from it

    Raises ShapeError if an array does not fit, ValueError for a cell with options of ONNX' operators.
    """
    if case.config.has_options:
        raise ValueError("there are no gradients of peepholes, coupled gates, a clip or other activations")
    plain = time_major(case.check())
    config, lengths = plain.config, plain.row_lengths
    layers = layer_parameters(plain)
    x, initial = lifted(plain, arithmetic)
    kept = lifted_masks(plain, masks, arithmetic)
    record = Recorder(step_of(config))
    if output is None:
        run(record, layers, x, initial, lengths, kept)
    else:
        run_anchored(record, layers, x, initial, lengths, time_major_output(case, output))
    back = lstm_projected_backward if config.proj_size else BACKWARDS[config.cell]
    d_x, d_final = cotangents(case, d_output, d_h_n, d_c_n, arithmetic)
    d_initial, d_layers = run_backward(back, record.calls, layers, d_x, d_final, lengths, kept)
    found = by_name(case, d_initial, d_layers)
    if arithmetic is None:
        return found
    # where there are no steps, nothing was computed that could be a ball
    return {name: g if isinstance(g, Ball) else exact(g, arithmetic) for name, g in found.items()}


class Recorder:
    """A step that remembers what it was called with: x and the state before, in the order of the calls."""

    def __init__(self, step: Callable[[Any, tuple, Parameters], tuple]) -> None:
        self.step = step
        self.calls: list[tuple[Any, tuple]] = []

    def __call__(self, x: Any, state: tuple, p: Parameters) -> tuple:
        """The step, remembered."""
        self.calls.append((x, state))
        return self.step(x, state, p)


def run_backward(
    back: Callable, calls: list, layers: list, d_output: list, d_final: list, lengths: np.ndarray, masks: list
) -> tuple[Any, Any]:
    """All layers from the top down: gradients of the initial states, with that of x, and of the parameters."""
    d_initial: list = []
    d_parameters: list = []
    T, D = len(d_output), len(layers[0])
    for layer in reversed(range(len(layers))):
        halves = []
        for reverse in reversed(range(D)):
            entry = layer * D + reverse
            p = layers[layer][reverse]
            size = p.W_hh.shape[1]
            d_half = [d[..., reverse * size : reverse * size + size] for d in d_output]
            seen = calls[entry * T : entry * T + T]
            d_x, d_state, pairs = scan_backward(back, seen, p, d_half, d_final[entry], lengths, reverse)
            halves.append(d_x)
            d_initial.insert(0, d_state)
            d_parameters.insert(0, parameter_gradients(p, pairs))
        d_output = [total(*both) for both in zip(*halves)]
        if layer and masks:
            d_output = [mask * d for mask, d in zip(masks[layer - 1], d_output)]
    return (d_output, d_initial), d_parameters


def scan_backward(
    back: Callable, calls: list, p: Parameters, d_output: list, d_state: tuple, lengths: np.ndarray, reverse: int
) -> tuple[list, tuple, list[Backward]]:
    """One direction of one layer, from its last step to its first."""
    steps = range(len(calls))
    d_x: list = [None] * len(calls)
    passed = []
    for t, (x, state) in zip(steps if reverse else reversed(steps), reversed(calls)):
        alive = (t < lengths)[:, None]
        read = select(x, alive, 0.0)  # not a number, times zero, would not be zero
        d_h = total(d_state[0], d_output[t])
        d_new = tuple(select(d, alive, 0.0) for d in (d_h, *d_state[1:]))
        step = back(read, state, p, d_new)
        d_x[t] = select(step.x, alive, 0.0)
        d_state = tuple(select(d, alive, after) for d, after in zip(step.state, d_state))
        passed.append(step)
    return d_x, d_state, passed


def parameter_gradients(p: Parameters, passed: list[Backward]) -> Parameters:
    """The gradients of the parameters of one layer and direction: sums over all steps and rows."""
    if not passed:
        return Parameters(*(None if array is None else np.zeros_like(array) for array in p))
    W_ih = product_over_steps([step.ih for step in passed])
    W_hh = product_over_steps([step.hh for step in passed])
    b_ih = sum_over_steps([step.ih for step in passed])
    b_hh = sum_over_steps([step.hh for step in passed])
    W_hr = None if p.W_hr is None else product_over_steps([step.hr for step in passed])
    return Parameters(W_ih, W_hh, b_ih, b_hh, W_hr)


def product_over_steps(steps: list[list[tuple[Any, Any]]]) -> Any:
    """(G*H, I or H): for each block of gates, the sum of d^T x over all steps and rows."""
    blocks = [outer(rows([x for _, x in pairs]), rows([d for d, _ in pairs])) for pairs in zip(*steps)]
    return join(*blocks).T


def sum_over_steps(steps: list[list[tuple[Any, Any]]]) -> Any:
    """(G*H,): for each block of gates, the sum of d over all steps and rows."""
    blocks = [rows([d for d, _ in pairs]) for pairs in zip(*steps)]
    return join(*(outer(ones_like(d), d) for d in blocks))[0]


def rows(parts: list) -> Any:
    """(T*N, ...): arrays or balls of all steps, row under row."""
    return stack(parts).reshape(-1, parts[0].shape[-1])


def ones_like(d: Any) -> Any:
    """(T*N, 1) ones, to sum rows with."""
    ones = np.ones((d.shape[0], 1))
    return exact(ones, d.arithmetic) if isinstance(d, Ball) else ones


def cotangents(case: Case, d_output: Any, d_h_n: Any, d_c_n: Any, arithmetic: Arithmetic | None) -> tuple[list, list]:
    """The gradients of the results: of output step by step, of the final states by layer and direction."""
    lift = as_float64 if arithmetic is None else lambda array: exact(array, arithmetic)
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


def by_name(case: Case, d_initial: tuple[list, list], d_parameters: list[Parameters]) -> dict[str, Any]:
    """The gradients under the names and in the layout of the arrays of a case."""
    d_x, d_states = d_initial
    found: dict[str, Any] = {}
    D = case.config.num_directions
    kinds = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr")
    for entry, parameters in enumerate(d_parameters):
        end = suffix(*divmod(entry, D))
        found |= {kind + end: array for kind, array in zip(kinds, parameters) if array is not None}
    states = [stack(list(entries)) for entries in zip(*d_states)]
    found |= {"x": stack(d_x) if d_x else np.zeros(time_major(case).x.shape)} | dict(zip(("h_0", "c_0"), states))
    if case.unbatched:
        found |= {name: found[name][:, 0] for name in ("x", "h_0", "c_0") if name in found}
    elif case.config.batch_first:
        found["x"] = swap_steps_and_rows(found["x"])
    return {name: found[name] for name, _ in case.arrays()}
