"""Raises KeyboardInterrupt, which is no Exception."""


def forward(case):
    raise KeyboardInterrupt
