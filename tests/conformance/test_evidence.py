"""What a target of recurrences shows of itself decides where neither equations nor double precision do."""

from dataclasses import replace

import numpy as np
import pytest

import conformance
from conformance import Capabilities, Mode
from reference_rnn import recurrence

MODES = {"step": Mode(), "chunk": Mode(order="chunks")}
SHAPES = {"inputs": {"x": "K"}, "states": {"s": "K"}, "outputs": {"y": "K"}, "parameters": {"W": "KK"}, "heads": False}
ALONE = Capabilities(cells=(recurrence(**SHAPES, name="plain"),), gradients=True, default_state=True)
BOTH = ("float32", "float64")
CLAIMS = {
    "float32 alone": ALONE,
    "with double precision": replace(ALONE, dtypes=BOTH),
    "in two modes": replace(ALONE, modes=MODES),
    "in two modes, with double precision": replace(ALONE, dtypes=BOTH, modes=MODES),
}


class Plain:
    """s_t = tanh(W s_(t-1) + x_t) / 2 row by row, y_t = s_t, and a gradient by hand; other targets change a piece.

    changed  what becomes of the results by name, and gradient of those of the gradients, for a case
    """

    capabilities = ALONE
    gain = 0.5

    def changed(self, case, results):
        return results

    gradient = changed

    def begun(self, case):
        state, x = case.states["s"], case.inputs["x"]
        return np.zeros_like(x, shape=x.shape[1:]) if state is None else state

    def after(self, case, s, x):
        return np.tanh(s @ case.parameters["W"].T + x) * x.dtype.type(self.gain)

    def read(self, case, s):
        return s

    @np.errstate(all="ignore")
    def forward(self, case):
        s, outputs = self.begun(case), []
        for x in case.inputs["x"]:
            s = self.after(case, s, x)
            outputs.append(self.read(case, s))
        found = self.changed(case, {"y": np.array(outputs), "s": s.copy()})
        return {"y": found["y"]}, {"s": found["s"]}

    @np.errstate(all="ignore")
    def gradients(self, case, d_outputs, d_states):
        s, W = [self.begun(case)], case.parameters["W"]
        for x in case.inputs["x"]:
            s.append(np.tanh(s[-1] @ W.T + x) * x.dtype.type(self.gain))
        d, d_x, d_W = np.zeros_like(s[0]), np.zeros_like(case.inputs["x"]), np.zeros_like(W)
        d = d if d_states["s"] is None else d_states["s"]
        for t in reversed(range(len(d_x))):
            d_x[t] = (d + d_outputs["y"][t]) * (self.gain - s[t + 1] ** 2 / self.gain)
            d_W += d_x[t].T @ s[t]
            d = d_x[t] @ W
        return self.gradient(case, {"x": d_x, "s": d, "W": d_W})


def judged(kind, claims=ALONE, **options):
    """The report on a kind of target, which makes these claims."""
    target = type(kind.__name__, (kind,), {"capabilities": claims})
    return conformance.check(target, diagnosis=False, **options)


def failed(report):
    """The message of each property that failed, by its id."""
    return {r.id: r.message for r in report.results if r.status == "failed"}


def notes(report):
    """All notes."""
    return [note for result in report.results for note in result.notes]


# ---------------------------------------------------------------- what is no finite number


class AllNaN(Plain):
    def changed(self, case, results):
        return {name: np.full_like(a, np.nan) for name, a in results.items()}


class AllNaNGradient(Plain):
    def gradient(self, case, results):
        return results | {"W": np.full_like(results["W"], np.nan)}


class NarrowChunk(Plain):
    """NaN in single precision and in one mode, where there are many steps."""

    def changed(self, case, results):
        if case.config.dtype == "float32" and case.mode == "chunk" and len(case.inputs["x"]) > 60:
            return results | {"y": np.where(np.arange(len(results["y"]))[:, None, None] == 60, np.nan, results["y"])}
        return results


class NarrowChunkGradient(NarrowChunk):
    gradient = lambda self, case, results: (  # noqa: E731
        results | {"W": results["W"] * np.nan} if case.config.dtype == "float32" and case.mode == "chunk" else results
    )
    changed = Plain.changed


class Divided(Plain):
    """One unit is divided by what has become zero."""

    def read(self, case, s):
        return s / (np.arange(s.shape[-1]) > 0).astype(s.dtype)


@pytest.mark.parametrize("claims", CLAIMS)
@pytest.mark.parametrize("target", [AllNaN, AllNaNGradient])
def test_nothing_but_nan_is_no_result(target, claims):
    name = "y" if target is AllNaN else "the gradient of W"
    report = judged(target, CLAIMS[claims], properties=["state.shapes", "state.gradient_shapes"])
    assert [message for message in failed(report).values() if f"all of {name} is no finite number" in message]


@pytest.mark.parametrize(
    ("claims", "where"),
    [
        ("in two modes", "in mode step"), ("in two modes, with double precision", "in mode step"),
        ("one mode of two", "in double precision"),
    ],
)  # fmt: skip
@pytest.mark.parametrize(("target", "name"), [(NarrowChunk, "y"), (NarrowChunkGradient, "the gradient of W")])
def test_nan_is_wrong_where_another_way_is_finite(target, name, claims, where):
    one = replace(ALONE, dtypes=BOTH, modes={"chunk": Mode(order="chunks")})
    report = judged(target, CLAIMS.get(claims, one), properties=["state.shapes", "state.gradient_shapes"])
    (message,) = failed(report).values()
    assert message.startswith(f"in float32 in mode chunk {name}[") and " is nan, " in message and where in message


def test_an_output_is_wrong_where_the_states_are_finite_and_all_is_in_its_range():
    ranges = {"x": (0.5, 1.0), "s": (0.0, 0.25), "W": (0.0, 0.5)}
    known = replace(
        ALONE, cells=(recurrence(**SHAPES, ranges=ranges, name="plain"),), gradients=False, sizes={"K": (3,)}
    )
    (message,) = failed(judged(Divided, known, properties=["state.shapes"])).values()
    assert "y[" in message and "is inf" in message and "s is finite" in message
    unsaid = replace(known, cells=(recurrence(**SHAPES, ranges={"x": ranges["x"]}, name="plain"),))
    report = judged(Divided, unsaid, properties=["state.shapes"])
    assert report.verdict == "conforms"
    (note,) = notes(report)
    assert "y[" in note and "claim float64, another mode or the ranges of W" in note


# ---------------------------------------------------------------- what is far off


class OneRowStarts(Plain):
    """All rows but the first start from zeros."""

    def begun(self, case):
        return super().begun(case) * (np.arange(case.num_rows) == 0)[:, None].astype(case.config.numpy_dtype)


class NoRowStarts(Plain):
    """No row starts from what is given, in one mode."""

    def begun(self, case):
        return super().begun(case) * (case.mode != "chunk")


class TwoMistakes(OneRowStarts):
    """And what is handed on is something else."""

    def changed(self, case, results):
        return results | {"s": results["s"] + case.config.numpy_dtype.type(0.25)}


FAR = {
    "rows": (OneRowStarts, "float32 alone", {"state.rows_permute"}),
    "modes": (NoRowStarts, "in two modes", {"state.modes_agree", "state.split", "state.step_by_step"}),
    "two mistakes": (TwoMistakes, "float32 alone", {"state.rows_permute", "state.split", "state.step_by_step"}),
}


@pytest.mark.parametrize("name", FAR)
def test_what_is_far_off_is_wrong_without_double_precision(name):
    target, claims, ids = FAR[name]
    report = judged(target, replace(CLAIMS[claims], gradients=False), properties=sorted(ids))
    messages = failed(report)
    assert messages.keys() == ids and all("times what one ulp in the inputs does" in said for said in messages.values())


class SignByRow(Plain):
    """The sign of the first row is another one."""

    def changed(self, case, results):
        sign = np.where(np.arange(case.num_rows) == 0, -1, 1)[:, None].astype(case.config.numpy_dtype)
        return {name: a * sign for name, a in results.items()}


def test_in_16_bits_that_is_a_note():
    claims = replace(ALONE, dtypes=("float16",), gradients=False)
    report = judged(SignByRow, claims, properties=["state.rows_permute"])
    assert report.verdict == "conforms"
    assert any("in float16 nobody can tell whether that is rounding: claim float64 as well" in n for n in notes(report))
    assert len(notes(report)) <= 2  # one of each array


# ---------------------------------------------------------------- odd, and right


class Unstable(Plain):
    """s_t = 3 W s_(t-1) + x_t: it overflows in single precision."""

    def after(self, case, s, x):
        return s @ (3 * case.parameters["W"]).T + x


class Thresholded(Unstable):
    """The same, of which one sees only whether it is above zero."""

    def read(self, case, s):
        return (s > 0).astype(s.dtype)


class Chaotic(Plain):
    def after(self, case, s, x):
        return np.tanh(4 * (s @ case.parameters["W"].T) + x)


class Saturated(Plain):
    def after(self, case, s, x):
        return np.tanh(64 * (s @ case.parameters["W"].T) + 64 * x)


class OtherOrder(Chaotic):
    """In one mode another order of the same sums."""

    capabilities = CLAIMS["in two modes"]

    def after(self, case, s, x):
        W = case.parameters["W"]
        turned = (s[:, ::-1] @ W[:, ::-1].T) if case.mode == "chunk" else s @ W.T
        return np.tanh(4 * turned + x)


class Approximate(Plain):
    """In one mode a tanh that is as far off as it may be, 12 units of roundoff."""

    capabilities = CLAIMS["in two modes"]

    def after(self, case, s, x):
        u = np.finfo(x.dtype).eps / 2
        return np.tanh(4 * (s @ case.parameters["W"].T) + x) * x.dtype.type(1 + 12 * u * (case.mode == "chunk"))


class Logarithm(Plain):
    """Not a number where s is below zero, by its equations."""

    def read(self, case, s):
        return np.log(s)


class Quotient(Plain):
    """0 / 0 where nothing was put in."""

    def read(self, case, s):
        return s / abs(s)


class Clamped(Plain):
    """A running sum, which is cut off in half precision, far from where that ends."""

    own = recurrence(
        inputs={"x": "K"}, states={"s": "K"}, outputs={"y": "K"}, ranges={"x": (10, 40)}, heads=False, name="sum"
    )
    capabilities = Capabilities(cells=(own,), dtypes=("float16", "float64"), default_state=True)

    def after(self, case, s, x):
        return np.minimum(s + x, 100) if case.config.dtype == "float16" else s + x


def test_a_state_that_is_clamped_below_what_its_dtype_holds_is_found():
    report = judged(Clamped, Clamped.capabilities, properties=["state.split", "state.step_by_step"])
    assert report.verdict == "fails" and any("in float16" in message for message in failed(report).values())


ODD = [Plain, Unstable, Thresholded, Chaotic, Saturated, OtherOrder, Approximate, Logarithm, Quotient]


@pytest.mark.parametrize("claims", CLAIMS)
@pytest.mark.parametrize("target", ODD)
@pytest.mark.sample
def test_what_is_odd_and_right_conforms(target, claims):
    report = judged(target, replace(CLAIMS[claims], gradients=target is Plain))
    assert report.verdict == "conforms", failed(report) or report.reasons
