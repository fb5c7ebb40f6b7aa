"""What the commands say of recurrences, whose arrays have names and shapes of their own."""

from __future__ import annotations

import ast
from collections import Counter

import numpy as np
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from conformance.claims.capabilities import Capabilities
from conformance.faults.recurrences import mistakes_of, parsed
from conformance.judging.oracle import Failure
from conformance.judging.recurrent_subject import Given, RecurrentSubject
from reference_rnn import Handed, Recurrence, RecurrenceCase, RecurrenceConfig, handed_shapes
from reference_rnn.recurrences import USUAL, shapes_of
from strategies.recurrences import steps_kept, zeros

SMALL = {"steps": 4, "batch": 2, "heads": 2}  # of what is shown


def print_recurrence(cell: Recurrence, console: Console) -> None:
    """Prints what follows from a recurrence: its arrays, its equations, and the mistakes that are made of them."""
    doc = getattr(cell.step, "__doc__", None) or "no description"
    console.print(f"{cell}: {' '.join(doc.split())}", soft_wrap=True)
    console.print(shape_table(sample(cell)))
    for name, (low, high) in cell.ranges.items():
        console.print(f"range   {name} from {low:g} to {high:g}", soft_wrap=True)
    if cell.step is None:
        console.print("equations  are not known: its shapes are all there is")
        return
    console.print(f"\n{ast.unparse(parsed(cell))}\n", soft_wrap=True)
    mistakes = mistakes_of(cell)
    count = Counter(id.split(".")[0] for id in mistakes)
    own = len(mistakes) - count["handed"]
    console.print(
        f"{len(mistakes)} mistakes can be detected: {own} in the equations, {count['handed']} in what is handed on"
    )


def shape_table(case: RecurrenceCase) -> Table:
    """The shapes of a case and of its results."""
    table = Table("", "array", "shape", "in symbols", box=SIMPLE)
    for part, arrays in (("given", shapes_of(case)), ("returned", handed_shapes(case))):
        for name, shape in arrays.items():
            table.add_row(part, name, str(shape.sizes), f"({shape.symbols})")
            part = ""
    return table


def sample(cell: Recurrence, claims: Capabilities | None = None, mode: str | None = None) -> RecurrenceCase:
    """A small case, of numbers that people can work with: quarters between what the recurrence allows.

    claims  of a target, whose sizes it has where they are restricted
    """
    claims = claims or Capabilities(cells=(cell,))
    multiple = claims.modes[mode].multiple if mode else {}
    usual = SMALL | dict(zip(cell.letters, (2, 3, 2, 3) * (1 + len(cell.letters) // 4)))
    small = {name: size * multiple.get("T" if name == "steps" else name, 1) for name, size in usual.items()}
    small |= {name: min(sizes) for name, sizes in claims.sizes.items()}
    sizes = {letter: small[letter] for letter in cell.letters}
    config = RecurrenceConfig(cell, sizes, small["heads"] if cell.heads else 1, claims.dtypes[0])
    empty = zeros(config, small["steps"], small["batch"], mode)
    salt = iter(range(10**6))

    def quarters(name: str, array: np.ndarray) -> np.ndarray:
        low, high = cell.ranges.get(name, USUAL)
        numbers = ((np.arange(array.size) * 3 + next(salt) * 2) % 5 - 2) / 4
        return np.clip(numbers.reshape(array.shape), low, high).astype(array.dtype)

    return empty.map(quarters)


def trace_recurrence(subject: RecurrentSubject, case: RecurrenceCase, multiple: int, console: Console) -> int | None:
    """Prints outputs and states behind every step, yours beside the reference's: 0 if they agree, 1 if not.

    None if there are none. The states behind a step are those of a run that ends there.
    """
    console.print(f"{case!r}\n", soft_wrap=True)
    marked = False
    known = case.config.cell.step is not None
    for end in range(multiple, case.num_steps + 1, multiple):
        part = steps_kept(case, slice(0, end))
        try:
            subject.restart()
            run: Given = subject(part)
        except Failure as failure:
            console.print(f"{end} steps: {failure.message}", soft_wrap=True)
            return None
        balls = subject.balls(part) if known else None
        table = Table(
            "array", "at", "yours", "reference", "", title=f"step {end - 1}", title_justify="left", box=SIMPLE
        )
        for name, array in run.numbers.items():
            first = end - multiple if name in case.config.cell.outputs else 0
            for at in np.ndindex(*array.shape):
                if name in case.config.cell.outputs and at[0] < first:
                    continue
                wrong = balls is not None and not within(balls, name, at, array[at])
                sign = "<-- first" if wrong and not marked else "<--" if wrong else ""
                marked |= wrong
                theirs = f"{dict(balls.items())[name].mid[at]:.7g}" if balls else ""
                table.add_row(name, str(list(at)), f"{array[at]:.7g}", theirs, sign, style="red" if sign else "")
        console.print(table)
    return int(marked)


def within(balls: Handed, name: str, at: tuple[int, ...], value: np.ndarray) -> bool:
    """Whether a number is what the equations allow."""
    ball = dict(balls.items())[name]
    return bool(ball[at].contains(value))
