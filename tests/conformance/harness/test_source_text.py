"""What is known of a file of code before it runs."""

import pytest

import conformance
from conformance.harness.source_text import SourceText

TEXT = """\
import numpy as np
from package import module as other

try:
    from fast import step
except ImportError:
    def step(x):
        import slow
        return x

WIDTH: int = 3
first, *rest = 1, 2

class Net:
    def forward(self, case): ...

def forward(case):
    return __import__("late")
"""


def test_names_lines_and_imports_are_read_without_running(tmp_path):
    file = tmp_path / "net.py"
    file.write_text(TEXT)
    source = SourceText.read(file)
    assert source.own_names == ["Net", "forward"]
    assert source.all_names == {"np", "other", "step", "WIDTH", "first", "rest", "Net", "forward"}
    assert (source.line_of("Net"), source.line_of("forward"), source.line_of("missing")) == (14, 17, 1)
    assert sorted(source.imports()) == [
        (1, "numpy"), (2, "package.module"), (5, "fast.step"), (8, "slow"), (18, "late")
    ]  # fmt: skip
    assert [function.name for function in source.functions] == ["forward"] and not source.refused_at


@pytest.mark.parametrize(
    ("data", "line"), [(b"x = 1\ndef forward(:\n", 2), (b"x = '\x00'", 1), (b"-" * 100_000 + b"1", 1), (None, 1)]
)
def test_what_cannot_be_read_or_parsed_defines_nothing(tmp_path, data, line):
    file = tmp_path / "net.py"
    if data is not None:
        file.write_bytes(data)
    source = SourceText.read(file)
    assert not source.all_names and not list(source.imports())
    assert source.refused_at == source.line_of("forward") == line


def test_a_text_is_parsed_once_and_a_changed_one_again(tmp_path):
    file = tmp_path / "net.py"
    file.write_text("a = 1\n")
    first = SourceText.read(file)
    assert SourceText.read(file) is first and first.all_names == {"a"}
    file.write_text("b = 1\n")  # as long, and perhaps within the same tick of the clock
    assert SourceText.read(file).all_names == {"b"}


NET = "class Net:\n    def forward(self, case):\n        return forward_of(case)\n\n"
OTHER = NET.replace("Net", "Other")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (NET, "Net"),
        (NET + "class Gate:\n    def forward(self, x): ...\n", "Net"),
        (NET.replace("    def", "    def __init__(self, width=3, *, deep=True): ...\n    def", 1), "Net"),
        (NET.replace("    def", "    def __init__(self, width): ...\n    def", 1), None),
        (NET.replace("    def", "    def __init__(self, *, deep): ...\n    def", 1), None),
        (NET + OTHER, None),
        (NET + "forward = Net()\n", None),
        (NET + "from others import *\n", None),
        (NET.replace("Net:", "Net(torch.nn.Module):"), None),
        (NET.replace("self, case", "self, x"), None),
        ("from others import Net\n", None),
        (NET + "class Deep(Net):\n    def step(self): ...\n", None),
        (NET + "if not 1:\n    pass\n" + "elif not 1:\n    pass\n" * 300, "Net"),
    ],
)
def test_a_lone_class_that_takes_cases_is_what_a_file_without_forward_is(tmp_path, text, name):
    (tmp_path / "net.py").write_text(text)
    assert SourceText.read(tmp_path / "net.py").lone_class == name


def test_a_lone_class_is_judged_and_a_module_of_torch_is_told_what_to_do(right, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    body = right.partition("def forward(case):")[2].replace("\n    ", "\n        ")
    (tmp_path / "net.py").write_text(f"import numpy as np\n\nclass Net:\n    def forward(self, case):{body}")
    for in_process in (True, False):
        asked = {"properties": ["equivalence.steps"], "budget": 1e-6, "in_process": in_process}
        report = conformance.check("net.py", **asked)
        assert report.verdict == "conforms" and report.place.line == 3
    pytest.importorskip("torch")
    (tmp_path / "net.py").write_text("import torch\n\nclass Net(torch.nn.Module):\n    def forward(self, case): ...\n")
    said = r"it defines Net\. Name one: net\.py:NAME; Net is an nn\.Module: write a function forward\(case\)"
    with pytest.raises(conformance.TargetError, match=said):
        conformance.check("net.py")
