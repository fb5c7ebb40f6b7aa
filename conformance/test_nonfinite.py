"""Non-finite numbers. NaN and infinity reach all that depends on them, and nothing else."""

from __future__ import annotations

import numpy as np

from conformance.judging.metamorphic import part, states
from conformance.judging.oracle import CaseRefused, first, index_in_answer
from conformance.judging.properties import Failure, agree, applicable, fail, prop, steps_agree
from conformance.judging.words import show_both
from reference_rnn import CELLS, reached


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
            raise CaseRefused from None
        raise
    for name, _ in run.result.items():
        leaks = ~np.isfinite(getattr(run.result, name)) & getattr(spared, name)
        if leaks.any() and (settled := target.expected(clean).rad):
            leaks &= np.isfinite(getattr(settled, name))  # where some sum may overflow, anything may come
        if leaks.any():
            place = list(index_in_answer(run, name, first(leaks)))
            fail(f"leak:{name}", f"{name}{place} is not finite, but does not depend on the NaN in x", run)

    def spare(name, array):
        return np.where(getattr(spared, name), array, 0)

    agree(part(run, clean, spare), part(target(clean), clean, spare))


@prop(needs="nonfinite", min_steps=1)
def test_propagation(target, case):
    """A NaN or an infinity in the input, in a state or in a bias shows in everything that depends on it."""
    alive = np.flatnonzero(case.row_lengths)
    applicable(len(alive) > 0)
    poisons = dict(IN_X)
    if case.h_0 is not None:
        for name in (final[0] + "_0" for final, _ in states(case)):
            poisons |= {f"NaN is in {name}": (name, np.nan), f"infinity is in {name}": (name, np.inf)}
            poisons |= {f"-infinity is in {name}": (name, -np.inf)}
    names = list(poisons)
    for start in range(0, len(names), len(alive)):
        dealt = dict(zip(alive.tolist(), names[start : start + len(alive)]))  # to each row one
        poisoned = case.replace(x=np.nan_to_num(case.x, nan=0.5, posinf=2, neginf=-2))
        for row, where in dealt.items():
            poisoned = poison_row(poisoned, row, *poisons[where])
        shows(target, poisoned, poisoned, lambda row, dealt=dealt: dealt.get(row, f"nothing is in row {row}"))
    # rows share a bias: where one has ended, whoever multiplies with a mask of zeros has NaN there too
    if "bias_ih_l0" in case.parameters and case.config.cell in CELLS and case.lengths is None:
        finite = case.replace(x=np.nan_to_num(case.x, nan=0.5, posinf=2, neginf=-2))
        place = sum(case.x.shape) % len(case.parameters["bias_ih_l0"])
        asked, same = nan_in_bias(finite, place)
        if target.takes_parameters(asked):
            shows(target, asked, same, lambda row: f"NaN is in bias_ih_l0[{place}]")


def shows(target, poisoned, same, where):
    """What is not finite in a case shows in all that depends on it, in which the reference asks another case.

    where: what is not finite, in words, for a row
    """
    run = target(poisoned)
    for name, must in reached(same, run.arithmetic).items():
        has = getattr(run.result, name)
        wrong = ~must.allows(has)
        if not wrong.any() and must.misses(has).any() and not off_without(target, poisoned):
            wrong = must.misses(has)
        if wrong.any():
            at = first(wrong)
            place, given, wanted = index_in_answer(run, name, at), float(has[at]), float(must.mid[at])
            is_, must_be = show_both(given, wanted)
            text = f"{name}{list(place)} is {is_}, must be {must_be}: {where(at[1])}"
            room = float(must.rad[at])
            fail(f"mask:{name}", text, run, name=name, at=place, given=given, must=wanted, room=room)


def nan_in_bias(case, place):
    """The case with NaN in one number of the first bias, and one whose results it must have: NaN as a further input.

    Whoever multiplies that input with the zeros of its other weights gets more NaN, which is allowed then.
    """
    bias, W = case.parameters["bias_ih_l0"].copy(), case.parameters["weight_ih_l0"]
    bias[place] = np.nan
    column = np.zeros((len(W), 1), W.dtype)
    column[place] = 1
    further = case.parameters | {"weight_ih_l0": np.hstack([W, column])}
    if case.config.bidirectional:
        reverse = further["weight_ih_l0_reverse"]
        further["weight_ih_l0_reverse"] = np.hstack([reverse, np.zeros_like(column)])
    x = np.concatenate([case.x, np.full((*case.x.shape[:-1], 1), np.nan, case.x.dtype)], axis=-1)
    asked = case.replace(parameters=case.parameters | {"bias_ih_l0": bias})
    return asked, case.replace(x=x, parameters=further, input_size=case.config.input_size + 1)


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
