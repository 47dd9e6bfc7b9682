# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""What is judged, in each form that a document can be rendered in."""

from __future__ import annotations

import io

from rich.console import Console

from bench.judge.claims.catalogue import Judged
from bench.judge.kernels.matrix import Matrix
from bench.judge.summary import Summary
from bench.report import claims_document, run_data, run_document
from bench.report.document import Document
from bench.report.kernels.document import document as kernels_document
from bench.report.renderers import data, html, markdown, terminal


def text(document: Document, *, width: int = 120) -> str:
    out = io.StringIO()
    terminal.show(document, Console(file=out, width=width))
    return out.getvalue()


def run_text(summary: Summary, *, width: int = 120) -> str:
    return text(run_document.document(summary), width=width)


def run_markdown(*summaries: Summary) -> str:
    return markdown.render_markdown(*map(run_document.document, summaries))


def run_json(*summaries: Summary) -> str:
    return data.render_json(run_data.report_of(*map(run_document.document, summaries)))


def claims_text(judged: Judged, *, width: int = 120) -> str:
    return text(claims_document.document(judged), width=width)


def claims_markdown(*judged: Judged) -> str:
    return markdown.render_markdown(*map(claims_document.document, judged))


def claims_json(*judged: Judged) -> str:
    documents = map(claims_document.document, judged)
    return data.render_json(claims_document.data_of(*documents))


def kernels_text(matrix: Matrix, *, width: int = 100) -> str:
    return text(kernels_document(matrix), width=width)


def kernels_markdown(matrix: Matrix) -> str:
    return markdown.render_markdown(kernels_document(matrix))


def kernels_json(matrix: Matrix) -> str:
    return data.render_json(kernels_document(matrix).data)


def kernels_page(matrix: Matrix) -> str:
    return html.one_page(kernels_document(matrix))
