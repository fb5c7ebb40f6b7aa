"""Mistakes in whose memory is written, and whose is handed out: no number of the call itself shows them.

What is passed in is changed, or handed out again; or results lie in a buffer that the next call fills. What becomes of
an array shows only where that is what it was: so of each change here there are calls that leave the array as it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import product

from .gradients import COTANGENTS
from .keeping import GRADIENTS, RESULT
from .patching import Fault

UNTOUCHED, OWN = "shapes.inputs_untouched", "shapes.results_own_their_memory"
UNTOUCHED_BACK, OWN_BACK = "gradients.shapes", "gradients.results_own_their_memory"
COLLECTED = RESULT.removeprefix("return ")
FOUND = "found = by_name(case, d_x, d_initial, d_parameters)"
RESULTS = {
    "output is": ("output",), "h_n is": ("h_n",), "c_n is": ("c_n",), "final states are": ("h_n", "c_n"),
    "all results are": ("output", "h_n", "c_n"),
}  # fmt: skip
# Names of gradients, as a condition on one.
OF_GRADIENTS = {
    "the gradient of x is": "name == 'x'", "gradients of states are": "name in ('h_0', 'c_0')",
    "gradients of parameters are": "name in case.parameters", "all gradients are": "True",
}  # fmt: skip
# What may be so of an array ``a`` that is changed, and of a call that shares its memory.
WRITTEN = {"": "", ", where that can be written to": " and a.flags.writeable"}
SHARED = {"": "", ", but for x without an axis of rows": " and not case.unbatched"}
# A function that gives ``a`` in a buffer that was made for such an array, where some condition holds.
INTO = (
    "def into(name, a):\n"
    "        if not ({some}):\n"
    "            return a\n"
    "        key = name, a.shape, case.config.dtype\n"
    "        buffer = {function}.__dict__.setdefault(key, np.empty(a.shape, case.config.numpy_dtype))\n"
    "        buffer[...] = a\n"
    "        return buffer\n    "
)


@lru_cache(maxsize=1)
def memory() -> dict[str, Fault]:
    """The mistakes, by id."""
    ways = (changed, changed_back, buffers, buffers_back, handed_out)
    made = (change for way in ways for change in way())
    return {
        f"memory.{number}": Fault(f"memory.{number}", title, "changed-inputs", function, old, new, (killed_by,))
        for number, (title, function, old, new, killed_by) in enumerate(made)
    }


Made = Iterator[tuple[str, str, str, str, str]]  # title, function, old, new, killed by


def changed() -> Made:
    """What is passed in is changed: by its new value, an array ``a``, and ``found``, the result."""
    h, c = ("case.h_0", "found.h_n"), ("case.c_0", "found.c_n")
    values = {
        "h_0 is overwritten by h_n": [h],
        "c_0 is overwritten by c_n": [c],
        "h_0 and c_0 are overwritten by h_n and c_n": [h, c],
        "lengths are sorted in place": [("case.lengths", "np.sort(a)[::-1]")],
    }
    for (what, pairs), (where, can) in product(values.items(), WRITTEN.items()):
        lines = [f"a = {array}\n    if a is not None{can}:\n        a[...] = {new}" for array, new in pairs]
        text = "\n    ".join([f"found = {COLLECTED}", *lines, "return found"])
        yield f"{what}{where}", "forward", RESULT, text, UNTOUCHED
    padding = "a = plain.x\n    if True{can}:\n        a[np.arange(len(a))[:, None] >= plain.row_lengths] = 0\n    "
    for where, can in WRITTEN.items():
        yield (
            f"x is set to zero behind the end of rows in place{where}",
            "forward", RESULT, padding.format(can=can) + RESULT, UNTOUCHED,
        )  # fmt: skip
        added = (
            "for name, a in case.parameters.items():\n"
            f"        if name.startswith('bias_ih'){can}:\n"
            "            a += case.parameters[name.replace('_ih', '_hh')]\n    "
        )
        title = f"b_hh is added to b_ih in place{where}"
        yield title, "forward", RESULT, f"found = {COLLECTED}\n    {added}return found", UNTOUCHED


def changed_back() -> Made:
    """The same in a call for gradients."""
    states = {
        name: f"stack(*[entry[{number}] for entry in d_initial]).reshape(a.shape)"
        for number, name in enumerate(("d_h_n", "d_c_n"))
    }
    values = {
        **{f"{name} is overwritten by the gradient of {name[2]}_0": {name: new} for name, new in states.items()},
        "d_h_n and d_c_n are overwritten by the gradients of h_0 and c_0": states,
    }
    for what, pairs in values.items():
        for where, can in WRITTEN.items():
            lines = [f"a = {name}\n    if a is not None{can}:\n        a[...] = {new}" for name, new in pairs.items()]
            yield f"{what}{where}", "gradients", FOUND, "\n    ".join([FOUND, *lines]), UNTOUCHED_BACK
    for where, can in WRITTEN.items():
        text = (
            f"{COTANGENTS}\n    a = None if d_output is None else time_major_output(case, d_output)\n"
            f"    if a is not None{can}:\n        a[np.arange(len(a))[:, None] >= plain.row_lengths] = 0"
        )
        title = f"d_output is set to zero behind the end of rows in place{where}"
        yield title, "gradients", COTANGENTS, text, UNTOUCHED_BACK


def buffers() -> Made:
    """Results lie in memory that is kept for the next call with results of that shape and dtype."""
    for (what, names), (where, unless) in product(RESULTS.items(), SHARED.items()):
        text = f"{INTO.format(function='forward', some=f'name in {names}{unless}')}return {COLLECTED}.map(into)"
        yield f"{what} handed out in a buffer that is used again{where}", "forward", RESULT, text, OWN


def buffers_back() -> Made:
    """The same of gradients."""
    every = GRADIENTS.replace("found[name] for", "into(name, found[name]) for")
    for (what, names), (where, unless) in product(OF_GRADIENTS.items(), SHARED.items()):
        text = f"{INTO.format(function='by_name', some=f'{names}{unless}')}{every}"
        yield f"{what} handed out in a buffer that is used again{where}", "by_name", GRADIENTS, text, OWN_BACK


def handed_out() -> Made:
    """What is passed in is handed out again where no step has changed it."""
    ways = {
        "h_n is h_0": "case.h_0, found.c_n", "c_n is c_0": "found.h_n, case.c_0",
        "final states are the initial ones": "case.h_0, case.c_0",
    }  # fmt: skip
    for what, final in ways.items():
        text = (
            f"found = {COLLECTED}\n"
            "    if case.h_0 is None or plain.num_steps:\n        return found\n"
            f"    return Result(found.output, {final})"
        )
        yield f"where there are no steps, {what} in memory, too", "forward", RESULT, text, OWN
    for state in "hc":
        given = f"d_{state}_n"
        text = f"{FOUND}\n    if {given} is not None and not plain.num_steps:\n        found['{state}_0'] = {given}"
        title = f"where there are no steps, the gradient of {state}_0 is {given} in memory, too"
        yield title, "gradients", FOUND, text, OWN_BACK
