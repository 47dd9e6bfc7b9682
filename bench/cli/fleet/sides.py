# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""bufbench fleet certificates, scheduler and worker: what has to be there before fleet run."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

from typer import Argument

from bench.cli.options import of_output, of_run
from bench.cli.output import say, writable
from bench.errors import UsageError

Certificates = Annotated[
    Path | None,
    of_run(
        "--certificates",
        help="Folder of the certificates; required off loopback.",
        metavar="FOLDER",
    ),
]


def certificates(
    folder: Annotated[Path, Argument(help="Folder to write.")],
    *,
    days: Annotated[int, of_output(within=(1, 3650), help="How long they hold.")] = 365,
) -> None:
    """Make an authority, and certificates of scheduler, workers and clients.

    A machine needs ca.pem and the two files of what runs there: worker.pem and worker-key.pem.
    Keep ca-key.pem on a machine that runs neither: any of the keys allows code to be run as root
    on every worker.

    Example: bufbench fleet certificates ~/fleet
    """
    from bench.fleet import engine

    engine.require()
    from bench.fleet.certificates import make

    with writable(folder):
        made = make(folder, days=days)
    print(*made, sep="\n")


def security_of(folder: Path | None, role: str) -> Any:
    """Return Dask's security of a role by the folder's files; None without one."""
    from bench.fleet.certificates import Role, security

    return None if folder is None else security(folder, Role(role))


_BIND = of_run(help="Where to listen, like 10.0.0.1 or [::1]:8786.", metavar="ADDRESS")


def scheduler(
    *, bind: Annotated[str, _BIND] = "127.0.0.1:8786", certificates: Certificates = None
) -> None:
    """Start Dask's scheduler, for fleet worker and fleet run; Ctrl-C ends it.

    On loopback by default. Elsewhere it takes --certificates, and so do all who join: a scheduler
    hands code to its workers. Its dashboard listens on loopback alone.

    Exit code 2 if it would listen off loopback without certificates, 3 if it cannot listen.

    Example: bufbench fleet scheduler --bind 10.0.0.1 --certificates ~/fleet
    """
    from bench.fleet import address, engine

    where = address.parse(bind)
    where.require_tls_off_loopback(tls=certificates is not None)
    engine.require()
    from bench.fleet.scheduler import serve

    serve(where, security=security_of(certificates, "scheduler"), say=say)


_NAME = of_run(help="Of this machine in the fleet; its host name by default.")
_SPOOL = of_output(
    help="Folder of journals until they are fetched; results/fleet-worker by default.",
    metavar="FOLDER",
)


def worker(
    scheduler: Annotated[str, Argument(help="Its address, like 10.0.0.1:8786.")],
    *,
    name: Annotated[str, _NAME] = "",
    spool: Annotated[Path | None, _SPOOL] = None,
    certificates: Certificates = None,
) -> None:
    """Measure on this machine what fleet run sends, one plan at a time.

    Each measurement takes the machine's lock, and waits for it. A journal is kept here until it
    has been fetched: a plan that was run to its end is not run again. A scheduler that goes away
    is waited for. Ctrl-C ends the worker and what it runs.

    Exit code 2 if the scheduler is off loopback and there are no certificates, 3 if none is there.

    Example: bufbench fleet worker 10.0.0.1 --certificates ~/fleet
    """
    from bench import paths
    from bench.fleet import address, engine
    from bench.fleet.plan import fits_a_file

    where = address.parse(scheduler)
    where.require_tls_off_loopback(tls=certificates is not None)
    called = name or os.uname().nodename
    if not fits_a_file(called):
        raise UsageError(
            f"a machine cannot be called {called!r}", remedy="take letters, digits, . _ - in --name"
        )
    engine.require()
    from bench.fleet.spool import Spool
    from bench.fleet.worker import serve

    security = security_of(certificates, "worker")
    place = spool or paths.RESULTS / "fleet-worker"
    with writable(place):
        kept = Spool(place.absolute())
    serve(where, name=called, spool=kept, security=security, say=say)
