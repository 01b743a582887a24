"""Send a table as JSON, as msgpack, and as the bytes of an array."""

import json

import msgpack
import numpy as np
import trio

import trio_mq

TABLE = {"city": "bern", "degrees": [20.5, 21.0]}


async def send(push: trio_mq.Push) -> None:
    """Say in the first frame what the second one is."""
    await push.send([b"json", json.dumps(TABLE).encode()])
    await push.send([b"msgpack", msgpack.packb(TABLE)])
    array = np.array([TABLE["degrees"]] * 3)
    about = json.dumps({"dtype": str(array.dtype), "shape": array.shape})
    await push.send([b"array", about.encode(), array.data])


async def receive(pull: trio_mq.Pull) -> None:
    """Match on the frames: a message of another form is not taken for one of these."""
    for _ in range(3):
        match await pull.receive():
            case b"json", body:
                print("json:", json.loads(body)["degrees"])
            case b"msgpack", body:
                print("msgpack:", msgpack.unpackb(body)["degrees"])
            case b"array", about, body:
                form = json.loads(about)
                table = np.frombuffer(body, form["dtype"]).reshape(form["shape"])
                print("array:", table.mean(axis=0).tolist())


async def main() -> None:
    """Both ends in one program."""
    here = "inproc://here"
    async with trio_mq.Pull(bind=here) as pull, trio_mq.Push(connect=here) as push:
        await send(push)
        await receive(pull)


if __name__ == "__main__":
    trio.run(main)
