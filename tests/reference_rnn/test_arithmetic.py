"""Formats and profiles: the facts, and which implementations they admit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reference_rnn import DTYPES, PRECISION, PROFILES, anchored, arithmetic, case, forward
from reference_rnn import functions as f
from reference_rnn.ball import exact
from strategies import cases


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_the_facts_of_a_format_are_those_of_numpy(dtype):
    a, info = arithmetic(dtype), np.finfo(dtype)
    twice = 2 if dtype == "float64" else 1

    assert PRECISION[dtype] == info.nmant + 1
    assert a.u == twice * float(info.eps) / 2
    assert a.largest == pytest.approx(float(info.max), rel=1e-3)
    assert a.eta == (float(info.smallest_subnormal) / 2 if dtype == "float16" else twice * float(info.smallest_normal))


def test_bfloat16_is_float32_with_8_bits():
    a, single = arithmetic("bfloat16"), arithmetic("float32")

    assert (PRECISION["bfloat16"], a.u, a.ua, a.eta) == (8, 2.0**-8, single.u, single.eta)
    assert a.largest == pytest.approx(255 * 2.0**120, rel=1e-4)


@pytest.mark.parametrize("dtype", DTYPES)
def test_only_16_bits_are_stored_narrower_than_they_are_summed(dtype):
    assert arithmetic(dtype).narrow == dtype.endswith("16")


@pytest.mark.parametrize("profile", PROFILES)
def test_no_profile_is_narrower_than_strict(profile):
    z = exact(np.linspace(-3, 3, 61), arithmetic("float32", profile))
    strict = exact(np.linspace(-3, 3, 61), arithmetic("float32"))

    assert (f.tanh(z).rad >= f.tanh(strict).rad).all()


# Profiles


def test_lenient_admits_a_tanh_that_is_accurate_in_absolute_terms_only():
    z = np.linspace(-0.2, 0.2, 81)
    rough = np.tanh(z) + 2.7 * 2.0**-24

    assert f.tanh(exact(z, arithmetic("float32", "lenient"))).contains(rough).all()
    assert not f.tanh(exact(z, arithmetic("float32"))).contains(rough).any()


def test_lenient_admits_a_tanh_made_of_a_sigmoid():
    z = np.linspace(-1, 1, 2001, dtype=np.float32)
    made = 2 / (1 + np.exp(-2 * z)) - 1

    assert made.dtype == np.float32
    assert f.tanh(exact(z, arithmetic("float32", "lenient"))).contains(made).all()
    assert not f.tanh(exact(z, arithmetic("float32"))).contains(made).all()


SUBNORMAL = 2.0**-130
READ = {
    "x": {"x": SUBNORMAL, "weight_ih_l0": 2.0**20},
    "weight_ih_l0": {"x": 2.0**20, "weight_ih_l0": SUBNORMAL},
    "h_0": {"h_0": SUBNORMAL, "weight_hh_l0": 2.0**20},
}


@pytest.mark.parametrize("cell", ["RNN_TANH", "RNN_RELU"])
@pytest.mark.parametrize("name", READ)
def test_only_flush_to_zero_admits_a_subnormal_input_read_as_zero(cell, name):
    c = case(cell, **READ[name])
    flushed = np.zeros((1, 1, 1))

    assert forward(c).output == SUBNORMAL * 2.0**20
    assert forward(c, arithmetic("float32", "flush-to-zero")).output.contains(flushed)
    assert not forward(c, arithmetic("float32")).output.contains(flushed)


@pytest.mark.parametrize("profile", PROFILES)
def test_every_profile_admits_a_subnormal_result_flushed_to_zero(profile):
    c = case("RNN_RELU", x=2.0**-70, weight_ih_l0=2.0**-60)

    assert forward(c, arithmetic("float32", profile)).output.contains(np.zeros((1, 1, 1)))


# Narrow storage


def to_bfloat16(array):
    """The nearest bfloat16 values, ties to even, by arithmetic on bits."""
    bits = np.asarray(array, np.float32).view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000).astype(np.uint32).view(np.float32)


STORE = {"float16": lambda array: np.asarray(array, np.float16), "bfloat16": to_bfloat16}


def stored_narrow(store):
    """A step that sums in float32 and stores every part in 16 bits before the parts are added."""

    def step(cell, *arrays):
        x, h, W_ih, W_hh, b_ih, b_hh = (array.astype(np.float32) for array in arrays)
        part = lambda W, v, b: store(store(W @ v).astype(np.float32) + b).astype(np.float32)  # noqa: E731
        z = store(part(W_ih, x, b_ih) + part(W_hh, h, b_hh)).astype(np.float32)
        return store(np.tanh(z) if cell == "RNN_TANH" else np.maximum(z, 0))

    return step


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@settings(max_examples=120, deadline=None)
@given(data=st.data())
def test_parts_may_be_stored_in_16_bits(looped, dtype, data):
    c = data.draw(cases(dtypes=(dtype,), empty=("time", "batch", "length")))

    output, h_n = looped(c, stored_narrow(STORE[dtype]))

    with np.errstate(invalid="ignore"):
        for balls in (forward(c, arithmetic(dtype)), anchored(c, output.astype(float), arithmetic(dtype))):
            assert balls.output.contains(output.astype(float)).all()
            assert balls.h_n.contains(h_n.astype(float)).all()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_sums_may_not_be_kept_in_16_bits(dtype):
    """A large term first, and every later one is lost."""
    store, u = STORE[dtype], arithmetic(dtype).u
    small = u / 2
    c = case("RNN_RELU", I=65, x=1, weight_ih_l0=[[1] + 64 * [small]], dtype=dtype)
    total = np.float32(0)
    for term in c.parameters["weight_ih_l0"][0]:
        total = np.float32(store(total + np.float32(term)))

    balls = forward(c, arithmetic(dtype)).output

    assert balls.contains(store(np.full((1, 1, 1), 1 + 64 * small)).astype(float))
    assert total == 1 and not balls.contains(np.full((1, 1, 1), float(total)))
