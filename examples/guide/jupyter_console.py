"""A Jupyter client: run lines of code in a kernel, and print what comes of it."""

import hmac
import json
import sys
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import trio

import trio_mq

DELIMITER = b"<IDS|MSG>"


class Console:
    """A session with one kernel."""

    def __init__(self, key: str, shell: trio_mq.Dealer, outputs: trio_mq.Sub) -> None:
        self.key, self.shell, self.outputs = key.encode(), shell, outputs
        self.session = uuid.uuid4().hex

    def sign(self, parts: list[bytes]) -> bytes:
        """Prove that we have read the connection file."""
        return hmac.digest(self.key, b"".join(parts), "sha256").hex().encode()

    async def ask(self, kind: str, **content: object) -> str:
        """Send a request, and return its number."""
        number, date = uuid.uuid4().hex, datetime.now(UTC).isoformat()
        header = {"msg_id": number, "msg_type": kind, "date": date, "version": "5.3"}
        header |= {"session": self.session, "username": "console"}
        parts = [json.dumps(part).encode() for part in (header, {}, {}, content)]
        await self.shell.send([DELIMITER, self.sign(parts), *parts])
        return number

    async def hear(self, source: trio_mq.Dealer | trio_mq.Sub) -> tuple[str, str, dict[str, Any]]:
        """Return the kind of the next message, what it is about, and what it says."""
        while True:
            message = await source.receive()
            start = message.index(DELIMITER)
            signature, *parts = message[start + 1 : start + 6]
            if hmac.compare_digest(signature, self.sign(parts)):
                header, parent, _, content = map(json.loads, parts)
                return header["msg_type"], parent.get("msg_id", ""), content

    async def wait_until_heard(self) -> None:
        """Ask until the kernel is heard: a subscription that has not arrived yet hears nothing."""
        while True:
            await self.ask("kernel_info_request")
            await self.hear(self.shell)
            with trio.move_on_after(0.2):
                await self.hear(self.outputs)
                return

    async def run(self, code: str) -> None:
        """Print what a piece of code prints, what it is worth, or what is wrong with it."""
        asked = await self.ask("execute_request", code=code, silent=False, allow_stdin=False)
        while True:
            match await self.hear(self.outputs):
                case _, about, _ if about != asked:
                    pass
                case "stream", _, content:
                    print(content["text"], end="")
                case "execute_result", _, content:
                    print(f"[{content['execution_count']}]", content["data"]["text/plain"])
                case "error", _, content:
                    print(f"{content['ename']}: {content['evalue']}")
                case "status", _, {"execution_state": "idle"}:
                    return


async def main(connection_file: str, lines: list[str]) -> None:
    """Connect as the file says, and run the lines."""
    known = json.loads(Path(connection_file).read_text("utf-8"))  # noqa: ASYNC240  # a small one
    place = f"{known['transport']}://{known['ip']}{':' if known['transport'] == 'tcp' else '-'}"
    async with (
        trio_mq.Dealer(connect=f"{place}{known['shell_port']}") as shell,
        trio_mq.Sub(connect=f"{place}{known['iopub_port']}", topics="") as outputs,
    ):
        console = Console(known["key"], shell, outputs)
        await console.wait_until_heard()
        for line in lines:
            await console.run(line)


if __name__ == "__main__":
    trio.run(main, sys.argv[1], sys.argv[2:])
