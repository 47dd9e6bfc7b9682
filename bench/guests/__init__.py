# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Fetch kernels, boot them and run a command in them; independent of what is measured."""
