# SPDX-License-Identifier: GPL-2.0
# Sphinx builds Documentation with this: make htmldocs.
import re

with open('../dkms.conf', encoding='ascii') as dkms:
    release = re.search(r'^PACKAGE_VERSION="(.*)"', dkms.read(), re.M).group(1)
project = 'dvmm'
copyright = 'the authors of dvmm, GPL-2.0'
root_doc = 'index'
exclude_patterns = ['html', 'plots']
html_theme = 'alabaster'
html_show_sphinx = False
html_static_path = []
