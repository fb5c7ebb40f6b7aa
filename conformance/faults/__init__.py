"""Faults: the mistakes that the kit must find, as patches of the reference."""

from .cells import FAULTS as CELL_FAULTS
from .classes import CLASSES
from .conditions import FAULTS as CONDITIONAL_FAULTS
from .gates import FAULTS as GATE_FAULTS
from .gradients import FAULTS as GRADIENT_FAULTS
from .layers import FAULTS as LAYER_FAULTS
from .options import FAULTS as OPTION_FAULTS
from .patching import Fault, FaultyReference, PatchError

CATALOGUE = (*CELL_FAULTS, *GATE_FAULTS, *LAYER_FAULTS, *CONDITIONAL_FAULTS, *GRADIENT_FAULTS, *OPTION_FAULTS)
FAULTS = {fault.id: fault for fault in CATALOGUE}

__all__ = ["CLASSES", "FAULTS", "Fault", "FaultyReference", "PatchError"]
