"""compare: two versions of one implementation."""

import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from conformance.chapters import catalogue
from conformance.claims.capabilities import Capabilities
from conformance.comparison.compare import beyond, common, compare
from conformance.harness.load import TargetError, open_target
from conformance.report import html
from conformance.trial import counterexamples

TARGETS = Path(__file__).parent.parent / "targets"
RNN = Path(sys.executable).with_name("rnn-conformance")
SCHEMAS = Path(html.__file__).parent / "schemas"
STATE = """
capabilities = dict(default_state=True)

def initial(case):
    if case.h_0 is not None:
        return case.h_0[0]
    return np.full((case.x.shape[1], case.config.hidden_size), {}, case.x.dtype)
"""
CLAIMS = "capabilities = dict(dtypes=('float32', 'float64'), default_state=True)"
STATEFUL = """
class RNN:
    calls = 0

    def forward(self, case):
        self.calls += 1
        output, h_n = forward(case)
        return output + (self.calls > 3), h_n
"""
GRADIENTS = """
import reference_rnn

capabilities = dict(gradients=True)

def gradients(case, d_output, d_h_n, d_c_n):
    return reference_rnn.gradients(case, d_output=d_output, d_h_n=d_h_n)
"""


@pytest.fixture
def run(tmp_path, right):
    """Runs compare on old.py and new.py, in a folder of their own."""

    def command(old=right, new=right, *words):
        (tmp_path / "old.py").write_text(old)
        (tmp_path / "new.py").write_text(new)
        words = words or ("old.py", "new.py")
        return subprocess.run([RNN, "compare", *words], cwd=tmp_path, capture_output=True, text=True, timeout=120)

    return command


@pytest.fixture
def both(tmp_path, right):
    """Compares two texts in this process."""

    def compared(old=right, new=right, **options):
        opened = []
        for name, text in (("before", old), ("after", new)):
            (tmp_path / f"{name}.py").write_text(text)
            opened.append(open_target(tmp_path / f"{name}.py", in_process=True))
        return compare(*opened, catalogue(), 100, **options)

    return compared


def test_the_same_twice_is_the_same_bit_for_bit(both):
    found = both()
    assert found.status == 0 and found.counts["same"] == found.counts["identical"] == found.cases > 100


@pytest.mark.sample
@pytest.mark.parametrize("other", ["reversed_sums", "fused_product", "rational_tanh", "float64_inside"])
def test_rounding_is_no_difference(other):
    opened = [open_target(TARGETS / "right" / f"{name}.py", in_process=True) for name in ("plain", other)]
    found = compare(*opened, catalogue(), 100)
    assert found.status == (1 if found.lost else 0) and not found.differences
    assert 0 < found.counts["identical"] < found.counts["same"]


def test_a_new_version_that_is_wrong_differs_and_is_named(run, right, tmp_path):
    done = run(right, right.replace("case.h_0[0]", "0 * case.h_0[0]"), "old.py", "new.py", "--json", "found.json")
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].startswith("new.py differs from old.py beyond rounding (")
    assert "NEW leaves the reference, OLD does not (equivalence.steps)" in done.stdout
    assert "smallest case: case('RNN_TANH', T=1, N=1, I=1, H=1, weight_hh_l0=1, h_0=1)" in done.stdout
    assert "OLD: right, but for rounding" in done.stdout
    assert "NEW: output[0, 0, 0] is 0, must be 0.7615942 +/- " in done.stdout
    assert "diagnosis: your numbers are those of the reference with this change" in done.stdout
    data = json.loads((tmp_path / "found.json").read_text())
    jsonschema.validate(data, json.loads((SCHEMAS / "comparison.json").read_text()))
    assert data["status"] == 1 and data["smallest"]["always"]
    (mistake,) = data["diagnosis"]
    assert mistake["exact"] and mistake["patch"]
    assert all(line in done.stdout for line in (mistake["title"], *mistake["patch"].splitlines()))
    assert len(data["differences"]) + sum(data["counts"][n] for n in ("same", "wrong alike", "void")) == data["cases"]


def test_what_is_saved_fails_on_new_and_holds_on_old(run, right, tmp_path):
    run(right, right.replace("case.h_0[0]", "0 * case.h_0[0]"))
    (file,) = (tmp_path / ".rnn-conformance" / "new.py").iterdir()
    for name, status in (("new.py", 1), ("old.py", 0)):
        done = subprocess.run([RNN, "replay", file, name], cwd=tmp_path, capture_output=True, text=True, timeout=120)
        assert done.returncode == status, done.stdout + done.stderr


def test_a_new_version_that_mends_the_old_one_differs_and_nothing_is_saved(run, right, tmp_path):
    done = run(right.replace("case.h_0[0]", "0 * case.h_0[0]"), right)
    assert done.returncode == 1
    assert "OLD leaves the reference, NEW does not" in done.stdout and "NEW: right, but for rounding" in done.stdout
    assert not (tmp_path / ".rnn-conformance").exists()


def test_what_is_wrong_alike_is_no_difference(both, right):
    wrong = right.replace('p["bias_hh_l0"])', '0 * p["bias_hh_l0"])')
    found = both(wrong, wrong.replace("np.tanh(x @", "np.tanh(0.0 + x @"))
    assert found.status == 0 and found.counts["wrong alike"] > 50


def test_what_is_wrong_each_in_its_own_way_differs(both, right):
    wrong = right.replace('p["bias_hh_l0"])', '{} * p["bias_hh_l0"])')
    found = both(wrong.format(0), wrong.format(2))
    apart = [difference for difference in found.differences if difference.leaves == "both"]
    assert found.status == 1 and len(apart) > 50
    assert " by OLD and " in apart[0].new and " by NEW;" in apart[0].new and apart[0].kind.startswith("disagree:")


@pytest.mark.sample
def test_an_exception_or_a_crash_differs(run, right):
    raises = run(right, right.replace("    return", "    if len(case.x) > 2: raise ValueError('too long')\n    return"))
    assert raises.returncode == 1 and "NEW: the target raised ValueError: too long" in raises.stdout
    assert "T=3, N=1, I=1, H=1" in raises.stdout
    died = right.replace("    return", "    import os; os.abort()\n    return")
    dies = run(right, died)
    assert dies.returncode == 1 and "NEW: the target died of SIGABRT" in dies.stdout
    assert "processes died too often; the other cases were not run" in dies.stdout
    alike = run(died, died)
    assert alike.returncode == 2 and "new.py could not be compared with old.py" in alike.stdout


@pytest.mark.sample
@pytest.mark.parametrize(
    ("change", "property"),
    [
        (("return np.stack(output)", "return np.stack(output)[..., None]"), "shapes.shapes"),
        (("return np.stack(output)", "return np.stack(output).astype(np.float64)"), "shapes.dtype"),
        (("    return", "    if case.x.flags.writeable: case.x[...] = 0\n    return"), "shapes.inputs_untouched"),
    ],
)
def test_shapes_dtypes_and_traces_differ_too(both, right, change, property):
    found = both(new=right.replace(*change))
    assert {difference.failing for difference in found.differences} == {property}


def test_other_forms_are_compared_where_both_claim_them(both, right):
    given = right.replace("case.parameters, case.h_0[0], []", "case.parameters, initial(case), []")
    found = both(given + STATE.format("0"), given + STATE.format("1"))
    assert found.status == 1 and all(difference.case.h_0 is None for difference in found.differences)
    assert found.areas[found.differences[0].sort] == ["no initial state"]


@pytest.mark.sample
def test_gradients_are_compared_where_both_claim_them(both, right):
    found = both(right + GRADIENTS, right + GRADIENTS)
    assert found.status == 0, found.differences
    found = both(right + GRADIENTS, right + GRADIENTS.replace("d_h_n=d_h_n", "d_h_n=None"))
    assert {difference.failing for difference in found.differences} == {"gradients.back_propagation"}


def test_what_shows_only_after_other_calls_is_said_and_not_saved(run, right, tmp_path):
    done = run(right + STATEFUL.replace("> 3", "> 1e9"), right + STATEFUL, "old.py:RNN", "new.py:RNN")
    assert done.returncode == 1 and "not every time" in done.stdout
    assert not (tmp_path / ".rnn-conformance").exists()


def test_lost_claims_fail_and_gained_ones_do_not(run, right):
    lost = run(right + CLAIMS, right)
    assert lost.returncode == 1 and lost.stdout.splitlines()[-1].startswith("new.py claims less than old.py (0 of ")
    assert "claims lost  : dtypes float64; default_state" in lost.stdout
    gained = run(right, right + CLAIMS)
    assert gained.returncode == 0 and gained.stdout.splitlines()[-1].startswith(
        "new.py is old.py, but for rounding (0 of "
    )
    assert "claims gained: dtypes float64; default_state" in gained.stdout


def test_the_seed_decides_what_is_found(both, right):
    wrong = right.replace("case.h_0[0]", "0 * case.h_0[0]")
    one, same, other = (both(new=wrong, seed=seed) for seed in (1, 1, 2))
    assert [d.number for d in one.differences] == [d.number for d in same.differences]
    assert [repr(d.case) for d in one.differences] != [repr(d.case) for d in other.differences]
    assert repr(one.smallest.case) == repr(same.smallest.case)


@pytest.mark.sample
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["git:main", "git:dev"], "NEW is git:dev: git: is for OLD alone; NEW is a file as it stands, like my_rnn.py"),
        (["old.py", "absent.py"], "NEW: there is no file 'absent.py'; '.' has new.py, old.py"),
        (["absent.py", "new.py"], "OLD: there is no file 'absent.py'"),
        (["old.py"], "Missing argument 'NEW'; usage: "),
        (["old.py", "new.py", "--profile", "slow"], "there is no profile 'slow'; there are quick, standard, thorough"),
        (["old.py", "new.py", "--json", "no/such/file"], "no/such/file cannot be written: No such file or directory"),
        (
            ["old.py", "new.py", "--budget", "1s"],
            "options of compare are --profile, --seed, --call-limit",
        ),
    ],
)
def test_what_is_asked_wrongly_is_one_clear_line(run, right, words, message):
    done = run(right, right, *words)
    assert done.returncode == 2 and "Traceback" not in done.stderr and message in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_nothing_in_common_is_one_clear_line(run, right):
    done = run("capabilities = dict(cells=('GRU',))" + right, right)
    assert done.returncode == 2 and done.stdout == ""
    assert "they have no cells in common: OLD claims ['GRU'], NEW claims ['RNN_TANH']" in done.stderr
    done = run(
        "capabilities = dict(sizes={'batch': (1,)})" + right, "capabilities = dict(sizes={'batch': [2]})" + right
    )
    assert done.returncode == 2 and "they have no batch in common" in done.stderr
    done = run("capabilities = dict(initial_state=False)" + right, right)
    assert done.returncode == 2 and "one takes no h_0, the other needs one" in done.stderr


def test_common_claims_are_those_that_both_make():
    old = Capabilities(
        cells=("LSTM", "GRU"), max_layers=None, lengths=True, empty=("time", "batch"), dropout=True,
        sizes={"batch": (1, 2, 3)}, arithmetic="strict",
    )  # fmt: skip
    new = Capabilities(
        cells=("GRU", "RNN_TANH"), max_layers=2, empty=("batch",), dropout="open", biases="one", recompiles=True,
        sizes={"batch": (3, 2), "steps": (5,)}, arithmetic="lenient", bidirectional=True,
    )  # fmt: skip
    shared = common(old, new)
    assert (shared.cells, shared.max_layers, shared.lengths, shared.empty) == (("GRU",), 2, False, ("batch",))
    assert (shared.dropout, shared.biases, shared.arithmetic) == ("open", "one", "lenient")
    assert shared.recompiles and shared.sizes == {"batch": (2, 3), "steps": (5,)}
    assert beyond(shared, shared) == []
    assert "empty time" in beyond(old, shared) and "steps other than 5" in beyond(old, shared)
    assert beyond(new, shared) == ["cells RNN_TANH", "bidirectional"]
    half = Capabilities(cells=("GRU",), arithmetic="half-sums+flush-to-zero")
    assert common(new, half).arithmetic == "lenient+flush-to-zero+half-sums"  # what either is allowed, both are
    with pytest.raises(TargetError, match="no dtypes in common"):
        common(old, Capabilities(cells=("GRU",), dtypes=("float64",)))


def test_what_is_saved_is_a_counterexample(run, right, tmp_path):
    run(right, right.replace("case.h_0[0]", "0 * case.h_0[0]"))
    (file,) = (tmp_path / ".rnn-conformance").rglob("*.json")
    jsonschema.validate(json.loads(file.read_text()), json.loads((SCHEMAS / "counterexample.json").read_text()))
    assert counterexamples.load(file).property == "equivalence.steps"
