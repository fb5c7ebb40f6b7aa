"""Cells of one's own: each example conforms in another factorisation, and not with one term exchanged."""

import importlib.util
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from conformance import check
from reference_rnn import Case, Cell, Config, forward, gradients, parameter_shapes, result_shapes, state_shapes
from reference_rnn.cell import loaded

HOME = Path(__file__).parent.parent
CELLS = HOME / "examples" / "cells"
SPECS = sorted(CELLS.glob("*.py"))
PROPERTIES = ["shapes.shapes", "equivalence.steps", "directions.two_runs", "layers.in_a_row"]
COVERING = 1e-6  # seconds for random cases: none but those of the covering set

# What each target needs, and one exchanged term: what stands there, and what is put in its place.
TARGETS = {
    "diagonal": ("torch", "p.a, h)", "p.a, x[:, :1])"),
    "flax_mgu": ("flax", '"bias": b_n}', '"bias": b_f}'),
    "gilr": ("torch", "lerp(i, h, g)", "lerp(h, i, g)"),
    "gru_normalised": ("torch", "lerp(n, h, z)", "lerp(n, h, r)"),
    "indrnn": ("torch", "p.u, h)", "p.u, p.u)"),
    "janet": ("torch", "sigmoid(s - 1)", "sigmoid(s)"),
    "leaky": ("torch", "0.3 *", "0.7 *"),
    "lstm_coupled": ("torch", "lerp(c, torch.tanh(g)", "lerp(torch.tanh(g), c"),
    "lstm_normalised": ("torch", "p.a_c, p.b_c", "p.a_c, p.b_o"),
    "lstm_peephole": ("torch", "torch.cat([p.w_ci, p.w_cf])", "torch.cat([p.w_cf, p.w_ci])"),
    "mgu": ("torch", "f * h]", "h]"),
    "mgu_reset_after": ("torch", "addcmul(x_n, f, h_n)", "addcmul(h_n, f, x_n)"),
    "mingru": ("torch", "lerp(h, n,", "lerp(n, h,"),
    "mingru_log": ("torch", "logsigmoid(z) + log_g", "log_g"),
    "mingru_positive": ("torch", "n + 0.5", "n + 1"),
    "mingru_scan": ("torch", "1 - z, z * n", "z, z * n"),
    "minlstm": ("torch", "stack([f, i])", "stack([i, f])"),
    "onnx_coupled": ("onnxruntime", "[i, o, np.ones_like(i), g]", "[o, i, np.ones_like(i), g]"),
    "onnx_peephole": ("onnxruntime", 'own["w_ci"], own["w_co"], own["w_cf"]', 'own["w_ci"], own["w_cf"], own["w_co"]'),
    "rg_lru": ("torch", "exp(2 * log_a)", "exp(log_a)"),
    "ugrnn": ("torch", "lerp(torch.tanh(c), h,", "lerp(h, torch.tanh(c),"),
}
GRADIENTS = [name for name, (package, *_) in TARGETS.items() if package == "torch" and name != "mingru_log"]


@pytest.fixture(params=SPECS, ids=lambda path: path.stem)
def cell(request):
    """Each cell of the examples."""
    return loaded(str(request.param), request.param.stem)


def judged(target, *properties):
    """The report on a target, of the covering set alone."""
    return check(target, properties=properties, budget=COVERING, diagnosis=False, saved=False)


def drawn(cell):
    """A case of a cell, ragged, of two layers and directions, and what is handed back to its results."""
    normal = np.random.default_rng(5).normal
    config = Config(cell=cell, input_size=2, hidden_size=3, num_layers=2, bidirectional=True, dtype="float64")
    parameters = {name: normal(size=shape.sizes) / 2 for name, shape in parameter_shapes(config).items()}
    case = Case(config, parameters, normal(size=(4, 3, 2)), lengths=np.array([4, 2, 3]))
    states = {name: normal(size=state_shapes(case)[name].sizes) for name in state_shapes(case) if name != "x"}
    case = case.replace(**states)
    return case, {f"d_{name}": normal(size=shape.sizes) for name, shape in result_shapes(case).items()}


def needed(name):
    """Skips unless what a target is made with is installed."""
    package, *_ = TARGETS[name]
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed")


def test_every_cell_and_every_target_is_listed():
    helpers = {"loop", "onnx_lstm"}
    assert {path.stem for path in (CELLS / "targets").glob("*.py")} == TARGETS.keys() | helpers
    assert {path.stem for path in SPECS} <= set(GRADIENTS)


def test_a_cell_is_short_and_has_its_paper(cell):
    assert isinstance(cell, Cell)
    lines = Path(cell.place).read_text().split("def ")[1].strip().splitlines()
    assert len(lines) <= 2 + 10
    assert any(known in cell.step.__doc__ for known in ("arXiv:", "https://"))


@pytest.mark.sample
@pytest.mark.parametrize("name", TARGETS)
def test_an_independent_implementation_conforms(name):
    needed(name)
    asked = [*PROPERTIES, "gradients.back_propagation"] if name in GRADIENTS else PROPERTIES
    report = judged(CELLS / "targets" / f"{name}.py", *asked)
    assert [(result.id, result.message) for result in report.results if result.status != "passed"] == []
    assert report.verdict == "conforms", report.reasons


@pytest.mark.sample
@pytest.mark.parametrize("name", TARGETS)
def test_one_exchanged_term_fails(name, tmp_path):
    needed(name)
    _, old, new = TARGETS[name]
    shutil.copytree(CELLS, tmp_path / "cells")
    target = tmp_path / "cells" / "targets" / f"{name}.py"
    assert target.read_text().count(old) == 1
    target.write_text(target.read_text().replace(old, new))
    (result,) = judged(target, "equivalence.steps").results
    assert result.status == "failed"
    assert "must be" in result.message


def test_gradients_are_central_differences(cell):
    case, d = drawn(cell)
    found = gradients(case, **d)

    def loss(case):
        return sum((d[f"d_{name}"] * result).sum() for name, result in forward(case).items())

    assert found.keys() == dict(case.arrays()).keys()
    for name, array in case.arrays():
        direction = np.random.default_rng(6).normal(size=array.shape)
        step = 1e-5 * direction
        up, down = (case.map(lambda n, a, s=s: a + s * step if n == name else a) for s in (1, -1))
        slope = (loss(up) - loss(down)) / 2e-5
        assert (found[name] * direction).sum() == pytest.approx(slope, rel=1e-6, abs=1e-8), name


def test_the_gate_of_flax_is_not_that_of_the_paper(tmp_path):
    """MGUCell names Zhou et al. as its source, resets behind the product, and keeps by what the paper takes in by."""
    needed("flax_mgu")
    shutil.copytree(CELLS, tmp_path / "cells")
    target = tmp_path / "cells" / "targets" / "flax_mgu.py"
    target.write_text(target.read_text().replace("../mgu_reset_after.py:mgu_reset_after", "../mgu.py:mgu"))
    assert judged(target, "equivalence.steps").verdict == "fails"


def test_the_page_is_followed_to_a_verdict(tmp_path):
    page = (HOME / "docs" / "your-own-cell.md").read_text()
    spec, target = re.findall(r"```python title=[^\n]*\n(.*?)```", page, re.DOTALL)
    (tmp_path / "spec.py").write_text(spec)
    wrong = target.replace("(1 - f) * h + f * n", "(1 - f) * n + f * h")
    for text, verdict in ((target, "conforms"), (wrong, "fails")):
        (tmp_path / "my_mgu.py").write_text(text)
        assert judged(tmp_path / "my_mgu.py", "shapes.shapes", "equivalence.steps").verdict == verdict
