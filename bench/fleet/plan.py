# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""What is sent to a machine: a profile and options as JSON, never code."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Final

from bench.errors import UsageError

PROFILES: Final = ("quick", "standard", "thorough", "claims")
OPTIONS: Final = frozenset(
    (
        *("workload", "workers", "count", "rate", "spawn", "gap", "burst", "depth", "seconds"),
        *("blocks", "transport", "budget", "wakeup", "call", "payload", "records", "poll"),
        *("interval", "stall", "seed", "until-settled"),
    )
)
"""Options of `bufbench run` and `bufbench claims` that a plan may have: none names a file."""
_NAME: Final = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a machine is to run. ``id`` names the task, on both sides: one journal for each."""

    id: str
    profile: str | None = None  # None: the single experiment of ``options``
    only: tuple[str, ...] = ()  # claims
    options: dict[str, str] = field(default_factory=dict)
    schema: int = 1

    def task(self, name: str) -> Plan:
        """Return the plan of the machine ``name``."""
        return replace(self, id=f"{self.id}.{name}")

    def text(self) -> str:
        """Return the plan as JSON."""
        return json.dumps(asdict(self))

    @property
    def resumes(self) -> bool:
        """Return whether a journal that was begun can be gone on with."""
        return self.profile != "claims"

    def words(self, journal: Path, *, resume: bool) -> list[str]:
        """Return the command line, without the program."""
        options = [f"--{name}={value}" for name, value in self.options.items()]
        if self.profile == "claims":
            what = ["claims", *(f"--only={each}" for each in self.only)]
        else:
            what = ["run", "--quiet", *[f"--profile={self.profile}"] * (self.profile is not None)]
        return [
            *("--no-config", *what, *options, "--wait", f"--output={journal}"),
            *["--resume"] * (resume and self.resumes),
        ]


def fits_a_file(name: str) -> bool:
    """Return whether a machine's name can be a file's."""
    return re.fullmatch(_NAME, name) is not None


def options_of(written: Iterable[str]) -> dict[str, str]:
    """Return the options that NAME=VALUE give; UsageError for one that a plan may not have."""
    found: dict[str, str] = {}
    for each in written:
        name, equals, value = each.partition("=")
        if not equals or name in found:
            raise UsageError(f"--set {each!r} is not a NAME=VALUE, or its second")
        found[name] = value
    _check(found)
    return found


def parse(text: str) -> Plan:
    """Return the plan that ``text`` is; UsageError where it is none."""
    from pydantic import TypeAdapter, ValidationError

    try:
        plan = TypeAdapter(Plan).validate_json(text, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "the text"
        raise UsageError(f"not a plan: {where}, {first['msg']}") from error
    if plan.schema != 1 or not re.fullmatch(rf"[0-9a-f]{{16}}\.{_NAME}", plan.id):
        raise UsageError("not a plan: of another schema, or without an id")
    if plan.profile not in (None, *PROFILES):
        raise UsageError(f"not a plan: no profile {plan.profile!r}")
    _check(plan.options)
    return plan


def _check(options: dict[str, str]) -> None:
    if foreign := sorted(options.keys() - OPTIONS):
        raise UsageError(
            f"a plan has no option {foreign[0]!r}", remedy=f"take {', '.join(sorted(OPTIONS))}"
        )
