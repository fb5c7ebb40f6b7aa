"""What a target in this process may change besides its own things, kept apart from what the judge needs.

While the target computes, its surroundings are its own, as it left them after the call before; in between they are the
judge's. That is not protection: a target that means harm, or replaces parts of NumPy, is judged in a child process.
"""

from __future__ import annotations

import contextlib
import contextvars
import ctypes
import decimal
import os
import signal
import struct
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, NamedTuple

import numpy as np

REMEDY = "judge it in a child process: leave out --in-process (in Python: in_process=False)"
(SUBNORMAL,) = struct.unpack("d", struct.pack("q", 2**40))  # from its bits, whatever becomes of subnormals here
ABOVE, SLIGHTLY = 0.75 * sys.float_info.epsilon, 0.25 * sys.float_info.epsilon
ENVIRONMENT = 256  # bytes, enough for C's fenv_t on every machine
USUAL = {"divide": "warn", "over": "warn", "under": "ignore", "invalid": "warn"}  # NumPy's own
ENDING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGALRM") if hasattr(signal, name))


class Unsound(Exception):
    """The judge's own numbers would be wrong here; the message says what to do."""


class Dial(NamedTuple):
    """One thing that can be set: ``read`` says how it stands, ``turn`` sets it."""

    read: Callable[[], Any]
    turn: Callable[[Any], Any]


def sound() -> bool:
    """Whether this thread rounds as IEEE 754 does by default: to nearest, and subnormals not to zero."""
    return SUBNORMAL + SUBNORMAL > SUBNORMAL and 1 + ABOVE > 1 and 1 + SLIGHTLY == 1


class Surroundings:
    """The judge's surroundings and the target's, and which of the two there are now."""

    def __init__(self) -> None:
        self.before = self.targets = settings()
        self.context = contextvars.copy_context()
        self.context.run(lambda: decimal.setcontext(decimal.getcontext().copy()))  # which is changed in place
        make_sound()
        self.judges = settings() | {"errors": USUAL}
        change(self.before, self.judges)
        self.handlers: dict[int, Heard] = {}
        self.listen()

    def listen(self) -> None:
        """From now on it is noted when a signal ends the run, so that it is not taken for the target's doing."""
        if threading.current_thread() is not threading.main_thread():
            return  # where no signal is handled
        for number in ENDING:
            handler = signal.getsignal(number)
            if callable(handler) and not isinstance(handler, Heard):
                handler = Heard(handler)
                signal.signal(number, handler)
            if isinstance(handler, Heard):
                self.handlers[number] = handler

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Calls a function of the target's in its own surroundings.

        Raises what a signal handler raised meanwhile, or since the last call, also if the target or a destructor kept
        that to itself; Unsound if the judge could not compute here any more.
        """
        self.ours_again()
        printing = sys.stdout
        try:
            self.signals_wait(True)
            change(self.judges, self.targets)
            self.signals_wait(False)
            self.ours_again()  # before what may take long
            return self.context.run(function, *arguments)
        finally:
            self.signals_wait(True)  # or one that came now would leave the judge in the target's surroundings
            self.targets = settings()
            change(self.targets, self.judges | TORCH)
            sys.stdout = printing
            self.signals_wait(False)
            self.ours_again()
            if not sound():
                raise Unsound("changed how this process rounds, which cannot be undone here; " + REMEDY)

    def signals_wait(self, wait: bool) -> None:
        """Whether what a signal handler raises waits for the end of the call."""
        for heard in self.handlers.values():
            heard.waits = wait

    def ours_again(self) -> None:
        """Puts the signal handlers back, and raises what they raised."""
        if threading.current_thread() is threading.main_thread():
            for number, heard in self.handlers.items():
                if signal.getsignal(number) is not heard:
                    signal.signal(number, heard)
        for heard in self.handlers.values():
            raised, heard.raised = heard.raised, None
            if raised is not None:
                raise raised

    def leave(self) -> None:
        """Turns every dial back to how it stood before the target, and each signal handler that nobody replaced."""
        change(settings(), self.before)
        if threading.current_thread() is threading.main_thread():
            for number, heard in self.handlers.items():
                before = heard.before
                if signal.getsignal(number) is heard:  # nobody has set another since
                    signal.signal(number, before)
        self.handlers = {}


class Heard:
    """A signal handler that does as the one before, and keeps what that raised; ``waits`` if it only keeps it."""

    def __init__(self, handler: Callable[[int, FrameType | None], Any]) -> None:
        self.before = handler
        self.raised: BaseException | None = None
        self.waits = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Handles a signal."""
        try:
            self.before(number, frame)
        except BaseException as error:
            self.raised = error
            if not self.waits:
                raise


def settings() -> dict[str, Any]:
    """How everything that has a dial stands."""
    return {name: dial.read() for name, dial in dials().items()}


def change(now: dict[str, Any], then: dict[str, Any]) -> None:
    """Turns what stands otherwise; what cannot be turned back stays."""
    turning = dials()
    for name, value in then.items():
        if name in turning and now.get(name) is not value and now.get(name) != value:
            with contextlib.suppress(Exception):
                turning[name].turn(value)


def dials() -> dict[str, Dial]:
    """All dials there are now: PyTorch's come with PyTorch."""
    torch = sys.modules.get("torch")
    if torch is None or not hasattr(torch, "get_default_device"):
        return DIALS
    if not TORCH:
        TORCH.update(zip(TORCH_DIALS, (torch.float32, torch.device("cpu"), True, "highest")))
    return DIALS | TORCH_DIALS


def torch_device(device: Any) -> None:
    """Sets where PyTorch makes tensors; the processor needs no saying, and is faster without."""
    torch = sys.modules["torch"]
    torch.set_default_device(None if device.type == "cpu" else device)


def folder() -> str | None:
    """The working directory, if there still is one."""
    try:
        return os.getcwd()
    except OSError:
        return None


def rounding() -> bytes | None:
    """How this thread rounds, as C has it; None where C cannot be asked."""
    if not hasattr(C, "fegetenv"):
        return None
    environment = ctypes.create_string_buffer(ENVIRONMENT)
    C.fegetenv(environment)
    return environment.raw


def round_so(environment: bytes | None) -> None:
    """Makes this thread round as ``rounding`` found it."""
    if environment is not None:
        C.fesetenv(ctypes.create_string_buffer(environment, ENVIRONMENT))


def make_sound() -> None:
    """Makes this thread round as usual, where it does not and C can be told."""
    if not sound() and hasattr(C, "fesetenv"):
        C.fesetenv(ctypes.c_void_p(-1))  # FE_DFL_ENV


def streams() -> tuple[Any, Any, Any]:
    """Python's own streams; standard output is somebody's anew in each call."""
    return sys.stdin, sys.stderr, sys.displayhook


def stream_so(found: tuple[Any, Any, Any]) -> None:
    """Sets Python's own streams."""
    sys.stdin, sys.stderr, sys.displayhook = found


def of_torch(name: str) -> Callable[..., Any]:
    """A function that looks up PyTorch's ``name`` when it is called, and calls it."""
    return lambda *values: getattr(sys.modules["torch"], name)(*values)


C = ctypes.CDLL(None)
DIALS = {
    "rounding": Dial(rounding, round_so),
    "errors": Dial(np.geterr, lambda value: np.seterr(**value)),
    "folder": Dial(folder, os.chdir),
    "recursion": Dial(sys.getrecursionlimit, sys.setrecursionlimit),
    "streams": Dial(streams, stream_so),
}
TORCH_DIALS = {
    "torch dtype": Dial(of_torch("get_default_dtype"), of_torch("set_default_dtype")),
    "torch device": Dial(of_torch("get_default_device"), torch_device),
    "torch gradients": Dial(of_torch("is_grad_enabled"), of_torch("set_grad_enabled")),
    "torch products": Dial(of_torch("get_float32_matmul_precision"), of_torch("set_float32_matmul_precision")),
}
TORCH: dict[str, Any] = {}  # how the judge needs these
