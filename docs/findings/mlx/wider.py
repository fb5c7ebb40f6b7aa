"""The shipped target, claiming what its documentation leaves open."""

from dataclasses import replace

from conformance.adapters.mlx_layers import capabilities, forward

capabilities = replace(capabilities, empty=("time", "batch"))
__all__ = ["capabilities", "forward"]
