# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Make fork storms: the generator ``forkstorm`` (C, static) and its typed front end."""
