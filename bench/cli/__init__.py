# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The command line: each command is a module with a function ``command``, loaded when called.

A new one is a file here and a name in ``COMMANDS``.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from bench.host.signals import Ending

COMMANDS: Final = (
    *("doctor", "run", "trace", "claims", "size", "tune", "duet", "check", "watch", "object"),
    *("report", "compare", "history", "kernels", "fleet", "completion", "man"),
)
"""In the order in which the help shows them."""


def main() -> None:
    """Run the command line."""
    enter(_command_line)


def enter(run: Callable[[Ending], int]) -> None:
    """Exit with what ``run`` returns; an error becomes a line on stderr and an exit code."""
    from bench.host.interpreter import isolate

    isolate()
    from bench.host.inherited import require_room, settle
    from bench.host.signals import Ending

    ending = Ending()
    try:  # imports included: Ctrl-C may come as early as that
        settle()
        ending.install()
        # numpy's: threads without a use here, and where one cannot be had, it raises SIGINT.
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
        from bench.cli import output
        from bench.errors import BufbenchError

        try:
            require_room()
            code = run(ending)
        except BufbenchError as error:
            print(f"bufbench: {error}", file=sys.stderr)
            code = error.exit_code
        output.finish()  # while a signal still ends it: the reader may be slow
        sys.exit(ending.settle(code))
    except KeyboardInterrupt as asked:
        ending.leave(asked)


def _command_line(_: Ending) -> int:
    from bench.cli.app import run
    from bench.errors import BufbenchError, Stop

    words = sys.argv[1:]
    try:
        return run(words)
    except BufbenchError as error:
        if "bisect-step" not in words:
            raise
        raise Stop(error.message, remedy=error.remedy) from error
