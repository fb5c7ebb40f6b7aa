"""The reference with mistakes, as a target like others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from conformance.adapters import reference
from conformance.faults import Fault, FaultyReference
from reference_rnn import CELLS


class FaultyTarget:
    """The reference with some mistakes, as a target; cells: those that it claims."""

    def __init__(self, *faults: Fault, cells: tuple[str, ...] = CELLS) -> None:
        # apart, so that what one keeps between calls does not depend on how often the other is asked
        self.forward: Callable[..., Any] = reference.forward_of(FaultyReference(*faults))
        self.gradients: Callable[..., Any] = reference.gradients_of(FaultyReference(*faults))
        self.capabilities = replace(reference.capabilities, cells=cells)
