"""What a heavy property imports: it is imported here once, and not again by the processes that are forked.

Whether it can be imported is for the property to say.
"""

from __future__ import annotations

import contextlib

from conformance.harness.family import LINUX

if LINUX:  # elsewhere, what a package starts as it is imported may not outlive a fork
    with contextlib.suppress(Exception):
        import conformance.adapters.pytorch  # noqa: F401
