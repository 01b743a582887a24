"""Ports that are free: whoever is restarted must find its place again."""

from __future__ import annotations

import socket


def free_port() -> int:
    """Ask the kernel for a port of this host."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
