# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""bufbench fleet worker."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from typer import Argument

from bench.cli.fleet.certificates import Certificates, security_of
from bench.cli.options import of_output, of_run
from bench.cli.output import say, writable
from bench.errors import UsageError

_NAME = of_run(help="Of this machine in the fleet; its host name by default.")
_SPOOL = of_output(
    help="Folder of journals until they are fetched; results/fleet-worker by default.",
    metavar="FOLDER",
)


def command(
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
    from bench.fleet import worker
    from bench.fleet.spool import Spool

    security = security_of(certificates, "worker")
    place = spool or paths.RESULTS / "fleet-worker"
    with writable(place):
        kept = Spool(place.absolute())
    worker.serve(where, name=called, spool=kept, security=security, say=say)
