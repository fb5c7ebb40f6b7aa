"""Frames that come from a child are checked here before anything is built from them: a target can write its own.

``reply`` is the whole door: what it returns has the keys, types, sizes and dtypes that an answer has. What a frame
looks like is said in ``child.py``, which makes honest ones.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable, Collection
from typing import Any

import numpy as np

from . import child
from .channel import Nonsense
from .files import refuse_constant, unique
from .text import short

LARGEST_HEADER = 2**20
LARGEST_BODY = child.LARGEST_ANSWER + 2**20
DTYPES = {np.dtype(name).str for name in ("f2", "f4", "f8")}  # in this machine's order of bytes
MOST_AXES = 32
KINDS = ("raised", "arity", "array", "refused")  # of problems that a child may report; all others are seen from outside

# The keys of each kind of reply besides "id", "notes" and "arrays", and in their place what refuses.
KEYS = {
    "load": ({"capabilities", "compiler"}, {"capabilities", "compiler", "layout"}, {"refused"}),
    "start": (set(), {"problem"}),
    "copy": (set(), {"problem"}),
    "leave": (set(),),
    "try": ({"compiler", "over"},),
    "forward": ({"dtypes", "changed", "shared", "seconds"}, {"problem"}),
    "gradients": ({"dtypes", "changed", "shared", "seconds"}, {"problem"}),
}


def frame_length(received: bytearray) -> int | None:
    """How long the first frame is, once all of it is there; raises Nonsense at the first sizes that none has."""
    if len(received) < 8:
        return None
    head, body = struct.unpack_from("<II", received)
    if head > LARGEST_HEADER or body > LARGEST_BODY:
        raise Nonsense(f"answered with a frame of {head:,} and {body:,} bytes, must be {LARGEST_BODY:,} at most")
    return 8 + head + body if len(received) >= 8 + head + body else None


def reply(frame: bytes, do: str, number: int, names: Collection[str] | None) -> tuple[dict, dict[str, np.ndarray]]:
    """The header and the arrays of the reply to a request; raises Nonsense.

    do, number: what was asked, and the number of that request;  names: of the arrays if they are known
    """
    head, _ = struct.unpack_from("<II", frame)
    header = header_of(frame[8 : 8 + head])
    if header.pop("id", None) != number:
        raise Nonsense("answered another request than it was asked")
    described = header.pop("arrays", None)
    notes = header.get("notes")
    need(texts(notes), "notes", notes)
    if header.keys() - {"notes"} not in KEYS[do]:
        raise Nonsense(f"answered {do} with the keys {short(sorted(header))}")
    for name, value in header.items():
        need(CHECKS[name](value), name, value)
    check_described(described)
    found = [name for name, _, _ in described]
    if "dtypes" in header and header["dtypes"].keys() != set(found):
        raise Nonsense(f"answered {do} with dtypes of {short(list(header['dtypes']))}, must be of {short(found)}")
    if "dtypes" in header and names is not None and not set(found) <= set(names):
        raise Nonsense(f"answered {do} with {short(found)}, must be {short(list(names))}")
    return header, arrays_in_body(memoryview(frame)[8 + head :], described)


def header_of(data: bytes) -> dict[str, Any]:
    """The header in a frame; raises Nonsense."""
    try:
        header = json.loads(data.decode(), parse_constant=refuse_constant, object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        raise Nonsense(f"answered with a frame whose header is no JSON: {error}") from None
    if not isinstance(header, dict):
        raise Nonsense(f"answered with a frame whose header is {short(header)}, must be an object")
    return header


def check_described(described: Any) -> None:
    """Raises Nonsense unless this describes arrays: a name, a dtype of numbers and a shape each."""
    if not isinstance(described, list):
        raise Nonsense(f"answered with arrays {short(described)}, must be a list")
    for entry in described:
        if not (isinstance(entry, list) and len(entry) == 3 and text(entry[0])):
            raise Nonsense(f"described an array as {short(entry)}, must be its name, dtype and shape")
        name, dtype, shape = entry
        if not isinstance(dtype, str) or dtype not in DTYPES:
            raise Nonsense(f"gave {name} the dtype {short(dtype)}, must be one of {short(sorted(DTYPES))}")
        sizes = isinstance(shape, list) and len(shape) <= MOST_AXES and all(type(n) is int and n >= 0 for n in shape)
        if not sizes or math.prod(max(n, 1) for n in shape) > LARGEST_BODY:
            raise Nonsense(f"gave {name} the shape {short(shape)}, must be a list of sizes")
    if len({name for name, _, _ in described}) < len(described):
        raise Nonsense("described an array twice")


def arrays_in_body(body: memoryview, described: list) -> dict[str, np.ndarray]:
    """The arrays in the body of a frame; raises Nonsense if they are not just as long as they are said to be."""
    if bytes(body[:6]) != b"\x93NUMPY" or len(body) < 10:
        raise Nonsense("answered with a frame whose body is no .npy")
    data = body[10 + body[8] + 256 * body[9] :]
    sizes = [math.prod(shape) * np.dtype(dtype).itemsize for _, dtype, shape in described]
    must = sum(size + child.ALIGNMENT - size % child.ALIGNMENT for size in sizes)
    if len(data) != must:
        raise Nonsense(f"answered with {len(data):,} bytes of arrays, must be {must:,} for their shapes")
    buffer = child.aligned(len(data))
    buffer[...] = np.frombuffer(data, np.uint8)
    return child.cut(buffer, described)


def text(value: Any) -> bool:
    """Whether this is text."""
    return isinstance(value, str)


def texts(value: Any) -> bool:
    """Whether this is a list of texts."""
    return isinstance(value, list) and all(map(text, value))


def problem(value: Any) -> bool:
    """Whether this is a problem as a child reports it."""
    return (
        isinstance(value, dict)
        and {"kind", "message"} <= value.keys() <= {"kind", "message", "where", "exception"}
        and value["kind"] in KINDS and text(value["message"]) and texts(value.get("where", []))
        and text(value.get("exception", ""))
    )  # fmt: skip


def pairs(value: Any) -> bool:
    """Whether this is a list of pairs of texts."""
    return isinstance(value, list) and all(texts(pair) and len(pair) == 2 for pair in value)


def dtypes(value: Any) -> bool:
    """Whether this maps names to dtypes, or to None."""
    return isinstance(value, dict) and all(dtype is None or text(dtype) for dtype in value.values())


CHECKS: dict[str, Callable[[Any], bool]] = {
    "notes": texts,
    "capabilities": lambda value: isinstance(value, dict),
    "layout": text,
    "compiler": lambda value: value in ("", child.TORCH, *child.COMPILERS),
    "over": lambda value: isinstance(value, bool),
    "refused": text,
    "problem": problem,
    "dtypes": dtypes,
    "seconds": lambda value: isinstance(value, float),
    "changed": texts,
    "shared": pairs,
}


def need(right: bool, name: str, value: Any) -> None:
    """Raises Nonsense unless a value is right."""
    if not right:
        raise Nonsense(f"answered with {name} that cannot be: {short(value)}")
