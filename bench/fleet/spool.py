# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Where a machine keeps its journals until they are fetched, so that none is measured twice."""

from __future__ import annotations

import fcntl
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

from bench.host import ownership


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a task's command ended, written beside its journal."""

    exit_code: int
    said: str  # its last line
    sha256: str  # of the journal; "": there is none that counts


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far the journal that is being written is."""

    task: str
    trials: int
    planned: int
    elapsed_s: float

    @property
    def left_s(self) -> float | None:
        """Return about how long it still takes; None before the first trial."""
        if not self.trials:
            return None
        return self.elapsed_s / self.trials * max(0, self.planned - self.trials)


class Spool:
    """A folder with two files for each task: its journal, and how it ended."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._following: _Following | None = None
        ownership.make_folder(folder)

    @contextmanager
    def held(self, task: str) -> Iterator[Path]:
        """Yield the task's journal, once nobody else has it; its progress is followed meanwhile.

        A worker that lost its scheduler and came back may still be running the task.
        """
        with (self._folder / f"{task}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            journal = self._folder / f"{task}.jsonl"
            self._following = _Following(task, journal)
            try:
                yield journal
            finally:
                self._following = None

    def ended(self, task: str) -> Ended | None:
        """Return how the task ended; None where it has not, or its journal is another by now."""
        from pydantic import TypeAdapter

        with suppress(OSError, ValueError):
            ended = TypeAdapter(Ended).validate_json((self._folder / f"{task}.json").read_bytes())
            if sha256(self.read(task)).hexdigest() == ended.sha256:
                return ended
        return None

    def end(self, task: str, ended: Ended) -> None:
        """Note how the task ended."""
        path = self._folder / f"{task}.json"
        ownership.write(path, json.dumps(asdict(ended)).encode())

    def read(self, task: str) -> bytes:
        """Return the task's journal."""
        return (self._folder / f"{task}.jsonl").read_bytes()

    def forget(self, task: str) -> None:
        """Remove what is kept of a task, now that it is where it was asked for."""
        for suffix in ("json", "jsonl", "lock"):
            (self._folder / f"{task}.{suffix}").unlink(missing_ok=True)

    def progress(self) -> Progress | None:
        """Return how far the task is that runs now; None if there is none."""
        following = self._following
        return following.progress() if following is not None else None


class _Following:
    """Reads of a journal what has been added since it last looked."""

    def __init__(self, task: str, journal: Path) -> None:
        self._task = task
        self._journal = journal
        self._began = time.monotonic()
        self._read_bytes = 0
        self._trials = 0
        self._planned = 0
        self._lock = threading.Lock()

    def progress(self) -> Progress:
        with self._lock, suppress(OSError), self._journal.open("rb") as file:
            file.seek(self._read_bytes)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                self._read_bytes += len(line)
                self._take(line)
        return Progress(
            task=self._task,
            trials=self._trials,
            planned=max(self._planned, self._trials),
            elapsed_s=time.monotonic() - self._began,
        )

    def _take(self, line: bytes) -> None:
        if b'"kind":"trial"' in line[:40]:
            self._trials += 1
            return
        with suppress(ValueError, KeyError, TypeError):
            fields = json.loads(line)
            plan = fields["plan"] if fields["kind"] == "machine" else fields
            planned = sum(len(each["arms"]) * each["blocks"] for each in plan["stages"])
            resumed = fields.get("resumed", False)
            self._planned = planned if resumed else self._planned + planned
