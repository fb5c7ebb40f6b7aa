"""Non-finite numbers. NaN and infinity reach all that depends on them, and nothing else."""

from __future__ import annotations

import numpy as np

from conformance.judging.judgement import Refused, first, index
from conformance.judging.properties import Failure, agree, applicable, fail, prop
from conformance.judging.transforms import part, states
from reference_rnn import reached


@prop(min_steps=1)
def test_isolation(target, case):
    """A NaN in one row reaches neither other rows nor steps that come before it."""
    applicable(case.num_rows > 0 and case.row_lengths.any())
    clean, poisoned = poison(case, 0.5), poison(case, np.nan)
    spared = reached(poisoned, target.arithmetic(case)).map(lambda name, reach: ~reach.odd)
    try:
        run = target(poisoned)
    except Failure as failure:
        if failure.kind == "raised" and not target.capabilities.nonfinite:
            raise Refused from None
        raise
    for name, _ in run.result.items():
        leaks = ~np.isfinite(getattr(run.result, name)) & getattr(spared, name)
        if leaks.any() and (settled := target.expected(clean).rad):
            leaks &= np.isfinite(getattr(settled, name))  # where some sum may overflow, anything may come
        if leaks.any():
            place = list(index(run, name, first(leaks)))
            fail(f"leak:{name}", f"{name}{place} is not finite, but does not depend on the NaN in x", run)

    def spare(name, array):
        return np.where(getattr(spared, name), array, 0)

    agree(part(run, clean, spare), part(target(clean), clean, spare))


@prop(needs="nonfinite", min_steps=1)
def test_propagation(target, case):
    """A NaN or an infinity in the input or in a state shows in everything that depends on it."""
    applicable(case.num_rows > 0 and case.row_lengths.any())
    poisons = {
        "NaN is in x": poison(case, np.nan),
        "infinity is in x": poison(case, np.inf),
        "-infinity is in x": poison(case, -np.inf),
        "infinities of both signs are in x": poison(case, np.inf, -np.inf),
    }
    if case.h_0 is not None:
        for name in (final[0] + "_0" for final, _ in states(case)):
            poisons[f"NaN is in {name}"] = poison(case, 0.5).map(poison_state(name, np.nan))
            poisons[f"infinity is in {name}"] = poison(case, 0.5).map(poison_state(name, np.inf))
    for where, poisoned in poisons.items():
        run = target(poisoned)
        for name, must in reached(poisoned, run.arithmetic).items():
            has = getattr(run.result, name)
            wrong = ~must.allows(has)
            if wrong.any():
                at = first(wrong)
                place, given, wanted = index(run, name, at), float(has[at]), float(must.mid[at])
                text = f"{name}{list(place)} is {given:g}, must be {wanted:g}: {where}"
                fail(f"mask:{name}", text, run, name=name, at=place, given=given, must=wanted, room=0.0)


def poison_state(state, value):
    """Puts a value in the first unit of every initial state of the first row, in h_0 or in c_0."""

    def change(name, array):
        if name != state:
            return array
        poisoned = array.copy()
        poisoned[:, 0, 0] = value
        return poisoned

    return change


def poison(case, *values):
    """The case with the first numbers of one row's middle valid step replaced."""
    row = int(np.argmax(case.row_lengths))
    x = np.nan_to_num(case.x, nan=0.5, posinf=2, neginf=-2)
    x[(case.row_lengths[row] - 1) // 2, row, : len(values)] = values[: case.config.input_size]
    return case.replace(x=x)
