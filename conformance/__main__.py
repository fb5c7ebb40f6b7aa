"""The command ``rnn-conformance``, and ``python -m conformance``."""

from __future__ import annotations

import os
import sys

HOME = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
if __name__ == "__main__" and not sys.flags.safe_path and sys.path[0] != HOME:
    del sys.path[0]  # the working directory, whose files would hide what we import; targets find theirs there


def main() -> None:
    """Runs a command; what keeps it from being imported is one line, and status 2 like all that is no verdict."""
    from conformance.harness import supervisor

    try:
        os.getcwd()  # or libraries stumble over it
    except OSError as error:
        print(f"rnn-conformance: the working directory is gone ({error.strerror}); change to another", file=sys.stderr)
        sys.exit(2)
    supervisor.fork()
    try:
        from conformance.cli import main as run
    except KeyboardInterrupt:
        print("rnn-conformance: interrupted; nothing was judged", file=sys.stderr)
        supervisor.leave(2)
    except BaseException as error:
        print(f"rnn-conformance: cannot be used here: {hidden(error)}", file=sys.stderr)
        supervisor.leave(2)
    run()


def hidden(error: BaseException) -> str:
    """What kept a library from being imported, and the file that may stand in its place."""
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    code = place.tb_frame.f_code.co_filename if place else ""
    file = getattr(error, "path", None) or getattr(getattr(error, "obj", None), "__file__", None) or code
    said = " ".join(f"{type(error).__name__}: {error}".split())
    plain = said if file in said else f"{said} ({file})"
    return "".join(c if c.isprintable() else "?" for c in plain)


if __name__ == "__main__":
    main()
