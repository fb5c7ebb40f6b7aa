"""Targets in any language: a command that speaks JSON lines on its standard streams.

One request a line, one reply a line. The four requests are ``start`` (a new instance; the reply says what is
claimed), ``forward``, ``gradients`` and ``stop``. ``schemas/protocol.json`` describes them; arrays travel as
``{"shape": [2, 3], "data": [...]}`` in C order, and numbers that JSON does not have as "NaN", "Infinity", "-Infinity".
"""

from __future__ import annotations

import contextlib
import json
import math
import shlex
import sys
from typing import Any

import numpy as np

from reference_rnn import Case, RecurrenceCase, rounded

from .answer import Answer, Problem
from .channel import Channel, Nonsense
from .child import LoadError
from .files import FileError, refuse_constant, unique
from .local import Cotangents
from .process import Limits, ProcessTarget
from .text import SHOWN, short

WORDS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
LARGEST_LINE = 2**20  # bytes of a reply without numbers
LARGEST_NUMBER = 128  # bytes of a number in a reply: room for axes too many, and for blanks
MOST_AXES = 32
HELD_BACK = (
    "answered only after its input had ended: if it is not merely slow, flush standard output after each line, and "
    "read one line at a time"
)
RECURRENT = 2  # the schema of requests about recurrences; those about layers do not say theirs


class CommandTarget(ProcessTarget):
    """A command that keeps to the line protocol. What it does in its memory cannot be observed."""

    observes_memory = False

    def __init__(self, command: str, name: str, limits: Limits) -> None:
        try:
            self.words = shlex.split(command)
        except ValueError as error:
            raise LoadError(f"{name!r} cannot be read: {error}") from None
        self.largest, self.searched = LARGEST_LINE, 0
        if not self.words:
            raise LoadError(f"{name!r} names no command, must be like: cmd: node my_rnn.js")
        super().__init__(name, limits)

    def command(self) -> list[str]:
        """The words of the command."""
        return self.words

    def load(self) -> dict[str, Any]:
        """What the first start declares; raises LoadError."""
        reply = self.exchange({"do": "start"}, self.limits.load)
        if isinstance(reply, Problem) and reply.kind == "hang":
            limit = f"{self.limits.load:g} s{self.last_words()}"
            held_back = reply.message == HELD_BACK
            cause = f"it {HELD_BACK}" if held_back else "does it flush standard output after each line?"
            raise LoadError(f"{self.name} gave no answer to start within {limit}; {cause}")
        if isinstance(reply, Problem):
            raise LoadError(f"{self.name} could not be started: it {reply.message}{self.last_words()}")
        if "error" in reply:
            self.stop()
            raise LoadError(f"{self.name} could not be started: {said(reply)}")
        if not isinstance(reply.get("capabilities"), dict):
            self.stop()
            raise LoadError(f'{self.name} answered start with {short(reply)}, must be {{"capabilities": {{...}}}}')
        return reply["capabilities"]

    def build(self) -> Problem | None:
        """A new instance."""
        reply = self.exchange({"do": "start"}, self.limits.load)
        if isinstance(reply, Problem):
            return reply
        return Problem("raised", f"cannot be built: {said(reply)}") if "error" in reply else None

    def ask(self, do: str, case: Case, cotangents: Cotangents, in_place: bool, seconds: float) -> Answer:
        """The command's answer to one request."""
        self.largest = LARGEST_LINE + LARGEST_NUMBER * numbers_in_answer(do, case)
        reply = self.exchange(request(do, case, cotangents), seconds)
        self.largest = LARGEST_LINE
        if isinstance(reply, Problem):
            return Answer(problem=reply)
        if "error" in reply:
            return Answer(problem=Problem("raised", f"answered with an error: {said(reply)}"))
        try:
            arrays = results(reply, do, case)
        except Nonsense as nonsense:
            return Answer(problem=Problem("array", str(nonsense)))
        return Answer.of({"arrays": arrays, "dtypes": dict.fromkeys(arrays), "changed": [], "shared": []})

    def written(self, message: Any) -> bytes:
        """A line."""
        self.searched = 0
        return line_of(message)

    def whole(self, received: bytearray) -> int | None:
        """How long the first line is."""
        end = received.find(b"\n", self.searched)
        self.searched = len(received)
        if end >= self.largest or (end < 0 and len(received) > self.largest):
            raise Nonsense(f"answered with a line of more than {self.largest:,} bytes")
        return end + 1 or None

    def read(self, data: bytes) -> Any:
        """A line as an object."""
        try:
            reply = json.loads(data.decode(), parse_constant=refuse_constant, object_pairs_hook=unique)
        except (ValueError, RecursionError) as error:
            text = data[: 4 * SHOWN].decode(errors="replace").strip()[:SHOWN]
            own = isinstance(error, (FileError, RecursionError))  # it is JSON, of a kind
            reason = str(error) if own else "print what is for people on standard error"
            raise Nonsense(f"wrote {text!r} on standard output, must be one line of JSON; {reason}") from None
        if not isinstance(reply, dict):
            raise Nonsense(f"answered with {short(reply)}, must be an object")
        return reply

    def stopped(self, channel: Channel, problem: Problem) -> Problem:
        """What is said of a command that took more than it may: that it had an answer and kept it back, if so."""
        with contextlib.suppress(Nonsense):
            if problem.kind == "hang" and (message := channel.held_back(self.whole)):
                self.read(message)
                return Problem("hang", HELD_BACK)
        return problem

    def stop(self) -> None:
        """Asks the command to end, and ends it."""
        if self.channel is not None:
            self.channel.send(memoryview(self.written({"do": "stop"})))
            super().stop()


def line_of(message: Any) -> bytes:
    """A request as it is sent."""
    return json.dumps(message, separators=(",", ":"), allow_nan=False).encode() + b"\n"


def said(reply: dict[str, Any]) -> str:
    """The error in a reply."""
    return reply["error"] if isinstance(reply["error"], str) else short(reply["error"])


def numbers_in_answer(do: str, case: Case) -> int:
    """How many numbers a right answer has."""
    if do == "gradients":
        return sum(array.size for _, array in case.arrays())
    return sum(math.prod(shape.sizes) for shape in case.result_shapes().values())


def request(do: str, case: Case, cotangents: Cotangents) -> dict[str, Any]:
    """A case, and cotangents where gradients are asked for, as one request."""
    if isinstance(case, RecurrenceCase):
        return recurrent_request(do, case, cotangents)
    tensors = {name: tensor(array) for name, array in case.arrays()}
    message = {
        "do": do,
        "config": {**case.config.as_dict(), "num_directions": case.config.num_directions},
        "training": case.training,
        "parameters": {name: tensors[name] for name in case.parameters},
        **{name: tensors.get(name) for name in ("x", "h_0", "c_0")},
        "lengths": None if case.lengths is None else np.asarray(case.lengths).tolist(),
    }
    return message | {name: None if d is None else tensor(d) for name, d in cotangents.items()}


def recurrent_request(do: str, case: RecurrenceCase, cotangents: Cotangents) -> dict[str, Any]:
    """A request for a case of a recurrence, whose arrays have names of their own."""
    kinds = ("parameters", "inputs", "states")
    named = {
        kind: {name: None if a is None else tensor(a) for name, a in getattr(case, kind).items()} for kind in kinds
    }
    counts = {"lengths": None, "offsets": None} | {name: array.tolist() for name, array in case.counts()}
    message: dict[str, Any] = (
        {"do": do, "schema": RECURRENT, "config": case.config.told, "mode": case.mode} | named | counts
    )
    if do == "gradients":
        message |= {"d_outputs": {}, "d_states": {}}
    for name, array in cotangents.items():
        kind, _, own = name.partition(".")
        message[kind][own] = None if array is None else tensor(array)
    return message


def tensor(array: np.ndarray) -> dict[str, Any]:
    """An array as JSON has it."""
    return {"shape": list(array.shape), "data": [word(number) for number in array.astype(np.float64).ravel().tolist()]}


def word(number: float) -> float | str:
    """A number as JSON can hold it: with a word for what it does not have."""
    if math.isfinite(number):
        return number
    return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"


def results(reply: dict[str, Any], do: str, case: Case) -> dict[str, np.ndarray]:
    """The arrays of a reply; raises Nonsense."""
    if do == "gradients":
        found = reply.get("gradients")
        if not isinstance(found, dict):
            raise Nonsense(f'it answered gradients with {short(reply)}, must be {{"gradients": {{name: array}}}}')
        given = {name: array_of(f"the gradient of {name}", value) for name, value in found.items() if value is not None}
        return as_meant(given, case)
    if isinstance(case, RecurrenceCase):
        return recurrent_results(reply, case)
    names = ("output", "h_n", "c_n") if case.config.num_states == 2 else ("output", "h_n")
    for name in names:
        if name not in reply:
            raise Nonsense(f"it answered forward without {name}; it gave {', '.join(reply) or 'nothing'}")
    return as_meant({name: array_of(name, reply[name]) for name in names if reply[name] is not None}, case)


def recurrent_results(reply: dict[str, Any], case: RecurrenceCase) -> dict[str, np.ndarray]:
    """The outputs and states of a reply; raises Nonsense."""
    found = {}
    for kind in ("outputs", "states"):
        if not isinstance(reply.get(kind), dict):
            said = ", ".join(reply) or "nothing"
            raise Nonsense(
                f'it answered forward without {kind}; it gave {said}, must give {{"{kind}": {{name: array}}}}'
            )
        found[kind] = {name: array_of(name, value) for name, value in reply[kind].items() if value is not None}
    for name in found["states"]:
        if name not in case.states:
            raise Nonsense(f"it answered forward with a state {name!r}; the states are: {', '.join(case.states)}")
    return as_meant(found["outputs"], case) | found["states"]  # which may be wider


@np.errstate(over="ignore")
def as_meant(arrays: dict[str, np.ndarray], case: Case | RecurrenceCase) -> dict[str, np.ndarray]:
    """The numbers of the case's dtype that decimals stand for: nine digits are enough to tell those of float32."""
    return {name: rounded(array, case.config.dtype).astype(np.float64) for name, array in arrays.items()}


def array_of(name: str, value: Any) -> np.ndarray:
    """An array from JSON; raises Nonsense, naming it."""
    if not isinstance(value, dict) or not {"shape", "data"} <= value.keys():
        raise Nonsense(f'{name} is {short(value)}, must be {{"shape": [...], "data": [...]}}')
    shape, data = value["shape"], value["data"]
    if not isinstance(shape, list) or len(shape) > MOST_AXES or not all(type(n) is int and n >= 0 for n in shape):
        raise Nonsense(f"{name} has the shape {short(shape)}, must be a list of sizes")
    if not isinstance(data, list) or len(data) != math.prod(shape):
        size = len(data) if isinstance(data, list) else short(data)
        raise Nonsense(f"{name} has {size} numbers, must have {short(math.prod(shape))} for its shape {short(shape)}")
    try:
        return np.array([number(name, entry) for entry in data], dtype=np.float64).reshape(shape)
    except (ValueError, OverflowError):  # sizes beside a 0 that no array has
        raise Nonsense(f"{name} has the shape {short(shape)}, which no array has") from None


def number(name: str, entry: Any) -> float:
    """A number from JSON; raises Nonsense, naming the array that it is in."""
    if type(entry) is float and math.isfinite(entry):
        return entry
    if type(entry) is str and entry in WORDS:
        return WORDS[entry]
    if type(entry) is int and abs(entry) <= sys.float_info.max:
        return entry
    if type(entry) in (int, float):
        raise Nonsense(f"{name} has a number that double precision cannot hold: {short(entry)}")
    words = ", ".join(map(short, WORDS))
    raise Nonsense(f"{name} has {short(entry)} among its numbers; what is no number must be one of {words}")
