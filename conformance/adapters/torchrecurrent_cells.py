"""Layers of torchrecurrent: networks of papers, one step after the other.

Their weights of x, of h and of the second state stand below one another, gate by gate.
Source: https://github.com/MartinuzziFrancesco/torchrecurrent
"""

from functools import lru_cache

import torch
import torchrecurrent

from conformance.adapters.torch_recurrences import of_tensors, with_weights
from conformance.adapters.torchrecurrent_spec import CELLS, DAMPING, SHARE, STEP
from conformance.claims.capabilities import Capabilities

capabilities = Capabilities(
    cells=CELLS,
    dtypes=("float32", "float64"),
    default_state=True,
    gradients=True,
)
KINDS = {
    "MGU": (torchrecurrent.MGU, {}),
    "CFN": (torchrecurrent.CFN, {}),
    "STAR": (torchrecurrent.STAR, {}),
    "GATEDANTISYMMETRICRNN": (torchrecurrent.GatedAntisymmetricRNN, {"epsilon": STEP, "gamma": DAMPING}),
    "LEM": (torchrecurrent.LEM, {"dt": STEP}),
    "SCRN": (torchrecurrent.SCRN, {"alpha": SHARE}),
}
PARTS = {"W": "weight_ih", "b": "bias_ih", "U": "weight_hh", "d": "bias_hh", "V": "weight_ch", "e": "bias_ch"}


def run(case, inputs, states, p):
    """Outputs and states."""
    weights = {f"cells.0.{place}": [w for name, w in p.items() if name[0] == part] for part, place in PARTS.items()}
    weights = {place: torch.cat(gates) for place, gates in weights.items() if gates}
    given = [state[None] for state in states.values() if state is not None]
    state = tuple(given) if len(given) == 2 else given[0] if given else None
    layer = build(case.config.cell, case.config.sizes["I"], case.config.sizes["H"])
    y, final = with_weights(layer, weights, lambda own: own(inputs["x"], state))
    finals = final if isinstance(final, tuple) else (final,)
    return {"y": y}, {name: value[0] for name, value in zip(states, finals)}


@lru_cache(maxsize=256)
def build(cell, inputs, units):
    """A layer of this shape; its weights are set at every call."""
    kind, options = KINDS[cell]
    return kind(inputs, units, **options)


forward, gradients = of_tensors(run)
