"""xlstm's sLSTMCell with its backend "vanilla", as a sequence and step by step.

Source: https://github.com/NX-AI/xlstm
"""

from functools import lru_cache

import torch
from xlstm.blocks.slstm.cell import sLSTMCell, sLSTMCellConfig

from conformance.adapters.torch_recurrences import of_tensors, with_weights
from conformance.adapters.xlstm_spec import slstm
from conformance.claims.capabilities import Capabilities, Mode

capabilities = Capabilities(
    cells=(slstm,),
    dtypes=("float32", "float64"),
    modes={"forward": Mode(), "step": Mode()},
    gradients=True,
)


def run(case, inputs, states, p):
    """Outputs and states; the cell has the units of all heads in a row, and its states along a first axis."""
    T, N, heads, units = inputs["i"].shape
    cell = build(heads, units)
    weights = {
        "_recurrent_kernel_": torch.cat([p[f"R_{gate}"] for gate in "ifzo"], dim=1),
        "_bias_": torch.stack([p[f"b_{gate}"] for gate in "ifzo"]).flatten(),
    }
    x = torch.stack([inputs[gate] for gate in "ifzo"], dim=2).reshape(T, N, -1)
    state = torch.stack([states[name].flatten(1) for name in "hcnm"])

    def walked(cell):
        parts, now = [], state
        for part in [x] if case.mode == "forward" else x.split(1):
            y, now = getattr(cell, case.mode)(part, now)
            parts.append(y)
        return torch.cat(parts).view(T, N, heads, units), now

    y, state = with_weights(cell, weights, walked)
    return {"y": y}, {name: one.view(N, heads, units) for name, one in zip("hcnm", state)}


@lru_cache(maxsize=256)
def build(heads, units):
    """A cell of this shape; its weights are set at every call."""
    return sLSTMCell(
        sLSTMCellConfig(hidden_size=heads * units, num_heads=heads, backend="vanilla", bias_init="standard",
                        dtype="float32", input_shape="SBGNH", output_shape="SBH",
                        enable_automatic_mixed_precision=False)
    )  # fmt: skip


forward, gradients = of_tensors(run)
