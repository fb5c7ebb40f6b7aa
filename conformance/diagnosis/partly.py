"""A mistake that has a name and gives the target's numbers in some calls, but not in all.

It gives all but what is wrong where a certain thing is so, or not wrong there, which is said with it. Or it is made
where something is so that is no part of it, as in a path that is taken for one row alone: then it gives all answers
that are wrong, and the others are right.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from conformance.events import MEASURED, Finding
from conformance.faults.parts import STEPS, Share
from conformance.faults.patching import Fault

from .features import FEATURES, shared
from .localisation import FEWEST
from .probes import Answered
from .search import HABIT, TRIES, Among, Place, Search, deviation
from .work import Work

SOME = ", in some calls"  # behind the title of a mistake


def is_in_some_calls(search: Search) -> bool:
    """Whether a mistake that is made everywhere gives each answer that is wrong, where others are right."""
    among = wrong_ones(search)
    return among is not None and bool(among.one_of([fault for fault in among.faults if not fault.stateful]))


def in_some_calls(search: Search, when: Callable[[], str] = str) -> Finding | None:
    """A mistake that gives each answer that is wrong, where others are right; None if none does. As much work again.

    when: in which calls it is wrong, in words, if that can be found
    """
    among = wrong_ones(search)
    if among is None:
        return None
    leads = [fault for fault in among.leads if not fault.within or isinstance(fault.within, Share)]
    faults = among.one_of([fault for fault in (*among.faults, *among.narrow, *leads) if not fault.stateful])
    numbers = sum(deviation(a, a.given).any() for a in (*among.climbed, *among.fresh))  # NaN tells nothing
    if not faults or numbers < FEWEST:
        return None
    said = when()
    return sentence(faults, f"{SOME}: {said}" if said else SOME, len(among.climbed), search)


def partly(
    search: Search, beside: Callable[[Fault, str], str] = lambda fault, feature: "", right: Sequence[Answered] = ()
) -> Finding | None:
    """A mistake, and where it is not all, or not made; None if none gives all but what is so. As much work again.

    beside: what is wrong beside a mistake where a thing is so, in words, if that can be found
    right: answers that are, where the search is among those that are wrong: the mistake is made in some calls
    """
    search.work = Work(max(search.budget, TRIES * len(search.narrow)), search.work.deadline)
    at = search.end(())
    for fault in alone(search, at) if at < search.top else ():
        if not shared(a.probe.case for a in search.climbed if not gives(search, fault, a)):
            continue
        asked = [*search.climbed, *search.fresh]
        left = [a for a in asked if not gives(search, fault, a)]
        made = [a for a in asked if not a.right and gives(search, fault, a)]
        # where it is never made, if there is such a feature
        features = sorted(
            shared(a.probe.case for a in left), key=lambda name: (count(name, made) > 0, count(name, asked))
        )
        for feature in features if len(left) >= FEWEST else ():
            if holds_but_where(search, fault, feature):
                explains = sum(gives(search, fault, a) for a in search.climbed if not a.right)
                so = [a for a in right if FEATURES[feature](a.probe.case)]
                where = SOME * bool(right) + what_else([*left, *so], feature, count(feature, made))
                said = "" if any(a.right for a in left) else beside(fault, feature)
                return sentence((fault,), f"{where}: {said}" if said else where, explains, search)
    return None


def alone(search: Search, at: Place) -> Iterator[Fault]:
    """Each mistake that gives a certain array; at last those that are made in some steps alone."""
    by_size = set(search.by_size)  # of which another rule may be the one
    leads = [fault for fault in search.leads if fault not in by_size]
    yield from (fault for (fault,) in search.longer((), at, leads))
    of_steps = (fault for fault in search.narrow if fault.within in STEPS)
    yield from (fault for fault in of_steps if not search.work.over and search.leads_on((fault,), at))


def partly_in_some_calls(search: Search) -> Finding | None:
    """The same of what is wrong alone, where others are right; None if no mistake gives all but what is so."""
    if among := wrong_ones(search):
        return partly(among, right=[a for a in (*search.climbed, *search.fresh) if a.right])
    return None


def wrong_ones(search: Search) -> Among | None:
    """The search among the answers that are wrong; None where all are, or some of these are none."""
    among = Among(search, lambda a: not a.right)
    some = len(among.climbed) < len(search.climbed)
    return among if some and all(a.given is not None for a in among.climbed) else None


def where_numbers(search: Search) -> Finding | None:
    """A mistake that gives all answers that are numbers, where others are none; None if none does. As much work again.

    What gives NaN may do so by another mistake, which says nothing of its numbers.
    """
    among = Among(search, lambda a: not a.lacks_numbers)
    wrong = sum(not a.right for a in among.climbed)
    if len(among.climbed) == len(search.climbed) or wrong < FEWEST:
        return None
    faults = among.found() or among.one_of(among.narrow)
    if not faults:
        return None
    return sentence(faults, "; where it gives no number, it is wrong in another way", wrong, search)


def sentence(faults: Sequence[Fault], where: str, explains: int, search: Search) -> Finding:
    """What is said about mistakes that are not always made, the last of them first; where: behind their titles.

    It is no name: other answers tell. So it is a sentence that was measured, with the change that gives the answers of
    which it is so.
    """
    *others, fault = faults
    told = "".join(f", beside that {other.title}" for other in others) + where
    patch = "\n".join(one.patch() for one in faults if one is not HABIT)
    return Finding(
        "measured.partly", fault.title + told, patch, explains, search.telling, MEASURED,
        seen=list(fault.seen), hint=fault.hint and fault.hint + told,
    )  # fmt: skip


def what_else(left: Sequence[Answered], feature: str, made: int) -> str:
    """What answers are, all of them where a thing is so, that a mistake does not give; made: how many it gives there.

    Those that are wrong may be so by another mistake, or by this one in another way: nobody knows. One alone that is
    given may be that of another mistake, too, where a format is short.
    """
    right, times = [a.right for a in left], "at times " * (made >= FEWEST)
    if all(right):
        return f"; where {feature}, it is at times right" if made else f", but not where {feature}"
    if right.count(True) >= FEWEST:
        return f"; where {feature}, it is {times}right, or wrong in another way"
    return f"; where {feature}, it is {times}wrong in another way"


def gives(search: Search, fault: Fault, answered: Answered) -> bool:
    """Whether a mistake gives an answer."""
    return search.given((fault,), answered) == answered.count


def count(feature: str, answers: Sequence[Answered]) -> int:
    """How many of some cases are so."""
    return sum(FEATURES[feature](a.probe.case) for a in answers)


def holds_but_where(search: Search, fault: Fault, feature: str) -> bool:
    """Whether a mistake gives wrong answers where a thing is not so, and all fresh ones there."""
    others = [a for a in (*search.climbed, *search.fresh) if not FEATURES[feature](a.probe.case)]
    wrong = [a for a in others if not a.right]
    enough = bool(search.fresh) and len(wrong) >= FEWEST
    holds = enough and all(gives(search, fault, a) for a in others) and not search.work.over
    # that it is made in a part alone shows where it would give something else if it were made everywhere
    return holds and not (fault.within and all(gives(search, replace(fault, within=""), a) for a in others))
