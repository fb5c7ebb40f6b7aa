"""A conformance kit for recurrent networks. Nothing heavy is imported before it is used."""

from __future__ import annotations

import importlib

TYPE_CHECKING = False  # what checks types takes it for true; with python -m, a file could hide the module typing here
if TYPE_CHECKING:  # what is imported lazily
    from typing import Any

    __version__: str

    from conformance.adapters.cell import from_cell as from_cell
    from conformance.api import assert_conforms as assert_conforms
    from conformance.api import check as check
    from conformance.claims.capabilities import Capabilities as Capabilities
    from conformance.claims.capabilities import CapabilityError as CapabilityError
    from conformance.claims.capabilities import Mode as Mode
    from conformance.events import Finding as Finding
    from conformance.events import PropertyResult as PropertyResult
    from conformance.harness.load import TargetError as TargetError
    from conformance.harness.process import Limits as Limits
    from conformance.own_tests import Check as Check
    from conformance.own_tests import PropertyFailed as PropertyFailed
    from conformance.own_tests import parametrize as parametrize
    from conformance.trial.options import Options as Options
    from conformance.trial.options import UsageError as UsageError
    from conformance.trial.verdict import Report as Report

HOMES = {
    "Capabilities": "conformance.claims.capabilities",
    "CapabilityError": "conformance.claims.capabilities",
    "Check": "conformance.own_tests",
    "Finding": "conformance.events",
    "Limits": "conformance.harness.process",
    "Mode": "conformance.claims.capabilities",
    "Options": "conformance.trial.options",
    "PropertyFailed": "conformance.own_tests",
    "PropertyResult": "conformance.events",
    "Report": "conformance.trial.verdict",
    "TargetError": "conformance.harness.load",
    "UsageError": "conformance.trial.options",
    "assert_conforms": "conformance.api",
    "check": "conformance.api",
    "from_cell": "conformance.adapters.cell",
    "parametrize": "conformance.own_tests",
}
__all__ = sorted(HOMES)  # noqa: PLE0605


if not TYPE_CHECKING:  # for which it would be true of any name

    def __getattr__(name: str) -> Any:
        if name == "__version__":
            return importlib.import_module("conformance.trial.verdict").kit_version()
        if name not in HOMES:
            raise AttributeError(f"module 'conformance' has no attribute {name!r}; it has {', '.join(__all__)}")
        return getattr(importlib.import_module(HOMES[name]), name)
