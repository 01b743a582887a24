"""Make keys of CURVE: ``python -m trio_mq.auth``."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from trio_mq.auth.certificates import write_certificate
from trio_mq.auth.curve import CurveKeys


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m trio_mq.auth",
        description="Make a pair of CURVE keys, and print it or write certificate files.",
    )
    parser.add_argument("name", nargs="?", help="of the files; by default 'key'", default="key")
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")
    parser.add_argument(
        "--folder",
        type=Path,
        help="write NAME.key and NAME.key_secret there, and print only the public half",
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace files of that name, if there are any"
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; return the exit status."""
    asked = _parser().parse_args(arguments)
    try:
        said = make_keys(asked.name, asked.folder, overwrite=asked.overwrite)
    except (ImportError, OSError, ValueError) as error:
        sys.stderr.write(f"trio_mq.auth: {error}\n")
        return 1
    text = json.dumps(said) if asked.json else "\n".join(f"{k}: {v}" for k, v in said.items())
    sys.stdout.write(text + "\n")
    return 0


def make_keys(name: str, folder: Path | None, *, overwrite: bool) -> dict[str, str]:
    """Make keys, and write them into a folder if one is given; return what to print."""
    keys = CurveKeys.generate()
    if folder is None:
        return {"public": keys.public, "secret": keys.secret}
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    taken = [path for path in _files(folder, name) if path.exists()]
    if taken and not overwrite:
        raise FileExistsError(f"{taken[0]} is there already: give another name, or --overwrite")
    public, secret = write_certificate(folder, name, keys)
    return {"public": keys.public, "public_file": str(public), "secret_file": str(secret)}


def _files(folder: Path, name: str) -> tuple[Path, Path]:
    return folder / f"{name}.key", folder / f"{name}.key_secret"


if __name__ == "__main__":
    sys.exit(main())
