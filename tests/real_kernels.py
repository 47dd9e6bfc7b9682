# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Provide kernels of the archives, for tests that boot one, and run bufbench in their guests."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import in_guest
import pytest

from bench.errors import BufbenchError
from bench.guests.boot import CONSOLE, Guest, booted
from bench.guests.machines import machine_named
from bench.guests.sources import Image, Options, provide
from bench.guests.watch import End, Ended
from bench.host.process import Completed
from bench.journal.reader import read_journal
from bench.questions.claims.catalogue import judge
from bench.questions.claims.claim import Finding
from bench.questions.claims.evidence import of_journals
from bench.tracer import loader
from bench.trial.result import State

IN_GUEST: Final = Path(in_guest.__file__).resolve()


def provided(label: str) -> Image:
    """Return a kernel, fetched if need be; skip where it or its QEMU cannot be had."""
    try:
        machine_named(label).qemu()
        (image,) = provide([label], Options(say=lambda _: None))
    except BufbenchError as error:
        pytest.skip(f"{label} cannot be fetched: {error}")
    return image


def load_prebuilt(patch: pytest.MonkeyPatch) -> None:
    """Load prebuilt tracers where there are any, in guests too: bcc takes half a minute for one."""
    if loader.objects():
        patch.setenv(loader.VARIABLE, loader.Loader.PREBUILT)


def ran(
    image: Image, guest: Guest, folder: Path, commands: Mapping[str, Sequence[str]], *modules: str
) -> dict[str, Completed]:
    """Run bufbench's commands in one guest; return how each ended, by its name.

    ``modules`` are imported first, once for all.
    """
    (folder / in_guest.COMMANDS).write_text(json.dumps(commands))
    inside = [sys.executable, "-P", str(IN_GUEST), str(folder), *modules]
    with pytest.MonkeyPatch.context() as patch:
        load_prebuilt(patch)
        with booted(image, guest, folder, inside) as watch:
            assert watch.stdout is not None
            ended = Ended.parse(watch.stdout.read())
    done = [name for name in commands if (folder / f"{name}.code").exists()]
    said = (folder / CONSOLE).read_text(errors="replace")[-2_000:]
    assert (ended.end, done) == (End.POWERED_OFF, [*commands]), said
    return {
        name: Completed(
            words,
            int((folder / f"{name}.code").read_text()),
            *((folder / f"{name}.{kind}").read_text() for kind in ("out", "err")),
        )
        for name, words in commands.items()
    }


def findings(journal: Path) -> dict[str, Finding]:
    """Return the verdict of each claim from one guest's journal, all of whose trials are valid."""
    content = read_journal(journal)
    assert not [each.reasons for each in content.trials if each.state is State.INVALID]
    (evidence,) = of_journals(content)
    return {each.claim.id: each.finding for each in judge(evidence).judgements}
