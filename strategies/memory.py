"""Memory layouts: the same numbers, laid out in another way."""

from __future__ import annotations

import numpy as np

LAYOUTS = ("C", "F", "strided", "negative", "read-only")


def relaid(array: np.ndarray, layout: str) -> np.ndarray:
    """A copy of the array in one of the LAYOUTS; gaps between its numbers hold NaN, or the largest integer.

    An array too small to have that layout (one element, no axis) comes back in C order.
    """
    if layout == "F":
        return np.array(array, order="F")
    if layout == "strided" and array.ndim:
        nothing = np.nan if array.dtype.kind == "f" else np.iinfo(array.dtype).max
        wide = np.full((*array.shape[:-1], 2 * array.shape[-1]), nothing, array.dtype)
        wide[..., ::2] = array
        return wide[..., ::2]
    if layout == "negative" and array.ndim:
        return array[::-1, ...].copy()[::-1, ...]
    copy = np.array(array, order="C")
    copy.flags.writeable = layout != "read-only"
    return copy


def layout_of(array: np.ndarray) -> str:
    """Which of the LAYOUTS an array has; "C" for whatever is contiguous and writeable."""
    if not array.flags.writeable:
        return "read-only"
    if array.flags.c_contiguous:
        return "C"
    if array.flags.f_contiguous:
        return "F"
    return "negative" if any(stride < 0 for stride in array.strides) else "strided"
