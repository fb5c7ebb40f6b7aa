"""Reads subnormal numbers as zero, and returns none; claims the profile that allows it."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
from plain import capabilities, run, step

capabilities = replace(capabilities, arithmetic="flush-to-zero")


def flushed(array):
    return np.where(abs(array) < np.finfo(array.dtype).tiny, array.dtype.type(0), array)


def flushing(x, h, p):
    weights = {name: flushed(getattr(p, name)) for name in ("W_ih", "W_hh", "b_ih", "b_hh")}
    return flushed(step(flushed(x), flushed(h), SimpleNamespace(f=p.f, **weights)))


def forward(case):
    return run(case, step=flushing)
