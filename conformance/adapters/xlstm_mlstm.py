"""xlstm's functions for the mLSTM cell: one step, and whole chunks.

Source: https://github.com/NX-AI/xlstm
"""

import torch
from xlstm.blocks.mlstm.backends import chunkwise_simple, recurrent_step_stabilized_simple

from conformance.adapters.torch_recurrences import of_tensors
from conformance.adapters.xlstm_spec import mlstm
from conformance.claims.capabilities import Capabilities, Mode

CHUNK = 4

capabilities = Capabilities(
    cells=(mlstm,),
    dtypes=("float32", "float64"),
    modes={"recurrent": Mode(), "chunkwise": Mode(order="chunks", multiple={"T": CHUNK})},
    gradients=True,
)


def run(case, inputs, states, _):
    """Outputs and states; the functions have rows and heads before steps."""
    by_row = [inputs[name].movedim(0, 2) for name in "qkvif"]
    walk = stepped if case.mode == "recurrent" else chunked
    h, (C, n, m) = walk(*by_row, *(states[name] for name in "Cnm"))
    return {"h": h.movedim(2, 0)}, {"C": C, "n": n.reshape(n.shape[:3]), "m": m.reshape(m.shape[:2])}


def stepped(q, k, v, i, f, C, n, m):
    """Outputs and states, with axes of size 1 as the step has them."""
    state, outputs = (C, n[..., None], m[..., None, None]), []
    for t in range(q.shape[2]):
        parts = (x[:, :, t : t + 1].clone() for x in (q, k, v))  # the step changes the shapes of what it is given
        h, state = recurrent_step_stabilized_simple(*state, *parts, *(x[:, :, t, None, None] for x in (i, f)))
        outputs.append(h)
    return torch.cat(outputs, dim=2), state


def chunked(q, k, v, i, f, C, n, m):
    """Outputs and states, with initial_m (B, NH): with the third axis of its comment it fails."""
    return chunkwise_simple(*(x.contiguous() for x in (q, k, v, i, f)), C, n, m, CHUNK, return_last_state=True)


forward, gradients = of_tensors(run)
