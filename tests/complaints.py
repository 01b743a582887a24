"""What programs that are run by tests write to stderr, without what is ordinary there."""

from __future__ import annotations

import re
from typing import Final

#: Whoever is started first may have to wait for the other, and somebody may be refused on purpose.
ORDINARY: Final = re.compile(r"\w+: cannot (connect to|accept) ")


def complaints(errors: str) -> list[str]:
    """Return the lines of the log, and any others, that should not be there."""
    return [line for line in errors.splitlines() if not ORDINARY.match(line)]
