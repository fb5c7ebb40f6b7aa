"""Test vectors: a case, its results, and how far each of their numbers may be off, as data for any language.

A number y is right if ``abs(y - mid) <= rad``, computed in double precision. Nothing in a file is ever executed.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from conformance.claims.allowed import taken
from conformance.claims.capabilities import Capabilities
from conformance.harness.files import read_json
from conformance.judging.data import case_from_data, case_to_data
from conformance.judging.gradients import EXACT
from conformance.judging.judgement import Failure, fail, void_layers, within
from conformance.judging.subject import Subject
from reference_rnn import ORDERS, Arithmetic, Ball, Case, Result, arithmetic, forward, joined, result_shapes
from strategies.cases import EMPTIES, Allowed, held
from strategies.covering import COVERING, covering
from strategies.integers import representable

from .counterexamples import LARGEST

SCHEMA = 1
MOST = len(COVERING)  # cases for each cell and dtype


class VectorError(ValueError):
    """A file is not a test vector; the message names it and says why."""


@dataclass(frozen=True)
class Vector:
    """A case and the balls in which its results must lie, for targets of one profile of arithmetic and one order."""

    case: Case
    balls: Result
    arithmetic: str
    order: str = "steps"


def vectors(
    cell: str, dtype: str, count: int = MOST, profile: str = "strict", order: str = "steps"
) -> Iterator[tuple[str, Vector | None]]:
    """Name and vector for each of the first covering cases; None in place of one whose balls verify nothing."""
    allowed = Allowed(cells=(cell,), dtypes=(dtype,), projections=True, empty=EMPTIES)
    for number, case in enumerate(islice(covering(allowed), count)):
        balls = certain(case, arithmetic(dtype, profile, order))
        name = f"{cell.lower()}-{dtype}-{number:02}"
        yield name, None if balls is None else Vector(case, balls, joined(profile), order)


@np.errstate(all="ignore")
def certain(case: Case, allowed: Arithmetic) -> Result | None:
    """The balls of the results of a case; None if they verify nothing."""
    balls = forward(case, allowed)
    if set(void_layers(balls, case)) or not all(np.isfinite(b.mid + b.rad).all() for _, b in balls.items()):
        return None
    # what Ball.contains allows besides the radius is part of the number that others compare with
    slack = 0.0 if representable(case) else 1 + 8 * allowed.u
    return balls.map(lambda name, ball: Ball(ball.mid, slack * ball.rad, EXACT))


def to_data(vector: Vector) -> dict[str, Any]:
    """A vector as plain data."""
    return {
        "schema": SCHEMA,
        "arithmetic": vector.arithmetic,
        **({} if vector.order == "steps" else {"order": vector.order}),
        "case": case_to_data(vector.case),
        "expected": {
            name: {"shape": list(ball.shape), "mid": ball.mid.ravel().tolist(), "rad": ball.rad.ravel().tolist()}
            for name, ball in vector.balls.items()
        },
    }


def from_data(data: Any) -> Vector:
    """The vector that ``to_data`` described. Raises ValueError."""
    if not isinstance(data, dict) or data.get("schema") != SCHEMA:
        raise VectorError(f"it is not a test vector of schema {SCHEMA}")
    for name in ("arithmetic", "case", "expected"):
        if name not in data:
            raise VectorError(f"it has no {name!r}")
    case, expected = case_from_data(data["case"]), data["expected"]
    profile, order = joined(data["arithmetic"]), data.get("order", "steps")
    if order not in list(ORDERS):
        raise VectorError(f"order is {order!r}, must be one of {', '.join(ORDERS)}")
    shapes = result_shapes(case)
    if not isinstance(expected, dict) or expected.keys() != shapes.keys():
        raise VectorError(f"expected must be an object with {', '.join(shapes)}")
    balls = {name: ball_from_data(name, expected[name], shape.sizes) for name, shape in shapes.items()}
    return Vector(case, Result(**balls), profile, order)


def ball_from_data(name: str, entry: Any, shape: tuple[int, ...]) -> Ball:
    """The balls of one result. Raises VectorError, naming it."""
    if not isinstance(entry, dict) or entry.keys() != {"shape", "mid", "rad"}:
        raise VectorError(f"{name} must be an object with shape, mid, rad")
    if entry["shape"] != list(shape):
        raise VectorError(f"{name} has shape {entry['shape']!r}, must be {list(shape)} for its case")
    for part in ("mid", "rad"):
        numbers = entry[part]
        if not isinstance(numbers, list) or len(numbers) != math.prod(shape):
            raise VectorError(f"{part} of {name} must be a list of {math.prod(shape)} numbers")
        if not all(type(number) in (int, float) and math.isfinite(number) for number in numbers):
            raise VectorError(f"{part} of {name} must hold finite numbers only")
    mid, rad = (np.array(entry[part], dtype=np.float64).reshape(shape) for part in ("mid", "rad"))
    if (rad < 0).any():
        raise VectorError(f"rad of {name} must not be negative")
    return Ball(mid, rad, EXACT)


def write(folder: Path, name: str, vector: Vector) -> Path:
    """Writes a vector; the same vector is the same bytes."""
    file = folder / f"{name}.json"
    file.write_text(json.dumps(to_data(vector), separators=(",", ":"), allow_nan=False) + "\n", encoding="utf-8")
    return file


def read(file: Path) -> Vector:
    """The vector in a file. Raises VectorError, naming the file."""
    try:
        return from_data(read_json(file, LARGEST))
    except ValueError as error:
        raise VectorError(f"{file}: {error}") from None


def read_all(folder: Path) -> dict[str, Vector]:
    """All vectors of a folder by file name. Raises VectorError if there are none, or one cannot be read."""
    if not folder.is_dir():
        raise VectorError(f"there is no folder {str(folder)!r}")
    files = sorted(folder.glob("*.json"))
    if not files:
        raise VectorError(f"{str(folder)!r} has no test vectors; rnn-conformance vectors write {folder}")
    return {file.name: read(file) for file in files}


@dataclass
class Outcome:
    """What a target made of some vectors, by file name.

    wrong      what is wrong with its answer: array, index, given, must and place;  held: names of the others
    unclaimed  what each vector needs that the target does not claim, so that it was not run
    """

    held: list[str] = field(default_factory=list)
    wrong: dict[str, str] = field(default_factory=dict)
    unclaimed: dict[str, list[str]] = field(default_factory=dict)


def judge(subject: Subject, found: Mapping[str, Vector]) -> Outcome:
    """Runs a target on all vectors that it claims to run; raises Failure if it cannot be built."""
    subject.restart()
    outcome = Outcome()
    for name, vector in found.items():
        if missing := unclaimed(vector, subject.capabilities):
            outcome.unclaimed[name] = missing
            continue
        try:
            run = subject(vector.case)
            for sentence in run.misread:
                fail("shape", sentence)
            within(run, vector.balls)
            outcome.held.append(name)
        except Failure as failure:
            outcome.wrong[name] = failure.message
    return outcome


def unclaimed(vector: Vector, claims: Capabilities) -> list[str]:
    """What a vector needs that a target does not claim."""
    case, missing = vector.case, taken(claims).lacks(vector.case)
    if case.h_0 is not None and not claims.initial_state:
        missing.append("initial_state")
    own = held(case.config, claims.biases)
    if any(array[own == 0].any() for name, array in case.parameters.items() if name.startswith("bias_hh")):
        missing.append("two biases")
    if vector.arithmetic != claims.arithmetic:
        missing.append(f"{vector.arithmetic} arithmetic")
    if vector.order != claims.order:
        missing.append(f"the order of {vector.order}")
    return missing
