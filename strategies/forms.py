"""The form in which a case is asked: what may differ from call to call while the problem stays the same."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from reference_rnn import Case

from .memory import LAYOUTS, layout_of, relaid

WITH_ROWS = ("x", "h_0", "c_0", "output", "h_n", "c_n", "d_output", "d_h_n", "d_c_n")
BY_STEP = ("x", "output", "d_output")


@dataclass(frozen=True)
class Form:
    """How a case is asked; each of these only where the case allows it.

    batch_first   x and output are (N, T, ...)
    unbatched     without the axis of rows, where there is one row and there are no lengths
    no_state      h_0 and c_0 are not given where they are zero
    all_lengths   lengths are given where every row has T steps
    evaluation    with dropout, outside training;  training: with dropout of p = 0
    lengths       one of LENGTHS: the dtype or the memory layout that lengths have where they are given; int64 and C
                  without it, and where they do not fit

    No bias and a bias of zero are two cases and not two forms of one: they differ in their parameters, and so in their
    gradients. That they agree is a property of its own, ``shapes.no_bias``, which is asked in every form.
    """

    batch_first: bool = False
    unbatched: bool = False
    no_state: bool = False
    all_lengths: bool = False
    evaluation: bool = False
    training: bool = False
    lengths: str = ""

    def names(self) -> list[str]:
        """The fields that are true."""
        return [field.name for field in fields(self) if getattr(self, field.name)]

    def __str__(self) -> str:
        said = self.names()
        if self.lengths:  # whatever they are of, they are given: that they are all T goes without saying
            said = [name for name in said if name != "all_lengths"]
        return " and ".join(WORDS.get(name) or LENGTHS[self.lengths] for name in said)

    def only(self, names: Collection[str]) -> Form:
        """The form with these fields, those of them that it has."""
        if self == PLAIN:
            return self
        return Form(**{name: getattr(self, name) for name in self.names() if name in names})

    def ask(self, case: Case) -> Case:
        """A case in this form, as far as it can have it; what a case says otherwise already stays as it is.

        >>> from reference_rnn import case
        >>> two_rows = case("RNN_TANH", T=5, N=2, I=1, H=1)
        >>> Form(batch_first=True, unbatched=True, no_state=True).ask(two_rows)
        case('RNN_TANH', T=5, N=2, I=1, H=1, batch_first=True)
        """
        if self == PLAIN:
            return case
        if self.no_state and case.h_0 is not None and not any(s.any() for s in states(case)):
            case = case.replace(h_0=None, c_0=None)
        if not case.training and not case.config.dropout:
            if self.evaluation:
                case = case.replace(dropout=0.5)
            elif self.training:
                case = case.replace(training=True)
        if case.unbatched or case.config.batch_first:
            return case
        if self.unbatched and case.num_rows == 1 and case.lengths is None:  # then batch_first means nothing
            return case.map(without_rows).replace(batch_first=self.batch_first)
        if self.all_lengths and case.lengths is None and case.num_steps:
            case = case.replace(lengths=np.full(case.num_rows, case.num_steps))
        if self.lengths and case.lengths is not None:
            case = case.replace(lengths=of_kind(case.row_lengths, self.lengths))
        if self.batch_first:
            return case.replace(x=swapped(case.x), batch_first=True)
        return case


PLAIN, BATCH_FIRST, UNBATCHED = Form(), Form(batch_first=True), Form(unbatched=True)
WORDS = {
    "batch_first": "with batch_first",
    "unbatched": "without an axis of rows",
    "no_state": "without an initial state",
    "all_lengths": "with lengths that are all T",
    "evaluation": "with dropout, outside training",
    "training": "in training, with p = 0",
}
LENGTHS = {
    "int32": "with lengths of int32",
    "uint8": "with lengths of uint8",
    "uint64": "with lengths of uint64",
    "strided": "with lengths that are strided",
    "int8": "with lengths of int8",
    "uint32": "with lengths of uint32",
    "negative": "with lengths that lie backwards in memory",
    "int16": "with lengths of int16",
}


def form_of(case: Case) -> Form:
    """The form that a case has."""
    whole = case.lengths is not None and case.num_steps > 0 and bool((case.row_lengths == case.num_steps).all())
    dropout, training = case.config.dropout, case.training
    return Form(
        case.config.batch_first, case.unbatched, case.h_0 is None, whole, dropout > 0 and not training,
        training and dropout == 0, kind_of_lengths(case.lengths),
    )  # fmt: skip


def kind_of_lengths(lengths: np.ndarray | None) -> str:
    """Which of LENGTHS these are; none for int64 in C order."""
    if lengths is None:
        return ""
    layout = layout_of(lengths)
    kind = layout if lengths.dtype == np.int64 and layout != "C" else lengths.dtype.name
    return kind if kind in LENGTHS else ""


def of_kind(lengths: np.ndarray, kind: str) -> np.ndarray:
    """Lengths in another dtype or layout, one of LENGTHS; unchanged where it cannot hold them."""
    if kind in LAYOUTS:
        return relaid(lengths, kind)
    return lengths.astype(kind) if lengths.max(initial=0) <= np.iinfo(kind).max else lengths


def plain(case: Case, form: Form) -> Case:
    """The case without this form, which it has: time-major and with a batch, states given as zeros."""
    if form == PLAIN:
        return case
    if form.unbatched:
        case = case.map(with_rows).replace(batch_first=False)
    elif form.batch_first:
        case = case.replace(x=swapped(case.x), batch_first=False)
    if form.no_state:
        entries, c = case.config.num_layers * case.config.num_directions, case.config
        sizes = {"h_0": c.state_size, "c_0": c.hidden_size} if c.num_states == 2 else {"h_0": c.state_size}
        zeros = {name: np.zeros((entries, case.num_rows, size), case.x.dtype) for name, size in sizes.items()}
        case = case.replace(**zeros)
    if form.lengths:
        case = case.replace(lengths=relaid(case.row_lengths, "C"))
    if form.all_lengths:
        case = case.replace(lengths=None)
    if form.evaluation or form.training:
        case = case.replace(dropout=0.0, training=False)
    return case


def answered(asked: Case, case: Case, name: str, array: np.ndarray) -> np.ndarray:
    """A result, gradient or cotangent of the case that was asked, as it is for the case that was meant."""
    if asked.unbatched and not case.unbatched:
        return array[:, None] if name in WITH_ROWS else array
    if asked.config.batch_first and not case.config.batch_first and not asked.unbatched:
        return array.swapaxes(0, 1) if name in BY_STEP else array
    return array


def cotangent_as_asked(asked: Case, case: Case, name: str, array: np.ndarray) -> np.ndarray:
    """A cotangent for the case that is meant, as the case that is asked must have it; in the same memory layout."""
    if asked.unbatched and not case.unbatched:
        return without_rows(name, array)
    if asked.config.batch_first and not case.config.batch_first and not asked.unbatched and name in BY_STEP:
        return swapped(array)
    return array


def states(case: Case) -> list[np.ndarray]:
    """The initial states that are given."""
    return [state for state in (case.h_0, case.c_0) if state is not None]


def swapped(array: np.ndarray) -> np.ndarray:
    """The array with its first two axes swapped, in the memory layout that it has."""
    return relaid(array.swapaxes(0, 1), layout_of(array))


def without_rows(name: str, array: Any) -> np.ndarray:
    """The first row of an array that has rows, in its memory layout."""
    return relaid(array[:, 0], layout_of(array)) if name in WITH_ROWS else array


def with_rows(name: str, array: Any) -> np.ndarray:
    """An array that has rows, as one of a batch of one."""
    return relaid(array[:, None], layout_of(array)) if name in WITH_ROWS else array
