"""0MQ for trio: the socket types of zmq_socket(3) in pure Python, on the wire of libzmq.

The layers, from bytes to your code; each imports only what stands to its left::

    zmtp        the protocol without I/O: bytes in, events out
    _transports     tcp, ipc, inproc: streams of bytes and names
    _pipe           where a message waits (and _waiting, where a task does)
    _connections    links that move bytes between streams and pipes; dialers, listeners
    _strategies     which pipe: load-balance, fair-queue, fanout, routing, subscriptions
    _sockets        the classes that you use, which join the last two
"""

from trio_mq._context import Context as Context
from trio_mq._sockets.pipeline import Downstream as Downstream
from trio_mq._sockets.pipeline import Pull as Pull
from trio_mq._sockets.pipeline import Push as Push
from trio_mq._sockets.pipeline import Upstream as Upstream
