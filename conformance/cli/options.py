"""The options of a trial as options of a command."""

from __future__ import annotations

import functools

import click

from conformance.trial import options as declared


def trial_options(*chosen):
    """Adds options of a trial to a command, those with these names, or all; the command gets them as ``options``."""

    def decorate(function):
        def command(*arguments, given, **others):
            return function(*arguments, options=declared.Options(**given), **others)

        return trial_values(*chosen)(functools.update_wrapper(command, function))

    return decorate


def trial_values(*chosen):
    """The same, but the command gets what was given, as fields of Options, as ``given``."""
    fields = [one for one in declared.declared_options() if not chosen or declared.spelled(one) in chosen]

    def decorate(function):
        def command(*arguments, **words):
            texts = {declared.spelled(one): words.pop(parameter(one)) for one in fields}
            return function(*arguments, given=declared.values(texts), **words)

        functools.update_wrapper(command, function)
        for one in reversed(fields):
            command = click.option(*names(one), parameter(one), **option_text(one))(command)
        return command

    return decorate


def parameter(one):
    """The name under which click hands over an option."""
    return declared.spelled(one).replace("-", "_")


def names(one):
    """How an option may be written."""
    short = one.metadata["short"]
    return [*([f"-{short}"] if short else []), f"--{declared.spelled(one)}"]


def option_text(one):
    """How click shows an option."""
    if declared.switch(one):
        return {"is_flag": True, "help": one.metadata["help"]}
    default = declared.default_of(one)
    shown = f"  [default: {default}]" if default not in (None, ()) else ""
    told = {"help": one.metadata["help"] + shown, "multiple": one.metadata["many"], "metavar": one.metadata["metavar"]}
    return told
