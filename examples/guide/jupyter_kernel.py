"""A Jupyter kernel: notebooks and consoles send it Python to run."""

import contextlib
import hmac
import io
import json
import sys
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import trio

import trio_mq

DELIMITER = b"<IDS|MSG>"
INFO = {
    "status": "ok",
    "protocol_version": "5.3",
    "implementation": "guide",
    "implementation_version": "1",
    "language_info": {"name": "python", "version": "3", "file_extension": ".py"},
    "banner": "Python, run by a kernel of one screen",
}


class Kernel:
    """What is known between two cells, and who is told of it."""

    def __init__(self, key: str, outputs: trio_mq.XPub, life: trio.CancelScope) -> None:
        self.key, self.outputs, self.life = key.encode(), outputs, life
        self.session, self.count, self.names = uuid.uuid4().hex, 0, dict[str, Any]()

    def sign(self, parts: list[bytes]) -> bytes:
        """Prove that a message comes from somebody who has read the connection file."""
        return hmac.digest(self.key, b"".join(parts), "sha256").hex().encode()

    def pack(self, kind: str, content: Mapping[str, Any], parent: Mapping[str, Any]) -> list[bytes]:
        """Return the frames of a message."""
        date, number = datetime.now(UTC).isoformat(), uuid.uuid4().hex
        header = {"msg_id": number, "msg_type": kind, "date": date, "version": "5.3"}
        header |= {"session": self.session, "username": "kernel"}
        parts = [json.dumps(part).encode() for part in (header, parent, {}, content)]
        return [DELIMITER, self.sign(parts), *parts]

    async def tell(self, kind: str, parent: Mapping[str, Any], **content: object) -> None:
        """Tell everybody who listens what happens."""
        await self.outputs.send([kind.encode(), *self.pack(kind, content, parent)])

    async def welcome(self) -> None:
        """Tell who has subscribed that it misses nothing from now on."""
        while True:
            message, peer = await self.outputs.receive_from()
            if message.subscription and message.subscription[0]:
                topic = {"subscription": message.subscription[1].decode()}
                with contextlib.suppress(trio_mq.Unroutable):  # it has left
                    await self.outputs.send_to(peer, [b"", *self.pack("iopub_welcome", topic, {})])

    async def answer(self, router: trio_mq.Router) -> None:
        """Do what is asked on one channel, one thing after the other."""
        async for message in router:
            start = message.index(DELIMITER) if DELIMITER in message else len(message)
            signature, *parts = message[start + 1 : start + 6] or [b""]
            if not hmac.compare_digest(signature, self.sign(parts)):
                continue
            parent, _, _, content = map(json.loads, parts)
            await self.tell("status", parent, execution_state="busy")
            kind = parent["msg_type"]
            reply = await self.do(kind, content, parent)
            kind = kind.replace("_request", "_reply")
            await router.send([*message[:start], *self.pack(kind, reply, parent)])
            await self.tell("status", parent, execution_state="idle")
            if kind == "shutdown_reply":
                await router.drain()
                self.life.cancel()

    async def do(
        self, kind: str, content: Mapping[str, Any], parent: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """Return the content of the reply."""
        match kind:
            case "kernel_info_request":
                return INFO
            case "execute_request":
                return await self.execute(content["code"], parent)
            case "shutdown_request":
                return {"status": "ok", "restart": content["restart"]}
            case "interrupt_request":
                return {"status": "ok"}  # a thread can't be stopped; a process could
        return {"status": "error", "ename": "NotImplementedError", "evalue": kind, "traceback": []}

    async def execute(self, code: str, parent: Mapping[str, Any]) -> Mapping[str, Any]:
        """Run code in a thread, so that the heart goes on beating."""
        self.count += 1
        await self.tell("execute_input", parent, code=code, execution_count=self.count)
        printed = io.StringIO()
        about = {"execution_count": self.count}
        try:
            result = await trio.to_thread.run_sync(self.run, code, printed)
        except Exception as error:  # noqa: BLE001  # of the code, whatever it is
            what = {"ename": type(error).__name__, "evalue": str(error), "traceback": [repr(error)]}
            await self.tell("error", parent, **what)
            return {"status": "error", **what, **about}
        finally:
            if printed.getvalue():
                await self.tell("stream", parent, name="stdout", text=printed.getvalue())
        if result is not None:
            data = {"text/plain": repr(result)}
            await self.tell("execute_result", parent, data=data, metadata={}, **about)
        return {"status": "ok", "user_expressions": {}, "payload": [], **about}

    def run(self, code: str, printed: io.StringIO) -> object:
        """Return the value of an expression; anything else has none."""
        with contextlib.redirect_stdout(printed):
            try:
                expression = compile(code, "<cell>", "eval")
            except SyntaxError:
                exec(compile(code, "<cell>", "exec"), self.names)  # noqa: S102  # what a kernel does
                return None
            return eval(expression, self.names)  # noqa: S307  # the same


async def main(connection_file: str) -> None:
    """Bind what the file says, and answer until somebody says that it is enough."""
    known = json.loads(Path(connection_file).read_text("utf-8"))  # noqa: ASYNC240  # a small one
    between = ":" if known["transport"] == "tcp" else "-"

    def at(channel: str) -> str:
        return f"{known['transport']}://{known['ip']}{between}{known[f'{channel}_port']}"

    async with (
        trio_mq.Router(bind=at("shell")) as shell,
        trio_mq.Router(bind=at("control")) as control,
        trio_mq.Router(bind=at("stdin")),  # a client connects to it; this kernel asks nothing
        trio_mq.Rep(bind=at("hb")) as heart,
        trio_mq.XPub(bind=at("iopub"), verbose="subscribe") as outputs,
        trio.open_nursery() as nursery,
    ):
        kernel = Kernel(known["key"], outputs, nursery.cancel_scope)
        nursery.start_soon(heart.serve, lambda request: request.message)
        nursery.start_soon(kernel.welcome)
        nursery.start_soon(kernel.answer, control)
        await kernel.answer(shell)


if __name__ == "__main__":
    trio.run(main, sys.argv[1])
