"""TLS: a server with a certificate, and a client that trusts the authority behind it."""

import ssl
import sys

import trio

import trio_mq


async def main(certificate: str, authority: str) -> None:
    """Ask a question that nobody can read on the way."""
    ours = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ours.load_cert_chain(certificate)
    theirs = ssl.create_default_context(cafile=authority)
    async with (
        trio_mq.Pull(tls_context=ours) as pull,
        trio_mq.Push(tls_context=theirs) as push,
    ):
        await push.connect(await pull.bind("tls://127.0.0.1:*"), wait=True)
        await push.send(b"sealed")
        print((await pull.receive()).text)


if __name__ == "__main__":
    trio.run(main, sys.argv[1], sys.argv[2])
