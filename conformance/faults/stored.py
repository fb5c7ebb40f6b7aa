"""Mistakes in how the loops store numbers: states, outputs and gradients in a shorter format than that of the dtype."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from .gradients import BPTT, OUTPUT, STEP
from .operators import STEPS, Change, faults_of
from .patching import Fault

# What becomes of a number {e}, by how it is said.
FORMATS = {
    "rounded to float16": "np.float64(np.float16({e}))",
    "rounded to float32": "np.float64(np.float32({e}))",
    **{
        f"cut off after {24 - bits} significant bits": (
            f"np.float64((np.float32({{e}}).view('i4') & -{2**bits}).view('f4'))"
        )
        for bits in (16, 13)
    },
    **{
        f"rounded to {24 - bits} significant bits": (
            f"np.float64((np.float32({{e}}).view('i4') + {2 ** (bits - 1)} & -{2**bits}).view('f4'))"
        )
        for bits in (16, 13)
    },
}
NEXT = "before = state if own is None else"
FINAL = "final.append(state)"
INITIAL = "state = initial[len(final)]"
READ = "x = [join(*both) for both in zip(*halves)]"
NAMED = "return {name: found[name] for name, _ in case.arrays()}"


@lru_cache(maxsize=1)
def stored() -> dict[str, Fault]:
    """The mistakes in results, by id."""
    every = (made for how, form in FORMATS.items() for made in of_results(how, form))
    return faults_of("stored", "precision", STEPS, every)


@lru_cache(maxsize=1)
def stored_back() -> dict[str, Fault]:
    """The mistakes in gradients, by id."""
    every = (made for how, form in FORMATS.items() for made in of_gradients(how, form))
    return faults_of("stored.back", "precision", BPTT, every)


def of_results(how: str, form: str) -> Iterator[tuple[str, Change]]:
    """What is stored in a shorter format, each with the loop that is changed; of two states, one or both."""
    of_states = {
        "the state": "tuple({n} for n in {s})",
        "h": "({h}, *{s}[1:])",
        "c": "({s}[0], *({n} for n in {s}[1:]))",
    }
    for name, text in of_states.items():
        after, kept, started = (
            text.format(s=states, n=form.format(e="n"), h=form.format(e=f"{states}[0]"))
            for states in ("new", "state", "initial[len(final)]")
        )
        changes = {
            "after each step": ("scan", STEP, f"{STEP}\n        new = {after}"),
            "behind the output of each step": ("scan", OUTPUT, f"{OUTPUT}\n        state = {kept}"),
            "from step to step": ("scan", NEXT, f"before = {kept} if own is None else"),
            "at the end of each layer": ("run", FINAL, f"final.append({kept})"),
            "before the first step": ("run", INITIAL, f"state = {started}"),
        }
        for where, (loop, old, new) in changes.items():
            yield loop, Change("store", f"{name} is {how} {where}", old, new)
    output, read = OUTPUT.removeprefix("output[t] = "), READ.removeprefix("x = ")
    yield "scan", Change("store", f"the output is {how}", OUTPUT, f"output[t] = {form.format(e=output)}")
    yield "run", Change("store", f"what a layer gives is {how}", READ, f"x = [{form.format(e='o')} for o in {read}]")


def of_gradients(how: str, form: str) -> Iterator[tuple[str, Change]]:
    """The same of gradients: of what goes back from step to step, and of results."""
    way = f"lambda d: {form.format(e='d')}"
    new = f"{STEP}\n        new = tuple(passed_back(n, (n, {way})) for n in new)"
    yield "scan", Change("store", f"what goes back into a step is {how}", STEP, new)
    new = NAMED.replace("found[name] for", f"{form.format(e='found[name]')} for")
    yield "by_name", Change("store", f"each gradient is {how}", NAMED, new)
