# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""bufbench fleet certificates."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from typer import Argument

from bench.cli.options import of_output, of_run
from bench.errors import check_range

Certificates = Annotated[
    Path | None,
    of_run(
        "--certificates",
        help="Folder of the certificates; required off loopback.",
        metavar="FOLDER",
    ),
]


def command(
    folder: Annotated[Path, Argument(help="Folder to write.")],
    *,
    days: Annotated[int, of_output(help="How long they hold.")] = 365,
) -> None:
    """Make an authority, and certificates of scheduler, workers and clients.

    A machine needs ca.pem and the two files of what runs there: worker.pem and worker-key.pem.
    Keep ca-key.pem on a machine that runs neither: any of the keys allows code to be run as root
    on every worker.

    Example: bufbench fleet certificates ~/fleet
    """
    from bench.cli.output import writable
    from bench.fleet import engine

    check_range("--days", days, 1, 3650)
    engine.require()
    from bench.fleet import certificates

    with writable(folder):
        made = certificates.make(folder, days=days)
    print(*made, sep="\n")


def security_of(folder: Path | None, role: str) -> Any:
    """Return Dask's security of a role by the folder's files; None without one."""
    from bench.fleet import certificates

    return None if folder is None else certificates.security(folder, certificates.Role(role))
