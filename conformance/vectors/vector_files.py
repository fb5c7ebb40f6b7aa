"""Test vectors: a case, its results, and how far each of their numbers may be off, as data for any language.

A number y is right if ``abs(y - data) <= rad``, computed in double precision. Nothing in a file is ever executed.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from conformance.harness.command import RECURRENT as REQUESTED
from conformance.harness.command import request, tensor
from conformance.harness.files import Folder, read_json
from conformance.harness.records import Excerpt, Meta, record
from conformance.harness.text import short, visible
from conformance.judging.gradients import EXACT
from conformance.judging.serialisation import case_from_data, interpretation
from conformance.trial.counterexamples import LARGEST
from reference_rnn import (
    ORDERS,
    Ball,
    Case,
    Handed,
    RecurrenceCase,
    Result,
    handed_shapes,
    joined,
    result_shapes,
)
from reference_rnn.case import Shape

SCHEMA = 2  # of vectors of layers; 1 is still read
RECURRENT = 3  # of vectors of recurrences
INDEX = "index.json"
FIRST = b"vector "  # in each file of text


class VectorError(ValueError):
    """A file is not a test vector; the message names it and says why."""


@dataclass(frozen=True)
class Vector:
    """A case and the balls in which its results must lie, for targets of one profile of arithmetic and one order."""

    case: Any  # a Case, or a RecurrenceCase
    balls: Any  # its Result, or what is Handed on
    arithmetic: str
    order: str = "steps"

    @property
    def schema(self) -> int:
        """Of its file."""
        return RECURRENT if isinstance(self.case, RecurrenceCase) else SCHEMA


def to_data(vector: Vector) -> dict[str, Any]:
    """A vector as plain data; the case is what the line protocol asks, so that one reader does for both."""
    case = request("forward", vector.case, {})
    case["config"]["cell"] = vector.case.config.cell.crossing
    del case["do"]
    balls = vector.balls
    return {
        "schema": vector.schema,
        "arithmetic": vector.arithmetic,
        "order": vector.order,
        "case": case,
        "expected": {"outputs": balls_to_data(balls.outputs), "states": balls_to_data(balls.states)}
        if isinstance(balls, Handed) else balls_to_data(dict(balls.items())),
    }  # fmt: skip


def balls_to_data(balls: Mapping[str, Ball]) -> dict[str, Any]:
    """Balls by name as plain data."""
    return {name: tensor(ball.mid) | {"rad": ball.rad.ravel().tolist()} for name, ball in balls.items()}


def to_text(vector: Vector) -> str:
    """A vector for languages without JSON: schema, cell, dtype, arithmetic and order; then a line with the name, the
    number of axes and the sizes of each array, and a line of its numbers, nan, inf and -inf among them. By how much the
    numbers of ``output`` may be off stands under ``output.rad``.
    """
    config = vector.case.config
    lines = [f"{FIRST.decode()}{vector.schema} {config.cell} {config.dtype} {vector.arithmetic} {vector.order}"]
    named = arrays_of_recurrence if isinstance(vector.case, RecurrenceCase) else arrays_of_layers
    for name, array in named(vector):
        lines.append(" ".join([name, str(array.ndim), *map(str, array.shape)]))
        lines.append(" ".join(map(repr, array.ravel().tolist())))
    return "\n".join(lines) + "\n"


def arrays_of_layers(vector: Vector) -> Iterator[tuple[str, np.ndarray]]:
    """Name and array of all that a vector of layers has: sizes, what is given, what is expected."""
    case, config = vector.case, vector.case.config
    for name in ("input_size", "hidden_size", "num_layers", "num_directions", "bias", "proj_size"):
        yield name, np.array(int(getattr(config, name)))
    if case.lengths is not None:
        yield "lengths", np.asarray(case.lengths)
    yield from case.arrays()
    yield from with_radii("", vector.balls.items())


def arrays_of_recurrence(vector: Vector) -> Iterator[tuple[str, np.ndarray]]:
    """Yields the arrays of a vector, each with its JSON path; states come twice: given and expected."""
    case, balls = vector.case, vector.balls
    for letter, size in case.config.sizes.items():
        yield f"sizes.{letter}", np.array(size)
    yield "heads", np.array(case.config.heads)
    yield from case.counts()
    for kind in ("parameters", "inputs", "states"):
        yield from ((f"{kind}.{name}", array) for name, array in getattr(case, kind).items() if array is not None)
    for kind in ("outputs", "states"):
        yield from with_radii(f"expected.{kind}.", getattr(balls, kind).items())


def with_radii(before: str, balls: Iterable[tuple[str, Ball]]) -> Iterator[tuple[str, np.ndarray]]:
    """Name and numbers of balls, each followed by its radii."""
    for name, ball in balls:
        yield before + name, ball.mid
        yield f"{before}{name}.rad", ball.rad


def from_data(data: Any) -> Vector:
    """The vector that ``to_data`` described, in any schema. Raises ValueError."""
    if not isinstance(data, dict) or data.get("schema") not in (1, SCHEMA, RECURRENT):
        raise VectorError(f"it is not a test vector of schema 1, {SCHEMA} or {RECURRENT}")
    for name in ("arithmetic", "case", "expected"):
        if name not in data:
            raise VectorError(f"it has no {name!r}")
    profile, order = joined(data["arithmetic"]), data.get("order", "steps")
    if order not in list(ORDERS):
        raise VectorError(f"order is {order!r}, must be one of {', '.join(ORDERS)}")
    if data["schema"] == RECURRENT:
        return Vector(*of_recurrence(data), profile, order)
    return Vector(*of_layers(data), profile, order)


def of_layers(data: Mapping[str, Any]) -> tuple[Case, Result]:
    """Case and balls of a vector of layers."""
    now = data["schema"] == SCHEMA
    case = case_from_data(saved_case(Request, data["case"]) if now else data["case"])
    expected = data["expected"] if now else as_written_now(data)
    return case, Result(**balls_from_data("expected", expected, result_shapes(case)))


def of_recurrence(data: Mapping[str, Any]) -> tuple[RecurrenceCase, Handed]:
    """Case and balls of a vector of a recurrence."""
    if data.get("order") != "steps":
        raise VectorError(f"order is {short(data.get('order'))}, must be 'steps' for a recurrence")
    case: Any = case_from_data(saved_case(RecurrentRequest, data["case"]))
    shapes, expected = handed_shapes(case), data["expected"]
    kinds = {"outputs": case.config.cell.outputs, "states": case.config.cell.states}
    if not isinstance(expected, dict) or expected.keys() != kinds.keys():
        raise VectorError(f"expected must be an object with {', '.join(kinds)}")
    return case, Handed(**{
        kind: balls_from_data(f"expected {kind}", expected[kind], {name: shapes[name] for name in names})
        for kind, names in kinds.items()
    })  # fmt: skip


def balls_from_data(kind: str, expected: Any, shapes: Mapping[str, Shape]) -> dict[str, Ball]:
    """Balls by name, of these shapes. Raises VectorError."""
    if not isinstance(expected, dict) or expected.keys() != shapes.keys():
        raise VectorError(f"{kind} must be an object with {', '.join(shapes)}")
    return {name: ball_from_data(name, expected[name], shape.sizes) for name, shape in shapes.items()}


def as_written_now(old: Mapping[str, Any]) -> dict[str, Any]:
    """What a vector of schema 1 expects, in today's words."""
    expected = record(dict[str, dict[str, Any]], old["expected"])
    return {name: {"data" if key == "mid" else key: value for key, value in entry.items()}
            for name, entry in expected.items()}  # fmt: skip


@dataclass(frozen=True)
class Request(Excerpt):
    """A request of the line protocol."""

    config: dict[str, Any]
    parameters: dict[str, Any]
    training: bool
    lengths: Any
    x: dict[str, Any]
    h_0: dict[str, Any] | None
    c_0: dict[str, Any] | None

    @property
    def case(self) -> dict[str, Any]:
        """Its case, as it is saved."""
        states = {name: array for name in ("x", "h_0", "c_0") if (array := getattr(self, name)) is not None}
        config = {name: value for name, value in self.config.items() if name != "num_directions"}
        return {"config": config, "arrays": self.parameters | states, "training": self.training,
                "lengths": self.lengths}  # fmt: skip


@dataclass(frozen=True)
class RecurrentRequest(Excerpt):
    """What is asked of a recurrence, in any of its modes; its arrays have names of their own."""

    schema: Annotated[int, Meta(ge=REQUESTED, le=REQUESTED)]
    config: dict[str, Any]
    inputs: dict[str, Any]
    states: dict[str, Any]
    parameters: dict[str, Any]
    lengths: Any
    offsets: Any
    mode: None

    @property
    def case(self) -> dict[str, Any]:
        """Its case, as it is saved."""
        named = {kind: {name: entry for name, entry in getattr(self, kind).items() if entry is not None}
                 for kind in ("inputs", "states", "parameters")}  # fmt: skip
        rest = {name: getattr(self, name) for name in ("config", "lengths", "offsets", "mode")}
        return named | rest


def saved_case(kind: type[Request] | type[RecurrentRequest], data: Any) -> dict[str, Any]:
    """The case of a request, as it is saved. Raises CounterexampleError."""
    with interpretation("it does not describe a case"):
        request: Request | RecurrentRequest = record(kind, data)
        return request.case


def ball_from_data(name: str, entry: Any, shape: tuple[int, ...]) -> Ball:
    """The balls of one result. Raises VectorError, naming it."""
    if not isinstance(entry, dict) or entry.keys() != {"shape", "data", "rad"}:
        raise VectorError(f"{name} must be an object with shape, data, rad")
    if entry["shape"] != list(shape):
        raise VectorError(f"{name} has shape {entry['shape']!r}, must be {list(shape)} for its case")
    for part in ("data", "rad"):
        numbers = entry[part]
        if not isinstance(numbers, list) or len(numbers) != math.prod(shape):
            raise VectorError(f"{part} of {name} must be a list of {math.prod(shape)} numbers")
        if not all(type(number) in (int, float) and math.isfinite(number) for number in numbers):
            raise VectorError(f"{part} of {name} must hold finite numbers only")
    mid, rad = (np.array(entry[part], dtype=np.float64).reshape(shape) for part in ("data", "rad"))
    if (rad < 0).any():
        raise VectorError(f"rad of {name} must not be negative")
    return Ball(mid, rad, EXACT)


FORMATS = {
    "json": lambda vector: json.dumps(to_data(vector), separators=(",", ":"), allow_nan=False) + "\n",
    "text": to_text,
}
ENDINGS = {"json": ".json", "text": ".txt"}


def write_vector(folder: Path, name: str, vector: Vector, format: str = "json") -> Path:
    """Writes a vector; the same vector is the same bytes."""
    return Folder(folder).write((name + ENDINGS[format],), FORMATS[format](vector))


def write_index(folder: Path, index: Mapping[str, Any]) -> None:
    """Writes what is said of all vectors of a folder."""
    Folder(folder).write((INDEX,), json.dumps(index, indent=1) + "\n")


def left_over(folder: Path, names: Iterable[str], format: str) -> list[str]:
    """The vectors in a folder that stay there, and would be taken for those with these names, once they are written."""
    written = {name + ENDINGS[format] for name in names} | {INDEX}
    texts = [file for file in folder.glob("*.txt") if file.is_file() and begins(file, FIRST)]
    return sorted({file.name for file in (*folder.glob("*.json"), *texts)} - written)


def begins(file: Path, word: bytes) -> bool:
    """Whether a file begins so."""
    with file.open("rb") as opened:
        return opened.read(len(word)) == word


def read_vector(file: Path) -> Vector:
    """The vector in a file. Raises VectorError, naming the file."""
    try:
        return from_data(read_json(file, LARGEST))
    except ValueError as error:
        raise VectorError(f"{file}: {visible(error)}") from None


def read_all(folder: Path) -> dict[str, Vector]:
    """All vectors of a folder by file name. Raises VectorError if there are none, or one cannot be read."""
    if not folder.is_dir():
        raise VectorError(f"there is no folder {str(folder)!r}")
    files = [file for file in sorted(folder.glob("*.json")) if file.name != INDEX]
    if not files:
        if any(folder.glob("*.txt")):
            remedy = "write them without --format text, into another folder"
            raise VectorError(f"{str(folder)!r} has no test vectors in JSON, only as text; {remedy}")
        raise VectorError(f"{str(folder)!r} has no test vectors; rnn-conformance vectors write {folder}")
    return {file.name: read_vector(file) for file in files}
