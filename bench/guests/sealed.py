# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Seal a guest off: it has nothing of this machine but files, all in its initial RAM disk.

On the host, :func:`write` makes that disk. In the guest, :func:`main` is the first process: it runs
one command and sends the files that it left through a serial port. What differs from guest to guest
is a parameter of the kernel, which hands it on to the environment of its first process.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping, Sequence
from importlib.util import cache_from_source
from pathlib import Path
from typing import Final

from bench.guests import disk, init, port
from bench.guests.closure import Closure, compile_to
from bench.host import scratch

FOLDER: Final = "/results"
ORDER: Final = "/order.json"

_GIVEN: Final = "given"
_HOSTNAME: Final = "guest"
_PORT: Final = "report"  # the kernel's parameter that names it
_FIRST: Final = "import sys; sys.path[:] = {path!r}\nfrom bench.guests import sealed\nsealed.main()"
_EMPTY: Final = ("/dev", "/proc", "/run", "/sys", "/tmp", FOLDER)  # noqa: S108  a guest's own
_ENVIRONMENT: Final = {
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "TMPDIR": "/dev/shm",  # noqa: S108  a guest's own
    "OPENBLAS_NUM_THREADS": "1",
}


def write(
    to: Path,
    closure: Closure,
    command: Sequence[str],
    files: Mapping[str, bytes],
    **environment: str,
) -> None:
    """Write the initial RAM disk of a guest that runs ``command``, with more files by path."""
    script = f"#!{closure.interpreter} -ISB\n{_FIRST.format(path=[*closure.path])}\n"
    order = {"argv": [*command], "env": {**_ENVIRONMENT, **environment}}
    made = {
        "/init": (script.encode(), 0o755),
        ORDER: (json.dumps(order).encode(), 0o644),
        **{path: (content, 0o644) for path, content in files.items()},
    }
    with scratch.folder() as folder, to.open("xb") as file:
        disk.write(
            file,
            (
                *disk.merged_folders(),
                *(disk.Entry(path=each) for each in _EMPTY),
                *map(disk.copy, closure.files),
                disk.copy(Path(closure.interpreter)),
                *(
                    disk.file(cache_from_source(each), compile_to(each, folder).read_bytes())
                    for each in closure.compiled
                ),
                *(disk.file(path, *content) for path, content in made.items()),
            ),
        )


def given(*arguments: object) -> str:
    """Return the kernel's parameter by which the command gets more arguments, without spaces."""
    return f"{_GIVEN}={','.join(map(str, arguments))}"


def main() -> None:
    """Do everything that the first process does, in order."""
    order = json.loads(Path(ORDER).read_text())
    init.mount_all()
    socket.sethostname(_HOSTNAME)
    os.chdir("/")
    init.run([*order["argv"], *os.environ[_GIVEN].split(",")], order["env"])
    left = {each.name: each.read_bytes() for each in sorted(Path(FOLDER).iterdir())}
    port.send(Path(os.environ[_PORT]), port.pack(left))
    # A CPU that waits to be powered off would keep QEMU's main loop held: steady.c.
    init.end(init.RESTART)
