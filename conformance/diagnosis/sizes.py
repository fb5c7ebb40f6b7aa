"""Cases of other sizes, otherwise like one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from reference_rnn import Case
from strategies import layout_of, relaid
from strategies.forms import Form
from strategies.shrink import size_of

from .asking import Bench
from .influence import generic

AXES = {"T": "steps", "N": "batch", "I": "input_size", "H": "hidden_size", "L": "num_layers"}


def sizes_of(case: Case) -> dict[str, int]:
    """The sizes of a case that is padded and has a batch, by axis."""
    return {axis: size_of(case, axis) for axis in AXES}


def of_sizes(bench: Bench, case: Case, form: Form, sizes: Mapping[str, int]) -> Case:
    """A case of these sizes without zeros, otherwise like another one, in a form."""
    config = replace(
        case.config, input_size=sizes["I"], hidden_size=sizes["H"], num_layers=sizes["L"], batch_first=False
    )
    old = dict(case.arrays())
    other = generic(bench, config, sizes["T"], sizes["N"]).replace(training=case.training)
    if case.lengths is not None:
        ends = lengths_of(case.row_lengths, sizes["N"])
        lengths = np.maximum(sizes["T"] - (case.num_steps - ends), min(1, sizes["T"]))
        other = other.replace(lengths=np.where(ends == 0, 0, lengths))
    if form.no_state:
        other = other.map(lambda name, array: 0 * array if name in ("h_0", "c_0") else array)
    return form.ask(other.map(lambda name, array: relaid(array, layout_of(old[name])) if name in old else array))


def lengths_of(lengths: np.ndarray, rows: int) -> np.ndarray:
    """The lengths of so many rows: the same again and again; of fewer the longest and the shortest, in their order.

    >>> lengths_of(np.array([2, 3, 1, 0, 2]), 2).tolist(), lengths_of(np.array([2, 0]), 3).tolist()
    ([3, 0], [2, 0, 2])
    """
    if rows >= len(lengths):
        return np.resize(lengths, rows)
    longest, *others = np.argsort(-lengths, kind="stable").tolist()
    return lengths[sorted([longest, *others[::-1]][:rows])]
