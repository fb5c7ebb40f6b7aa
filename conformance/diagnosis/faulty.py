"""The reference with mistakes, as a target like others."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any

import numpy as np

from conformance.adapters import reference
from conformance.claims.capabilities import Capabilities
from conformance.faults import Fault, FaultyReference
from conformance.faults.recurrences import Mistake
from reference_rnn import CELLS, Recurrence, RecurrenceCase, handed, rounded


class FaultyTarget:
    """The reference with some mistakes, as a target.

    cells  those that it claims
    apart  whether what calls for results keep between them depends on no call for gradients, and the other way round
    """

    def __init__(self, *faults: Fault, cells: tuple[str, ...] = CELLS, apart: bool = True) -> None:
        faulty = FaultyReference(*faults)
        self.forward: Callable[..., Any] = reference.forward_of(faulty)
        self.gradients: Callable[..., Any] = reference.gradients_of(FaultyReference(*faults) if apart else faulty)
        self.capabilities = replace(reference.capabilities, cells=cells)


def faulty_class(fault: Fault, cells: tuple[str, ...], apart: bool = True) -> type[FaultyTarget]:
    """The class of such targets with one mistake: each instance has been asked nothing before."""

    class Faulty(FaultyTarget):
        capabilities = replace(reference.capabilities, cells=cells)

        def __init__(self) -> None:
            super().__init__(fault, cells=cells, apart=apart)

    return Faulty


class FaultyRecurrence:
    """A target made of the reference of a recurrence, in one mode or in all of them with a mistake.

    cell   whose equations they are;  capabilities  what is claimed, where that may be its shapes alone
    modes  that have it; all of them if none is named
    """

    def __init__(
        self, cell: Recurrence, mistake: Mistake | None, capabilities: Capabilities, modes: Collection[str] = ()
    ) -> None:
        self.cell = cell
        self.mistake = mistake
        self.capabilities = capabilities
        self.modes = modes

    def forward(self, case: RecurrenceCase) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Outputs and states, in the dtype of the case."""
        case = replace(case, config=replace(case.config, cell=self.cell))
        has = self.mistake is not None and (not self.modes or case.mode in self.modes)
        found = self.mistake.handed(case) if self.mistake and has else handed(case)
        named = [{name: rounded(np.array(a), case.config.dtype) for name, a in part.items()}
                 for part in (found.outputs, found.states)]  # fmt: skip
        return named[0], named[1]
