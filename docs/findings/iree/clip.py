"""The shipped target in the operator RNN, claiming the attribute clip, which it refuses in the two others."""

from dataclasses import replace

from conformance.adapters.onnx_iree import capabilities, forward

capabilities = replace(capabilities, cells=("RNN_TANH", "RNN_RELU"), options=("clip",))
__all__ = ["capabilities", "forward"]
