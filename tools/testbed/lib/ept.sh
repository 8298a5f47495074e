# SPDX-License-Identifier: GPL-2.0
# Bochs, and what makes an ISO for it.

setup_ept() {
	apt_install $(sed 's/#.*//' "$here/packages.ept")
}
