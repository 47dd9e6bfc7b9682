# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Run bufbench, but make up what it measures for a fleet: a trial each tenth of a second.

    python -P fleet_stand_in.py '{"bufbench": "9.9", "unfit": "no BTF"}' fleet worker ...

The plan's count is how many trials, and its payload by how many bytes each is longer; each is noted
in `measured` beside the journals, and waits for as long as there is `hold`. With "ahead_s" the
worker's clock is ahead, and "dies" names the moment at which it is killed.
"""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import replace
from pathlib import Path

from bench.cli import main
from bench.fleet import facts, task
from bench.fleet.spool import Ended, Spool


def _line(kind: str, **fields: object) -> str:
    return json.dumps({"schema": 3, "kind": kind, **fields}, separators=(",", ":")) + "\n"


def called(words: list[str]) -> Ended:
    given = dict(each.lstrip("-").partition("=")[::2] for each in words)
    journal, count = Path(given["output"]), int(given["count"])
    done = journal.read_text().count('"kind":"trial"') if journal.exists() else 0
    stage = {"experiment": "storm", "arms": ["ringbuf"], "first_block": 0, "blocks": count}
    with journal.open("a") as file, (journal.parent / "measured").open("a") as measured:
        file.write(_line("machine", plan={"stages": [stage]}, resumed=done > 0))
        for block in range(done, count):
            time.sleep(0.1)
            file.write(_line("trial", block=block, payload="x" * int(given.get("payload", 0))))
            file.flush()
            measured.write(f"{journal.stem} {block}\n")
            measured.flush()
            while (journal.parent / "hold").exists():
                time.sleep(0.05)
    failing = given.get("seed") == "13"
    return Ended(exit_code=3 if failing else 0, said="no such luck" if failing else "", sha256="")


def die(*_: object, **__: object) -> None:
    os._exit(1)  # the first process of a namespace cannot kill itself


def end_and_die(self: Spool, name: str, ended: Ended) -> None:
    end(self, name, ended)
    die()


def _die_at(moment: str) -> None:
    match moment:
        case "measured":
            Spool.end = die
        case "ended":
            Spool.end = end_and_die
        case "fetched":
            from distributed import Worker

            Worker.get_data = die
        case "acknowledged":
            task.forget = die


end = Spool.end
now_s = time.time
changed = json.loads(sys.argv.pop(1))
ahead_s = float(changed.pop("ahead_s", 0))
time.time = lambda: now_s() + ahead_s
_die_at(changed.pop("dies", ""))
look = facts.look


def looked() -> facts.Facts:
    seen = replace(look(), unfit="")  # whatever runs these tests
    return replace(seen, **{**changed, "cpu_model": changed.get("cpu_model", "made up")})


task._called = called
facts.look = looked
main()
