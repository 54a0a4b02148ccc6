"""Look over the lexicon: what the loader refuses and what would never match.

Usage: python scripts/check_lexicon.py [FILE.yaml ...]; without files, all of libs/liangfa_screening/lexicon.
Ends with 1 when something was found.
"""

from __future__ import annotations

import sys
from pathlib import Path

from liangfa_screening import load_library
from liangfa_screening.lexicon_check import check_lexicon

FOLDER = Path(__file__).parents[1] / "libs" / "liangfa_screening" / "lexicon"


def main() -> int:
    """Run as a script."""
    shown = {Path(argument).name for argument in sys.argv[1:]}
    found = check_lexicon(sorted(FOLDER.glob("*.yaml")), load_library())
    for finding in found:
        if not shown or finding.file in shown or not finding.file:
            print(f"{finding.file or 'library'}: {finding.entry}: {finding.message}")
    print(f"{len(found)} findings")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
