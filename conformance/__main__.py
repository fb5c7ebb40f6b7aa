"""The command ``rnn-conformance``, and ``python -m conformance``."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Runs a command; what keeps it from being imported is one line, and status 2 like all that is no verdict."""
    try:
        os.getcwd()  # or libraries stumble over it
    except OSError as error:
        print(f"rnn-conformance: the working directory is gone ({error.strerror}); change to another", file=sys.stderr)
        sys.exit(2)
    try:
        from conformance.cli import main as run
        from conformance.harness.family import leave_nothing
    except KeyboardInterrupt:
        print("rnn-conformance: interrupted; nothing was judged", file=sys.stderr)
        sys.exit(2)
    except Exception as error:  # with python -m, a file in the working directory may hide a library
        print(f"rnn-conformance: cannot be used here: {type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(2)
    leave_nothing()
    run()


if __name__ == "__main__":
    main()
