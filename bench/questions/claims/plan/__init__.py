# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The experiments that published claims are judged by, a family a file; see catalogue.py."""
