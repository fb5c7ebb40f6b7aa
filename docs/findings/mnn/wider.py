"""The shipped target, claiming what its documentation leaves open, and activations, which a GRU does not refuse."""

from dataclasses import replace

from conformance.adapters.onnx_mnn import capabilities, forward

capabilities = replace(
    capabilities, nonfinite=True, lengths=True, empty=("time",), options=(*capabilities.options, "activations")
)
__all__ = ["capabilities", "forward"]
