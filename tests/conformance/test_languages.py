"""Readers of test vectors and targets of the line protocol in other languages: compiled and run, right and wrong."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from conformance.claims.capabilities import Capabilities
from conformance.vectors import vector_files
from conformance.vectors.vector_selection import choose
from reference_rnn import cell_of

EXAMPLES = Path(__file__).parents[2] / "examples"
ONNXRUNTIME_JS = EXAMPLES / "onnxruntime-js"
RNN = Path(sys.executable).with_name("rnn-conformance")
SIMPLE = {"max_layers": 1, "bidirectional": False}
FULL = {"max_layers": None, "bidirectional": True, "no_bias": True, "lengths": True, "empty": True}
# Of each language: the cell, what compiles the reader, a line of the implementation and the same with a mistake.
LANGUAGES = {
    "c": ("LSTM", "cc -std=c99 -Wall -Wextra -pedantic -Werror vectors.c lstm.c -lm -o vectors", "lstm.c",
          "sigmoid(z[H + u]) * c[u]", "(1 - sigmoid(z[u])) * c[u]"),
    "cpp": ("GRU", "c++ -std=c++17 -Wall -Wextra -pedantic -Werror vectors.cpp -o vectors", "gru.hpp",
            "(1 - z) * std::tanh", "z * std::tanh"),
    "rust": ("RNN_TANH", "rustc --edition 2021 -D warnings vectors.rs -o vectors", "rnn.rs",
             "&p.w_hh[u * units..]", "&p.w_hh[0 * units..]"),
}  # fmt: skip
needs = {
    language: pytest.mark.skipif(shutil.which(command.split()[0]) is None, reason=f"no {command.split()[0]} here")
    for language, (_, command, *_) in LANGUAGES.items()
}


def run(words, folder):
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=300)


def written(folder, cell, format, dtype="float32", **claims):
    """The files of some vectors."""
    folder.mkdir()
    own = cell_of(cell)
    chosen = choose(Capabilities(cells=(own,), dtypes=(dtype,), **claims), own, dtype, 80)
    return [str(vector_files.write_vector(folder, name, vector, format)) for name, vector in chosen.vectors.items()]


def copied(language, folder, old="", new=""):
    """The folder of a language, its implementation with or without a mistake."""
    shutil.copytree(EXAMPLES / language, folder)
    if new:
        file = folder / LANGUAGES[language][2]
        text = file.read_text()
        assert text.count(old) == 1
        file.write_text(text.replace(old, new))
    return folder


@pytest.mark.sample
@pytest.mark.parametrize("language", [pytest.param(name, marks=needs[name]) for name in LANGUAGES])
def test_a_reader_tells_right_from_wrong(language, tmp_path):
    cell, command, _, *mistake = LANGUAGES[language]
    files = written(tmp_path / "vectors", cell, "text", **SIMPLE)
    for folder, patch, status in (("right", (), 0), ("wrong", mistake, 1)):
        at = copied(language, tmp_path / folder, *patch)
        done = run(command.split(), at)
        assert done.returncode == 0, done.stderr
        done = run([at / "vectors", *files], at)
        assert done.returncode == status, done.stdout[-500:] + done.stderr
        last = done.stdout.splitlines()[-1]
        assert (last == "80 of 80 test vectors hold") is (status == 0) and last.endswith(" of 80 test vectors hold")
    assert " is " in done.stdout and ", must be " in done.stdout and len(done.stdout.splitlines()) > 40


@pytest.mark.skipif(shutil.which("node") is None, reason="Node is not installed")
def test_the_reader_in_node_tells_right_from_wrong(tmp_path):
    files = written(tmp_path / "vectors", "RNN_TANH", "json", "float64", **FULL)
    (tmp_path / "vectors" / "index.json").write_text("{}")  # which is no vector
    at = shutil.copytree(EXAMPLES / "node", tmp_path / "node")
    done = run(["node", "vectors.js", "rnn.js", *files, tmp_path / "vectors" / "index.json"], at)
    assert done.returncode == 0 and done.stdout == "80 of 80 test vectors hold\n", done.stdout + done.stderr
    text = (at / "rnn.js").read_text()
    old = "direction ? lengths[row] - 1 - step : step"
    assert text.count(old) == 1
    (at / "wrong.js").write_text(text.replace(old, "direction ? T - 1 - step : step"))
    done = run(["node", "vectors.js", "wrong.js", *files], at)
    assert done.returncode == 1 and " must be " in done.stdout


@pytest.mark.sample
@pytest.mark.parametrize(
    ("language", "command"),
    [
        pytest.param(
            "c", "cc -std=c99 -Wall -Wextra -pedantic -Werror -O2 target.c lstm.c -lm -o target", marks=needs["c"]
        ),
        pytest.param(
            "cpp", "c++ -std=c++17 -Wall -Wextra -pedantic -Werror -O2 target.cpp -o target", marks=needs["cpp"]
        ),
    ],
)
def test_a_target_of_the_line_protocol_is_judged(language, command, tmp_path):
    check = ("--property", "equivalence.steps", "--property", "nonfinite", "--no-diagnosis")
    for folder, patch, status in (("right", (), 0), ("wrong", LANGUAGES[language][3:], 1)):
        at = copied(language, tmp_path / folder, *patch)
        done = run(command.split(), at)
        assert done.returncode == 0, done.stderr
        assert run([RNN, "protocol", "check", "cmd: ./target"], at).returncode == 0
        done = run([RNN, "check", "cmd: ./target", *check], at)
        assert done.returncode == status, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("library", "header", "command", "chosen"),
    [
        ("onednn", "oneapi/dnnl/dnnl.hpp", "c++ -std=c++17 -O2 target.cpp -o target -ldnnl", "directions"),
        ("armnn", "armnn/ArmNN.hpp", "c++ -std=c++17 -O2 target.cpp -o target -larmnn", "shapes.shapes"),
        ("mlpack", "mlpack.hpp", "c++ -std=c++17 -O2 -fopenmp target.cpp -o target -larmadillo", "equivalence.steps"),
    ],
)
def test_a_library_in_cpp_is_judged(library, header, command, chosen, tmp_path):
    if not has_header(header):
        pytest.skip(f"no {header} here")
    shutil.copytree(EXAMPLES / "cpp", tmp_path / "cpp")
    at = shutil.copytree(EXAMPLES / library, tmp_path / library)
    assert command in (at / "target.cpp").read_text()
    done = run(command.split(), at)
    assert done.returncode == 0, done.stderr
    assert run([RNN, "protocol", "check", "cmd: ./target"], at).returncode == 0
    done = run([RNN, "check", "cmd: ./target", "--property", chosen], at)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(not (ONNXRUNTIME_JS / "node_modules").exists(), reason="onnxruntime for Node is not installed")
@pytest.mark.parametrize("package", ["node", "web"])
def test_onnxruntime_in_javascript_is_judged(package):
    pytest.importorskip("onnx")
    target = f"{ONNXRUNTIME_JS / 'target.py'}:{package}"
    done = run([RNN, "check", target, "--property", "equivalence.first_look", "--no-saved"], EXAMPLES)
    assert done.returncode == 0, done.stdout + done.stderr


def has_header(header):
    """Whether the compiler for C++ finds a header."""
    if shutil.which("c++") is None:
        return False
    words = ["c++", "-x", "c++", "-E", "-"]
    text = f"#if !__has_include(<{header}>)\n#error missing\n#endif\n"
    return subprocess.run(words, input=text, capture_output=True, text=True).returncode == 0


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("*/vectors.*")), ids=lambda file: file.name)
def test_a_reader_is_short(file):
    assert len(file.read_text().splitlines()) <= 60
