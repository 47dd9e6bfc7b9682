# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Make JSON Schemas of what commands print, from the dataclasses that it comes from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from bench.cli.dry_run import PlanData
from bench.cli.kernels.available import Pruned
from bench.cli.object import ObjectEvent
from bench.cli.trace import Exit
from bench.doctor.doctor import Findings
from bench.doctor.least_privilege import Needs
from bench.guests.sources import Image, Listed
from bench.questions.bisect.run import Bisection
from bench.questions.change.difference import Difference
from bench.questions.check.document import CheckData
from bench.questions.claims.document import ClaimsData
from bench.questions.duet.designs import DesignsData
from bench.questions.duet.document import DuetData
from bench.questions.exact.study import Study
from bench.questions.fleet.judge import Fleet
from bench.questions.history.judge import History
from bench.questions.kernels.document import MatrixData
from bench.questions.object.document import ObjectData
from bench.questions.sizing.document import SizeData
from bench.questions.transports.data import ReportData
from bench.questions.tune.document import TuneData
from bench.questions.watch.profile import Profile, WatchData

FOLDER: Final = Path(__file__).parents[1] / "docs/schemas"
KINDS: Final[Mapping[str, Any]] = {
    "check": CheckData,
    "claims": ClaimsData,
    "compare": Difference,
    "doctor": Findings,
    "doctor-least-privilege": Needs,
    "duet": DuetData,
    "duet-designs": DesignsData,
    "fleet": Fleet,
    "history": History,
    "kernels-bisect": Bisection,
    "kernels-exact": Study,
    "kernels-fetch": tuple[Image, ...],
    "kernels-list": tuple[Listed, ...],
    "kernels-prune": Pruned,
    "kernels-report": MatrixData,
    "object-compare": ObjectData,
    "object-line": ObjectEvent,
    "plan": PlanData,
    "report": ReportData,
    "size": SizeData,
    "trace-line": Exit,
    "tune": TuneData,
    "watch": WatchData,
    "watch-profile": Profile,
}


class _Schema(GenerateJsonSchema):
    """Describe every field as always written, and a float that is not finite as null."""

    def field_is_required(self, *_: Any, **__: Any) -> bool:
        return True

    def float_schema(self, schema: Any) -> dict[str, Any]:
        return {"anyOf": [super().float_schema(schema), {"type": "null"}]}


def schema(name: str) -> dict[str, Any]:
    kind: TypeAdapter[Any] = TypeAdapter(KINDS[name])
    found = kind.json_schema(mode="serialization", schema_generator=_Schema)
    return {"$schema": _Schema.schema_dialect, "title": name, **found} | {"title": name}


def written(name: str) -> str:
    return json.dumps(schema(name), indent=2) + "\n"
