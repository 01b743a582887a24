"""``python -m trio_mq``, which is the command ``trio-mq``."""

from __future__ import annotations

import importlib
import importlib.util
import sys


def main() -> None:
    """Run the command, or say what is missing."""
    missing = [name for name in ("click", "rich") if importlib.util.find_spec(name) is None]
    if missing:
        sys.stderr.write(
            f"trio-mq: {' and '.join(missing)} can't be found: the command needs "
            "pip install 'trio-mq[cli]'\n"
        )
        sys.exit(1)
    try:
        importlib.import_module("trio_mq._cli.commands").main()
    except KeyboardInterrupt:
        sys.exit(130)  # before a verb has begun, which knows that for itself


if __name__ == "__main__":
    main()
