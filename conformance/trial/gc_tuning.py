"""Collects cyclic garbage less often: the default costs a tenth of a trial."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator

OBJECTS = 10_000  # that are made before it looks; of old ones, after a hundred times as many


@contextlib.contextmanager
def collected_seldom() -> Iterator[None]:
    """A block in which it looks seldom, unless whoever runs this process has it look even more seldom.

    >>> with collected_seldom():
    ...     assert gc.get_threshold()[0] >= OBJECTS
    """
    before = gc.get_threshold()
    if 0 < before[0] < OBJECTS:
        gc.set_threshold(OBJECTS, 10, 10)
    try:
        yield
    finally:
        gc.set_threshold(*before)
