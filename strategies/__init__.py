"""Hypothesis strategies that draw cases for recurrent networks; NumPy and Hypothesis only."""

import importlib.util
from pathlib import Path

_spec = importlib.util.find_spec("reference_rnn")
if _spec is None or not _spec.origin or Path(_spec.origin).parent.parent != Path(__file__).parent.parent:
    _found = _spec.origin if _spec else None
    raise ImportError(f"{_found!r} hides the package 'reference_rnn' of rnn-conformance; rename it")

from .cases import cases  # noqa: E402
from .memory import layout_of, relaid  # noqa: E402
from .shrink import shrink  # noqa: E402

__all__ = ["cases", "layout_of", "relaid", "shrink"]
