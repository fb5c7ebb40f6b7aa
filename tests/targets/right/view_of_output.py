"""The final states are a view of the output, where one layer and one direction make that possible."""

from plain import capabilities, run  # noqa: F401


def forward(case):
    output, h_n = run(case)
    if len(h_n) > 1 or case.lengths is not None or case.config.batch_first or len(output) == 0:
        return output, h_n
    return output, output[-1:]
