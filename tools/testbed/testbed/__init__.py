# SPDX-License-Identifier: GPL-2.0
"""A cluster of virtual nodes on one machine."""
