"""What a correct implementation may do to a number: the one table of rounding facts.

There is no rtol and no atol. The radius of a ball follows from these facts alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Arithmetic:
    """The rounding that is allowed to an implementation in one floating-point format.

    u         unit roundoff of stored numbers
    ua        unit roundoff of the accumulator of a sum
    eta       absolute error of an operation that underflows; a result may be flushed to zero
    largest   largest finite number
    kt, ka    tanh may be off by u * (kt * |tanh| + ka)
    ks        sigmoid may be off by u * ks
    flushes   subnormal inputs may be read as zero
    """

    u: float
    ua: float
    eta: float
    largest: float
    kt: float = 12.0
    ka: float = 0.0
    ks: float = 6.0
    flushes: bool = False

    @property
    def narrow(self) -> bool:
        """Whether sums are stored in a narrower format than they are accumulated in."""
        return self.u > self.ua


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

PROFILES: dict[str, dict[str, float | bool]] = {
    "strict": {},
    "lenient": {"ka": 8.0},
    "flush-to-zero": {"flushes": True},
}


def arithmetic(dtype: str, profile: str = "strict") -> Arithmetic:
    """The arithmetic of a dtype under a named profile: strict, lenient or flush-to-zero."""
    chosen = replace(FORMATS[dtype], **PROFILES[profile])  # type: ignore[arg-type]
    return replace(chosen, eta=max(chosen.eta, SMALLEST_NORMAL[dtype])) if chosen.flushes else chosen
