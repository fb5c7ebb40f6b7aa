"""A driver that judges one property after another, in this process."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from conformance.events import Event, FailureFound, Judged, PropertyResult, Started
from conformance.harness.load import Target, TargetError, open_target
from conformance.judging.judge import judge, unjudged

from .counterexamples import saved_counterexample
from .interrupts import Interrupts
from .plan import Plan


def open_for_trial(target: Any, plan: Plan) -> Target:
    """The target, loaded and built once. Raises TargetError if that cannot be done."""
    found = open_target(target, in_process=plan.options.in_process, limits=plan.limits)
    problem = found.start()
    if problem:
        found.stop()
        raise TargetError(f"{found.name} {problem.message}; write a class without arguments, or name what is built")
    return found


def started(name: str, target: Target, plan: Plan) -> Started:
    """That a target is open; of the properties, those that say something about it are to be judged."""
    claims, seen = target.capabilities, target.observes_memory
    asked = [id for id, prop in plan.properties.items() if not unjudged(prop, claims, seen)]
    return Started(name, claims.as_dict(), asked, seen)


def judged_here(name: str, target: Target, plan: Plan, interrupts: Interrupts) -> Iterator[Event]:
    """The events of a trial of a target that is open; with ``stop_on_first``, up to the first failure.

    name: as it was given, by which its counterexamples are kept
    """
    options, judged = plan.options, dict[str, PropertyResult]()
    yield started(name, target, plan)
    for id in plan.strongest_first:
        saved = saved_counterexample(name, id) if options.saved else None
        events = judge(plan.properties[id], target, options.random_cases, options.seed, plan.seconds(), saved)
        while True:
            with interrupts.armed(), np.errstate(all="warn", under="ignore"):  # whatever the caller has set
                event: FailureFound | Judged | None = next(events, None)
            if event is None:
                break
            yield event
            if isinstance(event, Judged):
                judged[event.result.id] = event.result
                if plan.stops(event) or plan.silent(judged):
                    return
