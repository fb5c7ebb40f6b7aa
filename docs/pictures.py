"""Draws the pictures of the pages, from the reference itself and from what was measured: python docs/pictures.py"""

from __future__ import annotations

import html
import math
from collections.abc import Iterator
from datetime import date
from itertools import pairwise
from pathlib import Path

import numpy as np
from history import ABSENT, PLAN, PRESENT, UNKNOWN, results_of, titles

import reference_rnn
from reference_rnn import Ball, anchored, arithmetic, case, forward

HOME = Path(__file__).parent / "pictures"
WIDTH, HEIGHT = 640, 220
INK, BALL, WRONG, FAINT = "#444444", "#2b6cb0", "#c53030", "#dddddd"
F32 = arithmetic("float32")


def main() -> None:
    """Writes every picture."""
    for name, draw in PICTURES.items():
        (HOME / f"{name}.svg").write_text(draw())


def sums() -> str:
    """One sum in 300 orders, in float32, and its ball."""
    rng = np.random.default_rng(4)
    x, W = np.float32(rng.normal(size=(1, 12))), np.float32(rng.normal(size=(1, 12)))
    ball = reference_rnn.functions.linear(Ball(x.astype(float), np.zeros(x.shape), F32), W.astype(float), np.zeros(1))
    mid, rad = float(ball.mid[0, 0]), float(ball.rad[0, 0])
    found = [added(rng.permutation(x[0] * W[0])) - mid for _ in range(300)]
    narrow = float(np.sum(np.float16(x[0]) * np.float16(W[0]), dtype=np.float16)) - mid
    scale = 250 / rad
    marks = [dot(320 + scale * d, 96 + 26 * math.sin(37.0 * i), BALL) for i, d in enumerate(found)]
    return picture(
        f"A sum of 12 products has the ball {mid:.4f} plus or minus {rad:.1e}. 300 orders of summation in float32 lie "
        f"well inside; the same sum in float16 is {abs(narrow) / rad:.0f} radii away.",
        line(70, 150, 570, 150, INK), line(70, 135, 70, 165, BALL), line(570, 135, 570, 165, BALL),
        line(320, 143, 320, 157, INK), *marks,
        word(70, 185, "mid - rad"), word(320, 185, f"mid = {mid:.6f}"), word(570, 185, "mid + rad"),
        word(320, 35, "300 orders of summation in float32: every one lies in the ball"),
        word(320, 208, f"the same sum in float16 lies {abs(narrow) / rad:,.0f} radii away, far outside this picture"),
    )  # fmt: skip


def added(terms: np.ndarray) -> float:
    """A sum, term by term, in float32."""
    total = np.float32(0)
    for term in terms:
        total = np.float32(total + term)
    return float(total)


def steps() -> str:
    """Radii over a long run of a network that amplifies: free-running, and each step from the previous one."""
    rng = np.random.default_rng(3)
    n = 40
    long = case(
        "RNN_TANH", T=n, N=1, I=2, H=8, weight_ih_l0=rng.normal(size=(8, 2)),
        weight_hh_l0=rng.normal(size=(8, 8)) * 0.9, x=rng.normal(size=(n, 1, 2)), h_0=0,
    )  # fmt: skip
    free = forward(long, F32).output.rad.max(axis=(1, 2))
    own = anchored(long, forward(long).output.astype("float32"), F32).output.rad.max(axis=(1, 2))
    top, bottom = 1.0, -8.0

    def at(t: int, radius: float) -> tuple[float, float]:
        share = (min(max(math.log10(radius), bottom), top) - bottom) / (top - bottom)
        return 80 + t * 520 / (n - 1), 180 - 150 * share

    ticks = [
        part
        for power in (-8, -6, -4, -2, 0)
        for part in (
            line(80, at(0, 10.0**power)[1], 600, at(0, 10.0**power)[1], FAINT),
            word(55, at(0, 10.0**power)[1] + 4, f"1e{power}"),
        )
    ]
    return picture(
        f"Radius over {n} steps. Run freely, the ball of a chaotic network grows from {free[0]:.0e} to {free[-1]:.0e}, "
        f"which verifies nothing. Started from your own previous step, it stays near {np.median(own):.0e}.",
        *ticks,
        curve([at(t, r) for t, r in enumerate(free)], WRONG),
        curve([at(t, r) for t, r in enumerate(own)], BALL),
        word(330, 24, "radius of a step, for a network that amplifies"),
        word(250, 62, "run freely: void after a while", WRONG),
        word(430, 163, "each step from your own previous one", BALL),
        word(340, 205, f"step 0 to {n - 1}"),
    )


def reach() -> str:
    """What tanh makes of a ball."""
    mid, rad = 0.7, 0.45

    def at(z: float, y: float) -> tuple[float, float]:
        return 320 + 120 * z, 110 - 75 * y

    low, high = at(mid - rad, math.tanh(mid - rad)), at(mid + rad, math.tanh(mid + rad))
    middle = at(mid, math.tanh(mid))
    return picture(
        "tanh takes a ball around 0.7 to a smaller one. Below the midpoint the curve is steeper, so the reach there is "
        "the larger one, and it is the radius.",
        line(60, 110, 580, 110, FAINT), line(320, 25, 320, 195, FAINT),
        curve([at(z / 20, math.tanh(z / 20)) for z in range(-42, 43)], INK),
        *(line(x, y, x, 110, BALL) for x, y in (low, middle, high)),
        *(line(x, y, 320, y, BALL) for x, y in (low, middle, high)),
        word(low[0] - 2, 126, "z - e"), word(middle[0], 126, "z"), word(high[0] + 2, 126, "z + e"),
        word(282, middle[1] + 4, "tanh z"), word(262, low[1] + 4, "tanh(z - e)"), word(262, high[1] + 1, "tanh(z + e)"),
        word(470, 180, "the reach downwards is the larger one:"), word(470, 197, "it is the radius"),
    )  # fmt: skip


LABELS, EARLIEST, LATEST = 12, 395, 625  # across: where titles begin, and the days of the first and last release
TOP, ROW = 60, 17  # down


def releases() -> str:
    """When each finding came and went: a row for each, a mark for each release that was measured."""
    days = [release["date"] for plan in PLAN for release in plan["releases"]]
    first, last = min(days), max(days)

    def across(day: date) -> float:
        return EARLIEST + (LATEST - EARLIEST) * (day - first).days / (last - first).days

    rows, y = [], TOP
    for plan in PLAN:
        rows.append(word(LABELS, y, plan["name"], INK, "start"))
        for title, finding in titles(plan):
            y += ROW
            results = results_of(finding)
            at = [(across(one["date"]), results[one["version"]]) for one in plan["releases"]]
            rows += [small(word(LABELS + 10, y, title, INK, "start")), *trend(at, y - 4)]
        y += ROW + 6
    years = [date(year, 1, 1) for year in range(first.year + 1, last.year + 1)]
    return picture(
        f"Findings by the days of the releases in which they were looked for, from {first} to {last}.",
        *meaning(18, {PRESENT: "it fails in this way", ABSENT: "it holds", UNKNOWN: "it cannot be told"}),
        *(line(across(day), TOP - 15, across(day), y - ROW, FAINT) for day in years),
        *(word(across(day), TOP - 20, str(day.year)) for day in years), *rows,
        height=y,
    )  # fmt: skip


def meaning(y: float, words: dict[str, str]) -> Iterator[str]:
    """What marks mean, side by side."""
    for number, (result, told) in enumerate(words.items()):
        x = LABELS + 5 + 150 * number
        yield from (mark(x, y, result), word(x + 10, y + 4, told, INK, "start"))


def trend(at: list[tuple[float, str]], y: float) -> Iterator[str]:
    """The marks of a finding, each release by its day, and lines where one that has it follows another."""
    yield from (line(x, y, to, y, WRONG) for (x, one), (to, other) in pairwise(at) if one == other == PRESENT)
    yield from (mark(x, y, result) for x, result in at)


def mark(x: float, y: float, result: str) -> str:
    """A release: full where it has the finding, a ring where it does not, a dash where it cannot be told."""
    if result == PRESENT:
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{WRONG}"/>'
    if result == ABSENT:
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="#ffffff" stroke="{BALL}" stroke-width="1.5"/>'
    return line(x - 3, y, x + 3, y, INK)


def picture(told: str, *parts: str, height: float = HEIGHT) -> str:
    """A whole SVG, on a ground of its own, with what it shows in words."""
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" font-size="13" '
            'font-family="sans-serif">',
            f"<title>{told}</title>",
            f'<rect width="{WIDTH}" height="{height}" rx="8" fill="#ffffff"/>',
            *parts,
            "</svg>\n",
        )
    )


def line(x: float, y: float, to_x: float, to_y: float, colour: str) -> str:
    """A straight line."""
    return f'<path d="M{x:.1f} {y:.1f}L{to_x:.1f} {to_y:.1f}" stroke="{colour}"/>'


def curve(points: list[tuple[float, float]], colour: str) -> str:
    """A line through points."""
    path = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    return f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2"/>'


def dot(x: float, y: float, colour: str) -> str:
    """One number."""
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2" fill="{colour}" fill-opacity="0.4"/>'


def small(part: str) -> str:
    """The same with small letters."""
    return f'<g font-size="9">{part}</g>'


def word(x: float, y: float, text: str, colour: str = INK, anchor: str = "middle") -> str:
    """Words, of which this place is the middle, the start or the end."""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{html.escape(text)}</text>'


PICTURES = {draw.__name__: draw for draw in (sums, steps, reach, releases)}

if __name__ == "__main__":
    main()
