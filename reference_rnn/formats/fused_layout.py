"""The function of the question that this project answers, in its asker's own layout.

    xs (T, N, I)
    h  (L, D, N, H)         initial states
    w0 (D, 2H, I+H)         lowest layer: W_ih in the rows :H and columns :I, W_hh in the rows H: and columns I:
    w  (L-1, D, H, D*H+H)   layers above: W_ih in the columns :D*H, W_hh in the columns D*H:
    b  (L, D, H)            one bias for each layer and direction

Are these shapes right? Nearly. The two other blocks of w0 are never read, so (D, H, I+H), with W_ih and
W_hh side by side as in w, holds the same weights, and is accepted too. One bias is enough: a plain RNN
only ever adds its two biases to one another.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..case import Case, Config, Shape, ShapeError
from ..layers import forward
from ..layouts import suffix


def rnn(
    xs: Any,
    h: Any,
    w0: Any,
    w: Any = None,
    b: Any = None,
    num_layers: int = 2,
    nonlinearity: str = "tanh",
    dropout: float = 0.0,
    bidirectional: bool = False,
    training: bool = True,
) -> tuple[np.ndarray, np.ndarray]:
    """output (T, N, D*H) and h_n (L*D, N, H) of a plain RNN, in the dtype of xs.

    Inside, everything is float64. w may be None if num_layers is 1, b may be None for no bias. With dropout in
    training, masks between layers are drawn from NumPy's global generator.

    Raises ShapeError, naming the array; ValueError for an unknown nonlinearity.
    """
    if nonlinearity not in ("tanh", "relu"):
        raise ValueError(f"nonlinearity is {nonlinearity!r}, must be 'tanh' or 'relu'")
    D = 2 if bidirectional else 1
    xs, h = np.asarray(xs), np.asarray(h)
    xs = xs if xs.dtype.kind == "f" else xs.astype(float)
    shape(xs, "xs", ("T", "N", "I"), xs.shape[:3] + (1,) * (3 - xs.ndim))
    T, N, I = xs.shape  # noqa: E741
    H = h.shape[-1] if h.ndim else 0
    shape(h, "h", ("L", "D", "N", "H"), (num_layers, D, N, H))
    config = Config(
        f"RNN_{nonlinearity.upper()}", I, H, num_layers, bidirectional, b is not None, dropout=dropout, dtype="float64"
    )
    case = Case(config, from_question(w0, w, b, config), xs, h.reshape(-1, N, H), training=training)
    masks = None
    if training and 0 < dropout < 1:
        kept = np.random.random((num_layers - 1, T, N, D * H)) >= dropout
        masks = list(kept / (1 - dropout))
    result = forward(case, masks=masks)
    return result.output.astype(xs.dtype), result.h_n.astype(xs.dtype)


def from_question(w0: Any, w: Any, b: Any, config: Config) -> dict[str, np.ndarray]:
    """PyTorch's parameters from the layout of the question; ``to_question`` is its inverse.

    Each bias becomes bias_ih, and bias_hh is zero. Raises ShapeError, naming the array.
    """
    L, D, I, H = config.num_layers, config.num_directions, config.input_size, config.hidden_size  # noqa: E741
    w0 = np.asarray(w0)
    if w0.shape == (D, H, I + H):
        w_ih, w_hh = w0[..., :I], w0[..., I:]
    else:
        shape(w0, "w0", ("D", "2H", "I+H"), (D, 2 * H, I + H))
        w_ih, w_hh = w0[:, :H, :I], w0[:, H:, I:]
    if L > 1:
        w = np.zeros(0) if w is None else np.asarray(w)
        shape(w, "w", ("L-1", "D", "H", "D*H+H"), (L - 1, D, H, D * H + H))
    if b is not None:
        shape(np.asarray(b), "b", ("L", "D", "H"), (L, D, H))
    parameters = {}
    for layer in range(L):
        for d in range(D):
            end = suffix(layer, d)
            parameters["weight_ih" + end] = w_ih[d] if layer == 0 else w[layer - 1, d, :, : D * H]
            parameters["weight_hh" + end] = w_hh[d] if layer == 0 else w[layer - 1, d, :, D * H :]
            if b is not None:
                parameters["bias_ih" + end] = np.asarray(b)[layer, d]
                parameters["bias_hh" + end] = np.zeros_like(parameters["bias_ih" + end])
    return parameters


def to_question(parameters: dict[str, np.ndarray], config: Config) -> tuple[Any, Any, Any]:
    """w0, w and b from PyTorch's parameters; w is None for one layer, b is None without biases.

    The two biases are added up, since the layout has room for one.
    """
    L, D, I, H = config.num_layers, config.num_directions, config.input_size, config.hidden_size  # noqa: E741
    dtype = parameters["weight_ih_l0"].dtype
    w0 = np.zeros((D, 2 * H, I + H), dtype)
    w = np.zeros((L - 1, D, H, D * H + H), dtype) if L > 1 else None
    b = np.zeros((L, D, H), dtype) if config.bias else None
    for layer in range(L):
        for d in range(D):
            end = suffix(layer, d)
            if w is None or layer == 0:
                w0[d, :H, :I] = parameters["weight_ih" + end]
                w0[d, H:, I:] = parameters["weight_hh" + end]
            else:
                w[layer - 1, d] = np.hstack([parameters["weight_ih" + end], parameters["weight_hh" + end]])
            if b is not None:
                b[layer, d] = parameters["bias_ih" + end] + parameters["bias_hh" + end]
    return w0, w, b


LAYOUT = "question"


def as_question(case: Any) -> dict[str, Any]:
    """The arrays of a case as the function takes them, by their names there; w and b may be None."""
    c = case.config
    config = Config(**{name: getattr(c, name) for name in Config.__dataclass_fields__})
    h = case.h_0.reshape(c.num_layers, c.num_directions, -1, c.hidden_size)
    return {"xs": case.x, "h": h} | dict(zip(("w0", "w", "b"), to_question(case.parameters, config)))


def question_shapes(case: Case) -> dict[str, Shape]:
    """The shapes of these arrays; those of the results are PyTorch's."""
    c, (T, N, I) = case.config, case.x.shape  # noqa: E741
    L, D, H = c.num_layers, c.num_directions, c.hidden_size
    shapes = {
        "xs": Shape((T, N, I), "T, N, I"),
        "h": Shape((L, D, N, H), "L, D, N, H"),
        "w0": Shape((D, 2 * H, I + H), "D, 2H, I+H"),
    }
    if L > 1:
        shapes["w"] = Shape((L - 1, D, H, D * H + H), "L-1, D, H, D*H+H")
    return shapes | ({"b": Shape((L, D, H), "L, D, H")} if c.bias else {})


def shape(array: np.ndarray, name: str, symbols: tuple[str, ...], sizes: tuple[int, ...]) -> None:
    """Raises ShapeError, naming the array, unless it has these sizes."""
    if array.shape != sizes:
        numbers = f" = {sizes}" if array.ndim != len(sizes) or name != "xs" else ""
        raise ShapeError(f"{name} has shape {array.shape}, must be ({', '.join(symbols)}){numbers}")
