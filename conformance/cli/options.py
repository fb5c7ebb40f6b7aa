"""The options of a trial as options of a command."""

from __future__ import annotations

import functools

import click

from conformance.trial import options as declared


def trial_options(*chosen):
    """Adds options of a trial to a command, those with these names, or all; the command gets them as ``options``."""
    fields = [one for one in declared.declared() if not chosen or declared.spelled(one) in chosen]

    def decorate(function):
        def command(*arguments, **given):
            texts = {declared.spelled(one): given.pop(parameter(one)) for one in fields}
            return function(*arguments, options=declared.Options(**declared.values(texts)), **given)

        functools.update_wrapper(command, function)
        for one in reversed(fields):
            command = click.option(*names(one), parameter(one), **described(one))(command)
        return command

    return decorate


def parameter(one):
    """The name under which click hands over an option."""
    return declared.spelled(one).replace("-", "_")


def names(one):
    """How an option may be written."""
    short = one.metadata["short"]
    return [*([f"-{short}"] if short else []), f"--{declared.spelled(one)}"]


def described(one):
    """How click shows an option."""
    if declared.switch(one):
        return {"is_flag": True, "help": one.metadata["help"]}
    default = declared.default_of(one)
    shown = f"  [default: {default}]" if default not in (None, ()) else ""
    told = {"help": one.metadata["help"] + shown, "multiple": one.metadata["many"], "metavar": one.metadata["metavar"]}
    return told
