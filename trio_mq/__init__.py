"""0MQ for trio: the socket types of zmq_socket(3) in pure Python, on the wire of libzmq.

The house, floor by floor, from your code down to the ground. A module imports from the floors
below its own, never from its neighbours; `tests/test_layering.py` reads this very picture::

    __main__                      the command `trio-mq`
    _cli                          its verbs
    __init__                      what you import, loaded when it is first asked for
    _pytest                       the fixture `mq_network`
    testing                       a network in memory, for tests of programs
    _exports                      every public name, and where it lives
    prometheus opentelemetry admin                      figures and pictures for outsiders
    _prometheus _opentelemetry    metrics in the words of two systems
    _metrics                      what these ask for
    _admin                        what outsiders see
    _proxy lowlevel               what works on whole sockets, and knobs
    _readiness                    whether a call would have to wait now
    _sockets                      the classes that you use
    _debug                        looks whether all of this holds
    _connections _patterns        between bytes and pipes; what a socket type does with pipes
    _contract _strategies         what those two tell each other; choosing among pipes
    _pipes                        where a message waits
    _context _telling             who shares inproc names and limits; what the log says of events
    _events _statistics _endpoint_status _transports    what there is to see; streams of bytes
    _peer _options                one handshaken connection; what can be set
    auth _hardened _option_checks    who may talk to a socket; what an option may be
    zmtp                          the protocol without I/O: bytes in, events out
    _limits _tally _waiting _scope _chance _pyzmq_names    bounds, figures, waiting, tasks, chance
    _log                          every line of the log
    _message                      frames
    _errors _lazy                 exceptions; names that are loaded when they are asked for
    _attribute_texts _absent      the ground: what `help` says of attributes, and of none
"""

import importlib
import typing

if typing.TYPE_CHECKING:
    from trio_mq._exports import *  # noqa: F403

    __all__: list[str]
    __version__: str
else:
    # Each name is loaded when it is first asked for: `import trio_mq.zmtp`, which is for any event
    # loop or none, brings in neither trio nor the sockets, and a Push no Pub.

    def __getattr__(name: str) -> object:
        """Load a public name, and return it."""
        if name == "testing":  # for tests alone
            return importlib.import_module("trio_mq.testing")
        if name == "__version__":
            return importlib.import_module("importlib.metadata").version("trio-mq")
        if name == "__all__" or not name.startswith("_"):
            return importlib.import_module("trio_mq._exports").EXPORTS.load(name)
        raise AttributeError(f"module 'trio_mq' has no attribute {name!r}")

    def __dir__() -> list[str]:
        """List the public names, for completion."""
        return sorted({*globals(), *__getattr__("__all__")})
