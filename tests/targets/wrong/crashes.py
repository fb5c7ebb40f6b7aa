"""Reads memory that is not there, as native code may."""

import ctypes


def forward(case):
    ctypes.string_at(0)
