"""Counterexamples as small JSON files, kept in ``.rnn-conformance`` and judged first in later runs.

They are data: nothing in them is ever executed.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np

from conformance.target.command import word
from reference_rnn import Case, Config
from strategies import layout_of, relaid
from strategies.memory import LAYOUTS

FOLDER = Path(".rnn-conformance")
SCHEMA = 1
LARGEST = 2**22  # bytes of a file that is still a small counterexample


class CounterexampleError(ValueError):
    """A file is not a counterexample; the message says why."""


def case_to_data(case: Case) -> dict[str, Any]:
    """A case as plain data: NaN and infinities as strings, memory layouts by name."""
    return {
        "config": case.config.as_dict(),
        "training": case.training,
        "lengths": None if case.lengths is None else np.asarray(case.lengths).tolist(),
        "arrays": {
            name: {
                "shape": list(array.shape),
                "memory": layout_of(array),
                "numbers": [word(float(v)) for v in array.ravel()],
            }
            for name, array in case.arrays()
        },
    }


def case_from_data(data: Any) -> Case:
    """The case that ``case_to_data`` described. Raises CounterexampleError."""
    try:
        config = Config(**data["config"])
        arrays = {name: array_from_data(entry, config) for name, entry in data["arrays"].items()}
        top: dict[str, Any] = {name: arrays.pop(name, None) for name in ("x", "h_0", "c_0")}
        lengths = None if data["lengths"] is None else np.array(data["lengths"], dtype=np.int64)
        return Case(config, arrays, lengths=lengths, training=bool(data["training"]), **top).check()
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, MemoryError) as error:
        raise CounterexampleError(f"it does not describe a case: {type(error).__name__}: {error}") from None


def array_from_data(entry: dict[str, Any], config: Config) -> np.ndarray:
    """One array in its memory layout."""
    if entry["memory"] not in LAYOUTS:
        raise ValueError(f"memory is {entry['memory']!r}, must be one of {', '.join(LAYOUTS)}")
    numbers = np.array([float(number) for number in entry["numbers"]], dtype=config.numpy_dtype)
    return relaid(numbers.reshape([int(size) for size in entry["shape"]]), entry["memory"])


def file_of(target: str, property_id: str) -> Path:
    """Where the counterexample of a target and a property is kept."""
    return FOLDER / re.sub(r"[^A-Za-z0-9_.-]+", "_", target) / f"{property_id}.json"


def save(target: str, property_id: str, message: str, data: dict[str, Any]) -> Path | None:
    """Writes a counterexample; None where the folder cannot be written."""
    file = file_of(target, property_id)
    text = {"schema": SCHEMA, "property": property_id, "target": target, "message": message, "case": data}
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(text, indent=1) + "\n")
    except OSError:
        return None
    return file


def load(file: Path) -> tuple[str, Case]:
    """The property and the case of a file. Raises CounterexampleError, naming the file."""
    try:
        if file.stat().st_size > LARGEST:
            raise CounterexampleError("it is too large for a counterexample")
        data = json.loads(file.read_text())
        if not isinstance(data, dict) or data.get("schema") != SCHEMA or not isinstance(data.get("property"), str):
            raise CounterexampleError(f"it is not a counterexample of schema {SCHEMA}")
        return data["property"], case_from_data(data["case"])
    except (OSError, KeyError, ValueError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise CounterexampleError(f"{file}: {reason}") from None


def kept(target: str, property_id: str) -> Case | None:
    """The counterexample that an earlier run left, if it can be read."""
    file = file_of(target, property_id)
    if not file.is_file():
        return None
    try:
        return load(file)[1]
    except CounterexampleError:
        return None
