"""Takes its products column by column, by np.dot, which may leave out zeros where matmul does not."""

import numpy as np
from gated import capabilities, run  # noqa: F401


def by_columns(x, W):
    columns = np.ascontiguousarray(x)
    return sum(
        (np.dot(columns[:, [k]], W[:, [k]].T) for k in range(1, W.shape[1])), np.dot(columns[:, [0]], W[:, [0]].T)
    )


def forward(case):
    return run(case, product=by_columns)
