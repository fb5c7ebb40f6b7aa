"""Whatever stands in a frame or a line: a problem that says what is wrong, and the judge goes on."""

import json
import struct
import sys

import numpy as np
import pytest

from conformance import TargetError, check
from conformance.harness import frame
from conformance.harness.channel import Nonsense
from conformance.harness.child import packed
from conformance.harness.command import array_of
from conformance.harness.load import open_target
from conformance.harness.process import Limits
from reference_rnn import case

# A target writes its own frames: HEADER is what it would have answered, and is changed on its way.
FORGER = """
import __main__, io, json, struct
import numpy as np

honest = __main__.packed

def framed(header, body=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<II", len(text), len(body)) + text + body

def npy(data):
    file = io.BytesIO()
    np.save(file, np.frombuffer(data, np.uint8))
    return file.getvalue()

def forged(header, arrays):
    if "dtypes" not in header:
        return honest(header, arrays)
    header["arrays"] = [[name, a.dtype.str, a.shape] for name, a in arrays.items()]
    body = npy(__main__.joined(arrays.values()))
    FORGE

__main__.packed = forged
"""

FRAMES = {
    "objects": ("header['arrays'][0][1] = '|O'; return framed(header, body)", "gave output the dtype '|O'"),
    "structures": ("header['arrays'][0][1] = [['a', '<f4']]; return framed(header, body)", "gave output the dtype"),
    "dates": ("header['arrays'][0][1] = '<M8[s]'; return framed(header, body)", "the dtype '<M8[s]'"),
    "byte order": ("header['arrays'][0][1] = '>f4'; return framed(header, body)", "the dtype '>f4'"),
    "negative size": ("header['arrays'][0][2] = [-1, 1, 1]; return framed(header, body)", "the shape [-1, 1, 1]"),
    "huge size": ("header['arrays'][0][2] = [2**63, 2**63]; return framed(header, body)", "gave output the shape ["),
    "huge beside 0": ("header['arrays'][0][2] = [0, 2**62]; return framed(header, body)", "gave output the shape ["),
    "size as text": ("header['arrays'][0][2] = ['2', 1, 1]; return framed(header, body)", "gave output the shape ["),
    "axes": ("header['arrays'][0][2] = [1] * 70; return framed(header, body)", "gave output the shape ["),
    "short body": ("return framed(header, npy(b'1234'))", "answered with 4 bytes of arrays, must be"),
    "long body": ("return framed(header, npy(bytes(4096)))", "answered with 4,096 bytes of arrays, must be"),
    "no body": ("return framed(header)", "whose body is no .npy"),
    "pickle": ("return framed(header, b'cos\\nsystem\\n(S\"true\"\\ntR.')", "whose body is no .npy"),
    "twice": ("header['arrays'] *= 2; return framed(header, body)", "described an array twice"),
    "missing": ("header['arrays'].pop(); return framed(header, body)", "dtypes of"),
    "other names": (
        "header['dtypes'] = {'a': None}; header['arrays'] = [['a', '<f4', [1]]]; return framed(header, npy(bytes(64)))",
        "answered forward with",
    ),
    "a list": ("return framed([1, 2])", "whose header is [1, 2], must be an object"),
    "nested": ("return framed(b'[' * 100000)", "whose header is no JSON"),
    "NaN": ("return framed(b'{\"id\": NaN}')", 'NaN must be the string "NaN"'),
    "duplicate keys": ('return framed(b\'{"id": 1, "id": 2}\')', "it has 'id' twice"),
    "not UTF-8": ("return framed(b'\\xff\\xfe{}')", "whose header is no JSON"),
    "other request": ("header['id'] = 5; return framed(header, body)", "answered another request"),
    "keys": ("header['verdict'] = 'conforms'; return framed(header, body)", "answered forward with the keys"),
    "kind": (
        "return framed({'id': header['id'], 'notes': [], 'arrays': [], 'problem': {'kind': 'hang', 'message': 'x'}})",
        "answered with problem that cannot be",
    ),
    "notes": ("header['notes'] = [1, {}]; return framed(header, body)", "answered with notes that cannot be"),
    "changed": ("header['changed'] = 'x'; return framed(header, body)", "answered with changed that cannot be"),
    "sizes": ("return struct.pack('<II', 2**32 - 1, 2**32 - 1)", "answered with a frame of 4,294,967,295"),
    "garbage": ("return b'hello, how are you? ' * 1000", "answered with a frame of"),
}


@pytest.mark.sample
@pytest.mark.parametrize("name", FRAMES)
def test_a_forged_frame_is_a_problem(made, asked, name):
    forge, words = FRAMES[name]
    problem, target = asked(made(top=FORGER.replace("FORGE", forge)))
    assert problem.kind == "protocol" and words in problem.message, problem
    assert target.channel is None and target.deaths == {problem.message: 1}


def target_case():
    return case("RNN_TANH", T=1, N=1, I=1, H=1, h_0=0)


def test_two_frames_for_one_request_are_noticed(made, asked):
    problem, target = asked(made(top=FORGER.replace("FORGE", "return 2 * framed(header, body)")))
    assert problem is None
    problem = target.forward(target_case()).problem
    assert problem.kind == "protocol" and "without being asked" in problem.message


def test_half_a_frame_is_a_hang(made, asked):
    problem, _ = asked(made(top=FORGER.replace("FORGE", "return framed(header, body)[:-5]")), call=0.5)
    assert (problem.kind, problem.message) == ("hang", "did not return in time")


@pytest.mark.parametrize("patch", ["json.dumps = None", "struct.pack = None", "np.save = None", "sys.stdout = None"])
def test_a_child_without_its_tools_is_a_problem(made, asked, patch):
    problem, _ = asked(made(patch, top="import json, struct\n"))
    assert problem is None or problem.kind in ("exit", "raised")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("np.save = None", "TypeError: 'NoneType' object is not callable"),
        ("os.closerange(3, 200)", "OSError: [Errno 9] Bad file descriptor"),
        ("import threading; threading.Thread(target=time.sleep, args=(60,)).start(); np.save = None", "TypeError: "),
    ],
)
def test_a_child_that_loses_its_tools_while_loading_says_why_at_once(made, line, said):
    file = made()
    file.write_text(f"{file.read_text()}\n{line}\n")
    with pytest.raises(TargetError) as error:
        open_target(file, limits=Limits(load=30.0))
    assert f"could not be loaded: it ended its process with status 1 (it printed: {said}" in str(error.value)


def test_a_channel_that_is_closed_is_said(made, asked):
    problem, _ = asked(made("os.closerange(3, 100) or time.sleep(30)", "capabilities = {'recompiles': False}\n"))
    assert (problem.kind, problem.message) == ("protocol", "closed its channel to the judge")


def test_a_forged_frame_is_a_finding_with_a_verdict(made):
    forge = FRAMES["objects"][0]
    some = f"if arrays['output'].size > 6:\n        {forge}\n    return framed(header, body)"
    report = check(
        made(top=FORGER.replace("FORGE", some)),
        properties=["shapes.shapes"], in_process=False, diagnosis=False,
    )  # fmt: skip
    (result,) = report.results
    assert (report.verdict, result.status) == ("fails", "failed")
    assert "the target gave output the dtype '|O', must be one of" in result.message


def test_a_body_is_only_built_from_when_it_is_right():
    arrays = {"output": np.ones((2, 1, 1), "f4"), "h_n": np.ones((1, 1, 1), "f4")}
    header = {"id": 1, "notes": [], "dtypes": dict.fromkeys(arrays), "changed": [], "shared": [], "seconds": 0.0}
    good = packed(dict(header), arrays)
    assert frame.frame_length(bytearray(good)) == len(good) and frame.frame_length(bytearray(good[:-1])) is None
    _, found = frame.reply(good, "forward", 1, list(arrays))
    assert found["output"].tolist() == [[[1]], [[1]]]
    for end in range(8, len(good), 7):  # whatever is cut off or changed: Nonsense, or the same answer
        with pytest.raises(Nonsense):
            frame.reply(struct.pack("<I", min(struct.unpack("<I", good[:4])[0], end)) + good[4:end], "forward", 1, None)


# ---------------------------------------------------------------- lines

SPEAKER = """
import json, sys
for line in sys.stdin:
    request = json.loads(line)
    reply = {"capabilities": {}} if request["do"] == "start" else {
        "output": {"shape": [2, 1, 1], "data": [0, 0]}, "h_n": {"shape": [1, 1, 1], "data": [0]}}
    text = json.dumps(reply)
    if request["do"] == "forward":
        CHANGE
    sys.stdout.write(text + "\\n")
    sys.stdout.flush()
"""

LINES = {
    "nested": ("text = '[' * 100000 + ']' * 100000", "protocol", "maximum recursion depth"),
    "deep inside": ("text = text.replace('[0]', '[' * 800 + ']' * 800)", "array", "h_n has [[["),
    "huge integer": ("text = text.replace('[0]', '[1' + '0' * 400 + ']')", "array", "double precision cannot hold"),
    "huger integer": ("text = text.replace('[0]', '[1' + '0' * 5000 + ']')", "protocol", "must be one line of JSON"),
    "huge float": ("text = text.replace('[0]', '[1e999]')", "array", "double precision cannot hold"),
    "huge shape": ("text = text.replace('[1, 1, 1]', '[1' + '0' * 4000 + ', 1]')", "array", "must have a number of"),
    "axes": ("text = text.replace('[1, 1, 1]', str([1] * 99))", "array", "has the shape [1, 1,"),
    "impossible shape": (
        "text = text.replace('[1, 1, 1]', '[0, ' + str(2**62) + ', 4]').replace('[0]', '[]')", "array", "no array has",
    ),
    "without end": ("[sys.stdout.write('x' * 2**20) for _ in range(2**20)]", "protocol", "a line of more than"),
    "a long line": ("text = ' ' * 2**22 + text", "protocol", "a line of more than 1,048,"),
    "not UTF-8": ("sys.stdout.buffer.write(b'\\xff\\xfe\\n')", "protocol", "must be one line of JSON"),
    "duplicate keys": ("text = text[:-1] + ', \"h_n\": 1}'", "protocol", "it has 'h_n' twice"),
    "Infinity": ("text = text.replace('[0]', '[Infinity]')", "protocol", 'Infinity must be the string "Infinity"'),
    "error of another type": ("text = '{\"error\": {\"a\": [1, 2]}}'", "raised", 'an error: {"a": [1, 2]}'),
    "null": ("text = 'null'", "protocol", "answered with null, must be an object"),
    "no line": ("sys.stdout.write(text); sys.stdout.flush(); sys.exit(0)", "exit", "with status 0"),
}  # fmt: skip


@pytest.fixture
def speaker(tmp_path):
    """The command of a program that keeps to the line protocol, up to a change."""

    def written(change):
        file = tmp_path / "speaker.py"
        file.write_text(SPEAKER.replace("CHANGE", change))
        return f"cmd: {sys.executable} {file}"

    return written


@pytest.mark.parametrize("name", LINES)
def test_a_strange_line_is_a_problem(speaker, asked, name):
    change, kind, words = LINES[name]
    problem, _ = asked(speaker(change))
    assert problem.kind == kind and words in problem.message, problem
    assert len(problem.message) <= 1000


def test_an_answer_too_many_is_noticed(speaker, asked):
    problem, target = asked(speaker("text += '\\n' + text"))
    assert problem is None
    problem = target.forward(target_case()).problem
    assert problem.kind == "protocol" and "without being asked" in problem.message


@pytest.mark.parametrize(
    "text", ["{}", '{"cells": [["x"]]}', '{"cells": 5}', '{"max_layers": 1e400}', '{"x": {"y": []}}']
)
def test_claims_that_cannot_be_are_one_clear_line(tmp_path, text, left):
    file = tmp_path / "claims.py"
    file.write_text(
        f"print({json.dumps(json.dumps({'capabilities': 0}).replace('0', text))}, flush=True)\ninput(); input()"
    )
    target = f"cmd: {sys.executable} {file}"
    if text == "{}":
        open_target(target).stop()
        return
    with pytest.raises(TargetError) as error:
        open_target(target, limits=Limits(load=20))
    assert "\n" not in str(error.value) and len(str(error.value)) < 1100
    left()


def test_what_is_sent_and_not_read_keeps_nobody_waiting(tmp_path, asked):
    file = tmp_path / "deaf.py"
    file.write_text("""
import time
input()
print('{"capabilities": {}}')
input()
print('{}')
time.sleep(60)
""")
    problem, _ = asked(
        f"cmd: {sys.executable} -u {file}", case("RNN_TANH", T=9, N=40, I=40, H=40, x=1, h_0=0), call=0.5
    )
    assert problem.kind == "hang"


def test_numbers_of_lines_are_numbers():
    for entry in ([], {}, "nan", None, True):
        with pytest.raises(Nonsense):
            array_of("x", {"shape": [1], "data": [entry]})
