"""Cases and counterexamples as plain data, as they are saved and sent: never anything that is executed."""

from __future__ import annotations

import json
import math
from dataclasses import fields
from typing import Any

import numpy as np

from conformance.harness.call import FORMS, Call
from conformance.harness.command import WORDS, tensor, word
from conformance.harness.text import short, visible
from reference_rnn import Case, Cell, Config, Recurrence, RecurrenceCase, RecurrenceConfig, cell_of, recurrence
from reference_rnn.cell import known
from strategies import layout_of, relaid
from strategies.forms import LENGTHS, kind_of_lengths, of_kind
from strategies.memory import LAYOUTS

from .counterexample import DEMANDS, Bounds, Counterexample
from .places import Place, Same

SCHEMA = 2  # of counterexamples of layers; 1 is still read
RECURRENT = 3  # of counterexamples of recurrences
MOST_CALLS = 10_000
LONGEST_MESSAGE = 10_000  # characters
LARGEST_SIZE = 2**16
MOST_AXES = 8
FLAGS = ("measures", "in_place")  # of calls, which a file has where they are true
TYPES: dict[Any, type] = {"str": str, "Any": Cell, "int": int, "bool": bool, "float": float, "tuple[str, ...]": list}


class CounterexampleError(ValueError):
    """A file is not a counterexample; the message says why."""


def case_to_data(case: Case) -> dict[str, Any]:
    """A case as plain data: NaN and infinities as strings, memory layouts by name."""
    if isinstance(case, RecurrenceCase):
        return recurrence_to_data(case)
    return {
        "config": case.config.as_dict() | {"cell": case.config.cell.crossing},
        "training": case.training,
        "lengths": lengths_to_data(case.lengths),
        "arrays": {name: tensor(array) | {"memory": layout_of(array)} for name, array in case.arrays()},
    }


def case_from_data(data: Any) -> Case:
    """The case that ``case_to_data`` described. Raises CounterexampleError."""
    if isinstance(data, dict) and "inputs" in data:
        return recurrence_from_data(data)  # type: ignore[return-value]
    try:
        config = config_from_data(data["config"])
        arrays = {name: array_from_data(name, entry, config) for name, entry in data["arrays"].items()}
        top: dict[str, Any] = {name: arrays.pop(name, None) for name in ("x", "h_0", "c_0")}
        training = exact("training", data["training"], bool)
        return Case(config, arrays, lengths=lengths_from_data(data["lengths"]), training=training, **top).check()
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, MemoryError) as error:
        raise CounterexampleError(f"it does not describe a case: {type(error).__name__}: {error}") from None


def recurrence_to_data(case: RecurrenceCase) -> dict[str, Any]:
    """A case of a recurrence, in all kinds of files."""
    named = {kind: {name: array_to_data(a) for name, a in getattr(case, kind).items() if a is not None}
             for kind in ("inputs", "states", "parameters")}  # fmt: skip
    offsets = None if case.offsets is None else case.offsets.tolist()
    rest = {"lengths": lengths_to_data(case.lengths), "offsets": offsets, "mode": case.mode}
    return {"config": case.config.as_dict() | {"cell": case.config.cell.crossing}} | named | rest


def recurrence_from_data(data: dict[str, Any]) -> RecurrenceCase:
    """The case that ``recurrence_to_data`` described. Raises CounterexampleError."""
    try:
        fields = exact("config", data["config"], dict)
        cell = cell_from_data(fields["cell"])
        if not isinstance(cell, Recurrence):
            raise ValueError(f"{cell} is no recurrence")
        sizes = {name: exact(name, size, int) for name, size in exact("sizes", fields["sizes"], dict).items()}
        config = RecurrenceConfig(
            cell, sizes, exact("heads", fields["heads"], int), exact("dtype", fields["dtype"], str)
        )
        if set(sizes) != set(cell.letters) or not all(0 < size <= LARGEST_SIZE for size in sizes.values()):
            raise ValueError(f"sizes is {short(sizes)}, must have a size for each of {', '.join(cell.letters)}")
        inputs, states, parameters = (
            {name: array_from_data(name, entry, config) for name, entry in data[kind].items()}
            for kind in ("inputs", "states", "parameters")
        )
        if set(inputs) != set(cell.inputs) or not set(states) <= set(cell.states):
            raise ValueError(f"it has {', '.join([*inputs, *states])}; inputs are {', '.join(cell.inputs)}")
        counts = [None if data["offsets"] is None else np.array([exact("offsets", n, int) for n in data["offsets"]])]
        mode = None if data["mode"] is None else exact("mode", data["mode"], str)
        whole = {name: states.get(name) for name in cell.states}
        return RecurrenceCase(
            config, inputs, whole, parameters, lengths_from_data(data["lengths"]), counts[0], mode
        ).check()
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError, MemoryError) as error:
        raise CounterexampleError(f"it does not describe a case: {type(error).__name__}: {error}") from None


def config_from_data(data: dict[str, Any]) -> Config:
    """A configuration whose values have the types and sizes that they must have."""
    data = data | {"cell": cell_from_data(data["cell"])}
    for field in fields(Config):
        if field.name in data:
            exact(field.name, data[field.name], TYPES[field.type])
    for name in ("input_size", "hidden_size", "num_layers", "proj_size"):
        if data.get(name, 0) > LARGEST_SIZE:
            raise ValueError(f"{name} is {data[name]}, must be at most {LARGEST_SIZE}")
    if not 0 <= data.get("dropout", 0) <= 1:
        raise ValueError(f"dropout is {data['dropout']}, must be a probability")
    return Config(**data)


def cell_from_data(data: Any) -> Cell:
    """A cell by its name; or one's own that a target claims by the hash of its file, which is not read here."""
    if isinstance(data, dict) and "inputs" in data:
        return recurrence(**data)
    if isinstance(data, dict):
        return known(exact("sha256", data["sha256"], str), exact("name", data["name"], str))
    return cell_of(exact("cell", data, str))


def lengths_to_data(lengths: np.ndarray | None) -> Any:
    """The lengths of the rows as a list, with their dtype and memory layout where these are not the usual ones."""
    if lengths is None:
        return None
    numbers, kind = np.asarray(lengths).tolist(), kind_of_lengths(lengths)
    return {"kind": kind, "data": numbers} if kind else numbers


def lengths_from_data(data: Any) -> np.ndarray | None:
    """The lengths of the rows, or None."""
    if data is None:
        return None
    kind = ""
    if isinstance(data, dict):
        kind, data = data["kind"], data_of(data)
        if kind not in LENGTHS:
            raise ValueError(f"kind of lengths is {short(kind)}, must be one of {', '.join(LENGTHS)}")
    numbers = [exact("lengths", length, int) for length in exact("lengths", data, list)]
    lengths = np.array(numbers, dtype=np.int64)
    return of_kind(lengths, kind) if kind else lengths


def array_from_data(name: str, entry: dict[str, Any], config: Config | RecurrenceConfig) -> np.ndarray:
    """One array in its memory layout."""
    if entry["memory"] not in LAYOUTS:
        raise ValueError(f"memory is {entry['memory']!r}, must be one of {', '.join(LAYOUTS)}")
    numbers = [number_from_data(name, number) for number in exact(name, data_of(entry), list)]
    shape = [exact(f"shape of {name}", size, int) for size in exact(f"shape of {name}", entry["shape"], list)]
    if len(shape) > MOST_AXES or any(size < 0 for size in shape) or math.prod(shape) != len(numbers):
        raise ValueError(f"{name} has {len(numbers)} numbers, which do not fit its shape {shape}")
    with np.errstate(over="ignore"):
        array = np.array(numbers, dtype=np.float64).astype(config.numpy_dtype)
    if np.isinf(array).sum() > sum(map(math.isinf, numbers)):
        raise ValueError(f"{name} has a number that is too large for {config.dtype}")
    return relaid(array.reshape(shape), entry["memory"])


def data_of(entry: dict[str, Any]) -> Any:
    """The numbers of an array, in C order; files of before call them numbers."""
    return entry["data"] if "data" in entry else entry["numbers"]


def number_from_data(name: str, number: Any) -> float:
    """A number of an array: one of JSON, or one of the words for what JSON does not have."""
    if isinstance(number, str) and number in WORDS:
        return WORDS[number]
    return float(exact(name, number, float))


def exact(name: str, value: Any, kind: type) -> Any:
    """The value, if it is of this type and no other; an integer is a number too."""
    if type(value) is kind or (kind is float and type(value) is int):
        return value
    raise TypeError(f"{name} has {short(value)}, must be of type {kind.__name__}")


def array_to_data(array: np.ndarray) -> dict[str, Any]:
    """One array, its numbers with as few digits as its dtype needs."""
    return {"shape": list(array.shape), "memory": layout_of(array), "data": [digits(v) for v in array.ravel()]}


def digits(number: Any) -> float | str:
    """A number as JSON can hold it, with no more digits than tell it from its neighbours in its dtype."""
    short = float(str(number))
    return word(short if type(number)(short) == number else float(number))


def case_to_data_2(case: Case) -> dict[str, Any]:
    """A case as counterexamples hold it."""
    if isinstance(case, RecurrenceCase):
        return recurrence_to_data(case)
    config = case.config.as_dict()
    arrays = {name: array_to_data(array) for name, array in case.arrays()}
    return {
        "cell": case.config.cell.crossing,
        "config": {name: value for name, value in config.items() if name != "cell"},
        "training": case.training,
        "lengths": lengths_to_data(case.lengths),
        "x": arrays["x"],
        "states": {name: arrays[name] for name in ("h_0", "c_0") if name in arrays},
        "parameters": {name: arrays[name] for name in case.parameters},
    }


def case_from_data_2(data: Any) -> Case:
    """The case that ``case_to_data_2`` described. Raises CounterexampleError."""
    if isinstance(data, dict) and "inputs" in data:
        return recurrence_from_data(data)  # type: ignore[return-value]
    try:
        arrays = data["parameters"] | data["states"] | {"x": data["x"]}
        plain = {"config": data["config"] | {"cell": data["cell"]}, "arrays": arrays}
        return case_from_data(plain | {"training": data["training"], "lengths": data["lengths"]})
    except (KeyError, TypeError) as error:
        raise CounterexampleError(f"it does not describe a case: {type(error).__name__}: {error}") from None


def counterexample_to_data(found: Counterexample) -> dict[str, Any]:
    """A counterexample in the order of its file. Equal calls in a row are one entry with ``times``."""
    entries: list[dict[str, Any]] = []
    compared: list[int] = []
    at: list[int] = []
    before = 0
    for number, call in enumerate(found.calls):
        plain = number not in found.compared
        expected = found.expected[number]
        last = found.calls[number - 1] if number else None
        repeats = last is not None and plain and number - 1 not in found.compared and number != found.before
        if repeats and last is not None and last.same(call):
            entries[-1]["times"] += 1
            at.append(len(entries) - 1)
            continue
        entries.append(call_to_data(call, expected))
        at.append(len(entries) - 1)
        before += number < found.before
        compared += [] if plain else [len(entries) - 1]
    return {
        "schema": RECURRENT if isinstance(found.case, RecurrenceCase) else SCHEMA,
        "target": found.target, "property": found.property, "message": found.message,
        "kind": found.kind, "demand": found.demand, "repeatable": found.repeatable,
        "case": case_to_data_2(found.case), "before": before, "compared": compared,
        "calls": entries,
    } | ({"same": same_to_data(found.same.among(at))} if found.same else {})  # fmt: skip


def same_to_data(same: Same) -> dict[str, Any]:
    """Which numbers must be the same; calls are those of the file, by their numbers."""
    return {
        "places": [{"call": place.call, "array": place.name, "at": list(place.at)} for place in same.places],
        "room": word(same.room),
        "handed": [{"call": to, "state": name, "by": by} for to, name, by in same.handed],
    }


def same_from_data(data: Any, calls: list[Call], at: list[int]) -> Same:
    """Which numbers must be the same. Raises ValueError for what no call gives."""
    places = []
    for entry in exact("places", data["places"], list):
        call = calls[place(at, "call", entry["call"])]
        shapes = call.case.result_shapes()
        name, index = exact("array", entry["array"], str), exact("at", entry["at"], list)
        sizes = shapes[name].sizes
        if len(index) != len(sizes) or not all(0 <= exact("at", n, int) < size for n, size in zip(index, sizes)):
            raise ValueError(f"at is {short(index)}, but {name} has shape {sizes}")
        places.append(Place(place(at, "call", entry["call"]), name, tuple(index)))
    handed = [
        (place(at, "call", one["call"]), exact("state", one["state"], str), place(at, "by", one["by"]))
        for one in exact("handed", data["handed"], list)
    ]
    one, other = places
    if not all(by < to and name in calls[to].case.states for to, name, by in handed):
        raise ValueError("handed has a state that no earlier call returned")
    return Same((one, other), number_from_data("room", data["room"]), tuple(handed))


def call_to_data(call: Call, expected: Any) -> dict[str, Any]:
    """One call, and what is expected of it."""
    given = {name: None if d is None else array_to_data(d) for name, d in call.cotangents.items()}
    return {
        "do": call.do, "form": call.form, "times": 1, "case": case_to_data_2(call.case),
        "cotangents": given if call.do == "gradients" else None,
        "expected": {name: bounds_to_data(*bounds) for name, bounds in expected.items()},
    } | {name: True for name in FLAGS if getattr(call, name)}  # fmt: skip


def bounds_to_data(mid: np.ndarray, room: np.ndarray) -> dict[str, Any]:
    """What the numbers of one result must be, and how far from that each may be."""
    return {"shape": list(mid.shape), "data": [word(v) for v in mid.ravel().tolist()],
            "room": [word(v) for v in room.ravel().tolist()]}  # fmt: skip


def counterexample_from_data(data: Any) -> Counterexample:
    """The counterexample that a file describes, in either schema. Raises CounterexampleError."""
    if (
        not isinstance(data, dict)
        or data.get("schema") not in (1, SCHEMA, RECURRENT)
        or not isinstance(data.get("property"), str)
    ):
        raise CounterexampleError(f"it is not a counterexample of schema 1, {SCHEMA} or {RECURRENT}")
    try:
        id, message = (visible(data.get(name, ""), LONGEST_MESSAGE) for name in ("property", "message"))
        target = str(data.get("target", ""))
        if data["schema"] == 1:
            return Counterexample(id, message, "", case_from_data(data["case"]), repeatable=True, target=target)
        calls: list[Call] = []
        expected: list[dict[str, Bounds]] = []
        places = [0]
        for entry in data["calls"]:
            call, bounds = call_from_data(entry, len(calls))
            if not 1 <= exact("times", entry["times"], int) <= MOST_CALLS - len(calls):
                raise ValueError(f"it makes a call {entry['times']} times; there may be {MOST_CALLS:,} calls")
            calls += [call] * entry["times"]
            expected += [bounds] * entry["times"]
            places.append(len(calls))
        if data["demand"] not in DEMANDS:
            raise ValueError(f"demand is {short(data['demand'])}, must be one of {', '.join(DEMANDS)}")
        compared = tuple(place(places[:-1], "compared", number) for number in exact("compared", data["compared"], list))
        before = place(places, "before", data["before"])
        return Counterexample(
            id, message, str(data["kind"]), case_from_data_2(data["case"]), tuple(calls), before,
            compared, tuple(expected), data["demand"], data["repeatable"], target,
            same_from_data(data["same"], calls, places[:-1]) if data["demand"] == "same" else None,
        )  # fmt: skip
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError, MemoryError) as error:
        if isinstance(error, CounterexampleError):
            raise
        raise CounterexampleError(f"it is no counterexample: {type(error).__name__}: {error}") from None


def place(places: list[int], name: str, number: Any) -> int:
    """The place among the calls of the entry with this number."""
    if not 0 <= exact(name, number, int) < len(places):
        raise ValueError(f"{name} has {number}, must be the number of a call")
    return places[number]


def call_from_data(data: dict[str, Any], number: int) -> tuple[Call, dict[str, Bounds]]:
    """One call, and what is expected of it."""
    case = case_from_data_2(data["case"])
    if data["do"] not in ("forward", "gradients"):
        raise ValueError(f"do is {short(data['do'])}, must be forward or gradients")
    given = data["cotangents"] or {}
    cotangents = {name: None if d is None else array_from_data(name, d, case.config) for name, d in given.items()}
    flags = {name: exact(name, data.get(name, False), bool) for name in FLAGS}
    call = Call(data["do"], case, cotangents, number, **flags)
    if data["form"] != call.form:
        raise ValueError(f"form is {short(data['form'])}, but the case is {call.form}; forms are {', '.join(FORMS)}")
    return call, {name: bounds_from_data(entry) for name, entry in data["expected"].items()}


def bounds_from_data(data: dict[str, Any]) -> Bounds:
    """What the numbers of one result must be, and how far from that each may be."""
    shape = [exact("shape", size, int) for size in exact("shape", data["shape"], list)]
    mid, room = (
        np.array([number_from_data("expected", v) for v in exact("expected", numbers, list)]).reshape(shape)
        for numbers in (data_of(data), data["room"])
    )
    return mid, room


def document(data: Any) -> str:
    """Plain data as JSON that people can read: each array, and whatever else fits, on a line of its own."""
    return lines_of(data, 0) + "\n"


def lines_of(data: Any, depth: int) -> str:
    """One value, indented; an array of numbers always on one line, and so is a configuration."""
    flat = json.dumps(data, ensure_ascii=True)
    longest = 240 if isinstance(data, dict) and not any(isinstance(v, dict | list) for v in data.values()) else 110
    if not isinstance(data, dict | list) or is_array(data) or len(flat) + depth <= longest:
        return flat
    if isinstance(data, dict) and "shape" in data:  # an array
        return flat
    pad = "\n" + " " * (depth + 1)
    if isinstance(data, list):
        items = [lines_of(value, depth + 1) for value in data]
        return f"[{pad}{(',' + pad).join(items)}{pad[:-1]}]"
    items = [f"{json.dumps(key)}: {lines_of(value, depth + 1)}" for key, value in data.items()]
    return f"{{{pad}{(',' + pad).join(items)}{pad[:-1]}}}"


def is_array(data: Any) -> bool:
    """Whether this is an array with its numbers, or a list of numbers."""
    return isinstance(data, list) and not any(isinstance(v, dict | list) for v in data)
