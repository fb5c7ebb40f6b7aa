"""Formats and profiles: the facts, and which implementations they admit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reference_rnn import (
    DTYPES,
    PRECISION,
    PROFILES,
    Fixed,
    allowances,
    anchored,
    arithmetic,
    case,
    described,
    forward,
    joined,
    rounded,
)
from reference_rnn import functions as f
from reference_rnn.bounds.ball import exact
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


@pytest.mark.sample
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("profile", [*PROFILES, "+".join(PROFILES)])
def test_no_profile_is_narrower_than_strict(profile, dtype):
    numbers = np.linspace(-3, 3, 61)[:, None]
    z, strict = (exact(numbers, arithmetic(dtype, name)) for name in (profile, "strict"))

    for function in (f.tanh, f.sigmoid, lambda z: f.linear(z, np.ones((1, 1)), np.ones(1)), lambda z: f.outer(z, z)):
        assert (function(z).rad * (1 + 8 * z.arithmetic.u) >= function(strict).rad).all()


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


def test_names_of_profiles_may_be_joined_in_any_order():
    assert joined("half-sums+lenient") == joined("lenient", "half-sums") == "lenient+half-sums"
    assert joined("strict") == "strict" and joined("strict", "lenient") == "lenient"

    both = arithmetic("float16", "half-sums+flush-to-zero")
    assert both == arithmetic("float16", "flush-to-zero+half-sums")
    assert (both.ua, both.eta) == (2.0**-11 + 2.0**-24, 2.0**-14)
    assert arithmetic("float32", "lenient+half-sums").ks == 10


@pytest.mark.sample
@pytest.mark.parametrize("name", ["fast", "", "lenient+", "lenient+lenient", "half-sums + lenient", None, []])
def test_a_profile_that_does_not_exist_is_one_line(name):
    with pytest.raises(
        ValueError, match=r"^arithmetic is .*, must be one of strict, lenient, flush-to-zero, half-sums"
    ):
        joined(name)


@pytest.mark.parametrize("profile", [*PROFILES, "+".join(PROFILES)])
def test_a_profile_says_what_it_allows_and_why(profile):
    a, said = arithmetic("float16", profile), described(profile)

    assert f"sigmoid within {a.ks:g} u" in said and f"{a.kt:g}" in said and (f"+ {a.ka:g})" in said) == (a.ka > 0)
    assert ("float32 or wider" in said) == (a.ua < a.u) and ("as zero" in said) == a.flushes
    assert all(allowances(profile).values()) and "\n" not in said


def test_lenient_admits_a_sigmoid_that_ends_8_units_short_of_1_and_strict_one_that_ends_5_units_short():
    z = np.linspace(20, 40, 21)
    short = lambda units: np.full(z.shape, 1 - units * 2.0**-24)  # noqa: E731

    assert f.sigmoid(exact(z, arithmetic("float32", "lenient"))).contains(short(8)).all()
    assert not f.sigmoid(exact(z, arithmetic("float32", "lenient"))).contains(short(11)).any()
    assert f.sigmoid(exact(z, arithmetic("float32"))).contains(short(5)).all()
    assert not f.sigmoid(exact(z, arithmetic("float32"))).contains(short(8)).any()


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

    assert forward(c, arithmetic(dtype, "half-sums")).output.contains(np.full((1, 1, 1), float(total)))
    assert balls.contains(store(np.full((1, 1, 1), 1 + 64 * small)).astype(float))
    assert total == 1 and not balls.contains(np.full((1, 1, 1), float(total)))


# Half sums


def in_sequence(terms, dtype):
    total = terms[..., 0]
    for k in range(1, terms.shape[-1]):
        total = rounded(total + terms[..., k], dtype).astype(float)
    return total


def in_pairs(terms, dtype):
    while terms.shape[-1] > 1:
        terms = np.concatenate([terms, np.zeros_like(terms[..., : terms.shape[-1] % 2])], axis=-1)
        terms = rounded(terms[..., ::2] + terms[..., 1::2], dtype).astype(float)
    return terms[..., 0]


def in_splits(terms, dtype):
    """Four sums in float32, of which each is stored before they are added."""
    splits = np.array_split(terms.astype(np.float32), 4, axis=-1)
    return in_sequence(np.stack([rounded(part.sum(-1), dtype).astype(float) for part in splits], axis=-1), dtype)


@pytest.mark.sample
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("add", [in_sequence, in_pairs, in_splits])
@pytest.mark.parametrize("terms", [4, 16, 64])
def test_sums_of_16_bits_are_half_sums_and_not_strict(dtype, add, terms):
    """The bound is no idle one: what they lose is a good part of it for few terms, and more than strict allows."""
    rng = np.random.default_rng(terms)
    x, W = (rounded(rng.standard_normal(shape), dtype).astype(float) for shape in ((300, terms), (8, terms)))
    found = add(rounded(x[:, None] * W, dtype).astype(float), dtype)

    half, strict = (f.linear(exact(x, arithmetic(dtype, name)), W, np.zeros(8)) for name in ("half-sums", "strict"))

    assert half.contains(found).all() and not strict.contains(found).all()
    assert terms > 4 or (abs(found - half.mid) / half.rad).max() > 0.25


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_a_sum_in_which_every_term_is_lost_comes_near_the_bound(dtype):
    u, n = arithmetic(dtype).u, 64
    W = rounded(np.r_[1.0, np.full(n - 1, 0.75 * u)][None], dtype).astype(float)

    ball = f.linear(exact(np.ones((1, n)), arithmetic(dtype, "half-sums")), W, np.zeros(1))
    lost = abs(in_sequence(W, dtype) - ball.mid)

    assert 0.5 < (lost / ball.rad).item() <= 1


def fewer_bits(array, bits):
    """The float32 numbers without all but so many fractional bits."""
    kept = array.astype(np.float32).view(np.uint32) & np.uint32(0x100000000 - 2 ** (23 - bits))
    return kept.view(np.float32).astype(float)


def test_tf32_admits_factors_of_ten_fractional_bits_and_no_fewer():
    rng = np.random.default_rng(0)
    x, W = (rng.uniform(0.5, 1, shape).astype(np.float32).astype(float) for shape in ((200, 6), (4, 6)))
    ball = f.linear(exact(x, arithmetic("float32", "tf32")), W, np.zeros(4))

    assert ball.contains(fewer_bits(x, 10) @ fewer_bits(W, 10).T).all()
    assert ball.contains(fewer_bits(x, 7) @ fewer_bits(W, 7).T).mean() < 0.02
    strict = f.linear(exact(x, arithmetic("float32")), W, np.zeros(4))
    assert not strict.contains(fewer_bits(x, 10) @ fewer_bits(W, 10).T).any()


def test_a_product_that_loses_all_it_may_in_tf32_comes_near_the_bound():
    number = np.full((1, 1), 1 + 2.0**-10 - 2.0**-23)
    ball = f.linear(exact(number, arithmetic("float32", "tf32")), number, np.zeros(1))
    lost = abs(fewer_bits(number, 10) ** 2 - ball.mid)

    assert 0.99 < (lost / ball.rad).item() <= 1


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_tf32_is_about_float32_alone(dtype):
    tf32, strict = arithmetic(dtype, "tf32"), arithmetic(dtype)
    assert (tf32.factors, tf32.ua, tf32.bits) == (0, strict.ua, PRECISION[dtype])


def test_integers_of_eleven_bits_are_exact_in_tf32():
    assert arithmetic("float32", "tf32").bits == 11 and fewer_bits(np.array([2047.0, 2049.0]), 10).tolist() == [
        2047,
        2048,
    ]


# Fixed point


@pytest.mark.parametrize("rounding", ["cut", "nearest"])
def test_a_sum_in_fixed_point_comes_near_the_bound(rounding):
    a, fraction = Fixed(16, 6, rounding).arithmetic, 10
    read = {"cut": np.floor, "nearest": np.rint}[rounding]
    rng = np.random.default_rng(3)
    x, W, b = rng.uniform(-1, 1, (500, 12)), rng.uniform(-1, 1, (6, 12)), rng.uniform(-1, 1, 6)
    ball = f.linear(exact(x, a), W, b)
    whole = [read(array * 2**fraction) for array in (x, W, b)]
    made = (read(whole[0][:, None] * whole[1] / 2**fraction).sum(-1) + whole[2]) / 2**fraction
    off = abs(made - ball.mid) / ball.rad
    assert ball.contains(made).all() and off.max() > 0.25

    narrow = f.linear(exact(x, Fixed(19, 6, rounding).arithmetic), W, b)
    assert not narrow.contains(made).all()


def test_what_may_overflow_in_fixed_point_may_be_anything():
    a = Fixed(16, 6).arithmetic
    assert a.largest == 2**5 - 2**-10
    sums = f.linear(exact(np.array([[31.0, 0.0], [31.0, 1.5]]), a), np.ones((1, 2)), np.zeros(1))
    assert np.isfinite(sums.rad).tolist() == [[True], [False]]
    assert np.isinf(exact(np.array(32.0), a).rad)


@pytest.mark.parametrize("entries, reach", [(64, 4.0), (1024, 8.0), (7, 3.0)])
def test_tables_come_near_the_bound(entries, reach):
    a = Fixed(24, 6, "nearest", entries, reach).arithmetic
    z = np.linspace(-2 * reach, 2 * reach, 20001)
    part = 2 * reach / entries
    left = np.clip(np.floor((z + reach) / part), 0, entries - 1) * part - reach
    for ball, function in ((f.tanh, np.tanh), (f.sigmoid, lambda z: 1 / (1 + np.exp(-z)))):
        found = ball(exact(z, a))
        off = abs(function(left) - found.mid) / found.rad
        assert off.max() <= 1 and off.max() > 0.4


def test_what_fixed_point_allows_is_said():
    assert described("fixed<16,6>") == "numbers cut off to multiples of 2**-10"
    tabled = described("fixed<16,6>", fixed=Fixed(16, 6, "nearest", 1024))
    assert tabled == "numbers rounded to multiples of 2**-10, tanh and sigmoid off tables of 1024 entries from -8 to 8"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_half_sums_change_nothing_where_sums_are_accumulated_as_they_are_stored(dtype):
    half, strict = arithmetic(dtype, "half-sums"), arithmetic(dtype)
    x = exact(np.linspace(-3, 3, 12).reshape(3, 4), half)

    assert (half.u, half.ua, half.eta) == (strict.u, strict.ua, strict.eta)
    assert (f.linear(x, x.mid, 0.0).rad == f.linear(exact(x.mid, strict), x.mid, 0.0).rad).all()


# States


def test_a_state_may_be_kept_wider_where_it_is_returned_as_a_subnormal_half():
    c = case("RNN_TANH", T=2, x={(0, 0, 0): 2.0**-14}, weight_ih_l0=2.0**-11, weight_hh_l0=32, h_0=0, dtype="float16")
    output = np.array([0.0, np.tanh(32 * np.tanh(2.0**-25))]).reshape(2, 1, 1).astype(np.float16)

    ball = anchored(c, output.astype(float), arithmetic("float16")).output

    assert ball.contains(output.astype(float)).all()
    assert not ball.contains(output.astype(float) + 2.0**-18).any()
