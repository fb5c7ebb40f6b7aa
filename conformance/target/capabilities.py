"""What a target claims. Not claimed is not tested; claimed must work."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

CELLS = ("RNN_TANH", "RNN_RELU", "GRU", "GRU_RESET_BEFORE", "LSTM")
DTYPES = ("float32", "float64", "float16", "bfloat16")
PROFILES = ("strict", "lenient", "flush-to-zero")
BIASES = ("two", "one", "no b_hn")
EMPTIES = ("time", "batch", "length")
OPTIONS = ("peepholes", "coupled_gates", "clip", "activations")
DIMENSIONS = ("input_size", "hidden_size", "num_layers", "batch", "steps")
FLAGS = (
    "bidirectional", "no_bias", "initial_state", "default_state", "lengths", "nonfinite", "batch_first",
    "unbatched", "projections", "gradients", "recompiles",
)  # fmt: skip


class CapabilityError(ValueError):
    """A target declares something that does not exist; the message lists what does."""


@dataclass(frozen=True)
class Capabilities:
    """What an implementation claims; every default claims little.

    cells, dtypes      which of CELLS and DTYPES
    max_layers         None for any number
    no_bias            runs without biases
    biases             "two"; "one": only their sum exists; "no b_hn": a GRU without that one
    initial_state      takes h_0;  default_state: h_0 may be None and means zeros
    lengths            ragged batches;  empty: True, or a subset of {"time", "batch", "length"}
    nonfinite          NaN and infinity reach all that depends on them
    dropout            True: 0 <= p <= 1;  "open": p < 1
    options            of ONNX' operators: "peepholes", "coupled_gates", "clip", "activations"; see reference_rnn.Config
    sizes              allowed values by dimension, for code with compile-time shapes
    recompiles         a new shape is dear
    arithmetic         "strict", "lenient" (tanh accurate in absolute terms only) or "flush-to-zero"

    Raises CapabilityError for a value that does not exist.
    """

    cells: tuple[str, ...] = ("RNN_TANH",)
    dtypes: tuple[str, ...] = ("float32",)
    bidirectional: bool = False
    max_layers: int | None = 1
    no_bias: bool = False
    biases: str = "two"
    initial_state: bool = True
    default_state: bool = False
    lengths: bool = False
    empty: bool | Collection[str] = False
    nonfinite: bool = False
    batch_first: bool = False
    unbatched: bool = False
    dropout: bool | str = False
    projections: bool = False
    gradients: bool = False
    options: Collection[str] = ()
    sizes: Mapping[str, Collection[int]] = field(default_factory=dict)
    recompiles: bool = False
    arithmetic: str = "strict"

    def __post_init__(self) -> None:
        for name, known in (("cells", CELLS), ("dtypes", DTYPES)):
            object.__setattr__(self, name, some_of(name, getattr(self, name), known))
            if not getattr(self, name):
                raise CapabilityError(f"{name} is empty, must name at least one of {', '.join(known)}")
        empty = EMPTIES if self.empty is True else some_of("empty", self.empty or (), EMPTIES)
        object.__setattr__(self, "empty", empty)
        object.__setattr__(self, "options", some_of("options", self.options, OPTIONS))
        one_of("biases", self.biases, BIASES)
        one_of("arithmetic", self.arithmetic, PROFILES)
        one_of("dropout", self.dropout, (True, False, "open"))
        if not isinstance(self.sizes, Mapping):
            raise CapabilityError(
                f"sizes is {self.sizes!r}, must be a dict from {', '.join(DIMENSIONS)} to allowed values"
            )
        some_of("sizes", tuple(self.sizes), DIMENSIONS)
        for name, allowed in self.sizes.items():
            whole = isinstance(allowed, Collection) and all(type(size) is int and size > 0 for size in allowed)
            if not whole or not allowed:
                raise CapabilityError(f"sizes[{name!r}] is {allowed!r}, must be a sequence of positive integers")
        object.__setattr__(self, "sizes", {name: tuple(allowed) for name, allowed in self.sizes.items()})
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
        """Capabilities from what a target declares: a Capabilities, a dict, or None for the defaults."""
        if isinstance(declared, cls):
            return declared
        known = [f.name for f in fields(cls)]
        for name in declared or {}:
            if name not in known:
                raise CapabilityError(f"there is no capability {name!r}; there are {', '.join(known)}")
        return cls(**(declared or {}))

    @property
    def sizes_drawn(self) -> dict[str, Collection[int]]:
        """The sizes that cases may have: few where a new shape is dear, so that a run has at most 24 shapes."""
        if not self.recompiles:
            return dict(self.sizes)
        inputs = 10 if self.bidirectional else 5  # as wide as what a layer gives, so that layers look alike
        few = {"input_size": (inputs,), "hidden_size": (5,), "num_layers": (1, 2), "batch": (3,), "steps": (4,)}
        return few | dict(self.sizes)

    def as_dict(self) -> dict[str, Any]:
        """The capabilities as plain data, in the order above."""
        plain = {f.name: getattr(self, f.name) for f in fields(self)}
        lists = {name: list(plain[name]) for name in ("cells", "dtypes", "empty", "options")}
        return plain | lists | {"sizes": {name: list(sizes) for name, sizes in self.sizes.items()}}

    def claims(self, capability: str) -> bool:
        """Whether a capability is claimed: a field's name, ``layers``, ``empty.time``, ``options.clip`` and so on."""
        if capability == "layers":
            return self.max_layers is None or self.max_layers > 1
        if capability.startswith("empty."):
            return capability.removeprefix("empty.") in self.empty  # type: ignore[operator]
        if capability.startswith("options."):
            return capability.removeprefix("options.") in self.options
        if capability in CELLS:
            return capability in self.cells
        if capability in DTYPES:
            return capability in self.dtypes
        return bool(getattr(self, capability))


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
    switches = [
        f.name for f in fields(Capabilities) if f.name not in ("cells", "dtypes", "max_layers", "biases", "arithmetic")
    ]
    return [
        *switches,
        "layers",
        *(f"empty.{name}" for name in EMPTIES),
        *(f"options.{name}" for name in OPTIONS),
        *CELLS,
        *DTYPES,
    ]
