"""Three layers of the shipped adapter, and beside each the equations of its documentation in NumPy, as another mode.

They are known to the kit by shapes alone: then their cases need no file with equations.
"""

from dataclasses import replace

import numpy as np

from conformance.adapters import torchrecurrent_spec as spec
from conformance.adapters.torchrecurrent_cells import capabilities as claimed
from conformance.adapters.torchrecurrent_cells import forward as layer
from conformance.claims.capabilities import Mode
from reference_rnn.recurrences import of_shapes

CELLS = {str(cell): cell for cell in (spec.gatedantisymmetricrnn, spec.lem, spec.scrn)}
capabilities = replace(
    claimed,
    cells=tuple(of_shapes(cell.shapes) for cell in CELLS.values()),
    default_state=False,
    modes={"documented": Mode(), "layer": Mode()},
    gradients=False,
)


def forward(case):
    """Outputs and states."""
    if case.mode == "layer":
        return layer(case)
    outputs, states = [], case.states.values()
    for x in case.inputs["x"]:
        y, *states = CELLS[case.config.cell].step(x, *states, case.parameters)
        outputs.append(y)
    return {"y": np.array(outputs)}, dict(zip(case.states, states))
