# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Send a plan to each machine of a scheduler and write the journals as they arrive."""

from __future__ import annotations

import asyncio
import concurrent.futures
import time
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from distributed import Client, Future, Scheduler, SpecCluster
from pydantic import TypeAdapter, ValidationError

from bench.amounts import counted
from bench.errors import MachineUnfit, UsageError
from bench.fleet import engine, facts, task, worker
from bench.fleet.address import Address
from bench.fleet.folder import Folder
from bench.fleet.plan import Plan
from bench.fleet.roster import Roster, Row, Seen, State
from bench.fleet.spool import Progress, Spool
from bench.fleet.view import Show
from bench.fleet.worker import LOOPBACK
from bench.host.scratch import folder as scratch_folder

_TICK_S: Final = 0.5
_JOIN_S: Final = 60.0
_SCHEDULER_BACK_S: Final = 30.0
_CLOCK_S: Final = 60.0
_FORGET_S: Final = 5.0

_Later = concurrent.futures.Future[Any]


@dataclass(frozen=True, slots=True)
class _Sent:
    """Hold a task, and its result once that has been fetched."""

    task: Future
    result: _Later


@contextmanager
def connected(scheduler: Address, security: Any) -> Iterator[Client]:
    """Yield a client of a scheduler; MachineUnfit if no scheduler accepts it."""
    scheduler.reached_from()
    uri = scheduler.uri(tls=security is not None)
    try:
        client = Client(
            uri, security=security, timeout=_SCHEDULER_BACK_S, set_as_default=False, name="bufbench"
        )
    except (OSError, ValueError, RuntimeError) as error:
        raise scheduler.refused("client") from error
    try:
        installed = client.get_versions()["scheduler"]["packages"].get("distributed")
        if installed != engine.version():
            raise UsageError(
                f"the scheduler at {scheduler} has Dask {installed}, not {engine.version()}",
                remedy="install the same version on both sides",
            )
        yield client
    finally:
        with suppress(Exception):
            client.close(timeout=2)


@contextmanager
def local(name: str, spool: Path) -> Iterator[Client]:
    """Yield a client of a scheduler and one worker in this process; the dashboard alone listens."""
    with scratch_folder() as scratch:
        made = worker.options(name, Spool(spool), facts.look(), scratch)
        scheduler = {"protocol": "inproc://", "dashboard_address": LOOPBACK, "dashboard": True}
        with (
            SpecCluster(
                workers={name: {"cls": worker.Leaving, "options": made}},
                scheduler={"cls": Scheduler, "options": scheduler},
            ) as cluster,
            Client(cluster, set_as_default=False) as client,
        ):
            yield client
    with suppress(OSError):  # journals that were not fetched stay
        spool.rmdir()


def dashboard_port(client: Client) -> int | None:
    """Return the port of Dask's dashboard on the scheduler's loopback; None without one."""
    port = client.scheduler_info()["services"].get("dashboard")
    return int(port) if port else None


def collect(client: Client, folder: Folder, roster: Roster, *, machines: int, show: Show) -> None:
    """Run the folder's plan on each machine that is connected or joins meanwhile.

    Waits a minute for ``machines`` of them. MachineUnfit if the scheduler is lost for good.
    """
    sent: dict[str, _Sent] = {}
    forgotten: list[_Later] = []
    began = time.monotonic()
    folder.save(roster.rows.values())
    while True:
        now = time.monotonic()
        before = _states(roster)
        try:
            roster.see(_workers(client), now)
        except (OSError, AttributeError, RuntimeError) as error:  # AttributeError: it is closed
            if not _back(client):
                done = sum(row.state is State.DONE for row in roster.rows.values())
                wanted = counted(len(roster.rows), "journal")
                raise MachineUnfit(
                    f"the scheduler is lost; {done} of {wanted} written",
                    remedy="start it again, then continue with --resume",
                ) from error
            continue
        _cancel_lost(roster, sent)
        for name, each in [*sent.items()]:
            if each.result.done():
                _take(sent.pop(name).result, roster.rows[name], folder, roster)
        for row, seen in [*roster.due()]:
            roster.send(row, seen)
            sent[row.name] = _send(client, folder.plan.task(row.name, row.kernel), row)
        for row, seen in roster.unacknowledged():
            name, where = folder.plan.task(row.name).id, [seen.address]
            request = client.run(task.forget, name, workers=where, asynchronous=True)
            forgotten.append(_later(client, request))
        if _states(roster) != before:
            folder.save(roster.rows.values())
        show(roster)
        enough = roster.machines >= machines or now - began > _JOIN_S
        if roster.ended and enough and not sent:
            # What is not forgotten takes space there, until the next request.
            concurrent.futures.wait(forgotten, _FORGET_S)
            return
        time.sleep(_TICK_S)


def _send(client: Client, plan: Plan, row: Row) -> _Sent:
    """Send a task to a row's worker."""
    key = f"{plan.id}-{row.attempts}-{time.time_ns()}"
    made = client.submit(
        task.run_plan,
        plan.text(),
        key=key,
        workers=[row.address],
        resources=facts.WHOLE_MACHINE,
    )
    # Not made.result(): if a worker is lost with the result, that would wait for ever.
    return _Sent(made, _later(client, client.gather(made, asynchronous=True)))


def _later(client: Client, request: Coroutine[Any, Any, Any]) -> _Later:
    """Let the client's own thread await a request, which may wait for a worker."""
    return asyncio.run_coroutine_threadsafe(request, client.loop.asyncio_loop)


def _take(result: _Later, row: Row, folder: Folder, roster: Roster) -> None:
    """Write the journal that a task returned."""
    now = time.monotonic()
    if result.cancelled() or result.exception() is not None:
        roster.lose(row, "its task was lost", now)
        return
    try:
        given = TypeAdapter(task.Returned).validate_python(result.result())
    except ValidationError:
        roster.lose(row, "it returned no valid result", now)
        return
    if not given.journal:
        row.state, row.reason = State.FAILED, given.said or f"exit code {given.exit_code}"
        return
    if sha256(given.journal).hexdigest() != given.sha256:
        roster.lose(row, "its journal was damaged on the way", now)
        return
    folder.keep(row, given.journal)
    row.sha256, row.exit_code = given.sha256, given.exit_code
    if row.exit_code:
        row.notes.append(given.said)
    folder.save(roster.rows.values())


def _workers(client: Client) -> Mapping[str, Seen]:
    """Return by address what the scheduler reports of its workers: foreign data."""
    # Not client.scheduler_info(), which repeats its last answer if there is no scheduler.
    shown = client.sync(client.scheduler.identity, n_workers=-1)["workers"]
    return {address: _seen(address, each) for address, each in shown.items()}


def _seen(address: str, shown: Mapping[str, Any]) -> Seen:
    said = shown["metrics"].get(facts.KEY) or {}
    progress = None
    with suppress(ValidationError):
        progress = TypeAdapter(Progress | None).validate_python(said.get("running"))
    clock = said.get("clock")
    ahead = clock - shown["last_seen"] if isinstance(clock, float) else 0.0
    return Seen(
        address=address,
        name=str(shown["name"]),
        facts=facts.read(shown.get(facts.KEY)),
        clock_ahead_s=ahead if abs(ahead) > _CLOCK_S else 0.0,
        progress=progress,
    )


def _cancel_lost(roster: Roster, sent: dict[str, _Sent]) -> None:
    """Cancel lost tasks: Dask would wait for their worker for ever."""
    for name, each in [*sent.items()]:
        if roster.rows[name].state is not State.RUNNING and not each.result.done():
            del sent[name]
            with suppress(Exception):
                each.task.cancel()


def _back(client: Client) -> bool:
    """Return whether the client has found its scheduler again, which it tries by itself."""
    time.sleep(_TICK_S)  # it may not have noticed yet
    deadline = time.monotonic() + _SCHEDULER_BACK_S
    while client.status == "connecting" and time.monotonic() < deadline:
        time.sleep(_TICK_S)
    return bool(client.status == "running")


def _states(roster: Roster) -> list[tuple[str, State, str]]:
    return [(row.name, row.state, row.machine) for row in roster.rows.values()]
