"""Shape mistakes that can be recognised: they are named, and looked through, so that the numbers
behind them are still judged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from reference_rnn import Case, result_shapes

Reading = tuple[str, Callable[[np.ndarray], np.ndarray]]


def readings(name: str, array: np.ndarray, case: Case) -> Iterator[Reading]:
    """Ways to read an array that has not the shape it must have, likeliest first."""
    c = case.config
    L, D, H = c.num_layers, c.num_directions, c.state_size
    if case.unbatched and array.ndim == 3 and array.shape[1] == 1:
        yield "it has an axis of rows, and the input has none", lambda a: a[:, 0]
    if name == "output":
        if array.ndim == 4 and array.shape[-2:] == (D, H):
            yield "the halves of the directions are not joined", lambda a: a.reshape(*a.shape[:2], -1)
        if array.ndim == 4 and array.shape[0] == D:
            yield "the directions are an axis of their own, the first", lambda a: np.concatenate(list(a), -1)
        if array.ndim == 3:
            swapped = "time major" if c.batch_first else "batch first"
            yield f"it is {swapped}; the first two axes are swapped", lambda a: a.swapaxes(0, 1)
    else:
        if array.ndim == 4 and array.shape[:2] == (L, D):
            yield "layers and directions are separate axes", lambda a: a.reshape(L * D, *a.shape[2:])
        if array.ndim == 4 and array.shape[:2] == (D, L):
            yield "directions and layers are separate axes", lambda a: a.swapaxes(0, 1).reshape(L * D, *a.shape[2:])
        if array.ndim == 3:
            yield "it is batch first, which states never are", lambda a: a.swapaxes(0, 1)
        if array.ndim == 2 and L * D == 1:
            yield "the axis of layers and directions is missing", lambda a: a[None]
    if array.ndim == 2 and case.num_rows == 1 and not case.unbatched:
        rows = 0 if name == "output" and c.batch_first else 1
        yield "the axis of rows is missing where there is one row", lambda a: np.expand_dims(a, rows)
    if array.ndim and array.shape[-1] == 1:
        yield "it has a trailing axis of size 1", lambda a: a[..., 0]
    if array.ndim and array.shape[0] == 1:
        yield "it has a leading axis of size 1", lambda a: a[0]


class Reader:
    """Reads the arrays of one implementation: a mistake seen once is expected from then on, where sizes fit several."""

    def __init__(self) -> None:
        self.habits: dict[str, str] = {}

    def read(self, name: str, array: np.ndarray, case: Case) -> tuple[np.ndarray, str | None]:
        """The array in its right shape, and the sentence about its wrong one; None where that cannot be told.

        Raises ValueError, with that sentence, if the shape cannot be made out.
        """
        must = result_shapes(case)[name]
        known = {mistake: change for mistake, change in readings(name, array, case)}
        right = array.shape == must.sizes
        habit = self.habits.get(name)
        if right and (habit not in known or known[habit](array).shape != must.sizes):
            return array, None
        said = f"{name} has shape {array.shape}, must be {must}"
        for mistake, change in sorted(known.items(), key=lambda reading: reading[0] != habit):
            if change(array).shape == must.sizes and (not right or mistake == habit):
                self.habits[name] = mistake
                sentence = f"{said}; {mistake}. Read as {must} from here on"
                return change(array), None if right else sentence
        raise ValueError(f"{said}{guess(array, must.sizes)}")


def guess(array: np.ndarray, must: tuple[int, ...]) -> str:
    """What else may be said about a shape."""
    if sorted(array.shape) == sorted(must):
        return "; its axes are in another order"
    if array.size == int(np.prod(must)):
        return "; it has the right number of elements in another shape"
    return ""
