"""Speak ZMTP over a plain socket, without trio: print what one Push sends, until it leaves."""

import socket
import sys

from trio_mq import zmtp
from trio_mq.zmtp import Role, SocketType


def talk(sock: socket.socket) -> None:
    """Put in the bytes that arrive, and see to the events that come out."""
    connection = zmtp.Connection(SocketType.PULL, Role.ACCEPTING)
    sock.sendall(connection.data_to_send())  # the greeting
    while data := sock.recv(65536):
        connection.receive_data(data)
        while (event := connection.next_event()) is not None:
            match event:
                case zmtp.PeerReady():
                    connection.accept()  # or connection.refuse("300")
                case zmtp.Messages(messages=messages):
                    print(*(message.text for message in messages), sep="\n", flush=True)
        sock.sendall(connection.data_to_send())


def main(port: str = "5557") -> None:
    """Wait for a peer, and talk to it."""
    with socket.create_server(("127.0.0.1", int(port))) as listener:
        print(f"tcp://127.0.0.1:{listener.getsockname()[1]}", flush=True)
        sock, _ = listener.accept()
        with sock:
            talk(sock)


if __name__ == "__main__":
    main(*sys.argv[1:])
