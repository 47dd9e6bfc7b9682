# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Serve as Dask's scheduler at the requested address, its dashboard on loopback only."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from distributed import Scheduler

from bench.errors import MachineUnfit
from bench.fleet.address import Address

_DASHBOARD: Final = "127.0.0.1:8787"


def serve(address: Address, *, security: Any, say: Callable[[str], None]) -> None:
    """Schedule until this process is ended; MachineUnfit if the address cannot be bound."""

    async def schedule() -> None:
        tls = security is not None
        made = Scheduler(
            host=address.uri(tls=tls).rpartition(":")[0],
            port=address.port,
            security=security,
            dashboard_address=_DASHBOARD,
            dashboard=True,
        )
        try:
            await made
        except (OSError, RuntimeError) as error:
            why = error.__cause__ or error
            raise MachineUnfit(
                f"cannot listen at {address}: {getattr(why, 'strerror', None) or why}",
                remedy="choose another with --bind",
            ) from error
        say(f"scheduler at {made.address}, {'TLS' if tls else 'loopback only, without TLS'}")
        say(f"dashboard, on this machine alone: http://127.0.0.1:{made.http_server.port}/status")
        await made.finished()

    asyncio.run(schedule())
