"""The executable specification of recurrent networks: NumPy only. Read ``reference.py`` first."""

from .anchoring import anchored
from .bounds.arithmetic import (
    ORDERS,
    PRECISION,
    PROFILES,
    Arithmetic,
    Fixed,
    allowances,
    arithmetic,
    described,
    fixed_point,
    joined,
)
from .bounds.ball import Ball
from .case import (
    DTYPES,
    Case,
    Config,
    Result,
    ShapeError,
    parameter_shapes,
    result_shapes,
    rounded,
    state_shapes,
)
from .cell import Cell, CellError, cell
from .cells import CELLS, cell_of
from .formats.case_builder import case, cotangents
from .formats.fused_layout import rnn
from .functions import (
    absolute,
    clip,
    cos,
    exp,
    hard_sigmoid,
    matvec,
    maximum,
    mean,
    mix,
    normalised,
    relu,
    sigmoid,
    silu,
    sin,
    softplus,
    softsign,
    sqrt,
    tanh,
    vecdot,
    vecmat,
)
from .gradients import gradients
from .layers import forward
from .nonfinite import reached
from .recurrences import Handed, Recurrence, RecurrenceCase, RecurrenceConfig, handed, handed_shapes, recurrence

__all__ = [
    "CELLS", "DTYPES", "ORDERS", "PRECISION", "PROFILES", "Arithmetic", "Ball", "Case", "Cell", "CellError",
    "Config", "Fixed", "Handed", "Recurrence", "RecurrenceCase", "RecurrenceConfig", "Result", "ShapeError",
    "absolute", "allowances", "anchored", "arithmetic", "case", "cell", "cell_of", "clip", "cos", "cotangents",
    "described", "exp", "fixed_point", "forward", "gradients", "handed", "handed_shapes", "hard_sigmoid",
    "joined", "matvec", "maximum", "mean", "mix", "normalised", "parameter_shapes", "reached", "recurrence",
    "relu", "result_shapes", "rnn", "rounded", "sigmoid", "silu", "sin", "softplus", "softsign", "sqrt",
    "state_shapes", "tanh", "vecdot", "vecmat",
]  # fmt: skip
