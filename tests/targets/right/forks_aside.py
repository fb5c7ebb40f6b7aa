"""Forks for every case; the copy only goes away again, noisily."""

import os
import sys

import numpy as np


def forward(case):
    child = os.fork()
    if not child:
        print("a copy goes away", flush=True)
        os.write(1, b"on descriptor 1 too\n")
        sys.stdout.flush()
        os._exit(0)
    os.waitpid(child, 0)
    h, p, output = case.h_0[0], case.parameters, []
    for x in case.x:
        h = np.tanh(x @ p["weight_ih_l0"].T + p["bias_ih_l0"] + h @ p["weight_hh_l0"].T + p["bias_hh_l0"])
        output.append(h)
    return np.stack(output), h[None].copy()
