"""The executable specification of recurrent networks: NumPy only, simple rather than fast."""

from .arithmetic import PRECISION, PROFILES, Arithmetic, arithmetic
from .ball import Ball
from .case import (
    CELLS,
    DTYPES,
    GATES,
    Case,
    Config,
    Result,
    ShapeError,
    parameter_shapes,
    result_shapes,
    rounded,
    state_shapes,
)
from .gradients import gradients
from .notation import case
from .question import rnn
from .recurrence import anchored, forward

__all__ = [
    "CELLS", "DTYPES", "GATES", "PRECISION", "PROFILES", "Arithmetic", "Ball", "Case", "Config", "Result", "ShapeError",
    "anchored", "arithmetic", "case", "forward", "gradients", "parameter_shapes", "result_shapes", "rnn", "rounded",
    "state_shapes",
]  # fmt: skip
