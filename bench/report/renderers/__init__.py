# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Renderers: a document in, one form of it out. Another form is another file here."""
