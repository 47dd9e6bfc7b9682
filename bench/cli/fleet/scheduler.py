# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""bufbench fleet scheduler."""

from __future__ import annotations

from typing import Annotated

from bench.cli.fleet.certificates import Certificates, security_of
from bench.cli.options import of_run
from bench.cli.output import say

_BIND = of_run(help="Where to listen, like 10.0.0.1 or [::1]:8786.", metavar="ADDRESS")


def command(
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
    from bench.fleet import scheduler

    scheduler.serve(where, security=security_of(certificates, "scheduler"), say=say)
