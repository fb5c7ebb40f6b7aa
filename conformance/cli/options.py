"""The options of a trial as options of a command."""

from __future__ import annotations

import functools

import click

from conformance.trial import options as declared


def trial_options(*chosen, **helps):
    """Adds options of a trial to a command, those with these names, or all; the command gets them as ``options``.

    helps: what an option does in this command, by its parameter, where that is not what it does in a trial
    """

    def decorate(function):
        def command(*arguments, given, **others):
            return function(*arguments, options=declared.Options(**given), **others)

        return trial_values(*chosen, **helps)(functools.update_wrapper(command, function))

    return decorate


def trial_values(*chosen, **helps):
    """The same, but the command gets what was given, as fields of Options, as ``given``."""
    fields = [one for one in declared.declared_options() if not chosen or declared.spelled(one) in chosen]

    def decorate(function):
        def command(*arguments, **words):
            texts = {declared.spelled(one): words.pop(parameter(one)) for one in fields}
            return function(*arguments, given=declared.values(texts), **words)

        functools.update_wrapper(command, function)
        for one in reversed(fields):
            command = click.option(*names(one), parameter(one), **option_text(one, helps))(command)
        return command

    return decorate


def parameter(one):
    """The name under which click hands over an option."""
    return declared.spelled(one).replace("-", "_")


def names(one):
    """How an option may be written."""
    short = one.metadata["short"]
    return [*([f"-{short}"] if short else []), f"--{declared.spelled(one)}"]


def option_text(one, helps):
    """How click shows an option."""
    does = helps.get(parameter(one), one.metadata["help"])
    if declared.switch(one):
        return {"is_flag": True, "help": does}
    default = declared.default_of(one)
    shown = f"  [default: {default}]" if default not in (None, ()) else ""
    told = {"help": does + shown, "multiple": one.metadata["many"], "metavar": one.metadata["metavar"]}
    return told
