"""What a call does beside giving numbers is said, and when: dtypes, arrays that it changes, memory that is shared."""

import numpy as np
import pytest

from conformance import Capabilities, check
from conformance.adapters import reference


class Target:
    """The reference, of which one thing that it does beside giving numbers is another."""

    capabilities = Capabilities(cells=("GRU",), default_state=True, batch_first=True, gradients=True, lengths=True)

    def __init__(self):
        self.kept = {}

    def forward(self, case):
        return self.beside(case, *reference.forward(case))

    def gradients(self, case, *d):
        return self.beside_gradients(case, reference.gradients(case, *d))

    def beside(self, case, *results):
        return results

    def beside_gradients(self, case, gradients):
        return gradients


class StateOfFloat64(Target):
    def beside(self, case, output, h_n):
        return output, h_n.astype(np.float64) if case.h_0 is None else h_n


class Changes(Target):
    def beside(self, case, output, h_n):
        np.multiply(case.x, 2, out=case.x)
        return output, h_n


class Normalises(Target):
    def beside(self, case, output, h_n):
        if case.config.batch_first and case.h_0 is not None:
            case.h_0[...] = h_n
        return output, h_n


class OneBuffer(Target):
    def beside(self, case, output, h_n):
        buffer = self.kept.setdefault(output.shape, np.empty_like(output))
        buffer[...] = output
        return buffer, h_n


class GradientsOfFloat64(Target):
    def beside_gradients(self, case, gradients):
        return {name: array.astype(np.float64) if name == "x" else array for name, array in gradients.items()}


SAID = {
    StateOfFloat64: "h_n has dtype float64, must be float32, only where no initial state is given",
    Changes: "x is changed by the call",
    Normalises: "h_0 is changed by the call, only where the initial state is not zero and the batch comes first",
    OneBuffer: "output shares memory with an earlier result",
    GradientsOfFloat64: "the gradient of x has dtype float64, must be float32",
}


ASKED = ["shapes.dtype", "shapes.inputs_untouched", "shapes.results_own_their_memory", "gradients.shapes"]


@pytest.mark.sample
@pytest.mark.parametrize(("target", "sentence"), SAID.items(), ids=[target.__name__ for target in SAID])
def test_what_a_call_does_beside_giving_numbers_is_said(target, sentence):
    report = check(target, properties=ASKED, workers=1, in_process=True)
    assert [one.title for one in report.diagnosis if one.fault == "measured.hygiene"] == [f"GRU: {sentence}"]


class ChangesBesideAMistake(Target):
    def beside(self, case, output, h_n):
        right = case.parameters["weight_ih_l0"].flags.c_contiguous
        np.multiply(case.h_0, 0, out=case.h_0) if case.h_0 is not None and case.h_0.flags.writeable else None
        return output if right else output + np.float32(0.25), h_n


@pytest.mark.sample
def test_it_hides_no_condition():
    asked = ["shapes.inputs_untouched", "shapes.memory_layout", "equivalence.steps"]
    report = check(ChangesBesideAMistake, properties=asked, workers=1, in_process=True)
    said = {one.fault: one.title for one in report.diagnosis}
    assert said["measured.hygiene"] == "GRU: h_0 is changed by the call, only where the initial state is not zero"
    assert said["measured.trigger"].startswith("GRU: wrong only where a weight_ih is not in C order")
