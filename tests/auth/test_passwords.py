"""Passwords in the program and in a file."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
import trio.testing

from trio_mq import auth


def says(username: str, password: str) -> auth.Request:
    """Return the request of a peer that says this."""
    return auth.Request(mechanism="PLAIN", username=username, password=password)


async def user(judge: auth.Passwords | auth.PasswordFile, name: str, password: str) -> str | None:
    """Return whom a judge recognises."""
    verdict = await judge(says(name, password))
    return verdict.user_id if isinstance(verdict, auth.Granted) else None


async def test_the_right_password_lets_its_user_in() -> None:
    """And nobody else, nor with another's."""
    judge = auth.Passwords({"alice": "secret", "bob": "", "\udcff": "\udc80"})
    assert await user(judge, "alice", "secret") == "alice"
    assert await user(judge, "bob", "") == "bob"
    assert await user(judge, "\udcff", "\udc80") == "\udcff"
    for name, password in [("alice", ""), ("bob", "secret"), ("eve", "secret"), ("", "")]:
        assert await user(judge, name, password) is None


async def test_a_refusal_does_not_say_what_was_wrong() -> None:
    """Else names could be found out one by one."""
    judge = auth.Passwords({"alice": "secret"})
    assert await judge(says("alice", "wrong")) == await judge(says("nobody", "wrong"))


async def test_who_shows_no_password_is_refused() -> None:
    """Under CURVE, say."""
    verdict = await auth.Passwords({"a": "b"})(auth.Request(mechanism="CURVE", public_key="k"))
    assert isinstance(verdict, auth.Refused)
    assert "CURVE" in verdict.reason


def test_a_password_is_text() -> None:
    """A number would never match."""
    with pytest.raises(TypeError, match="alice"):
        auth.Passwords({"alice": 5})  # type: ignore[dict-item]


def test_passwords_are_not_shown_nor_kept() -> None:
    """Only how many there are."""
    judge = auth.Passwords({"alice": "s3cret"})
    assert repr(judge) == "<Passwords of 1 users>"
    assert "s3cret" not in repr(judge._roll._known)
    assert "s3cret" not in repr(says("alice", "s3cret"))


async def test_a_file_has_a_line_for_each_user(tmp_path: Path) -> None:
    """With either sign between, and comments."""
    path = tmp_path / "users"
    path.write_text("# who\n\nalice=se:cret\nbob:p=w\n  carol = spaced  \n")
    judge = auth.PasswordFile(path)
    assert await user(judge, "alice", "se:cret") == "alice"
    assert await user(judge, "bob", "p=w") == "bob"
    assert await user(judge, "carol", "spaced") == "carol"
    assert "3 users" in repr(judge)
    assert "cret" not in repr(judge)


async def test_a_change_of_the_file_counts_at_once_for_newcomers(tmp_path: Path) -> None:
    """And revokes what the old password granted."""
    path = tmp_path / "users"
    path.write_text("alice=old\nbob=same\n")
    judge = auth.PasswordFile(path)
    alice, bob = await judge(says("alice", "old")), await judge(says("bob", "same"))
    assert isinstance(alice, auth.Granted)
    assert isinstance(bob, auth.Granted)
    path.write_text("alice=newer\nbob=same\n")
    assert await user(judge, "alice", "old") is None
    assert await user(judge, "alice", "newer") == "alice"
    assert alice.revocations[0].revoked
    assert not bob.revocations[0].revoked


async def test_a_user_that_goes_is_revoked_within_the_interval(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    """Though nobody else comes."""
    path = tmp_path / "users"
    path.write_text("alice=a\n")
    judge = auth.PasswordFile(path, reload_interval=2)
    alice = await judge(says("alice", "a"))
    assert isinstance(alice, auth.Granted)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(judge.watch)
        await trio.testing.wait_all_tasks_blocked()
        path.write_text("")
        await trio.sleep(2.1)
        nursery.cancel_scope.cancel()
    assert alice.revocations[0].revoked


@pytest.mark.parametrize("broken", ["gone", "malformed"])
async def test_a_file_that_cannot_be_read_lets_nobody_in_and_nobody_stay(
    tmp_path: Path, broken: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It fails closed, says so once and without a password, and recovers."""
    path = tmp_path / "users"
    path.write_text("alice=s3cret\n")
    judge = auth.PasswordFile(path)
    alice = await judge(says("alice", "s3cret"))
    assert isinstance(alice, auth.Granted)
    if broken == "gone":
        path.unlink()
    else:
        path.write_text("alice s3cret\n")
    assert await user(judge, "alice", "s3cret") is None
    assert await user(judge, "alice", "s3cret") is None
    assert alice.revocations[0].revoked
    assert len(caplog.records) == 1
    assert "s3cret" not in caplog.text
    path.write_text("alice=s3cret\n")
    assert await user(judge, "alice", "s3cret") == "alice"


def test_a_bad_file_is_an_error_where_it_is_given(tmp_path: Path) -> None:
    """So is an interval that is none."""
    with pytest.raises(FileNotFoundError):
        auth.PasswordFile(tmp_path / "nowhere")
    (tmp_path / "users").write_text("=no name\n")
    with pytest.raises(ValueError, match="line 1"):
        auth.PasswordFile(tmp_path / "users")
    with pytest.raises(ValueError, match="reload_interval"):
        auth.PasswordFile(tmp_path / "users", reload_interval=-1)


def test_what_a_bad_file_says_is_in_no_error(tmp_path: Path) -> None:
    """An error of the decoder would hold all of it."""
    path = tmp_path / "passwords"
    path.write_bytes(b"alice=s3cret\nbob=\xff\n")
    with pytest.raises(ValueError, match="at byte 17") as caught:
        auth.PasswordFile(path)
    error = caught.value
    assert "s3cret" not in f"{vars(error)} {error.args}"
    assert not isinstance(error, UnicodeError)
    assert error.__context__ is None
