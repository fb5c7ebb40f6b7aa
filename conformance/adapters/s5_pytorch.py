"""s5.S5, a linear recurrence of complex numbers: all steps as a scan, or one after the other with forward_rnn.

Only shapes are known to the kit: the package discretizes with an exponential of complex numbers.
Source: https://github.com/i404788/s5-pytorch
"""

from functools import lru_cache

import torch
from s5 import S5

from conformance.adapters.torch_recurrences import of_tensors
from conformance.claims.capabilities import Capabilities, Mode
from reference_rnn import recurrence

SHAPES = {
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
    y, x = torch.func.functional_call(Modes(layer, case.mode), {f"layer.{k}": w for k, w in weights.items()},
                                      (inputs["u"].transpose(0, 1), x))  # fmt: skip
    return {"y": y.transpose(0, 1)}, {"x_re": x.real, "x_im": x.imag}


class Modes(torch.nn.Module):
    """Both ways through a layer, for rows first."""

    def __init__(self, layer, mode):
        super().__init__()
        self.layer, self.mode = layer, mode

    def forward(self, u, x):
        """Outputs and last states."""
        if self.mode == "scan":
            return self.layer(u, state=x, return_state=True)
        x = self.layer.initial_state(len(u)) if x is None else x
        rows = [self.stepped(row, state) for row, state in zip(u, x)]
        return tuple(map(torch.stack, zip(*rows)))

    def stepped(self, u, x):
        """Outputs and last state of one row."""
        outputs = []
        for step in u:
            y, x = self.layer.seq.forward_rnn(step, x)
            outputs.append(y)
        return torch.stack(outputs), x


@lru_cache(maxsize=256)
def build(width, states, liquid):
    """A layer of this shape; its weights are set at every call."""
    return S5(width, states, liquid=liquid)


forward, _ = of_tensors(run)
