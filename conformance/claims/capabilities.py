"""What a target claims. Not claimed is not tested; claimed must work."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from reference_rnn import (
    CELLS,
    ORDERS,
    Arithmetic,
    Cell,
    CellError,
    Recurrence,
    arithmetic,
    cell_of,
    fixed_point,
    joined,
    recurrence,
)
from reference_rnn.case import kind_of
from reference_rnn.cell import claimed, kinds_of, loaded
from reference_rnn.cell_source.user_code import WATCH

DTYPES = ("float32", "float64", "float16", "bfloat16")
BIASES = ("two", "one", "no b_hn")
EMPTIES = ("time", "batch", "length")
OPTIONS = ("peepholes", "coupled_gates", "clip", "activations")
MODELS = 30  # a run, where each is dear
LARGEST = 2**16  # size; arrays of more could not be held by anybody
DIMENSIONS = ("input_size", "hidden_size", "num_layers", "batch", "steps")
FLAGS = ("default_state", "lengths", "nonfinite", "unbatched", "projections", "packed")
# What is said of layers of cells alone, and of recurrences alone.
OF_LAYERS = (
    "bidirectional", "no_bias", "batch_first", "unbatched", "dropout", "projections", "options", "recompiles", "fixed",
)  # fmt: skip
OF_RECURRENCES = ("packed", "state_dtype")
NOTICED = "noticed"  # in the place of a claim that nobody made
# Claims that have other values beside True and False.
MORE = {
    "bidirectional": ("only",), "no_bias": ("only",), "batch_first": ("only",), "initial_state": ("shared",),
    "dropout": ("open",),
    "recompiles": ("model", NOTICED, None),
}  # fmt: skip
# Of what a target claims, that nobody requires of it.
UNSAID = (
    "cells", "dtypes", "max_layers", "biases", "arithmetic", "order", "outputs", "cotangents", "state_dtype",
)  # fmt: skip
DETAILS = ("rounding", "entries", "reach")  # of fixed point, see reference_rnn.Fixed
RESULTS = ("output", "h_n", "c_n")
COTANGENTS = ("d_output", "d_h_n", "d_c_n")


class CapabilityError(ValueError):
    """A target declares something that does not exist; the message lists what does."""


@dataclass(frozen=True)
class Mode:
    """One of several algorithms of a target, which computes the same.

    order     of ORDERS: "steps", or that of a parallel form, "scan" or "chunks"
    multiple  what a size must be a multiple of: {"T": 64} for steps in chunks of 64; or by letter of a recurrence

    Raises CapabilityError for what does not exist.
    """

    order: str = "steps"
    multiple: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        one_of("order", self.order, tuple(ORDERS))
        for name, number in self.multiple.items():
            if type(number) is not int or not 0 < number <= LARGEST:
                raise CapabilityError(f"multiple[{name!r}] is {number!r}, must be a positive integer")

    @classmethod
    def of(cls, name: str, given: Any) -> Mode:
        """A mode from what a target declares: a Mode, or a dict of its fields."""
        if isinstance(given, cls):
            return given
        if not isinstance(given, Mapping) or not set(given) <= {"order", "multiple"}:
            raise CapabilityError(f"modes[{name!r}] is {given!r}, must be a Mode(order=..., multiple=...)")
        return cls(**given)

    @property
    def crossing(self) -> dict[str, Any]:
        """The mode as plain data."""
        return {"order": self.order, "multiple": dict(self.multiple)}


@dataclass(frozen=True)
class Capabilities:
    """What an implementation claims; every default claims little.

    cells, dtypes      which of CELLS and DTYPES; a cell of one's own as a reference_rnn.Cell, or as "spec.py:name"
                       beside the target
    max_layers         None for any number
    bidirectional      True, or "only": never one direction alone
    no_bias            runs without biases; "only": it has none
    batch_first        x and output may be (N, T, ...); "only": they always are, h_0 and h_n as ever
    biases             "two"; "one": only their sum exists; "no b_hn": a GRU without that one
    initial_state      takes h_0; "shared": one for all rows, (L*D, 1, H);  default_state: h_0 may be None and means
                       zeros
    lengths            ragged batches;  empty: True, or a subset of {"time", "batch", "length"}
    nonfinite          NaN and infinity reach all that depends on them, through factors that are not zero
    dropout            True: 0 <= p <= 1;  "open": p < 1
    outputs            of "output", "h_n", "c_n": the results that it shows; None in the place of the others
    cotangents         of "d_output", "d_h_n", "d_c_n": those that its gradients take; the others are None
    gradients          by name; output, h_n and c_n of the run that was recorded for them may stand beside them. True:
                       of every array that is given;  or the names of some, without layer and direction: ("x",
                       "weight_ih", "h_0"), of a recurrence its own. What else comes is not judged
    options            of ONNX' operators: "peepholes", "coupled_gates", "clip", "activations"; see reference_rnn.Config
    sizes              allowed values by dimension, for code with compile-time shapes
    recompiles         a new shape is dear: at most MODELS of them a run;  "model": a new configuration with its
                       parameters is, which takes all numbers of rows and steps: at most MODELS, or all that are claimed
                       Said, it is obeyed. Unsaid (None), it is "noticed", and judged as True, where a call of each cell
                       has loaded jax, tensorflow, iree or tinygrad, or torch.compile has compiled in it; else False
    modes              several algorithms of one target, a Mode each by its name, which ``case.mode`` says
    packed             of a recurrence: rows may follow one another without padding, at ``case.offsets``
    state_dtype        of a recurrence: the dtype of its states, if it is another than that of the rest
    arithmetic         "strict": sums accumulated in float32 or wider, tanh and sigmoid to a few units, subnormal inputs
                       read as they are;  "lenient": tanh and sigmoid right in absolute terms only;  "half-sums": sums
                       accumulated in the 16 bits that are stored;  "flush-to-zero": subnormal inputs read as zero;
                       "tf32": float32 factors read with 10 fractional bits;  "fixed<W,I>": fixed point of W bits, I of
                       them before the point;
                       or several joined: "tf32+flush-to-zero"; reference_rnn.described says the figures
    fixed              how: {"rounding": "cut" or "nearest", "entries": 1024, "reach": 8}, the last two of a table that
                       tanh and sigmoid are read off, from -reach to reach
    order              "steps"; of linear recurrences "scan" or "chunks": in any association of the steps;  "log": as
                       sums of logarithms, judged where every term is above zero, without gradients

    Raises CapabilityError for a value that does not exist.
    """

    cells: tuple[Any, ...] = ("RNN_TANH",)
    dtypes: tuple[str, ...] = ("float32",)
    bidirectional: bool | str = False
    max_layers: int | None = 1
    no_bias: bool | str = False
    biases: str = "two"
    initial_state: bool | str = True
    default_state: bool = False
    lengths: bool = False
    empty: bool | Collection[str] = False
    nonfinite: bool = False
    batch_first: bool | str = False
    unbatched: bool = False
    dropout: bool | str = False
    projections: bool = False
    gradients: bool | Collection[str] = False
    options: Collection[str] = ()
    sizes: Mapping[str, Collection[int]] = field(default_factory=dict)
    recompiles: bool | str | None = None
    arithmetic: str = "strict"
    fixed: Mapping[str, Any] = field(default_factory=dict)
    order: str = "steps"
    outputs: Collection[str] = RESULTS
    cotangents: Collection[str] = COTANGENTS
    modes: Mapping[str, Any] = field(default_factory=dict)
    packed: bool = False
    state_dtype: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "cells", claimed_cells(self.cells))
        object.__setattr__(self, "dtypes", some_of("dtypes", self.dtypes, DTYPES))
        for name, known in (("cells", CELLS), ("dtypes", DTYPES)):
            if not getattr(self, name):
                raise CapabilityError(f"{name} is empty, must name at least one of {', '.join(known)}")
        empty = EMPTIES if self.empty is True else some_of("empty", self.empty or (), EMPTIES)
        object.__setattr__(self, "empty", empty)
        object.__setattr__(self, "options", some_of("options", self.options, OPTIONS))
        one_of("biases", self.biases, BIASES)
        try:
            object.__setattr__(self, "arithmetic", joined(self.arithmetic))
            self.check_fixed()
        except ValueError as error:
            raise CapabilityError(str(error)) from None
        for name, others in MORE.items():
            one_of(name, getattr(self, name), (True, False, *others))
        for name, parts in (("outputs", RESULTS), ("cotangents", COTANGENTS)):
            object.__setattr__(self, name, some_of(name, getattr(self, name), parts))
        if not {"output", "h_n"} & set(self.outputs):
            raise CapabilityError("outputs names neither output nor h_n: there is nothing to judge")
        if not isinstance(self.modes, Mapping):
            raise CapabilityError(f"modes is {self.modes!r}, must be a dict from names to modes")
        object.__setattr__(self, "modes", {name: Mode.of(name, mode) for name, mode in self.modes.items()})
        if self.state_dtype is not None:
            one_of("state_dtype", self.state_dtype, DTYPES)
        self.check_recurrences()
        if not isinstance(self.gradients, bool):
            object.__setattr__(self, "gradients", self.named_gradients())
        one_of("order", self.order, tuple(ORDERS))
        if self.order == "log" and self.gradients:
            raise CapabilityError("order is 'log', whose gradients nobody can judge yet: leave out gradients")
        if not isinstance(self.sizes, Mapping):
            raise CapabilityError(
                f"sizes is {self.sizes!r}, must be a dict from {', '.join(self.dimensions)} to allowed values"
            )
        if not any(map(in_file, self.cells)):  # else the letters of a recurrence are not known yet
            some_of("sizes", tuple(self.sizes), self.dimensions)
        for name, allowed in self.sizes.items():
            whole = isinstance(allowed, Collection) and all(
                type(size) is int and 0 < size <= LARGEST for size in allowed
            )
            if not whole or not allowed:
                raise CapabilityError(
                    f"sizes[{name!r}] is {allowed!r}, must be a sequence of positive integers, at most {LARGEST}"
                )
        object.__setattr__(self, "sizes", {name: tuple(allowed) for name, allowed in self.sizes.items()})
        if self.initial_state == "shared" and 1 not in self.sizes.get("batch", (1,)):
            raise CapabilityError(
                f"initial_state is 'shared', which is tested with one row only by this version, but sizes['batch'] is "
                f"{self.sizes['batch']!r}"
            )
        for name in FLAGS:
            one_of(name, getattr(self, name), (True, False))
        layers = self.max_layers
        if layers is not None and (isinstance(layers, bool) or not isinstance(layers, int) or layers < 1):
            raise CapabilityError(f"max_layers is {layers!r}, must be None or a positive integer")
        drawn = self.sizes.get("num_layers", (1,))
        if layers is not None and min(drawn) > layers:
            raise CapabilityError(f"sizes['num_layers'] is {drawn!r}, but max_layers is {layers}")

    @classmethod
    def of(cls, declared: Any) -> Capabilities:
        """Capabilities from what a target declares: a Capabilities, a dict, or None for the defaults.

        Cells that are given as file and name are loaded.
        """
        if isinstance(declared, cls):
            claims = replace(declared, cells=tuple(map(imported, declared.cells)))
            claims.check_recurrences()
            layers = [cell for cell in claims.cells if not isinstance(cell, Recurrence)]
            curved = [cell for cell in layers if claims.order != "steps" and not cell.linear]
            if curved:
                raise CapabilityError(
                    f"order is {claims.order!r}, but {curved[0]} is no linear recurrence of each unit: "
                    "leave out order, or claim another cell"
                )
            return claims
        known = [f.name for f in fields(cls)]
        for name in declared or {}:
            if name not in known:
                raise CapabilityError(f"there is no capability {name!r}; there are {', '.join(known)}")
        return cls.of(cls(**(declared or {})))

    @property
    def recurrences(self) -> tuple[Recurrence, ...]:
        """The recurrences that are claimed; none where layers of cells are."""
        return tuple(cell for cell in self.cells if isinstance(cell, Recurrence))

    @property
    def dimensions(self) -> tuple[str, ...]:
        """The names of sizes: of layers, or of a recurrence, whose letters have sizes of their own."""
        letters = "".join(dict.fromkeys("".join(cell.letters for cell in self.recurrences)))
        return ("heads", "batch", "steps", *letters) if self.recurrences else DIMENSIONS

    def named_gradients(self) -> tuple[str, ...]:
        """The gradients that are claimed by name; raises CapabilityError for a name that none of the cells has."""
        named: Any = self.gradients
        if isinstance(named, str) or not isinstance(named, Collection):
            raise CapabilityError(f"gradients is {named!r}, must be True, False, or a sequence of names of arrays")
        known = tuple(named) if any(map(in_file, self.cells)) else self.differentiable  # a file is not read yet
        return tuple(dict.fromkeys(some_of("gradients", named, known)))

    def narrowed(self, **changes: Any) -> Capabilities:
        """These claims with changes that claim less; of gradients that are named, those that can still be claimed."""
        made = replace(self, gradients=bool(self.gradients), **changes)
        return made.naming(self.gradients)

    def naming(self, gradients: bool | Collection[str]) -> Capabilities:
        """These claims with gradients of these names, as far as there are such arrays."""
        if isinstance(gradients, bool):
            return replace(self, gradients=gradients)
        return replace(self, gradients=tuple(name for name in gradients if name in self.differentiable) or False)

    @property
    def differentiable(self) -> Collection[str]:
        """The names of arrays whose gradients are judged, without layer and direction."""
        if self.recurrences:
            return list(dict.fromkeys(n for c in self.recurrences for n in (*c.inputs, *c.states, *c.parameters)))
        states = ["h_0", *["c_0"] * any(len(c.states) == 2 for c in self.cells)] if self.initial_state else []
        kinds = {kind: None for cell in self.cells for kind in kinds_of(cell, True, self.projections, False)}
        if self.biases == "one":
            kinds.pop("bias_hh", None)
        return ["x", *states, *kinds]

    def has_gradient(self, name: str) -> bool:
        """Whether the gradient of an array is claimed, by its whole name."""
        if isinstance(self.gradients, bool):
            return self.gradients
        return name in self.gradients or kind_of(name) in self.gradients

    def check_recurrences(self) -> None:
        """Raises CapabilityError for claims that do not go together: layers of cells, and recurrences."""
        known = [cell for cell in self.cells if isinstance(cell, Cell)]
        if self.recurrences and len(self.recurrences) < len(known):
            raise CapabilityError(f"cells has {', '.join(known)}: give recurrences and layers of cells a target each")
        letters = [name for name in self.dimensions if len(name) == 1]
        for name, mode in self.modes.items() if self.recurrences else ():
            if other := [size for size in mode.multiple if size not in ("T", *letters)]:
                must = ", ".join(["T", *letters])
                raise CapabilityError(f"modes[{name!r}] has a multiple of {other[0]!r}, must be of {must}")
        unfit = OF_LAYERS if self.recurrences else OF_RECURRENCES if len(known) == len(self.cells) else ()
        usual = {f.name: f.default for f in fields(self)}
        if wrong := [name for name in unfit if getattr(self, name) and getattr(self, name) != usual[name]]:
            of = "layers of cells" if self.recurrences else "recurrences"
            raise CapabilityError(f"{', '.join(wrong)} is said of {of} only: leave it out for {', '.join(known)}")

    def check_fixed(self) -> None:
        """Raises ValueError for details that do not exist, and for claims that do not go with fixed point."""
        some_of("fixed", self.fixed, DETAILS)
        if fixed_point(self.arithmetic, **self.fixed) is None:
            if self.fixed:
                raise ValueError(f"fixed is {dict(self.fixed)}, but arithmetic is {self.arithmetic!r}")
            return
        others = ("nonfinite", "dropout", "gradients", "projections", "options")
        if unable := [name for name in others if getattr(self, name)]:
            raise ValueError(f"{', '.join(unable)} cannot be judged in fixed point by this version: leave it out")
        if self.dtypes != ("float32",) or self.order != "steps" or not all(cell in CELLS for cell in self.cells):
            raise ValueError("fixed point is judged in float32 arrays, step by step, and of the cells of the kit only")

    def rounding(self, dtype: str) -> Arithmetic:
        """What rounding is allowed in a dtype."""
        fixed = fixed_point(self.arithmetic, **self.fixed)
        return arithmetic(dtype, self.arithmetic, self.order, fixed)

    @property
    def configurations(self) -> int:
        """How many there are where each is dear: of the cells, dtypes and sizes that are drawn."""
        sizes = self.sizes_drawn
        layers = [count for count in sizes["num_layers"] if count <= (self.max_layers or count)]
        widths = len(sizes["input_size"]) * len(sizes["hidden_size"])
        return len(self.cells) * len(self.dtypes) * len(layers) * widths

    @property
    def sizes_drawn(self) -> dict[str, Collection[int]]:
        """The sizes that cases may have: few where a new shape is dear, so that a run has at most 24 shapes."""
        if self.initial_state == "shared":
            return replace(self, initial_state=True).sizes_drawn | {"batch": (1,)}
        if not self.recompiles:
            return dict(self.sizes)
        if self.recompiles == "model":  # which takes every number of rows and steps
            return {"input_size": (2,), "hidden_size": (3,), "num_layers": (1, 2)} | dict(self.sizes)
        inputs = 10 if self.bidirectional else 5  # as wide as what a layer gives, so that layers look alike
        few: dict[str, Collection[int]] = {
            "input_size": (inputs,),
            "hidden_size": (5,),
            "num_layers": (1, 2),
            "batch": (3, 1) if self.unbatched else (3,),  # without an axis of rows there is one
            "steps": (4,),
        }
        return few | dict(self.sizes)

    def as_dict(self) -> dict[str, Any]:
        """The capabilities as plain data, in the order above."""
        plain = {f.name: getattr(self, f.name) for f in fields(self)}
        lists = {name: list(plain[name]) for name in ("dtypes", "empty", "options", "outputs", "cotangents")}
        if not isinstance(self.gradients, bool):
            lists["gradients"] = list(self.gradients)
        plain["recompiles"] = self.recompiles or False
        lists["cells"] = [cell.crossing if isinstance(cell, Cell) else cell for cell in self.cells]
        told = {name: mode.crossing for name, mode in self.modes.items()}
        return plain | lists | {"sizes": {name: list(sizes) for name, sizes in self.sizes.items()}, "modes": told}

    @property
    def untested(self) -> list[str]:
        """What is claimed and not tested by this version, or in part, a sentence each."""
        found = {
            "an initial state that rows share is tested with one row only by this version": self.initial_state
            == "shared",
            "modes of layers are not tested by this version": bool(self.modes) and not self.recurrences,
        }
        return [sentence for sentence, holds in found.items() if holds]

    def claims(self, capability: str) -> bool:
        """Whether a capability is claimed: a field's name, ``layers``, ``empty.time``, ``options.clip`` and so on."""
        if capability == "layers":
            return self.max_layers is None or self.max_layers > 1
        if capability == "time_major":
            return self.batch_first != "only"
        if capability.startswith("gradients."):
            return self.has_gradient(capability.removeprefix("gradients."))
        if capability.startswith("empty."):
            return capability.removeprefix("empty.") in self.empty  # type: ignore[operator]
        if capability.startswith("options."):
            return capability.removeprefix("options.") in self.options
        if capability in (*CELLS, *self.cells):
            return capability in self.cells
        if capability in DTYPES:
            return capability in self.dtypes
        return bool(getattr(self, capability))


def claimed_cells(given: Any) -> tuple[Any, ...]:
    """The cells that are claimed; those of a file stay as they are. Raises CapabilityError for what is none."""
    if isinstance(given, str) or not isinstance(given, Collection):
        raise CapabilityError(f"cells is {given!r}, must be a sequence of {', '.join(CELLS)}, or cells of your own")
    found = []
    for entry in given:
        try:
            found.append(entry if in_file(entry) else cell_of(entry))
        except (CellError, TypeError):
            raise CapabilityError(
                f"cells has {entry!r}, must be of {', '.join(CELLS)}, or a cell of your own: see reference_rnn.cell"
            ) from None
    names = [str(entry) for entry in found]
    for name in names:
        if names.count(name) > 1:
            raise CapabilityError(f"cells has two of the name {name}")
    return tuple(found)


def in_file(entry: Any) -> bool:
    """Whether this is a cell given by its file and name: ``spec.py:mgu``, or a dict of file, name and sha256.

    Or a recurrence given by its shapes alone.
    """
    if isinstance(entry, Mapping) and "inputs" in entry:
        return True
    if isinstance(entry, Mapping):
        return {"file", "name"} <= set(entry) <= {"file", "name", "sha256"} and all(
            isinstance(value, str) for value in entry.values()
        )
    return isinstance(entry, str) and not isinstance(entry, Cell) and ".py:" in entry


def imported(entry: Any) -> Cell:
    """The cell itself, or the one that a file has. Raises CapabilityError."""
    if isinstance(entry, str) and in_file(entry):
        file, _, name = entry.rpartition(":")
        entry = {"file": file, "name": name}
    try:
        if isinstance(entry, Cell):
            return claimed(entry)
        if "inputs" in entry:
            return recurrence(**entry)
        path = Path(entry["file"])
        if not path.is_file():
            raise CapabilityError(f"cells has {entry['name']!r} of {entry['file']}, but there is no such file")
        return loaded(str(path.resolve()), entry["name"], entry.get("sha256", ""), lost=WATCH.hear is not None)
    except CellError as error:
        raise CapabilityError(str(error)) from None


def one_of(name: str, value: Any, known: Collection[Any]) -> None:
    """Raises CapabilityError unless the value is one of the known ones."""
    if not any(value is k or (isinstance(k, str) and value == k) for k in known):
        raise CapabilityError(f"{name} is {value!r}, must be one of {', '.join(map(repr, known))}")


def some_of(name: str, values: Any, known: Collection[str]) -> tuple[str, ...]:
    """The values as a tuple; raises CapabilityError unless each is one of the known ones."""
    if isinstance(values, str) or not isinstance(values, Collection):
        raise CapabilityError(f"{name} is {values!r}, must be a sequence of {', '.join(known)}")
    for value in values:
        if value not in known:
            raise CapabilityError(f"{name} has {value!r}, must be of {', '.join(known)}")
    return tuple(values)


def capability_names() -> list[str]:
    """Whatever ``Capabilities.claims`` understands."""
    switches = [f.name for f in fields(Capabilities) if f.name not in UNSAID]
    return [
        *switches,
        "layers",
        "time_major",
        *(f"gradients.{name}" for name in ("x", "h_0", "c_0", "weight_ih", "weight_hh", "bias_ih", "bias_hh")),
        *(f"empty.{name}" for name in EMPTIES),
        *(f"options.{name}" for name in OPTIONS),
        *CELLS,
        *DTYPES,
    ]
