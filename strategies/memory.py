"""Memory layouts: the same numbers, laid out in another way."""

from __future__ import annotations

import numpy as np

LAYOUTS = ("C", "F", "strided", "negative", "wide", "columns", "tall", "read-only")


def unusual(axes: int) -> tuple[str, ...]:
    """The layouts of writeable arrays of so many axes that are not C order; of a matrix, "columns" would be "wide"."""
    return tuple(layout for layout in LAYOUTS[1:-1] if axes > 2 or layout != "columns")


def relaid(array: np.ndarray, layout: str) -> np.ndarray:
    """A copy of the array in one of the LAYOUTS; gaps between its numbers hold NaN, or the largest integer.

    "negative" lies backwards along its first axis and, of three, along the second too where there is an even number of
    rows: then steps and rows together are one axis again. "wide" is cut out of an array with one more along its second
    axis, as columns of a larger matrix are, and "tall" is the same of the transpose; "columns" is cut out along the
    last of three axes. An array too small to have that layout (one element, no axis) comes back in C order.
    """
    nothing = np.iinfo(array.dtype).max if array.dtype.kind in "iu" else np.nan
    if layout == "F":
        return np.array(array, order="F")
    if layout == "strided" and array.ndim:
        wide = np.full((*array.shape[:-1], 2 * array.shape[-1]), nothing, array.dtype)
        wide[..., ::2] = array
        return wide[..., ::2]
    if layout == "negative" and array.ndim:
        backwards = np.s_[::-1, ::-1] if array.ndim == 3 and array.shape[1] % 2 == 0 else np.s_[::-1, ...]
        return array[backwards].copy()[backwards]
    if layout == "wide" and array.ndim > 1:
        wide = np.full((array.shape[0], array.shape[1] + 1, *array.shape[2:]), nothing, array.dtype)
        wide[:, :-1] = array
        return wide[:, :-1]
    if layout == "columns" and array.ndim > 1:
        wide = np.full((*array.shape[:-1], array.shape[-1] + 1), nothing, array.dtype)
        wide[..., :-1] = array
        return wide[..., :-1]
    if layout == "tall":
        return relaid(array.T, "wide").T
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
    if any(stride < 0 for stride in array.strides):
        return "negative"
    if array.strides[-1] == array.itemsize:
        apart = array.ndim > 2 and array.strides[-2] != array.shape[-1] * array.itemsize
        return "columns" if apart else "wide"
    return "tall" if array.strides[0] == array.itemsize else "strided"
