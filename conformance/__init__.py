"""A conformance kit for recurrent networks. Nothing heavy is imported before it is used."""

from __future__ import annotations

import importlib
from typing import Any

HOMES = {
    "Capabilities": "conformance.target.capabilities",
    "Report": "conformance.report.model",
    "TargetError": "conformance.target.load",
    "assert_conforms": "conformance.engine.check",
    "check": "conformance.engine.check",
    "from_cell": "conformance.adapters.cell",
}
__all__ = sorted(HOMES)  # noqa: PLE0605


def __getattr__(name: str) -> Any:
    if name not in HOMES:
        raise AttributeError(f"module 'conformance' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(importlib.import_module(HOMES[name]), name)
