"""Linear recurrences of today in other orders: whatever scans and chunks make of them lies in their balls."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from conformance import Capabilities
from conformance.claims.allowed import sequences
from reference_rnn import arithmetic, exp, handed, matvec, recurrence, rounded, tanh, vecmat
from reference_rnn.cell import loaded

EXAMPLES = Path(__file__).parent.parent.parent / "examples" / "recurrences"
LINEAR = {"gated_linear_attention", "retention", "rg_lru", "rwkv6", "selective_scan", "mingru", "minlstm"}
K = {"inputs": {"x": "K", "g": "K"}, "states": {"h": "K"}, "outputs": {"y": "K"}}


@recurrence(inputs={"q": "K", "k": "K", "v": "V", "g": "K"}, states={"S": "KV"}, outputs={"o": "V"}, heads=False,
            ranges={"g": (-3, 0)})  # fmt: skip
def gated(q, k, v, g, S):
    """The logarithm of the gate is given."""
    S = exp(g)[..., None] * S + k[..., None] * v[..., None, :]
    return vecmat(q, S), S


def another(step):
    """A recurrence of one state."""
    return recurrence(**K, parameters={"W": "KK"})(step)


@another
def held(x, g, h, p):
    return h, h


@another
def mixed(x, g, h, p):
    h = (1 - g) * h + g * matvec(p["W"], x)
    return x * h + x, h


@another
def read_out(x, g, h, p):
    h = g * h + x
    return matvec(p["W"], h), h


@another
def twice(x, g, h, p):
    h = h + g * (x - h)
    return h, h


@another
def curved(x, g, h, p):
    h = tanh(g * h + x)
    return h, h


@another
def gate_reads_the_state(x, g, h, p):
    h = tanh(h) * h + x
    return h, h


@another
def across(x, g, h, p):
    h = matvec(p["W"], h) + x
    return h, h


@another
def kinked_far_away(x, g, h, p):
    from reference_rnn import clip

    h = clip(g * h + x, 100.0)
    return h, h


@another
def divided(x, g, h, p):
    h = h / (2.0 + g) + x
    return h, h


@another
def indexed(x, g, h, p):
    h = g * h + 0.5 * h[..., :] + x
    return h, h


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("*.py")), ids=lambda file: file.stem)
def test_which_examples_are_linear(file):
    assert loaded(str(file), file.stem).linear == (file.stem in LINEAR)


@pytest.mark.parametrize("cell", [held, mixed, read_out, twice, divided, gated], ids=str)
def test_what_is_linear(cell):
    assert cell.linear


@pytest.mark.parametrize(
    "cell", [curved, gate_reads_the_state, across, kinked_far_away, indexed, recurrence(**K)], ids=str
)
def test_what_is_not_linear_or_goes_unseen(cell):
    assert not cell.linear


@pytest.mark.parametrize("order", ["scan", "chunks", "log"])
def test_there_is_no_bound_for_what_is_not_linear(order):
    case = across.case({"x": np.ones((2, 1, 1, 1)), "g": np.ones((2, 1, 1, 1))}, {"h": [[[1.0]]]}, {"W": [[1.0]]})
    handed(case, arithmetic("float32"))
    with pytest.raises(ValueError, match=f"ACROSS has no bounds in the order of {order}: it is no linear recurrence"):
        handed(case, arithmetic("float32", order=order))


def rounding(dtype):
    """Rounds to a dtype whatever it is given."""
    return lambda array: rounded(np.asarray(array), dtype)


def by_scan(q, k, v, g, S, r, random):
    """Pairs of neighbours, in some association, coefficients as products; r rounds."""
    parts = [(np.ones_like(g[0])[:, None], S), *((r(np.exp(g_t))[:, None], r(k_t[:, None] * v_t))
             for k_t, v_t, g_t in zip(k, v, g))]  # fmt: skip
    found = []
    for end in range(2, len(parts) + 1):
        some = list(parts[:end])
        while len(some) > 1:
            at = random.integers(len(some) - 1)
            (a, b), (c, d) = some[at], some[at + 1]
            some[at : at + 2] = [(r(a * c), r(r(c * b) + d))]
        found.append(some[0][1])
    return np.stack([r((q_t[:, None] * S_t).sum(0)) for q_t, S_t in zip(q, found)]), found[-1]


def by_chunks(q, k, v, g, S, r, random, divide=False):
    """Chunks of some size: what was read before is weighed by exponentials of sums of logarithms."""
    size, outputs = int(random.integers(1, 20)), []
    for start in range(0, len(q), size):
        q_, k_, v_, g_ = (a[start : start + size] for a in (q, k, v, g))
        G = g_.copy()
        for t in range(1, len(G)):
            G[t] = r(G[t - 1] + g_[t])
        if divide:
            weighed = r(np.tril(r(r(q_ * r(np.exp(G))) @ r(k_ * r(np.exp(-G))).T)))
        else:
            apart = r(np.exp(np.minimum(r(G[:, None] - G), 0)))
            weighed = r(np.tril(r((q_[:, None] * r(apart * k_)).sum(-1))))
        outputs.append(r(r(weighed @ v_) + r(r(q_ * r(np.exp(G))) @ S)))
        last = r(k_ * r(np.exp(r(G[-1] - G))))
        S = r(r(np.exp(G[-1]))[:, None] * S + r(last.T @ v_))
    return np.concatenate(outputs), S


def divided_chunks(*given):
    """The same with what is before in the denominator."""
    return by_chunks(*given, divide=True)


@pytest.mark.sample
@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
@pytest.mark.parametrize("way", [by_scan, by_chunks, divided_chunks])
def test_another_order_is_in_the_balls(way, dtype):
    random, r, seen = np.random.default_rng(5), rounding(dtype), 0
    claims = Capabilities(cells=(gated,), dtypes=(dtype,))
    order = replace(arithmetic(dtype, order="chunks"), decays=True)
    for case in sequences(claims).covering(40):
        if case.num_steps > 40:
            continue
        balls = dict(handed(case, order).items())
        for row in range(case.num_rows):
            x = [case.inputs[name][:, row] for name in "qkvg"]
            o, S = way(*x, case.states["S"][row], r, random)
            assert balls["o"][:, row].contains(o).all() and balls["S"][row].contains(S).all(), (case, row)
            seen += 1
    assert seen > 20


@pytest.mark.parametrize("order", ["scan", "chunks", "log"])
def test_a_step_that_is_left_out_is_far_outside(order):
    random = np.random.default_rng(3)
    x = {name: random.random((12, 1, 3 if name != "v" else 2)) for name in "qkvg"}
    case = gated.case(x | {"g": -x["g"] / 8}, {"S": random.random((1, 3, 2))})
    less = replace(case, inputs=case.inputs | {"k": np.where(np.arange(12)[:, None, None] == 4, 0, case.inputs["k"])})
    balls = dict(handed(case, replace(arithmetic("float32", order=order), decays=order != "log")).items())
    wrong = dict(handed(less).items())
    assert not balls["S"].contains(wrong["S"]).any() and not balls["o"].contains(wrong["o"])[4:].any()
    assert balls["o"].contains(wrong["o"])[:4].all()
