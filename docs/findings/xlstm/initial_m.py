"""xlstm's chunkwise_simple with initial_m (B, NH, 1), as the comment at that argument says."""

from dataclasses import replace

from xlstm.blocks.mlstm.backends import chunkwise_simple

from conformance.adapters.torch_recurrences import of_tensors
from conformance.adapters.xlstm_mlstm import CHUNK
from conformance.adapters.xlstm_mlstm import capabilities as claimed
from conformance.adapters.xlstm_spec import mlstm
from reference_rnn.recurrences import of_shapes

capabilities = replace(
    claimed,
    cells=(of_shapes(mlstm.shapes),),
    modes={"chunkwise": claimed.modes["chunkwise"]},
    gradients=False,
    sizes={"steps": (CHUNK,)},
)


def run(_case, inputs, states, _parameters):
    """Outputs and states."""
    by_row = (inputs[name].movedim(0, 2).contiguous() for name in "qkvif")
    initial = states["C"], states["n"], states["m"][..., None]
    h, (C, n, m) = chunkwise_simple(*by_row, *initial, CHUNK, return_last_state=True)
    return {"h": h.movedim(2, 0)}, {"C": C, "n": n, "m": m.reshape(m.shape[:2])}


forward, _ = of_tensors(run)
