"""What is kept between calls: each mistake is made, found, and named where nobody has written it down."""

import numpy as np
import pytest

from conformance import Capabilities, check
from conformance.adapters import reference
from conformance.adapters.reference import as_case
from conformance.faults import FaultyReference
from conformance.faults.keeping import keeping
from strategies.cases import Allowed
from strategies.covering import covering


def test_each_keeps_something():
    cases = list(covering(Allowed()))[:2]
    for fault in keeping().values():
        assert fault.stateful and fault.backward_only is (fault.function == "by_name")
        faulty = FaultyReference(fault)
        assert all((faulty.gradients if fault.backward_only else faulty.forward)(case) for case in cases)
    assert len({fault.new for fault in keeping().values()}) == len(keeping()) > 40


class KeepsBias:
    """b_hh is that of the first call with as many units."""

    capabilities = Capabilities(cells=("RNN_TANH",), max_layers=2)

    def __init__(self):
        self.kept = {}

    def forward(self, case):
        def first(name, array):
            return self.kept.setdefault((name, len(array)), array.copy()) if name.startswith("bias_hh") else array

        case = as_case(case)
        output, h_n = reference.forward(case.map(lambda name, array: first(name, array).astype(array.dtype)))
        return output, h_n


class KeepsState:
    """A state that is not given is the last one of its shape."""

    capabilities = Capabilities(cells=("GRU",), default_state=True)

    def __init__(self):
        self.last = {}

    def forward(self, case):
        case = as_case(case)
        key = case.config.hidden_size, case.num_rows
        output, h_n = reference.forward(case.replace(h_0=self.last.get(key)) if case.h_0 is None else case)
        self.last[key] = h_n
        return output, h_n


class KeepsNear:
    """Parameters are those of an earlier call, unless np.allclose tells them apart."""

    capabilities = Capabilities(cells=("GRU",), dtypes=("float64",))

    def __init__(self):
        self.kept = []

    def forward(self, case):
        case = as_case(case)
        near = (
            old for config, old in self.kept
            if config == case.config and all(np.allclose(a, old[name]) for name, a in case.parameters.items())
        )  # fmt: skip
        found = next(near, None) or {name: a.copy() for name, a in case.parameters.items()}
        self.kept.append((case.config, found))
        return reference.forward(case.replace(parameters=found))


class KeepsZeros:
    """The zeros of a c_0 that is not given are made once for each shape, and are what the call makes of them."""

    capabilities = Capabilities(cells=("LSTM",), default_state=True)

    def __init__(self):
        self.zeros = {}

    def forward(self, case):
        case = as_case(case)
        if case.h_0 is not None:
            return reference.forward(case)
        zeros = np.zeros((1, case.num_rows, case.config.hidden_size), case.x.dtype)
        c_0 = self.zeros.get((zeros.shape, zeros.dtype), zeros)
        output, (h_n, c_n) = reference.forward(case.replace(h_0=zeros, c_0=c_0))
        self.zeros[zeros.shape, zeros.dtype] = c_n.copy()
        return output, (h_n, c_n)


class KeepsBiases:
    """Parameters are known by their weights and by whether there are biases, and not read again."""

    capabilities = Capabilities(cells=("RNN_TANH",), no_bias=True)

    def __init__(self):
        self.kept = {}

    def forward(self, case):
        case = as_case(case)
        key = case.config.bias, *(a.tobytes() for n, a in case.parameters.items() if n.startswith("weight"))
        kept = self.kept.setdefault(key, {name: array.copy() for name, array in case.parameters.items()})
        return reference.forward(case.replace(parameters=kept))


class AddsUp:
    """Gradients of recurrent parameters are added up as long as the parameters are the same."""

    capabilities = Capabilities(cells=("LSTM",), gradients=True)
    forward = staticmethod(reference.forward)

    def __init__(self):
        self.sums = {}

    def gradients(self, case, d_output, d_h_n, d_c_n):
        case = as_case(case)
        key = (case.config.dtype, *(array.tobytes() for array in case.parameters.values()))
        found, sums = reference.gradients(case, d_output, d_h_n, d_c_n), self.sums.setdefault(key, {})
        for name in [name for name in found if name.startswith(("weight_h", "bias_hh"))]:
            found[name] = sums[name] = sums.get(name, 0) + found[name]
        return found


SHOWN = {
    KeepsZeros: ("shapes.repeatable", "c_0 of an LSTM that is not given is the final state of the last call of"),
    KeepsBiases: (
        "shapes.calls_are_independent",
        "every parameter is kept from the first call in which all but bias_ih and bias_hh are the same, and whether",
    ),
    AddsUp: (
        "gradients.calls_are_independent",
        "gradients of weight_hh, bias_hh and weight_hr are added to those of the same parameters",
    ),
}


@pytest.mark.sample
@pytest.mark.parametrize("target", SHOWN)
def test_its_change_is_shown(target):
    prop, title = SHOWN[target]
    patches = [fault.patch() for fault in keeping().values() if fault.title.startswith(title)]
    [found] = check(target, properties=[prop, "shapes.default_state"], workers=1, in_process=True).diagnosis
    assert found.patch in patches


TITLES = {
    KeepsBias: "bias_hh is kept from the first call with arrays of those shapes",
    KeepsState: "a state that is not given is the final state of the last call of that shape",
}


@pytest.mark.sample
@pytest.mark.parametrize("target", TITLES)
def test_it_is_named(target):
    report = check(target, properties=["equivalence.steps", "shapes.default_state", "shapes.calls_are_independent"])
    assert [finding.title for finding in report.diagnosis if finding.exact] == [TITLES[target]]


def test_parameters_that_are_nearly_the_same_are_asked_for():
    [found] = check(KeepsNear, properties=["shapes.calls_are_independent"], workers=1, in_process=True).diagnosis
    said = "a call after one with numbers larger by a share of 8e-06 or numbers larger by a share of 4e-09, and"
    assert found.fault == "measured.history" and said in found.title and "np.allclose" in found.patch


def test_what_is_known_by_rounded_numbers_is_not_taken_for_what_np_allclose_admits():
    class KeepsRounded(KeepsNear):
        def forward(self, case):
            case = as_case(case)
            key = (case.config, *(np.round(array, 6).tobytes() for array in case.parameters.values()))
            found = next((old for other, old in self.kept if other == key), None)
            self.kept.append((key, found or {name: a.copy() for name, a in case.parameters.items()}))
            return reference.forward(case.replace(parameters=self.kept[-1][1]))

    [found] = check(KeepsRounded, properties=["shapes.calls_are_independent"], workers=1, in_process=True).diagnosis
    assert found.title.startswith("GRU: a call after one with numbers larger by a share of 4e-09, and the same else")
    assert not found.patch
