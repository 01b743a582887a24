"""Endpoint strings, as a table: what bind and connect make of each, or that they refuse it.

The cases of libzmq's own resolver tests and of its connect, bind and source address tests are
here; where we are stricter than libzmq, the comment says so.
"""

from __future__ import annotations

import string

import pytest
from hypothesis import given, strategies as st

from trio_mq._transports.endpoint import InprocEndpoint, IpcEndpoint, TcpEndpoint
from trio_mq._transports.schemes import parse_bind, parse_connect

LONGEST = "/" + "p" * 106
V6_ALL_ONES = ":".join(["ffff"] * 8)

# (as written, canonical when bound, canonical when connected to); None: refused with ValueError.
TABLE: list[tuple[str, str | None, str | None]] = [
    # plain
    ("tcp://127.0.0.1:5555", "tcp://127.0.0.1:5555", "tcp://127.0.0.1:5555"),
    ("tcp://localhost:1234", "tcp://localhost:1234", "tcp://localhost:1234"),
    ("tcp://ip.zeromq.org:1234", "tcp://ip.zeromq.org:1234", "tcp://ip.zeromq.org:1234"),
    ("tcp://my-host_1.example:80", "tcp://my-host_1.example:80", "tcp://my-host_1.example:80"),
    ("tcp://bücher.example:80", "tcp://bücher.example:80", "tcp://bücher.example:80"),
    ("tcp://lo:5555", "tcp://lo:5555", "tcp://lo:5555"),
    ("tcp://eth0.100:5555", "tcp://eth0.100:5555", "tcp://eth0.100:5555"),
    ("tcp://0.0.0.0:80", "tcp://0.0.0.0:80", "tcp://0.0.0.0:80"),
    ("tcp://255.255.255.255:80", "tcp://255.255.255.255:80", "tcp://255.255.255.255:80"),
    ("tcp://1.2.128.129:123", "tcp://1.2.128.129:123", "tcp://1.2.128.129:123"),
    # wildcards
    ("tcp://*:5555", "tcp://*:5555", None),
    ("tcp://*:*", "tcp://*:*", None),
    ("tcp://*:0", "tcp://*:*", None),
    ("tcp://127.0.0.1:*", "tcp://127.0.0.1:*", None),
    ("tcp://127.0.0.1:0", "tcp://127.0.0.1:*", None),  # libzmq connects, and never arrives
    ("tcp://lo:*", "tcp://lo:*", None),
    ("tcp://[::1]:*", "tcp://[::1]:*", None),
    ("tcp://[*]:5555", None, None),
    ("tcp://*", None, None),
    ("tcp://**:1", None, None),
    ("tcp://*.example:1", None, None),
    # ports
    ("tcp://127.0.0.1:1", "tcp://127.0.0.1:1", "tcp://127.0.0.1:1"),
    ("tcp://127.0.0.1:65535", "tcp://127.0.0.1:65535", "tcp://127.0.0.1:65535"),
    ("tcp://127.0.0.1:00080", "tcp://127.0.0.1:80", "tcp://127.0.0.1:80"),
    ("tcp://127.0.0.1:65536", None, None),
    ("tcp://127.0.0.1:65616", None, None),  # port 80 to libzmq
    ("tcp://1.2.3.4:567bad", None, None),  # port 567 to libzmq
    ("tcp://127.0.0.1:80x", None, None),
    ("tcp://127.0.0.1:bad", None, None),
    ("tcp://127.0.0.1:-1", None, None),
    ("tcp://127.0.0.1:+1", None, None),
    ("tcp://127.0.0.1: 1", None, None),
    ("tcp://127.0.0.1:1 ", None, None),
    ("tcp://127.0.0.1:1_0", None, None),
    ("tcp://127.0.0.1:٣", None, None),  # a digit to int(), and to nobody else
    ("tcp://127.0.0.1:²", None, None),
    ("tcp://127.0.0.1:" + "9" * 5000, None, None),
    ("tcp://127.0.0.1:1/path", None, None),
    ("tcp://127.0.0.1:", None, None),
    ("tcp://127.0.0.1", None, None),
    ("tcp://localhost", None, None),
    ("tcp://localhost:invalid", None, None),
    # hosts
    ("tcp://", None, None),
    ("tcp://:5555", None, None),
    ("tcp://[]:5555", None, None),
    ("tcp://in val id:1234", None, None),
    ("tcp:// localhost:1234", None, None),
    ("tcp://local\nhost:1234", None, None),
    ("tcp://local\0host:1234", None, None),
    ("tcp://user@host:1234", None, None),
    ("tcp:///host:1234", None, None),
    ("tcp://host/x:1234", None, None),
    ("tcp://host?x:1234", None, None),
    ("tcp://host#x:1234", None, None),
    # IPv4 in other forms
    ("tcp://[192.168.1.1]:5555", "tcp://192.168.1.1:5555", "tcp://192.168.1.1:5555"),
    ("tcp://127.1:5", "tcp://127.0.0.1:5", "tcp://127.0.0.1:5"),
    ("tcp://0:5", "tcp://0.0.0.0:5", "tcp://0.0.0.0:5"),
    ("tcp://0x7f.0.0.1:5", "tcp://127.0.0.1:5", "tcp://127.0.0.1:5"),
    ("tcp://1.2.3.256:5", None, None),
    ("tcp://1.2.3.4.5:5", None, None),
    ("tcp://99999999999:5", None, None),
    ("tcp://[192.168.1.1:]5555", None, None),
    ("tcp://[192.168.1.1:5555]", None, None),
    ("tcp://[192.168.1.1:*]", None, None),
    ("tcp://[192.168.1.1:5555", None, None),
    ("tcp://192.168.1.1]:5555", None, None),
    ("tcp://[192.168.1].1:5555", None, None),
    # IPv6
    ("tcp://[::1]:1234", "tcp://[::1]:1234", "tcp://[::1]:1234"),
    ("tcp://[::]:1234", "tcp://[::]:1234", "tcp://[::]:1234"),
    ("tcp://::1:1234", "tcp://[::1]:1234", "tcp://[::1]:1234"),
    (
        "tcp://abcd:1234::1:0:234:123",
        "tcp://[abcd:1234::1:0:234]:123",
        "tcp://[abcd:1234::1:0:234]:123",
    ),
    ("tcp://[0:0:0::0001]:80", "tcp://[::1]:80", "tcp://[::1]:80"),
    ("tcp://[ABCD::]:80", "tcp://[abcd::]:80", "tcp://[abcd::]:80"),
    (f"tcp://[{V6_ALL_ONES}]:80", f"tcp://[{V6_ALL_ONES}]:80", f"tcp://[{V6_ALL_ONES}]:80"),
    ("tcp://[::1]", None, None),
    ("tcp://[::1]:", None, None),
    ("tcp://[::1:80", None, None),
    ("tcp://::1]:80", None, None),
    ("tcp://[[::1]]:80", None, None),
    ("tcp://[abcd:1234::1:]0:234", None, None),
    ("tcp://[::1]x:80", None, None),
    ("tcp://[1::2::3]:80", None, None),
    ("tcp://[12345::]:80", None, None),
    ("tcp://[localhost]:22", "tcp://localhost:22", "tcp://localhost:22"),
    ("tcp://[ip.zeromq.org:22]", None, None),
    ("tcp://[ip.zeromq].org:22", None, None),
    # scopes
    ("tcp://[fe80::1%eth0]:80", "tcp://[fe80::1%eth0]:80", "tcp://[fe80::1%eth0]:80"),
    (
        "tcp://[3000:4:5::1:234%2]:11",
        "tcp://[3000:4:5::1:234%2]:11",
        "tcp://[3000:4:5::1:234%2]:11",
    ),
    ("tcp://fe80::1%eth0:80", "tcp://[fe80::1%eth0]:80", "tcp://[fe80::1%eth0]:80"),
    ("tcp://[fe80::1%0]:80", None, None),
    ("tcp://[fe80::1%]:80", None, None),
    ("tcp://[fe80::1%a%b]:80", None, None),
    ("tcp://[fe80::1%a b]:80", None, None),
    ("tcp://1.2.3.4%eth0:80", None, None),
    ("tcp://ip.zeromq.org%lo:80", None, None),  # libzmq takes it, and says it is hardly of use
    # source addresses
    ("tcp://127.0.0.1:0;localhost:1234", None, "tcp://127.0.0.1:0;localhost:1234"),
    ("tcp://localhost:5555;localhost:1234", None, "tcp://localhost:5555;localhost:1234"),
    ("tcp://lo:5555;localhost:1234", None, "tcp://lo:5555;localhost:1234"),
    ("tcp://*:0;localhost:1234", None, "tcp://*:0;localhost:1234"),
    ("tcp://[0::1]:0;[0::1]:1234", None, "tcp://[::1]:0;[::1]:1234"),
    ("tcp://::1:0;::1:1234", None, "tcp://[::1]:0;[::1]:1234"),
    ("tcp://localhost;localhost:1234", None, None),
    ("tcp://localhost:*;localhost:1234", None, None),
    ("tcp://localhost:65536;localhost:1234", None, None),
    ("tcp://;localhost:1234", None, None),
    ("tcp://localhost:0;", None, None),
    ("tcp://localhost:0;*:1234", None, None),
    ("tcp://a:0;b:0;c:1", None, None),
    # ipc
    ("ipc:///tmp/socket", "ipc:///tmp/socket", "ipc:///tmp/socket"),
    ("ipc://socket", "ipc://socket", "ipc://socket"),
    ("ipc://./a b:c;d", "ipc://./a b:c;d", "ipc://./a b:c;d"),
    ("ipc://ü", "ipc://ü", "ipc://ü"),
    ("ipc://@name", "ipc://@name", "ipc://@name"),
    ("ipc://@/with/slash", "ipc://@/with/slash", "ipc://@/with/slash"),
    ("ipc://*", "ipc://*", None),
    ("ipc://**", "ipc://**", "ipc://**"),
    ("ipc://" + LONGEST, "ipc://" + LONGEST, "ipc://" + LONGEST),
    ("ipc://" + LONGEST + "p", None, None),
    ("ipc://@" + "n" * 107, "ipc://@" + "n" * 107, "ipc://@" + "n" * 107),
    ("ipc://@" + "n" * 108, None, None),
    ("ipc://" + "ü" * 54, None, None),  # 54 characters, 108 bytes
    ("ipc://@", None, None),
    ("ipc://", None, None),
    ("ipc://\ud800", None, None),
    ("ipc:///tmp/a\0b", None, None),
    ("ipc://@a\0b", None, None),
    # inproc
    ("inproc://name", "inproc://name", "inproc://name"),
    ("inproc://any text: *, 日本", "inproc://any text: *, 日本", "inproc://any text: *, 日本"),
    ("inproc://*", "inproc://*", "inproc://*"),
    ("inproc://", None, None),
    # schemes
    ("", None, None),
    ("://", None, None),
    ("://localhost:1", None, None),
    ("localhost:1234", None, None),
    ("tcp:localhost:1234", None, None),
    ("tcp:/localhost:1234", None, None),
    ("TCP://localhost:1234", None, None),
    (" tcp://localhost:1234", None, None),
    ("invalid://localhost:1234", None, None),
    ("udp://localhost:1234", None, None),
]


@pytest.mark.parametrize(("written", "canonical"), [(w, b) for w, b, _ in TABLE])
def test_bind_reads_or_refuses(written: str, canonical: str | None) -> None:
    """What bind takes has one canonical form, and that is read as the same endpoint."""
    if canonical is None:
        with pytest.raises(ValueError, match="endpoint "):
            parse_bind(written)
    else:
        assert str(parse_bind(written)) == canonical
        assert parse_bind(canonical) == parse_bind(written)


@pytest.mark.parametrize(("written", "canonical"), [(w, c) for w, _, c in TABLE])
def test_connect_reads_or_refuses(written: str, canonical: str | None) -> None:
    """What connect takes has one canonical form, and that is read as the same endpoint."""
    if canonical is None:
        with pytest.raises(ValueError, match="endpoint "):
            parse_connect(written)
    else:
        assert str(parse_connect(written)) == canonical
        assert parse_connect(canonical) == parse_connect(written)


@pytest.mark.parametrize("refused", [w for w, b, c in TABLE if b is None and c is None])
def test_a_refusal_names_the_endpoint_and_says_what_is_allowed(refused: str) -> None:
    """The text repeats what was written, and goes on to say more."""
    with pytest.raises(ValueError, match="endpoint ") as caught:
        parse_connect(refused)
    assert str(caught.value).startswith(f"endpoint {refused!r}: ")
    assert len(str(caught.value)) > len(f"endpoint {refused!r}: ") + 20


@pytest.mark.parametrize("wrong", [None, b"tcp://127.0.0.1:1", 5555, ["tcp://127.0.0.1:1"]])
def test_what_is_no_text_is_a_type_error(wrong: object) -> None:
    """The kind is wrong, not the value, and the text shows how an endpoint looks."""
    for parse in (parse_bind, parse_connect):
        with pytest.raises(TypeError, match="an endpoint is a str"):
            parse(wrong)  # type: ignore[arg-type]


def test_the_parts_of_a_tcp_endpoint_are_values() -> None:
    """Whoever dials gets host, port and source apart, without brackets and wildcards as None."""
    assert parse_bind("tcp://[::1]:*") == TcpEndpoint("::1", None)
    assert parse_connect("tcp://lo:7;h:8") == TcpEndpoint("h", 8, ("lo", 7))


def test_the_parts_of_ipc_and_inproc_endpoints_are_values() -> None:
    """The marks of the notation are gone: the wildcard is None, the @ a flag."""
    assert parse_bind("ipc://*") == IpcEndpoint(None)
    assert parse_connect("ipc://@x") == IpcEndpoint("x", abstract=True)
    assert parse_connect("inproc://x") == InprocEndpoint("x")


@given(st.text())
def test_any_text_is_read_or_refused_with_a_value_error(text: str) -> None:
    """No text whatever raises anything else than ValueError, and what is read is canonical."""
    for scheme in ("", "tcp://", "ipc://", "inproc://"):
        for parse in (parse_bind, parse_connect):
            try:
                read = parse(scheme + text)
            except ValueError:
                continue
            assert parse(str(read)) == read


@given(st.text(string.digits + ".:;*[]%@ a", max_size=20))
def test_any_punctuation_of_tcp_is_read_or_refused(address: str) -> None:
    """The same where the grammar is: brackets, colons, stars and digits in any order."""
    for parse in (parse_bind, parse_connect):
        try:
            read = parse("tcp://" + address)
        except ValueError:
            continue
        assert parse(str(read)) == read
