"""Infers in double precision, is recorded in single, and does not say what the states of that run were."""

from infers_in_double import capabilities, forward, pytorch  # noqa: F401


def gradients(case, d_output, d_h_n, d_c_n):
    found = pytorch.gradients(case, d_output, d_h_n, d_c_n)
    return {name: array for name, array in found.items() if name not in ("output", "h_n", "c_n")}
