"""Whether guided hunting would pay: python benchmarks/guided.py [CASES]. Prints the table of docs/hunting.md.

Unguided, each case is one block of bytes, drawn evenly: what a hunt does. Guided, a block is kept if its case exercises
something that none did before, and half of the later cases are kept blocks with a few bytes changed, or two of them
spliced. Neither looks at what fails, so one stream of cases serves all mistakes: the first case that shows one counts.

Time is CPU time of one core: what a case costs in a hunt, with the guide's own work where there is a guide. What the
gates are is noted by a run that is needed anyway, and so counts nothing: that favours the guide.
"""

from __future__ import annotations

import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from math import exp, inf, log
from statistics import mean, median, stdev
from typing import Any

import numpy as np

from conformance import Capabilities
from conformance.adapters import reference
from conformance.chapters import catalogue
from conformance.claims.allowed import drawn
from conformance.events import Judged
from conformance.faults import FAULTS, Fault, FaultyReference
from conformance.faults.patching import Patched
from conformance.harness.load import open_target
from conformance.judging.coverage import areas_of
from conformance.judging.judge import judge
from reference_rnn import Case, Result, forward
from strategies.cases import BLOCK_SIZE, sizes_of
from strategies.memory import layout_of

CASES = 7000  # of a run at most
SEEDS = range(5)
PLAINLY = 1e-4  # of the largest number of an array
CLAIMS = Capabilities(
    cells=("RNN_TANH", "RNN_RELU", "GRU", "LSTM"), dtypes=("float32", "float64"), bidirectional=True, max_layers=None,
    no_bias=True, default_state=True, lengths=True, empty=True, batch_first=True, unbatched=True, dropout=True,
    projections=True,
)  # fmt: skip
ALLOWED = drawn(CLAIMS)

# What each activation gives in turn, by cell; below and above which numbers it is shut and open.
ACTIVATIONS = {
    "sigmoid": ("return 0.5 + 0.5 * np.tanh(0.5 * z)", {"GRU": "rz", "LSTM": "ifo"}, (0.02, 0.98)),
    "tanh": ("return np.tanh(z)", {"RNN_TANH": "h", "GRU": "n", "LSTM": "gc"}, (-0.98, 0.98)),
    "relu": ("return np.maximum(z, 0)", {"RNN_RELU": "h"}, (0.0, 16.0)),
}
RECORDING = Patched(
    [Fault(name, "", "", name, old, f"value = {old.removeprefix('return ')}\n"
     f"    {name}.__dict__.setdefault('seen', []).append(value)\n    return value", ())
     for name, (old, *_) in ACTIVATIONS.items()]
).functions  # fmt: skip


@dataclass
class Seen:
    """A case and what happens in it: its result, and by gate what it was, by layer, direction and step."""

    case: Case
    result: Result = field(init=False)
    gates: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ACTIVATIONS:
            RECORDING[name].__dict__["seen"] = []
        self.result = RECORDING["forward"](self.case)
        shape = (self.case.config.num_layers, self.case.config.num_directions, self.case.num_steps)
        for name, (_, gates, _) in ACTIVATIONS.items():
            turns = gates.get(self.case.config.cell, "")
            for turn, gate in enumerate(turns if self.case.num_steps else ""):
                values = np.stack(RECORDING[name].seen[turn :: len(turns)])
                self.gates[gate] = values.reshape(*shape, *values.shape[1:])

    def exercised(self) -> set[str]:
        """What a guide goes by: claims and pairs of forms, sizes, and which gates are shut, between and open."""
        cell = self.case.config.cell
        found = {*areas_of(self.case), *(f"{name} {size}" for name, size in sizes_of(self.case).items())}
        for _, gates, (shut, open_) in ACTIVATIONS.values():
            for gate in gates.get(cell, ""):
                a = self.gates.get(gate, np.zeros(0))
                states = {"shut": a <= shut, "between": (a > shut) & (a < open_), "open": a >= open_}
                found |= {f"{cell} {gate} {state}" for state, where in states.items() if where.any()}
        return found


class Guide:
    """Keeps blocks whose cases exercise something new, and draws blocks that are like them."""

    def __init__(self, generator: random.Random) -> None:
        self.generator = generator
        self.kept: list[bytes] = []
        self.known: set[str] = set()

    def block(self) -> bytes:
        """The next block: one that is drawn evenly, or a kept one changed."""
        draw = self.generator
        if not self.kept or draw.random() < 0.5:
            return draw.randbytes(BLOCK_SIZE)
        block = bytearray(draw.choice(self.kept))
        if draw.random() < 0.25:
            cut = draw.randrange(1, BLOCK_SIZE)
            block[cut:] = draw.choice(self.kept)[cut:]
        for _ in range(draw.randint(1, 4)):
            block[draw.randrange(BLOCK_SIZE)] = draw.randrange(256)
        return bytes(block)

    def note(self, block: bytes, seen: Seen) -> None:
        """Keeps a block if its case exercises something new."""
        exercised = seen.exercised()
        if not exercised <= self.known:
            self.known |= exercised
            self.kept.append(block)


def without_state(case: Case) -> Case:
    """The case started from zero."""
    return case.replace(h_0=None, c_0=None)


def halved(case: Case) -> Case:
    """The case with half its input."""
    return case.replace(x=case.x * case.x.dtype.type(0.5))


def lengthless(case: Case) -> Case:
    """The case with every row run to the end, and the padding set to zero."""
    return case.replace(x=np.nan_to_num(case.x, posinf=0.0, neginf=0.0), lengths=None)


def sized(case: Case, **sizes: int) -> bool:
    """Whether a case has these sizes."""
    return all(sizes_of(case)[name] == size for name, size in sizes.items())


def ends(case: Case) -> list[int]:
    """The lengths of a case, none where there are none."""
    return [] if case.lengths is None else case.row_lengths.tolist()


def late(values: Any, least: int, where: Callable[[Any], Any]) -> bool:
    """Whether a gate is somewhere as it is said, from a step on; in the reverse direction from that step computed."""
    return values is not None and bool(where(values[:, :, least:]).any())


Condition = Callable[[Any, Any, dict[str, Any]], Any]  # of a case, its configuration and its gates
CONDITIONAL: dict[str, tuple[Condition, Callable[[Case], Case]]] = {
    "17 units, batch first, no state": (
        lambda c, f, g: f.hidden_size == 17 and f.batch_first and c.h_0 is None, halved),
    "13 steps of 9 rows": (lambda c, f, g: sized(c, steps=13, batch=9), without_state),
    "13 steps of 9 rows, 16 units or more": (
        lambda c, f, g: sized(c, steps=13, batch=9) and f.hidden_size >= 16, halved),
    "17 units, batch first, no state, lengths": (
        lambda c, f, g: f.hidden_size == 17 and f.batch_first and c.h_0 is None and ends(c), halved),
    "8 rows, 17 features, 16 units": (lambda c, f, g: sized(c, batch=8, input_size=17, hidden_size=16), halved),
    "8 rows, 16 units, two layers or more": (
        lambda c, f, g: sized(c, batch=8, hidden_size=16) and f.num_layers > 1, halved),
    "17 features into 16 units or more, float64": (
        lambda c, f, g: f.input_size == 17 and f.hidden_size >= 16 and f.dtype == "float64", halved),
    "four layers, two directions, no bias, lengths": (
        lambda c, f, g: f.num_layers == 4 and f.bidirectional and not f.bias and ends(c), halved),
    "four layers, projection, batch first": (
        lambda c, f, g: f.num_layers == 4 and f.proj_size and f.batch_first, without_state),
    "four layers, projection, no axis of rows": (
        lambda c, f, g: f.num_layers == 4 and f.proj_size and c.unbatched, without_state),
    "projection, two directions, no state": (
        lambda c, f, g: f.proj_size and f.bidirectional and c.h_0 is None and f.num_layers > 1, halved),
    "no axis of rows, in training, 6 steps or more": (
        lambda c, f, g: c.unbatched and c.training and c.num_steps >= 6, halved),
    "D*H = I, three layers, in evaluation": (
        lambda c, f, g: (f.input_size == f.num_directions * f.hidden_size and f.num_layers == 3 and f.dropout
                         and not c.training), without_state),
    "N = T above 5, two directions, no bias": (
        lambda c, f, g: c.num_rows == c.num_steps > 5 and f.bidirectional and not f.bias, without_state),
    "lengths that rise, four rows, batch first": (
        lambda c, f, g: (len(ends(c)) >= 4 and ends(c) == sorted(ends(c)) and ends(c)[0] < ends(c)[-1]
                         and f.batch_first), lengthless),
    "only the first of eight rows has length 0": (
        lambda c, f, g: len(ends(c)) >= 8 and ends(c)[0] == 0 and 0 not in ends(c)[1:], halved),
    "uint64 lengths, none of T, no bias": (
        lambda c, f, g: (ends(c) and c.lengths.dtype == np.uint64 and max(ends(c), default=0) < c.num_steps
                         and not f.bias), lengthless),
    "x backwards in memory, batch first, float64": (
        lambda c, f, g: layout_of(c.x) == "negative" and f.batch_first and f.dtype == "float64", halved),
    "W_hh strided, two directions, no bias": (
        lambda c, f, g: (layout_of(c.parameters["weight_hh_l0"]) == "strided" and f.bidirectional
                         and not f.bias), halved),
    "forget gate shut from step 8 on, upper layer": (
        lambda c, f, g: "f" in g and late(g["f"][1:], 8, lambda a: a < 0.01), halved),
    "forget gate shut in step 12, upper layer, lengths": (
        lambda c, f, g: "f" in g and ends(c) and late(g["f"][1:], 12, lambda a: a < 0.01), halved),
    "input and output gates both shut from step 5 on, upper layer": (
        lambda c, f, g: "i" in g and bool(((g["i"] < 0.02) & (g["o"] < 0.02))[1:, :, 5:].any()), without_state),
    "update gate open from step 8 on, two directions, batch first": (
        lambda c, f, g: f.bidirectional and f.batch_first and late(g.get("z"), 8, lambda a: a > 0.99), halved),
    "reset gate shut, update gate open, reverse, upper layer, float64": (
        lambda c, f, g: ("r" in g and f.dtype == "float64" and bool(
            ((g["r"] < 0.01) & (g["z"] > 0.99))[1:, 1:].any())), halved),
    "cell state above 9 from step 5 on": (
        lambda c, f, g: late(g.get("c"), 5, lambda a: abs(a) >= np.tanh(9.0)), halved),
    "ReLU above 10,000 from step 8 on": (
        lambda c, f, g: f.cell == "RNN_RELU" and late(g.get("h"), 8, lambda a: a > 1e4), halved),
    "tiny inputs, four layers": (
        lambda c, f, g: f.num_layers == 4 and 0 < abs(c.x).max(initial=0) < 1e-9, halved),
}  # fmt: skip
RARE = ("weights-of-14-bits-after", "cell-state-of-16-bits")  # of the catalogue, at this bound


def conditional(condition: Condition, change: Callable[[Case], Case]) -> Callable[[Seen], Result | None]:
    """The result of a case with a mistake that it makes under a condition; None where it makes none."""
    return lambda seen: forward(change(seen.case)) if condition(seen.case, seen.case.config, seen.gates) else None


def of_catalogue(fault: Fault) -> Callable[[Seen], Result | None]:
    """The same of a mistake of the catalogue."""
    wrong = FaultyReference(fault).forward
    return lambda seen: wrong(seen.case) if fault.about(seen.case.config.cell) else None


MISTAKES = {title: conditional(*mistake) for title, mistake in CONDITIONAL.items()} | {
    FAULTS[id].title: of_catalogue(FAULTS[id]) for id in RARE
}


def differ(wrong: Result, right: Result) -> bool:
    """Whether two results differ plainly."""
    for (_, a), (_, b) in zip(wrong.items(), right.items()):
        scale = float(abs(b[np.isfinite(b)]).max(initial=0))
        if not np.allclose(a, b, rtol=0, atol=PLAINLY * scale, equal_nan=True):
            return True
    return False


@np.errstate(all="ignore")
def run(seed: int, guided: bool, cases: int) -> tuple[dict[str, float], float, int]:
    """The first case that shows each mistake, by number; the guide's CPU time a case; how many blocks it kept."""
    generator, own = random.Random(seed), 0.0
    guide, first = Guide(generator), dict.fromkeys(MISTAKES, inf)
    for number in range(1, cases + 1):
        began = time.process_time()
        block = guide.block()
        own += time.process_time() - began
        seen = Seen(ALLOWED.from_block(block))
        for title, mistake in MISTAKES.items():
            wrong = mistake(seen) if first[title] == inf else None
            if wrong is not None and differ(wrong, seen.result):
                first[title] = number
        if guided:
            began = time.process_time()
            guide.note(block, seen)
            own += time.process_time() - began
    return first, own / cases, len(guide.kept)


def cost_of_a_case(count: int = 200) -> float:
    """The CPU seconds of a case in a hunt: one property of it, and a target that is right."""
    began, examples = time.process_time(), 0
    prop = catalogue()["equivalence.steps"]
    for event in judge(prop, open_target(reference), count, 0, covers=False):
        examples += event.result.examples if isinstance(event, Judged) else 0
    return (time.process_time() - began) / examples


def said(seconds: float, most: float) -> str:
    """A time; more than the most where nothing was found."""
    return f"{seconds:.1f}" if seconds <= most else f"> {most:.0f}"


def main() -> None:
    """Prints the table."""
    cases = int(sys.argv[1]) if sys.argv[1:] else CASES
    cost_of_a_case(20)  # what is computed once
    cost = cost_of_a_case()
    runs: dict[bool, list[tuple[dict[str, float], float, int]]] = {False: [], True: []}
    for seed in SEEDS:
        for guided, done in runs.items():
            done.append(run(seed, guided, cases))
            print(f"seed {seed}, {'guided' if guided else 'unguided'}: done", file=sys.stderr, flush=True)
    own, kept = mean(work for _, work, _ in runs[True]), [kept for *_, kept in runs[True]]
    print(f"a case {1000 * cost:.2f} ms, the guide {1000 * own:.2f} ms; blocks kept: {kept}; {cases} cases a run\n")
    print("| mistake | unguided, CPU s | guided, CPU s | unguided / guided |\n|---|---:|---:|---:|")
    ratios, only, found = [], Counter[bool](), Counter[bool]()
    for title in MISTAKES:
        cells, ends = [], []
        firsts = {guided: [first[title] for first, *_ in done] for guided, done in runs.items()}
        for guided, numbers in firsts.items():
            each = cost + own * guided
            least, middle, last = (said(f(numbers) * each, cases * each) for f in (min, median, max))
            cells.append(f"{middle} ({least} to {last})")
            ends.append(min(median(numbers), cases) * each)
            only[guided] += min(numbers) < inf and min(firsts[not guided]) == inf
            found[guided] += sum(number < inf for number in numbers)
        told = any(median(numbers) < inf for numbers in firsts.values())
        ratios += [log(ends[0] / ends[1])] if told else []
        print("| " + " | ".join([title, *cells, f"{ends[0] / ends[1]:.2f}" if told else ""]) + " |")
    print(
        f"\n{len(ratios)} of {len(MISTAKES)} mistakes compared: geometric mean {exp(mean(ratios)):.2f}, "
        f"times or divided by {exp(stdev(ratios) / len(ratios) ** 0.5):.2f}; "
        f"{sum(ratio < 0 for ratio in ratios)} are found later; "
        f"found by one only: {only[False]} unguided, {only[True]} guided; "
        f"of {len(SEEDS) * len(MISTAKES)} runs {found[False]} and {found[True]} found theirs"
    )


if __name__ == "__main__":
    main()
