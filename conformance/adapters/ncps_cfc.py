"""ncps.torch.CfC, fully connected, with the time between the steps of each row.

Source: https://ncps.readthedocs.io/en/latest/api/torch.html
"""

from functools import lru_cache

import torch
from ncps.torch import CfC

from conformance.adapters.ncps_spec import HEADS, cfc
from conformance.adapters.torch_recurrences import of_tensors, with_weights
from conformance.claims.capabilities import Capabilities

capabilities = Capabilities(cells=(cfc,), dtypes=("float32", "float64"), default_state=True, gradients=True)


def run(case, inputs, states, p):
    """Outputs and states."""
    weights = {"backbone.0.weight": torch.cat([p["W_x"], p["W_h"]], dim=1), "backbone.0.bias": p["b"]}
    weights |= {f"{head}.weight": p[f"W_{head}"] for head in HEADS} | {f"{head}.bias": p[f"b_{head}"] for head in HEADS}
    layer = build(*(case.config.sizes[letter] for letter in "IHU"))
    y, h = with_weights(layer, {f"rnn_cell.{name}": weight for name, weight in weights.items()},
                        lambda own: own(inputs["x"], states["h"], inputs["dt"]))  # fmt: skip
    return {"y": y}, {"h": h}


@lru_cache(maxsize=256)
def build(inputs, units, backbone):
    """A layer of this shape; its weights are set at every call."""
    return CfC(inputs, units, backbone_units=backbone, batch_first=False)


forward, gradients = of_tensors(run)
