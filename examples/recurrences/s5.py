"""S5: a diagonal system in continuous time, held constant over each step."""

from reference_rnn import cos, exp, matvec, recurrence, sin


@recurrence(
    inputs={"u_re": "P", "u_im": "P"}, states={"x_re": "P", "x_im": "P"}, outputs={"y": "H"},
    parameters={"a_re": "P", "a_im": "P", "dt_log": "P", "C_re": "HP", "C_im": "HP"}, heads=False,
    ranges={"a_re": (-2, -0.25), "a_im": (-4, 4), "dt_log": (-4, 0)},
)  # fmt: skip
def s5(u_re, u_im, x_re, x_im, p):
    """Smith et al. (2022), arXiv:2208.04933, behind the product with B: d is exp(a dt), the gain of u (d - 1) / a."""
    a, b, dt = p["a_re"], p["a_im"], exp(p["dt_log"])
    d_re, d_im = exp(a * dt) * cos(b * dt), exp(a * dt) * sin(b * dt)
    square = a * a + b * b
    gain_re = ((d_re - 1) * a + d_im * b) / square
    gain_im = (d_im * a - (d_re - 1) * b) / square
    new_re = d_re * x_re - d_im * x_im + gain_re * u_re - gain_im * u_im
    new_im = d_re * x_im + d_im * x_re + gain_re * u_im + gain_im * u_re
    y = 2 * (matvec(p["C_re"], new_re) - matvec(p["C_im"], new_im))
    return y, new_re, new_im
