"""Drives the kernel of the guide as a notebook does, and prints what it sees.

A program of its own, since jupyter_client leaves an event loop open.
"""

# ruff: noqa: T201  # what it prints is read by a test

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager

SECONDS = 90
CELLS = ("6 * 7", "x = 'kept'", "print(x)", "x + 1")


def manager(kernel: Path, folder: Path) -> KernelManager:
    """Return what starts the kernel, as if it were installed."""
    spec = folder / "guide"
    spec.mkdir()
    command = [sys.executable, str(kernel), "{connection_file}"]
    about: dict[str, object] = {"argv": command, "display_name": "Guide", "language": "python"}
    about["interrupt_mode"] = "message"
    (spec / "kernel.json").write_text(json.dumps(about), "utf-8")
    specs = KernelSpecManager(kernel_dirs=[str(folder)])
    place = {"transport": "ipc", "connection_file": str(folder / "connection.json")}
    return KernelManager(kernel_name="guide", kernel_spec_manager=specs, **place)


def show(message: dict[str, Any]) -> None:
    """Print what a cell has put out."""
    content = message["content"]
    match message["msg_type"]:
        case "stream":
            print("printed", content["text"].strip())
        case "execute_result":
            print("result", content["data"]["text/plain"], "of", content["execution_count"])
        case "error":
            print("error", content["ename"])


def main(kernel: str, folder: str) -> None:
    """Start it, run some cells, and shut it down."""
    kernels = manager(Path(kernel), Path(folder))
    kernels.start_kernel()
    client = kernels.client()
    client.start_channels()
    client.wait_for_ready(timeout=SECONDS)
    for cell in CELLS:
        reply = client.execute_interactive(cell, timeout=SECONDS, output_hook=show)
        print("status", reply["content"]["status"])
    print("alive", client.is_alive())
    client.stop_channels()
    kernels.shutdown_kernel()
    print("ended", not kernels.is_alive())


if __name__ == "__main__":
    main(*sys.argv[1:])
