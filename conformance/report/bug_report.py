"""A report on one finding, for those who maintain the target: they need neither this kit nor its words to follow it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from conformance.chapters import catalogue
from conformance.harness.child import LoadError
from conformance.harness.source_text import SourceText
from conformance.harness.text import visible_lines
from conformance.hunt.corpus import Kept
from conformance.hunt.deduplication import FAILURE, MISTAKE
from conformance.judging.counterexample import DEMANDS, Counterexample
from conformance.judging.serialisation import Unclaimed, number_from_data
from conformance.scripts.reproducer import script
from conformance.scripts.standalone_source import NotAlone
from conformance.trial.counterexamples import current_name, find_counterexample, load
from conformance.trial.property_names import Names
from conformance.trial.source_location import place_of
from reference_rnn import RecurrenceCase

from .markdown import code, code_block, escaped

MOST_NUMBERS = 12  # in the table of what was expected and what came
MOST_LINES = 60  # of their source


def document(finding: Kept, file: Path, rounds: int, target: str | None = None) -> str:
    """The report in Markdown. Raises CounterexampleError for a file that is no counterexample, Unclaimed where only
    the target can say what it means.

    file: of the counterexample;  rounds: how many have shown the finding;  target: the one that the user has named,
    which is the only one that is ever loaded, and whose source is shown
    """
    found = read_counterexample(file, target) if os.path.lexists(file) else None
    parts = [
        *title(finding), *versions(finding, rounds), *mistake_section(finding), *numbers_section(finding, found),
        *not_rounding(found), *script_section(found), *source(target),
    ]  # fmt: skip
    return visible_lines("\n".join(parts)).rstrip("\n") + "\n"


def read_counterexample(file: Path, target: str | None) -> Counterexample | None:
    """The counterexample in a file, of the target that the user has named; None where that does not fail on it now.

    Raises CounterexampleError, or Unclaimed.
    """
    found = load(file, described=True)
    id = current_name(file, found.property, Names(catalogue()))
    if found.calls:
        return replace(found, property=id, target=target or found.target)
    if not target:
        raise Unclaimed(found.target)
    return find_counterexample(target, id, found.case, catalogue())


def title(finding: Kept) -> Iterator[str]:
    """What is wrong, in a line, and what should hold."""
    yield from (f"# {code(finding.target)}: {code(finding.title)}", "")
    if finding.statement:
        yield from (f"This should hold and does not: {escaped(finding.statement)}", "")
    if finding.key[0] != FAILURE:
        yield from (code(finding.message), "")


def versions(finding: Kept, rounds: int) -> Iterator[str]:
    """With what it was seen, and how often."""
    yield from ("## Versions", "")
    yield from (f"- {escaped(name)} {escaped(version)}" for name, version in finding.environment.items() if version)
    kit, when = escaped(finding.kit_version), escaped(finding.first_seen)
    yield f"- found by rnn-conformance {kit}, {when}, seed {finding.seed}"
    yield from (f"- seen with {rounds} seeds" if rounds > 1 else "- seen with one seed", "")


def mistake_section(finding: Kept) -> Iterator[str]:
    """The mistake, where it is known."""
    if finding.key[0] == MISTAKE and finding.patch:
        yield from ("## The mistake", "", "The same numbers come from a textbook implementation with this change:", "")
        yield from (*code_block(finding.patch.splitlines(), "diff"), "")


def numbers_section(finding: Kept, found: Counterexample | None) -> Iterator[str]:
    """What was expected and what came, number by number."""
    rows = list(wrong_numbers(finding, found)) if found else []
    if rows:
        yield from (
            "## Expected and given",
            "",
            "| | expected | given | off by | allowed |",
            "|---|---:|---:|---:|---:|",
        )
        yield from rows[:MOST_NUMBERS]
        yield from ([f"\nand {len(rows) - MOST_NUMBERS} more", ""] if len(rows) > MOST_NUMBERS else [""])


def wrong_numbers(finding: Kept, found: Counterexample) -> Iterator[str]:
    """A row for each number of the compared calls that is further off than it may be."""
    for number in found.compared if len(finding.given) == len(found.calls) else ():
        for name, (must, room) in found.expected[number].items():
            entry = finding.given[number].get(name)
            if entry is None or entry.shape != list(must.shape) or len(entry.data) != must.size:
                continue
            given = np.array([number_from_data(name, one) for one in entry.data]).reshape(must.shape)
            with np.errstate(all="ignore"):
                off = abs(given - must)
                near = (given == must) | (off <= room) | np.isinf(room) | (np.isnan(given) & np.isnan(must))
            for at in map(tuple, np.argwhere(~near)):
                place = f"{name}[{', '.join(map(str, at))}]"
                yield f"| `{place}` | {must[at]:.9g} | {given[at]:.9g} | {off[at]:.3g} | {room[at]:.3g} |"


def not_rounding(found: Counterexample | None) -> Iterator[str]:
    """Why it is a defect and no matter of precision."""
    if found is None:
        return
    yield from ("## Why this is not rounding", "")
    if found.demand == "numbers":
        dtype = found.case.config.dtype
        yield (
            f"Each expected number comes with a bound: what rounding in {dtype} may do to *any* correct "
            "implementation, in any order of summation, derived from the facts of the arithmetic and not chosen. What "
            "is off by no more is not reported. So no order of operations and no compiler explains these numbers."
        )
    elif isinstance(found.case, RecurrenceCase) and (found.demand == "property" or (found.same and found.same.room)):
        yield (
            "In double precision, what must be the same is further apart than 2**10 times what changes in the last "
            "place of whatever is given cause. Rounding becomes 2**29 times smaller from single to double precision; "
            "this does not become 2**16 times smaller."
        )
    else:
        yield f"No number that could be rounded is compared. What does not hold is this: {DEMANDS[found.demand]}."
    if found.repeatable is False:
        yield from ("", "It did not fail every time: when it was found, a fresh process was right on this case alone.")
    yield ""


def script_section(found: Counterexample | None) -> Iterator[str]:
    """The script that shows it without this kit, or why there is none."""
    yield from ("## To see it", "")
    if found is None:
        yield from ("The target could not even be built, so no case is needed.", "")
        return
    try:
        text = script(found, catalogue()[found.property].statement)
    except (NotAlone, LoadError, KeyError, OSError, ValueError) as error:
        yield from (f"There is no script that stands alone: {code(str(error))}", "")
        return
    if found.target.startswith("cmd:"):
        yield from ("Send these lines to the command:", "", *code_block(text.splitlines()), "")
        return
    yield from ("Save this as `shows.py` and run it; it needs NumPy and the package alone, and exits with 1.", "")
    yield from (*code_block(text.splitlines(), "python"), "")


def source(target: str | None) -> Iterator[str]:
    """The lines of the source of a target that the user has named, where they are known."""
    place = place_of(target) if target else None
    if place is None:
        return
    lines = SourceText.read(place.file).text.splitlines()
    if not lines:
        return
    last = next(
        (n for n in range(place.line, len(lines)) if lines[n][:1].strip() and lines[n][0] not in ")]}#"), len(lines)
    )
    source_lines = lines[place.line - 1 : min(last, place.line - 1 + MOST_LINES)]
    yield from (
        f"## The source, {code(place.from_root)} from line {place.line}",
        "",
        *code_block(source_lines, "python"),
        "",
    )
