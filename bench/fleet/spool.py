# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Keep a machine's journals until they are fetched, so that nothing is measured twice."""

from __future__ import annotations

import json
import shutil
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
    """Report how a task's command ended, as written beside the journal."""

    exit_code: int
    said: str  # its last line
    sha256: str = ""  # of the journal; "": no valid journal


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Report the progress of the journal that is being written."""

    trials: int
    planned: int
    elapsed_s: float

    @property
    def left_s(self) -> float | None:
        """Return roughly how long it still takes; None before the first trial."""
        if not self.trials:
            return None
        return self.elapsed_s / self.trials * max(0, self.planned - self.trials)


class Spool:
    """Keep two files for each task in a folder: its journal, and how it ended."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._following: _Following | None = None
        ownership.make_folder(folder)

    def _file(self, task: str, ending: str = "jsonl") -> Path:
        return self._folder / f"{task}.{ending}"

    @contextmanager
    def held(self, task: str) -> Iterator[Path]:
        """Yield the task's journal, by one thread at a time, and follow its progress meanwhile.

        A worker that lost its scheduler and came back may still be running the task. Another
        process waits for the machine's lock, and cannot open the journal.
        """
        with self._lock:
            self._following = _Following(self._file(task))
            try:
                yield self._file(task)
            finally:
                self._following = None

    def ended(self, task: str) -> Ended | None:
        """Return how the task ended; None if it has not, or its journal has changed since."""
        from pydantic import TypeAdapter

        with suppress(OSError, ValueError):
            ended = TypeAdapter(Ended).validate_json(self._file(task, "json").read_bytes())
            if sha256(self.read(task)).hexdigest() == ended.sha256:
                return ended
        return None

    def end(self, task: str, ended: Ended) -> None:
        """Record how the task ended."""
        ownership.write(self._file(task, "json"), json.dumps(asdict(ended)).encode())

    def read(self, task: str) -> bytes:
        """Return the task's journal."""
        return self._file(task).read_bytes()

    def folder(self, task: str) -> Path:
        """Return the folder of a task that writes several journals."""
        return self._file(task, "d")

    def join(self, task: str) -> None:
        """Join the journals in the task's folder, if there are any."""
        if found := sorted(self.folder(task).rglob("*.jsonl")):
            ownership.write(self._file(task), b"".join(each.read_bytes() for each in found))

    def forget(self, task: str) -> None:
        """Remove all files of a task whose journal has been fetched."""
        shutil.rmtree(self.folder(task), ignore_errors=True)
        for ending in ("json", "jsonl"):
            self._file(task, ending).unlink(missing_ok=True)

    def progress(self) -> Progress | None:
        """Return the progress of the running task, if there is one."""
        following = self._following  # another thread may end it
        return None if following is None else following.progress()


class _Following:
    """Read what has been added to a journal since the last call."""

    def __init__(self, journal: Path) -> None:
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
