"""A step, or a scan, in PyTorch as a target: layers, directions and lengths around it, and autograd for its gradients.

The loop is not that of the reference: a row is turned round within its length, and its last state is picked out of all.
"""

from types import SimpleNamespace

import torch

torch.set_num_threads(1)


def target(cell, step=None, along=None, **claims):
    """capabilities, forward and gradients of a cell that is claimed as ``file.py:name``.

    step(x, *states, p) returns the new states; p has the parameters of one layer and direction by kind
    along(x, *states, p), in its place, returns the states before the first of all steps and after each (T + 1, N, H)
    claims  what is claimed besides, or otherwise
    """
    along = along or step_by_step(step)

    def forward(case):
        with torch.no_grad():
            output, finals = run(case, along, tensors(case))
        return output.numpy(), tuple(final.numpy() for final in finals) if len(finals) > 1 else finals[0].numpy()

    def gradients(case, d_output, d_h_n, d_c_n):
        given = {name: tensor.requires_grad_() for name, tensor in tensors(case).items()}
        output, finals = run(case, along, given)
        results = dict(zip(("output", "h_n", "c_n"), (output, *finals)))
        asked = {"output": d_output, "h_n": d_h_n, "c_n": d_c_n}
        loss = sum((results[name] * torch.tensor(d.copy())).sum() for name, d in asked.items() if d is not None)
        found = torch.autograd.grad(loss, list(given.values()), allow_unused=True, materialize_grads=True)
        return {name: array.detach().numpy() for name, array in (*zip(given, found), *results.items())}

    usual = {"dtypes": ("float32", "float64"), "bidirectional": True, "max_layers": None, "no_bias": True}
    return {"cells": (cell,), "lengths": True, "gradients": True} | usual | claims, forward, gradients


def step_by_step(step):
    """All states of a direction, each from the one before it."""

    def along(x, *states, p):
        every = [states]
        for x_t in x:
            new = step(x_t, *every[-1], p)
            every.append(new if isinstance(new, tuple) else (new,))
        return [torch.stack(state) for state in zip(*every)]

    return along


def scan(h_0, a, b):
    """h_0 and each h_t = a_t h_(t-1) + b_t: in each of log T rounds every one takes in what stands so far before it."""
    h, a, distance = torch.cat([h_0[None], b]), torch.cat([torch.ones_like(h_0[None]), a]), 1
    while distance < len(h):
        h = torch.cat([h[:distance], torch.addcmul(h[distance:], a[distance:], h[:-distance])])
        a = torch.cat([a[:distance], a[distance:] * a[:-distance]])
        distance *= 2
    return [h]


def tensors(case):
    """Copies of all arrays of a case, by name."""
    named = case.parameters | {"x": case.x, "h_0": case.h_0, "c_0": case.c_0}
    return {name: torch.tensor(array.copy()) for name, array in named.items() if array is not None}


def run(case, along, given):
    """output (T, N, D*H), and the final states, (L*D, N, H) each."""
    config, finals = case.config, []
    T, N, _ = given["x"].shape
    lengths = torch.full((N,), T) if case.lengths is None else torch.tensor(case.lengths.astype("int64"))
    steps = torch.arange(T)[:, None]
    alive = steps < lengths
    turned = torch.where(alive, lengths - 1 - steps, steps)
    output = torch.where(alive[..., None], given["x"], 0)  # what is NaN would be NaN times zero, too
    initial = list(zip(*(given[name] for name in ("h_0", "c_0") if name in given)))
    for layer in range(config.num_layers):
        halves = []
        for reverse in range(config.num_directions):
            p = parameters(given, f"_l{layer}" + "_reverse" * reverse)
            x = picked(output, turned) if reverse else output
            every = along(x, *initial[len(finals)], p=p)
            finals.append([picked(state, lengths[None])[0] for state in every])
            half = torch.where(alive[..., None], every[0][1:], 0)
            halves.append(picked(half, turned) if reverse else half)
        output = torch.cat(halves, -1)
    return output, [torch.stack(states) for states in zip(*finals)]


def picked(values, steps):
    """(S, N, ...) of values (T, N, ...): for each row those of its steps (S, N)."""
    return values.gather(0, steps.long()[..., None].expand(-1, -1, values.shape[-1]))


def parameters(given, end):
    """The parameters of one layer and direction by kind; absent biases are zero."""
    found = {name.removesuffix(end): tensor for name, tensor in given.items() if name.endswith(end)}
    rows = {"bias_" + side: len(found["weight_" + side]) for side in ("ih", "hh") if "weight_" + side in found}
    zeros = {name: torch.zeros(size, dtype=given["x"].dtype) for name, size in rows.items()}
    return SimpleNamespace(**zeros | found)
