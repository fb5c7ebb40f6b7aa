"""What somebody writes who uses all of it; ``mypy --strict`` reads it, and says what is revealed."""

from pathlib import Path
from typing import Any, Literal

import numpy as np
from hypothesis import given

import conformance
import strategies
from conformance import Capabilities, Limits, Options, Report, TargetError, UsageError
from reference_rnn import Ball, Case, Cell, cell, cotangents, forward, gradients, mix, sigmoid, tanh

Array = np.ndarray[Any, np.dtype[Any]]


class MyRNN:
    """An adapter."""

    capabilities = Capabilities(cells=("RNN_TANH",), dtypes=("float32", "float64"), max_layers=None)

    def forward(self, case: Case) -> tuple[Array, Array]:
        """A plain loop."""
        assert case.h_0 is not None
        p, h, output = case.parameters, case.h_0[0], []
        for x in case.x:
            h = np.tanh(x @ p["weight_ih_l0"].T + p["bias_ih_l0"] + h @ p["weight_hh_l0"].T + p["bias_hh_l0"])
            output.append(h)
        return np.stack(output), h[None].copy()


@cell("fn")
def mgu(x: Any, h: Any, p: Any) -> Any:
    """A cell of one's own."""
    f = sigmoid(p.f(x, h))
    n = tanh(p.n(x, f * h))
    return mix(f, h, n)


@conformance.parametrize(MyRNN, seed=1, properties=["time.split"])
def test_my_rnn(check: conformance.Check) -> None:
    """An item for each property."""
    check()


@given(strategies.cases(cells=("RNN_RELU",), max_layers=2, lengths=True))
def test_my_padding(case: Case) -> None:
    """A test of one's own on drawn cases."""
    reveal_type(case)
    reveal_type(forward(case).output)
    reveal_type(gradients(case, **cotangents(case)))


def activated(ball: Ball, array: Array) -> None:
    """What goes in comes out."""
    reveal_type(tanh(ball))
    reveal_type(tanh(array))
    reveal_type(mix(ball, ball, ball))


def judged(path: Path) -> Report:
    """Everything that may be asked in Python."""
    try:
        report = conformance.check(path, seed=3, progress=lambda result: print(result.id, result.status))
    except (TargetError, UsageError) as error:
        raise SystemExit(str(error)) from None
    reveal_type(report)
    reveal_type(report.results[0].counterexample)
    reveal_type(report.diagnosis[0].patch)
    reveal_type(mgu)
    reveal_type(Options(profile="quick", json=Path("r.json")).json)
    reveal_type(Limits(call=3.0).memory)
    cells: tuple[Cell, ...] = (mgu,)
    conformance.assert_conforms(conformance.from_cell(lambda x, h, parameters: h, cells[0]))
    return report


def printed_report(case: Case) -> str:
    """A report and a ball as text, with the version of the kit."""
    report = conformance.check("torch", properties="shapes.shapes", budget="1s", json="r.json", stop_on_first=True)
    verdict: Literal["conforms", "fails", "inconclusive"] = report.verdict
    return f"{conformance.__version__}: {verdict}, {report}, {forward(case, 'float32').output}"
