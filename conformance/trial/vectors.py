"""Test vectors: a case, its results, and how far each of their numbers may be off, as data for any language.

A number y is right if ``abs(y - data) <= rad``, computed in double precision. Nothing in a file is ever executed.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from conformance.claims.allowed import taken
from conformance.claims.capabilities import Capabilities
from conformance.harness.command import request, tensor
from conformance.harness.files import read_json
from conformance.judging.data import case_from_data
from conformance.judging.gradients import EXACT
from conformance.judging.judgement import Failure, fail, void_layers, within
from conformance.judging.subject import Subject
from reference_rnn import ORDERS, Arithmetic, Ball, Case, Result, forward, joined, result_shapes
from strategies.cases import held
from strategies.integers import representable

from .counterexamples import LARGEST

SCHEMA = 2  # 1 is still read
INDEX = "index.json"


class VectorError(ValueError):
    """A file is not a test vector; the message names it and says why."""


@dataclass(frozen=True)
class Vector:
    """A case and the balls in which its results must lie, for targets of one profile of arithmetic and one order."""

    case: Case
    balls: Result
    arithmetic: str
    order: str = "steps"


@np.errstate(all="ignore")
def certain(case: Case, allowed: Arithmetic) -> Result | None:
    """The balls of the results of a case; None if they verify nothing."""
    balls = forward(case, allowed)
    if set(void_layers(balls, case)) or not all(np.isfinite(b.mid + b.rad).all() for _, b in balls.items()):
        return None
    # what Ball.contains allows besides the radius is part of the number that others compare with
    slack = 0.0 if representable(case, allowed.bits) else 1 + 8 * allowed.u
    return balls.map(lambda name, ball: Ball(ball.mid, slack * ball.rad, EXACT))


def to_data(vector: Vector) -> dict[str, Any]:
    """A vector as plain data; the case is what the line protocol asks, so that one reader does for both."""
    case = request("forward", vector.case, {})
    case["config"]["cell"] = vector.case.config.cell.crossing
    del case["do"]
    return {
        "schema": SCHEMA,
        "arithmetic": vector.arithmetic,
        "order": vector.order,
        "case": case,
        "expected": {
            name: tensor(ball.mid) | {"rad": ball.rad.ravel().tolist()} for name, ball in vector.balls.items()
        },
    }


def to_text(vector: Vector) -> str:
    """A vector for languages without JSON: cell, dtype, arithmetic and order; then a line with the name, the number of
    axes and the sizes of each array, and a line of its numbers, nan, inf and -inf among them. By how much the numbers
    of ``output`` may be off stands under ``output.rad``.
    """
    case, config = vector.case, vector.case.config
    counts = {
        name: np.array(int(getattr(config, name)))
        for name in ("input_size", "hidden_size", "num_layers", "num_directions", "bias", "proj_size")
    }
    lengths = {} if case.lengths is None else {"lengths": np.asarray(case.lengths)}
    balls = {
        name + part: getattr(ball, part[1:] or "mid") for name, ball in vector.balls.items() for part in ("", ".rad")
    }
    lines = [f"vector {SCHEMA} {config.cell} {config.dtype} {vector.arithmetic} {vector.order}"]
    for name, array in (counts | lengths | dict(case.arrays()) | balls).items():
        lines.append(" ".join([name, str(array.ndim), *map(str, array.shape)]))
        lines.append(" ".join(map(repr, array.ravel().tolist())))
    return "\n".join(lines) + "\n"


def from_data(data: Any) -> Vector:
    """The vector that ``to_data`` described, in either schema. Raises ValueError."""
    if not isinstance(data, dict) or data.get("schema") not in (1, SCHEMA):
        raise VectorError(f"it is not a test vector of schema 1 or {SCHEMA}")
    for name in ("arithmetic", "case", "expected"):
        if name not in data:
            raise VectorError(f"it has no {name!r}")
    data = data if data["schema"] == SCHEMA else as_written_now(data)
    case, expected = case_from_data(as_saved(data["case"])), data["expected"]
    profile, order = joined(data["arithmetic"]), data.get("order", "steps")
    if order not in list(ORDERS):
        raise VectorError(f"order is {order!r}, must be one of {', '.join(ORDERS)}")
    shapes = result_shapes(case)
    if not isinstance(expected, dict) or expected.keys() != shapes.keys():
        raise VectorError(f"expected must be an object with {', '.join(shapes)}")
    balls = {name: ball_from_data(name, expected[name], shape.sizes) for name, shape in shapes.items()}
    return Vector(case, Result(**balls), profile, order)


def as_written_now(old: Any) -> dict[str, Any]:
    """A vector of schema 1 in today's."""
    try:
        arrays = {name: {"shape": e["shape"], "data": e["numbers"]} for name, e in old["case"]["arrays"].items()}
        states = {name: arrays.pop(name, None) for name in ("x", "h_0", "c_0")}
        case = {name: old["case"][name] for name in ("config", "training", "lengths")}
        expected = {
            name: {"data" if key == "mid" else key: value for key, value in entry.items()}
            for name, entry in old["expected"].items()
        }
        return old | {"case": case | states | {"parameters": arrays}, "expected": expected}
    except (KeyError, TypeError, AttributeError) as error:
        raise VectorError(f"it does not describe a case: {type(error).__name__}: {error}") from None


def as_saved(asked: Any) -> Any:
    """A request of the line protocol as a case is saved."""
    try:
        states = {name: asked[name] for name in ("x", "h_0", "c_0") if asked[name] is not None}
        config = {name: value for name, value in asked["config"].items() if name != "num_directions"}
        arrays = {name: entry | {"memory": "C"} for name, entry in (asked["parameters"] | states).items()}
        return {"config": config, "arrays": arrays, "training": asked["training"], "lengths": asked["lengths"]}
    except (KeyError, TypeError, AttributeError) as error:
        raise VectorError(f"it does not describe a case: {type(error).__name__}: {error}") from None


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


def write(folder: Path, name: str, vector: Vector, format: str = "json") -> Path:
    """Writes a vector; the same vector is the same bytes."""
    file = folder / (name + ENDINGS[format])
    file.write_text(FORMATS[format](vector), encoding="utf-8")
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
    files = [file for file in sorted(folder.glob("*.json")) if file.name != INDEX]
    if not files:
        text = " in JSON, only as text" if any(folder.glob("*.txt")) else ""
        raise VectorError(f"{str(folder)!r} has no test vectors{text}; rnn-conformance vectors write {folder}")
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
