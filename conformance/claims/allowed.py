"""What is claimed, translated into cases: those that a target takes, and those that it is given."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from strategies.cases import LAYERS_DRAWN, Allowed
from strategies.forms import BATCH_FIRST
from strategies.recurrences import Sequences

from .capabilities import Capabilities

ANY = 2**16  # layers
# What must be claimed for a case to be asked in a form.
CLAIMS = {
    "batch_first": "batch_first", "unbatched": "unbatched", "no_state": "default_state", "all_lengths": "lengths",
    "evaluation": "dropout", "training": "dropout", "lengths": "lengths",
}  # fmt: skip


def taken(claims: Capabilities) -> Any:
    """The cases that a target claims to run: those of layers, or of recurrences."""
    return sequences(claims) if claims.recurrences else Allowed(**fields(claims))


def sequences(claims: Capabilities, **draws: Any) -> Sequences:
    """The cases of recurrences that are drawn for a target; draws: fields of Sequences that narrow what is claimed."""
    arranged = ["padded", *(["lengths"] if claims.lengths else []), *(["packed"] if claims.packed else [])]
    modes: dict[str | None, Any] = {name: mode.multiple for name, mode in claims.modes.items()}
    empty: Any = claims.empty
    found = {
        "recurrences": claims.recurrences, "dtypes": claims.dtypes, "multiples": modes or {None: {}},
        "arranged": tuple(arranged), "stateless": None if claims.default_state else False, "empty": tuple(empty),
        "sizes": {name: tuple(sizes) for name, sizes in claims.sizes.items()},
    }  # fmt: skip
    if "arranged" in draws:
        draws["arranged"] = tuple(one for one in arranged if one in draws["arranged"])
    if "stateless" in draws and not claims.default_state:
        draws["stateless"] = False
    return Sequences(**(found | draws))


def drawn(claims: Capabilities, **draws: Any) -> Allowed:
    """The cases that are drawn for a target; draws: fields of Allowed, in place of what follows from the claims.

    Of any number of layers a few are drawn, and where a new shape is dear no more shapes than are needed.
    """
    found = fields(claims) | {"forms": forms(claims)}
    found["max_layers"] = min(found["max_layers"], max([LAYERS_DRAWN, *claims.sizes.get("num_layers", ())]))
    if claims.recompiles:
        found |= {"bidirectional": bool(claims.bidirectional), "bias": claims.no_bias != "only", "empty": ()}
    return Allowed(**(found | draws))


def in_own_layout(case: Any, claims: Capabilities) -> Any:
    """A case as the target always has it: batch first, if it knows nothing else, also where there is no batch."""
    if claims.batch_first != "only":
        return case
    return case.replace(batch_first=True) if case.unbatched else BATCH_FIRST.ask(case)


def forms(claims: Capabilities, besides: Collection[str] = ()) -> list[str]:
    """The forms in which a target may be asked, none where each is dear; besides: claims that are left out."""
    if claims.recompiles:
        return ["batch_first"] if claims.batch_first == "only" else []
    # of what dtype lengths are says nothing about them: that is asked of properties of lengths too
    own = [name for name, claim in CLAIMS.items() if claim in besides and name != "lengths"]
    claimed = [name for name, claim in CLAIMS.items() if name not in own and claims.claims(claim)]
    return [name for name in claimed if name != "no_state" or claims.initial_state]


def fields(claims: Capabilities) -> dict[str, Any]:
    """The fields of Allowed that follow from claims."""
    return {
        "cells": claims.cells,
        "dtypes": claims.dtypes,
        "max_layers": claims.max_layers or ANY,
        "bidirectional": {True: None, False: False, "only": True}[claims.bidirectional],
        "bias": {True: None, False: True, "only": False}[claims.no_bias],
        "biases": claims.biases,
        "projections": claims.projections,
        "lengths": None if claims.lengths else False,
        "empty": claims.empty,
        "initial_state": bool(claims.initial_state),
        "sizes": claims.sizes_drawn,
        "bits": {dtype: claims.rounding(dtype).bits for dtype in claims.dtypes},
        "shared_parameters": claims.recompiles == "model",
    }
