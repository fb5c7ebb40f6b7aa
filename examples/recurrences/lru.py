"""The linear recurrent unit: a diagonal of complex numbers by their size and angle."""

from reference_rnn import cos, exp, recurrence, sin


@recurrence(
    inputs={"u_re": "P", "u_im": "P"}, states={"x_re": "P", "x_im": "P"}, outputs={"y_re": "P", "y_im": "P"},
    parameters={"nu_log": "P", "theta_log": "P", "gamma_log": "P"}, heads=False, ranges={"nu_log": (-3, 1)},
)  # fmt: skip
def lru(u_re, u_im, x_re, x_im, p):
    """Orvieto et al. (2023), arXiv:2303.06349, between the products with B, of which this is u, and with C."""
    size, angle, gain = exp(-exp(p["nu_log"])), exp(p["theta_log"]), exp(p["gamma_log"])
    a_re, a_im = size * cos(angle), size * sin(angle)
    new_re = a_re * x_re - a_im * x_im + gain * u_re
    new_im = a_re * x_im + a_im * x_re + gain * u_im
    return new_re, new_im, new_re, new_im
