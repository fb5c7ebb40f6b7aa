"""Non-finite numbers. NaN and infinity reach all that depends on them, and nothing else."""

from __future__ import annotations

import numpy as np

from conformance.engine.judgement import Refused
from conformance.properties import Failure, agree, applicable, fail, prop
from conformance.transforms import part, states
from reference_rnn import forward


@prop(min_steps=1)
def test_isolation(target, case):
    """A NaN in one row reaches neither other rows nor steps that come before it."""
    applicable(case.num_rows > 0 and case.row_lengths.any())
    clean, poisoned = poison(case, 0.5), poison(case, np.nan)
    reached = forward(poisoned)
    try:
        run = target(poisoned)
    except Failure as failure:
        if failure.kind == "raised" and not target.capabilities.nonfinite:
            raise Refused from None
        raise
    for name, _ in run.result.items():
        spared = np.isfinite(getattr(reached, name))
        if (~np.isfinite(getattr(run.result, name)) & spared).any():
            at = np.argwhere(~np.isfinite(getattr(run.result, name)) & spared)[0].tolist()
            fail(f"leak:{name}", f"{name}{at} is not finite, but does not depend on the NaN in x")

    def spare(name, array):
        return np.where(np.isfinite(getattr(reached, name)), array, 0)

    agree(part(run, clean, spare), part(target(clean), clean, spare))


@prop(needs="nonfinite", min_steps=1)
def test_propagation(target, case):
    """A NaN or an infinity in the input shows in everything that depends on it."""
    applicable(case.num_rows > 0 and case.row_lengths.any())
    settled = target.expected(poison(case, 0.5)).rad  # where some sum may overflow, anything may come
    poisons = {
        f"{word} is in x": poison(case, value)
        for word, value in (("NaN", np.nan), ("infinity", np.inf), ("-infinity", -np.inf))
    }
    if case.h_0 is not None:
        for name in (final[0] + "_0" for final, _ in states(case)):
            poisons[f"NaN is in {name}"] = poison(case, 0.5).map(poison_state(name))
    for where, poisoned in poisons.items():
        reached, run = forward(poisoned), target(poisoned)
        for name, expected in reached.items():
            has = getattr(run.result, name)
            wrong = np.zeros(has.shape, bool)
            for kind in (np.isnan, np.isposinf, np.isneginf):
                wrong |= kind(has) != kind(expected)
            if settled:
                wrong &= np.isfinite(getattr(settled, name))
            if wrong.any():
                at = tuple(np.argwhere(wrong)[0].tolist())
                fail(f"mask:{name}", f"{name}{list(at)} is {has[at]:g}, must be {expected[at]:g}: {where}")


def poison_state(state):
    """Puts NaN in the first unit of every initial state of the first row, in h_0 or in c_0."""

    def change(name, array):
        if name != state:
            return array
        poisoned = array.copy()
        poisoned[:, 0, 0] = np.nan
        return poisoned

    return change


def poison(case, value):
    """The case with one number of one row's middle valid step replaced."""
    row = int(np.argmax(case.row_lengths))
    x = np.nan_to_num(case.x, nan=0.5, posinf=2, neginf=-2)
    x[(case.row_lengths[row] - 1) // 2, row, 0] = value
    return case.replace(x=x)
