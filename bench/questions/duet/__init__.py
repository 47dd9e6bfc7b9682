# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Which of two arms delivers sooner and costs less, measured within the same storms?"""
