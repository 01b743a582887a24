"""Answer requests of req.py from an ordinary pyzmq program, that is, from libzmq."""

import sys

import zmq


def main(endpoint: str = "tcp://127.0.0.1:5555") -> None:
    """The same service as rep.py, with the C library underneath."""
    with zmq.Context() as context, context.socket(zmq.REP) as rep:
        rep.bind(endpoint)
        while True:
            request = rep.recv()
            rep.send(b"hello from C, " + request)


if __name__ == "__main__":
    main(*sys.argv[1:])
