"""Ends its process with status 7, without a word to Python."""

import os


def forward(case):
    os._exit(7)
