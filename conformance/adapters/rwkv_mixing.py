"""The time mixing of the package rwkv on the CPU, RWKV-7: for one token, and for a sequence.

Source: https://github.com/BlinkDL/ChatRWKV/tree/main/rwkv_pip_package
"""

import os

import torch

from conformance.adapters.rwkv_spec import MIXED, rwkv7
from conformance.adapters.torch_recurrences import of_tensors
from conformance.claims.capabilities import Capabilities, Mode

os.environ |= {"RWKV_V7_ON": "1", "RWKV_JIT_ON": "0", "RWKV_CUDA_ON": "0"}  # read when the package is imported

from rwkv.model import RWKV_x070_TMix_one, RWKV_x070_TMix_seq

# The decay is computed in single precision, whatever is given; the normalisation refuses a head of one channel.
EVEN = Mode(multiple={"C": 2})
capabilities = Capabilities(cells=(rwkv7,), modes={"one": EVEN, "seq": EVEN})


def run(case, inputs, states, p):
    """Outputs and states; the package has no rows."""
    rows = zip(inputs["x"].unbind(1), states["x_prev"], states["S"])
    y, x_prev, S = zip(*(WALKS[case.mode](x, x_prev, S[None], arguments(p)) for x, x_prev, S in rows))
    return {"y": torch.stack(y, 1)}, {"x_prev": torch.stack(x_prev), "S": torch.cat(S)}


def arguments(p):
    """The weights in the order of the package, with none for what the first layer does not have."""
    low_rank = [p[name] for name in ("w0", "w1", "w2", "a0", "a1", "a2")]
    rest = [p[name] for name in ("g1", "g2", "k_k", "k_a", "r_k", "R_", "K_", "V_", "O_", "ln_w", "ln_b")]
    return [*(p[f"x_{name}"] for name in MIXED), *low_rank, *[torch.zeros(0)] * 3, *rest]


def one(x, x_prev, S, weights):
    """Outputs and states of a row, token by token."""
    y = []
    for token in x:
        output, x_prev, S, _ = RWKV_x070_TMix_one(0, 1, x.shape[1], token, x_prev, torch.zeros(0), S, *weights)
        y.append(output)
    return torch.stack(y), x_prev, S


def seq(x, x_prev, S, weights):
    """The same in one call."""
    return RWKV_x070_TMix_seq(0, 1, x.shape[1], x, x_prev, torch.zeros(0), S, *weights)[:3]


WALKS = {"one": one, "seq": seq}
forward, _ = of_tensors(run)
