"""The reference with mistakes, as a target like others."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from conformance.adapters import reference
from conformance.faults import Fault, FaultyReference
from reference_rnn import CELLS, Case, arithmetic


class FaultyTarget:
    """The reference with some mistakes, as a target; cells: those that it claims."""

    def __init__(self, *faults: Fault, cells: tuple[str, ...] = CELLS) -> None:
        # apart, so that what one keeps between calls does not depend on how often the other is asked
        self.forward: Callable[..., Any] = reference.forward_of(FaultyReference(*faults))
        self.gradients: Callable[..., Any] = reference.gradients_of(FaultyReference(*faults))
        self.capabilities = replace(reference.capabilities, cells=cells)


class RoundingTarget(FaultyTarget):
    """The same where each number that goes in has lost its last bit: it rounds, as what is judged does.

    The same call gives the same numbers.
    """

    def __init__(self, *faults: Fault) -> None:
        super().__init__(*faults)
        self.exact = FaultyTarget(*faults)
        self.forward = lambda case: self.exact.forward(moved(reference.as_case(case)))
        self.gradients = lambda case, *d: self.exact.gradients(moved(reference.as_case(case)), *d)


def moved(case: Case) -> Case:
    """A case with its last bits moved, always in the same way."""
    seed = zlib.crc32(b"".join(array.tobytes() for _, array in case.arrays()))
    generator, u = np.random.default_rng(seed), arithmetic(case.config.dtype).u
    return case.map(lambda _, array: array * (1 + 2 * u * generator.choice([-1.0, 1.0], array.shape)))
