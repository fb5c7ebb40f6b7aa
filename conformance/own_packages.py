"""Whether the packages that this kit imports are its own, and none that hides them."""

from __future__ import annotations

import importlib.util
import os

HIDDEN = (
    "{place!r} hides the package {package!r} of rnn-conformance; rename it, or run 'rnn-conformance check', which does "
    "not look there"
)


def require_own(*packages: str) -> None:
    """Raises ImportError if another module stands where one of our packages should be found."""
    home = os.path.dirname(os.path.dirname(__file__))
    for package in packages:
        spec = importlib.util.find_spec(package)
        places = list(spec.submodule_search_locations or [spec.origin or ""]) if spec else []  # a folder, or one file
        if places != [os.path.join(home, package)]:
            raise ImportError(HIDDEN.format(place=places[0] if places else None, package=package))
