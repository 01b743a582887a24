"""Keys and passwords on the command line, as options of a socket."""

from __future__ import annotations

from pathlib import Path

import attrs
import click

from trio_mq import auth


@attrs.frozen(kw_only=True)
class Credentials:
    """What a user gave; see `security_options` for what each means."""

    username: str | None = None
    password: str | None = None
    passwords: Path | None = None
    key: Path | None = None
    server_key: str | None = None
    allow: str | None = None

    def options(self) -> dict[str, object]:
        """Return the options of a socket that follow from it.

        Raises:
            click.UsageError: They don't go together.
        """
        if self.passwords is not None:
            return {
                "mechanism": auth.PlainServer(),
                "authenticator": auth.PasswordFile(self.passwords),
            }
        if self.username is not None:
            return {"mechanism": auth.PlainClient(self.username, self.password or "")}
        if self.server_key is not None:
            server = public_key(self.server_key)
            if self.key is None:
                return {"mechanism": auth.CurveClient(server=server)}
            return {"mechanism": auth.CurveClient(auth.read_certificate(self.key), server=server)}
        if self.key is not None:
            return {
                "mechanism": auth.CurveServer(auth.read_certificate(self.key)),
                "authenticator": self._authenticator(),
            }
        return {}

    def _authenticator(self) -> auth.Authenticator:
        if self.allow is None:
            raise click.UsageError(
                "a CURVE server says who may come in: give --allow FOLDER with public "
                "certificates, or --allow any (a client gives --server-key)"
            )
        return auth.ALLOW_ANY if self.allow == "any" else auth.KeyFolder(self.allow)


def public_key(given: str) -> str:
    """Return a public key that was given as text, or as a certificate file."""
    path = Path(given)
    return auth.read_certificate(path).public if path.is_file() else given
