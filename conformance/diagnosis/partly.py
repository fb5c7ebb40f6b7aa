"""A mistake that has a name and gives the target's numbers, but where a certain thing is so.

There it is not made, or another one is, that has no name.

That is no name, since the numbers there are others. It is said as what was measured, with where that is.
"""

from __future__ import annotations

from collections.abc import Sequence

from conformance.faults.patching import Fault

from .localisation import FEATURES, FEWEST
from .probes import Answered
from .search import Search
from .work import Work


def partly(search: Search) -> list[str]:
    """A mistake, and where it is not all, or not made; nothing if none gives all but what is so. As much work again."""
    search.work = Work(search.budget, search.work.deadline)
    at = search.end(())
    for (fault,) in search.longer((), at, ()) if at < search.top else ():
        if not shared([a for a in search.climbed if not gives(search, fault, a)]):
            continue
        asked = [*search.climbed, *search.fresh]
        left = [a for a in asked if not gives(search, fault, a)]
        for feature in sorted(shared(left), key=lambda name: count(name, asked)) if len(left) >= FEWEST else ():
            if holds_but_where(search, fault, feature):
                return [f"{fault.title}{what_else(left, feature)}"]
    return []


def what_else(left: Sequence[Answered], feature: str) -> str:
    """What the answers are, all of them where a thing is so, that a mistake does not give."""
    right = [a.right for a in left]
    if all(right):
        return f", but not where {feature}"
    if right.count(True) >= FEWEST:
        return f", but not where {feature}; something else is wrong, too"
    return f"; something else is wrong, too, where {feature}"


def gives(search: Search, fault: Fault, answered: Answered) -> bool:
    """Whether a mistake gives an answer."""
    return search.given((fault,), answered) == answered.count


def shared(answers: Sequence[Answered]) -> list[str]:
    """What the cases of all these answers are."""
    return [name for name, is_so in FEATURES.items() if all(is_so(a.probe.case) for a in answers)]


def count(feature: str, answers: Sequence[Answered]) -> int:
    """How many of some cases are so."""
    return sum(FEATURES[feature](a.probe.case) for a in answers)


def holds_but_where(search: Search, fault: Fault, feature: str) -> bool:
    """Whether a mistake gives wrong answers where a thing is not so, and all fresh ones there."""
    others = [a for a in (*search.climbed, *search.fresh) if not FEATURES[feature](a.probe.case)]
    wrong = [a for a in others if not a.right]
    enough = bool(search.fresh) and len(wrong) >= FEWEST
    return enough and all(gives(search, fault, a) for a in others) and not search.work.over
