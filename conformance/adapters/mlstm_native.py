"""The kernels of mlstm_kernels that are written in PyTorch alone: step by step, and by chunks.

Source: https://github.com/NX-AI/mlstm_kernels
"""

from mlstm_kernels.torch import get_mlstm_kernel, get_mlstm_sequence_kernel

from conformance.adapters.mlstm_spec import mlstm
from conformance.adapters.torch_recurrences import of_tensors
from conformance.claims.capabilities import Capabilities, Mode

CHUNK = 4
KERNELS = {
    "recurrent": get_mlstm_sequence_kernel("native_sequence__native"),
    "chunkwise": get_mlstm_kernel("chunkwise--native_autograd"),
}

capabilities = Capabilities(
    cells=(mlstm,),
    dtypes=("float32", "float64"),
    default_state=True,
    modes={"recurrent": Mode(), "chunkwise": Mode(order="chunks", multiple={"T": CHUNK})},
    gradients=True,
)


def run(case, inputs, states, _):
    """Outputs and states; the kernels have rows and heads before steps, and an axis of its own for m."""
    details = {"chunk_size": CHUNK} if case.mode == "chunkwise" else {"dtype_state": inputs["q"].dtype}
    by_row = {name: array.movedim(0, 2) for name, array in inputs.items()}
    C, n, m = states.values()
    initial = {"c_initial": C, "n_initial": n, "m_initial": None if m is None else m[..., None]}
    h, (C, n, m) = KERNELS[case.mode](**by_row, **initial, return_last_states=True, **details)
    return {"h": h.movedim(2, 0)}, {"C": C, "n": n, "m": m[..., 0]}


forward, gradients = of_tensors(run)
