"""Text from outside is made visible once, and does nothing from there on."""

import json
import sys
import xml.etree.ElementTree as tree

import pytest

from conformance.harness.answer import Answer, Problem
from conformance.harness.load import open_target
from conformance.harness.text import MOST_NOTES, Notes, short, visible, visible_line

SEEN = {
    "plain ä ≤ 日本": "plain ä ≤ 日本",
    "\x1b[31mred\x1b[0m": "\\x1b[31mred\\x1b[0m",
    "\x1b]0;title\x07": "\\x1b]0;title\\x07",
    "back\x08\x08": "back\\x08\\x08",
    "nul\0": "nul\\x00",
    "\x9b31m": "\\x9b31m",
    "over\rwritten": "over written",
    "two\n  lines\tand tabs": "two lines and tabs",
    "\u202eright to left": "\\u202eright to left",
    "\u2066isolated\u2069": "\\u2066isolated\\u2069",
    "zero\u200bwidth\ufeff": "zero\\u200bwidth\\ufeff",
    "lone \ud800 surrogate": "lone \\ud800 surrogate",
    "line\u2028separator\x85": "line\\u2028separator\\x85",
    "::error file=a::b": "\\x3a:error file=a::b",
    "x\n::set-output name=a::b": "x \\x3a:set-output name=a::b",
    "##[error]x": "\\x23#[error]x",
    "a ##[group]x": "a \\x23#[group]x",
    "std::vector::at and a.py::test": "std::vector::at and a.py::test",
    "noncharacter \uffff \U0010ffff": "noncharacter \\uffff \\U0010ffff",
    "soft\xadhyphen": "soft\\xadhyphen",
    "tag\U000e0041": "tag\\U000e0041",
    "": "",
}


@pytest.mark.parametrize("text", SEEN, ids=ascii)
def test_everything_is_seen(text):
    assert visible(text) == SEEN[text]
    assert visible(visible(text)) == SEEN[text]  # once is enough
    shown = visible(text)
    assert shown.isprintable() and "\n" not in shown
    assert tree.fromstring(f"<a>{shown.replace('&', '&amp;').replace('<', '&lt;')}</a>").text in (shown, None)
    shown.encode("utf-8")


def test_a_word_that_would_be_folded_hides_no_command():
    assert "::error" not in visible("x" * 80 + "::error::y")


def test_text_is_bounded():
    assert visible("x" * 10**7, 20) == "x" * 16 + " ..."
    assert len(visible("\x1b" * 10**6)) == 1000


def test_spaces_are_read_once():
    text = f"a{' ' * 200_000}b"
    assert visible_line(text) == text
    assert visible_line(f"{text} \n {text}") == f"{text} {text}"


def test_notes_are_bounded_and_say_everything_once():
    notes = Notes()
    notes.add(["a", "a", "\x1b"])
    notes.add(f"line {n} " + "x" * 1000 for n in range(10**4))
    assert list(notes)[:2] == ["a", "\\x1b"]
    assert len(list(notes)) == MOST_NOTES and max(map(len, notes)) == 300


def test_short_values():
    deep: list = []
    for _ in range(10**5):
        deep = [deep]
    assert short(deep) == "[" * 60 + " ..."
    assert short([1, None, True]) == "[1, null, true]" and short("\x1b") == "'\\x1b'"
    assert short(10**5000) == "a number of more than 60 digits"
    assert len(short(["x" * 10**6] * 10**5)) < 70


def test_a_problem_is_plain_text():
    problem = Problem("raised", "a\x1b\nb", ["\ud800"] * 50)
    assert problem.message == "a\\x1b b" and problem.where == ["\\ud800"] * 3


def test_names_in_an_answer_are_plain_text():
    reply = {"arrays": {"\x1b": 1}, "dtypes": {"\x1b": "\n::x"}, "changed": ["\0"], "shared": [("\ud800", "x" * 999)]}
    answer = Answer.of(reply)
    assert list(answer.arrays) == ["\\x1b"] and answer.dtypes == {"\\x1b": "\\x3a:x"} and answer.changed == ["\\x00"]
    assert answer.shared[0][0] == "\\ud800" and len(answer.shared[0][1]) == 300


HOSTILE = "\\x1b[2J\\n::error::it passed\\u202e\\ud800"


@pytest.mark.sample
@pytest.mark.parametrize("in_process", [True, False])
@pytest.mark.parametrize(
    "attack",
    [
        f"print('{HOSTILE}'.encode('utf-8', 'replace').decode())",
        f"print('{HOSTILE}')",
        f"warnings.warn('{HOSTILE}')",
        f"raise ValueError('{HOSTILE}')",
        f"raise type('{HOSTILE}'.encode('utf-8', 'replace').decode(), (Exception,), {{}})('{HOSTILE}')",
        f"return type('{HOSTILE}'.encode('utf-8', 'replace').decode(), (), {{}})()",
        "os.write(2, b'\\x1b[2J\\n::error::x\\xff')",
        f"exec(compile('1 / 0', '{HOSTILE}'.encode('utf-8', 'replace').decode(), 'exec'))",
    ],
)
def test_nothing_that_a_target_says_does_anything(made, attack, in_process, capfd):
    if in_process and "os.write" in attack:
        return  # that is written to the judge's own descriptor
    from reference_rnn import case

    target = open_target(made(attack), in_process=in_process)
    target.start()
    problem = target.forward(case("RNN_TANH", T=1, N=1, I=1, H=1, h_0=0)).problem
    texts = [*target.all_notes(), target.name, *([problem.message, *problem.where] if problem else [])]
    target.stop()
    assert all(text.isprintable() and not text.startswith("::") for text in texts) and len(texts) > 1
    json.dumps(texts, ensure_ascii=False).encode()
    assert capfd.readouterr().out == ""


def test_the_name_of_a_target_is_plain_text(tmp_path, right):
    file = tmp_path / "a\x1b[31m\n.py"
    file.write_text(right)
    for in_process in (True, False):
        target = open_target(str(file), in_process=in_process)
        target.stop()
        assert target.name.endswith("a\\x1b[31m .py")
    assert sys.stdout
