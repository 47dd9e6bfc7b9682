# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Answer which of two arms delivers sooner and costs less, within the same storms."""
