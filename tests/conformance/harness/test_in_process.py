"""A target in the judge's own process changes nothing that the judge needs, and raises nothing that escapes."""

import contextlib
import decimal
import os
import random
import signal
import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch

from conformance import TargetError, check
from conformance.harness import child, surroundings
from conformance.harness.load import open_target
from conformance.harness.local import LocalTarget
from reference_rnn import case

CASE = case("RNN_TANH", T=2, N=1, I=1, H=1, weight_hh_l0=1, h_0=1)
TINY = float.fromhex("0x1p-1060")


@pytest.fixture
def here(made):
    """Opens a target in this process and asks it once; the answer, and the target, which is stopped in the end."""
    opened = []

    def ask(attack="pass", top=""):
        opened.append(open_target(made(attack, top), in_process=True))
        assert opened[-1].start() is None
        return opened[-1].forward(CASE), opened[-1]

    yield ask
    for target in opened:
        target.stop()


def world():
    """What the judge needs, or what it would not want to find changed."""
    return {
        "subnormals": TINY + TINY,
        "rounding": (1 + 2.0**-54, 1 + 3 * 2.0**-54, surroundings.sound()),
        "errors": np.geterr(),
        "decimals": decimal.getcontext().prec,
        "torch": (torch.get_default_dtype(), torch.get_default_device(), torch.is_grad_enabled()),
        "products": torch.get_float32_matmul_precision(),
        "printed": np.get_printoptions()["precision"],
        "folder": os.getcwd(),
        "streams": (sys.stdin, sys.stdout, sys.stderr),
        "recursion": sys.getrecursionlimit(),
        "filters": list(warnings.filters),
    }


CHANGES = {
    "flush to zero": "import torch; torch.set_flush_denormal(True)",
    "rounding upwards": "import ctypes; ctypes.CDLL(None).fesetround(0x800)",
    "NumPy's errors": "np.seterr(all='raise')",
    "decimal context": "import decimal; decimal.getcontext().prec = 3",
    "default dtype": "import torch; torch.set_default_dtype(torch.float64)",
    "default device": "import torch; torch.set_default_device('meta')",
    "no gradients": "import torch; torch.set_grad_enabled(False)",
    "products": "import torch; torch.set_float32_matmul_precision('medium')",
    "digits": "np.set_printoptions(precision=1)",
    "working directory": "os.chdir('/')",
    "standard output": "sys.stdout = open(os.devnull, 'w')",
    "standard error": "sys.stderr = None",
    "recursion limit": "sys.setrecursionlimit(10**6)",
    "filters": "warnings.simplefilter('error'); warnings.filters.clear()",
}


@pytest.mark.sample
@pytest.mark.parametrize("where", ["before an answer", "on import"])
@pytest.mark.parametrize("name", CHANGES)
def test_what_a_target_changes_is_its_own(here, name, where):
    before = world()
    change = CHANGES[name]
    answer, target = here(change) if where == "before an answer" else here(top=f"import numpy as np\n{change}\n")
    assert answer.problem is None
    assert world() == before
    target.forward(CASE)
    target.stop()
    assert world() == before


def test_a_target_keeps_what_it_has_changed(here):
    attack = "SEEN.append(TINY + TINY); torch.set_flush_denormal(True)"
    _, target = here(attack, "import torch\nTINY, SEEN = 5e-324, []\n")
    target.forward(CASE)
    assert sys.modules["target"].SEEN == [1e-323, 0.0]


def test_where_nothing_can_be_undone_that_is_said(here, monkeypatch):
    monkeypatch.setitem(surroundings.DIALS, "rounding", surroundings.Dial(lambda: None, lambda value: None))
    try:
        answer, _ = here("import torch; torch.set_flush_denormal(True)")
        assert answer.problem and "which cannot be undone here; judge it in a child" in answer.problem.message
    finally:
        torch.set_flush_denormal(False)


def test_a_judge_that_flushes_already_does_not(made):
    torch.set_flush_denormal(True)
    try:
        target = open_target(made(), in_process=True)
        assert TINY + TINY > 0  # while there is a target
        target.stop()
        assert TINY + TINY == 0.0  # as it was found
    finally:
        torch.set_flush_denormal(False)


def test_a_seed_changes_no_verdict(made):
    wrong = made("random.seed(1); np.random.seed(1)", "import random\n")
    wrong.write_text(wrong.read_text().replace("np.tanh(", "np.sin("))
    random.seed(5)
    found = [check(wrong, properties=["equivalence.steps"], in_process=here, diagnosis=False) for here in (True, False)]
    assert found[0].results[0].counterexample == found[1].results[0].counterexample


RAISES = {
    "exit": ("sys.exit(3)", "raised SystemExit: 3"),
    "interrupt": ("raise KeyboardInterrupt", "raised KeyboardInterrupt"),
    "generator's end": ("raise GeneratorExit", "raised GeneratorExit"),
    "no text": ("raise Silent", "raised Silent: (its text cannot be had: RuntimeError)"),
    "no type": ("raise Nameless('x')", "raised Nameless: x"),
    "escapes": (
        "raise ValueError('\\x1b[31mred\\x07\\ud800\\n::error::x')",
        "raised ValueError: \\x1b[31mred\\x07\\ud800 ",
    ),
    "very long": ("raise ValueError('x' * 10**7)", "raised ValueError: xxx"),
    "a path that is none": ("sys.path.append(None); 1 / 0", "raised ZeroDivisionError"),
    "a warning without text": ("warnings.warn(Quiet())", None),
    "closed output": ("sys.stdout.close()", None),
    "bytes printed": ("sys.stdout.write(b'x')", "raised TypeError: write() argument must be str"),
    "another shape": ("case.x.shape = (1, 2, 1)", None),
    "parameters gone": ("p = dict(case.parameters); case.parameters.clear(); return back(case, p)", None),
    "attribute gone": ("x = vars(case).pop('x'); return back(case, case.parameters, x)", None),
    "another config": ("vars(case.config).update(cell='LSTM', hidden_size=7)", None),
    "no config": ("vars(case)['config'] = None", None),
    "resized": ("case.x.resize((9, 9, 9), refcheck=False)", "raised ValueError: cannot resize"),
    "lying length": ("return Lying()", "raised ValueError: not enough values"),
    "raising length": ("return Raising()", "raised RuntimeError: no length"),
    "raising array": (
        "return NoArray(), NoArray()",
        "output is a NoArray that does not become an array: OSError: none",
    ),
    "raising shape": ("return NoShape(), 1", "raised RuntimeError: no attribute"),
    "objects": ("return np.array([None, {}]), 1", "output has elements of type object"),
    "itself": ("a = []; a.append(a); return a, a", "output is a list that does not become an array"),
}
TOP = """
import numpy as np

def back(case, parameters, x=None):
    h, output = case.h_0[0], []
    for x in (case.x if x is None else x):
        h = np.tanh(x @ parameters["weight_ih_l0"].T + h @ parameters["weight_hh_l0"].T)
        output.append(h)
    return np.stack(output), h[None].copy()

class Silent(Exception):
    def __str__(self): raise RuntimeError
    __repr__ = __str__

class Meta(type):
    @property
    def __name__(cls): raise RuntimeError

class Nameless(Exception, metaclass=Meta): pass

class Quiet(UserWarning):
    def __str__(self): raise RuntimeError

class Lying(tuple):
    def __len__(self): return 2

class Raising:
    def __len__(self): raise RuntimeError("no length")

class NoArray:
    def __array__(self, *args, **kwargs): raise OSError("none")

class NoShape:
    def __getattr__(self, name): raise RuntimeError("no attribute")
"""


@pytest.mark.sample
@pytest.mark.parametrize("in_process", [True, False])
@pytest.mark.parametrize("name", RAISES)
def test_nothing_escapes(made, name, in_process, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    attack, words = RAISES[name]
    target = open_target(made(attack, TOP), in_process=in_process)
    assert target.start() is None
    given = CASE.replace(x=CASE.x.copy(), parameters=dict(CASE.parameters))
    problem = target.forward(given).problem
    target.all_notes()
    target.stop()
    if words:
        assert words in (problem.message if problem else "")
    if name in ("another shape", "another config", "no config", "parameters gone", "attribute gone"):
        assert given.config == CASE.config and given.parameters.keys() == CASE.parameters.keys()
    assert problem is None or (problem.message.isprintable() and len(problem.message) <= 1000)


@pytest.mark.sample
@pytest.mark.parametrize(
    ("attack", "name"),
    [
        ("vars(case.config)['hidden_size'] = 7", "config"),
        ("case.parameters['more'] = case.x", "parameters"),
        ("case.parameters['bias_ih_l0'] = case.parameters['bias_ih_l0'].copy()", "parameters"),
        ("vars(case)['x'] = case.x.copy()", "x"),
    ],
)  # fmt: skip
def test_a_case_that_holds_something_else_was_changed(made, attack, name):
    for in_process in (True, False):
        target = open_target(made(attack), in_process=in_process)
        target.start()
        answer = target.forward(CASE)
        target.stop()
        assert answer.problem is None and name in answer.changed


BUILDS = {
    "exit": "sys.exit(3)",
    "interrupt": "raise KeyboardInterrupt",
    "error": "raise ValueError('no')",
}


@pytest.mark.sample
@pytest.mark.parametrize("name", BUILDS)
def test_a_constructor_that_raises_is_a_finding(made, name):
    file = made()
    net = f"class Net:\n    forward = staticmethod(forward)\n    def __init__(self):\n        {BUILDS[name]}\n"
    file.write_text(file.read_text() + net)
    for in_process in (True, False):
        target = open_target(f"{file}:Net", in_process=in_process)
        problem = target.start()
        target.stop()
        assert problem.kind == "raised" and problem.message.startswith("cannot be built: ")


LOADS = {
    "def capabilities(): return {'cells': ('GRU',)}": "capabilities cannot be read, must be a Capabilities or a dict",
    "capabilities = 'x'": "capabilities cannot be read, must be a Capabilities or a dict",
    "def __getattr__(name): raise RuntimeError('\\x1b')\ndel forward": "cannot be looked into: RuntimeError: \\x1b",
    "sys.exit(3)": "does not import: SystemExit: 3",
    "raise type('E', (Exception,), {'__str__': lambda self: 1 / 0})": "its text cannot be had: ZeroDivisionError",
    "capabilities = {'\\x1b\\n::error::': 1}": "there is no capability",
}


@pytest.mark.sample
@pytest.mark.parametrize("line", LOADS)
def test_what_cannot_be_loaded_is_one_line(made, line):
    file = made()
    file.write_text(file.read_text() + line + "\n")
    for in_process in (True, False):
        with pytest.raises(TargetError) as error:
            open_target(file, in_process=in_process).stop()
        assert LOADS[line] in str(error.value) and str(error.value).isprintable()


def test_sets_in_claims_cross_to_the_judge(made):
    target = open_target(made(top="capabilities = {'empty': {'time'}, 'cells': ('RNN_TANH',)}\n"))
    target.stop()
    assert target.capabilities.empty == ("time",)


SWALLOWS = """
import time
try:
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(1)
except BaseException:
    pass
"""


def test_an_interrupt_from_outside_is_one_even_if_the_target_swallows_it():
    def forward(case):
        exec(SWALLOWS, {"os": os, "signal": signal})
        raise ValueError

    def other(case):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = signal.getsignal(signal.SIGINT)
    target = LocalTarget(forward, "forward", open_target(forward).capabilities)
    target.start()
    with pytest.raises(KeyboardInterrupt):
        target.forward(CASE)
    target.session.target = target.session.instance = other
    assert target.forward(CASE).problem.message == "raised KeyboardInterrupt"  # this one is its own
    os.kill(os.getpid(), 0)
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)  # which is heard again
    target.stop()
    assert not isinstance(signal.getsignal(signal.SIGINT), surroundings.Heard) or isinstance(before, surroundings.Heard)


def test_an_interrupt_that_a_destructor_keeps_to_itself_is_one(monkeypatch):
    class Dying:
        def __del__(self):
            signal.raise_signal(signal.SIGINT)  # what is raised here is printed, and goes nowhere

    target = LocalTarget(lambda case: case.x, "forward", open_target(lambda case: case.x).capabilities)
    target.start()
    target.forward(CASE)
    monkeypatch.setattr(sys, "unraisablehook", lambda _: None)
    dying = Dying()
    del dying
    with pytest.raises(KeyboardInterrupt):
        target.forward(CASE)
    target.stop()


def test_an_interrupt_just_when_a_call_ends_leaves_the_surroundings_to_the_judge(monkeypatch):
    """At such a moment nothing was printed any more, or a report went into the folder of the target."""

    called = []

    def forward(case):
        called.append(case)
        os.chdir("/")
        return case.x

    def interrupted(function):
        def first(*arguments):
            monkeypatch.undo()
            signal.raise_signal(signal.SIGINT)
            return function(*arguments)

        return first

    target = LocalTarget(forward, "forward", open_target(forward).capabilities)
    target.start()
    before = os.getcwd(), sys.stdout
    places = (contextlib.redirect_stdout, "__exit__"), (child.Printed, "lines"), (surroundings, "settings")
    for place, name in places:
        monkeypatch.setattr(place, name, interrupted(getattr(place, name)))
        with pytest.raises(KeyboardInterrupt):
            target.forward(CASE)
        assert (os.getcwd(), sys.stdout) == before
        assert target.forward(CASE).problem is None
    called.clear()
    monkeypatch.setattr(surroundings, "change", interrupted(surroundings.change))
    with pytest.raises(KeyboardInterrupt):
        target.forward(CASE)
    assert (os.getcwd(), sys.stdout) == before and not called  # nobody waits for a call that begins after it
    target.stop()


@pytest.mark.sample
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_check_ends(made, number):
    script = f"""
import signal, sys, threading, os, time
class Ended(BaseException): pass
def end(*_): raise Ended
signal.signal(signal.SIGTERM, end)
from conformance import check
threading.Timer(2.0, os.kill, (os.getpid(), {int(number)})).start()
try:
    check({str(made("np.linalg.eigh(np.eye(100))"))!r}, "thorough", diagnosis=False)
except (KeyboardInterrupt, Ended) as error:
    print("ended by", type(error).__name__)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith("ended by"), done.stdout + done.stderr


@pytest.mark.sample
@pytest.mark.parametrize("in_process", [True, False])
def test_a_file_that_is_edited_within_a_second_is_another_target(tmp_path, monkeypatch, in_process):
    """Its bytecode knows a file by its second and its length."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    file, seen = tmp_path / "edited.py", []
    for factor in (1, 2):
        file.write_text(f"def forward(case):\n    return {factor} * case.x, {factor} * case.h_0\n")
        os.utime(file, (10**9, 10**9))
        target = open_target(str(file), in_process=in_process)
        assert target.start() is None
        seen.append(target.forward(CASE.replace(x=np.ones_like(CASE.x))).arrays["output"].flat[0])
        target.stop()
    assert seen == [1, 2]


def test_arithmetic_of_numbers_that_are_not_finite_is_no_news(made):
    here = open_target(made("2 * case.x.max() - 2 * case.x.max()"), in_process=True)
    assert here.start() is None
    here.forward(CASE.replace(x=np.full_like(CASE.x, np.inf)))
    assert not list(here.notes)
    here.forward(CASE.replace(x=np.full_like(CASE.x, 3e38)))
    assert "RuntimeWarning: overflow encountered" in next(iter(here.notes))
    here.stop()
