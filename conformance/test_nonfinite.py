"""Non-finite numbers. NaN and infinity reach all that depends on them, and nothing else."""

from __future__ import annotations

import numpy as np

from conformance.judging.judgement import Refused, first, index
from conformance.judging.properties import Failure, agree, applicable, fail, prop, steps_agree
from conformance.judging.transforms import part, states
from conformance.judging.words import show_both
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
        if failure.sort == "raised" and not target.capabilities.nonfinite:
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
    alive = np.flatnonzero(case.row_lengths)
    applicable(len(alive) > 0)
    poisons = dict(IN_X)
    if case.h_0 is not None:
        for name in (final[0] + "_0" for final, _ in states(case)):
            poisons |= {f"NaN is in {name}": (name, np.nan), f"infinity is in {name}": (name, np.inf)}
    names = list(poisons)
    for start in range(0, len(names), len(alive)):
        dealt = dict(zip(alive.tolist(), names[start : start + len(alive)]))  # to each row one
        poisoned = case.replace(x=np.nan_to_num(case.x, nan=0.5, posinf=2, neginf=-2))
        for row, where in dealt.items():
            poisoned = poison_row(poisoned, row, *poisons[where])
        run = target(poisoned)
        for name, must in reached(poisoned, run.arithmetic).items():
            has = getattr(run.result, name)
            wrong = ~must.allows(has)
            if not wrong.any() and must.misses(has).any() and not off_without(target, poisoned):
                wrong = must.misses(has)
            if wrong.any():
                at = first(wrong)
                place, given, wanted = index(run, name, at), float(has[at]), float(must.mid[at])
                where = dealt.get(at[1], f"nothing is in row {at[1]}")
                is_, must_be = show_both(given, wanted)
                text = f"{name}{list(place)} is {is_}, must be {must_be}: {where}"
                room = float(must.rad[at])
                fail(f"mask:{name}", text, run, name=name, at=place, given=given, must=wanted, room=room)


def off_without(target, case):
    """Whether the target is wrong with finite numbers too: then it is not NaN or an infinity that shows it."""
    try:
        steps_agree(target(case.map(lambda name, array: np.nan_to_num(array, nan=0.5, posinf=2, neginf=-2))))
    except Failure:
        return True
    return False


IN_X = {
    "NaN is in x": ("x", np.nan),
    "infinity is in x": ("x", np.inf),
    "-infinity is in x": ("x", -np.inf),
    "infinities of both signs are in x": ("x", np.inf, -np.inf),
}


def poison_row(case, row, name, *values):
    """The case with the first numbers of a row replaced: in x of its middle valid step, in a state of every layer."""
    array = getattr(case, name).copy()
    if name == "x":
        array[(case.row_lengths[row] - 1) // 2, row, : len(values)] = values[: case.config.input_size]
    else:
        array[:, row, : len(values)] = values
    return case.replace(**{name: array})


def poison(case, value):
    """The case with the first number of the middle valid step of its longest row replaced."""
    finite = case.replace(x=np.nan_to_num(case.x, nan=0.5, posinf=2, neginf=-2))
    return poison_row(finite, int(np.argmax(case.row_lengths)), "x", value)
