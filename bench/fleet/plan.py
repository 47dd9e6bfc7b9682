# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Define plans, as sent to machines: a profile and options as JSON, never code."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Final

from bench.errors import UsageError

CLAIMS, KERNELS = "claims", "kernels"
PROFILES: Final = ("quick", "standard", "thorough", CLAIMS, KERNELS)
OPTIONS: Final = frozenset(
    (
        *("workload", "workers", "count", "rate", "spawn", "gap", "burst", "depth", "seconds"),
        *("blocks", "transport", "budget", "wakeup", "call", "payload", "records", "poll"),
        *("interval", "stall", "seed", "until-settled"),
        *("cpus", "memory", "time-limit", "jobs", "append", "accelerator"),
    )
)
"""Options that a plan may have, of `bufbench run`, `claims` or `kernels run`: no file names."""
_NAME: Final = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}"
_TASK: Final = rf"{_NAME}(?:\+[A-Za-z0-9_.-]{{1,80}}){{0,4}}"
_KERNEL: Final = r"host|(?:[a-z][a-z-]*:)?[0-9][A-Za-z0-9_.+-]{0,63}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Request a run of a machine. ``id`` names the task: one journal for each."""

    id: str
    profile: str | None = None  # None: the single experiment of ``options``
    only: tuple[str, ...] = ()  # claims, or kernels
    options: dict[str, str] = field(default_factory=dict)
    schema: int = 1

    @property
    def kernels(self) -> tuple[str, ...]:
        """Return the kernels, each of which is a task."""
        return self.only if self.profile == KERNELS else ()

    def task(self, name: str, kernel: str = "") -> Plan:
        """Return the plan of the task ``name``."""
        only = (kernel,) if kernel else self.only
        return replace(self, id=f"{self.id}.{name}", only=only)

    def text(self) -> str:
        """Return the plan as JSON."""
        return json.dumps(asdict(self))

    @property
    def resumes(self) -> bool:
        """Return whether an interrupted run can be continued."""
        return self.profile != CLAIMS

    def words(self, output: Path, *, resume: bool) -> list[str]:
        """Return the command line, without the program; for kernels ``output`` is a folder."""
        what = {
            "": ["run", "--quiet", "--wait"],
            KERNELS: ["kernels", "run", "--wait", *self.only],
            CLAIMS: ["claims", "--wait", *(f"--only={each}" for each in self.only)],
        }.get(self.profile or "", ["run", "--quiet", "--wait", f"--profile={self.profile}"])
        options = [f"--{name}={value}" for name, value in self.options.items()]
        resumed = ["--resume"] * (resume and self.resumes)
        return ["--no-config", *what, *options, f"--output={output}", *resumed]


def fits_a_file(name: str) -> bool:
    """Return whether a machine's name can be a file name."""
    return re.fullmatch(_NAME, name) is not None


def options_of(written: Iterable[str]) -> dict[str, str]:
    """Return the options given as NAME=VALUE; UsageError for one that a plan may not have."""
    found: dict[str, str] = {}
    for each in written:
        name, equals, value = each.partition("=")
        if not equals:
            raise UsageError(f"--set {each!r} has no value", remedy="write it like count=1000")
        if name in found:
            raise UsageError(f"--set gives {name} twice", remedy="leave one out")
        found[name] = value
    _check_options(found)
    return found


def check_only(profile: str | None, only: Iterable[str]) -> None:
    """Raise UsageError if a plan of kernels has none, or names one that is a file."""
    if profile == KERNELS:
        wanted = tuple(only)
        if foreign := [each for each in wanted if not re.fullmatch(_KERNEL, each)]:
            raise UsageError(
                f"a plan has no kernel {foreign[0]!r}", remedy="take one like 6.12, or host"
            )
        if not wanted:
            raise UsageError("there is no kernel to run", remedy="add --only 6.12")


def parse(text: str) -> Plan:
    """Parse a plan; UsageError if ``text`` is not one."""
    from pydantic import TypeAdapter, ValidationError

    try:
        plan = TypeAdapter(Plan).validate_json(text, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "the text"
        raise UsageError(f"not a plan: {where}, {first['msg']}") from error
    if plan.schema != 1 or not re.fullmatch(rf"[0-9a-f]{{16}}\.{_TASK}", plan.id):
        raise UsageError("not a plan: of another schema, or without an id")
    if plan.profile not in (None, *PROFILES):
        raise UsageError(f"not a plan: no profile {plan.profile!r}")
    _check_options(plan.options)
    check_only(plan.profile, plan.only)
    return plan


def _check_options(options: dict[str, str]) -> None:
    if foreign := sorted(options.keys() - OPTIONS):
        raise UsageError(
            f"a plan has no option {foreign[0]!r}", remedy=f"take {', '.join(sorted(OPTIONS))}"
        )
