"""What a correct implementation may do to a number: the one table of rounding facts.

There is no rtol and no atol. The radius of a ball follows from these facts alone.

Half sums. An implementation that accumulates in the 16 bits that it stores, or stores partial sums in them (sums
split over kernels, sums of pairs), adds the terms of a sum as the leaves of some tree, and rounds the number at every
node to 16 bits, or to float32 first. A term of a sum of n terms is multiplied once and then meets at most n - 1
additions, so n roundings of u + 2**-24 bound them all, whatever the tree; in a sequence the first term meets that many.
Underflow costs half a subnormal spacing a term: a node is rounded below the spacing only where a product below it has
not been rounded to it yet.

TF32. The matrix units of GPUs read float32 factors with 10 fractional bits and add in float32. Whether a factor is
rounded or cut off is not said, so it may lose 2**-10 of itself, and a product of two of them twice that and its square.
Their additions cut off what is shifted out: 2 u each, and as much once more where several terms are lined up with the
largest one before they are added; 4 u a term bounds both.
Sources: https://blogs.nvidia.com/blog/tensorfloat-32-precision-format/ and Fasi, Higham, Mikaitis and Pranesh,
Numerical behavior of NVIDIA tensor cores, PeerJ Computer Science 7 (2021), e330.

Fixed point. Numbers are multiples of a quantum. Whatever is given is read as one, each product is rounded to one, and
sums of them are exact, as long as all of them together fit in the format: where they may not, anything is allowed,
since they may wrap around or saturate. An activation that is read off a table is constant over a part of its range, so
it is off by that width times its largest slope at most, 1 of tanh and 1/4 of sigmoid, and beyond the table by what is
left of it there. The result is rounded to a multiple of the quantum like all others.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, NamedTuple, overload

import numpy as np


@dataclass(frozen=True)
class Arithmetic:
    """The rounding that is allowed to an implementation in one floating-point format.

    u          unit roundoff of stored numbers
    ua         unit roundoff of the accumulator of a sum
    eta        absolute error of an operation that underflows: a result may be flushed to zero, but in float16, whose
               subnormal numbers are ordinary ones to whatever computes in float32; "flush-to-zero" allows it there, too
    largest    largest finite number
    kt, ka     tanh may be off by u * (kt * |tanh| + ka)
    ks         sigmoid may be off by u * ks
    flushes    subnormal inputs may be read as zero
    half_sums  sums may be accumulated in the format that is stored, however narrow
    tf32       float32 factors of products with matrices may be read with 10 fractional bits
    factors    how much of itself such a factor may lose
    bits       integers of so many bits are exact, as factors and as sums
    quantum    of fixed point;  read: how far what is given may be from what it is read as
    tables     how far tanh and sigmoid may be off if they are read off a table
    order      one of ORDERS: in which order a linear recurrence is computed
    decays     whether products of its coefficients may be exponentials of sums of their logarithms
    """

    u: float
    ua: float
    eta: float
    largest: float
    kt: float = 0.0
    ka: float = 0.0
    ks: float = 0.0
    flushes: bool = False
    half_sums: bool = False
    tf32: bool = False
    factors: float = 0.0
    bits: int = 0
    quantum: float = 0.0
    read: float = 0.0
    tables: tuple[float, float] = (0.0, 0.0)
    order: str = "steps"
    decays: bool = False

    @property
    def product(self) -> float:
        """How much of itself a product may lose where its factors are read with fewer bits."""
        return self.factors * (2 + self.factors)

    @property
    def coarsest(self) -> float:
        """The roundoff of the least exact thing that is done to a number of about 1."""
        return max(self.u, self.factors, self.read)

    def misread(self, array: Any) -> Any:
        """How far numbers that are given may be from what they are read as: nothing for multiples of the quantum."""
        return np.where(array % self.quantum == 0, 0.0, self.read) if self.quantum else np.zeros(np.shape(array))

    @property
    def narrow(self) -> bool:
        """Whether numbers are stored in 16 bits: parts of a sum may be, before they are added."""
        return self.u > FORMATS["float32"].u

    def added(self, terms: int) -> float:
        """How much of itself a number may lose while a sum of so many terms is added to it, term by term.

        Where sums are stored narrower than they are accumulated, at most PARTS of them are stored on the way.
        """
        return terms * self.ua + (min(terms, PARTS) * self.u if self.u > self.ua else 0.0)


# Of one sum: W x, b, W h and b in a step; the products of four gates on the way back.
PARTS = 4

# The reference computes in float64 too, so for float64 targets each rounding counts twice.
FORMATS = {
    "float64": Arithmetic(u=2.0**-52, ua=2.0**-52, eta=2.0**-1021, largest=1.797e308),
    "float32": Arithmetic(u=2.0**-24, ua=2.0**-24, eta=2.0**-126, largest=3.4028234e38),
    "float16": Arithmetic(u=2.0**-11, ua=2.0**-24, eta=2.0**-25, largest=65504.0),
    "bfloat16": Arithmetic(u=2.0**-8, ua=2.0**-24, eta=2.0**-126, largest=3.3895e38),
}

SMALLEST_NORMAL = {"float64": 2.0**-1022, "float32": 2.0**-126, "float16": 2.0**-14, "bfloat16": 2.0**-126}

# Significant bits: integers below 2**bits are exact.
PRECISION = {"float64": 53, "float32": 24, "float16": 11, "bfloat16": 8}
TF32_BITS = 11


# In which order a linear recurrence may be computed, and what that is.
ORDERS = {
    "steps": "step by step",
    "scan": "in any association of its steps",
    "chunks": "chunk by chunk, in any association within and between them",
    "log": "as sums of logarithms",
}


class Allowed(NamedTuple):
    """One figure of an Arithmetic, and why it is what it is."""

    figure: float | bool
    why: str


# What each profile allows: strict to everybody, the others what they name beyond that.
PROFILES: dict[str, dict[str, Allowed]] = {
    "strict": {
        "kt": Allowed(
            12.0, "the tanh of a released library is up to 9 u off, and that of another ends 10 u short of 1"
        ),
        "ka": Allowed(0.0, "a tanh keeps its digits near zero"),
        "ks": Allowed(6.0, "the sigmoid of a released library is up to 4 u off; 0.5 + 0.5 tanh(z / 2) has no digits"),
        "half_sums": Allowed(False, "that loses no digits in long sums; W x, W h and biases may be stored in 16 bits"),
        "flushes": Allowed(
            False, "a product with a large weight may depend on them; results may be flushed, except in float16"
        ),
        "tf32": Allowed(False, "they have all the bits of their format"),
    },
    "lenient": {
        "ka": Allowed(8.0, "2 sigmoid(2 z) - 1 has no digits near zero, and is right in absolute terms"),
        "ks": Allowed(10.0, "the sigmoid of a released library ends 8 u short of 1"),
    },
    "flush-to-zero": {
        "flushes": Allowed(True, "processors can be set to this, and some have nothing else"),
    },
    "half-sums": {
        "half_sums": Allowed(True, "16-bit kernels that split their sums, or know no other numbers, do this"),
    },
    "tf32": {
        "tf32": Allowed(True, "the matrix units of GPUs do this where it is not forbidden"),
    },
}


@dataclass(frozen=True)
class Fixed:
    """Numbers in fixed point, ``fixed<width, integer>``.

    width, integer  bits, and those of them before the point, the sign among them
    rounding        "cut", towards minus infinity, or "nearest"
    entries, reach  of the tables of activations, from -reach to reach; 0 entries where activations are computed

    Raises ValueError for what does not exist.
    """

    width: int
    integer: int
    rounding: str = "cut"
    entries: int = 0
    reach: float = 8.0

    def __post_init__(self) -> None:
        if not 1 <= self.integer < self.width <= 32:
            raise ValueError(f"arithmetic is 'fixed<{self.width},{self.integer}>', must be fixed<W,I>, 0 < I < W < 33")
        if self.rounding not in ROUNDINGS:
            raise ValueError(f"rounding is {self.rounding!r}, must be one of {', '.join(ROUNDINGS)}")
        if type(self.entries) is not int or self.entries < 0:
            raise ValueError(f"entries is {self.entries!r}, must be the size of a table, or 0 for none")
        if not isinstance(self.reach, int | float) or not 0 < self.reach < math.inf:
            raise ValueError(f"reach is {self.reach!r}, must be a number above 0")

    @property
    def arithmetic(self) -> Arithmetic:
        """The bounds that follow."""
        quantum, part = 2.0 ** (self.integer - self.width), 2 * self.reach / max(self.entries, 1)
        error, strict = quantum * ROUNDINGS[self.rounding], arithmetic("float64")  # in which the reference computes
        tables = part + 1 - math.tanh(self.reach), part / 4 + 1 / (1 + math.exp(self.reach))
        return replace(
            strict, eta=error, largest=2.0 ** (self.integer - 1) - quantum, quantum=quantum, read=error,
            tables=tables if self.entries else (0.0, 0.0), bits=min(self.integer - 1, self.width - self.integer),
        )  # fmt: skip

    def allowances(self) -> dict[str, str]:
        """What is allowed, in words, and the reason for each."""
        how = {"cut": "cut off", "nearest": "rounded"}[self.rounding]
        found = {f"numbers {how} to multiples of 2**-{self.width - self.integer}": "fixed point has no others"}
        if self.entries:
            table = f"tanh and sigmoid off tables of {self.entries} entries from -{self.reach:g} to {self.reach:g}"
            found[table] = "small hardware computes none"
        return found


ROUNDINGS = {"cut": 1.0, "nearest": 0.5}  # how much of the quantum is lost
FIXED = re.compile(r"fixed<(\d+),(\d+)>")


def fixed_point(profile: str, **details: Any) -> Fixed | None:
    """The fixed point that a profile names; None for floating point.  details: see Fixed. Raises ValueError."""
    found = FIXED.fullmatch(profile)
    return Fixed(int(found[1]), int(found[2]), **details) if found else None


def joined(*profiles: str) -> str:
    """The name of the profile that allows whatever one of these does, its parts in the order of the table.

    Raises ValueError for a name that does not exist, or stands twice in one of them.
    """
    if any(isinstance(profile, str) and fixed_point(profile) for profile in profiles):
        if len(set(profiles)) > 1:
            raise ValueError(f"arithmetic is {' and '.join(profiles)}; fixed point stands alone")
        return profiles[0]
    named = set()
    for profile in profiles:
        parts = profile.split("+") if isinstance(profile, str) else [profile]
        if any(part not in list(PROFILES) for part in parts) or len(set(parts)) < len(parts):
            raise ValueError(
                f"arithmetic is {profile!r}, must be one of {', '.join(PROFILES)}, "
                "or several of them joined by +, each once, or fixed<W,I>"
            )
        named |= set(parts)
    return "+".join(name for name in PROFILES if name in named - {"strict"}) or "strict"


def figures(profile: str) -> dict[str, Allowed]:
    """What a profile allows, figure by figure, with the reason for each; strict's where it names none."""
    table = dict(PROFILES["strict"])
    for name in joined(profile).split("+"):
        table |= PROFILES[name]
    return table


@cache
def arithmetic(dtype: str, profile: str = "strict", order: str = "steps", fixed: Fixed | None = None) -> Arithmetic:
    """The arithmetic of a dtype under a profile of PROFILES, or several of them joined by +, in one of ORDERS.

    fixed: what a profile ``fixed<W,I>`` stands for, if that is not the usual
    Raises ValueError for a dtype or a profile that does not exist.
    """
    if dtype not in FORMATS:
        raise ValueError(f"there is no dtype {dtype!r}; there are {', '.join(FORMATS)}")
    if fixed := fixed or fixed_point(profile):
        return fixed.arithmetic
    chosen = {name: allowed.figure for name, allowed in figures(profile).items()}
    a = replace(FORMATS[dtype], order=order, **chosen)  # type: ignore[arg-type]
    a = replace(a, bits=PRECISION[dtype])
    if a.flushes:
        a = replace(a, eta=max(a.eta, SMALLEST_NORMAL[dtype]))
    if a.tf32 and dtype == "float32":
        a = replace(a, factors=2.0**-10, ua=4 * a.ua, bits=TF32_BITS)
    return replace(a, ua=a.u + a.ua) if a.half_sums and a.narrow else a


@overload
def arithmetic_of(given: Arithmetic | str) -> Arithmetic: ...
@overload
def arithmetic_of(given: None) -> None: ...
def arithmetic_of(given: Arithmetic | str | None) -> Arithmetic | None:
    """What is given; of a dtype by its name, its strict arithmetic. Raises ValueError for another name."""
    return arithmetic(given) if isinstance(given, str) else given


def allowances(profile: str, order: str = "steps", fixed: Fixed | None = None) -> dict[str, str]:
    """What a profile and an order allow, in words, and the reason for each; u: unit roundoff of the numbers stored."""
    if fixed := fixed or fixed_point(profile):
        return fixed.allowances()
    table = figures(profile)
    kt, ka, ks = (table[name].figure for name in ("kt", "ka", "ks"))
    tanh = f"tanh within u ({kt:g} |tanh| + {ka:g})" if ka else f"tanh within {kt:g} u |tanh|"
    sums = "in the format that is stored" if table["half_sums"].figure else "in float32 or wider"
    read = "read as they are or as zero" if table["flushes"].figure else "read as they are"
    other = {} if order == "steps" else {f"recurrences {ORDERS[order]}": "a parallel scan does this"}
    if table["tf32"].figure:
        other["factors of float32 read with 10 fractional bits"] = table["tf32"].why
    return other | {
        tanh: table["ka" if ka else "kt"].why,
        f"sigmoid within {ks:g} u": table["ks"].why,
        f"sums accumulated {sums}": table["half_sums"].why,
        f"subnormal inputs {read}": table["flushes"].why,
    }


def described(profile: str, order: str = "steps", fixed: Fixed | None = None) -> str:
    """What a profile and an order allow, in a line."""
    return ", ".join(allowances(profile, order, fixed))
