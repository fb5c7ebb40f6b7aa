"""``rnn-conformance trace``: the hidden state step by step, theirs beside the reference's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from textwrap import indent

import click
import numpy as np
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from conformance.claims.allowed import in_own_layout
from conformance.claims.capabilities import Capabilities
from conformance.harness.load import TargetError, open_target
from conformance.judging.metamorphic import lowest_layers
from conformance.judging.oracle import Failure, within
from conformance.judging.recurrent_subject import RecurrentSubject
from conformance.judging.serialisation import CounterexampleError
from conformance.judging.subject import Subject
from conformance.trial.counterexamples import load
from conformance.trial.options import require_known
from reference_rnn import Case, Config, forward, parameter_shapes, rounded, state_shapes
from reference_rnn.formats.fused_layout import LAYOUT, as_question
from reference_rnn.layers import time_major, time_major_output
from reference_rnn.recurrences import padded
from strategies.cases import own_hidden_biases

from .console import verbatim
from .recurrences import sample, trace_recurrence

NOTHING = 2  # the target gave no numbers to show
LAST = {
    0: "every number agrees, but for rounding",
    1: "some numbers differ: see the messages, and the arrows beside steps",
    NOTHING: "some numbers are missing: see what the target said",
}


@click.command()
@click.argument("target")
@click.option(
    "--case", "file", type=click.Path(path_type=Path), help="A saved counterexample instead of small numbers."
)
@click.option("--cell", help="Of those that the target claims; the first one if none is named.")
def trace(target, file, cell):
    """Shows every hidden state of every layer and direction, yours beside the reference's.

    Without --case: five steps of three-element vectors, small enough to check by hand. Layers below
    the last are shown by running the first ones alone. Exit status: 0 all agree, 1 some do not or are missing.
    """
    opened = open_target(target)
    try:
        console = verbatim()
        if cell:
            require_known("cell", cell, opened.capabilities.cells)
        asked = next(own for own in opened.capabilities.cells if cell in (None, own))
        claims = opened.capabilities.narrowed(cells=(asked,))
        if claims.recurrences:
            return trace_in_modes(RecurrentSubject(opened, claims), file, console)
        if file is not None:
            status = max(print_states(Subject(opened), case, console) for case in load(file).cases())
        else:
            status = print_states(Subject(opened), simple_case(claims), console)
        if status == NOTHING and claims.bidirectional is True and file is None:
            console.print("\nWith one direction only:\n")
            print_states(Subject(opened), simple_case(replace(claims, bidirectional=False)), console)
            console.print("\nWith both directions, ", end="")
        console.print(LAST[status])
        return min(status, 1)
    except CounterexampleError as error:
        raise TargetError(str(error)) from None
    finally:
        opened.stop()


def trace_in_modes(subject: RecurrentSubject, file: Path | None, console: Console) -> int:
    """Traces a recurrence in the mode that the case has, or in each that is claimed."""
    claims = subject.capabilities
    (cell,) = claims.recurrences
    multiples: dict[str | None, int] = {None: 1}
    if claims.modes:
        multiples = {name: mode.multiple.get("T", 1) for name, mode in claims.modes.items()}
    asked = [sample(cell, claims, name) for name in multiples]
    cases = [padded(case) for case in load(file).cases()] if file else asked  # type: ignore[arg-type]
    for mode in {case.mode for case in cases} - multiples.keys():
        raise CounterexampleError(f"its mode is {mode!r}, must be one of {', '.join(map(str, multiples))}")
    whole = "steps" in claims.sizes  # then no beginning of a case is a case
    found = [
        trace_recurrence(subject, case, case.num_steps if whole else multiples[case.mode], console) for case in cases
    ]
    status = max(NOTHING if one is None else one for one in found)
    console.print("nothing to compare with: only its shapes are known" if cell.step is None else LAST[status])
    return min(status, 1)


def simple_case(capabilities: Capabilities) -> Case:
    """Five steps of three numbers, quarters and halves, through as much as the target claims, up to two layers."""
    layers = min(capabilities.max_layers or 2, 2)
    config = Config(
        capabilities.cells[0], 3, 2, layers, bool(capabilities.bidirectional), capabilities.no_bias != "only",
        dtype=capabilities.dtypes[0],
    )  # fmt: skip
    salt = iter(range(10**6))

    def quarters(shape: tuple[int, ...]) -> np.ndarray:
        numbers = (np.arange(np.prod(shape)) * 3 + next(salt) * 2) % 5 - 2
        return rounded(numbers.reshape(shape) / 4, config.dtype)

    parameters = {name: quarters(shape.sizes) for name, shape in parameter_shapes(config).items()}
    parameters |= {
        name: array * own_hidden_biases(config, capabilities.biases)
        for name, array in parameters.items()
        if name.startswith("bias_hh")
    }
    case = in_own_layout(Case(config, parameters, quarters((5, 1, 3))), capabilities)
    if not capabilities.initial_state:
        return case
    states = {name: quarters(shape.sizes) for name, shape in state_shapes(case).items() if name != "x"}
    return case.replace(**states)


def given_arrays(case: Case, layout: str) -> str:
    """What is passed in, array by array, under the names and in the layout in which the target takes it."""
    arrays = as_question(case) if layout == LAYOUT else dict(case.arrays())
    if case.lengths is not None:
        arrays["lengths"] = case.lengths
    config = [f"{name}={value!r}" for name, value in case.config.as_dict().items()]
    lines = [", ".join(config)]
    for name, array in arrays.items():
        if array is not None:
            lines += [f"{name} {array.shape}", indent(np.array2string(array, precision=8, max_line_width=100), "  ")]
    return "\n".join(lines) + "\n"


def print_states(subject: Subject, case: Case, console: Console) -> int:
    """Prints the case and its states: 0 if all numbers agree, 1 if some differ, NOTHING if there are none."""
    console.print(given_arrays(case, subject.target.layout), soft_wrap=True)
    marked = False
    for layer in range(case.config.num_layers):
        below = lowest_layers(case, layer + 1)
        try:
            subject.restart()
            run = subject(below)
        except Failure as failure:
            console.print(f"layer {layer}: {failure.message}", soft_wrap=True)
            return NOTHING
        balls = forward(time_major(below), run.arithmetic)
        output = time_major_output(below, run.result.output)
        for sentence in run.misread:
            console.print(sentence, soft_wrap=True)
        right = balls.output.contains(output)
        for d in range(case.config.num_directions):
            steps = range(case.num_steps)
            title = f"layer {layer}" + (
                ", reverse direction" if d else ", forward direction" * (case.config.num_directions > 1)
            )
            table = Table(
                "step", "row", "unit", "yours", "reference", "", title=title, title_justify="left", box=SIMPLE
            )
            for t in reversed(steps) if d else steps:
                for row in range(case.num_rows):
                    for unit in range(case.config.state_size):
                        at = (t, row, d * case.config.state_size + unit)
                        first = not right[at] and not marked
                        marked |= first
                        sign = "<-- first" if first else "" if right[at] else "<--"
                        mine, theirs = f"{output[at]:.7g}", f"{balls.output.mid[at]:.7g}"
                        table.add_row(str(t), str(row), str(unit), mine, theirs, sign, style="red" if sign else "")
            console.print(table)
        try:
            within(run, forward(below, run.arithmetic), ("h_n", "c_n") if right.all() else ())
        except Failure as failure:
            console.print(failure.message, style="red", soft_wrap=True)
            marked = True
    return int(marked)
