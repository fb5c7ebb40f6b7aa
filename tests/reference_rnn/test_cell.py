"""A cell is one object: what follows from its step, and what is said where it cannot be one."""

import math
import pickle
import textwrap

import numpy as np
import pytest

from reference_rnn import (
    CELLS,
    Case,
    CellError,
    Config,
    anchored,
    arithmetic,
    case,
    cell,
    cell_of,
    forward,
    gradients,
    mix,
    parameter_shapes,
    reached,
    sigmoid,
    tanh,
)
from reference_rnn.cell import LOADED, known, loaded, text_of
from reference_rnn.cell_source.source_hash import digest
from reference_rnn.equations import written_out

MGU = '''
from reference_rnn import cell, mix, sigmoid, tanh


@cell("fn")
def mgu(x, h, p):
    """Zhou et al. (2016), arXiv:1603.09420."""
    f = sigmoid(p.f(x, h))
    n = tanh(p.n(x, f * h))
    return mix(f, h, n)
'''


@cell("zn", vectors=("u",))
def halves(x, h, p):
    """Nothing that anybody publishes: a recurrent vector, halves, numbers."""
    z = sigmoid(p.z(x, h) + p.u * h)
    n = tanh(p.n.input(x))
    return 0.3 * z * n + (1 - z) * h - 0.1 * h


@cell("fg", states="hc")
def two_states(x, h, c, p):
    """Two states, of which the second is called c whatever its letter."""
    f = sigmoid(p.f(x, h))
    m = f * c + (1 - f) * p.g.input(x)
    return tanh(m), m


def written(folder, text, name="spec.py"):
    file = folder / name
    file.write_text(textwrap.dedent(text))
    return str(file)


def dense(own, **sizes):
    """A case of a cell in which nothing is alike."""
    config = Config(own, 2, 3, dtype="float64", **sizes)
    numbers = np.random.default_rng(3).standard_normal
    names = {name: numbers(shape.sizes) for name, shape in parameter_shapes(config).items()}
    entries = config.num_layers * config.num_directions
    h_0, c_0 = (numbers((entries, 2, 3)) for _ in range(2))
    return Case(config, names, numbers((4, 2, 2)), h_0, c_0 if config.num_states == 2 else None)


# What follows from a step


def test_the_parameters_follow_from_what_the_gates_read():
    shapes = {name: shape.symbols for name, shape in parameter_shapes(Config(halves, 2, 3)).items()}
    assert shapes == {
        "weight_ih_l0": "2H, I", "weight_hh_l0": "H, H", "bias_ih_l0": "2H,", "bias_hh_l0": "H,", "u_l0": "H,",
    }  # fmt: skip
    assert (halves.reads, halves.sums) == ({"x": "zn", "h": "z", "c": ""}, "z")


def test_facts_that_follow_from_the_equations():
    assert [own.apart for own in (*CELLS, halves, two_states)] == [True] * 7
    assert [own.exchangeable for own in (*CELLS, halves)] == [True] * 6
    assert [bool(own.projects) for own in CELLS] == [False] * 4 + [True]
    assert [own.couples for own in CELLS] == [False] * 4 + [True]
    assert [own.packing("weight_ch") for own in CELLS] == ["", "", "", "", "ifo"]


def test_a_cell_whose_units_depend_on_each_other_says_so():
    from reference_rnn import normalised

    @cell("h")
    def normal(x, h, p):
        return tanh(normalised(p.h(x, h)))

    assert (normal.apart, normal.exchangeable) == (False, True)


def test_a_cell_is_its_name():
    assert (halves, str(halves), halves == "HALVES", cell_of("GRU") == "GRU") == ("HALVES", "HALVES", True, True)
    assert Config(halves).cell is halves and Config("GRU").cell is cell_of("GRU")


def test_two_cells_of_one_name_are_two(tmp_path):
    one, other = written(tmp_path, MGU, "one.py"), written(tmp_path, MGU.replace("f, h, n", "f, n, h"), "other.py")
    assert loaded(one, "mgu") != loaded(other, "mgu") and loaded(one, "mgu") == "MGU"


# On arrays, balls and backwards


@pytest.mark.parametrize("own", [halves, two_states])
def test_the_equations_run_on_whatever_the_others_do(own):
    subject, allowed = dense(own, num_layers=2, bidirectional=True), arithmetic("float64")
    result = forward(subject)
    for balls in (forward(subject, allowed), anchored(subject, result.output, allowed)):
        for name, ball in balls.items():
            if name == "output" or balls.h_n is not None:
                assert ball.contains(getattr(result, name)).all()
    assert reached(subject, allowed).output.allows(result.output).all()


@pytest.mark.parametrize("own", [halves, two_states])
def test_gradients_follow_from_the_equations(own):
    subject = dense(own, num_layers=2, bidirectional=True)
    d_output = np.random.default_rng(5).standard_normal(forward(subject).output.shape)
    found = gradients(subject, d_output)
    numbers = np.random.default_rng(6).standard_normal
    ways = {name: numbers(array.shape) for name, array in subject.arrays()}
    moved = subject.map(lambda name, array: array + 1e-30j * ways[name])
    slope = (forward(moved).output.imag / 1e-30 * d_output).sum()
    assert sum((found[name] * way).sum() for name, way in ways.items()) == pytest.approx(slope, rel=1e-12)


def test_a_number_that_the_format_does_not_have_has_a_radius():
    ball = forward(case(halves, H=1, h_0=1, u_l0=1), arithmetic("float32")).output
    exact = forward(case(halves, H=1, h_0=1, u_l0=1)).output
    assert ball.contains(np.float32(exact)).all() and (ball.rad > 0).all()


# Across processes


@pytest.mark.parametrize("own", CELLS)
def test_a_cell_of_the_kit_crosses_by_name(own):
    assert pickle.loads(pickle.dumps(own)) is own and own.crossing == str(own)


def test_ones_own_cell_crosses_as_file_name_and_hash(tmp_path):
    file = written(tmp_path, MGU)
    own = loaded(file, "mgu")
    assert own.crossing == {"file": file, "name": "mgu", "sha256": digest(text_of(file), "mgu")}
    assert pickle.loads(pickle.dumps(own)) is own
    assert known(digest(text_of(file), "mgu"), "mgu") == own and (digest(text_of(file), "mgu"), "mgu") in LOADED


def test_a_file_that_has_changed_is_not_taken_for_what_it_was(tmp_path):
    with pytest.raises(CellError, match=r"mgu in .*spec.py has changed: its text has another hash than 0123"):
        loaded(written(tmp_path, MGU), "mgu", "0123")
    with pytest.raises(CellError, match="no cell 'mgu' of the hash 0123 is claimed here"):
        known("0123", "mgu")


def test_a_cell_without_a_file_does_not_cross():
    space = {"cell": cell, "tanh": tanh}
    exec("@cell('h')\ndef typed(x, h, p):\n    return tanh(p.h(x, h))", space)
    with pytest.raises(CellError, match=r"TYPED stands in no file .* put it into a file of its own, spec.py"):
        pickle.dumps(space["typed"])


# What cannot be a cell


def unknown_gate(x, h, p):
    return tanh(p.q(x, h))


def too_many(x, h, p):
    return h, h


def of_another_shape(x, h, p):
    return x


def of_numpy(x, h, p):
    return np.tanh(p.f(x, h))


def of_math(x, h, p):
    return (
        math.sqrt(2.0)
        * np.exp(0.5)
        * math.exp(
            p.f(x, h),
        )
    )


def two_lists(x, h, p):
    return np.exp(0.5) * [p.f(x, h)]


def joined(x, h, p):
    return np.concatenate([p.f(x, h), np.exp(h.mid)])


def of_arrays(x, h, p):
    return np.zeros((2, 5))


def with_nothing(x, h):
    return h


@pytest.mark.parametrize(
    ("step", "gates", "facts", "message"),
    [
        (
            unknown_gate,
            "f",
            {},
            r"UNKNOWN_GATE: test_cell.py, line \d+, return tanh\(p.q\(x, h\)\): .*: there is no p.q; there are p.f",
        ),
        (too_many, "f", {}, "TOO_MANY: its step returns 2 states, must return h"),
        (
            of_another_shape,
            "f",
            {},
            r"OF_ANOTHER_SHAPE: its step returns h of shape \(2, 3\), must be \(2, 5\) = \(N, H\)",
        ),
        (
            of_numpy,
            "f",
            {},
            r"OF_NUMPY: test_cell.py, line \d+, .*: np.tanh cannot be used here; import tanh from reference_rnn",
        ),
        (of_math, "f", {}, "OF_MATH: .*: math.exp cannot be used here; import exp from reference_rnn"),
        (two_lists, "f", {}, "TWO_LISTS: .*a step is written in the functions of reference_rnn"),
        (joined, "f", {}, "JOINED: .*a step is written in the functions of reference_rnn"),
        (of_arrays, "f", {}, "OF_ARRAYS: its step returns h as ndarray"),
        (with_nothing, "f", {}, "WITH_NOTHING: its step takes x, h, must take x, h, p"),
        (unknown_gate, "fq", {}, "UNKNOWN_GATE: its step never reads p.f: leave it out of its gates"),
        (unknown_gate, "qq", {}, "gates is 'qq', each letter must be another one"),
        (unknown_gate, "Q", {}, "gates is 'Q', must be a lower-case letter for each gate"),
        (
            unknown_gate,
            "q",
            {"hold": {}},
            "UNKNOWN_GATE: a cell has no hold; what can be said of it is states",
        ),
        (unknown_gate, "q", {"vectors": ("weight_ih",)}, "a vector cannot be called 'weight_ih': that is taken"),
        (unknown_gate, "q", {"states": "hcm"}, "states is .*, must be one or two"),
    ],
)
def test_what_cannot_be_a_cell_is_said_in_one_line(step, gates, facts, message):
    with pytest.raises(CellError, match=message) as caught:
        cell(gates, **facts)(step)
    assert "\n" not in str(caught.value)


def test_a_name_that_no_cell_has():
    with pytest.raises(ValueError, match=r"cell is 'MGU', must be one of RNN_TANH, .* or a cell of your own"):
        Config("MGU")


# The equations as text


def test_sums_of_gates_are_written_out():
    assert written_out(halves).splitlines() == [
        "def halves(x, h, p):",
        "    Z, N = by_gate(p)",
        "    z = sigmoid(affine(x, Z.W_ih, h, Z.W_hh, Z.b_ih, Z.b_hh) + p.u * h)",
        "    n = tanh(linear(x, N.W_ih, N.b_ih))",
        "    return 0.3 * z * n + (1 - z) * h - 0.1 * h",
    ]


def test_options_are_arguments_of_the_text_or_have_their_usual_values():
    plain, options = written_out(cell_of("LSTM")), written_out(cell_of("LSTM"), options=True)
    assert "f = sigmoid(affine(" in plain and "coupled_gates" not in plain and "w_ch" not in plain
    assert "f = 1 - i if coupled_gates else gate(affine_peephole(" in options


def test_mix_is_what_the_paper_says():
    assert mix(0.25, 4.0, 8.0) == 0.75 * 4 + 0.25 * 8


def test_a_file_that_is_edited_is_another_cell(tmp_path):
    before = loaded(written(tmp_path, MGU), "mgu")
    after = loaded(written(tmp_path, MGU.replace("f, h, n", "f, n, h")), "mgu")
    assert before != after and before.digest != after.digest


def test_a_file_whose_lines_move_is_read_anew(tmp_path):
    file = written(tmp_path, MGU)
    before = loaded(file, "mgu")
    text = written_out(before)
    assert written(tmp_path, "def other(x):\n    return x\n\n\n" + MGU) == file
    after = loaded(file, "mgu")
    assert after.digest == before.digest and written_out(after) == text and loaded(file, "mgu") is after
    assert known(after.digest, "mgu") is after


def test_a_peephole_that_nothing_turns_on_is_no_silent_zero():
    def peeping(x, h, c, p):
        f = sigmoid(p.f(x, h, c))
        return f * c, f * c

    with pytest.raises(
        CellError, match=r"PEEPING: p.f reads c only as an option of ONNX' operators; a vector reads it"
    ):
        cell("f", states="hc")(peeping)


@cell("h", vectors=("u",))
def projecting(x, h, p):
    """One state, which is projected, with a vector as long as what comes before that."""
    return p.projected(p.u * tanh(p.h(x, h)))


def test_vectors_are_as_long_as_the_units_where_the_state_is_not():
    config = Config(projecting, 2, 4, proj_size=3, dtype="float64")
    numbers = np.random.default_rng(3).standard_normal
    names = {name: numbers(shape.sizes) for name, shape in parameter_shapes(config).items()}
    subject, allowed = Case(config, names, numbers((4, 2, 2)), numbers((1, 2, 3))), arithmetic("float64")
    result = forward(subject)
    assert forward(subject, allowed).output.contains(result.output).all()
    assert reached(subject, allowed).output.allows(result.output).all()
    found = gradients(subject, np.ones_like(result.output))
    way = numbers(4)
    moved = subject.map(lambda name, array: array + 1e-30j * way if name == "u_l0" else array)
    assert (found["u_l0"] * way).sum() == pytest.approx(forward(moved).output.imag.sum() / 1e-30, rel=1e-12)
