"""Calls that are read as other ones: each is named, with its change."""

import numpy as np
import pytest

from conformance import Capabilities, check
from conformance.adapters import reference
from conformance.adapters.reference import as_case


def exchanged(case):
    """The case with x in the other layout."""
    return case.replace(x=case.x, batch_first=not case.config.batch_first)


def turned(a, lengths):
    """The steps of each row in reversed order, and what comes behind its end as it is."""
    found = a.copy()
    for row, n in enumerate(lengths):
        found[:n, row] = a[:n, row][::-1]
    return found


def as_it_is(a, lengths):
    """The same, forwards."""
    return a


class Guessed:
    """The batch is taken to come first where x has as many entries in front as there are lengths."""

    capabilities = Capabilities(cells=("RNN_RELU",), lengths=True, batch_first=True)

    def forward(self, case):
        case = as_case(case)
        alike = case.x.ndim == 3 and case.lengths is not None and len(case.x) == len(case.lengths)
        if not alike or case.config.batch_first or case.num_rows != case.num_steps:
            return reference.forward(case)
        return reference.forward(exchanged(case))


class GuessedBack(Guessed):
    """So it is for the gradient of a loss on the output alone."""

    capabilities = Capabilities(cells=("GRU",), batch_first=True, gradients=True)
    forward = staticmethod(reference.forward)

    def gradients(self, case, d_output, d_h_n, d_c_n):
        case = as_case(case)
        if d_output is not None and case.num_steps == case.num_rows and case.config.batch_first:
            d_output = d_output.swapaxes(0, 1)
        return reference.gradients(case, d_output, d_h_n, d_c_n)


class StepsForRows:
    """An axis of rows is put where the batch comes first."""

    capabilities = Capabilities(batch_first=True, unbatched=True)

    def forward(self, case):
        case = as_case(case)
        if not case.unbatched or not case.config.batch_first:
            return reference.forward(case)
        h_0 = None if case.h_0 is None else np.repeat(case.h_0[:, None], len(case.x), 1)
        output, h_n = reference.forward(case.replace(x=case.x[:, None], h_0=h_0))
        return output[:, 0], h_n[:, 0] if len(case.x) else case.h_0


class Unsigned:
    """Rows are sorted by lengths that are negated in the dtype in which they are given; each is turned by itself."""

    capabilities = Capabilities(cells=("GRU",), lengths=True, empty=True, bidirectional="only")

    def forward(self, case):
        lengths, case = case.lengths, as_case(case)
        if lengths is None:
            return reference.forward(case)
        order = np.argsort(-np.asarray(lengths), kind="stable")
        halves, finals = [], []
        for direction, ending in enumerate(("l0", "l0_reverse")):
            mine = {name: a for name, a in case.parameters.items() if name.endswith(ending)}
            parameters = {name.removesuffix("_reverse"): a for name, a in mine.items()}
            alone = case.replace(bidirectional=False, parameters=parameters, lengths=None)
            h = case.h_0[direction : direction + 1].copy()
            turn = turned if direction else as_it_is
            half = np.zeros((case.num_steps, case.num_rows, h.shape[2]), h.dtype)
            for t, x_t in enumerate(turn(case.x, case.row_lengths)):
                live = order[: (case.row_lengths > t).sum()]
                _, h[:, live] = reference.forward(alone.replace(x=x_t[None, live], h_0=h[:, live]))
                half[t, live] = h[0, live]
            halves.append(turn(half, case.row_lengths))
            finals.append(h[0])
        return np.concatenate(halves, axis=2), np.stack(finals)


NAMED = {
    Guessed: "with T = N and with lengths, x and the output are taken to have the batch first",
    GuessedBack: "with T = N, d_output is taken to have time first",
    StepsForRows: "without an axis of rows and batch_first, each step is taken for a row of one step",
    Unsigned: (
        "rows are sorted by lengths that are negated as unsigned numbers, so that 0 comes first, each turned around"
        " as long as it is"
    ),
}


@pytest.mark.sample
@pytest.mark.parametrize("target", NAMED)
def test_it_is_named(target):
    *_, finding = check(target, workers=1, in_process=True).diagnosis
    assert finding.exact and finding.title == NAMED[target] and finding.patch
