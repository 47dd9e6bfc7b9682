# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Keep the readings of kernels in a file, so that an interrupted search can continue."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.errors import UsageError
from bench.host import ownership
from bench.journal import saved
from bench.journal.files import write_whole
from bench.questions.bisect.condition import Reading, agreed

STATE: Final = "state.json"
FORMAT: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Boot:
    """Hold the readings of one boot."""

    seed: int
    readings: tuple[Reading, ...]
    reason: str = ""  # why there are no readings


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """Hold a kernel's boots. It is identified by its image, whatever its label and its source."""

    sha256: str  # of the image
    release: str = ""
    origin: str = ""
    boots: tuple[Boot, ...] = ()

    @property
    def readings(self) -> tuple[Reading, ...]:
        """Return the readings on which all boots agree; none if one of them failed."""
        if self.reason or not self.boots:
            return ()
        return agreed([(each.seed, each.readings) for each in self.boots])

    @property
    def reason(self) -> str:
        """Return why nothing was read."""
        return next((each.reason for each in self.boots if each.reason), "")


@dataclass(frozen=True, slots=True, kw_only=True)
class _State:
    format: int
    setup: tuple[str, ...]  # everything that determines a reading, except the kernel
    kernels: tuple[Kernel, ...]


class Notes:
    """Keep the kernels read so far in a folder."""

    def __init__(self, folder: Path, setup: tuple[str, ...], kernels: Iterable[Kernel]) -> None:
        self.folder, self._setup = folder, setup
        self._kernels = {each.sha256: each for each in kernels}
        self.keep()

    def of(self, sha256: str) -> Kernel:
        """Return what is known of an image."""
        return self._kernels.get(sha256, Kernel(sha256=sha256))

    def keep(self, *kernels: Kernel) -> None:
        """Keep what is known of these images, at once."""
        from pydantic import TypeAdapter

        self._kernels |= {each.sha256: each for each in kernels}
        state = _State(format=FORMAT, setup=self._setup, kernels=tuple(self._kernels.values()))
        text = TypeAdapter(_State).dump_json(state, indent=1) + b"\n"
        ownership.make_folder(self.folder)
        write_whole(self.folder / STATE, text)


def opened(folder: Path, setup: tuple[str, ...], *, resume: bool) -> Notes:
    """Open the notes in a folder; UsageError if it holds something other than this search.

    Kernels without a result are forgotten and tried again.
    """
    elsewhere = "choose another with --output"
    if not resume:
        if folder.exists() and any(folder.iterdir()):
            raise UsageError(f"{folder} is not empty", remedy=f"add --resume, or {elsewhere}")
        return Notes(folder, setup, ())
    path = folder / STATE
    if not path.exists():
        raise UsageError(f"{folder} has nothing to continue", remedy="leave out --resume")
    found = saved.read(path, _State, number=FORMAT, command="kernels bisect", remedy=elsewhere)
    if found.setup != setup:
        pairs = zip(found.setup, setup, strict=False)
        other = [f"{then} then, {now} now" for then, now in pairs if then != now]
        raise UsageError(
            f"{folder} was made differently: {'; '.join(other[:2]) or 'with other parameters'}",
            remedy=elsewhere,
        )
    return Notes(folder, setup, (each for each in found.kernels if not each.reason))
