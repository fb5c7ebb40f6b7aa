"""The target as a property sees it: something to call with a case."""

from __future__ import annotations

import math
import warnings
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from conformance.claims.allowed import drawn, in_own_layout, taken
from conformance.claims.capabilities import Capabilities
from conformance.harness.answer import Answer, Problem
from conformance.harness.call import Call
from conformance.harness.child import parts
from conformance.harness.load import Target
from conformance.harness.local import Cotangents, copy_case
from reference_rnn import Arithmetic, Ball, Case, Config, Result, forward, result_shapes
from strategies.cases import shares_parameters
from strategies.forms import PLAIN, answered, cotangent_as_asked

from .call_log import Record
from .coverage import areas_of
from .oracle import CannotTell, CaseRefused, Failure, Run, fail, free_bounds, is_void, verifies, void_layers
from .shape_recovery import Reader


class Subject:
    """Calls a target and reads its answers; one instance of the target serves one property.

    claims  of the target's, those that count; all of them if not given
    record  what this instance was given, and what it answered;  by: its name, where there are several
    form    in which it is asked: properties know nothing of it
    backward  how many cases of gradients were void, and how many were not
    verified  how many cases verify at least one number of an array, by its name, the cell and the dtype
    suspected  what looks wrong where nobody can tell, a sentence each, by what it is about
    measures  whether calls are made to see how far rounding goes
    anew    whether every call is given new arrays, see Record;  fresh: whether a new instance gets a new process
    answered  whether any call returned, of any instance
    spare   how many sets of parameters it may be asked that are not shared, see Property;  others: those that it was
    """

    by = ""

    def __init__(self, target: Target, claims: Capabilities | None = None, anew: bool = False) -> None:
        self.target = target
        self.anew = anew
        self.fresh = False
        self.capabilities = claims or target.capabilities
        self.allowed = taken(self.capabilities)
        self.reader = Reader()
        self.coverage: Counter[str] = Counter()
        self.void_areas: Counter[str] = Counter()
        self.backward: Counter[str] = Counter()
        self.verified: Counter[tuple[str, str, str]] = Counter()
        self.record = Record(anew)
        self.form = PLAIN
        self.spare: float = 0 if self.capabilities.recompiles == "model" else math.inf
        self.others: set[tuple[Any, ...]] = set()
        self.suspected: dict[str, str] = {}
        self.measures = False
        self.answered = False

    def restart(self) -> None:
        """A new instance of the target; raises Failure if it cannot be built."""
        self.reader = Reader()
        self.record = Record(self.anew)
        if self.fresh:
            self.target.stop()
        problem = self.target.start()
        if problem:
            raise Failure(kind_of_problem(problem), describe_problem(problem))

    @property
    def module(self) -> str:
        """The module that the target is, as this interpreter imports it; empty for what is none."""
        return self.target.module

    def arithmetic(self, case: Any) -> Arithmetic:
        """What rounding is allowed to the target in this case."""
        return self.capabilities.rounding(case.config.dtype)

    def takes(self, case: Case) -> bool:
        """Whether the target claims to run a case of this kind and size; what else it claims, a property asks for."""
        deep = case.config.num_layers > self.allowed.max_layers
        fits = not (deep or self.allowed.lacks_sizes(case))
        return fits and self.allowed.admits_kind(case) and self.takes_parameters(case)

    def takes_parameters(self, case: Case) -> bool:
        """Whether its parameters are those that all cases of a configuration share, or among the few others."""
        if self.spare == math.inf or self.is_shared(case):
            return True
        own = (case.config, *(array.tobytes() for array in case.parameters.values()))
        if len(self.others) < self.spare:
            self.others.add(own)
        return own in self.others

    def is_shared(self, case: Case) -> bool:
        """Whether a case has one of the configurations that are drawn, with the parameters that all its cases share."""
        c = case.config
        plain = Config(c.cell, c.input_size, c.hidden_size, c.num_layers, c.bidirectional, c.bias, dtype=c.dtype)
        return c == plain and drawn(self.capabilities).admits_kind(case) and shares_parameters(case, self.allowed)

    def flushed(self, case: Case) -> float:
        """How large a number may be that the target is allowed to read as zero."""
        a = self.arithmetic(case)
        return a.eta if a.flushes else 0.0

    def answer(self, case: Case) -> Answer:
        """What the target returned, as it is.

        Raises Failure if it returned nothing usable, CaseRefused if it does not claim to run such a case.
        """
        if not self.takes(case):
            raise CaseRefused
        return self.make("forward", self.asked(case), {})

    def gradients(self, case: Any, cotangents: Cotangents) -> Answer:
        """The gradients that the target returned, as they are; raises like ``answer``."""
        if not self.takes(case):
            raise CaseRefused
        asked = self.asked(case)
        d = {
            name: None if array is None else cotangent_as_asked(asked, case, name, array)
            for name, array in cotangents.items()
        }
        return self.make("gradients", asked, d)

    def asked(self, case: Case) -> Case:
        """A case in the form in which the target is asked."""
        return in_own_layout(self.form.ask(case), self.capabilities)

    def make(self, do: str, case: Any, cotangents: Cotangents, in_place: bool | None = None) -> Answer:
        """Makes a call, unless the record says that it is left out: then the answer is the one that it has.

        in_place: see Call; None where the record says so
        """
        in_place = self.record.in_place if in_place is None else in_place
        in_place = in_place and self.target.observes_memory and not self.record.anew
        call = Call(do, case, cotangents, self.record.count, self.measures, in_place)
        if self.record.plain:
            call = call.plain()
        answer = self.record.remembered()
        if answer is None:
            answer = call.make(self.target)
        self.record.add(call, answer)
        self.answered |= answer.problem is None
        return usable(answer)

    def __call__(self, case: Case) -> Run:
        """The target's numbers for a case; raises Failure if there are none."""
        return self.read(case, self.answer(case))

    @np.errstate(invalid="ignore")  # what was never written may be a NaN that signals
    def read(self, case: Case, answer: Answer) -> Run:
        """An answer as a run of the case that was meant; shapes that can be made out are put right."""
        parts, misread, asked = {}, [], self.asked(case)
        shapes = result_shapes(asked)
        for name in answer.arrays:
            array = self.shaped(answer, name, shapes[name].sizes)
            try:
                parts[name], sentence = self.reader.read(name, array, asked)
            except ValueError as error:
                fail(f"shape:{name}", str(error))
            misread += [sentence] if sentence else []
        unseen = self.unseen(case, parts)
        if unseen:
            known = forward(asked.replace(training=asked.training and asked.config.dropout == 1))
            parts |= {name: getattr(known, name) for name in unseen}
        result = Result(**{name: np.asarray(array, dtype=np.float64) for name, array in parts.items()})
        calls = (self.record.call_of(answer) or Call("forward", asked),)
        run = Run(
            asked, result, self.arithmetic(case), lambda: self.free_bounds(case), tuple(misread), calls, self.by,
            unseen=unseen,
        )  # fmt: skip
        return self.meant(run, case)

    def shaped(self, answer: Answer, name: str, must: tuple[int, ...]) -> np.ndarray:
        """An array of an answer; a list without elements cannot say its shape, and has the one that it must have."""
        array = answer.arrays[name]
        listed = answer.dtypes.get(name) is None and self.target.observes_memory
        return array.reshape(must) if listed and array.size == 0 == math.prod(must) else array

    def unseen(self, case: Case, parts: Collection[str]) -> tuple[str, ...]:
        """The results that the target does not show; raises Failure if one is missing that it shows."""
        for name in result_shapes(case):
            if name not in parts and name in self.capabilities.outputs:
                fail("array", f"{name} is None, must be an array")
        return tuple(name for name in result_shapes(case) if name not in parts)

    def meant(self, run: Run, case: Case) -> Run:
        """The run of a case as it was asked, as that of the case itself, of which it has the radii."""
        if run.case is case:
            return run
        asked, bounds = run.case, run.bounds
        moved = run.map(case, lambda numbers: numbers.map(lambda name, array: answered(asked, case, name, array)))
        return replace(moved, bounds=bounds)

    def free_bounds(self, case: Case) -> Result | None:
        """The radii of a whole run of a case; None where every number is exact."""
        return free_bounds(case, self.arithmetic(case))

    def expected(self, case: Case) -> Run:
        """What the reference makes of a case, and how far rounding may move the target from it."""
        return Run(case, forward(case), self.arithmetic(case), lambda: self.free_bounds(case), by="the reference")

    def second_opinion(self, forward: Callable, case: Case, by: str) -> Run:
        """What another implementation, called in this process, makes of a case."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it is the target that is judged
            arrays = parts(forward(copy_case(case)), case)
        result = Result(**{name: np.asarray(array, dtype=np.float64) for name, array in arrays.items()})
        allowed = self.arithmetic(case)
        return Run(case, result, allowed, lambda: free_bounds(case, allowed), by=by)

    def cover(self, case: Case, balls: Result | None = None) -> None:
        """Counts what a case exercised; a case that is void in some layer only counts as void.

        balls: of the results, where a case can be void
        """
        areas, void = self.covered(self.asked(case)), balls is not None and any(void_layers(balls, case))
        self.coverage.update(["void"] if void else areas)
        self.void_areas.update(areas if void else [])
        if balls is not None:
            self.verify(case, dict(balls.items()))

    def cover_gradients(self, case: Case, balls: Mapping[str, Ball]) -> None:
        """Counts a case of gradients, as void where some gradient is, and of which arrays it verifies any number."""
        self.backward["void gradients" if any(map(is_void, balls.values())) else "gradients"] += 1
        self.verify(case, balls, "the gradient of ")

    def verify(self, case: Case, balls: Mapping[str, Ball], of: str = "") -> None:
        """Counts by array, cell and dtype whether a case verifies a number; an array of zeros is left out.

        of: what the balls are of an array, in words
        """
        for name, ball in balls.items():
            if ball.mid.any():
                array = f"{of}{name.partition('_l')[0]}"
                self.verified[array, str(case.config.cell), case.config.dtype] += verifies(ball)

    @property
    def unverified(self) -> set[tuple[str, str]]:
        """The cells and dtypes of which some array was met in balls alone that verify nothing."""
        return {(cell, dtype) for (_, cell, dtype), cases in self.verified.items() if not cases}

    def covered(self, case: Case) -> list[str]:
        """The areas that a case exercises in the form in which it is asked."""
        return areas_of(case)


def usable(answer: Answer) -> Answer:
    """An answer; raises Failure if it is a problem, CannotTell if it is a refusal."""
    if answer.problem and answer.problem.kind == "refused":
        raise CannotTell(describe_problem(answer.problem))
    if answer.problem:
        fail(kind_of_problem(answer.problem), describe_problem(answer.problem), problem=answer.problem)
    return answer


def kind_of_problem(problem: Problem) -> str:
    """What tells a problem from others, as the kind of a failure: "raised:ValueError"."""
    return f"{problem.kind}:{problem.exception}" if problem.exception else problem.kind


def describe_problem(problem: Problem) -> str:
    """A problem in a sentence, with the place in the target's own code."""
    where = f" ({problem.where[-1]})" if problem.where else ""
    return f"{problem.message}{where}" if problem.kind in ("arity", "array") else f"the target {problem.message}{where}"
