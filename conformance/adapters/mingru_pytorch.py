"""minGRU_pytorch.minGRU and minLSTM: all steps at once, as sums of logarithms, or one after the other.

Source: https://github.com/lucidrains/minGRU-pytorch
"""

from functools import lru_cache

import torch
from minGRU_pytorch.minGRU import minGRU
from minGRU_pytorch.minLSTM import minLSTM

from conformance.adapters.mingru_spec import mingru, minlstm
from conformance.adapters.torch_recurrences import of_tensors
from conformance.claims.capabilities import Capabilities, Mode

LAYERS = {"MINGRU": (minGRU, "to_hidden_and_gate"), "MINLSTM": (minLSTM, "to_hidden_and_f_i_gate")}

# Without gradients: g has a kink at 0, where the two ways take different ones.
capabilities = Capabilities(
    cells=(mingru, minlstm),
    dtypes=("float32", "float64"),
    default_state=True,
    modes={"sequential": Mode(), "parallel": Mode(order="log")},
)


def run(case, inputs, states, parameters):
    """Outputs and states; a layer has rows before steps, and its state an axis of one step."""
    layer, name = build(case.config.cell, case.config.sizes["D"])
    x, h = inputs["x"].transpose(0, 1), states["h"]
    h = None if h is None else h[:, None]
    weights = {f"{name}.weight": torch.cat(list(parameters.values()))}
    outputs = []
    for part in x.split(1, dim=1) if case.mode == "sequential" else [x]:
        output, h = torch.func.functional_call(layer, weights, (part, h), {"return_next_prev_hidden": True})
        outputs.append(output)
    return {"y": torch.cat(outputs, dim=1).transpose(0, 1)}, {"h": h[:, 0]}


@lru_cache(maxsize=256)
def build(cell, units):
    """A layer of so many units, and the name of what it projects with; its weights are set at every call."""
    kind, name = LAYERS[cell]
    return kind(units), name


forward, _ = of_tensors(run)
