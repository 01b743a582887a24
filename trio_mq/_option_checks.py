"""The checks of single options: each refuses a value where it is given, and says what is allowed.

Each is a validator or a converter of attrs for one field of `Options`, or for several of a kind.
The checks of numbers, which `Limits` needs too, are in `_limits`.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, cast

import attrs

from trio_mq._limits import Limits, Validator, refuse, seconds
from trio_mq.zmtp.metadata import CORRELATE


def flag(_: object, field: attrs.Attribute[Any], value: object) -> None:
    if not isinstance(value, bool):
        raise TypeError(f"{field.name} is True or False, not {value!r}")


def one_of(choices: tuple[str, ...]) -> Validator:
    def check(_: object, field: attrs.Attribute[Any], value: object) -> None:
        if value not in choices:
            raise refuse(field, value, "one of " + ", ".join(map(repr, choices)))

    return check


def routing_id(_: object, field: attrs.Attribute[Any], value: object) -> None:
    if not isinstance(value, bytes):
        raise TypeError(f"{field.name} is bytes, not {value!r}")
    if len(value) > 255 or value[:1] == b"\x00":
        raise refuse(field, value, "at most 255 bytes that do not start with a zero byte (RFC 28)")


def frozen_metadata(value: Mapping[str, bytes | str]) -> Mapping[str, bytes]:
    if not isinstance(value, Mapping):
        raise TypeError(f"metadata is a mapping of 'X-…' names to bytes or str, not {value!r}")
    return MappingProxyType(
        {name: v.encode() if isinstance(v, str) else v for name, v in value.items()}
    )


_NAME_CHARACTERS: Final = frozenset(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.+"
)


def metadata(_: object, field: attrs.Attribute[Any], value: Mapping[str, bytes]) -> None:
    for name, content in value.items():
        if not isinstance(name, str) or not isinstance(content, bytes):
            raise TypeError(
                f"{field.name} maps 'X-…' names to bytes or str, not {name!r} to {content!r}"
            )
        if not name.startswith("X-") or len(name) > 255 or not set(name) <= _NAME_CHARACTERS:
            raise refuse(field, name, "names of the form X-…, of letters, digits and - _ . +")
        if name.lower() == CORRELATE.lower():
            raise refuse(field, name, "any other name: this one is the library's own")


def heartbeat_ttl(_: object, field: attrs.Attribute[Any], value: object) -> None:
    seconds(optional=True)(_, field, value)
    if value is not None and cast("float", value) > 65.5:
        # libzmq multiplies deciseconds by 100 in 16 bits: a longer time wraps there and kills us.
        raise refuse(field, value, "at most 65.5 seconds: libzmq peers overflow above that")


def mechanism(_: object, field: attrs.Attribute[Any], value: object) -> None:
    if value is not None and (isinstance(value, type) or not _is_mechanism(value)):
        raise TypeError(
            f"{field.name} is an object such as auth.CurveServer(keys) or None, not {_named(value)}"
        )


def _is_mechanism(value: object) -> bool:
    return all(hasattr(value, name) for name in ("name", "as_server", "start"))


def authenticator(_: object, field: attrs.Attribute[Any], value: object) -> None:
    if value is not None and (isinstance(value, type) or not callable(value)):
        raise TypeError(
            f"{field.name} is an async function, one of trio_mq.auth such as auth.ALLOW_ANY, "
            f"or None, not {_named(value)}"
        )


def _named(value: object) -> str:
    # Not its repr: if somebody gives a key or a password here by mistake, the error must not show
    # it.
    return f"the class {value.__name__}" if isinstance(value, type) else type(value).__name__


def file_mode(_: object, field: attrs.Attribute[Any], value: object) -> None:
    if value is None:
        return
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{field.name} is a file mode such as 0o600, or None, not {value!r}")
    if not 0 <= value <= 0o777:
        raise ValueError(f"{field.name}={value:#o} is not allowed: give a mode up to 0o777")


def tls_context(_: object, field: attrs.Attribute[Any], value: object) -> None:
    """Check that it is a context of the standard library."""
    if value is not None and not isinstance(value, ssl.SSLContext):
        raise TypeError(f"{field.name} is an ssl.SSLContext or None, not {value!r}")


def zap_domain(_: object, field: attrs.Attribute[Any], value: object) -> None:
    if not isinstance(value, str):
        raise TypeError(f"{field.name} is str, not {value!r}")
    if len(value.encode()) > 255:
        raise refuse(field, value, "at most 255 bytes (RFC 27)")


def limits(_: object, field: attrs.Attribute[Any], value: object) -> None:
    if not isinstance(value, Limits):
        raise TypeError(f"{field.name} is a trio_mq.Limits, not {value!r}")


def or_default_max_peers(value: int | None) -> int:
    """Return how many peers leave the program some descriptors of its own."""
    if value is not None:
        return value
    try:
        import resource  # noqa: PLC0415  # only Unix has it
    except ImportError:
        return 4096
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return 4096
    return max(16, min(4096, soft - 64))


def own_message(_: object, field: attrs.Attribute[Any], value: object) -> None:
    """Check a message of one frame that the library sends by itself."""
    if value is not None and not isinstance(value, bytes):
        raise TypeError(f"{field.name} is bytes or None, not {value!r}")


def hello_message(options: object, field: attrs.Attribute[Any], value: object) -> None:
    """Check the first message of each connection: there can only be one."""
    own_message(options, field, value)
    if value is not None and getattr(options, "probe", False):
        raise ValueError(
            f"{field.name}={value!r} is not allowed beside probe=True: either is the first message "
            "of a connection, so leave probe out"
        )


def near(name: str, allowed: frozenset[str]) -> str | None:
    """Suggest an option whose name is spelt almost like that."""
    import difflib  # noqa: PLC0415  # it takes a while to load, and only a mistake needs it

    close = difflib.get_close_matches(name, sorted(allowed))
    return f"do you mean {' or '.join(close)}?" if close else None
