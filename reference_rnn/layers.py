"""Time, directions and layers around a cell.

A row that has ended holds its state. So the reverse direction walks down from the padded end and
holds the initial state until each row's last valid step; ragged lengths, length 0 and T = 0 need
neither a branch nor a flip.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, overload

import numpy as np

from .bounds.arithmetic import Arithmetic, arithmetic_of
from .bounds.ball import Ball, exact, summing
from .case import Case, Config, Result, parameter_shape
from .cell import Parameters, kinds_of, options_of
from .functions import join, returned, select, stack
from .layouts import suffix

Step = Callable[[Any, tuple, Parameters], tuple]


@overload
def forward(case: Case, arithmetic: None = None, masks: list | None = None) -> Result[np.ndarray]: ...
@overload
def forward(case: Case, arithmetic: Arithmetic | str, masks: list | None = None) -> Result[Ball]: ...
@np.errstate(all="ignore")
def forward(case: Case, arithmetic: Arithmetic | str | None = None, masks: list | None = None) -> Result[Any]:
    """The result of a case: float64 arrays, or balls if an arithmetic is given, by itself or by its dtype.

    masks  (T, N, D*H or D*P) for each layer but the last, 0 or 1 / (1 - p): which numbers dropout keeps. Needed
           in training with 0 < p < 1 only; with p = 1 nothing is kept.

    Its ``output`` is (T, N, D*H), ``h_n`` (L*D, N, H) and, of an LSTM, ``c_n`` (L*D, N, H), or as the case is laid
    out. Raises ShapeError if an array of the case does not fit its configuration, ValueError without masks or for a
    dtype that does not exist.

    >>> from reference_rnn import case
    >>> forward(case("RNN_RELU", T=3, N=1, I=1, H=1, x=1.0, weight_ih_l0=2.0, weight_hh_l0=0.5)).output.ravel()
    array([2. , 3. , 3.5])
    >>> bool(forward(case("RNN_RELU", T=1, N=1, I=1, H=1, x=0.1, weight_ih_l0=3.0), "float32").output.rad < 1e-7)
    True
    """
    plain = time_major(case.check())
    layers = layer_parameters(plain)
    step = step_of(plain.config)
    allowed = arithmetic_of(arithmetic)
    x, initial = lifted(plain, allowed)
    kept = lifted_masks(plain, masks, allowed)
    output, final = run(step, layers, x, initial, plain.row_lengths, kept)
    return like_case(case, collect(plain, output, final))


def run(
    step: Step, layers: list, x: list, initial: list, lengths: np.ndarray, masks: Sequence = ()
) -> tuple[list, list]:
    """All layers; masks lie between them. final is layer-major, direction-minor, like initial."""
    final: list = []
    for directions in layers:
        halves = []
        if final and masks:
            x = [mask * x_t for mask, x_t in zip(masks[len(final) // len(directions) - 1], x)]
        for reverse, p in enumerate(directions):
            state = initial[len(final)]
            output, state = scan(step, p, x, state, lengths, reverse)
            halves.append(output)
            final.append(state)
        x = [join(*both) for both in zip(*halves)]
    return x, final


def scan(
    step: Step,
    p: Parameters,
    x: list,
    state: tuple,
    lengths: np.ndarray,
    reverse: int,
    own: np.ndarray | None = None,
) -> tuple[list, tuple]:
    """One direction of one layer: the output of every step, and the state at each row's end.

    own  (T, N, H) what an implementation returned: each step then starts from its previous h
    """
    output: list = [None] * len(x)
    steps = range(len(x))
    before = state
    for t in reversed(steps) if reverse else steps:
        alive = (t < lengths)[:, None]
        new = step(x[t], before, p)
        state = tuple(select(n, alive, s) for n, s in zip(new, state))
        output[t] = select(state[0], alive, 0.0)
        before = state if own is None else (returned(state[0], own[t], alive), *state[1:])
    return output, state


def without_padding(plain: Case) -> Case:
    """The same case with zeros past the end of each row, where nobody reads: NaN times zero would not be zero."""
    valid = np.arange(plain.num_steps)[:, None] < plain.row_lengths
    return plain.replace(x=np.where(valid[..., None], plain.x, 0))


def lifted(plain: Case, arithmetic: Arithmetic | None) -> tuple[list, list]:
    """x step by step and the initial states, in the arithmetic asked for."""
    lift = as_float64 if arithmetic is None else lambda array: exact(array, arithmetic)
    start = as_float64 if arithmetic is None else lambda array: summing(exact(array, arithmetic))
    x = [lift(x_t) for x_t in plain.x]
    states = [plain.h_0, plain.c_0][: plain.config.num_states]
    return x, [tuple(start(s) for s in entry) for entry in zip(*states)]


def lifted_masks(plain: Case, masks: list | None, arithmetic: Arithmetic | None) -> list:
    """Dropout's masks by layer and step, in the arithmetic asked for; none where nothing is dropped."""
    config = plain.config
    if not plain.training or config.dropout == 0 or config.num_layers == 1:
        return []
    if config.dropout == 1:
        kept = (plain.num_steps, plain.num_rows, config.num_directions * config.state_size)
        masks = [np.zeros(kept)] * (config.num_layers - 1)
    if masks is None:
        raise ValueError(f"training with dropout {config.dropout} needs masks: what was kept is not known otherwise")
    return [[as_float64(m) if arithmetic is None else exact(m, arithmetic) for m in mask] for mask in masks]


def as_float64(array: Any) -> np.ndarray:
    """The array in the reference's precision; complex numbers stay complex."""
    return np.asarray(array, dtype=np.complex128 if np.iscomplexobj(array) else np.float64)


def step_of(config: Config) -> Step:
    """The step of a configuration's cell, with its options."""
    own, options = config.cell, options_of(config)
    return lambda x, state, p: own.run(x, state, p, options)


def layer_parameters(plain: Case) -> list[list[Parameters]]:
    """Parameters by layer and direction; absent biases, and peepholes among other options, are zero."""
    config = plain.config
    kinds = list(kinds_of(config.cell, True, bool(config.proj_size), config.has_options))
    optional = ("bias_ih", "bias_hh", "weight_ch")
    absent = {kind: np.zeros(parameter_shape(config, kind, 0).sizes) for kind in kinds if kind in optional}

    def of(end: str) -> Parameters:
        named = {kind: plain.parameters.get(kind + end, absent.get(kind)) for kind in kinds}
        return Parameters(config.cell, {kind: as_float64(array) for kind, array in named.items()})

    return [
        [of(suffix(layer, direction)) for direction in range(config.num_directions)]
        for layer in range(config.num_layers)
    ]


def time_major(case: Case) -> Case:
    """The same case with x (T, N, I), states (L*D, N, H), and zeros where no state is given."""
    x, h_0, c_0 = case.x, case.h_0, case.c_0
    if case.unbatched:
        x = x[:, None]
        h_0 = None if h_0 is None else h_0[:, None]
        c_0 = None if c_0 is None else c_0[:, None]
    elif case.config.batch_first:
        x = x.swapaxes(0, 1)
    entries = case.config.num_layers * case.config.num_directions
    if h_0 is None:
        h_0 = np.zeros((entries, x.shape[1], case.config.state_size))
    if c_0 is None and case.config.num_states == 2:
        c_0 = np.zeros((entries, x.shape[1], case.config.hidden_size))
    return case.replace(x=x, h_0=h_0, c_0=c_0, batch_first=False)


def time_major_output(case: Case, output: np.ndarray) -> np.ndarray:
    """The output of a case as (T, N, D*H)."""
    if case.unbatched:
        return output[:, None]
    return output.swapaxes(0, 1) if case.config.batch_first else output


def collect(plain: Case, output: list, final: list) -> Result:
    """Lists by step and by layer and direction as one result."""
    h_n, *c_n = (stack(*states) for states in zip(*final))
    last = join(*(states[0] for states in final[-plain.config.num_directions :]))
    output_all = stack(last, *output)[1:]  # of no steps, too
    return Result(output_all, h_n, *c_n)


def like_case(case: Case, result: Result) -> Result:
    """A time-major result in the layout of its case."""
    if case.unbatched:
        return result.map(lambda name, value: value[:, 0])
    if case.config.batch_first:
        return Result(swap_steps_and_rows(result.output), result.h_n, result.c_n)
    return result


def swap_steps_and_rows(value: Any) -> Any:
    """(T, N, ...) as (N, T, ...)."""
    return value.swapaxes(0, 1)
