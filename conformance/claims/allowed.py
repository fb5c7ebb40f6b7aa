"""What is claimed, translated into cases: those that a target takes, and those that it is given."""

from __future__ import annotations

from typing import Any

from strategies.cases import LAYERS_DRAWN, Allowed

from .capabilities import Capabilities

ANY = 2**16  # layers


def taken(claims: Capabilities) -> Allowed:
    """The cases that a target claims to run."""
    return Allowed(**fields(claims))


def drawn(claims: Capabilities, **draws: Any) -> Allowed:
    """The cases that are drawn for a target; draws: fields of Allowed, in place of what follows from the claims.

    Of any number of layers a few are drawn, and where a new shape is dear no more shapes than are needed.
    """
    found = fields(claims)
    found["max_layers"] = min(found["max_layers"], max([LAYERS_DRAWN, *claims.sizes.get("num_layers", ())]))
    if claims.recompiles:
        found |= {"bidirectional": claims.bidirectional, "bias": True, "empty": ()}
    return Allowed(**(found | draws))


def fields(claims: Capabilities) -> dict[str, Any]:
    """The fields of Allowed that follow from claims."""
    return {
        "cells": claims.cells,
        "dtypes": claims.dtypes,
        "max_layers": claims.max_layers or ANY,
        "bidirectional": None if claims.bidirectional else False,
        "bias": None if claims.no_bias else True,
        "biases": claims.biases,
        "projections": claims.projections,
        "lengths": None if claims.lengths else False,
        "empty": claims.empty,
        "initial_state": claims.initial_state,
        "sizes": claims.sizes_drawn,
    }
