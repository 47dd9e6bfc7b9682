# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Serve as a Dask worker on this machine, which rejoins when its scheduler returns."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from distributed import Worker, WorkerPlugin

from bench.errors import MachineUnfit
from bench.fleet import facts
from bench.fleet.address import Address
from bench.fleet.spool import Spool
from bench.fleet.task import STATION
from bench.host.scratch import folder as scratch_folder

_AGAIN_S: Final = 2.0
_JOIN_S: Final = 30.0  # Dask would try for ever; an emulated guest takes seconds
LOOPBACK: Final = "127.0.0.1:0"


class Station(WorkerPlugin):  # type: ignore[misc]
    """Give tasks their worker's spool."""

    name = STATION

    def __init__(self, spool: Spool) -> None:
        self.spool = spool


class Leaving(Worker):  # type: ignore[misc]
    """Leave a scheduler without waiting for the running task, to be back before another gets it."""

    async def close(self, *, executor_wait: bool = False, **settings: Any) -> Any:
        """Close; the task's thread ends by itself, and its spool keeps the result."""
        return await super().close(executor_wait=executor_wait, **settings)


def options(name: str, spool: Spool, seen: facts.Facts, scratch: Path) -> dict[str, Any]:
    """Return the options that make a Dask worker bufbench's: one task at a time, facts, a spool.

    Nothing else listens off loopback; memory is the measured program's, not the worker's.
    """

    def progress(_: Worker) -> dict[str, Any]:
        running = spool.progress()
        return {"clock": time.time(), "running": asdict(running) if running else None}

    return {
        "name": name,
        "nthreads": 1,
        "resources": facts.WHOLE_MACHINE,
        "memory_limit": 0,
        "death_timeout": _JOIN_S,
        "local_directory": str(scratch),
        "dashboard_address": LOOPBACK,
        "dashboard": False,
        "startup_information": {facts.KEY: lambda _: asdict(seen)},
        "metrics": {facts.KEY: progress},
        "plugins": (Station(spool),),
    }


def serve(
    scheduler: Address, *, name: str, spool: Spool, security: Any, say: Callable[[str], None]
) -> None:
    """Work for a scheduler until this process is ended; MachineUnfit if it cannot be joined.

    If it is lost later, the worker waits for it.
    """
    host = scheduler.reached_from()
    seen = facts.look()
    if seen.unfit:
        say(f"this machine cannot measure, and only says so: {seen.unfit}")
    with scratch_folder() as scratch:
        made = options(name, spool, seen, scratch)

        async def work() -> None:
            uri = scheduler.uri(tls=security is not None)
            joined = False
            while True:
                try:
                    async with Leaving(uri, host=host, security=security, **made) as worker:
                        if not joined:
                            await _require_reached(worker, scheduler)
                        joined = True
                        say(f"{name} works for the scheduler at {scheduler}")
                        await worker.finished()
                    say(f"the scheduler at {scheduler} is gone; waiting for it")
                except (OSError, ValueError, RuntimeError) as error:
                    if not joined:
                        raise _refused(scheduler, name, error) from error
                await asyncio.sleep(_AGAIN_S)

        asyncio.run(work())


async def _require_reached(worker: Any, scheduler: Address) -> None:
    """Raise MachineUnfit if the scheduler cannot connect to the worker, as it must for results.

    Dask would try for ever to fetch the first one.
    """
    asked = {"msg": {"op": "echo"}, "workers": [worker.address], "on_error": "ignore"}
    if not await worker.scheduler.broadcast(**asked):
        raise MachineUnfit(
            f"the scheduler at {scheduler} cannot connect to this machine at {worker.address}",
            remedy="it fetches journals from there: let it through NAT and firewalls",
        )


def _refused(scheduler: Address, name: str, error: Exception) -> MachineUnfit:
    if "name taken" in f"{error} {error.__cause__}":
        return MachineUnfit(
            f"the scheduler at {scheduler} has a worker {name} already",
            remedy="choose another --name",
        )
    if not isinstance(error.__cause__ or error, TimeoutError):
        return MachineUnfit(f"{name} cannot work for {scheduler}: {error.__cause__ or error}")
    return scheduler.refused("worker")
