"""``rnn-conformance new``: an adapter to fill in."""

from __future__ import annotations

from pathlib import Path

import click

from conformance.harness.files import write_named
from conformance.report.output import say

TEMPLATE = '''"""My RNN, as a target of rnn-conformance: rnn-conformance check {name}"""

import numpy as np

from conformance import Capabilities

# What you claim must work; what you do not claim is not tested. help(Capabilities) explains each.
capabilities = Capabilities(
    cells=("RNN_TANH",),    # RNN_TANH, RNN_RELU, GRU, GRU_RESET_BEFORE, LSTM
    bidirectional=False,    # True: parameters named ..._reverse, output (T, N, 2H)
    max_layers=1,           # None: any number
    no_bias=False,          # True: case.config.bias may be False
    lengths=False,          # True: case.lengths (N,) integers of any dtype, rows end early
    default_state=False,    # True: case.h_0 may be None
    batch_first=False,      # True: case.x may be (N, T, I)
)


def forward(case):
    """Replace what stands here by a call of your own code.

    case.x (T, N, I); case.h_0 (L*D, N, H); case.parameters: weight_ih_l0 (H, I), weight_hh_l0 (H, H),
    bias_ih_l0 (H,), bias_hh_l0 (H,). Return output (T, N, D*H) and h_n (L*D, N, H). A GRU has 3H rows in the order
    r, z, n, an LSTM 4H in the order i, f, g, o; an LSTM has case.c_0 too and returns output, (h_n, c_n).
    """
    p, h, output = case.parameters, case.h_0[0], []
    for x in case.x:
        h = np.tanh(x @ p["weight_ih_l0"].T + p["bias_ih_l0"] + h @ p["weight_hh_l0"].T + p["bias_hh_l0"])
        output.append(h)
    return np.stack(output), np.stack([h])
'''


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def new(file):
    """Writes FILE: an adapter that runs, to be filled in with your own code."""
    if file.suffix != ".py":
        raise click.UsageError(f"{str(file)!r} must end in .py, so that it can be checked")
    if file.exists():
        raise click.UsageError(f"{str(file)!r} is there already; name another file")
    try:
        write_named(file, TEMPLATE.format(name=file.name), new=True)
    except OSError as error:
        raise click.UsageError(f"{str(file)!r} cannot be written: {error.strerror}") from None
    say(f"{file} is written; it conforms as it stands: rnn-conformance check {file}")
    return 0
