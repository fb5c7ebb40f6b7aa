"""Faults: the mistakes that the kit must find, as patches of the reference."""

from .cells import FAULTS as CELL_FAULTS
from .patching import Fault, FaultyTarget, PatchError, faulty_reference
from .recurrence import FAULTS as RECURRENCE_FAULTS

FAULTS = {fault.id: fault for fault in [*CELL_FAULTS, *RECURRENCE_FAULTS]}

__all__ = ["FAULTS", "Fault", "FaultyTarget", "PatchError", "faulty_reference"]
