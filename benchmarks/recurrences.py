"""How many mistakes in recurrences are found: in all modes and in one, with the equations and with the shapes alone.

    python benchmarks/recurrences.py [SPEC.py:NAME ...]

Without names: all examples. Each mistake that is derived from the equations, or from the loop around them, is planted
in both modes of a target, and in its second one only. Without equations, what changes all modes alike cannot be seen,
unless it breaks what is demanded of any recurrence.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import conformance
from conformance import Capabilities, Mode
from conformance.diagnosis.faulty import FaultyRecurrence
from conformance.faults.recurrences import mistakes_of
from reference_rnn import Recurrence, recurrence
from reference_rnn.cell import loaded

EXAMPLES = Path(__file__).parent.parent / "examples" / "recurrences"


def claims(cell: Recurrence, known: bool) -> Capabilities:
    """Two modes, all arrangements; known: whether the equations are."""
    shown = cell if known else recurrence(**cell.shapes)
    return Capabilities(
        cells=(shown,), dtypes=("float32", "float64"), default_state=True, lengths=True, packed=True, empty=("length",),
        modes={"step": Mode(), "chunk": Mode(order="chunks")},
    )  # fmt: skip


def survivors(cell: Recurrence, known: bool, modes: tuple[str, ...]) -> list[str]:
    """The mistakes that are not found."""
    found = []
    for id, mistake in mistakes_of(cell).items():
        target = FaultyRecurrence(cell, mistake, claims(cell, known), modes)
        if conformance.check(target, diagnosis=False, stop_on_first=True).verdict != "fails":
            found.append(id)
    return found


def main() -> None:
    """Prints a line for each recurrence and placement, with what survives."""
    named = sys.argv[1:] or [f"{file}:{file.stem}" for file in sorted(EXAMPLES.glob("*.py"))]
    for name in named:
        file, _, own = name.rpartition(":")
        cell = loaded(str(Path(file).resolve()), own)
        assert isinstance(cell, Recurrence)
        count = len(mistakes_of(cell))
        for known in (True, False):
            for modes in ((), ("chunk",)):
                began = time.process_time()
                left = survivors(cell, known, modes)
                how = f"{'equations' if known else 'shapes':9}  {'one mode' if modes else 'all modes':9}"
                print(
                    f"{cell:24} {how} {count - len(left):3} of {count:3}  {time.process_time() - began:5.0f} s",
                    flush=True,
                )
                for id in left:
                    print(f"    survives: {id}", flush=True)


if __name__ == "__main__":
    main()
