# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Answer how another tracer's buffers perform, and how it would perform on the other transport."""
