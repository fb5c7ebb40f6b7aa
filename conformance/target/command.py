"""Targets in any language: a command that speaks JSON lines on its standard streams.

One request a line, one reply a line. The four requests are ``start`` (a new instance; the reply says what is
claimed), ``forward``, ``gradients`` and ``stop``. ``schemas/protocol.json`` describes them; arrays travel as
``{"shape": [2, 3], "data": [...]}`` in C order, and numbers that JSON does not have as "NaN", "Infinity", "-Infinity".
"""

from __future__ import annotations

import json
import math
import shlex
from typing import Any

import numpy as np

from reference_rnn import Case

from .answer import Answer, Problem
from .child import LARGEST_RESULT, LoadError
from .local import Cotangents
from .process import Limits, Nonsense, ProcessTarget

WORDS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
SHOWN = 60  # characters of a line that is no reply, in messages


class CommandTarget(ProcessTarget):
    """A command that keeps to the line protocol. What it does in its memory cannot be observed."""

    observes_memory = False

    def __init__(self, command: str, name: str, limits: Limits) -> None:
        try:
            self.words = shlex.split(command)
        except ValueError as error:
            raise LoadError(f"{name!r} cannot be read: {error}") from None
        if not self.words:
            raise LoadError(f"{name!r} names no command, must be like: cmd: node my_rnn.js")
        super().__init__(name, limits)

    def command(self) -> list[str]:
        """The words of the command."""
        return self.words

    def load(self) -> dict[str, Any]:
        """What the first start declares; raises LoadError."""
        reply = self.exchange({"do": "start"}, self.limits.load)
        if isinstance(reply, Problem):
            raise LoadError(f"{self.name} could not be started: it {reply.message}{self.last_words()}")
        if "error" in reply:
            self.stop()
            raise LoadError(f"{self.name} could not be started: {reply['error']}")
        if not isinstance(reply.get("capabilities"), dict):
            self.stop()
            raise LoadError(f'{self.name} answered start with {short(reply)}, must be {{"capabilities": {{...}}}}')
        return reply["capabilities"]

    def build(self) -> Problem | None:
        """A new instance."""
        reply = self.exchange({"do": "start"}, self.limits.load)
        if isinstance(reply, Problem):
            return reply
        return Problem("raised", f"cannot be built: {reply['error']}") if "error" in reply else None

    def ask(self, do: str, case: Case, cotangents: Cotangents, seconds: float) -> Answer:
        """The command's answer to one request."""
        reply = self.exchange(request(do, case, cotangents), seconds)
        if isinstance(reply, Problem):
            return Answer(problem=reply)
        if "error" in reply:
            return Answer(problem=Problem("raised", f"answered with an error: {str(reply['error'])[:300]}"))
        try:
            arrays = results(reply, do, case)
        except Nonsense as nonsense:
            return Answer(problem=Problem("array", str(nonsense)))
        return Answer(arrays, dict.fromkeys(arrays))

    def write(self, stream: Any, message: Any) -> None:
        """Sends a line."""
        stream.write(json.dumps(message, separators=(",", ":"), allow_nan=False).encode() + b"\n")

    def read(self, stream: Any) -> Any:
        """The next line as an object."""
        line = stream.readline()
        if not line.endswith(b"\n"):
            raise EOFError
        try:
            reply = json.loads(line, parse_constant=refuse)
        except ValueError as error:
            text = line.decode(errors="replace").strip()[:SHOWN]
            reason = str(error) if "must be the string" in str(error) else "print what is for people on standard error"
            raise Nonsense(f"wrote {text!r} on standard output, must be one line of JSON; {reason}") from None
        if not isinstance(reply, dict):
            raise Nonsense(f"answered with {short(reply)}, must be an object")
        return reply

    def stop(self) -> None:
        """Asks the command to end, and ends it."""
        if self.process is not None and self.process.stdin:
            try:
                self.write(self.process.stdin, {"do": "stop"})
                self.process.stdin.flush()
            except OSError:
                pass
            super().stop()


def request(do: str, case: Case, cotangents: Cotangents) -> dict[str, Any]:
    """A case, and cotangents where gradients are asked for, as one request."""
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
        return {name: array_of(f"the gradient of {name}", value) for name, value in found.items() if value is not None}
    names = ("output", "h_n", "c_n") if case.config.cell == "LSTM" else ("output", "h_n")
    for name in names:
        if name not in reply:
            raise Nonsense(f"it answered forward without {name}; it gave {', '.join(reply) or 'nothing'}")
    return {name: array_of(name, reply[name]) for name in names}


def array_of(name: str, value: Any) -> np.ndarray:
    """An array from JSON; raises Nonsense, naming it."""
    if not isinstance(value, dict) or not {"shape", "data"} <= value.keys():
        raise Nonsense(f'{name} is {short(value)}, must be {{"shape": [...], "data": [...]}}')
    shape, data = value["shape"], value["data"]
    if not isinstance(shape, list) or not all(type(size) is int and size >= 0 for size in shape):
        raise Nonsense(f"{name} has the shape {short(shape)}, must be a list of sizes")
    if not isinstance(data, list) or len(data) != math.prod(shape):
        size = len(data) if isinstance(data, list) else short(data)
        raise Nonsense(f"{name} has {size} numbers, must have {math.prod(shape)} for its shape {shape}")
    if 8 * len(data) > LARGEST_RESULT:
        raise Nonsense(f"{name} has shape {shape}: {8 * len(data) / 1e9:.1g} GB")
    numbers = [WORDS.get(number, number) if isinstance(number, str) else number for number in data]
    for number in numbers:
        if type(number) not in (int, float):
            words = ", ".join(map(short, WORDS))
            raise Nonsense(f"{name} has {short(number)} among its numbers; what is no number must be one of {words}")
    return np.array(numbers, dtype=np.float64).reshape(shape)


def refuse(constant: str) -> float:
    """JSON has neither NaN nor infinities, though some libraries write them."""
    raise ValueError(f'{constant} must be the string "{constant}"')


def short(value: Any) -> str:
    """A value for messages."""
    text = json.dumps(value) if not isinstance(value, str) else repr(value)
    return text if len(text) <= SHOWN else text[:SHOWN] + " ..."
