"""What somebody who comes from pyzmq may write, and what it is called here.

Without it, ``socket.linger = 0`` would set an attribute that nobody reads, and ``recv`` would only
be said not to exist.
"""

from __future__ import annotations

from typing import Final

_KEYWORD: Final = "give {} to the constructor"

OPTIONS: Final = {
    "affinity": "there are no I/O threads: nothing to set",
    "backlog": _KEYWORD.format("backlog=…"),
    "conflate": _KEYWORD.format("conflate=True"),
    "connect_rid": "give peer_routing_id=… to Router.connect()",
    "connect_routing_id": "give peer_routing_id=… to Router.connect()",
    "connect_timeout": _KEYWORD.format("connect_timeout=… in seconds"),
    "curve_publickey": _KEYWORD.format("mechanism=auth.CurveClient(keys, server=…)"),
    "curve_secretkey": _KEYWORD.format("mechanism=auth.CurveClient(keys, server=…)"),
    "curve_server": _KEYWORD.format("mechanism=auth.CurveServer(keys)"),
    "curve_serverkey": _KEYWORD.format("mechanism=auth.CurveClient(keys, server=…)"),
    "handshake_ivl": _KEYWORD.format("handshake_timeout=… in seconds"),
    "heartbeat_ivl": _KEYWORD.format("heartbeat_interval=… in seconds"),
    "heartbeat_timeout": _KEYWORD.format("heartbeat_timeout=… in seconds"),
    "heartbeat_ttl": _KEYWORD.format("heartbeat_ttl=… in seconds"),
    "hwm": _KEYWORD.format("send_hwm=… and receive_hwm=…"),
    "identity": _KEYWORD.format("routing_id=…"),
    "immediate": _KEYWORD.format("immediate=True"),
    "invert_matching": _KEYWORD.format("invert_matching=True"),
    "ipv4only": _KEYWORD.format("ipv6=False"),
    "ipv6": _KEYWORD.format("ipv6=…"),
    "last_endpoint": "it is what 'await socket.bind(…)' returns, and in socket.endpoints",
    "linger": _KEYWORD.format("linger=… in seconds") + ", or to aclose(); math.inf is for ever",
    "maxmsgsize": _KEYWORD.format("max_message_size=…"),
    "plain_password": _KEYWORD.format("mechanism=auth.PlainClient(username, password)"),
    "plain_server": _KEYWORD.format("mechanism=auth.PlainServer()"),
    "plain_username": _KEYWORD.format("mechanism=auth.PlainClient(username, password)"),
    "probe_router": _KEYWORD.format("probe=True"),
    "rcvbuf": _KEYWORD.format("receive_buffer=…"),
    "rcvhwm": _KEYWORD.format("receive_hwm=…"),
    "rcvtimeo": "put the call into 'with trio.fail_after(seconds):'",
    "reconnect_ivl": _KEYWORD.format("reconnect_interval=… in seconds"),
    "reconnect_ivl_max": _KEYWORD.format("reconnect_interval_max=… in seconds"),
    "req_correlate": _KEYWORD.format("correlate=True"),
    "req_relaxed": "call request(), which can be cancelled and called again",
    "router_handover": _KEYWORD.format("handover=True"),
    "router_mandatory": _KEYWORD.format("mandatory=True"),
    "routing_id": _KEYWORD.format("routing_id=…"),
    "sndbuf": _KEYWORD.format("send_buffer=…"),
    "sndhwm": _KEYWORD.format("send_hwm=…"),
    "sndtimeo": "put the call into 'with trio.fail_after(seconds):'",
    "subscribe": "call subscribe(topic), or give topics=… to the constructor",
    "tcp_keepalive": _KEYWORD.format("tcp_keepalive=…"),
    "tcp_keepalive_cnt": _KEYWORD.format("tcp_keepalive_count=…"),
    "tcp_keepalive_idle": _KEYWORD.format("tcp_keepalive_idle=… in seconds"),
    "tcp_keepalive_intvl": _KEYWORD.format("tcp_keepalive_interval=… in seconds"),
    "unsubscribe": "call unsubscribe(topic)",
    "xpub_manual": _KEYWORD.format("manual=True"),
    "xpub_nodrop": _KEYWORD.format('on_full="block"'),
    "xpub_verbose": _KEYWORD.format('verbose="subscribe"'),
    "xpub_verboser": _KEYWORD.format('verbose="all"'),
    "xpub_welcome_msg": _KEYWORD.format("welcome_message=…"),
    "zap_domain": _KEYWORD.format("zap_domain=…"),
}
"""What to write instead of a socket option of libzmq or an attribute of pyzmq, in lower case."""

METHODS: Final = {
    "close": "leave the 'async with' block, or 'await socket.aclose()'",
    "closed": "a call on a closed socket raises trio.ClosedResourceError",
    "context": "give context=… to the constructor",
    "fd": "see trio_mq.lowlevel.wait_readable(socket) and wait_writable(socket)",
    "fileno": "see trio_mq.lowlevel.wait_readable(socket) and wait_writable(socket)",
    "get": "see statistics(), peers and endpoints for what can be known",
    "get_monitor_socket": "use 'with socket.events() as events:'",
    "getsockopt": "see statistics(), peers and endpoints for what can be known",
    "monitor": "use 'with socket.events() as events:'",
    "poll": "await the call itself, in 'with trio.move_on_after(seconds):'",
    "recv": "use 'await socket.receive()'",
    "recv_json": "use '(await socket.receive()).json()'",
    "recv_multipart": "use 'await socket.receive()': a message is the tuple of its frames",
    "recv_pyobj": "there is no pickle here: receive bytes and decode them yourself",
    "recv_string": "use '(await socket.receive()).text'",
    "send_json": "use 'await socket.send(json.dumps(thing).encode())'",
    "send_multipart": "use 'await socket.send([first, second])'",
    "send_pyobj": "there is no pickle here: encode the object yourself",
    "send_string": "use 'await socket.send(text.encode())'",
    "set": "give options as keywords to the constructor",
    "set_hwm": OPTIONS["hwm"],
    "setsockopt": "give options as keywords to the constructor",
    "setsockopt_string": "give options as keywords to the constructor",
    "setsockopt_unicode": "give options as keywords to the constructor",
    "bind_to_random_port": "use \"await socket.bind('tcp://127.0.0.1:*')\", which returns the port",
}
"""What to write instead of a method or a property of a pyzmq socket."""


def remedy(name: str) -> str | None:
    """Return what to write instead of a name of pyzmq's; ``None`` if it is none."""
    return METHODS.get(name) or OPTIONS.get(name.lower())
