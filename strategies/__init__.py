"""Hypothesis strategies that draw cases for recurrent networks; NumPy and Hypothesis only."""

from .cases import cases
from .memory import layout_of, relaid
from .shrink import shrink

__all__ = ["cases", "layout_of", "relaid", "shrink"]
