"""The search for the mistakes of one cell: which changes of the reference give the target's numbers.

Answers are climbed like a ladder, the smallest network first, and in each answer output before final states. A mistake
that gives the first wrong array is kept as long as it gives those above it too; where it ends, another is looked for
that, beside it, gives the next. So two mistakes are found one after the other, wherever one of them shows first.

Nothing is named that does not give every answer, and those to cases that no part of the search has seen.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, lru_cache
from itertools import chain, combinations, islice, product
from typing import NamedTuple

import numpy as np

from conformance.faults import FAULTS
from conformance.faults.backward import backward
from conformance.faults.blocks import blocks, blocks_back
from conformance.faults.chunks import chunks, chunks_back
from conformance.faults.handed_back import handed_back
from conformance.faults.keeping import keeping
from conformance.faults.operators import clipped, derived
from conformance.faults.other_calls import other_calls, other_calls_back
from conformance.faults.parts import Share, extent
from conformance.faults.patching import Fault, FaultyReference, PatchError
from conformance.faults.stored import stored, stored_back
from conformance.faults.wiring import narrowly, packed, wiring
from conformance.faults.within import beside_blocks, within
from conformance.harness.load import open_target
from conformance.judging.subject import Subject
from reference_rnn import Cell

from .curves import plain
from .dropout import drops
from .faulty import FaultyTarget
from .probes import Answered, Arrays, Fresh, Probe, forward_is_wrong
from .work import Work

Faults = tuple[Fault, ...]
Turn = Iterator[tuple[Answered, Arrays | None]]
# No mistake alone, and what a mistake about padding shows depends on it.
HABIT = Fault(
    "padding-read-as-zero", "the padding of x is read as zero, which by itself is no mistake", "padding", "forward",
    "plain = time_major(case.check())", "plain = without_padding(time_major(case.check()))", (),
)  # fmt: skip
Family = Callable[[Cell], Mapping[str, Fault]]
# Those that follow from the equations and the loops.
FORWARD: tuple[Family, ...] = (derived, lambda cell: wiring(), packed, lambda cell: other_calls())
BACKWARD: tuple[Family, ...] = (backward, lambda cell: other_calls_back())
DEPTH = 3  # mistakes at once
TRIES = 4  # evaluations for each mistake that is tried alone
ON_BALLS = 4  # what one on balls is worth
BOUNDS = 6  # numbers that are taken for bounds
BEAM = 4  # of the beginnings that lead farthest, for each number of mistakes
DOUBTFUL = 100  # wrong answers to fresh cases of which one may be such that rounding leads anywhere
DRAWS = 3  # draws of the last bit of all that goes in, which show how far rounding leads
MANY_DRAWS = 24  # the same where bits are cut off, which the last ones move seldom, and then far
NATIVE = ("float16", "float32")  # dtypes of NumPy in which more is rounded than in the reference's own
ROUNDING = 32.0  # times what one draw moves: as many roundings as a step of these networks has
ALIKE = 0.9  # how nearly parallel deviations are of mistakes that look the same, and how well their places agree


class Place(NamedTuple):
    """How far mistakes lead: up to an answer, and in that up to an array."""

    rung: int
    array: int


class Search:
    """The search for the mistakes of one cell.

    answered  all answers of one instance, in the order in which they were asked for, those of the ladder before others
    passed    the properties that the target passes
    fresh     asks the same instance for answers to cases that nothing here was found by, and notes them in its sequence
    """

    def __init__(
        self, answered: Sequence[Answered], cell: Cell, passed: Collection[str], work: Work, fresh: Fresh
    ) -> None:
        self.passed = set(passed)
        self.work = work
        self.budget = self.spare = work.left  # spare: to compare rules, once for each time there is work again
        self.cell = cell
        mine = [a for a in answered if a.probe.case.config.cell == cell]
        self.forward_wrong = forward_is_wrong(mine)
        # where forward is wrong, gradients are those of another function
        mine = [a for a in mine if a.probe.d is None or not self.forward_wrong]
        heard = [a for a in mine if a.given is not None]
        # what gives no result tells something only where all that is wrong is that
        mine = mine if all(a.right for a in heard) else heard
        rungs = [a for a in mine if a.probe.rung]
        self.climbed = [*rungs, *sorted((a for a in mine if not a.probe.rung), key=lambda a: a.probe.size)]
        self.telling = sum(not a.right for a in mine)
        self.ask_fresh = fresh
        self.leads: Sequence[Fault] = ()
        self.worked_out: dict[Family, list[Fault]] = {}
        self.of_one: dict[tuple[Fault, int], Arrays | None] = {}  # what ``alone`` has found
        self.counted: dict[tuple[Answered, Faults, bool], int] = {}  # what ``given`` has found
        self.extents: dict[tuple[str | Share, Answered], bool | None] = {}  # of parts, in the networks of answers

    @cached_property
    def fresh(self) -> list[Answered]:
        """Answers to cases by which nothing was found."""
        return self.comparable(self.ask_fresh(self.cell, self.forward_wrong))

    @cached_property
    def fresh_again(self) -> list[Answered]:
        """The same for calls of which several have the same sizes: what is kept between calls shows there."""
        return self.comparable(self.ask_fresh(self.cell, self.forward_wrong, again=True))

    def comparable(self, found: list[Answered]) -> list[Answered]:
        """Answers without those that are none, where these are left out."""
        heard = all(a.given is not None for a in self.climbed)
        return [a for a in found if a.given is not None or not heard]

    @property
    def faults(self) -> Iterator[Fault]:
        """What may be the mistake: those with a story, then those that follow from the equations and the loops.

        Those that follow are worked out when they are asked for, which is where no story is the mistake.
        """
        yield from self.told
        for family in FORWARD if self.forward_wrong else BACKWARD:
            if family not in self.worked_out:
                self.worked_out[family] = self.possible(family(self.cell))
            yield from self.worked_out[family]

    @cached_property
    def narrow(self) -> list[Fault]:
        """Too many to be tried beside others: those that go by size, or are made in some layers or steps alone.

        And values that are cut off where the answers end.
        """
        cut_off = (fault for bound in self.bounds for fault in clipped(self.cell, bound))
        families = (narrowly, stored) if self.forward_wrong else (handed_back, stored_back)
        loops = chain(*(family().values() for family in families), self.by_size)
        cases = [a.probe.case for a in self.climbed]
        both, deep = any(c.config.bidirectional for c in cases), any(c.config.num_layers > 1 for c in cases)
        return [*cut_off, *loops, *within(self.faults, both, deep, any(c.num_steps > 1 for c in cases))]

    @property
    def bounds(self) -> list[float]:
        """The largest number of each kind of state that wrong answers have, where it must be larger."""
        found: dict[float, None] = {}
        for a in self.climbed if self.forward_wrong else ():
            for name, array in (a.given or {}).items() if not a.right else ():
                largest, wanted = (abs(each).max(initial=0) for each in (array, a.expected.get(name, array)))
                if 0 < largest < wanted:
                    found[plain(float(largest))] = None
        return list(found)[:BOUNDS]

    @property
    def by_size(self) -> Collection[Fault]:
        """Those that go by size: of several that give all answers, none is known to be the mistake."""
        measured = (f for f in self.leads if f.fault_class == "second-path" or isinstance(f.within, Share))
        families = (blocks(), chunks()) if self.forward_wrong else (blocks_back(), chunks_back())
        return [*(fault for family in families for fault in family.values()), *measured]

    @cached_property
    def told(self) -> list[Fault]:
        """Those with a story."""
        return self.possible(FAULTS)

    def possible(self, family: Mapping[str, Fault]) -> list[Fault]:
        """Those of a family that may be the mistake."""
        return [
            fault for fault in family.values()
            if fault.about(self.cell) and fault.backward_only == (not self.forward_wrong)
            # no number shows that inputs are changed, and the answers are needed again
            and fault.fault_class != "changed-inputs" and not self.passed & set(fault.killed_by)
        ]  # fmt: skip

    def found(self, likely: Sequence[Fault] = ()) -> Faults:
        """The mistakes that give all answers; likely ones are tried first. () if there are none.

        One alone that depends on no other call is soonest told. What depends on the calls before takes all of these.
        """
        first = self.end(())
        if first == self.top:
            return ()
        likely = [fault for fault in likely if fault.about(self.cell)]
        for fault in (*likely, *self.told):
            if not fault.stateful and self.leads_on((fault,), first) and self.is_all((fault,)):
                return (fault,)
        for fault in (*likely, *self.told, *self.possible(keeping())):
            if fault.stateful and self.explains_in_sequence(fault):
                return (fault,)
        return self.climb(likely)

    def again(self, leads: Sequence[Fault]) -> Faults:
        """The same with as much work again, and with mistakes that nobody has written down."""
        self.work, self.spare = Work(self.budget, self.work.deadline), self.budget
        self.leads = leads
        return self.climb(leads) if self.end(()) != self.top else ()

    def beside_blocks(self, parts: Sequence[Share]) -> Faults:
        """The mistake that gives all answers where it is made in one of some parts alone; () if there is none.

        Of parts that are the same in the first wrong answer, one shows there what all of them do.
        """
        faults, measured, leads = list(self.faults), self.leads, list[Fault]()
        self.work = Work(max(self.budget, TRIES * len(faults) * len(parts)), self.work.deadline)
        at = self.end(())
        if at == self.top:
            return ()
        by_numbers: dict[bytes, list[Share]] = {}
        for part in dict.fromkeys(parts):
            by_numbers.setdefault(part.numbers(self.climbed[at.rung].probe.case), []).append(part)
        for alike in by_numbers.values():
            for made in zip(*(beside_blocks(faults, [part]) for part in alike), strict=True):
                if self.work.over:
                    self.leads = measured
                    return ()
                self.leads = [*measured, *made]
                if any(self.leads_on((*habit, made[0]), at) for habit in self.habits):
                    leads += made
        self.leads = [*measured, *leads]
        return self.one_of(leads) if leads else ()

    def climb(self, likely: Sequence[Fault]) -> Faults:
        """The mistakes, none of which depends on the calls before, that give all answers, one found after another."""
        return self.climb_on(self.beginnings([((), self.end(()))], likely), DEPTH - 1, likely)

    def climb_on(
        self, beginnings: Iterable[tuple[Faults, Place]], more: int = 0, likely: Sequence[Fault] = ()
    ) -> Faults:
        """Those mistakes of some that give all answers, or these with others; () if none do.

        beginnings: with the place beyond which each leads;  more: how many others at most
        """
        for _ in range(more + 1):
            reached: list[tuple[Faults, Place]] = []
            for faults, at in beginnings:
                end = self.end(faults)
                if end == self.top and self.holds(faults) and self.is_the_only(faults):
                    return faults
                if at < end < self.top:
                    reached.append((faults, end))
            beginnings = self.beginnings(sorted(reached, key=lambda entry: entry[1], reverse=True)[:BEAM], likely)
        return ()

    def two_at_once(self) -> Faults:
        """The mistakes that give all answers, of which two show in the first that is wrong; () if there are none.

        With as much work again. Where one alone leads on from there, all of these were tried with others.
        """
        self.work = Work(self.budget, self.work.deadline)
        at = self.end(())
        if at == self.top or any(self.longer((), at, ())):
            return ()
        return self.climb_on(((pair, at) for pair in self.pairs(at)), DEPTH - 2)

    def pairs(self, at: Place) -> Iterator[Faults]:
        """Each two mistakes that give a certain array together; of those that are alike alone, one stands for all."""
        alike: dict[tuple[bytes, ...], list[Fault]] = {}
        for fault in self.faults:
            if not fault.stateful and self.acts(fault, at.rung):
                answer = self.alone(fault, at.rung) or {}
                alike.setdefault(tuple(array.tobytes() for array in answer.values()), []).append(fault)
        for these, those in combinations(alike.values(), 2):
            if self.work.over:
                return
            if self.leads_on((these[0], those[0]), at):
                yield from (pair for pair in product(these, those) if self.leads_on(pair, at))

    def one_of(self, leads: Collection[Fault], more: int = 0) -> Faults:
        """One of some mistakes that gives all answers, by itself or beside a habit; () if none does.

        more: else beside so many others of those that are always tried
        """
        self.work, self.spare = Work(max(self.budget, TRIES * len(leads)), self.work.deadline), self.budget
        at = self.end(())
        if at == self.top:  # no mistake is needed to give what is wrong by so little
            return ()
        each = ((*begun, fault) for begun in self.habits for fault in leads if not self.work.over)
        return self.climb_on(((faults, at) for faults in each if self.leads_on(faults, at)), more)

    @cached_property
    def habits(self) -> list[Faults]:
        """Beside what one mistake may give all answers: nothing, or a habit that counts where some rows end early."""
        return [(), (HABIT,)] if any(a.probe.case.lengths is not None for a in self.climbed) else [()]

    def is_the_only(self, faults: Faults) -> bool:
        """Whether each of these mistakes that goes by size gives the answers at more sizes, and no other rule does.

        But one that is the same here, as what counts steps in the order of computing where there is one direction.
        Two mistakes in the same part go by the same rule. Where no work is left to compare them, none is known to be
        the only one.
        """
        rules, at = [fault for fault in faults if fault in self.by_size], self.end(())
        if rules:  # what is the same has to be compared to the last bit
            self.work, self.spare = Work(self.work.left + self.spare, self.work.deadline), 0
            mine = [self.answer(faults, a) for a in self.at_all_sizes]
        for rule in rules:
            others = tuple(fault for fault in faults if fault is not rule)
            if not self.holds_at_sizes(faults):
                return False
            here = rule.within
            rivals = ((*others, one) for one in self.by_size if one is not rule and not (here and one.within == here))
            apart = (one for one in rivals if self.leads_on(one, at) and not self.is_the_same(one, mine))
            if any(self.is_all(one) and self.holds_at_sizes(one) for one in apart):
                return False
        return not rules or not self.work.over

    @cached_property
    def at_sizes(self) -> list[Answered]:
        """Answers at sizes that tell rules apart."""
        return self.comparable(self.ask_fresh.at_sizes(self.cell, self.forward_wrong))

    @property
    def at_all_sizes(self) -> list[Answered]:
        """The answers by which rules are the same or not."""
        return [*self.at_sizes, *self.climbed]

    def holds_at_sizes(self, faults: Faults) -> bool:
        """Whether these mistakes give the answers at these sizes, of which there must be some."""
        return bool(self.at_sizes) and all(self.given(faults, a) == a.count for a in self.at_sizes)

    def is_the_same(self, faults: Faults, mine: Sequence[Arrays | None]) -> bool:
        """Whether some mistakes give what others do, bit for bit: at these sizes, and by which they were found."""
        theirs = (self.answer(faults, a) for a in self.at_all_sizes)
        return all(a is not None and b is not None and same_numbers(a, b) for a, b in zip(theirs, mine))

    def with_habits(self, level: list[tuple[Faults, Place]]) -> Iterator[tuple[Faults, Place]]:
        """Some beginnings, and the same with a habit that counts where rows end before others."""
        for begun, at in level:
            yield begun, at
            if self.climbed[at.rung].probe.case.lengths is not None and HABIT not in begun:
                yield (*begun, HABIT), at

    def beginnings(self, level: list[tuple[Faults, Place]], likely: Sequence[Fault]) -> Iterator[tuple[Faults, Place]]:
        """Longer ones, each with the place beyond which it leads."""
        for begun, at in self.with_habits(level):
            if begun and begun[-1] is HABIT and self.leads_on(begun, at):
                yield begun, at
            for faults in self.longer(begun, at, likely):
                yield faults, at

    def longer(self, begun: Faults, at: Place, likely: Sequence[Fault]) -> Iterator[Faults]:
        """Some mistakes and another one that give a certain array."""
        for fault in chain(likely, (fault for fault in self.faults if fault not in likely)):
            if self.work.over:
                return
            if fault in begun or fault.stateful or (begun and not self.acts(fault, at.rung)):
                continue
            if self.leads_on((*begun, fault), at):
                yield (*begun, fault)

    def leads_on(self, faults: Faults, at: Place) -> bool:
        """Whether these mistakes give a certain array, and those before it of the same answer."""
        return self.given(faults, self.climbed[at.rung]) > at.array

    def acts(self, fault: Fault, rung: int) -> bool:
        """Whether a mistake, alone, changes a certain answer."""
        answer = self.alone(fault, rung)
        return answer is None or not same_numbers(answer, self.climbed[rung].expected)

    def alone(self, fault: Fault, rung: int) -> Arrays | None:
        """What the reference with a mistake alone answers to a certain call."""
        key = fault, rung
        if key not in self.of_one:
            self.of_one[key] = self.answer((fault,), self.climbed[rung])
        return self.of_one[key]

    @property
    def top(self) -> Place:
        """The place above all answers."""
        return Place(len(self.climbed), 0)

    def end(self, faults: Faults) -> Place:
        """The place of the first array that these mistakes do not give; the top if they give all."""
        for rung, answered in enumerate(self.climbed):
            if self.work.over:
                return Place(0, 0)
            if (given := self.given(faults, answered)) < answered.count:
                return Place(rung, given)
        return self.top

    def is_all(self, faults: Faults) -> bool:
        """Whether these mistakes give all answers, and those to fresh cases."""
        return self.end(faults) == self.top and self.holds(faults)

    def holds(self, faults: Faults) -> bool:
        """Whether they give the answers to fresh cases, too, of which there must be some.

        A few may be such that rounding leads anywhere: where numbers cancel, it leads as far as a mistake in the last
        bits, and what a mistake makes of last bits may be large.
        """
        most = len(self.fresh) // DOUBTFUL
        missed = list(islice((a for a in self.fresh if self.given(faults, a) < a.count), most + 1))
        holds = bool(self.fresh) and len(missed) <= most and all(self.may_give(faults, a) for a in missed)
        return holds and self.drop_alike(faults)

    def drop_alike(self, faults: Faults) -> bool:
        """Whether those of these mistakes that are about dropout drop as the target does, as far as that can be seen.

        No answer tells that has numbers that were drawn.
        """
        drawing = [fault for fault in faults if fault.fault_class == "dropout"]
        if not drawing:
            return True
        its = self.ask_fresh.subject
        targets = its.target, open_target(FaultyTarget(*drawing, cells=(self.cell,)))
        seen = [drops(Subject(target, its.capabilities, anew=True), self.cell) for target in targets]
        return None in seen or seen[0] == seen[1]

    def may_give(self, faults: Faults, answered: Answered) -> bool:
        """Whether a wrong answer is what these mistakes give but for rounding, and no nearer to what is right.

        It is much nearer to what they give where rounding leads farther than it usually does.
        """
        answer = self.answer(faults, answered)
        if answered.right or answered.given is None or answer is None:
            return False
        near = answered.alike(answer) and answered.off(answer) <= answered.off(answered.expected)
        if not (near or answered.is_of(answer)):
            return False
        return answered.agreeing(answer, self.rounding(faults, answered, MANY_DRAWS)) == len(answered.given)

    def given(self, faults: Faults, answered: Answered) -> int:
        """How many arrays of an answer these mistakes give, but for rounding, up to the first that they do not.

        Where there is no answer: 1 if these mistakes give none either, else 0. Where an answer is right no more is
        allowed for rounding than to the reference: what these mistakes make of last bits may be large. So where
        one is wrong it must be nearer to what they give than to what is right.
        """
        measured = any(fault in self.leads for fault in faults)
        faults = self.as_made(faults, answered)
        if not faults and answered.right:
            return answered.count
        key = answered, faults, measured
        if key not in self.counted:
            self.counted[key] = self.count(faults, answered, measured)
        return self.counted[key]

    def as_made(self, faults: Faults, answered: Answered) -> Faults:
        """The mistakes as they are made in a call: what has no part in it is left out.

        One in a part that is all of its network is made everywhere there, and one in a part that is nothing of it is
        none. That is said of one alone: others may change what there is.
        """
        case = answered.probe.case
        faults = tuple(fault for fault in faults if fault is not HABIT or case.lengths is not None)
        made = [fault for fault in faults if fault is not HABIT]
        if len(made) != 1 or not made[0].within:
            return faults
        (fault,) = made
        key = fault.within, answered
        if key not in self.extents:
            self.extents[key] = extent(fault.within, case)
        if self.extents[key] is None:
            return faults
        everywhere = replace(fault, within="")
        return tuple(everywhere if one is fault else one for one in faults if self.extents[key] or one is not fault)

    def count(self, faults: Faults, answered: Answered, measured: bool) -> int:
        """The same, worked out; measured: whether some of these mistakes were."""
        answer = self.answer(faults, answered)
        if answered.given is None or answer is None:
            return int(answered.given is answer)
        given, all_of_it = answered.agreeing(answer), len(answered.given)
        if given == all_of_it or answered.right or not answered.alike(answer):
            return given
        if answered.is_of(answer):
            given = answered.agreeing(answer, self.rounding(faults, answered))
            if given < all_of_it and measured:
                reach = self.reach(faults, answered) or self.rounding(faults, answered, MANY_DRAWS)
                given = answered.agreeing(answer, reach)
        elif measured and answered.off(answer) <= answered.off(answered.expected):
            given = max(given, answered.agreeing(answer, self.reach(faults, answered)))
        return given

    @np.errstate(all="ignore")
    def rounding(self, faults: Faults, answered: Answered, draws: int = DRAWS) -> Arrays:
        """How far rounding may lead what these mistakes give.

        As far as the last bits of all that goes in move it, as often as a step rounds; as far as it is led where all is
        computed in the dtype; and as far as the reference's rounding leads anywhere, since the same numbers may be
        rounded in another place. A gradient may be what is left of much larger ones, which show among the others: it
        may err as far as any of them. What ends the range of the dtype may be anything.
        """
        ask = lambda probe: self.answer(faults, Answered(probe, None, {}, answered.arithmetic))  # noqa: E731
        others = [ask(shaken(answered, seed)) for seed in range(draws)]
        dtype = answered.probe.case.config.dtype
        native = dtype in NATIVE and all(one is not None for one in others)
        own = self.ask(reference_with(faults, dtype), answered) if native else None
        base = ask(answered.probe) or {}
        room = spread(base, [*others, own], answered)
        ended = {name: np.isfinite(base[name]) & ~np.isfinite(array) for name, array in (own or {}).items()}
        return {name: np.where(ended.get(name, False), np.inf, array) for name, array in room.items()}

    @np.errstate(all="ignore")
    def reach(self, faults: Faults, answered: Answered) -> Arrays:
        """The radii of what these mistakes give on balls: a difference of two numbers loses more than last bits.

        Empty where something on the way does not compute on balls.
        """
        if answered.probe.d is not None:
            return {}
        self.work.spend(ON_BALLS)
        try:
            found = dict(reference_with(faults).forward(answered.probe.case, answered.arithmetic).items())
            return {name: np.where(np.isfinite(ball.rad), ball.rad, 0.0) for name, ball in found.items()}
        except Exception:
            return {}

    def explains_in_sequence(self, fault: Fault) -> bool:
        """Whether a mistake that depends on the calls before gives all answers, and those to fresh calls, too."""
        return self.repeats(fault, self.climbed) and bool(self.fresh_again) and self.repeats(fault, self.fresh_again)

    def repeats(self, fault: Fault, wanted: Sequence[Answered]) -> bool:
        """Whether a mistake gives some answers, asked from the beginning for all that the instance was asked for."""
        left = set(map(id, wanted))
        others = [self.in_turn(fault, seed) for seed in range(DRAWS)]
        for answered, answer in self.in_turn(fault):
            if self.work.over:
                return False
            if id(answered) in left and not answered.same(answer) and not magnified(answered, answer, others):
                return False
            left.discard(id(answered))
        return not left  # an answer that was given elsewhere is none of this sequence

    def in_turn(self, fault: Fault, seed: int | None = None) -> Turn:
        """All that the instance was asked for, and what one mistake answers; with a seed, with the last bits moved."""
        reference = FaultyReference(fault)
        for answered in self.ask_fresh.sequence:
            probe = answered.probe if seed is None else shaken(answered, seed)
            yield answered, self.ask(reference, replace(answered, probe=probe))

    def answer(self, faults: Faults, answered: Answered) -> Arrays | None:
        """What a reference with these mistakes answers; None where they do not fit, or it fails."""
        try:
            return self.ask(reference_with(faults), answered)
        except PatchError:
            return None

    @np.errstate(all="ignore")
    def ask(self, reference: FaultyReference, answered: Answered) -> Arrays | None:
        """What a faulty reference answers; None where it fails: a mistake may not work for every case."""
        self.work.spend()
        try:
            return answered.probe.ask(reference)
        except Exception:
            return None

    def alike(self) -> list[Fault]:
        """Up to two known mistakes that are wrong in the answers and places in which the target is, and as much."""
        scores = []
        for fault in self.told:
            if self.work.over:
                return []
            if not fault.stateful and (score := self.likeness(fault)) >= ALIKE:
                scores.append((score, fault))
        return [fault for _, fault in sorted(scores, key=lambda scored: -scored[0])[:2]]

    def likeness(self, fault: Fault) -> float:
        """How nearly parallel the deviations of a mistake and of the target are, or how well their places agree.

        The less of both counts; 0 if there is an answer that one gets right and the other does not.
        """
        cosines, places = [], []
        for answered in self.climbed:
            answer = self.answer((fault,), answered)
            if answer is None:
                return 0.0
            mine, theirs = deviation(answered, answered.given), deviation(answered, answer)
            here, there = mine != 0, theirs != 0
            if here.any() != there.any():
                return 0.0
            if here.any():
                cosines.append(float(mine @ theirs / (np.linalg.norm(mine) * np.linalg.norm(theirs))))
                places.append(float((here & there).sum() / (here | there).sum()))
        return min(float(np.mean(cosines)), float(np.mean(places))) if cosines else 0.0


class Among(Search):
    """The same search among some of its answers, those to fresh cases too, whatever passes; admits: which they are."""

    def __init__(self, search: Search, admits: Callable[[Answered], bool]) -> None:
        some = list(filter(admits, search.climbed))
        super().__init__(some, search.cell, (), Work(search.budget, search.work.deadline), search.ask_fresh)
        self.all = search
        self.admits = admits
        self.leads, self.counted = search.leads, search.counted

    @cached_property
    def fresh(self) -> list[Answered]:
        """Those of the answers to fresh cases that are among them."""
        return list(filter(self.admits, self.all.fresh))

    @cached_property
    def at_sizes(self) -> list[Answered]:
        """Those of the answers at other sizes that are among them; where none is, those to fresh cases."""
        return list(filter(self.admits, self.all.at_sizes)) or self.fresh

    @property
    def at_all_sizes(self) -> list[Answered]:
        """All of them: rules that are the same where something is so may be others elsewhere."""
        return self.all.at_all_sizes


def shaken(answered: Answered, seed: int) -> Probe:
    """A probe with the last bits of all that goes in moved."""
    generator, u = np.random.default_rng(seed), answered.arithmetic.u
    return answered.probe.turned(lambda a: a * (1 + u * generator.choice([-1.0, 1.0], a.shape)))


@np.errstate(all="ignore")
def spread(base: Arrays, others: Sequence[Arrays | None], answered: Answered) -> Arrays:
    """How far rounding may lead an answer, by what moved bits made of it.

    A number that they happen not to move may err as far as they move others of its array.
    """
    moved = {name: np.zeros(np.shape(array)) for name, array in base.items()}
    for other in others:
        for name, array in (other or {}).items():
            if np.shape(array) == moved[name].shape:
                moved[name] = np.maximum(moved[name], abs(array - base[name]))
    moved = {name: np.nan_to_num(array, posinf=0) for name, array in moved.items()}
    room = {name: np.maximum(ROUNDING * array, array.max(initial=0)) for name, array in moved.items()}
    largest = max(array.max(initial=0) for array in room.values()) if answered.probe.d is not None and room else 0.0
    return {name: np.maximum(array, largest) + answered.widest(name) for name, array in room.items()}


def magnified(answered: Answered, answer: Arrays | None, others: Sequence[Turn]) -> bool:
    """Whether rounding explains what is apart; others: with the last bits of all calls moved."""
    if answered.given is None or answer is None or not answered.alike(answer):
        return False
    if not answered.right and not answered.is_of(answer):
        return False
    moved = [next(given for each, given in other if each is answered) for other in others]
    return answered.agreeing(answer, spread(answer, moved, answered)) == answered.count


@lru_cache(maxsize=4096)
def reference_with(faults: Faults, dtype: str = "float64") -> FaultyReference:
    """The reference with some mistakes, which computes in a dtype; raises PatchError if they do not fit."""
    return FaultyReference(*faults, dtype=dtype)


@np.errstate(all="ignore")
def deviation(answered: Answered, answer: Arrays | None) -> np.ndarray:
    """How far an answer is from what is expected, where that is more than rounding."""
    parts = []
    for name, expected in answered.expected.items():
        value = (answer or {}).get(name)
        if value is None or np.shape(value) != expected.shape:
            value = expected
        apart = np.where(answered.close(name, np.asarray(value), expected), 0.0, value - expected)
        parts.append(np.clip(np.nan_to_num(apart), -10, 10).ravel())
    return np.concatenate(parts)


def same_numbers(one: Arrays, other: Arrays) -> bool:
    """Whether two answers are the same, bit for bit."""
    return one.keys() == other.keys() and all(np.array_equal(one[k], other[k], equal_nan=True) for k in one)
