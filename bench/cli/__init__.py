# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Run the command line: a command is a module with a function ``command``, loaded when called.

To add one, add a file here and its name to ``COMMANDS``.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from bench.host.signals import Ending

COMMANDS: Final = (
    *("doctor", "run", "trace", "claims", "size", "tune", "duet", "check", "watch", "object"),
    *("report", "compare", "history", "kernels", "fleet", "completion"),
)
"""In the order in which the help shows them."""
VARIABLES: Final = {
    "BUFBENCH_CONFIG": "File with defaults of options; empty: none.",
    "BUFBENCH_LOADER": "How tracers are loaded: bcc or prebuilt; by default bcc where "
    "installed, but prebuilt in emulated guests.",
    "NO_COLOR, FORCE_COLOR": "Print no colours; print them even where there is no terminal.",
    "XDG_CACHE_HOME": "Fetched kernels are kept in its bufbench/kernels; ~/.cache by default.",
    "XDG_CONFIG_HOME": "bufbench/kernels.toml is read from here; ~/.config by default.",
    "SUDO_UID, SUDO_GID": "Owner of the files that root makes; set by sudo.",
    "PATH": "Where to look for QEMU, GPG and other tools of `kernels`.",
}
"""Environment variables that bufbench reads, for its help and its man page."""
COMPLETED: Final = "_BUFBENCH_COMPLETE"
"""Set by the scripts of `bufbench completion`, to ask what may be typed."""
IGNORED: Final = ("PYTHON*", "PYTEST_*", "TYPER_*", "BCC_*", "LIBBPF_*", "COLUMNS", "LINES")
"""Variables for other programs, which bufbench removes from its own environment."""


def main() -> None:
    """Run the command line."""
    enter(_command_line)


def enter(run: Callable[[Ending], int]) -> None:
    """Exit with what ``run`` returns; an error becomes a line on stderr and an exit code."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        # Python's handler would print a traceback until bufbench's own is in place.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from bench.host.interpreter import isolate

    isolate()
    from bench.host.inherited import require_room, settle
    from bench.host.signals import Ending

    ending = Ending()
    try:  # imports included: Ctrl-C may come that early
        settle()
        ending.install()
        # For numpy: its threads are useless here, and if one cannot start, it raises SIGINT.
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
        from bench.cli import output
        from bench.errors import BufbenchError

        try:
            require_room()
            code = run(ending)
        except BufbenchError as error:
            print(f"bufbench: {error}", file=sys.stderr)
            code = error.exit_code
        output.finish()  # while a signal can still end it: the reader may be slow
        sys.exit(ending.settle(code))
    except KeyboardInterrupt as interrupt:
        ending.leave(interrupt)


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
