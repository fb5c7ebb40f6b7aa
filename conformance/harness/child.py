"""Holds a target and calls it: in this process, or as the child process that a crash may take down.

One file, standard library and NumPy only, Python 3.8 or later, so that any interpreter can run it:
it imports nothing of ours, and the target's own modules may have any name. As a program it takes the file
that is ``reference_rnn.layouts`` to the target, reads frames from standard input and answers each with one on
standard output. A frame is a JSON header and one ``.npy`` array with the bytes of all arrays in it.
"""

import contextlib
import copy
import importlib
import importlib.machinery
import importlib.util
import inspect
import io
import json
import math
import os
import signal
import struct
import sys
import time
import traceback
import types
import warnings
from functools import lru_cache

import numpy as np

LARGEST_RESULT = 2**28  # bytes; more than that is no answer to any case, and would fill two processes
MOST_NAMES = 1000  # of arrays in an answer, each of at most so many characters
LARGEST_ANSWER = 2 * LARGEST_RESULT  # of all arrays together
LINES, WIDTH = 5, 300  # of what is printed or warned in one call, that anybody reads
PRINTED = 2**14  # bytes of it that are looked through for lines
ALIGNMENT = 64
FOLDERS = {}  # of the targets that were loaded from files, with the names of all modules before
FILLER = b"\xff" * ALIGNMENT
COMPILERS = ("jax", "tensorflow", "iree", "tinygrad")  # packages that compile whatever they are given, for its shape
TORCH = "torch.compile"
WRAPPED = "write a function forward(case) that copies case.parameters into one and returns its output and final state"


class LoadError(Exception):
    """The target cannot be loaded; the message says why and what to do."""


def load(spec):
    """The object that a spec names, and the module whose ``capabilities`` speak for it.

    spec: ``{"file": path}`` or ``{"module": name}``; ``"name"``, which may be None; for an adapter of the kit
    ``"extra"``, which installs what it needs, and ``"stages"``, specs with labels of what it is made of;
    ``"forbid"``, names of modules that it may not import; and ``"path"``, folders where it finds others instead of the
    working directory, which is the first of them from now on.  Raises LoadError.
    """
    FORBIDDEN.names = frozenset(spec.get("forbid") or ())
    if spec.get("path"):
        sys.path[:] = [*spec["path"], *(place for place in sys.path if place != os.getcwd())]
        os.chdir(spec["path"][0])
    return loaded(spec)


def loaded(spec):
    """The object that a spec names, and its module; what it may import stays as it is. Raises LoadError."""
    label = spec.get("file") or spec["module"]
    try:
        with redirected() as printed:
            module = import_file(spec["file"]) if spec.get("file") else importlib.import_module(spec["module"])
    except SyntaxError as error:
        raise LoadError("{} has a syntax error at line {}: {}".format(label, error.lineno, error.msg)) from None
    except LoadError:
        raise
    except BaseException as error:
        if isinstance(error, ModuleNotFoundError) and spec.get("module", "").split(".")[0] == error.name:
            raise LoadError("there is no file and no module {!r}".format(label)) from None
        if isinstance(error, ModuleNotFoundError) and spec.get("extra"):
            text = "{} is not installed; in a checkout of the kit pip install '.[{}]' adds it"
            raise LoadError(text.format(error.name, spec["extra"])) from None
        raise LoadError("{} does not import: {}".format(label, said(error))) from None
    try:
        return adapted(chosen(module, spec, label)), module, printed
    except LoadError:
        raise
    except BaseException as error:
        raise LoadError("{} cannot be looked into: {}".format(label, said(error))) from None


def chosen(module, spec, label):
    """The object of a module that a spec names; raises LoadError."""
    target, forward = module, getattr(module, "forward", None)
    if spec.get("name"):
        if not hasattr(module, spec["name"]):
            raise LoadError("{} has no {!r}; it defines {}".format(label, spec["name"], defined(module)))
        target = getattr(module, spec["name"])
    elif inspect.isclass(forward) or (not callable(forward) and callable(getattr(forward, "forward", None))):
        target = forward  # a class by this name is built, and of an object the method is called
    elif not callable(forward):
        text = "{} has no function 'forward'; it defines {}. Name one: {}:NAME"
        text += "".join("; {} is an nn.Module: {}".format(name, WRAPPED) for name in modules_of_torch(module)[:1])
        raise LoadError(text.format(label, defined(module), label))
    if not callable(target) and not callable(getattr(target, "forward", None)):
        raise LoadError("{}:{} is a {}, not something to call".format(label, spec["name"], type(target).__name__))
    if "stages" in spec:
        return target([(stage["label"], loaded(stage)[0]) for stage in spec["stages"]])
    return target


def modules_of_torch(module):
    """The names of the classes that a module defines and that torch calls with arrays."""
    own = ((n, v) for n, v in vars(module).items() if inspect.isclass(v) and v.__module__ == module.__name__)
    return [n for n, v in own if any(c.__module__ == "torch.nn.modules.module" for c in v.__mro__)]


def adapted(target):
    """The target itself; a function in the layout of the question, behind its adapter."""
    try:
        names = list(inspect.signature(target).parameters)[:5]
    except (TypeError, ValueError):
        return target
    if names != ["xs", "h", "w0", "w", "b"]:
        return target
    with FORBIDDEN.lifted():
        return importlib.import_module("conformance.adapters.question").adapt(target)


def import_file(path):
    """The module in a file, with the file's own folder on the path."""
    path = os.path.abspath(path)
    if not os.path.isfile(path):
        raise LoadError("there is no file {!r}".format(path))
    folder = os.path.dirname(path)
    forget_others(folder)
    sys.path.insert(0, folder)
    name = os.path.splitext(os.path.basename(path))[0]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None:
        raise LoadError('{!r} is not a Python file; for a program: "cmd: {}"'.format(path, path))
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    if not hasattr(spec.loader, "source_to_code"):
        spec.loader.exec_module(module)
        return module
    with open(path, "rb") as file:
        # not the bytecode beside it: a file that is edited within a second, and is as long as before, is another target
        exec(spec.loader.source_to_code(file.read(), path), vars(module))
    return module


def forget_others(folder):
    """Forgets the modules beside the target that was loaded before: this one may have others of the same names."""
    for other, there_before in FOLDERS.items():
        brought = [name for name, module in sys.modules.items() if folder_of(module) == other != folder]
        for name in set(brought) - there_before:
            del sys.modules[name]
    FOLDERS.setdefault(folder, set(sys.modules))


def folder_of(module):
    """The folder of a module's file; None for what has none."""
    file = getattr(module, "__file__", None)
    return os.path.dirname(os.path.abspath(file)) if isinstance(file, str) else None


def defined(module):
    """What a module defines that could be called, for messages."""
    own = [n for n, v in vars(module).items() if callable(v) and getattr(v, "__module__", "") == module.__name__]
    return ", ".join(sorted(own)) or "nothing to call"


def declared(target, module):
    """The capabilities that a target declares, as a dict; empty if it declares none. Raises LoadError."""
    try:
        found = getattr(target, "capabilities", None)
        module = module or sys.modules.get(getattr(target, "__module__", None))
        if found is None:
            found = getattr(module, "capabilities", None)
        if found is None:
            return {}
        if callable(found):
            raise TypeError("it is something to call")
        claims = dict(found if isinstance(found, dict) else vars(found))
        if isinstance(claims.get("cells"), (list, tuple)):
            claims["cells"] = [found_beside(module, cell) for cell in claims["cells"]]
        return claims
    except BaseException as error:
        text = "capabilities cannot be read, must be a Capabilities or a dict: {}"
        raise LoadError(text.format(said(error))) from None


def found_beside(module, cell):
    """A cell that is given as "spec.py:name" as its file, beside the module, and its name; another one as it is."""
    if not isinstance(cell, str) or ".py:" not in cell:
        return cell
    file, _, name = cell.rpartition(":")
    return {"file": os.path.join(folder_of(module) or os.getcwd(), file), "name": name}


def crossing(claims):
    """Capabilities as they leave this process: cells by name, or by file, name and hash. Raises LoadError."""
    try:
        cells = claims.get("cells")
        own = [getattr(cell, "crossing", cell) for cell in cells] if isinstance(cells, (list, tuple)) else cells
        claims = dict(claims, cells=own) if "cells" in claims else claims
        modes = claims.get("modes")
        named = {name: getattr(mode, "crossing", mode) for name, mode in modes.items()} if modes else {}
        return dict(claims, modes=named) if named else claims
    except Exception as error:
        raise LoadError(str(error)) from None


class Session:
    """One target: builds its instances, calls them, and sees what they do besides answering."""

    def __init__(self, target, capabilities):
        self.target = target
        self.capabilities = capabilities
        self.instance = target
        self.given, self.previous = {}, []
        self.notes = {}

    def start(self):
        """A new instance, and the one before is forgotten: an empty dict, or one with a ``problem``."""
        self.given, self.previous = {}, []
        problem = {}
        with redirected() as printed, warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            try:
                self.instance = self.target() if inspect.isclass(self.target) else self.target
            except BaseException as error:
                problem = {"problem": dict(raised(error), message="cannot be built: " + said(error))}
        self.note(printed, warned)
        return problem

    def lay(self, case, in_place):
        """Notes the arrays that a call is given: those of the call before, where its numbers are written into them."""
        if in_place:
            write_into(self.given, case)
        self.given = by_place(case)

    def forward(self, case):
        """Calls forward: a dict with ``arrays`` and what was seen, or with a ``problem``."""
        return self.call(lambda: getattr(self.instance, "forward", self.instance), case, {}, parts)

    def gradients(self, case, cotangents):
        """Calls gradients: a dict like that of ``forward``, with the gradients as ``arrays``."""
        return self.call(self.function_of_gradients, case, cotangents, gradient_arrays)

    def function_of_gradients(self):
        """The function that is called for gradients; raises Misunderstood if there is none."""
        function = getattr(self.instance, "gradients", None)
        if function is None:  # a bare function: its module may have one
            function = getattr(sys.modules.get(getattr(self.instance, "__module__", None)), "gradients", None)
        if function is None:
            raise Misunderstood("raised", "claims gradients, but has no function 'gradients'")
        return function

    def call(self, find, case, cotangents, understand):
        """Calls the function that is found, with a case, and cotangents by name, that nobody else holds."""
        given = list(arrays_of(case)) + [(name, array) for name, array in cotangents.items() if array is not None]
        kept = [fingerprint(array) for _, array in given]
        asked, holds = types.SimpleNamespace(**dict(vars(case), config=copy.copy(case.config))), held_by(case)
        with redirected() as printed, warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            began = time.process_time()
            try:
                values = understand(find()(case, *by_kind(cotangents, case).values()), asked)
                answer = travelling(values)
                problem = None
            except Misunderstood as error:
                problem = {"kind": error.kind, "message": str(error)}
            except BaseException as error:
                problem = dict(raised(error), message="raised " + said(error), where=where(error))
                if getattr(error, "refused", False) is True:  # an adapter's way to say that there is no answer
                    problem = {"kind": "refused", "message": str(error)}
        seconds = time.process_time() - began
        self.note(printed, unforeseen(warned, given))
        if problem:
            return {"problem": problem}
        changed = [name for (name, array), old in zip(given, kept) if fingerprint(array) != old]
        changed += [name for name in replaced(case, holds) if name not in changed]
        results = placed(values.items())
        shared = shared_by(results, placed(given)) + shared_by(results, self.previous)
        self.previous = [(extent, "an earlier result", array) for extent, _, array in results]
        return dict(answer, changed=changed, shared=shared, seconds=seconds)

    def note(self, printed, warned):
        """Keeps what was printed and warned, once each."""
        lines = ["printed: " + line for line in printed.lines()]
        lines += ["warned: {}: {}".format(w.category.__name__, text_of(w.message)) for w in warned[:LINES]]
        self.notes.update(dict.fromkeys(line[:WIDTH] for line in lines))

    def new_notes(self):
        """The notes since the last time."""
        notes, self.notes = list(self.notes), {}
        return notes


def unforeseen(warned, given):
    """The warnings that say something: not those of arithmetic where numbers that are not finite were given."""
    if warned and any(array.dtype.kind == "f" and not np.isfinite(array).all() for _, array in given):
        return [w for w in warned if not issubclass(w.category, RuntimeWarning)]
    return warned


class Layered(types.SimpleNamespace):
    """A case of layers, whose inputs and states also have the names that recurrences give them."""

    @property
    def inputs(self):
        """x by its name."""
        return {"x": self.x}

    @property
    def states(self):
        """h_0, and c_0 for cells of two states, by the names of the states."""
        return dict(zip(("h", "c")[: self.config.num_states], (self.h_0, self.c_0)))


class Misunderstood(Exception):
    """What the target returned is not what it must be."""

    def __init__(self, kind, message):
        super().__init__(message)
        self.kind = kind


class Typed(np.ndarray):
    """An array that came with another dtype than it has here, or without any."""

    said_dtype = None


def by_kind(cotangents, case):
    """Cotangents as a target takes them: of a recurrence two dicts, by the names of outputs and of states."""
    if not cotangents or "inputs" not in vars(case):
        return cotangents
    kinds = {"d_outputs": {}, "d_states": {}}
    for name, array in cotangents.items():
        kind, _, own = name.partition(".")
        kinds[kind][own] = array
    return kinds


def handed(returned, case):
    """The arrays that a recurrence returned, by name; raises Misunderstood."""
    must = "outputs, states: two dicts of arrays by name"
    both = pair(returned, "forward returned {}, must return " + must)
    values = {}
    for kind, given in zip(("outputs", "states"), both):
        if not hasattr(given, "items"):
            text = "forward returned {} that are a {}, must return {}"
            raise Misunderstood("arity", text.format(kind, type(given).__name__, must))
        elsewhere = [name for name in given if (name in case.states) != (kind == "states")]
        if elsewhere and kind == "states":
            text = "forward returned a state {!r}; the states are: {}"
            raise Misunderstood("arity", text.format(elsewhere[0], ", ".join(case.states)))
        if elsewhere and elsewhere[0] in case.states:
            text = "forward returned the state {!r} among the outputs, must return {}"
            raise Misunderstood("arity", text.format(elsewhere[0], must))
        values.update({str(name): array(str(name), value) for name, value in given.items() if value is not None})
    return values


def parts(returned, case):
    """The arrays in what forward returned, by name, without those that are None; raises Misunderstood."""
    if "inputs" in vars(case):  # of a recurrence
        return handed(returned, case)
    two = case.config.num_states == 2
    must = "output, (h_n, c_n)" if two else "output, h_n"
    output, final = pair(returned, "forward returned {}, must return two arrays: " + must)
    named = {"output": output, "h_n": final}
    if two:
        named["h_n"], named["c_n"] = pair(final, "forward returned {} as final state, must return " + must)
    return {name: array(name, value) for name, value in named.items() if value is not None}


def gradient_arrays(returned, _case):
    """The arrays in what gradients returned, by name; raises Misunderstood."""
    if not hasattr(returned, "items"):
        text = "gradients returned a {}, must return a dict from names to arrays"
        raise Misunderstood("arity", text.format(type(returned).__name__))
    return {str(name): array(str(name), value) for name, value in returned.items() if value is not None}


def pair(returned, complaint):
    """The two things in a sequence."""
    if returned is None or isinstance(returned, (str, bytes, dict)) or not hasattr(returned, "__len__"):
        described = "None" if returned is None else "a " + type(returned).__name__
        raise Misunderstood("arity", complaint.format(described))
    if len(returned) != 2:
        described = "{} of {}".format(type(returned).__name__, len(returned))
        if hasattr(returned, "shape"):
            described = "one array of shape {}".format(tuple(returned.shape))
        raise Misunderstood("arity", complaint.format("a " + described if described[0] != "o" else described))
    return returned


def array(name, value):
    """The value as an array of numbers; Typed where it came with another dtype, or without any."""
    if value is None:
        raise Misunderstood("array", "{} is None, must be an array".format(name))
    if getattr(value, "is_quantized", False):
        raise Misunderstood("array", "{} is quantized, as {}; return .dequantize() of it".format(name, value.dtype))
    narrow = str(getattr(value, "dtype", None)).rpartition(".")[2] == "bfloat16"
    try:
        made = np.asarray(widened(at_hand(value)) if narrow else at_hand(value))
    except Exception as error:
        text = "{} is a {} that does not become an array: {}"
        raise Misunderstood("array", text.format(name, type(value).__name__, said(error))) from None
    if narrow or made.dtype.name == "bfloat16":  # a dtype that other packages add to NumPy
        return said_to_be("bfloat16", made.astype(np.float32))
    if made.dtype.kind not in "fiub":
        text = "{} has elements of type {}, must be an array of real numbers"
        raise Misunderstood("array", text.format(name, made.dtype))
    if made.nbytes > LARGEST_RESULT:
        raise Misunderstood("array", "{} has shape {}: {:.1g} GB".format(name, made.shape, made.nbytes / 1e9))
    return made if hasattr(value, "dtype") else said_to_be(None, made)


def travelling(values):
    """The arrays of an answer as they are sent, and the dtypes that they came with; raises Misunderstood."""
    if len(values) > MOST_NAMES or any(len(name) > WIDTH for name in values):
        text = "returned {} names of arrays, the longest of {} characters"
        raise Misunderstood("arity", text.format(len(values), longest(values)))
    with np.errstate(all="ignore"):
        arrays = {name: np.array(numbers(array)) for name, array in values.items()}
    size = sum(array.nbytes for array in arrays.values())
    if size > LARGEST_ANSWER:
        raise Misunderstood("array", "returned arrays of {:.1g} GB in all".format(size / 1e9))
    own = {name: native(array.dtype) for name, array in values.items()}
    return {"arrays": arrays, "dtypes": {n: getattr(array, "said_dtype", own[n]) for n, array in values.items()}}


@lru_cache(maxsize=64)
def native(dtype):
    """The name of a dtype in this machine's order of bytes, which NumPy takes its time to make."""
    return str(dtype.newbyteorder("="))


def longest(names):
    """The length of the longest name."""
    return max(map(len, names), default=0)


def at_hand(value):
    """A tensor off its graph and its device; anything else as it is."""
    for leave in ("detach", "cpu"):
        if callable(getattr(value, leave, None)):
            value = getattr(value, leave)()
    return value


def widened(value):
    """An array of bfloat16 in single precision: NumPy alone cannot read it."""
    if callable(getattr(value, "float", None)):
        return value.float()
    return value.astype(getattr(sys.modules.get(type(value).__module__), "float32", np.float32))  # its package's own


def said_to_be(dtype, made):
    """The array, with the dtype that the target gave it; None for numbers that came without one."""
    made = made.view(Typed)
    made.said_dtype = dtype
    return made


def numbers(array):
    """The array in a dtype that travels: half, single or double precision, in this machine's order of bytes."""
    fits = array.dtype.kind == "f" and array.dtype.itemsize <= 8
    return np.asarray(array, dtype=array.dtype.newbyteorder("=") if fits else np.float64)


def arrays_of(case):
    """Name and array of everything a case holds."""
    for (_, name), array in by_place(case).items():
        yield name, array


def by_place(case):
    """The arrays of a case, by the dict that they stand in, "" for its own attributes, and their names there."""
    held = vars(case)
    kinds = {kind: held[kind] for kind in ("parameters", "inputs", "states") if kind in held}
    kinds[""] = {name: held.get(name) for name in ("x", "h_0", "c_0", "lengths", "offsets")}
    arrays = {(kind, name): array for kind, named in kinds.items() for name, array in named.items()}
    return {place: array for place, array in arrays.items() if array is not None}


def write_into(before, case):
    """Writes the numbers of a case into the arrays of the call before, where they lie alike, and gives it these."""
    for (kind, name), array in by_place(case).items():
        kept = before.get((kind, name))
        if kept is not None and lie_alike(kept, array):
            kept[...] = array
            (vars(case)[kind] if kind else vars(case))[name] = kept


def lie_alike(one, other):
    """Whether the numbers of two arrays lie alike in memory, and can be written."""
    described = [(a.dtype, a.shape, a.strides, a.flags.writeable) for a in (one, other)]
    return described[0] == described[1] and one.flags.writeable


def held_by(case):
    """What a case holds, to see later whether it still holds that."""
    named = {kind: dict(vars(case)[kind]) for kind in ("parameters", "inputs", "states") if kind in vars(case)}
    return dict(vars(case)), dict(vars(case.config)), named


def replaced(case, before):
    """Names of what a case does not hold any more, whatever has become of it."""
    attributes, config, named = before
    names = [name for name, value in attributes.items() if vars(case).get(name) is not value]
    if any(vars(attributes["config"]).get(name) is not value for name, value in config.items()):
        names.append("config")
    for kind, arrays in named.items():
        given = attributes[kind]
        if len(given) != len(arrays) or any(given.get(name) is not value for name, value in arrays.items()):
            names.append(kind)
    return names


def fingerprint(array):
    """What a call must leave as it is: the numbers of an array, and how they lie in memory."""
    return array.tobytes(), array.shape, array.strides, array.dtype


def placed(named):
    """Arrays with their names, and before them the address of the first byte of each, and that behind the last."""
    return [(extent(array), name, array) for name, array in named if array.size]


def extent(array):
    """Where the bytes of an array begin and end; it has some."""
    start = array.__array_interface__["data"][0]
    reach = [(n - 1) * stride for n, stride in zip(array.shape, array.strides)]
    back = sum([step for step in reach if step < 0])
    return start + back, start + sum(reach) - back + array.itemsize


def shared_by(results, others):
    """The names of each result and each other array that have an element in common."""
    return [
        (name, other)
        for (first, end), name, a in results
        for (other_first, other_end), other, b in others
        if first < other_end and other_first < end and shares(a, b)
    ]


def shares(a, b):
    """Whether two arrays have an element in common, as far as a short look tells."""
    try:
        return np.shares_memory(a, b, max_work=10000)
    except Exception:
        return False


def raised(error):
    """The problem that an exception is, without words."""
    return {"kind": "raised", "exception": name_of_type(error)}


def said(error):
    """An exception in one line, also one that cannot be printed."""
    text = text_of(error)
    return name_of_type(error) + (": " + text if text else "")


def text_of(thing):
    """The text of an exception or a warning, in one line."""
    try:
        return " ".join(str.split(str(thing)))[:WIDTH]
    except BaseException as error:
        return "(its text cannot be had: {})".format(name_of_type(error))


def name_of_type(thing):
    """The name of the type of a thing, whatever that type says of itself."""
    return type.__dict__["__name__"].__get__(type(thing))


def where(error):
    """The last lines of the target's own frames; none if they cannot be had."""
    try:
        frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename != __file__]
        return ["{}:{} in {}: {}".format(importable(f.filename), f.lineno, f.name, f.line)[:WIDTH] for f in frames[-3:]]
    except Exception:
        return []


def importable(path):
    """The path of a file from where Python found it, which is the same on every machine."""
    folders = [os.path.abspath(folder) + os.sep for folder in sys.path if isinstance(folder, str)]
    return min([path[len(folder) :] for folder in folders if path.startswith(folder)], key=len, default=path)


class Beginning(io.RawIOBase):
    """Where what is printed goes, as far as anybody reads it."""

    def __init__(self):
        super().__init__()
        self.data = b""

    def writable(self):
        """It can always be written to."""
        return True

    def write(self, data):
        """Keeps the data if there is room."""
        self.data += bytes(data[: max(0, PRINTED - len(self.data))])
        return len(data)


class Printed:
    """What is printed from Python; ``stream`` is the standard output in the meantime."""

    def __init__(self):
        self.beginning = Beginning()
        buffered = io.BufferedWriter(self.beginning, PRINTED)
        self.stream = io.TextIOWrapper(buffered, encoding="utf-8", errors="backslashreplace", newline="")

    def lines(self):
        """The first lines."""
        with contextlib.suppress(Exception):  # somebody has closed it, which has flushed it
            self.stream.flush()
        return self.beginning.data.decode(errors="replace").splitlines()[:LINES]


@contextlib.contextmanager
def redirected():
    """Python's own standard output, of which the beginning is kept."""
    printed = Printed()
    with contextlib.redirect_stdout(printed.stream):
        yield printed


# ---------------------------------------------------------------- the child process


def rebuilt(values, strides, writeable):
    """An array with these numbers and strides; between its numbers lie NaN bits. Strides None: as it is."""
    made = values
    if strides and values.size:
        steps = [(n - 1) * s for n, s in zip(values.shape, strides)]
        start = -sum([step for step in steps if step < 0])
        buffer = aligned(start + sum([step for step in steps if step > 0]) + values.itemsize)
        buffer[...] = 255
        made = np.ndarray(values.shape, values.dtype, buffer, start, strides)
        made[...] = values
    made.flags.writeable = writeable
    return made


def aligned(size):
    """So many bytes from a multiple of ALIGNMENT on, so that the same call takes the same paths."""
    buffer = np.empty(size + ALIGNMENT, np.uint8)
    start = -buffer.__array_interface__["data"][0] % ALIGNMENT
    return buffer[start : start + size]


def joined(arrays):
    """The bytes of some arrays, each from a multiple of ALIGNMENT on, with NaN bits between them."""
    parts = []
    for array in arrays:
        data = array.tobytes()
        parts += [data, FILLER[: ALIGNMENT - len(data) % ALIGNMENT]]
    return b"".join(parts)


def cut(buffer, described):
    """The arrays in a buffer that ``joined`` filled, by name; described: name, dtype and shape of each."""
    arrays, at = {}, 0
    for name, dtype, shape in described:
        arrays[name] = np.ndarray(shape, dtype, buffer, at)
        size = arrays[name].nbytes
        at += size + ALIGNMENT - size % ALIGNMENT
    return arrays


def packed(header, arrays):
    """A frame; ``arrays`` is a dict from name to array."""
    header["arrays"] = [[name, a.dtype.str, a.shape] for name, a in arrays.items()]
    body = io.BytesIO()
    np.save(body, np.frombuffer(joined(arrays.values()), np.uint8), allow_pickle=False)
    text = json.dumps(header, default=plain).encode()
    return struct.pack("<II", len(text), body.getbuffer().nbytes) + text + body.getvalue()


def plain(value):
    """What JSON does not have, as it has it: a set as a list, and what nobody expects as its own description."""
    if isinstance(value, (set, frozenset)):
        return sorted(value, key=str)
    if isinstance(value, np.generic):
        return value.item()
    return dict(value) if hasattr(value, "keys") else repr(value)[:WIDTH]


def unpacked(stream):
    """The header and the arrays of the next frame; raises EOFError at the end."""
    head, size = struct.unpack("<II", read(stream, 8))
    header = json.loads(read(stream, head))
    body = aligned(size)
    if stream.readinto(body) < size:
        raise EOFError
    start = 10 + int(body[8]) + 256 * int(body[9])  # .npy: its header ends at a multiple of ALIGNMENT
    return header, cut(body[start:], header.pop("arrays"))


def read(stream, size):
    """Exactly so many bytes."""
    data = stream.read(size)
    if len(data) < size:
        raise EOFError
    return data


def case_of(header, arrays):
    """The case in a frame, in its own memory layout, and the cotangents that came with it."""
    layout = header["layout"]
    made = {name: rebuilt(values, *layout.get(name, (None, True))) for name, values in arrays.items()}
    cotangents = {name: made.pop(name, None) for name in header["cotangents"]}
    told = header["case"]
    if "inputs" in told:  # a recurrence
        made_of, names = types.SimpleNamespace, ("lengths", "offsets")
        told.update({kind: {name: made.pop(name, None) for name in told[kind]} for kind in ("inputs", "states")})
    else:
        made_of, names = Layered, ("x", "h_0", "c_0", "lengths")
    top = {name: made.pop(name, None) for name in names}
    config = types.SimpleNamespace(**header["config"])
    return made_of(config=config, parameters=made, **top, **told), cotangents


def compiler():
    """What compiles for each new shape in this process, as far as it has been used; empty if nothing does.

    That PyTorch's compiler is loaded says nothing: every optimiser of PyTorch loads it.
    """
    found = [name for name in COMPILERS if name in sys.modules]
    try:
        counted = any(map(any, map(dict.values, sys.modules["torch._dynamo.utils"].counters.values())))
    except Exception:
        counted = False
    return (found + [TORCH] * counted + [""])[0]


def answer(session, header, arrays):
    """The reply to one frame: its header, and its arrays."""
    if header["do"] == "load":
        target, module, printed = load(header["spec"])
        session = Session(target, declared(target, module))
        session.note(printed, [])
        layout = getattr(target, "layout", None)  # that an adapter calls it in, if not the usual one
        named = {"layout": layout} if isinstance(layout, str) else {}
        return session, dict(named, capabilities=crossing(session.capabilities), compiler=compiler()), {}
    if header["do"] == "start":
        return session, session.start(), {}
    if header["do"] == "leave":
        return session, {}, {}
    if header["do"] == "copy":
        return session, {"problem": {"kind": "refused", "message": "it has threads, of which a copy has none"}}, {}
    case, cotangents = case_of(header, arrays)
    session.lay(case, header["in_place"])
    if header["do"] == "try":
        session.forward(case)
        if cotangents:
            session.gradients(case, cotangents)
        return session, {"compiler": compiler(), "over": False}, {}
    reply = session.gradients(case, cotangents) if header["do"] == "gradients" else session.forward(case)
    return session, reply, reply.pop("arrays", {})


def serve(source, sink, threads):
    """Answers frames until there are no more; a copy of this process that a target forked off answers none.

    threads: how many this process had before anything of the target was loaded
    """
    session, own, left = None, os.getpid(), None

    def send(reply, results, last):
        """Sends a reply to what was asked; where it is the last one, this process ends, which a copy says first."""
        if last and left is not None:
            os.write(left, b"left")
        sink.write(packed(dict(reply, id=header["id"]), results))
        sink.flush()
        if last:
            os._exit(0)

    while True:
        try:
            header, arrays = unpacked(source)
        except EOFError:
            return
        if header["do"] == "copy" and can_be_copied(threads):
            left = copied()
            if left is None:
                continue
            header["do"], own = "start", os.getpid()
        try:
            with interrupted(header, lambda: send({"compiler": compiler(), "over": True, "notes": []}, {}, True)):
                session, reply, results = answer(session, header, arrays)
        except LoadError as error:
            reply, results = {"refused": str(error)}, {}
        if os.getpid() != own:
            os._exit(0)
        reply["notes"] = session.new_notes() if session else []
        send(reply, results, header["do"] == "leave" and left is not None)


@contextlib.contextmanager
def interrupted(header, end):
    """A block in which a call that is tried ends when its time is over, by a function that ends this process."""
    if header["do"] != "try" or not hasattr(signal, "setitimer"):
        yield
        return
    signal.signal(signal.SIGALRM, lambda number, frame: end())
    signal.setitimer(signal.ITIMER_REAL, header["seconds"])
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def can_be_copied(threads):
    """Whether a copy of this process is all of it: it has no threads but those of NumPy, which starts them again."""
    return hasattr(os, "fork") and number_of_threads() <= threads < math.inf


def number_of_threads():
    """The threads of this process, as the system counts them; none can be few enough where that cannot be known."""
    try:
        return len(os.listdir("/proc/self/task"))
    except OSError:
        return math.inf


def copied():
    """In a copy of this process: where it says that it leaves. In the process itself None, once the copy has left.

    What the copy has started ends with it. If it does not leave, but ends otherwise, the process ends as it did.
    """
    heard, told = os.pipe()
    reaping = signal.signal(signal.SIGCHLD, signal.SIG_DFL) or signal.SIG_DFL  # a target's own would take it away
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of threads, which were counted
        copy_of_this = os.fork()
    if not copy_of_this:
        os.setpgid(0, 0)
        os.close(heard)
        signal.signal(signal.SIGCHLD, reaping)
        return told
    os.close(told)
    status = os.waitpid(copy_of_this, 0)[1]
    signal.signal(signal.SIGCHLD, reaping)
    with contextlib.suppress(OSError):
        os.killpg(copy_of_this, signal.SIGKILL)
    os.set_blocking(heard, False)
    try:
        if os.read(heard, 8):
            return None
    except BlockingIOError:  # somebody whom the target started still holds the other end
        pass
    finally:
        os.close(heard)
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        with contextlib.suppress(OSError):  # of SIGKILL, which nothing holds up
            signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [number])
        os.kill(os.getpid(), number)
    os._exit(os.WEXITSTATUS(status) if os.WIFEXITED(status) else 1)


class Forbidden:
    """Refuses to find what a target may not import; names: of modules, with all that is in them.

    Of the kit itself ``from conformance import Capabilities`` is left, which is a dict then.
    """

    names = frozenset()

    def find_spec(self, name, path=None, target=None):
        """What ``import`` asks."""
        package = forbidden_package(name, self.names)
        if not package:
            return None
        if name == "conformance":
            return importlib.machinery.ModuleSpec(name, Stub())
        raise ImportError("{} may not be imported here".format(package))

    @contextlib.contextmanager
    def lifted(self):
        """A block in which everything may be imported, and the kit is itself."""
        names, self.names = self.names, frozenset()
        stub = sys.modules.pop("conformance", None) if "conformance" in names else None
        try:
            yield
        finally:
            self.names = names
            if stub is not None:
                sys.modules["conformance"] = stub


def forbidden_package(name, forbid):
    """The forbidden module that a module is, or is in, as torch.nn is in torch; empty if there is none."""
    return next((one for one in sorted(forbid) if name == one or name.startswith(one + ".")), "")


class Stub:
    """Makes a ``conformance`` of nothing but what a target needs to say what it claims: dicts."""

    def create_module(self, spec):
        """The usual empty module."""

    def exec_module(self, module):
        """Fills it."""
        module.Capabilities = module.Mode = dict


FORBIDDEN = Forbidden()


class Finder:
    """Finds one module where it is said: in a file, by a loader, or as an empty package."""

    def __init__(self, name, file=None, loader=None):
        self.name, self.file, self.loader = name, file, loader

    def find_spec(self, name, path=None, target=None):
        """What ``import`` asks."""
        if name != self.name:
            return None
        if self.file:
            return importlib.util.spec_from_file_location(name, self.file)
        return importlib.machinery.ModuleSpec(name, self.loader, is_package=self.loader is None)


def main():
    """Keeps the channel for itself: whatever the target prints goes to standard error."""
    threads = number_of_threads()
    source, sink = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    if getattr(sys.flags, "safe_path", False):  # then this file's folder is not on the path
        sys.path.insert(0, os.getcwd())
    else:
        sys.path[0] = os.getcwd()
    warnings.simplefilter("default")
    if importlib.util.find_spec("conformance") is None:
        # another interpreter, without us: what a target says of itself is a dict anyway
        sys.meta_path.append(Finder("conformance", loader=Stub()))
    sys.meta_path.insert(0, FORBIDDEN)
    # the layouts of this kit, whatever is installed beside the target
    sys.meta_path.insert(0, Finder("reference_rnn.layouts", sys.argv[1]))
    sys.meta_path.append(Finder("reference_rnn"))
    try:
        serve(source, sink, threads)
    except BaseException:  # the target took away what this file needs
        with contextlib.suppress(BaseException):
            os.write(2, traceback.format_exc().encode(errors="replace"))
        os._exit(1)
    os._exit(0)  # threads that the target left running do not keep the process


if __name__ == "__main__":
    main()
