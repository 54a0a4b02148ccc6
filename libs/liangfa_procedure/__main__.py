"""`python -m liangfa_procedure > docs/procedure.md`."""

from __future__ import annotations

import sys

from liangfa_procedure.page import page

sys.stdout.write(page())
