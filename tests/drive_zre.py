"""Runs a node of the package zre, and prints what it hears; its beacons go to a port of loopback.

A program of its own, since zre needs asyncio.
"""

# ruff: noqa: T201  # what it prints is read by a test

from __future__ import annotations

import asyncio
import sys

import zre


async def main(port: int) -> None:
    """Join a group, greet whoever comes, and shout back what is shouted."""
    node = zre.ZreNode("theirs")
    node.set_interface("127.0.0.1")
    node.set_port(port)
    await node.start()
    running = asyncio.create_task(node.run())
    await node.join("tea")
    async for event in node.events():
        kind = event["type"]
        if kind in {"ENTER", "JOIN", "SHOUT"}:
            print(kind, event["peer_name"], event.get("group", ""), flush=True)
        if kind == "ENTER":
            await node.whispers(event["peer_id"], "welcome")
        if kind == "SHOUT":
            await node.shout("tea", event["payload"].upper())
    await running


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
