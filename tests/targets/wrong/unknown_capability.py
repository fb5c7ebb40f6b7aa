"""Claims a capability that does not exist."""

capabilities = {"cells": ("RNN_TANH",), "attention": True}


def forward(case):
    return case.x, case.h_0
