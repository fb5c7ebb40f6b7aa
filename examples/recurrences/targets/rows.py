"""What targets of recurrences have in common: rows that are padded or packed, states that are not given, modes."""

import numpy as np


def target(cell, states, modes, heads=True):
    """capabilities and forward of a recurrence that is claimed as ``file.py:name``.

    states  the letters of each state
    modes   for each its order and run(x, s, p), which returns the outputs and the last states of one row, by name:
            x holds its inputs (steps, heads, letters...), s its states (heads, letters...), p the parameters
    heads   whether there is an axis of heads
    """

    def forward(case):
        _, run = modes[case.mode]
        inputs, outputs = case.inputs, {}
        last = {name: zeros(case, letters, heads) if case.states[name] is None else case.states[name].copy()
                for name, letters in states.items()}  # fmt: skip
        for row, place in enumerate(places(case)):
            x = {name: array[place] for name, array in inputs.items()}
            if steps_of(x):
                found, new = run(x, {name: state[row] for name, state in last.items()}, case.parameters)
                for name, array in found.items():
                    around = steps_of(inputs) if case.offsets is not None else next(iter(inputs.values())).shape[:2]
                    empty = np.zeros((*np.atleast_1d(around), *array.shape[1:]), array.dtype)
                    outputs.setdefault(name, empty)[place] = array
                for name, state in new.items():
                    last[name][row] = state
        return outputs, last

    told = {name: {"order": order} for name, (order, _) in modes.items()}
    claims = {"dtypes": ("float32", "float64"), "default_state": True, "lengths": True, "packed": True}
    return {"cells": (cell,), "modes": told, "empty": ("length",)} | claims, forward


def places(case):
    """Where the steps of each row are in the arrays of a case."""
    if case.offsets is not None:
        return [slice(start, end) for start, end in zip(case.offsets[:-1], case.offsets[1:])]
    steps, rows = next(iter(case.inputs.values())).shape[:2]
    return [(slice(steps if case.lengths is None else case.lengths[row]), row) for row in range(rows)]


def zeros(case, letters, heads):
    """A state that is not given."""
    rows = len(places(case))
    axes = [rows, *([case.config.heads] if heads else []), *(case.config.sizes[letter] for letter in letters)]
    return np.zeros(axes, next(iter(case.inputs.values())).dtype)


def steps_of(x):
    """How many steps there are."""
    return len(next(iter(x.values())))


def each(step):
    """A run by step(x, s, p), one step after the other."""

    def run(x, s, p):
        every = []
        for t in range(steps_of(x)):
            found, s = step({name: array[t] for name, array in x.items()}, s, p)
            every.append(found)
        return {name: np.stack([found[name] for found in every]) for name in every[0]}, s

    return run


def chunks(run, size=8):
    """A run by run(x, s, p) of a few steps at once, one chunk after the other."""

    def along(x, s, p):
        every = []
        for start in range(0, steps_of(x), size):
            found, s = run({name: array[start : start + size] for name, array in x.items()}, s, p)
            every.append(found)
        return {name: np.concatenate([found[name] for found in every]) for name in every[0]}, s

    return along


def scan(a, b, h):
    """All h_t = a_t h_(t-1) + b_t: in each of log T rounds every one takes in what stands so far before it."""
    a, b, distance = a.copy(), b.copy(), 1
    b[0] += a[0] * h
    while distance < len(b):
        b[distance:] += a[distance:] * b[:-distance]
        a[distance:] *= a[:-distance].copy()
        distance *= 2
    return b


def log_scan(log_a, log_b, h):
    """The same in logarithms: exp(A_t + the logsumexp of log h and all log b_s - A_s), where A_t adds up log a."""
    total = np.cumsum(log_a, 0)
    with np.errstate(divide="ignore", invalid="ignore"):  # of a state that is zero, or below
        return np.exp(total + np.logaddexp.accumulate([np.log(h), *(log_b - total)])[1:])


def log_sigmoid(z):
    """The logarithm of 1 / (1 + exp(-z))."""
    return np.minimum(z, 0) - np.log1p(np.exp(-abs(z)))
