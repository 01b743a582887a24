"""The work itself, which knows nothing of sockets: find Python files, count their identifiers."""

from __future__ import annotations

import io
import keyword
import sysconfig
import tokenize
from collections import Counter
from pathlib import Path

#: What others have installed is no part of the standard library.
INSTALLED = {"site-packages", "dist-packages"}


def standard_library() -> Path:
    """Return the folder with the standard library of this Python."""
    return Path(sysconfig.get_path("stdlib"))


def find_sources(folder: Path) -> list[str]:
    """Return the names of all Python files in a folder, relative to it, in order."""
    names = (path.relative_to(folder) for path in folder.rglob("*.py") if path.is_file())
    return sorted(str(name) for name in names if not INSTALLED & set(name.parts))


def count_identifiers(source: bytes) -> Counter[str] | None:
    """Count the names in a Python file that are no keywords; None if it can't be tokenised."""
    try:
        return Counter(
            token.string
            for token in tokenize.tokenize(io.BytesIO(source).readline)
            if token.type == tokenize.NAME and not keyword.iskeyword(token.string)
        )
    except (tokenize.TokenError, SyntaxError, UnicodeError):
        return None
