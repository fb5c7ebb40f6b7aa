"""What counts as the text of a name: what makes it, and what that needs."""

import pytest

from reference_rnn.cell_source.source_hash import digest

TEXT = """
import math as m
from functools import *
GAIN = 2.0
TABLE = [1.0]
TABLE.append(GAIN)
other = 5


def setup():
    global GAIN
    GAIN = 2.5


setup()
match other:
    case K:
        pass


def helper(z):
    return K * GAIN * m.tanh(z)


@decorated(unit=TABLE)
def step(x):
    return helper(x)


if other:
    def late(z): return z
    helper.late = late


def forward(case):
    return step(case)


if __name__ == "__main__":
    print(step(1))
"""


@pytest.mark.parametrize(
    "old, new",
    [
        ("return helper(x)", "return helper(2 * x)"), ("GAIN * m", "m"), ("GAIN = 2.0", "GAIN = 3.0"),
        ("import math as m", "import cmath as m"), ("TABLE.append(GAIN)", "TABLE.append(0)"), ("[1.0]", "[0.5]"),
        ("functools", "operator"), ("(unit=TABLE)", "(unit=None)"), ("late(z): return z", "late(z): return -z"),
        ("other = 5", "other = 0"), ("GAIN = 2.5", "GAIN = 3.5"), ("setup()\n", "pass\n"),
        ("case K", "case K if other"),
        ("def step(x)", "def broken(("),
    ],
)  # fmt: skip
def test_what_a_name_needs_counts(old, new):
    assert old in TEXT and digest(TEXT, "step") != digest(TEXT.replace(old, new), "step")


@pytest.mark.parametrize(
    "old, new",
    [("return step(case)", "return -step(case)"), ("print(step(1))", "pass"), ("\n\n\n", "\n\n# a comment\n\n")],
)
def test_what_else_stands_in_a_file_does_not_count(old, new):
    assert old in TEXT and digest(TEXT, "step") == digest(TEXT.replace(old, new), "step")


def test_of_a_text_that_does_not_say_what_a_name_is_all_counts():
    text = "def make(): return 1\n"
    assert digest(text, "absent") == digest(text, "missing") != digest(text + "\n", "absent")


@pytest.mark.parametrize("text", ["a = '\x0c'\nb = 1\n", "a = 1\r\nb = 1\r\n", "a = 1; b = 2\n", "(a) = b = 3"])
def test_lines_are_those_that_python_counts(text):
    assert digest(text, "b") != digest(text.replace("b = ", "b = 9 * "), "b")
