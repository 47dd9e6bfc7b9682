# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Run bufbench's commands in a guest, one after the other, each in a fork of this process.

    in_guest.py FOLDER MODULE...

Under emulation Python takes most of a minute to import what a command needs: here it is imported
once. The folder holds the arguments of each command by name, and receives its output and exit code.
"""

import json
import os
import sys
from importlib import import_module
from pathlib import Path

from bench.cli import main

COMMANDS = "commands.json"


def run(words: list[str], place: Path) -> int:
    """Run one command; its output goes to files of this name."""
    pid = os.fork()
    if pid == 0:
        for number, kind in ((1, "out"), (2, "err")):
            opened = os.open(f"{place}.{kind}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(opened, number)
        sys.argv = ["bufbench", *words]
        main()  # which exits
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


if __name__ == "__main__":
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # as bufbench sets it before it imports numpy
    folder = Path(sys.argv[1])
    for module in ("bench.cli.app", *sys.argv[2:]):
        import_module(module)
    for name, words in json.loads((folder / COMMANDS).read_text()).items():
        (folder / f"{name}.code").write_text(str(run(words, folder / name)))
