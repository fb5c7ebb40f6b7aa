"""Mistakes in the masks of dropout: one serves what needs several, something is not dropped, or scaled otherwise."""

from __future__ import annotations

from functools import lru_cache

from .keeping import RUN
from .patching import Fault

READ = "x = [lift(x_t) for x_t in plain.x]"
MASKED = "x = [mask * x_t for"
LIFTED = "return [[as_float64(m) if arithmetic is None else exact(m, arithmetic) for m in mask] for mask in masks]"
ALL = "masks = [np.zeros(kept)] * (config.num_layers - 1)"
HALF = "np.arange(mask.shape[-1]) < mask.shape[-1] // len(directions)"
# What one mask may serve, as the mask that stands in the place of each.
SHARED = {
    "row": "mask[:1]", "unit": "mask[:, :1]", "row and unit": "mask[:1, :1]",
    **{
        f"step and {other}": f"masks[len(final) // len(directions) - 1][0][{which}]"
        for other, which in {"row": ":1", "unit": ":, :1"}.items()
    },
}  # fmt: skip
IN_ONE = " where there is one layer"
# The line that says with which probability numbers are dropped that should not be.
PROBABILITY = {
    "": "p = plain.config.dropout * plain.training",
    IN_ONE: "p = plain.config.dropout * plain.training * (plain.config.num_layers == 1)",
}


def dropped(name: str) -> str:
    """What becomes of an array of which each number is dropped with probability p."""
    return f"np.where(np.random.random({name}.shape) >= p, {name} / (1 - p), 0)"


# Of what a share is dropped, and how many of these a mask has.
PARTS = {"step": "len(mask)", "row in each step": "len(mask) * mask.shape[1]"}


def of_shares(parts: str) -> str:
    """Masks of which each part has the same share, made of those that are given, so that a seed says which."""
    return (
        "for number, mask in enumerate(masks := list(masks)):\n"
        "        draw = np.random.default_rng(np.packbits(mask > 0))\n"
        f"        place = draw.random(({parts}, 1)) + np.arange(mask.size // max(1, {parts}))\n"
        "        kept = draw.permuted(place >= config.dropout * place.shape[1], axis=1).reshape(mask.shape)\n"
        f"        masks[number] = kept / (1 - config.dropout) if config.dropout < 1 else 0.0 * kept\n"
        f"    {LIFTED}"
    )


CHANGES = {
    **{
        f"one dropout mask serves every {what}": ("run", MASKED, f"x = [(0 * mask + {mask}) * x_t for")
        for what, mask in SHARED.items()
    },
    "one dropout mask serves both directions": (
        "run", MASKED, "x = [np.concatenate(np.split(mask, len(directions), -1)[:1] * len(directions), -1) * x_t for",
    ),
    "nothing of the forward direction is dropped": ("run", MASKED, f"x = [np.where({HALF}, 1, mask) * x_t for"),
    "nothing of the reverse direction is dropped": ("run", MASKED, f"x = [np.where({HALF}, mask, 1) * x_t for"),
    **{
        f"what dropout keeps is multiplied by {factor.replace('config.dropout', 'p')}": (
            "lifted_masks", LIFTED, LIFTED.replace("as_float64(m)", f"np.sign(as_float64(m)) * {factor}"),
        )
        for factor in ("(1 / config.dropout)", "(1 - config.dropout)", "config.dropout")
    },
    "p is the probability of being kept, but for p = 1": (
        "lifted_masks", LIFTED,
        LIFTED.replace("as_float64(m)", "(m == 0) * (1 / (1 - config.dropout) if config.dropout < 1 else 0.0)"),
    ),
    **{
        f"dropout also acts on x{where}": ("lifted", READ, f"{p}\n    {READ.replace('x_t)', dropped('x_t') + ')')}")
        for where, p in PROBABILITY.items()
    },
    **{
        f"dropout also acts on what the last layer gives{where}, with a mask of its own": (
            "forward", RUN, f"{RUN}\n    {p}\n    output = [{dropped('o')} for o in output]",
        )
        for where, p in PROBABILITY.items()
    },
    "with p = 1, zero is divided by zero": ("lifted_masks", ALL, ALL.replace("zeros(kept)", "full(kept, np.nan)")),
    "with p = 1, nothing is dropped": ("lifted_masks", ALL, ALL.replace("zeros", "ones")),
    **{
        f"of the numbers of each {what}, dropout takes a share p, and not each with probability p": (
            "lifted_masks", LIFTED, of_shares(parts),
        )
        for what, parts in PARTS.items()
    },
}  # fmt: skip


def killers(title: str) -> tuple[str, ...]:
    """The property that is to find a mistake."""
    return ("dropout.independent" if "a share p" in title else "dropout.mask",)


@lru_cache(maxsize=1)
def masks() -> dict[str, Fault]:
    """The mistakes, by id."""
    return {
        f"masks.{number}": Fault(f"masks.{number}", title, "dropout", function, old, new, killers(title))
        for number, (title, (function, old, new)) in enumerate(CHANGES.items())
    }
