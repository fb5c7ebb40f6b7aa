"""mambapy.mamba.MambaBlock, one step after the other: its parallel scan neither takes nor gives a state.

Source: https://github.com/alxndrTL/mamba.py
"""

from functools import lru_cache

import torch
from mambapy.mamba import MambaBlock, MambaConfig

from conformance.adapters.mamba_spec import PAST, mamba
from conformance.adapters.torch_recurrences import of_tensors, with_weights
from conformance.claims.capabilities import Capabilities

# A and D are rounded to single precision on the way, whatever they are given in.
capabilities = Capabilities(cells=(mamba,), default_state=True, gradients=True)


def run(case, inputs, states, p):
    """Outputs and states; the cache of a block has the oldest of the past inputs first."""
    block = build(*(case.config.sizes[letter] for letter in "DSR"))
    weights = {
        "in_proj.weight": torch.cat([p["W_x"], p["W_z"]]),
        "conv1d.weight": torch.stack([p["w3"], p["w2"], p["w1"], p["w0"]], dim=-1)[:, None],
        "conv1d.bias": p["b_conv"],
        "x_proj.weight": torch.cat([p["W_r"], p["W_B"], p["W_C"]]),
        "dt_proj.weight": p["W_dt"],
        "dt_proj.bias": p["b_dt"],
        "A_log": p["A_log"],
        "D": p["D"],
        "out_proj.weight": p["W_out"],
    }
    rows, units = inputs["u"].shape[1:]
    past = [torch.zeros(rows, units) if states[name] is None else states[name] for name in reversed(PAST)]
    cache = states["h"], torch.stack(past, dim=-1)
    y, (h, past) = with_weights(block, weights, lambda own: walked(own, inputs["u"], cache))
    return {"y": y}, {"h": h} | dict(zip(reversed(PAST), past.unbind(-1)))


def walked(block, u, cache):
    """Outputs and the last cache."""
    outputs = []
    for step in u:
        y, cache = block.step(step, cache)
        outputs.append(y)
    return torch.stack(outputs), cache


@lru_cache(maxsize=256)
def build(units, states, rank):
    """A block of this shape; its weights are set at every call."""
    return MambaBlock(MambaConfig(units, 1, dt_rank=rank, d_state=states, expand_factor=1, d_conv=len(PAST) + 1))


forward, gradients = of_tensors(run)
