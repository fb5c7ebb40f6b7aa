"""Whether the packages that this kit imports are its own, and none that hides them."""

from __future__ import annotations

import importlib.util
import os


def require_own(*packages: str) -> None:
    """Raises ImportError if another module stands where one of our packages should be found."""
    home = os.path.dirname(os.path.dirname(__file__))
    for package in packages:
        spec = importlib.util.find_spec(package)
        found = spec.origin if spec else None
        if not found or os.path.dirname(os.path.dirname(found)) != home:
            raise ImportError(
                f"{found!r} hides the package {package!r} of rnn-conformance; rename it, or run "
                "'rnn-conformance check', which does not look there"
            )
