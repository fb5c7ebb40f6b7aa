"""Holds a target and calls it: in this process, or as the child process that a crash may take down.

One file, standard library and NumPy only, Python 3.8 or later, so that any interpreter can run it:
it imports nothing of ours, and the target's own modules may have any name. As a program it reads
frames from standard input and answers each with one on standard output. A frame is a JSON header
and one ``.npy`` array with the bytes of all arrays in it.
"""

import contextlib
import importlib
import importlib.util
import inspect
import io
import json
import os
import struct
import sys
import traceback
import types
import warnings

import numpy as np

LARGEST_RESULT = 2**28  # bytes; more than that is no answer to any case, and would fill two processes
ALIGNMENT = 64
FILLER = b"\xff" * ALIGNMENT


class LoadError(Exception):
    """The target cannot be loaded; the message says why and what to do."""


def load(spec):
    """The object that a spec names, and the module whose ``capabilities`` speak for it.

    spec: ``{"file": path}`` or ``{"module": name}``; ``"name"``, which may be None; and for an adapter of
    the kit ``"extra"``, which installs what it needs.
    Raises LoadError.
    """
    label = spec.get("file") or spec["module"]
    try:
        with redirected() as printed:
            module = import_file(spec["file"]) if spec.get("file") else importlib.import_module(spec["module"])
    except SyntaxError as error:
        raise LoadError("{} has a syntax error at line {}: {}".format(label, error.lineno, error.msg)) from None
    except BaseException as error:
        if isinstance(error, ModuleNotFoundError) and spec.get("module", "").split(".")[0] == error.name:
            raise LoadError("there is no file and no module {!r}".format(label)) from None
        if isinstance(error, ModuleNotFoundError) and spec.get("extra"):
            text = "{} is not installed; pip install 'rnn-conformance[{}]' adds it"
            raise LoadError(text.format(error.name, spec["extra"])) from None
        raise LoadError("{} does not import: {}".format(label, said(error))) from None
    target = module
    if spec.get("name"):
        if not hasattr(module, spec["name"]):
            raise LoadError("{} has no {!r}; it defines {}".format(label, spec["name"], defined(module)))
        target = getattr(module, spec["name"])
    elif not callable(getattr(module, "forward", None)):
        text = "{} has no function 'forward'; it defines {}. Name one: {}:NAME"
        raise LoadError(text.format(label, defined(module), label))
    if not callable(target) and not callable(getattr(target, "forward", None)):
        raise LoadError("{}:{} is a {}, not something to call".format(label, spec["name"], type(target).__name__))
    return adapted(target), module, printed


def adapted(target):
    """The target itself; a function in the layout of the question, behind its adapter."""
    try:
        names = list(inspect.signature(target).parameters)[:5]
    except (TypeError, ValueError):
        return target
    if names != ["xs", "h", "w0", "w", "b"]:
        return target
    return importlib.import_module("conformance.adapters.question").adapt(target)


def import_file(path):
    """The module in a file, with the file's own folder on the path."""
    path = os.path.abspath(path)
    if not os.path.isfile(path):
        raise LoadError("there is no file {!r}".format(path))
    sys.path.insert(0, os.path.dirname(path))
    name = os.path.splitext(os.path.basename(path))[0]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None:
        raise LoadError("{!r} is not a Python file".format(path))
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def defined(module):
    """What a module defines that could be called, for messages."""
    own = [n for n, v in vars(module).items() if callable(v) and getattr(v, "__module__", "") == module.__name__]
    return ", ".join(sorted(own)) or "nothing to call"


def declared(target, module):
    """The capabilities that a target declares, as a dict; empty if it declares none."""
    found = getattr(target, "capabilities", None)
    if found is None:
        module = module or sys.modules.get(getattr(target, "__module__", None))
        found = getattr(module, "capabilities", None)
    if found is None:
        return {}
    return dict(found) if isinstance(found, dict) else dict(vars(found))


class Session:
    """One target: builds its instances, calls them, and sees what they do besides answering."""

    def __init__(self, target, capabilities):
        self.target = target
        self.capabilities = capabilities
        self.instance = target
        self.previous = []
        self.notes = {}

    def start(self):
        """A new instance; the one before is forgotten."""
        self.previous = []
        self.instance = self.target() if inspect.isclass(self.target) else self.target

    def forward(self, case):
        """Calls forward: a dict with ``arrays`` and what was seen, or with a ``problem``."""
        return self.call(getattr(self.instance, "forward", self.instance), case, {}, parts)

    def gradients(self, case, cotangents):
        """Calls gradients: a dict like that of ``forward``, with the gradients as ``arrays``."""
        function = getattr(self.instance, "gradients", None)
        if function is None:  # a bare function: its module may have one
            function = getattr(sys.modules.get(getattr(self.instance, "__module__", None)), "gradients", None)
        if function is None:
            return {"problem": {"kind": "raised", "message": "claims gradients, but has no function 'gradients'"}}
        return self.call(function, case, cotangents, gradient_arrays)

    def call(self, function, case, cotangents, understand):
        """Calls a function of the target with a case, and cotangents by name, that nobody else holds."""
        given = list(arrays_of(case)) + [(name, array) for name, array in cotangents.items() if array is not None]
        kept = [fingerprint(array) for _, array in given]
        names = set(case.parameters)
        with redirected() as printed, warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            try:
                values = understand(function(case, *cotangents.values()), case)
                problem = None
            except Misunderstood as error:
                problem = {"kind": error.kind, "message": str(error)}
            except BaseException as error:
                problem = {"kind": "raised", "message": "raised " + said(error), "where": where(error)}
        self.note(printed.getvalue(), warned)
        if problem:
            return {"problem": problem}
        changed = [name for (name, array), old in zip(given, kept) if fingerprint(array) != old]
        changed += ["parameters"] if set(case.parameters) != names else []
        shared = [(name, other) for name, a in values.items() for other, b in given if shares(a, b)]
        shared += [(name, "an earlier result") for name, a in values.items() for b in self.previous if shares(a, b)]
        self.previous = [array for array in values.values()]
        return {
            "arrays": {name: np.array(numbers(array)) for name, array in values.items()},
            "dtypes": {
                name: getattr(array, "said_dtype", str(array.dtype.newbyteorder("="))) for name, array in values.items()
            },
            "changed": changed,
            "shared": shared,
        }

    def note(self, printed, warned):
        """Keeps what was printed and warned, once each."""
        for line in printed.splitlines()[:5]:
            self.notes.setdefault("printed: " + line[:200])
        for warning in warned:
            self.notes.setdefault("warned: {}: {}".format(warning.category.__name__, str(warning.message)[:200]))

    def new_notes(self):
        """The notes since the last time."""
        notes, self.notes = list(self.notes), {}
        return notes


class Misunderstood(Exception):
    """What the target returned is not what it must be."""

    def __init__(self, kind, message):
        super().__init__(message)
        self.kind = kind


class Typed(np.ndarray):
    """An array that came with another dtype than it has here, or without any."""

    said_dtype = None


def parts(returned, case):
    """The arrays in what forward returned, by name; raises Misunderstood."""
    lstm = case.config.cell == "LSTM"
    must = "output, (h_n, c_n)" if lstm else "output, h_n"
    output, final = pair(returned, "forward returned {}, must return two arrays: " + must)
    named = {"output": output, "h_n": final}
    if lstm:
        named["h_n"], named["c_n"] = pair(final, "forward returned {} as final state, must return " + must)
    return {name: array(name, value) for name, value in named.items()}


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
    if hasattr(value, "detach"):
        value = value.detach()
    try:
        made = np.asarray(value)
    except Exception as error:
        text = "{} is a {} that does not become an array: {}"
        raise Misunderstood("array", text.format(name, type(value).__name__, said(error))) from None
    if made.dtype.name == "bfloat16":  # a dtype that other packages add to NumPy
        return said_to_be("bfloat16", made.astype(np.float32))
    if made.dtype.kind not in "fiub":
        text = "{} has elements of type {}, must be an array of real numbers"
        raise Misunderstood("array", text.format(name, made.dtype))
    if made.nbytes > LARGEST_RESULT:
        raise Misunderstood("array", "{} has shape {}: {:.1g} GB".format(name, made.shape, made.nbytes / 1e9))
    return made if hasattr(value, "dtype") else said_to_be(None, made)


def said_to_be(dtype, made):
    """The array, with the dtype that the target gave it; None for numbers that came without one."""
    made = made.view(Typed)
    made.said_dtype = dtype
    return made


def numbers(array):
    """The array in a dtype that travels: half, single or double precision."""
    fits = array.dtype.kind == "f" and array.dtype.itemsize <= 8
    return np.asarray(array) if fits else np.asarray(array, dtype=np.float64)


def arrays_of(case):
    """Name and array of everything a case holds."""
    for name, value in case.parameters.items():
        yield name, value
    for name in ("x", "h_0", "c_0", "lengths"):
        if getattr(case, name) is not None:
            yield name, getattr(case, name)


def fingerprint(array):
    """What a call must leave as it is: the numbers of an array, and how they lie in memory."""
    return array.tobytes(), array.shape, array.strides, array.dtype


def shares(a, b):
    """Whether two arrays have an element in common, as far as a short look tells."""
    if not np.may_share_memory(a, b):
        return False
    try:
        return np.shares_memory(a, b, max_work=10000)
    except Exception:
        return False


def said(error):
    """An exception in one line."""
    text = " ".join(str(error).split())[:300]
    return type(error).__name__ + (": " + text if text else "")


def where(error):
    """The last lines of the target's own frames."""
    frames = traceback.extract_tb(error.__traceback__)[1:]
    return ["{}:{} in {}: {}".format(importable(f.filename), f.lineno, f.name, f.line) for f in frames[-3:]]


def importable(path):
    """The path of a file from where Python found it, which is the same on every machine."""
    folders = [os.path.abspath(folder) + os.sep for folder in sys.path]
    return min([path[len(folder) :] for folder in folders if path.startswith(folder)], key=len, default=path)


@contextlib.contextmanager
def redirected():
    """Python's own standard output, collected."""
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        yield text


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
    text = json.dumps(header).encode()
    return struct.pack("<II", len(text), body.getbuffer().nbytes) + text + body.getvalue()


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
    top = {name: made.pop(name, None) for name in ("x", "h_0", "c_0", "lengths")}
    config = types.SimpleNamespace(**header["config"])
    case = types.SimpleNamespace(config=config, parameters=made, training=header["training"], **top)
    return case, cotangents


def answer(session, header, arrays):
    """The reply to one frame: its header, and its arrays."""
    if header["do"] == "load":
        target, module, printed = load(header["spec"])
        session = Session(target, declared(target, module))
        session.note(printed.getvalue(), [])
        return session, {"capabilities": session.capabilities}, {}
    if header["do"] == "start":
        try:
            session.start()
        except BaseException as error:
            return session, {"problem": {"kind": "raised", "message": "cannot be built: " + said(error)}}, {}
        return session, {}, {}
    case, cotangents = case_of(header, arrays)
    reply = session.gradients(case, cotangents) if header["do"] == "gradients" else session.forward(case)
    return session, reply, reply.pop("arrays", {})


def serve(source, sink):
    """Answers frames until there are no more; a copy of this process that a target forked off answers none."""
    session, own = None, os.getpid()
    while True:
        try:
            header, arrays = unpacked(source)
        except EOFError:
            return
        try:
            session, reply, results = answer(session, header, arrays)
        except LoadError as error:
            reply, results = {"refused": str(error)}, {}
        if os.getpid() != own:
            os._exit(0)
        reply["notes"] = session.new_notes() if session else []
        sink.write(packed(reply, results))
        sink.flush()


def main():
    """Keeps the channel for itself: whatever the target prints goes to standard error."""
    source, sink = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    sys.path[0] = os.getcwd()
    warnings.simplefilter("default")
    if importlib.util.find_spec("conformance") is None:
        # another interpreter, without us: what a target says of itself is a dict anyway
        sys.modules["conformance"] = types.ModuleType("conformance")
        sys.modules["conformance"].Capabilities = dict
    serve(source, sink)
    os._exit(0)  # threads that the target left running do not keep the process


if __name__ == "__main__":
    main()
