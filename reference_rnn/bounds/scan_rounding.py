"""Linear recurrences that are not computed step by step: scans, chunks, sums of logarithms.

h_t = a_t h_(t-1) + b_t is, written out, the sum of all b_s, each times the a of the steps after it. A scan adds up and
multiplies parts of it in any association. So what rounds is not h but partial sums, as large as the sum of the
magnitudes of all terms, and a term that step by step meets the additions of the steps after it may meet those of all
steps before it too: in each of at most t nodes of a tree one addition, and t - s products. Products of coefficients
may underflow before they meet a term, and lose what the format cannot hold of it; they may overflow.

In logarithms a term is exp(A_t - A_s + log b_s), where A_t is the sum of log a up to t. A relative error of a logarithm
is an absolute one, and so an error of the term relative to its size, times |log b_s|, A_s or A_t: each of these is
rounded when it is computed and in at most t additions to running sums, and so are the logarithms of sums of terms. What
is not above zero has no logarithm: such a unit may be anything from there on. A term that is zero is none.

Between these lies what chunks of gated attention do: only the product of the coefficients from s to t is an
exponential, of A_t - A_s, and terms are added up as they are, of either sign. Then the errors of A_s and A_t alone
count, and where a coefficient is not above zero, products are all there is.

Sources: Blelloch (1990), Prefix sums and their applications, CMU-CS-90-190, section 1.4; Heinsen (2023), Efficient
parallelization of a ubiquitous sequential computation, arXiv:2311.06281; Higham, Accuracy and Stability of Numerical
Algorithms, section 4.2.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np


class Sum(NamedTuple):
    """What is known of a number that a recurrence adds up, or of a product that may become a term of it.

    mag      the magnitudes of its terms, added up
    terms    how many steps were added up; 0 for a product that holds no state
    largest  the largest mag of all steps so far
    grown    the largest product of the coefficients of some steps in a row
    logs     the magnitudes of the logarithms of all coefficients, added up
    top      the largest magnitude of the logarithm of a term, and of all factors of one
    origin   the ball of the state that it is made of, within a step: it is factor times that, and something
    factor   what is collected before the state where it stands twice, as in h + z (n - h); 1 for the state itself
    """

    mag: Any
    terms: int
    largest: Any
    grown: Any = 1.0
    logs: Any = 0.0
    top: Any = 0.0
    origin: Any = None
    factor: Any = 1.0

    def where(self, alive: Any, other: Sum | None) -> Sum:
        """This where alive, elsewhere another, or nothing at all; as one number."""
        rest = other or Sum(0.0, 0, 0.0)
        chosen = {name: np.where(alive, getattr(self, name), getattr(rest, name)) for name in CHOSEN}
        return Sum(terms=max(self.terms, rest.terms), **chosen)

    def at(self, index: Any, shape: tuple[int, ...]) -> Sum:
        """This of some of the numbers of an array of this shape."""
        return Sum(terms=self.terms, **{name: np.broadcast_to(getattr(self, name), shape)[index] for name in CHOSEN})

    def most(self, shape: tuple[int, ...], axis: int) -> Sum:
        """The largest figures along an axis of an array of this shape."""
        return Sum(terms=self.terms, **{n: np.broadcast_to(getattr(self, n), shape).max(axis) for n in CHOSEN})

    def of(self, ball: Any, factor: Any) -> dict[str, Any]:
        """Origin and factor of a ball with this sum, multiplied by a factor."""
        return {"origin": ball if self.origin is None else self.origin, "factor": self.factor * factor}


CHOSEN = ("mag", "largest", "grown", "logs", "top")


class Logarithms(NamedTuple):
    """How much of itself a term loses in sums of logarithms.

    u     unit roundoff
    each  roundings of one logarithm, as accurate as tanh is allowed to be, and of the exp in the end
    """

    u: float
    each: float

    def of_term(self, size: Any, terms: int) -> Any:
        """Of a term when it joins a sum of so many; size: its logarithm's, with all that is added to it and taken."""
        return self.u * (self.each + 3 * terms) * (size + np.log1p(terms) + 1)

    def of_step(self, size: Any, coefficient: Any, terms: int) -> Any:
        """Of all terms, when the sum of so many is multiplied by a coefficient whose logarithm has this magnitude."""
        return self.u * (3 * (size + np.log1p(terms) + 1) + (self.each + 3 * terms) * coefficient)


class Decays(NamedTuple):
    """The same where only products of coefficients are exponentials of sums of their logarithms.

    u, each  as in Logarithms;  most: the largest logarithm of a number that is not zero
    """

    u: float
    each: float
    most: float

    def size(self, coefficient: Any) -> Any:
        """The largest magnitude of a coefficient's logarithm; 0 where it is never above zero."""
        least, most = coefficient.mid - coefficient.rad, coefficient.mid + coefficient.rad
        inside = np.maximum(abs(np.log(least)), abs(np.log(most)))
        return np.where(least > 0, np.minimum(inside, self.most), np.where(most > 0, self.most, 0.0))

    def of_term(self, logs: Any, terms: int) -> Any:
        """Of a term when it joins a sum of so many; logs: all logarithms so far."""
        return 2 * self.u * (self.each + terms) * logs

    def of_step(self, logs: Any, size: Any, terms: int) -> Any:
        """Of all terms, when the sum is multiplied by a coefficient whose logarithm has this size, counted in logs."""
        return self.u * (2 * logs + (2 * self.each + 2 * terms + 1) * size)


def decays(a: Any) -> Decays | None:
    """What exponentials of sums of logarithms lose under an arithmetic; None where there are none."""
    return Decays(a.u, a.kt + 4, -2 * float(np.log(a.eta))) if a.decays else None


def log_size(ball: Any) -> Any:
    """The largest magnitude of the logarithm of a number: infinite where it may not be above zero, 0 for a zero."""
    if ball.sum is not None and not ball.sum.terms:
        return ball.sum.top
    least, most = ball.mid - ball.rad, ball.mid + ball.rad
    size = np.maximum(abs(np.log(least)), abs(np.log(most)))
    return np.where(least > 0, size, np.where((ball.mid == 0) & (ball.rad == 0), 0.0, np.inf))


def logarithms(a: Any) -> Logarithms | None:
    """What sums of logarithms lose under an arithmetic; None where there are none."""
    return Logarithms(a.u, a.kt + 4) if a.order == "log" else None


def holds_state(ball: Any) -> bool:
    """Whether a number is a sum of a recurrence."""
    return ball.sum is not None and ball.sum.terms > 0


def multiplied(x: Any, y: Any) -> tuple[Sum | None, Any]:
    """The product of two balls as a sum of a recurrence, if it is one, and the share of it that is lost by that."""
    if not holds_state(x) and holds_state(y):
        x, y = y, x
    lost, logs = logarithms(x.arithmetic), x.sum.logs if holds_state(x) else 0.0
    if not holds_state(x):
        mag = x.mag * y.mag
        return Sum(mag, 0, mag, top=log_size(x) + log_size(y)) if lost else None, 0.0
    own = x.sum
    mag, share = own.mag * y.mag, np.zeros(())
    if holds_state(y):  # of gradients: whatever order their terms are added up in
        other = y.sum
        largest, grown = own.largest * other.largest, np.maximum(own.grown, 1) * np.maximum(other.grown, 1)
        return Sum(mag, max(own.terms, other.terms), largest, grown), (own.terms + other.terms) * x.arithmetic.u
    if lost:
        zero = (y.mid == 0) & (y.rad == 0)  # which a term may be, but no coefficient: its logarithm stays in all sums
        size = np.where(zero, np.inf, log_size(y))
        logs = logs + size
        share = np.where(zero | (mag > 0), lost.of_step(logs + own.top, size, own.terms), 0.0)
    elif summed := decays(x.arithmetic):
        size = summed.size(y)
        logs = logs + size
        share = summed.of_step(logs, size, own.terms)
    largest, grown = np.maximum(own.largest, mag), np.maximum(own.grown, 1) * y.mag
    return Sum(mag, own.terms, largest, grown, logs, own.top, **own.of(x, y.mid)), share


def added_up(balls: Any) -> tuple[Sum, Any, Any]:
    """The total of balls of which some are sums of a recurrence.

    Also how much of it is lost by that, and how much of its radius is that of one state, counted more than once.
    """
    states = [ball for ball in balls if holds_state(ball)]
    made_of = [ball.sum.of(ball, 1.0) for ball in states]
    origins = {id(of["origin"]): of["origin"] for of in made_of}
    terms = max(ball.sum.terms for ball in states) + len(balls) - 1
    mag, once, collected = sum((ball.mag for ball in balls[1:]), balls[0].mag), 0.0, {}
    if len(origins) == 1:
        ((origin,), factors) = origins.values(), [of["factor"] for of in made_of]
        twice = sum(abs(factor) for factor in factors[1:]) + abs(factors[0]) - abs(sum(factors))
        once, mag = twice * origin.rad, mag - twice * origin.sum.mag
        collected = {"origin": origin, "factor": sum(factors)}
    largest = np.maximum(max_of([ball.sum.largest for ball in states]), mag)
    grown = sum(ball.sum.grown for ball in states)
    logs, top = max_of([ball.sum.logs for ball in states]), max_of([ball.sum.top for ball in states])
    lost, lost_by = losses(balls, states, len(origins) == 1), logarithms(balls[0].arithmetic)
    summed = decays(balls[0].arithmetic)
    for ball in balls:
        if summed and not holds_state(ball):
            lost = lost + ball.mag * summed.of_term(logs, terms)
        if lost_by and not holds_state(ball):
            size = log_size(ball)
            lost = lost + np.where(ball.mag > 0, ball.mag * lost_by.of_term(logs + size, terms), 0.0)
            top = np.maximum(top, size)
    return Sum(mag, terms, largest, grown, logs, top, **collected), lost, once


def losses(balls: Any, states: list, one_origin: bool) -> Any:
    """What balls lose by rounding when they are added up: each while the others are added to it, term by term."""
    a, lost = balls[0].arithmetic, 0.0
    for ball in balls:
        others = [other for other in balls if other is not ball]
        steps = sum(other.sum.terms for other in others if holds_state(other))
        if one_origin:  # what stands before one state is collected first
            steps = states[0].sum.terms if not holds_state(ball) else len(states) - 1
        plain = sum(not holds_state(other) for other in others)
        sums = sum(a.added(other.terms) for other in others if other.terms > 1)
        lost = lost + ball.mag * ((steps + plain) * a.u + sums)
    return lost


def max_of(numbers: list) -> Any:
    """The largest of some numbers or arrays, elementwise."""
    return np.maximum.reduce(np.broadcast_arrays(*numbers)) if len(numbers) > 1 else numbers[0]
