"""The shipped target, claiming what its documentation leaves open."""

from dataclasses import replace

from conformance.adapters.litert_ops import capabilities, forward

capabilities = replace(capabilities, nonfinite=True)
__all__ = ["capabilities", "forward"]
