"""The operators of fla-core that are written in PyTorch alone: step by step, and by chunks.

Their packages import Triton, so each file is loaded by itself. All of them compute in single precision.
Source: https://github.com/fla-org/flash-linear-attention
"""

from functools import lru_cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import fla

from conformance.adapters import fla_spec
from conformance.adapters.torch_recurrences import of_tensors
from conformance.claims.capabilities import Capabilities, Mode

CHUNK = 4

capabilities = Capabilities(
    cells=(fla_spec.simple_gla, fla_spec.gated_delta_rule, fla_spec.comba, fla_spec.gdn2),
    dtypes=("float32", "bfloat16"),
    state_dtype="float32",
    default_state=True,
    modes={"recurrent": Mode(), "chunk": Mode(order="chunks")},
    gradients=True,
)


def run(case, inputs, states, _):
    """Outputs and states; the operators have rows first."""
    name, mode = case.config.cell.lower(), case.mode
    operator = getattr(naive(name), f"naive_{mode}_{name}")
    size = {"chunk_size": CHUNK} if mode == "chunk" else {}
    by_row = {name: array.transpose(0, 1) for name, array in inputs.items()}
    o, S = operator(**by_row, initial_state=states["S"], output_final_state=True, **size)
    return {"o": o.transpose(0, 1)}, {"S": S}


@lru_cache
def naive(name):
    """The file of an operator."""
    spec = spec_from_file_location(f"naive_{name}", Path(fla.__file__).parent / "ops" / name / "naive.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


forward, gradients = of_tensors(run, "float32")
