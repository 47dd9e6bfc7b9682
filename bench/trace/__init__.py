# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Trace: headers, offsets, load, attach, capture. The only part that imports bcc."""
