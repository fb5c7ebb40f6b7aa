"""s5.S5, a linear recurrence of complex numbers: all steps as a scan, or one after the other with forward_rnn.

Only shapes are known to the kit: the package discretizes with an exponential of complex numbers.
Source: https://github.com/i404788/s5-pytorch
"""

from functools import lru_cache
from typing import Any

import torch
from s5 import S5

from conformance.adapters.torch_recurrences import of_tensors, with_weights
from conformance.claims.capabilities import Capabilities, Mode
from reference_rnn import recurrence

SHAPES: dict[str, Any] = {
    "inputs": {"u": "H"},
    "states": {"x_re": "P", "x_im": "P"},
    "outputs": {"y": "H"},
    "parameters": {"Lambda_re": "P", "Lambda_im": "P", "B_re": "PH", "B_im": "PH", "C_re": "HP", "C_im": "HP",
                   "D": "H", "log_step": "P"},
    "heads": False,
    "ranges": {"Lambda_re": (-2.0, -0.25), "Lambda_im": (-4.0, 4.0), "log_step": (-3.0, 0.0)},
}  # fmt: skip
LIQUID = {"S5": False, "S5_LIQUID": True}

# Without gradients: B is rounded to single precision on the way, whatever it is given in.
capabilities = Capabilities(
    cells=tuple(recurrence(name=name, **SHAPES) for name in LIQUID),
    dtypes=("float32", "float64"),
    default_state=True,
    modes={"scan": Mode(order="scan"), "rnn": Mode()},
)


def run(case, inputs, states, p):
    """Outputs and states; forward has rows first, and forward_rnn takes one step of one row."""
    layer = build(case.config.sizes["H"], case.config.sizes["P"], LIQUID[case.config.cell])
    weights = {
        "seq.Lambda": torch.complex(p["Lambda_re"], p["Lambda_im"]),
        "seq.B": torch.stack([p["B_re"], p["B_im"]], dim=-1),
        "seq.C": torch.complex(p["C_re"], p["C_im"]),
        "seq.D": p["D"],
        "seq.log_step": p["log_step"],
    }
    x = None if states["x_re"] is None else torch.complex(states["x_re"], states["x_im"])
    walk = scanned if case.mode == "scan" else stepped
    y, x = with_weights(layer, weights, lambda own: walk(own, inputs["u"].transpose(0, 1), x))
    return {"y": y.transpose(0, 1)}, {"x_re": x.real, "x_im": x.imag}


def scanned(layer, u, x):
    """Outputs and last states of rows, all steps at once."""
    return layer(u, state=x, return_state=True)


def stepped(layer, u, x):
    """The same one step of one row after the other."""
    x = list(layer.initial_state(len(u)) if x is None else x)
    y = [[] for _ in u]
    for row, steps in enumerate(u):
        for step in steps:
            output, x[row] = layer.seq.forward_rnn(step, x[row])
            y[row].append(output)
    return torch.stack([torch.stack(outputs) for outputs in y]), torch.stack(x)


@lru_cache(maxsize=256)
def build(width, states, liquid):
    """A layer of this shape; its weights are set at every call."""
    return S5(width, states, liquid=liquid)


forward, _ = of_tensors(run)
