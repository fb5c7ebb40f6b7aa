"""The smallest configuration that shows a fault: one that does, with every size and option as low as it can be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np

import reference_rnn
from conformance.faults.patching import Fault, FaultyReference
from conformance.judging.call_sequences import one_step_less, turned
from conformance.judging.gradients import cotangents
from conformance.judging.metamorphic import far_apart
from conformance.judging.option_cases import WITH
from reference_rnn import CELLS, DTYPES, Case
from strategies import relaid
from strategies.cases import Allowed, Sketch, build
from strategies.forms import of_kind

Setting = dict[str, Any]
ALLOWED = Allowed(CELLS, DTYPES, max_layers=11, projections=True, empty=("time", "batch", "length"))
ONE_THING = {3: one_step_less, 5: turned("h_0", "c_0")}  # by the number of the call, counted back from the last
# What is further apart is not only rounded in another order, or at another place.
APART = {"float64": 2.0**-30, "float32": 2.0**-18, "float16": 2.0**-5}
MODES = {
    "": 3, "large numbers": 7, "tiny numbers": 14, "huge x, tiny weights": 3, "NaN in x": 3, "infinity in x": 2,
    "zeros": 3,
}  # fmt: skip
# Lowest first; what is lowest is left out of the text.
OPTIONS: dict[str, tuple] = {
    "calls": tuple(range(13)),
    "numbers": tuple(MODES),
    "dtype": ("float32", "float64", "float16"),
    "option": ("", "peepholes", "coupled gates", "a clip", "other activations"),
    "dropout": ("", "dropout", "dropout of everything", "dropout in training"),
    "layout": ("", "batch first", "no batch axis"),
    "memory": ("C", "F", "negative"),
    "padding": ("garbage", "nan"),
    "bias": (True, False),
    "state": (True, False),
    "lengths": (None, (0,), (1,), (1, 0, 2), (3, 0)),
    "kind": ("", "uint8"),
    "loss": ("", "loss on the final states"),
    "L": (1, 2, 3, 4, 9, 11),
    "D": (1, 2),
    "P": (0, 1),
    **{size: (*range(1, 35), 40, 65, 129, 257, 0) for size in ("T", "N", "I", "H")},
}
LOWEST = {name: values[0] for name, values in OPTIONS.items()}
USUAL = LOWEST | {"T": 3, "N": 3, "I": 2, "H": 3, "L": 2, "D": 2}
ONE_LAYER = {"L": 1, "D": 1}
RAGGED = {"lengths": (1, 0, 2)}
# What is tried, in turn, until one shows the fault.
STARTS: tuple[Setting, ...] = (
    ONE_LAYER, ONE_LAYER | {"I": 5, "H": 5}, {}, {"L": 4}, RAGGED, RAGGED | {"padding": "nan"}, {"lengths": (3, 0)},
    {"lengths": (0,)}, {"lengths": (1,)}, {"T": 13, "N": 9, "L": 3}, {"I": 17, "H": 19}, {"H": 1},
    {"N": 1}, {"T": 1}, {"T": 0}, {"N": 0},
    *({name: value} for name in ("numbers", "dtype", "dropout", "memory", "loss") for value in OPTIONS[name][1:]),
    ONE_LAYER | {"dropout": "dropout in training"}, {"layout": "batch first"}, {"layout": "batch first", "N": 2},
    {"layout": "no batch axis", "N": 1}, {"state": False}, {"bias": False}, {"P": 1},
    RAGGED | {"state": False}, RAGGED | {"layout": "batch first"}, {"calls": 1, "P": 1}, {"L": 2, "P": 1},
    RAGGED | {"calls": 12}, *({"calls": n} for n in OPTIONS["calls"][1:]),
    *({"option": option} for option in OPTIONS["option"][1:]), {"option": "a clip", "T": 1},
    {"calls": 1, "state": False}, {"calls": 2, "bias": False}, {"L": 3, "dropout": "dropout in training"},
    *(start | {"dropout": "dropout in training"} for start in (RAGGED, {"numbers": "zeros"})),
    *(ONE_LAYER | {name: size} for name, size in (("N", 17), ("T", 15), ("T", 33), ("H", 40))),
    ONE_LAYER | {"I": 129, "H": 65}, ONE_LAYER | {"N": 65}, ONE_LAYER | {"T": 257}, {"L": 9}, {"L": 11},
    {"lengths": (3, 0), "kind": "uint8"},
)  # fmt: skip


def smallest(fault: Fault) -> str:
    """The smallest configuration that shows a fault, in symbols; "" if none was found."""
    for start, cell in product(STARTS, fault.cells):
        if shows(fault, cell, USUAL | start):
            said = text(lowered(fault, cell, USUAL | start))
            said = [cell] * (cell != fault.cells[0]) + said + ["gradients"] * fault.backward_only
            return ", ".join(said) or "one step of one unit"
    return ""


def lowered(fault: Fault, cell: str, setting: Setting) -> Setting:
    """The setting with every option as low as it can be for the fault to show."""
    for name, values in OPTIONS.items():
        for value in values[: values.index(setting[name])]:
            if shows(fault, cell, setting | {name: value}):
                return lowered(fault, cell, setting | {name: value})
    return setting


@np.errstate(all="ignore")
def shows(fault: Fault, cell: str, setting: Setting) -> bool:
    """Whether the numbers of the reference with the fault are not those of the reference."""
    *before, case = calls(cell, setting)
    faulty = FaultyReference(fault)
    try:
        for other in before:
            answer(faulty, other, fault, setting)
        given = answer(faulty, case, fault, setting)
    except Exception:  # a mistake may be that there is no result
        return True
    expected = answer(reference_rnn, case_of(cell, setting, seed=0), fault, setting)
    return given.keys() != expected.keys() or any(
        differ(given[name], expected[name], APART[setting["dtype"]]) for name in expected
    )


def calls(cell: str, setting: Setting) -> Iterator[Case]:
    """The call that shows a fault, last, and the calls before it: of the same sizes and of others, in turn.

    Some are the last one itself, but for one thing.
    """
    last = case_of(cell, setting, seed=0)
    changed = {number: change(last) for number, change in ONE_THING.items() if last.lengths is not None}
    for number in range(setting["calls"], 0, -1):
        other = {"lengths": setting["lengths"] and (0, 1)} if number % 2 else {"bias": True, "N": setting["N"] + 1}
        yield changed.get(number) or case_of(cell, setting | other, seed=number)
    yield last


def case_of(cell: str, setting: Setting, seed: int) -> Case:
    """The case that a setting stands for."""
    s = setting
    sketch = Sketch(
        0, DTYPES.index(s["dtype"]), s["L"], s["D"] == 2, s["T"], s["N"], s["I"], s["H"], s["bias"],
        s["lengths"], s["P"], mode=MODES[s["numbers"]], padding=s["padding"], memory=s["memory"], relay=2, seed=seed,
    )  # fmt: skip
    case = build(sketch, replace(ALLOWED, cells=(cell,)))
    if s["numbers"] == "tiny numbers":  # tinier than what is usually drawn
        case = case.map(lambda name, array: array if name.startswith("weight") else array * array.dtype.type(2.0**-40))
    if s["numbers"] == "huge x, tiny weights":
        case = next(far_apart(case))
    if s["numbers"] == "zeros":
        case = case.map(lambda name, array: array if name.startswith("weight") else 0 * array)
    if s["numbers"].endswith(" in x"):
        case.x[:1, :1] = np.nan if s["numbers"] == "NaN in x" else np.inf
    if s["option"] and not case.config.proj_size:
        case = WITH[s["option"].removeprefix("a ").removeprefix("other ").replace(" ", "_")](case)
    if s["kind"] and case.lengths is not None:
        case = case.replace(lengths=of_kind(case.lengths, s["kind"]))
    if not s["state"]:
        case = case.replace(h_0=None, c_0=None)
    if s["dropout"]:
        p = 1.0 if s["dropout"] == "dropout of everything" else 0.5
        case = case.replace(dropout=p, training=s["dropout"] == "dropout in training")
    if s["layout"] == "batch first":
        case = case.replace(x=case.x.swapaxes(0, 1), batch_first=True)
    if s["layout"] == "no batch axis" and case.num_rows and case.lengths is None:
        case = case.map(lambda name, array: array[:, 0] if name in ("x", "h_0", "c_0") else array)
    return case


def answer(reference: Any, case: Case, fault: Fault, setting: Setting) -> dict[str, np.ndarray]:
    """The results or gradients, and what the call left of its arguments."""
    c = case.config
    shape = (c.num_layers - 1, case.num_steps, case.num_rows, c.num_directions * c.state_size)
    masks = list(2.0 * (np.random.default_rng(0).random(shape) < 0.5)) if c.dropout else None
    d = cotangents(case) if fault.backward_only else {}
    d = {name: relaid(array, setting["memory"]) for name, array in d.items()}
    if setting["loss"]:
        d.pop("d_output", None)
    found = reference.gradients(case, **d, masks=masks) if d else dict(reference.forward(case, masks=masks).items())
    return found | {f"{name} afterwards": array for name, array in (*case.arrays(), *d.items())}


def differ(a: np.ndarray, b: np.ndarray, apart: float) -> bool:
    """Whether two arrays are not the same numbers, but for rounding, which leads so far apart at most."""
    if a.shape != b.shape:
        return True
    largest = np.max(abs(b), where=np.isfinite(b), initial=0.0)
    return not bool(((abs(a - b) <= apart * largest) | (a == b) | (np.isnan(a) & np.isnan(b))).all())


def text(setting: Setting) -> list[str]:
    """A setting in the symbols of the project; what is as low as can be is left out."""
    lengths = case_of(CELLS[0], setting, seed=0).lengths
    told = {
        **{size: f"{size}={setting[size]}" for size in ("T", "N", "I", "H", "L", "D")},
        "P": f"P={setting['H'] - 1}",
        "lengths": "" if lengths is None else f"lengths={lengths.tolist()}",
        "bias": "no bias",
        "kind": f"lengths of {setting['kind']}",
        "state": "no initial state",
        "padding": "NaN in the padding",
        "memory": {"F": "Fortran order", "negative": "reversed memory"}.get(setting["memory"], ""),
        "calls": f"after {setting['calls']} other call" + "s" * (setting["calls"] > 1),
    }
    names = [*told, *(name for name in OPTIONS if name not in told)]
    return [str(told.get(name, setting[name])) for name in names if setting[name] != LOWEST[name]]
