"""A counterexample as a script that stands alone: NumPy, the target's own package, and nothing of ours.

It shows the arrays, the calls and what is expected, compares, and exits with 1 if that still fails, 0 if it does not.
"""

from __future__ import annotations

import inspect
import json
import os
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from conformance.harness import child, command
from conformance.harness.call import Call
from conformance.harness.load import SHIPPED, spec_of
from conformance.harness.source_text import SourceText
from conformance.harness.text import visible
from conformance.judging.counterexample import Bounds, Counterexample, optional_arrays
from conformance.judging.words import letter
from reference_rnn import RecurrenceCase
from reference_rnn.case_text import number
from reference_rnn.equations import equations_of
from strategies import layout_of, relaid

from .standalone_source import NotAlone, alone

WIDTH = 110
LIMIT = 60  # seconds for all calls

HEAD = """\
from __future__ import annotations

import faulthandler
import importlib
import importlib.util
import os
import sys
import types

import numpy as np
from numpy import inf, nan

Namespace = types.SimpleNamespace
faulthandler.dump_traceback_later({limit}, exit=True)  # what never returns fails
"""

# What a target without a name is: a class by the name forward is built, and of an object its method is called.
WITHOUT_NAME = "target = module.forward if isinstance(module.forward, type) or not callable(module.forward) else module"
USER_FILE = '''\
class Unneeded(types.ModuleType):
    """A package whose parts are only for what a file says of itself: each may be called, and is such a part again."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __call__(self, *_, **__):
        return self


def module_in(path):
    """The module in a file."""
    sys.path.insert(0, os.path.dirname(os.path.abspath(path)))
    for package in ("conformance", "reference_rnn"):
        if importlib.util.find_spec(package) is None:
            sys.modules[package] = Unneeded(package)
    name = os.path.splitext(os.path.basename(path))[0]
    spec = importlib.util.spec_from_file_location(name, path)
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    with open(path, "rb") as file:  # not the bytecode beside it, which may be older
        exec(compile(file.read(), path, "exec"), vars(module))
    return module
'''

QUESTION = '''\
def forward(case):
    """Calls the function with its own layout of the arrays."""
    c = case.config
    w0, w, b = to_question(case.parameters, c)
    h = case.h_0.reshape(c.num_layers, c.num_directions, -1, c.hidden_size)
    nonlinearity = c.cell.removeprefix("RNN_").lower()
    return target(case.x, h, w0, w, b, c.num_layers, nonlinearity, c.dropout, c.bidirectional, case.training)
'''

CHAIN = '''\
made = {}


def forward(case):
    """Sends a case through all stages, once for each configuration and its parameters; what comes out is called."""
    key = (repr(case.config), *(array.tobytes() for _, array in sorted(case.parameters.items())))
    if key not in made:
        made[key] = case
        for stage in stages:
            made[key] = stage(made[key])
    inputs = {"x": case.x, "h_0": case.h_0, "c_0": case.c_0}
    results = made[key]({name: array for name, array in inputs.items() if array is not None})
    return results["output"], results["h_n"] if case.c_0 is None else (results["h_n"], results["c_n"])
'''

CALLS = '''\
def arrays_of(value, two):
    """A result as arrays by name."""
    if hasattr(value, "items"):
        return {name: array_of(array) for name, array in value.items() if array is not None}
    output, final = value
    finals = final if two else (final,)
    return dict(zip(("output", "h_n", "c_n"), map(array_of, (output, *finals))))

'''

RECURRENT_CALLS = '''\
def arrays_of(value):
    """A result as arrays by name: gradients, or outputs and states."""
    named = value if hasattr(value, "items") else {**value[0], **value[1]}
    return {name: array_of(array) for name, array in named.items() if array is not None}

'''

ARRAY = '''
def array_of(value):
    """A result as an array."""
    return np.asarray(value.detach() if hasattr(value, "detach") else value)
'''

NUMBERS = '''\
def wrong(name, given, expected, optional=()):
    """Prints every number that is further from what it must be than its room; whether there are any."""
    found = False
    for part, (must, room) in expected.items():
        value = given.get(part)
        if value is None and part in optional:
            continue
        if value is None or np.squeeze(value).shape != np.squeeze(must).shape:
            print(f"{name}: {part} has shape {None if value is None else value.shape}, must be {must.shape}")
            found = True
            continue
        value = np.asarray(value, np.float64).reshape(must.shape)
        with np.errstate(all="ignore"):
            near = (value == must) | (abs(value - must) <= room) | np.isinf(room) | (np.isnan(value) & np.isnan(must))
        for at in zip(*np.nonzero(~near)):
            is_, must_be, within = float(value[at]), float(must[at]), float(room[at])
            print(f"{name}: {part}{list(map(int, at))} is {is_!r}, must be {must_be!r} +/- {within:.2g}")
            found = True
    return found
'''

FAILS = {
    "bits": (
        "results = [{results}]\n"
        "fails = any(a.tobytes() != other[name].tobytes() for other in results[1:] for name, a in results[0].items())\n"
        'print("the same call gives other bits" if fails else "the bits are the same")'
    ),
    "dtypes": (
        "fails = False\n"
        "for name, array in {last}.items():\n"
        "    print(name, array.dtype)\n"
        '    fails |= str(array.dtype) not in ({dtypes})'
    ),
    "answer": "fails = False  # it has answered",
}  # fmt: skip


def script(found: Counterexample, statement: str) -> str:
    """The whole script. Raises NotAlone where there can be none."""
    if not found.calls:
        raise NotAlone("the file does not say what the target was given")
    if found.demand == "property":
        if isinstance(found.case, RecurrenceCase):
            raise NotAlone("it is about more than single numbers of its calls; use replay")
        raise NotAlone("whether it fails depends on chance, and is judged over many numbers; use replay")
    if not found.compared:
        raise NotAlone("the file does not say which call it is about")
    if found.target.startswith("cmd:"):
        return lines_to_send(found, statement)
    python, spec = spec_of(found.target)
    parts = [
        f'"""{title(found, statement, python)}"""\n',
        HEAD.format(limit=LIMIT),
        *target_part(spec, sorted({call.do for call in found.calls})),
        *equations(found),
        *layouts(found),
        *writing(found),
        (RECURRENT_CALLS if isinstance(found.case, RecurrenceCase) else CALLS) + ARRAY,
        *([NUMBERS] if found.demand == "numbers" else []),
        "\n".join(distinct_cases(found)),
        "\n".join(calls(found)),
        *comparison(found),
        "sys.exit(bool(fails))\n",
    ]
    return "\n\n".join(part.rstrip("\n") + "\n" for part in parts)


def title(found: Counterexample, statement: str, python: str) -> str:
    """What the script is about."""
    with_python = f" Run it with {python}." if found.target.startswith("python=") else ""
    how = (
        f"The target is {visible(found.target)}.{with_python} This needs NumPy and the target's own packages alone. "
        "Exit status: 0 it holds now, 1 it fails."
    )
    filled = "\n\n".join(map(fill, (found.message, f"{found.property}: {statement}", how)))
    return filled.replace("\\", "\\\\").replace('"""', "'''") + "\n"


def fill(paragraph: str) -> str:
    """A paragraph as lines of at most WIDTH."""
    return textwrap.fill(paragraph, WIDTH, break_long_words=False, break_on_hyphens=False)


def target_part(spec: dict[str, Any], names: list[str]) -> Iterator[str]:
    """How the target comes to be: its file, its module, or the adapter's own lines."""
    if stages := spec.get("stages"):
        yield from chain(stages)
        return
    if spec.get("module") in SHIPPED.values():
        if spec["name"]:
            raise NotAlone(f"{spec['name']} of an adapter of the kit cannot be written out")
        yield alone({spec["module"]: names})
        return
    if spec.get("file"):
        yield USER_FILE
        home = f"module_in({os.path.abspath(spec['file'])!r})"
    else:
        home = f"importlib.import_module({spec['module']!r})"
    lines = [f"module = {home}", f"target = module.{spec['name']}" if spec["name"] else WITHOUT_NAME]
    if spec.get("file") and in_the_layout_of_the_question(spec["file"], spec["name"]):
        yield "\n".join(lines)
        yield alone({"reference_rnn.formats.fused_layout": ["to_question"]})
        yield QUESTION
        return
    lines.append("target = target() if isinstance(target, type) else target")
    yield "\n".join([*lines, *(f"{name} = {instance_of(name)}" for name in names)])


def chain(stages: list[dict[str, Any]]) -> Iterator[str]:
    """How a chain comes to be: the user's files are read before functions of ours have names, which may be theirs."""
    files = dict.fromkeys(os.path.abspath(stage["file"]) for stage in stages if "file" in stage)
    ours: dict[str, list[str]] = {}
    for stage in stages:
        if "module" in stage:
            ours.setdefault(stage["module"], []).append(stage["name"])
    if files:
        yield USER_FILE
        yield "\n".join(["files = {", *(f"    {file!r}: module_in({file!r})," for file in files), "}"])
    if ours:
        yield alone(ours)
    functions = [f"files[{os.path.abspath(s['file'])!r}].{s['name']}" if "file" in s else s["name"] for s in stages]
    yield "\n".join(["stages = [", *(f"    {function}," for function in functions), "]"])
    yield CHAIN


def in_the_layout_of_the_question(file: str, name: str | None) -> bool:
    """Whether a file defines this function with arguments that the kit calls through an adapter of its own."""
    functions = [one for one in SourceText.read(Path(file)).functions if one.name == name]
    return any([a.arg for a in f.args.args][:5] == ["xs", "h", "w0", "w", "b"] for f in functions)


def instance_of(name: str) -> str:
    """The expression for a function of the target."""
    if name == "forward":
        return 'getattr(target, "forward", target)'
    return 'getattr(target, "gradients", None) or module.gradients'


def equations(found: Counterexample) -> Iterator[str]:
    """The equations of users' own cells, as comments: text of a file, of which no line is anything else."""
    own = [call.case.config.cell for call in found.calls if call.case.config.cell.own]
    for cell in dict.fromkeys(own):
        lines = equations_of(cell).splitlines()
        if lines:
            title = f"# The equations of {visible(cell)}, by which the expected numbers were computed:"
            yield "\n".join([title, "#", *map(comment, lines)])


def comment(line: str) -> str:
    """A line of text as a comment, which keeps its indentation."""
    indent = min(len(line) - len(line.lstrip(" ")), WIDTH)
    return f"#     {' ' * indent}{visible(line)}".rstrip()


def layouts(found: Counterexample) -> Iterator[str]:
    """The function that lays arrays out in memory, if any of them lies there in another way than usual."""
    arrays = [array for call in found.calls for _, array in (*call.arrays(), *call.case.counts())]
    if any(layout_of(array) != "C" for array in arrays):
        yield inspect.getsource(relaid)


def writing(found: Counterexample) -> Iterator[str]:
    """The functions that write the numbers of a case into the arrays of another one, if any call needs them."""
    if any(call.in_place for call in found.calls):
        yield "\n\n".join(inspect.getsource(f) for f in (child.by_place, child.write_into, child.lie_alike))


def distinct(found: Counterexample) -> list[int]:
    """For each call, the number of the first one that is given the same."""
    if any(call.in_place for call in found.calls):
        return [*range(len(found.calls))]  # arrays that are written into are nobody else's
    first: dict[int, int] = {}  # by the call itself: one that is made many times is there many times
    alike: dict[bytes, list[int]] = {}  # by the numbers that are given
    for at, call in enumerate(found.calls):
        if id(call) not in first:
            others = alike.setdefault(b"".join(array.tobytes() for _, array in call.arrays()), [])
            first[id(call)] = next((n for n in others if found.calls[n].same(call)), at)
            if first[id(call)] == at:
                others.append(at)
    return [first[id(call)] for call in found.calls]


def distinct_cases(found: Counterexample) -> Iterator[str]:
    """What the calls are given, each case once."""
    first = distinct(found)
    for name, call in {case_name(first, n): found.calls[n] for n in dict.fromkeys(first)}.items():
        if isinstance(call.case, RecurrenceCase):
            yield from recurrence(name, call.case)
            yield from recurrent_cotangents(name, call)
            continue
        case, c = call.case, call.case.config
        config = {**vars(c), "num_directions": c.num_directions, "num_states": c.num_states}
        yield f"{name} = Namespace("
        yield f"    config=Namespace({', '.join(f'{key}={value!r}' for key, value in config.items())}),"
        yield "    parameters={"
        yield from (f"        {key!r}: {literal(array)}," for key, array in case.parameters.items())
        yield "    },"
        for key in ("x", "h_0", "c_0"):
            array = getattr(case, key)
            yield f"    {key}={'None' if array is None else literal(array)},"
        yield f"    lengths={'None' if case.lengths is None else lengths_literal(case.lengths)},"
        yield f"    training={case.training},"
        yield ")"
        if call.do == "gradients":
            yield f"{name}_cotangents = ("
            for key in ("d_output", "d_h_n", "d_c_n"):
                d = call.cotangents.get(key)
                yield f"    {'None' if d is None else literal(d)},  # {key}"
            yield ")"


def recurrence(name: str, case: RecurrenceCase) -> Iterator[str]:
    """A case of a recurrence, whose arrays have names of their own."""
    config = ", ".join(f"{key}={value!r}" for key, value in case.config.told.items())
    yield f"{name} = Namespace("
    yield f"    config=Namespace({config}),"
    for kind in ("inputs", "states", "parameters"):
        yield f"    {kind}={{"
        for key, array in getattr(case, kind).items():
            yield f"        {key!r}: {'None' if array is None else literal(array)},"
        yield "    },"
    for key in ("lengths", "offsets"):
        counts = getattr(case, key)
        yield f"    {key}={'None' if counts is None else lengths_literal(counts)},"
    yield f"    mode={case.mode!r},"
    yield f"    training={case.training},"
    yield ")"


def recurrent_cotangents(name: str, call: Call) -> Iterator[str]:
    """What its gradients are asked with, if they are: two dicts, of outputs and of states."""
    if call.do == "forward":
        return
    yield f"{name}_cotangents = ("
    for kind in ("d_outputs", "d_states"):
        own = {key.partition(".")[2]: d for key, d in call.cotangents.items() if key.startswith(kind)}
        yield f"    {{  # {kind}"
        yield from (f"        {key!r}: {'None' if d is None else literal(d)}," for key, d in own.items())
        yield "    },"
    yield ")"


def case_name(first: list[int], at: int) -> str:
    """What a case is called in the script; first: for each call, the number of the first one that is given the same."""
    return f"case_{at + 1}" if any(first) else "case"


def calls(found: Counterexample) -> Iterator[str]:
    """The calls, in turn, and their results."""
    first = distinct(found)
    for at, call in enumerate(found.calls):
        name = case_name(first, first[at])
        arguments = f"{name}, *{name}_cotangents" if call.do == "gradients" else name
        made = f"{call.do}({arguments})"
        for to, state, by in found.same.handed if found.same else ():
            if to == at:
                handed = f"result_{by + 1}[{state!r}].astype({str(call.case.config.numpy_dtype)!r})"
                yield f"{name}.states[{state!r}] = {handed}  # handed on"
        if call.in_place and at:
            before = case_name(first, first[at - 1])
            yield f"write_into(by_place({before}), {name})  # the same arrays with other numbers"
        if found.demand == "unchanged" and at in found.compared:
            yield f"before = {{name: np.array(array) for name, array in {given_expressions(found, name)}}}"
        if at in found.compared or found.demand == "own memory":
            layers = not isinstance(call.case, RecurrenceCase)
            told = f", two={call.case.config.num_states == 2}" if layers else ""
            yield f"result_{at + 1} = arrays_of({made}{told})"
        else:
            yield made


def given_expressions(found: Counterexample, name: str) -> str:
    """The expression for name and array of all that a call is given."""
    if isinstance(found.case, RecurrenceCase):
        return f"(*{name}.parameters.items(), *{name}.inputs.items(), *{name}.states.items())"
    return f'(*{name}.parameters.items(), ("x", {name}.x), ("h_0", {name}.h_0), ("c_0", {name}.c_0))'


def comparison(found: Counterexample) -> Iterator[str]:
    """What is compared."""
    yield_calls = [(at, f"result_{at + 1}") for at in found.compared]
    last_at, last = yield_calls[-1]
    first = distinct(found)
    name = case_name(first, first[last_at])
    if found.demand == "numbers":
        rows = []
        for n, (at, result) in enumerate(yield_calls):
            label = letter(n) if len(yield_calls) > 1 else "the result"
            call = found.calls[at]
            rows += [f"expected = {expectation(found.expected[at])}"]
            optional = [name for name in optional_arrays(call) if name in found.expected[at]]
            extra = f", optional={optional!r}" if call.do == "gradients" else ""
            rows += [f"fails {'|=' if n else '='} wrong({label!r}, {result}, expected{extra})"]
        yield "\n".join([*rows, 'print("it fails" if fails else "it holds")'])
    elif found.demand == "same":
        assert found.same is not None
        one, other = (f"result_{place.call + 1}[{place.name!r}]{list(place.at)}" for place in found.same.places)
        yield "\n".join(
            [
                f"one, other = float({one}), float({other})",
                f"room = {found.same.room!r}",
                "fails = not (one == other or abs(one - other) <= room or (np.isnan(one) and np.isnan(other)))",
                'print(f"{one!r} and {other!r} must be the same, but for {room:.2g}")',
                'print("it fails" if fails else "it holds")',
            ]
        )
    elif found.demand == "shapes":
        shapes = shapes_of(found, last_at)
        others_too = isinstance(found.case, RecurrenceCase) and found.calls[last_at].do == "forward"
        compared = "given != expected" if others_too else (
            "any(given.get(name) != shape for name, shape in expected.items())"
        )  # fmt: skip
        if found.is_beside_gradients():  # who returns none of these results returns none that is wrong
            compared = f"bool(given.keys() & expected.keys()) and {compared}"
        yield "\n".join(
            [
                f"expected = {shapes!r}",
                f"given = {{name: array.shape for name, array in {last}.items()}}",
                f"fails = {compared}",
                'print(given, "must be", expected)',
            ]
        )
    elif found.demand == "unchanged":
        yield "\n".join(
            [
                f"after = {{name: array for name, array in {given_expressions(found, name)}}}",
                "changed = [name for name, old in before.items() if old.dtype != object]",
                "changed = [name for name in changed if not np.array_equal(before[name], after[name], equal_nan=True)]",
                'print("changed:", *changed)',
                "fails = bool(changed)",
            ]
        )
    elif found.demand == "own memory":
        others = ", ".join(f"*result_{at + 1}.items()" for at in range(len(found.calls) - 1))
        yield "\n".join(
            [
                f"others = [{others}{', ' if others else ''}*{given_expressions(found, name)}]",
                f"shared = [(name, other) for name, a in {last}.items() for other, b in others",
                "          if b is not None and np.shares_memory(a, b)]",
                'print("shared:", *shared)',
                "fails = bool(shared)",
            ]
        )
    else:
        dtype = found.calls[last_at].case.config
        dtypes = ", ".join(repr(str(d)) for d in dict.fromkeys((dtype.dtype, str(dtype.numpy_dtype)))) + ","
        yield FAILS[found.demand].format(
            results=", ".join(result for _, result in yield_calls), last=last, dtypes=dtypes
        )


def shapes_of(found: Counterexample, at: int) -> dict[str, tuple[int, ...]]:
    """The shapes that the results of a call must have, by name."""
    call = found.calls[at]
    if isinstance(call.case, RecurrenceCase):
        if call.do == "gradients":
            return {name: array.shape for name, array in call.case.arrays()}
        return {name: shape.sizes for name, shape in call.case.result_shapes().items()}
    return {name: mid.shape for name, (mid, _) in found.expected[at].items()}


def expectation(expected: Any) -> str:
    """What must be, and its room, as a dict in the script."""
    rows = [f"    {name!r}: ({literal(mid)}, {literal(room)})," for name, (mid, room) in expected.items()]
    return "\n".join(["{", *rows, "}"])


def lengths_literal(lengths: np.ndarray) -> str:
    """The expression that makes lengths, in their dtype and memory layout."""
    dtype, layout = "int" if lengths.dtype == np.int64 else repr(str(lengths.dtype)), layout_of(lengths)
    text = f"np.array({lengths.tolist()}, {dtype})"
    return text if layout == "C" else f"relaid({text}, {layout!r})"


def literal(array: np.ndarray) -> str:
    """The expression that makes an array, in its memory layout."""
    dtype, layout = str(array.dtype), layout_of(array)
    same = array.size and ((array == array.flat[0]) & (np.signbit(array) == np.signbit(array.flat[0]))).all()
    if not array.size or (same and array.flat[0] == 0 and not np.signbit(array.flat[0])):
        text = f"np.zeros({array.shape}, {dtype!r})"
    elif same and array.size > 1:
        text = f"np.full({array.shape}, {number(array.flat[0])}, {dtype!r})"
    else:
        text = f"np.array({nested_lists(array)}, {dtype!r})"
    return text if layout == "C" else f"relaid({text}, {layout!r})"


def nested_lists(array: np.ndarray) -> str:
    """The numbers as nested lists."""
    if array.ndim == 0:
        return number(array.flat[0])
    return "[" + ", ".join(nested_lists(part) for part in array) + "]"


SENT = """\
Lines without # are the requests. Send them, and compare the answers:

    grep -v '^#' FILE | {command}

where FILE is this text. The answer to a request is compared with the line "expected" below it: a number y is right
if abs(y - data) <= rad, in double precision."""


def lines_to_send(found: Counterexample, statement: str) -> str:
    """For a command: the lines to send, and what is expected of their answers, as comments."""
    how = SENT.format(command=visible(found.target.removeprefix("cmd:")))
    about = "\n\n".join([fill(found.message), fill(f"{found.property}: {statement}"), how])
    text = [*(f"# {line}".rstrip() for line in about.splitlines()), '{"do":"start"}']
    handed = found.same.handed if found.same else ()
    for at, call in enumerate(found.calls):
        if label := compared_as(found, at):
            text.append(f"# {label}:")
        text.append(compact(command.request(call.do, call.case, call.cotangents)))
        text += [f"# its {name} is what {answer_label(found, by)} gave" for to, name, by in handed if to == at]
        if at in found.compared and found.expected[at]:
            text += [f"# expected: {compact(expected_lines(found.expected[at]))}"]
    if found.same:
        one, other = (
            f"{place.name}{list(place.at)} of {answer_label(found, place.call)}" for place in found.same.places
        )
        text.append(f"# must be the same, but for {found.same.room:.2g}: {one} and {other}")
    elif found.demand != "numbers":
        text.append(f"# must be: {found.demand}")
    return "\n".join([*text, '{"do":"stop"}', ""])


def compared_as(found: Counterexample, at: int) -> str:
    """The letter of a call, where several are compared."""
    return letter(found.compared.index(at)) if at in found.compared and len(found.compared) > 1 else ""


def answer_label(found: Counterexample, at: int) -> str:
    """Whose answer it is: that of a call with a letter, or a line of what the command writes."""
    return compared_as(found, at) or f"line {2 + at} of the answers"


def compact(message: Any) -> str:
    """An object on one line."""
    return json.dumps(message, separators=(",", ":"), allow_nan=False)


def expected_lines(expected: Any) -> dict[str, Any]:
    """Numbers as a command would send them, and their radii as in test vectors."""

    def of(bounds: Bounds) -> dict[str, Any]:
        mid, room = bounds
        return command.tensor(mid) | {"rad": command.tensor(room)["data"]}

    return {name: of(bounds) for name, bounds in expected.items()}
