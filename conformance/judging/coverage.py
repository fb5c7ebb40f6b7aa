"""What the cases of a run exercised, counting only those whose balls verify something."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from conformance.claims.capabilities import Capabilities
from reference_rnn import Case
from strategies.cases import LARGEST, weights_of_layer
from strategies.forms import LENGTHS, form_of, plain
from strategies.memory import LAYOUTS


@dataclass(frozen=True)
class Area:
    """Something that must be exercised where it is claimed."""

    covers: Callable[[Any], bool]
    claimed: Callable[[Capabilities], bool] = lambda capabilities: True


def layers(count: int, directions: int = 1) -> Callable[[Capabilities], bool]:
    """Whether so many layers are claimed, of sizes at which they are drawn."""
    return lambda c: (
        (c.max_layers is None or c.max_layers >= count)
        and free("num_layers")(c)
        and any(
            count * weights_of_layer(cell, directions, min(c.sizes.get("hidden_size", (1,)))) <= LARGEST
            for cell in c.cells
        )
    )


def free(*dimensions: str) -> Callable[[Capabilities], bool]:
    """Whether these sizes are not restricted by the target."""
    return lambda c: not c.recompiles and not any(dimension in c.sizes_drawn for dimension in dimensions)


def claims_all(*names: str) -> Callable[[Capabilities], bool]:
    """Whether all these capabilities are claimed."""
    return lambda c: all(c.claims(name) for name in names)


def empty(dimension: str, *names: str) -> Callable[[Capabilities], bool]:
    """Whether a size of 0 is claimed, with other capabilities, and not too dear to draw."""
    drawn = {"batch": "batch"}.get(dimension, "steps")  # a target that allows few sizes never gets 0
    return lambda c: free(drawn)(c) and claims_all(f"empty.{dimension}", *names)(c)


def has_ragged_rows(case: Case) -> bool:
    """Whether rows end at different steps, in no order."""
    lengths = case.row_lengths.tolist()
    return lengths != sorted(lengths, reverse=True)


AREAS = {
    "L >= 2": Area(lambda c: c.config.num_layers >= 2, layers(2)),
    "L >= 3": Area(lambda c: c.config.num_layers >= 3, layers(3)),
    "D = 2": Area(lambda c: c.config.bidirectional, claims_all("bidirectional")),
    "stacked, D = 2, T >= 3, N >= 2, ragged": Area(
        lambda c: (
            c.config.num_layers > 1
            and c.config.bidirectional
            and c.num_steps > 2
            and c.num_rows > 1
            and has_ragged_rows(c)
        ),
        lambda c: layers(2, 2)(c) and claims_all("bidirectional", "lengths")(c) and free("steps", "batch")(c),
    ),
    "ragged, unsorted": Area(has_ragged_rows, lambda c: claims_all("lengths")(c) and free("batch", "steps")(c)),
    "length 0": Area(lambda c: 0 in c.row_lengths and c.num_steps > 0, empty("length", "lengths")),
    "NaN in padding": Area(
        lambda c: c.lengths is not None and bool(np.isnan(c.x).any()),
        lambda c: claims_all("lengths")(c) and free("steps")(c),
    ),
    "T = 0": Area(lambda c: c.num_steps == 0, empty("time")),
    "T = 1": Area(lambda c: c.num_steps == 1, free("steps")),
    "T >= 9": Area(lambda c: c.num_steps >= 9, free("steps")),
    "T >= 12": Area(lambda c: c.num_steps >= 12, free("steps")),
    "N = 0": Area(lambda c: c.num_rows == 0, empty("batch")),
    "N = 1": Area(lambda c: c.num_rows == 1, free("batch")),
    "N > 8": Area(lambda c: c.num_rows > 8, free("batch")),
    "H > 16": Area(lambda c: c.config.hidden_size > 16, free("hidden_size")),
    "H > 4, no multiple of 4": Area(
        lambda c: c.config.hidden_size > 4 and c.config.hidden_size % 4 > 0, free("hidden_size")
    ),
    "I > 8, no multiple of 4": Area(
        lambda c: c.config.input_size > 8 and c.config.input_size % 4 > 0, free("input_size")
    ),
    "I = H": Area(lambda c: c.config.input_size == c.config.hidden_size, free("input_size", "hidden_size")),
    "D*H = I": Area(
        lambda c: c.config.input_size == c.config.hidden_size * c.config.num_directions,
        free("input_size", "hidden_size"),
    ),
    "L*D = 1": Area(
        lambda c: c.config.num_layers * c.config.num_directions == 1,
        lambda c: free("num_layers")(c) and c.bidirectional != "only",
    ),
    "projections": Area(
        lambda c: c.config.proj_size > 0,
        lambda c: claims_all("projections")(c) and any(cell.projects for cell in c.cells) and free("hidden_size")(c),
    ),
    "no bias": Area(lambda c: not c.config.bias, lambda c: bool(c.no_bias) and not c.recompiles),
    "every slice of h_0 non-zero": Area(
        lambda c: c.h_0 is not None and c.h_0.size > 0 and bool(c.h_0.any((1, 2)).all()), claims_all("initial_state")
    ),
    "every slice of c_0 non-zero": Area(
        lambda c: c.c_0 is not None and c.c_0.size > 0 and bool(c.c_0.any((1, 2)).all()),
        lambda c: claims_all("initial_state")(c) and any(len(cell.states) == 2 for cell in c.cells),
    ),
    "non-contiguous arrays": Area(
        lambda c: not all(a.flags.c_contiguous for _, a in c.arrays()), lambda c: not c.sizes
    ),
    "read-only arrays": Area(lambda c: not all(a.flags.writeable for _, a in c.arrays())),
}


def is_asked(*names: str, sizes: Sequence[str] = ()) -> Callable[[Capabilities], bool]:
    """Whether these capabilities are claimed, with these sizes free, and forms are asked: not where each is dear."""
    return lambda c: claims_all(*names)(c) and free(*sizes)(c)


# The forms in which a case may be asked.
ASKED = {
    "batch first": Area(lambda c: c.config.batch_first, is_asked("batch_first")),
    "no axis of rows": Area(lambda c: c.unbatched, is_asked("unbatched", sizes=["batch"])),
    "no initial state": Area(lambda c: c.h_0 is None, is_asked("default_state", "initial_state")),
    "lengths of T": Area(lambda c: form_of(c).all_lengths, is_asked("lengths")),
    "dropout in evaluation": Area(lambda c: c.config.dropout > 0 and not c.training, is_asked("dropout")),
    "training with p = 0": Area(lambda c: c.training and not c.config.dropout, is_asked("dropout")),
    "other lengths": Area(lambda c: form_of(c).lengths != "", is_asked("lengths")),
}
# Which others: a dtype that holds all steps, a layout that takes two rows.
KINDS = {
    words.removeprefix("with "): Area(
        lambda c, kind=kind: form_of(c).lengths == kind,  # type: ignore[misc]
        is_asked("lengths", sizes=["batch" if kind in LAYOUTS else "steps"]),
    )
    for kind, words in LENGTHS.items()
}
# What each of them meets, beside the others.
MET = ("L >= 2", "D = 2", "ragged, unsorted", "no bias", "projections")
NEVER = (
    {"no axis of rows", "lengths of T"}, {"no axis of rows", "ragged, unsorted"}, {"lengths of T", "ragged, unsorted"},
    {"dropout in evaluation", "training with p = 0"}, {"no axis of rows", "other lengths"},
)  # fmt: skip
# Three that one function has to get right together: where rows, steps and entries are is worked out from all of them.
TRIPLES = (
    ("batch first", "no initial state", "ragged, unsorted"),
    ("batch first", "no initial state", "lengths of T"),
    ("batch first", "no initial state", "other lengths"),
    ("no axis of rows", "L >= 2", "D = 2"),
)


def together(areas: Sequence[Area]) -> Area:
    """Some areas at once."""
    return Area(lambda c: all(a.covers(c) for a in areas), lambda c: all(a.claimed(c) for a in areas))


# Every pair of forms, and of a form and what it meets, that a case can have; and these triples.
NAMES = {
    ", ".join(parts): parts
    for parts in (*combinations((*ASKED, *MET), 2), *TRIPLES)
    if parts[0] in ASKED and set(parts) not in NEVER
}
MEETINGS = {name: together([(ASKED | AREAS)[part] for part in parts]) for name, parts in NAMES.items()}


def form_meetings(coverage: Mapping[str, int]) -> dict[str, dict[str, int]]:
    """For each form that was asked, how often it met the other forms and the rest."""
    table: dict[str, dict[str, int]] = {}
    for name, (one, *others) in NAMES.items():
        if name in coverage:
            table.setdefault(one, {})[" and ".join(others)] = coverage[name]
    return table


def recurrent(claims: Capabilities) -> dict[str, Area]:
    """What is claimed of recurrences and must be exercised, by name."""
    chunks = any(mode.multiple for mode in claims.modes.values())
    headed = any(cell.heads for cell in claims.recurrences)
    found = {str(own): Area(lambda c, own=own: c.config.cell == own) for own in claims.recurrences}  # type: ignore[misc]
    found |= {dtype: Area(lambda c, dtype=dtype: c.config.dtype == dtype) for dtype in claims.dtypes}  # type: ignore[misc]
    found |= {f"mode {name}": Area(lambda c, name=name: c.mode == name) for name in claims.modes}  # type: ignore[misc]
    possible = {
        "ragged": Area(lambda c: c.lengths is not None and len(set(c.row_lengths.tolist())) > 1, claims_all("lengths")),
        "packed": Area(lambda c: c.offsets is not None and c.num_rows > 1, claims_all("packed")),
        "T = 0": Area(lambda c: c.num_steps == 0, lambda c: claims_all("empty.time")(c) and free("steps")(c)),
        "N = 0": Area(lambda c: c.num_rows == 0, lambda c: claims_all("empty.batch")(c) and free("batch")(c)),
        "length 0": Area(
            lambda c: c.num_steps > 0 and 0 in c.row_lengths,
            lambda c: claims_all("empty.length")(c) and (c.lengths or c.packed) and free("steps", "batch")(c),
        ),
        "no state": Area(lambda c: c.stateless, claims_all("default_state")),
        "N > 1": Area(lambda c: c.num_rows > 1, free("batch")),
        "M > 1": Area(lambda c: c.config.heads > 1, lambda c: headed and free("heads")(c)),
        "T = 1": Area(lambda c: c.num_steps == 1, lambda c: not chunks and free("steps")(c)),
        "T > 16": Area(lambda c: c.num_steps > 16, free("steps")),
    }
    return found | {name: area for name, area in possible.items() if area.claimed(claims)}


def areas_of(case: Case) -> list[str]:
    """The areas that a case exercises in the form in which it is asked, with its cell and dtype."""
    meant = plain(case, form_of(case))
    areas = [name for name, area in AREAS.items() if area.covers(meant)]
    return [
        str(case.config.cell),
        case.config.dtype,
        *areas,
        *(name for name, area in (MEETINGS | KINDS).items() if area.covers(case)),
    ]


def expected_areas(capabilities: Capabilities) -> list[str]:
    """The areas that must be exercised for these capabilities."""
    if capabilities.recurrences:
        return list(recurrent(capabilities))
    areas = [name for name, area in (AREAS | MEETINGS | KINDS).items() if area.claimed(capabilities)]
    return [*capabilities.cells, *capabilities.dtypes, *areas]
