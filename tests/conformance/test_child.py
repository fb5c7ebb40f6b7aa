"""What counts as an array: the tensors of other packages, read as what they are, or a word on why they are not."""

import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from conformance.harness import child
from conformance.harness.child import Misunderstood, array

torch = pytest.importorskip("torch")


def test_bfloat16_tensors_are_read_as_what_they_are():
    given = torch.tensor([[1.5, float("nan")], [-0.0078125, 3.140625]], dtype=torch.bfloat16, requires_grad=True)
    read = array("output", given)
    assert (read.said_dtype, read.dtype) == ("bfloat16", np.float32)
    assert np.array_equal(read, [[1.5, np.nan], [-0.0078125, 3.140625]], equal_nan=True)


def test_a_dtype_that_another_package_adds_to_numpy_is_read_too():
    ml_dtypes = pytest.importorskip("ml_dtypes")
    read = array("output", np.array([1.5, -2.0], ml_dtypes.bfloat16))
    assert (read.said_dtype, read.tolist()) == ("bfloat16", [1.5, -2.0])


def test_packages_with_dtypes_of_their_own_are_asked_in_their_own_words(monkeypatch):
    class Array:
        dtype = "core.bfloat16"

        def astype(self, dtype):
            assert dtype == "theirs"
            return np.array([1.5], np.float32)

    monkeypatch.setitem(sys.modules, "core", SimpleNamespace(float32="theirs"))
    Array.__module__ = "core"
    assert array("output", Array()).said_dtype == "bfloat16"


def test_tensors_leave_their_graph_and_their_device():
    class Elsewhere:
        def cpu(self):
            return np.array([1.0], np.float32)

    assert array("output", 2 * torch.ones(2, requires_grad=True)).tolist() == [2, 2]
    assert array("output", Elsewhere()).tolist() == [1]


def test_a_tensor_at_hand_is_not_copied():
    given = torch.zeros(2)
    assert child.shares(array("output", given), given.numpy())


UNREADABLE = {
    "sparse": (lambda: torch.eye(2).to_sparse(), "Use Tensor.to_dense() first"),
    "sparse bfloat16": (lambda: torch.eye(2).bfloat16().to_sparse(), "Use Tensor.to_dense() first"),
    "quantized": (
        lambda: torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.quint8),
        "output is quantized, as torch.quint8; return .dequantize() of it",
    ),
    "without numbers": (lambda: torch.zeros(2, device="meta"), "Cannot copy out of meta tensor"),
    "float8": (lambda: torch.zeros(2).to(torch.float8_e4m3fn), "unsupported ScalarType Float8"),
    "complex": (lambda: torch.zeros(2, dtype=torch.complex64), "output has elements of type complex64"),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("sort", UNREADABLE)
def test_what_cannot_be_read_is_named(sort):
    make, message = UNREADABLE[sort]
    with pytest.raises(Misunderstood) as said:
        array("output", make())
    assert said.value.kind == "array"
    assert message in str(said.value) and str(said.value).startswith("output ")


def test_no_package_is_imported_that_the_target_did_not():
    text = (
        "import sys; sys.path.insert(0, {!r}); import child; child.array('x', [1.0]); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", text.format(child.__file__.rpartition("/")[0])]).returncode == 0


def test_what_shares_memory_is_what_numpy_says_does():
    generator, held = np.random.default_rng(0), np.zeros(64, np.float32)
    views = [held[a : a + n * s : s][:: generator.choice([1, -1])] for a, n, s in generator.integers(1, 8, (60, 3))]
    views += [held[:0], held[3:4].reshape(()), np.broadcast_to(held[5], (3, 2)), held.view(np.uint8)[1:7], held.copy()]
    named = [(str(number), view) for number, view in enumerate(views)]
    must = [(one, other) for one, a in named for other, b in named if np.shares_memory(a, b)]
    assert child.shared_by(child.placed(named), child.placed(named)) == must


def test_a_dtype_that_has_no_order_of_bytes_is_said_to_be_none_of_numbers():
    text = np.array(["a"], np.dtypes.StringDType()) if hasattr(np.dtypes, "StringDType") else np.array(["a"])
    with pytest.raises(child.Misunderstood, match=r"output has elements of type .*must be an array of real numbers"):
        array("output", text)
