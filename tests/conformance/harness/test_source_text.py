"""What is known of a file of code before it runs."""

import pytest

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
