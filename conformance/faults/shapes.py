"""Mistakes in the shapes of results and gradients: which axes they have, and in which order."""

from __future__ import annotations

from functools import lru_cache

from .patching import Fault

COLLECT = "return Result(output_all, h_n, *c_n)"
RESULT = "return like_case(case, collect(plain, output, final))"
SWAPPED = 'found["x"] = swap_steps_and_rows(found["x"])'
BATCH_FIRST = "return Result(swap_steps_and_rows(result.output), result.h_n, result.c_n)"
UNBATCHED = "return result.map(lambda name, value: value[:, 0])"
LAYERS = "plain.config.num_layers, plain.config.num_directions, plain.num_rows, -1"
# What becomes of a result {s}, by how it is said; of final states more.
ENDS = {"with a trailing axis of size 1": "{s}[..., None]", "with a leading axis of size 1": "{s}[None]"}
STATES = ENDS | {
    "batch first": "{s}.swapaxes(0, 1)",
    "taken from the last layer alone": "{s}[-plain.config.num_directions :]",
    "by layer and direction on two axes": f"{{s}}.reshape({LAYERS})",
    "with the directions of each layer side by side": (
        f"np.concatenate(list({{s}}.reshape({LAYERS}).swapaxes(0, 1)), -1)"
    ),
}
OUTPUT = {
    **{f"comes {said}": new.format(s="output_all") for said, new in ENDS.items()},
    "ends with the longest row": (
        "output_all[: plain.num_steps if plain.lengths is None else max(plain.row_lengths, default=0)]"
    ),
    "ends with the longest row, if there is one": "output_all[: max(plain.row_lengths, default=plain.num_steps)]",
    "is batch first": "output_all.swapaxes(0, 1)",
    "is its last step alone": "output_all[-1:]",
    "is its last step, without an axis of steps": "output_all[-1]",
    "has its features before its rows": "output_all.swapaxes(1, 2)",
    "has its directions on an axis of their own": (
        "output_all.reshape(*output_all.shape[:2], plain.config.num_directions, -1)"
    ),
}


@lru_cache(maxsize=1)
def shapes() -> dict[str, Fault]:
    """The mistakes, by id."""
    changes = {f"the output {said}": (COLLECT, f"return Result({new}, h_n, *c_n)") for said, new in OUTPUT.items()}
    for said, new in STATES.items():
        h, c = new.format(s="h_n"), f"*({new.format(s='s')} for s in c_n)"
        changes |= {
            f"final states are {said}": (COLLECT, f"return Result(output_all, {h}, {c})"),
            f"h_n is {said}": (COLLECT, f"return Result(output_all, {h}, *c_n)"),
            f"c_n is {said}": (COLLECT, f"return Result(output_all, h_n, {c})"),
        }
        h, c = (new.format(s=f"result.{name}").replace("plain", "case") for name in ("h_n", "c_n"))
        both = f"return Result(swap_steps_and_rows(result.output), {h}, result.c_n if result.c_n is None else {c})"
        changes[f"with batch_first, final states are {said}"] = (BATCH_FIRST, both)
    changes["without an axis of rows in x, steps and rows are swapped all the same, with batch_first"] = (
        UNBATCHED,
        "swapped = swap_steps_and_rows(result.output) if case.config.batch_first else result.output\n"
        "        return Result(swapped, result.h_n, result.c_n).map(lambda name, value: value[:, 0])",
    )
    changes |= {
        f"without an axis of rows in x, {said} one": (UNBATCHED, f"return result{rest}")
        for said, rest in {
            "results have": "",
            "the output has": ".map(lambda name, value: value if name == 'output' else value[:, 0])",
            "final states have": ".map(lambda name, value: value[:, 0] if name == 'output' else value)",
        }.items()
    }  # fmt: skip
    changes |= {
        f"{which} the axis of rows where there is one row": (RESULT, (
            "found = like_case(case, collect(plain, output, final))\n"
            "    if case.unbatched or plain.num_rows != 1:\n"
            "        return found\n"
            "    axis = lambda name: 0 if name == 'output' and case.config.batch_first else 1\n"
            f"    return found.map(lambda name, value: np.squeeze(value, axis(name)) if {names} else value)"
        ))
        for which, names in {
            "results lack": "True", "the output lacks": "name == 'output'", "final states lack": "name != 'output'",
        }.items()
    }  # fmt: skip
    changes["with batch_first, the gradient of x stays time-major"] = (SWAPPED, "pass")
    functions = {COLLECT: "collect", RESULT: "forward", SWAPPED: "by_name"}
    return {
        f"shapes.{number}": Fault(
            f"shapes.{number}", title, "shape-contract", functions.get(old, "like_case"), old, new,
            ("gradients.shapes" if old == SWAPPED else "shapes.shapes",),
        )
        for number, (title, (old, new)) in enumerate(changes.items())
    }  # fmt: skip
