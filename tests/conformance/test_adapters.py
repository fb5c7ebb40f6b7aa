"""Bare cells, functions in the layout of the question, and targets to which a new shape is dear."""

from dataclasses import replace

import numpy as np
import pytest

import reference_rnn
from conformance import Capabilities, assert_conforms, check, from_cell
from conformance.adapters import question, reference
from conformance.claims.capabilities import CapabilityError


def cell(x, h, p):
    return np.tanh(x @ p["weight_ih"].T + p["bias_ih"] + h @ p["weight_hh"].T + p["bias_hh"])


def test_a_bare_cell_conforms():
    assert_conforms(from_cell(cell, dtypes=("float32", "float64")))


def test_a_wrong_cell_does_not_and_the_report_is_the_message():
    wrong = from_cell(lambda x, h, p: cell(x, h, p | {"bias_hh": 0}))
    with pytest.raises(AssertionError, match=r"does not conform(.|\n)*equivalence.steps: Every step is the step"):
        assert_conforms(wrong, properties=["equivalence"])


def test_a_cell_claims_only_what_exists():
    with pytest.raises(CapabilityError, match="RNN_TAN"):
        from_cell(cell, "RNN_TAN")


@pytest.mark.sample
def test_the_asker_writes_no_adapter(tmp_path):
    (tmp_path / "mine.py").write_text("from reference_rnn import rnn\n")
    report = check(f"{tmp_path / 'mine.py'}:rnn")
    assert report.verdict == "conforms", report.reasons
    assert report.capabilities["bidirectional"] and report.capabilities["max_layers"] is None


@pytest.mark.sample
def test_the_adapter_hides_no_mistake():
    def forgetful(xs, h, w0, w, b, *rest):
        return reference_rnn.rnn(xs, 0 * h, w0, w, b, *rest)

    report = check(question.adapt(forgetful), properties=["equivalence.steps"])
    assert report.verdict == "fails" and "first step" in report.results[0].message


@pytest.mark.sample
def test_a_dear_shape_is_not_asked_for_often():
    shapes = set()

    def forward(case):
        c = case.config
        shapes.add((c.num_layers, c.bidirectional, c.hidden_size, c.bias, c.batch_first, case.x.shape))
        return reference.forward(case)

    forward.gradients = reference.gradients
    forward.capabilities = replace(reference.capabilities, cells=("LSTM",), recompiles=True, dtypes=("float32",))
    report = check(forward, budget=15.0)
    assert report.verdict == "conforms", report.reasons
    assert len(shapes) <= 24


@pytest.mark.sample
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_judged(dtype):
    claims = Capabilities(cells=("RNN_TANH", "RNN_RELU"), dtypes=(dtype,), max_layers=2)

    def forward(case):
        output, h_n = reference.forward(case)
        return output, h_n

    def single(case):
        output, h_n = reference.forward(case)
        return output, (h_n * np.float32(1 + 2.0**-6)).astype(h_n.dtype)

    forward.capabilities = single.capabilities = claims
    assert check(forward).verdict == "conforms"
    assert check(single, properties=["equivalence"]).verdict == "fails"


def test_one_bias_means_the_other_is_zero():
    def forward(case):
        assert not any(bias.any() for name, bias in case.parameters.items() if name.startswith("bias_hh"))
        return reference.forward(case)

    forward.capabilities = Capabilities(biases="one")
    assert check(forward).verdict == "conforms"
