"""What the results of a case must be, for whoever reads vectors: numbers, and how far from each a right one may be."""

from __future__ import annotations

import numpy as np

from conformance.claims.capabilities import Capabilities
from conformance.diagnosis.faulty import FaultyRecurrence
from conformance.harness.load import open_target
from conformance.judging.gradients import EXACT
from conformance.judging.oracle import void_layers
from conformance.judging.recurrences import spelt_otherwise
from conformance.judging.recurrent_subject import RecurrentSubject
from reference_rnn import Arithmetic, Ball, Case, Handed, RecurrenceCase, Result, forward, handed
from strategies.integers import representable

WIDEST = 0.25  # of the largest number of an array: what is as uncertain verifies nothing


@np.errstate(all="ignore")
def certain(case: Case | RecurrenceCase, allowed: Arithmetic) -> Result | Handed | None:
    """The balls of the results of a case; None if they verify nothing."""
    if isinstance(case, RecurrenceCase):
        return certain_handed(case, allowed)
    balls = forward(case, allowed)
    if set(void_layers(balls, case)) or not all(np.isfinite(b.mid + b.rad).all() for _, b in balls.items()):
        return None
    slack = 0.0 if representable(case, allowed.bits) else besides(allowed)
    return balls.map(lambda name, ball: Ball(ball.mid, slack * ball.rad, EXACT))


def certain_handed(case: RecurrenceCase, allowed: Arithmetic) -> Handed | None:
    """Balls of the results of a recurrence, also for another spelling of its equations. None if void."""
    balls = handed(case, allowed)
    if any(says_nothing(ball) for _, ball in balls.items()):
        return None
    cell, dtype = case.config.cell, case.config.dtype
    reference = FaultyRecurrence(cell, None, Capabilities(cells=(cell,), dtypes=(dtype,)))
    subject = RecurrentSubject(open_target(reference))
    subject.restart()
    more = spelt_otherwise(subject, case, subject(case))
    slack = besides(allowed)
    rad = {name: slack * np.broadcast_to(ball.rad, ball.shape) + more[name] for name, ball in balls.items()}
    return balls.map(lambda name, ball: Ball(ball.mid, rad[name], EXACT))


def besides(allowed: Arithmetic) -> float:
    """The factor that Ball.contains applies to a radius: vectors carry it, since others compare without it."""
    return 1 + 8 * allowed.u


def says_nothing(ball: Ball) -> bool:
    """Whether numbers are so uncertain that they verify nothing."""
    scale, widest = (float(abs(part).max(initial=0.0)) for part in (ball.mid, ball.rad))
    if not np.isfinite(scale + widest):
        return True
    return widest > min(2**14 * ball.arithmetic.coarsest, WIDEST) * scale > 0
