"""``rnn-conformance shapes``: the shape table of a configuration."""

from __future__ import annotations

import click
from rich.box import SIMPLE, SQUARE
from rich.table import Table

import reference_rnn
from conformance.claims.allowed import in_own_layout
from conformance.harness.load import open_target
from conformance.report.terminal import console
from reference_rnn import CELLS, Recurrence, parameter_shapes, result_shapes, state_shapes
from reference_rnn.formats.fused_layout import LAYOUT, question_shapes

from .cell import cell_named
from .recurrences import sample, shape_table


@click.command()
@click.argument("target", required=False)
@click.option("--cell", help=f"One of {', '.join(CELLS)}, or SPEC.py:NAME; left out, the first that TARGET claims.")
@click.option("-T", "--steps", type=click.IntRange(0), default=5, show_default=True)
@click.option("-N", "--rows", type=click.IntRange(0), default=3, show_default=True)
@click.option("-I", "--input-size", type=click.IntRange(1), default=4, show_default=True)
@click.option("-H", "--hidden-size", type=click.IntRange(1), default=2, show_default=True)
@click.option("-L", "--layers", type=click.IntRange(1), default=2, show_default=True)
@click.option("--bidirectional", is_flag=True)
@click.option("--batch-first", is_flag=True)
@click.option("--no-bias", is_flag=True)
def shapes(target, cell, steps, rows, input_size, hidden_size, layers, bidirectional, batch_first, no_bias):
    """What shape must every array have?

    T steps, N rows of the batch, I input size, H hidden size, L layers, D directions. With a TARGET: under the names
    that it has for them, and in its layout.
    """
    claims, layout = claims_and_layout(target) if target else (None, "")
    own = claims.recurrences[0] if claims and claims.recurrences else choose_cell(cell, claims)
    if isinstance(own, Recurrence):
        console().print(shape_table(sample(own, claims)))
        return 0
    case = reference_rnn.case(
        own, T=steps, N=rows, I=input_size, H=hidden_size, L=layers, D=2 if bidirectional else 1,
        batch_first=batch_first, bias=not no_bias,
    )  # fmt: skip
    case = in_own_layout(case, claims) if claims else case
    table = Table("", "array", "shape", "in symbols", box=SIMPLE)
    given = {**state_shapes(case), **parameter_shapes(case.config)}
    if layout == LAYOUT:
        given = question_shapes(case)
    for part, arrays in (("given", given), ("returned", result_shapes(case))):
        for name, shape in arrays.items():
            table.add_row(part, name, str(shape.sizes), f"({shape.symbols})")
            part = ""
    console().print(table)
    if layout == LAYOUT:
        console().print(blocks_of_w0(case))
    return 0


def blocks_of_w0(case):
    """The blocks of w0 for one direction, two of which are zero: nobody reads what stands in them."""
    inputs, units = case.config.input_size, case.config.hidden_size
    table = Table("w0 of direction d", f"I = {inputs} columns", f"H = {units} columns", box=SQUARE, show_lines=True)
    table.add_row(f"H = {units} rows", "W_ih", "zero")
    table.add_row(f"H = {units} rows", "zero", "W_hh")
    return table


def choose_cell(cell, claims):
    """The cell that is named, else the first one that a target claims, else a plain one."""
    return claims.cells[0] if claims and not cell else cell_named(cell or "RNN_TANH")


def claims_and_layout(target):
    """What a target claims, and the layout in which it is given its arrays, empty for the usual one.

    Raises TargetError.
    """
    opened = open_target(target)
    opened.stop()
    return opened.capabilities, opened.layout
