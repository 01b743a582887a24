"""Certificates for tests, and contexts that have them or trust them."""

from __future__ import annotations

import ssl
from typing import Final

import trustme

AUTHORITY: Final = trustme.CA()
ANOTHER_AUTHORITY: Final = trustme.CA()


def server_context(
    *names: str, authority: trustme.CA = AUTHORITY, asks_clients: bool = False
) -> ssl.SSLContext:
    """Return the context of a server with these names; local ones, if none is given."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(*(names or ("localhost", "127.0.0.1"))).configure_cert(context)
    if asks_clients:
        AUTHORITY.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def client_context(user: str | None = None, *, authority: trustme.CA = AUTHORITY) -> ssl.SSLContext:
    """Return the context of a client that trusts the authority, and shows who it is if it can."""
    context = ssl.create_default_context()
    AUTHORITY.configure_trust(context)
    if user is not None:
        authority.issue_cert(f"{user}@example.org", common_name=user).configure_cert(context)
    return context
