"""The gated delta rule of transformers' Qwen3-Next in PyTorch alone: token by token, and by chunks.

Both compute in single precision.
Source: https://github.com/huggingface/transformers/blob/main/src/transformers/models/qwen3_next/modeling_qwen3_next.py
"""

from transformers.models.qwen3_next.modeling_qwen3_next import (
    torch_chunk_gated_delta_rule,
    torch_recurrent_gated_delta_rule,
)

from conformance.adapters.fla_spec import gated_delta_rule
from conformance.adapters.torch_recurrences import of_tensors
from conformance.claims.capabilities import Capabilities, Mode

CHUNK = 4

capabilities = Capabilities(
    cells=(gated_delta_rule,),
    dtypes=("float32", "bfloat16"),
    state_dtype="float32",
    default_state=True,
    modes={"recurrent": Mode(), "chunk": Mode(order="chunks")},
    gradients=True,
)


def run(case, inputs, states, _):
    """Outputs and states; the functions have rows first."""
    q, k, v, beta, g = (array.transpose(0, 1) for array in inputs.values())
    rule, size = (torch_recurrent_gated_delta_rule, {}) if case.mode == "recurrent" else (
        torch_chunk_gated_delta_rule, {"chunk_size": CHUNK})  # fmt: skip
    o, S = rule(q, k, v, g, beta, initial_state=states["S"], output_final_state=True, **size)
    return {"o": o.transpose(0, 1)}, {"S": S}


forward, gradients = of_tensors(run, "float32")
