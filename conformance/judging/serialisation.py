"""Cases and counterexamples as plain data, as they are saved and sent: never anything that is executed."""

from __future__ import annotations

import contextlib
import json
import math
import shlex
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any, Literal

import numpy as np

from conformance.harness.call import FORMS, Call
from conformance.harness.command import WORDS, tensor, word
from conformance.harness.records import Excerpt, Meta, RecordError, record
from conformance.harness.text import short, visible
from reference_rnn import Case, Cell, Config, Recurrence, RecurrenceCase, RecurrenceConfig, cell_of, recurrence
from reference_rnn.cell import CellError, known, outline
from reference_rnn.equations import equations_of
from reference_rnn.recurrences import outline_of_recurrence
from strategies import layout_of, relaid
from strategies.forms import LENGTHS, kind_of_lengths
from strategies.forms import of_kind as lengths_of_kind

from .counterexample import Bounds, Counterexample
from .provenance import NumberPlace, Same

SCHEMA = 2  # of counterexamples of layers; 1 is still read
RECURRENT = 3  # of counterexamples of recurrences
MOST_CALLS = 10_000
LONGEST_MESSAGE = 10_000  # characters
LARGEST_SIZE = 2**16
LARGEST_ARRAY = 2**26  # numbers that an array would have, were none of its axes of length 0
MOST_AXES = 8
FLAGS = ("measures", "in_place")  # of calls, which a file has where they are true

Size = Annotated[int, Meta(ge=0, le=2**32)]
Number = float | Literal["NaN", "Infinity", "-Infinity"]
Memory = Literal["C", "F", "strided", "negative", "wide", "columns", "tall", "read-only"]
Find = Callable[[str, str], Cell]  # the cell of a user's own with this hash and name; raises CellError


class CounterexampleError(ValueError):
    """A file is not a counterexample; the message says why."""


class Unclaimed(CounterexampleError):
    """Only a target can say what a case means: it is of a cell of its own, or the file does not say what was called."""

    def __init__(self, target: str) -> None:
        self.target = visible(target)
        super().__init__(f"this case is of a cell of {self.target}")

    def remedy(self, *command: str) -> str:
        """What to do: the words of a command that the target is to be added to."""
        return f"{self}; say so if you trust it: {shlex.join([*command, self.target])}"


# ------------------------------------------------------------ what files hold


@dataclass(frozen=True)
class Numbers:
    """An array as it is saved: its numbers in C order."""

    shape: Annotated[list[Size], Meta(max_length=MOST_AXES)]
    data: list[Number]
    memory: Memory = "C"


@dataclass(frozen=True, kw_only=True)
class Listed(Excerpt):
    """Numbers that are looked at one by one, when it is known of what they are; files of before call them so."""

    data: list | None = None
    numbers: list | None = None

    @property
    def entries(self) -> list:
        """The numbers. Raises RecordError where there are none."""
        found = self.numbers if self.data is None else self.data
        if found is None:
            raise RecordError("has no data")
        return found


@dataclass(frozen=True, kw_only=True)
class Array(Listed):
    """An array of a case, in C order."""

    shape: list[int]
    memory: Memory = "C"


@dataclass(frozen=True, kw_only=True)
class BoundsFile(Listed):
    """What the numbers of one result must be, and how far from that each may be."""

    shape: list[int]
    room: list


@dataclass(frozen=True, kw_only=True)
class LengthsFile(Listed):
    """Lengths of an unusual kind."""

    kind: str


Lengths = list[int] | LengthsFile | None


@dataclass(frozen=True)
class CaseFile(Excerpt):
    """A case of layers, as expected failures name it."""

    config: dict[str, Any]
    arrays: dict[str, Array]
    training: bool
    lengths: Lengths


@dataclass(frozen=True)
class SplitFile(Excerpt):
    """A split, as files of counterexamples hold it."""

    cell: Any
    config: dict[str, Any]
    training: bool
    lengths: Lengths
    x: Array
    states: dict[str, Array]
    parameters: dict[str, Array]


@dataclass(frozen=True)
class RecurrenceConfigFile(Excerpt):
    """What a case of a recurrence describes."""

    cell: Any
    sizes: dict[str, Annotated[int, Meta(ge=1, le=LARGEST_SIZE)]]
    heads: int
    dtype: str


@dataclass(frozen=True)
class RecurrenceFile(Excerpt):
    """A case of a recurrence."""

    config: RecurrenceConfigFile
    inputs: dict[str, Array]
    states: dict[str, Array]
    parameters: dict[str, Array]
    lengths: Lengths
    offsets: list[int] | None
    mode: str | None


@dataclass(frozen=True)
class CellName(Excerpt):
    """A cell of a user's own, by the hash of its text."""

    sha256: str
    name: str


@dataclass(frozen=True)
class Shapes:
    """A recurrence of which nothing else is known; see ``Recurrence.shapes``."""

    inputs: dict[str, str]
    states: dict[str, str]
    outputs: dict[str, str]
    parameters: dict[str, str] = field(default_factory=dict)
    heads: bool = True
    given_out: list[str] = field(default_factory=list)
    ranges: dict[str, tuple[float, float]] = field(default_factory=dict)
    name: str = ""


@dataclass(frozen=True)
class Origin:
    """Where a cell of a user's own was, when a case of it was saved, and its equations as text."""

    file: str
    name: str
    sha256: Annotated[str, Meta(pattern="[0-9a-f]{64}")]
    equations: str


@dataclass(frozen=True)
class LayerCell(Origin):
    """Such a cell; see ``Cell.outline``."""

    gates: str
    states: Literal["h", "hc"]
    vectors: list[str]
    reads: dict[str, str]
    projects: bool
    activations: list[str]
    couples: bool

    @property
    def cell(self) -> Cell:
        """Its outline. Raises CellError."""
        return outline(*parts_of(self))


@dataclass(frozen=True)
class RecurrentCell(Origin):
    """A recurrence as data, with its shapes; see ``Recurrence.shapes``."""

    inputs: dict[str, str]
    states: dict[str, str]
    outputs: dict[str, str]
    parameters: dict[str, str]
    heads: bool
    ranges: dict[str, tuple[float, float]]
    given_out: list[str] = field(default_factory=list)

    @property
    def cell(self) -> Cell:
        """Its outline. Raises CellError."""
        origin, shapes, equations = parts_of(self)
        return outline_of_recurrence(origin, shapes | {"name": self.name}, equations)


def parts_of(saved: Origin) -> tuple[dict[str, str], dict[str, Any], str]:
    """Origin, facts and equations of a cell."""
    facts = asdict(saved)
    return {name: facts.pop(name) for name in ("file", "name", "sha256")}, facts, facts.pop("equations")


@dataclass(frozen=True)
class CallFile:
    """One call, made so many times in a row."""

    do: Literal["forward", "gradients"]
    form: Literal["time-major", "batch-first", "unbatched"]
    times: Annotated[int, Meta(ge=1, le=MOST_CALLS)]
    case: dict[str, Any]
    cotangents: dict[str, Array | None] | None
    expected: dict[str, BoundsFile]
    measures: bool = False
    in_place: bool = False


@dataclass(frozen=True)
class PlaceFile:
    """Where a number stands: in the result of which call."""

    call: int
    array: str
    at: list[int]


@dataclass(frozen=True)
class HandedFile:
    """A state that an earlier call returned and a later one is given."""

    call: int
    state: str
    by: int


@dataclass(frozen=True)
class SameFile:
    """Which two numbers must be the same, but for some room."""

    places: tuple[PlaceFile, PlaceFile]
    room: Number
    handed: list[HandedFile]


@dataclass(frozen=True)
class FirstFile:
    """A counterexample of schema 1, which does not say what the target was given."""

    schema: Literal[1]
    property: str
    case: dict[str, Any]
    target: str = ""
    message: str = ""


@dataclass(frozen=True)
class LayersFile:
    """A counterexample of layers: see Counterexample."""

    schema: Literal[2]
    property: str
    kind: str
    demand: Literal["numbers", "bits", "shapes", "dtypes", "unchanged", "own memory", "answer", "same", "property"]
    repeatable: bool | None
    case: dict[str, Any]
    before: int
    compared: Annotated[list[int], Meta(max_length=MOST_CALLS)]
    calls: list[CallFile]
    target: str = ""
    message: str = ""
    same: SameFile | None = None
    cells: list[LayerCell] = field(default_factory=list)


@dataclass(frozen=True)
class RecurrentFile(LayersFile):
    """A counterexample of a recurrence, as a file holds it."""

    schema: Literal[3]  # type: ignore[assignment]
    cells: list[RecurrentCell] = field(default_factory=list)  # type: ignore[assignment]


FILES: dict[int, Any] = {1: FirstFile, SCHEMA: LayersFile, RECURRENT: RecurrentFile}


def own_cell_to_data(own: Cell) -> dict[str, Any]:
    """A cell of a user's own as a file holds it, beside the cases of it."""
    facts = {name: value for name, value in own.outline.items() if name != "name"}
    return own.crossing | {"equations": equations_of(own)} | facts


# ------------------------------------------------------------ cases


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


def case_from_data(data: Any, find: Find = known) -> Case:
    """The case that ``case_to_data`` described. Raises CounterexampleError.

    find: finds cells of a user's own, by default among those that have been loaded
    """
    if isinstance(data, dict) and "inputs" in data:
        return recurrence_from_data(data, find)  # type: ignore[return-value]
    with interpretation("it does not describe a case"):
        file = record(CaseFile, data)
        return layers_of(file, file.config.get("cell"), file.arrays, find)


def layers_of(file: CaseFile | SplitFile, cell: Any, entries: dict[str, Array], find: Find) -> Case:
    """The case of a file. Raises ValueError for what is none."""
    config = config_from_data(file.config | {"cell": cell}, find)
    if config.num_layers > len(entries):
        raise ValueError(f"num_layers is {config.num_layers}, but it has {len(entries)} arrays")
    arrays = {name: array_from_data(name, entry, config) for name, entry in entries.items()}
    if "x" not in arrays:
        raise ValueError("it has no x")
    top: dict[str, Any] = {name: arrays.pop(name, None) for name in ("x", "h_0", "c_0")}
    return Case(config, arrays, lengths=lengths_from_data(file.lengths), training=file.training, **top).check()


@contextlib.contextmanager
def interpretation(otherwise: str) -> Iterator[None]:
    """A block that makes something of data; raises CounterexampleError, with these words, where that means nothing."""
    try:
        yield
    except CounterexampleError:
        raise
    except ValueError as error:
        raise CounterexampleError(f"{otherwise}: {visible(error)}") from None
    except (OverflowError, MemoryError):
        raise CounterexampleError(f"{otherwise}: it is too large") from None


def recurrence_to_data(case: RecurrenceCase) -> dict[str, Any]:
    """A case of a recurrence, in all kinds of files."""
    named = {kind: {name: array_to_data(a) for name, a in getattr(case, kind).items() if a is not None}
             for kind in ("inputs", "states", "parameters")}  # fmt: skip
    offsets = None if case.offsets is None else case.offsets.tolist()
    rest = {"lengths": lengths_to_data(case.lengths), "offsets": offsets, "mode": case.mode}
    return {"config": case.config.as_dict() | {"cell": case.config.cell.crossing}} | named | rest


def recurrence_from_data(data: dict[str, Any], find: Find = known) -> RecurrenceCase:
    """The case that ``recurrence_to_data`` described. Raises CounterexampleError."""
    with interpretation("it does not describe a case"):
        file: RecurrenceFile = record(RecurrenceFile, data)
        cell, sizes = cell_from_data(file.config.cell, find), file.config.sizes
        if not isinstance(cell, Recurrence):
            raise ValueError(f"{cell} is no recurrence")
        config = RecurrenceConfig(cell, sizes, file.config.heads, file.config.dtype)
        if set(sizes) != set(cell.letters):
            raise ValueError(f"sizes is {short(sizes)}, must have a size for each of {', '.join(cell.letters)}")
        inputs, states, parameters = (
            {name: array_from_data(name, entry, config) for name, entry in entries.items()}
            for entries in (file.inputs, file.states, file.parameters)
        )
        if set(inputs) != set(cell.inputs) or not set(states) <= set(cell.states):
            raise ValueError(f"it has {', '.join([*inputs, *states])}; inputs are {', '.join(cell.inputs)}")
        whole = {name: states.get(name) for name in cell.states}
        offsets = None if file.offsets is None else np.array(file.offsets)
        lengths = lengths_from_data(file.lengths)
        return RecurrenceCase(config, inputs, whole, parameters, lengths, offsets, file.mode).check()


def config_from_data(data: dict[str, Any], find: Find = known) -> Config:
    """A configuration whose values have the types and sizes that they must have."""
    cell = cell_from_data(data["cell"], find)
    if isinstance(cell, Recurrence):
        raise ValueError(f"{cell} is a recurrence, must be a cell of layers")
    config: Config = record(Config, data | {"cell": cell})
    for name in ("input_size", "hidden_size", "num_layers", "proj_size"):
        if getattr(config, name) > LARGEST_SIZE:
            raise ValueError(f"{name} is {getattr(config, name)}, must be at most {LARGEST_SIZE}")
    if not 0 <= config.dropout <= 1:
        raise ValueError(f"dropout is {config.dropout}, must be a probability")
    return config


def cell_from_data(data: Any, find: Find = known) -> Cell:
    """A cell by its name; or one's own by the hash of its text, which is not read here."""
    if isinstance(data, dict) and "inputs" in data:
        return recurrence(**vars(record(Shapes, data)))
    if isinstance(data, dict):
        named: CellName = record(CellName, data)
        return find(named.sha256, named.name)
    if not isinstance(data, str):
        raise RecordError(f"is {short(data)}, must be the name of a cell", "cell")
    return cell_of(data)


def lengths_to_data(lengths: np.ndarray | None) -> Any:
    """The lengths of the rows as a list, with their dtype and memory layout where these are not the usual ones."""
    if lengths is None:
        return None
    numbers, kind = np.asarray(lengths).tolist(), kind_of_lengths(lengths)
    return {"kind": kind, "data": numbers} if kind else numbers


def lengths_from_data(data: Lengths) -> np.ndarray | None:
    """The lengths of the rows, or None."""
    if data is None:
        return None
    if isinstance(data, list):
        return np.array(data, dtype=np.int64)
    if data.kind not in LENGTHS:
        raise ValueError(f"kind of lengths is {short(data.kind)}, must be one of {', '.join(LENGTHS)}")
    return lengths_of_kind(np.array(record(list[int], data.entries), dtype=np.int64), data.kind)


def array_from_data(name: str, entry: Array, config: Config | RecurrenceConfig) -> np.ndarray:
    """One array in its memory layout."""
    numbers = [number_from_data(name, number) for number in entry.entries]
    check_data_shape(name, entry.shape, len(numbers))
    with np.errstate(over="ignore"):
        array = np.array(numbers, dtype=np.float64).astype(config.numpy_dtype)
    if np.isinf(array).sum() > sum(map(math.isinf, numbers)):
        raise ValueError(f"{name} has a number that is too large for {config.dtype}")
    return relaid(array.reshape(entry.shape), entry.memory)


def check_data_shape(name: str, shape: list[int], count: int) -> None:
    """Raises ValueError for what is no shape of so many numbers; what has none has no axis longer than a file's."""
    if len(shape) > MOST_AXES or any(size < 0 for size in shape) or math.prod(shape) != count:
        raise ValueError(f"{name} has {count} numbers, which do not fit its shape {short(shape)}")
    if math.prod(max(size, 1) for size in shape) > LARGEST_ARRAY:
        raise ValueError(f"shape of {name} is {short(shape)}, must be at most {LARGEST_ARRAY} numbers")


def number_from_data(name: str, number: Any) -> float:
    """A number of an array: one of JSON, or one of the words for what JSON does not have."""
    if type(number) in (float, int):
        return float(number)
    if isinstance(number, str) and number in WORDS:
        return WORDS[number]
    raise RecordError(f"has {short(number)}, must be a number", name)


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


def case_from_data_2(data: Any, find: Find = known) -> Case:
    """The case that ``case_to_data_2`` described. Raises CounterexampleError."""
    if isinstance(data, dict) and "inputs" in data:
        return recurrence_from_data(data, find)  # type: ignore[return-value]
    with interpretation("it does not describe a case"):
        file: SplitFile = record(SplitFile, data)
        return layers_of(file, file.cell, file.parameters | file.states | {"x": file.x}, find)


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
    own = {repr(cell.crossing): own_cell_to_data(cell) for cell in counted_cells(found) if cell.own}
    return {
        "schema": RECURRENT if isinstance(found.case, RecurrenceCase) else SCHEMA,
        "target": found.target, "property": found.property, "message": found.message,
        "kind": found.kind, "demand": found.demand, "repeatable": found.repeatable,
        "case": case_to_data_2(found.case), "before": before, "compared": compared,
        "calls": entries,
    } | ({"same": same_to_data(found.same.among(at))} if found.same else {}) \
      | ({"cells": [*own.values()]} if own else {})  # fmt: skip


def counted_cells(found: Counterexample) -> list[Cell]:
    """The cells of its cases, each as often as there are any."""
    return [case.config.cell for case in (found.case, *(call.case for call in found.calls))]


def same_to_data(same: Same) -> dict[str, Any]:
    """Which numbers must be the same; calls are those of the file, by their numbers."""
    return {
        "places": [{"call": place.call, "array": place.name, "at": list(place.at)} for place in same.places],
        "room": word(same.room),
        "handed": [{"call": to, "state": name, "by": by} for to, name, by in same.handed],
    }


def same_from_data(data: SameFile, calls: list[Call], at: list[int]) -> Same:
    """Which numbers must be the same. Raises ValueError for what no call gives."""
    places = []
    for entry in data.places:
        number = index_of_number(at, "call", entry.call)
        shapes = calls[number].case.result_shapes()
        if entry.array not in shapes:
            raise ValueError(f"array is {short(entry.array)}, must be one of {', '.join(shapes)}")
        sizes = shapes[entry.array].sizes
        if len(entry.at) != len(sizes) or not all(0 <= n < size for n, size in zip(entry.at, sizes)):
            raise ValueError(f"at is {short(entry.at)}, but {entry.array} has shape {sizes}")
        places.append(NumberPlace(number, entry.array, tuple(entry.at)))
    handed = [
        (index_of_number(at, "call", one.call), one.state, index_of_number(at, "by", one.by)) for one in data.handed
    ]
    one, other = places
    if not all(by < to and name in calls[to].case.states for to, name, by in handed):
        raise ValueError("handed has a state that no earlier call returned")
    return Same((one, other), number_from_data("room", data.room), tuple(handed))


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


def counterexample_from_data(data: Any, described: bool = False) -> Counterexample:
    """The counterexample that a file describes, in any schema. Raises CounterexampleError.

    described: whether a cell of a user's own that has not been loaded is an outline, as the file describes it; then
    Unclaimed is raised where it does not.
    """
    schema = data.get("schema") if isinstance(data, dict) else None
    if type(schema) is not int or schema not in FILES:
        raise CounterexampleError(f"it is not a counterexample of schema 1, {SCHEMA} or {RECURRENT}")
    with interpretation("it is no counterexample"):
        file = record(FILES[schema], data)
        id, message = (visible(text, LONGEST_MESSAGE) for text in (file.property, file.message))
        find = outlines(file) if described else known
        if isinstance(file, FirstFile):
            case = case_from_data(file.case, find)
            return Counterexample(id, message, "", case, repeatable=True, target=file.target)
        calls: list[Call] = []
        expected: list[dict[str, Bounds]] = []
        places = [0]
        for entry in file.calls:
            call, bounds = call_from_data(entry, len(calls), find)
            if entry.times > MOST_CALLS - len(calls):
                raise ValueError(f"it makes a call {entry.times} times; there may be {MOST_CALLS:,} calls")
            calls += [call] * entry.times
            expected += [bounds] * entry.times
            places.append(len(calls))
        compared = tuple(index_of_number(places[:-1], "compared", number) for number in file.compared)
        before = index_of_number(places, "before", file.before)
        if file.demand == "same" and file.same is None:
            raise ValueError("it has no same")
        return Counterexample(
            id, message, file.kind, case_from_data_2(file.case, find), tuple(calls), before, compared, tuple(expected),
            file.demand, file.repeatable, file.target,
            same_from_data(file.same, calls, places[:-1]) if file.same and file.demand == "same" else None,
        )  # fmt: skip


def outlines(file: Any) -> Find:
    """Finds the cells of a file: as they have been loaded, or as it describes them. Raises Unclaimed."""
    own = {(one.sha256, one.name): one for one in getattr(file, "cells", ())}

    def find(sha256: str, name: str) -> Cell:
        try:
            return known(sha256, name)
        except CellError:
            if (sha256, name) in own:
                return own[sha256, name].cell
            raise Unclaimed(file.target) from None

    return find


def index_of_number(places: list[int], name: str, number: int) -> int:
    """The place among the calls of the entry with this number."""
    if not 0 <= number < len(places):
        raise ValueError(f"{name} has {number}, must be the number of a call")
    return places[number]


def call_from_data(data: CallFile, number: int, find: Find = known) -> tuple[Call, dict[str, Bounds]]:
    """One call, and what is expected of it."""
    case = case_from_data_2(data.case, find)
    given = data.cotangents or {}
    cotangents = {name: None if d is None else array_from_data(name, d, case.config) for name, d in given.items()}
    call = Call(data.do, case, cotangents, number, data.measures, data.in_place)
    if data.form != call.form:
        raise ValueError(f"form is {short(data.form)}, but the case is {call.form}; forms are {', '.join(FORMS)}")
    return call, {name: bounds_from_data(entry) for name, entry in data.expected.items()}


def bounds_from_data(data: BoundsFile) -> Bounds:
    """What the numbers of one result must be, and how far from that each may be."""
    mid, room = (np.array([number_from_data("expected", v) for v in part]) for part in (data.entries, data.room))
    for part in (mid, room):
        check_data_shape("expected", data.shape, part.size)
    return mid.reshape(data.shape), room.reshape(data.shape)


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
