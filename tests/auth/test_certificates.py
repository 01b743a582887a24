"""Certificate files: read and written as czmq and pyzmq do, by both."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
import zmq.auth

from trio_mq import auth
from trio_mq.auth.certificates import parse_certificate

KEYS = auth.CurveKeys.generate()


def test_pyzmq_reads_what_we_write(tmp_path: Path) -> None:
    """Both halves from the secret file, one from the public one."""
    public, secret = auth.write_certificate(tmp_path, "alice", KEYS, {"email": "a@example.org"})
    assert (public.name, secret.name) == ("alice.key", "alice.key_secret")
    assert zmq.auth.load_certificate(public) == (KEYS.public.encode(), None)
    assert zmq.auth.load_certificate(secret) == (KEYS.public.encode(), KEYS.secret.encode())
    assert zmq.auth.load_certificates(tmp_path) == {KEYS.public.encode(): True}


def test_we_read_what_pyzmq_writes(tmp_path: Path) -> None:
    """With its metadata, which it writes into the secret file only."""
    public, secret = zmq.auth.create_certificates(tmp_path, "bob", {"name": "Bob the builder"})
    found = auth.read_certificate(secret)
    assert (found.public.encode(), (found.secret or "").encode()) == zmq.auth.load_certificate(
        secret
    )
    assert found.metadata == {"name": "Bob the builder"}
    assert found.keys.secret == found.secret
    assert auth.read_certificate(public) == auth.Certificate(public=found.public)


def test_what_we_write_we_read(tmp_path: Path) -> None:
    """The same keys and words."""
    said = {"name": "Alice", "motto": "no pain = no gain # really"}
    public, secret = auth.write_certificate(str(tmp_path), "alice", KEYS, said)
    assert auth.read_certificate(str(secret)).keys == KEYS
    assert auth.read_certificate(public).metadata == said


def test_the_secret_file_is_for_its_owner_only(tmp_path: Path) -> None:
    """From its first byte on, and also where another file was."""
    (tmp_path / "alice.key_secret").write_text("open to all")
    _, secret = auth.write_certificate(tmp_path, "alice", KEYS)
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["alice.key", "alice.key_secret"]


def test_a_public_certificate_has_no_keys_to_be_a_server_with(tmp_path: Path) -> None:
    """The error says which file has."""
    public, _ = auth.write_certificate(tmp_path, "alice", KEYS)
    with pytest.raises(ValueError, match="key_secret"):
        _ = auth.read_certificate(public).keys


BAD = {
    "empty": b"",
    "no section": b"public-key = 1\n",
    "no public key": b'curve\n    secret-key = "x"\n',
    "a short key": b'curve\n    public-key = "short"\n',
    "a line of nothing": b"curve\n    public-key\n",
    "no text": b"\xff\xfe",
    "huge": b"#" * 100_000,
    "a bad secret": b"curve\n    public-key = %a\n    secret-key = S3CRET\n" % KEYS.public,
}


@pytest.mark.parametrize("content", BAD.values(), ids=BAD)
def test_what_is_no_certificate_is_refused_with_its_path(tmp_path: Path, content: bytes) -> None:
    """And without what is in it, for that may be a secret."""
    path = tmp_path / "alice.key_secret"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"alice\.key_secret is not a certificate") as caught:
        auth.read_certificate(path)
    assert "S3CRET" not in str(caught.value)
    assert caught.value.__context__ is None


def test_a_key_without_quotes_is_read() -> None:
    """Czmq writes them, and people leave them out."""
    text = f"# a comment\n\ncurve\n    public-key = {KEYS.public}\n"
    assert parse_certificate(text).public == KEYS.public


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\0b"])
def test_a_name_is_that_of_a_file(tmp_path: Path, name: str) -> None:
    """Nothing is written elsewhere."""
    with pytest.raises(ValueError, match="name="):
        auth.write_certificate(tmp_path, name, KEYS)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "metadata", [{"a b": "c"}, {"a": 'say "hi"'}, {"a": "b\nsecret-key = x"}, {"#a": "b"}, {"": ""}]
)
def test_metadata_that_could_be_read_as_something_else_is_refused(
    tmp_path: Path, metadata: dict[str, str]
) -> None:
    """Nothing is written."""
    with pytest.raises(ValueError, match="metadata"):
        auth.write_certificate(tmp_path, "alice", KEYS, metadata)
    assert list(tmp_path.iterdir()) == []


def test_a_write_that_fails_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk costs no key."""
    auth.write_certificate(tmp_path, "alice", KEYS)

    def fail(self: Path, target: Path) -> Path:
        raise OSError("no space left")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="no space"):
        auth.write_certificate(tmp_path, "alice", auth.CurveKeys.generate())
    assert len(list(tmp_path.iterdir())) == 2
    assert auth.read_certificate(tmp_path / "alice.key_secret").keys == KEYS
