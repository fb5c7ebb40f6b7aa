"""What chance explains of dropout's masks: statistical statements, each with a bound on its own false alarms."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np

from .oracle import fail, first

# Every statistical statement may be false of a correct target once in so many cases: with at most 5,024 cases in a
# run, that is less than 1e-12 in all.
FALSE_ALARM = 1e-18
# Statements about masks that must be drawn apart: how often a number is kept; of each of four axes, that no slice is
# all the same, and that no two agree by more or less than chance; that no numbers come again in one call or the next.
APART = 1 + 4 * 2 + 2
SELDOM = f"chance explains that less than once in {1 / FALSE_ALARM:.0e} times"
AXES = ("call", "step", "row", "unit")  # of masks
ORDERS = (0, 1, 2), (0, 2, 1), (1, 0, 2)  # in which the numbers of a mask may be drawn: of steps, rows and units


def check_share(kept: np.ndarray, masks: int, p: float) -> None:
    """Fails where chance does not explain how many numbers were kept."""
    must, share = (1 - p) ** masks, float(kept.mean())
    if 2 * math.exp(-kept.size * divergence(share, must)) < FALSE_ALARM:
        which = "one mask" if masks == 1 else "two masks together"
        fail(
            "frequency:output",
            f"{which} kept {share:.3f} of {kept.size} numbers, must be about {must:.3f}, for p = {p}: {SELDOM}",
            given=share, must=must, room=hoeffding_distance(kept.size),
        )  # fmt: skip


def check_each_number(kept: np.ndarray, p: float) -> None:
    """Fails where chance does not explain how often one number of a mask (calls, T, N, D*H) was kept."""
    calls, shares = len(kept), kept.mean(0)
    step, row, unit = first(abs(shares - (1 - p)) == abs(shares - (1 - p)).max())
    share = float(shares[step, row, unit])
    if 2 * shares.size * math.exp(-calls * divergence(share, 1 - p)) < FALSE_ALARM:
        fail(
            "frequency:output",
            f"in {calls} calls, unit {unit} of step {step} and row {row} was kept with a frequency of {share:.3f}, "
            f"must be about {1 - p:.3f}, for p = {p}: {SELDOM}",
            given=share, must=1 - p, room=hoeffding_distance(calls),
        )  # fmt: skip


def drawn_apart(kept: np.ndarray, p: float) -> None:
    """Fails unless chance explains a mask (calls, T, N, D*H): its share, equal slices, and repeats."""
    along = {name: np.moveaxis(kept, axis, 0).reshape(kept.shape[axis], -1) for axis, name in enumerate(AXES)}
    if kept.any() and not kept.all():
        check_slices_differ(along, p, kept.size * divergence(float(kept.mean()), 1 - p))
    check_share(kept, 1, p)
    for name, slices in along.items():
        for number, mine in enumerate(slices):
            if len(slices) * max(p, 1 - p) ** mine.size < FALSE_ALARM and len(np.unique(mine)) == 1:
                done = "kept" if mine.any() else "dropped"
                fail("pattern:output", f"{name} {number} is {done} as a whole; every number is dropped by itself")
    for order in ORDERS:
        begins, *rest = (one.transpose(order).ravel() for one in kept)
        if middle := begins.size // 2:
            come_again(begins[:middle], begins[middle:], p, "the second half of the same mask")
        if rest:
            come_again(begins, rest[0], p, "the next call")


def come_again(one: np.ndarray, other: np.ndarray, p: float, where: str) -> None:
    """Fails where chance does not explain how alike one part of a mask (n,) and another, shifted by any number, are."""
    must, limit = p**2 + (1 - p) ** 2, -math.log(FALSE_ALARM)
    agree = check_correlation(one, other) + check_correlation(~one, ~other)
    sizes = check_correlation(np.ones_like(one), np.ones_like(other))
    surprise = sizes * divergence(agree / sizes, must) - math.log(2 * sizes.size * len(ORDERS))
    most = int(surprise.argmax())
    if surprise[most] > limit:
        size, share = int(sizes[most]), float(agree[most] / sizes[most])
        fail(
            "pattern:output",
            f"{size} numbers in a row of a mask agree in {share:.3f} with some of {where}, must agree in about "
            f"{must:.3f}, for p = {p}; masks must be drawn for each number",
            given=share, must=must, room=hoeffding_distance(size), shows=where,
        )  # fmt: skip


def check_correlation(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """In how many places both are true, for each shift of one against the other."""
    shifts = one.size + other.size - 1
    size = 1 << shifts.bit_length()  # a transform of a prime length takes several times as long
    spectra = np.fft.rfft(one, size) * np.fft.rfft(other[::-1], size)
    return np.fft.irfft(spectra, size)[:shifts].round()


def check_slices_differ(along: Mapping[str, np.ndarray], p: float, how_many: float = 0.0) -> None:
    """Fails where chance does not explain how alike the slices (n, size) of an axis are.

    how_many  how little chance explains how many numbers were kept, as minus a logarithm
    """
    must, limit = p**2 + (1 - p) ** 2, -math.log(FALSE_ALARM)
    found = [one for name, slices in along.items() for one in agreements(slices, name)]
    odd = max(
        (one for one in found if one.surprise(must) > limit),
        key=lambda one: (one.share == 1, one.surprise(must)), default=None,
    )  # fmt: skip
    if odd and (odd.share == 1 or odd.surprise(must) > how_many):
        slices = along[odd.axis]
        text = (
            f"the same numbers are dropped in every {odd.axis}" if (slices == slices[0]).all() else
            f"the masks of {odd.where} agree in {odd.share:.3f} of {odd.size} numbers, must be about {must:.3f}, "
            f"for p = {p}"
        )  # fmt: skip
        fail(
            "pattern:output", f"{text}; masks must be drawn for each {odd.axis}",
            given=odd.share, must=must, room=hoeffding_distance(odd.size), shows=odd.where,
        )  # fmt: skip


class Agreement(NamedTuple):
    """In what share of so many numbers slices of a mask agree with others: one of the statements about an axis."""

    axis: str
    where: str
    share: float
    size: int
    statements: int

    def surprise(self, must: float) -> float:
        """Minus the logarithm of a bound on the chance that any of the statements is as far from what it must be."""
        return float(self.size * divergence(self.share, must)) - math.log(2 * self.statements)


def agreements(slices: np.ndarray, axis: str) -> Iterator[Agreement]:
    """The slices (n, size) of an axis with each other: all that lie equally far apart, then the pairs that stand out.

    Two numbers that are drawn apart agree with the same chance. But of three in a row, the first agrees with the second
    more often where the second agrees with the third. So no number is counted twice: of those that lie k apart, each
    block of k is taken with the next one, first the blocks 0 and 1, 2 and 3 and so on, then 1 and 2, 3 and 4. These are
    up to 2 (n - 1) statements, with those about pairs not more than n².
    """
    n, size = slices.shape
    if n < 2:
        return
    signs = 2.0 * slices - 1
    table = (1 + signs @ signs.T / size) / 2
    for apart in range(1, n):
        begins = np.arange(n - apart)
        for second in range(2):
            mine = begins[begins // apart % 2 == second]
            if mine.size:
                share = float(table[mine, mine + apart].mean())
                yield Agreement(axis, f"{axis}s {apart} apart", share, mine.size * size, n**2)
    rows, columns = np.triu_indices(n, 1)
    shares = table[rows, columns]
    for at in (shares.argmax(), shares.argmin()):
        yield Agreement(axis, f"{axis}s {rows[at]} and {columns[at]}", float(shares[at]), size, n**2)


def check_variation(kept: np.ndarray, p: float) -> None:
    """Fails where chance does not explain how little shares of a mask (calls, T, N, D*H) vary, where 0 < p < 1."""
    even = evenest(kept, p)
    if even.surprise > -math.log(FALSE_ALARM):
        fail(
            "pattern:output",
            f"of each {even.where}, {range_text(even.low, even.high)} of {even.size} numbers are dropped, for p = {p}, "
            f"in all {even.parts}: that varies less than by chance; every number is dropped by itself",
            given=even.variance, must=1.0, shows=even.where,
        )  # fmt: skip


def range_text(low: int, high: int) -> str:
    """A range of numbers, in words."""
    return f"{low}" if low == high else f"{low} to {high}"


class Evenness(NamedTuple):
    """How many numbers are dropped in the parts of a mask, of the same size each.

    low, high  the fewest and the most;  variance  about p of the size, as a multiple of that of independent numbers
    surprise   minus the logarithm of a bound on the chance that parts of any kind vary so little
    """

    where: str = ""
    parts: int = 0
    size: int = 0
    low: int = 0
    high: int = 0
    variance: float = 1.0
    surprise: float = -math.inf


def evenest(kept: np.ndarray, p: float) -> Evenness:
    """The parts of a mask (calls, T, N, D*H) whose shares vary least for chance.

    The parts of a kind are all numbers with the same call, or the same step and row, and so on: any of AXES, but for
    none and all. Where numbers are independent, the shares of parts are, and are binomial. So for any rate r, with S
    the sum of the squares by which the n shares miss their mean, the chance that it is s or less is at most
    exp(r s) E[exp(-r S)] (Chernoff), and E[exp(-r S)] is the n-th power of that of one part.
    """
    found, long = [Evenness()], [axis for axis, size in enumerate(kept.shape) if size > 1]
    for count in range(1, len(long)):
        for apart in combinations(long, count):
            within = tuple(axis for axis in range(len(AXES)) if axis not in apart)
            dropped = (~kept).sum(within)
            size = kept.size // max(dropped.size, 1)
            if dropped.size * math.log(size + 1) < -math.log(FALSE_ALARM):  # no shares are that even
                continue
            squares = (dropped - size * p) ** 2 / (size * p * (1 - p))
            least, logs = moments(size, p)
            bounds = RATES * float((squares - least).sum()) + dropped.size * logs
            surprise = -float(bounds.min()) - math.log(2 ** len(AXES))
            where = " of a ".join(AXES[axis] for axis in reversed(apart))
            low, high = int(dropped.min()), int(dropped.max())
            found.append(Evenness(where, dropped.size, size, low, high, float(squares.mean()), surprise))
    return max(found, key=lambda even: even.surprise)


RATES = 2.0 ** np.arange(-3, 20)  # of which the best is nearly as good as any
REACH = 16  # standard deviations: what lies beyond them is counted as if it lay there, and certain


@lru_cache(maxsize=256)
def moments(size: int, p: float) -> tuple[float, np.ndarray]:
    """Of the share of independent numbers: the least square that there is, and the logarithms of E[exp(-rate square)].

    Squares are multiples of the variance, less the least one. The logarithms are never too small.
    """
    mean, variance = size * p, size * p * (1 - p)
    reach = REACH * math.sqrt(variance)
    counts = np.arange(max(0, math.floor(mean - reach)), min(size, math.ceil(mean + reach)) + 1)
    rises = np.log((size - counts[:-1]) / counts[1:] * p / (1 - p))
    chances = np.cumsum([0.0, *rises])
    chances = np.exp(chances - chances.max())
    squares = (counts - mean) ** 2 / variance
    least = float(squares.min())
    beyond = np.exp(-RATES * (REACH**2 - least))
    means = [float((chances * np.exp(-rate * (squares - least))).sum()) for rate in RATES]
    return least, np.log(np.array(means) / chances.sum() + beyond)


def hoeffding_distance(size: int) -> float:
    """How far chance leads a share of so many numbers (Hoeffding)."""
    return math.sqrt(-math.log(FALSE_ALARM / 2) / (2 * size))


def divergence(share: Any, must: float) -> Any:
    """Kullback and Leibler's, of two coins; exp(-n) times it bounds the chance of such a share or more (Chernoff)."""
    return sum(a * np.log(np.where(a > 0, a / b, 1.0)) for a, b in ((share, must), (1 - share, 1 - must)))
