"""Keys as objects, as options, and on lists."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import trio
import trio.testing
import zmq
import zmq.auth

from trio_mq import auth
from trio_mq.zmtp.z85 import z85_decode, z85_encode

ALICE = auth.CurveKeys.generate()
BOB = auth.CurveKeys.generate()


def shown(public_key: str) -> auth.Request:
    """Return the request of a peer that owns a key."""
    return auth.Request(mechanism="CURVE", public_key=public_key)


# -- one pair of keys ------------------------------------------------------------------------------


def test_new_keys_are_new_and_belong_together() -> None:
    """Libzmq derives the same public half."""
    assert ALICE != BOB
    assert zmq.curve_public(ALICE.secret.encode()).decode() == ALICE.public


@pytest.mark.parametrize("form", ["text", "ascii", "raw"])
def test_keys_are_taken_as_text_or_bytes(form: str) -> None:
    """Also as pyzmq gives them: text in bytes. The public half may be left out."""
    public, secret = zmq.curve_keypair()
    given: dict[str, tuple[str | bytes, str | bytes]] = {
        "text": (public.decode(), secret.decode()),
        "ascii": (public, secret),
        "raw": (z85_decode(public.decode()), z85_decode(secret.decode())),
    }
    ours, hidden = given[form]
    assert auth.CurveKeys(public=ours, secret=hidden) == auth.CurveKeys(secret=hidden)
    assert auth.CurveKeys(secret=hidden).public == public.decode()


@pytest.mark.parametrize(
    "key",
    [b"", b"k" * 31, b"k" * 33, "k" * 39, "k" * 41, "~" * 40, "#" * 40, bytes(32), "0" * 40],
    ids=repr,
)
def test_what_is_no_key_is_refused_and_not_shown(key: str | bytes) -> None:
    """It may be a secret with a typing error in it."""
    with pytest.raises(ValueError, match="not a key") as caught:
        auth.CurveKeys(secret=key)
    text = key if isinstance(key, str) else key.decode()
    assert not text or text not in str(caught.value)
    assert caught.value.__context__ is None


def test_a_key_of_another_type_is_refused() -> None:
    """With its type, and not its value."""
    with pytest.raises(TypeError, match="int"):
        auth.CurveKeys(secret=5)  # type: ignore[arg-type]


def test_halves_of_different_keys_are_refused() -> None:
    """A server with them could open nothing that is sealed for it."""
    with pytest.raises(ValueError, match="belong together"):
        auth.CurveKeys(public=ALICE.public, secret=BOB.secret)


def test_a_repr_shows_the_public_half_only() -> None:
    """Also that of an option, and of options that hold it."""
    for thing in (
        ALICE,
        auth.CurveServer(ALICE),
        auth.CurveClient(ALICE, server=BOB.public),
        auth.Certificate(public=ALICE.public, secret=ALICE.secret),
    ):
        assert ALICE.public in repr(thing)
        assert ALICE.secret not in repr(thing)


def test_keys_can_be_sent_to_another_process() -> None:
    """Whoever does so knows what they do; and nothing breaks on the way."""
    assert pickle.loads(pickle.dumps(ALICE)) == ALICE  # noqa: S301  # our own bytes


def test_a_client_without_keys_makes_some() -> None:
    """Others each time."""
    one, two = auth.CurveClient(server=ALICE.public), auth.CurveClient(server=ALICE.public)
    assert one.keys != two.keys


def test_a_server_key_that_nobody_can_own_is_refused() -> None:
    """What is sealed for it anybody could open."""
    with pytest.raises(ValueError, match="nobody can own"):
        auth.CurveClient(server=b"\1" + bytes(31))


@pytest.mark.parametrize("keys", [ALICE.secret, {"public": ALICE.public}, None], ids=type)
def test_a_server_wants_both_halves(keys: object) -> None:
    """A text may be either half; the error does not show it."""
    with pytest.raises(TypeError, match="CurveKeys") as caught:
        auth.CurveServer(keys)  # type: ignore[arg-type]
    assert ALICE.secret not in str(caught.value)


def test_a_certificate_with_both_halves_will_do_as_keys() -> None:
    """And a public one will not: the error says which file has both."""
    whole = auth.Certificate(public=ALICE.public, secret=ALICE.secret)
    assert auth.CurveServer(whole).keys == ALICE
    assert auth.CurveClient(whole, server=BOB.public).keys == ALICE
    with pytest.raises(ValueError, match="key_secret"):
        auth.CurveServer(auth.Certificate(public=ALICE.public))


# -- a list ----------------------------------------------------------------------------------------


async def test_the_owner_of_a_listed_key_comes_in_under_its_name() -> None:
    """And nobody else."""
    judge = auth.Keys({"alice": ALICE.public, "bob": z85_decode(BOB.public)})
    assert await judge(shown(ALICE.public)) == auth.Granted("alice")
    assert await judge(shown(BOB.public)) == auth.Granted("bob")
    stranger = await judge(shown(auth.CurveKeys.generate().public))
    assert isinstance(stranger, auth.Refused)
    assert stranger.status == 400


@pytest.mark.parametrize("mechanism", ["NULL", "PLAIN"])
async def test_who_shows_no_key_is_refused(mechanism: str, tmp_path: Path) -> None:
    """Whatever else they show."""
    request = auth.Request(mechanism=mechanism, username="alice", password="")
    for judge in (auth.Keys({"alice": ALICE.public}), auth.KeyFolder(tmp_path)):
        verdict = await judge(request)
        assert isinstance(verdict, auth.Refused)
        assert mechanism in verdict.reason


def test_two_users_with_one_key_are_refused() -> None:
    """Nobody could tell them apart."""
    with pytest.raises(ValueError, match="same key"):
        auth.Keys({"alice": ALICE.public, "bob": ALICE.public})


# -- a folder --------------------------------------------------------------------------------------


async def names(judge: auth.KeyFolder, *keys: auth.CurveKeys) -> list[str | None]:
    """Return the user for each of the keys, if any."""
    verdicts = [await judge(shown(pair.public)) for pair in keys]
    return [each.user_id if isinstance(each, auth.Granted) else None for each in verdicts]


async def test_a_folder_lets_in_the_owners_of_its_certificates(tmp_path: Path) -> None:
    """Ours and those of pyzmq; by the names of the files, with what they say."""
    auth.write_certificate(tmp_path, "alice", ALICE, {"city": "Kyiv"})
    zmq.auth.create_certificates(tmp_path, "bob", {"name": "Bob"})
    bob = auth.read_certificate(tmp_path / "bob.key_secret").keys
    judge = auth.KeyFolder(tmp_path)
    assert await names(judge, ALICE, bob, BOB) == ["alice", "bob", None]
    verdict = await judge(shown(ALICE.public))
    assert isinstance(verdict, auth.Granted)
    assert verdict.metadata == {"city": b"Kyiv"}


async def test_a_new_file_lets_its_owner_in_at_once(tmp_path: Path) -> None:
    """Nobody has to wait for the next look: a refused libzmq client never comes again."""
    judge = auth.KeyFolder(tmp_path, reload_interval=3600)
    assert await names(judge, ALICE) == [None]
    auth.write_certificate(tmp_path, "alice", ALICE)
    assert await names(judge, ALICE) == ["alice"]


async def test_a_file_that_goes_revokes_what_it_granted(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    """Within the interval, and what others granted stands."""
    auth.write_certificate(tmp_path, "alice", ALICE)
    auth.write_certificate(tmp_path, "bob", BOB)
    judge = auth.KeyFolder(tmp_path, reload_interval=5)
    alice, bob = [await judge(shown(pair.public)) for pair in (ALICE, BOB)]
    assert isinstance(alice, auth.Granted)
    assert isinstance(bob, auth.Granted)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(judge.watch)
        await trio.testing.wait_all_tasks_blocked()
        (tmp_path / "alice.key").unlink()
        await trio.sleep(5.1)
        nursery.cancel_scope.cancel()
    assert [token.revoked for token in (*alice.revocations, *bob.revocations)] == [True, False]


@pytest.mark.parametrize("change", ["another key", "another name", "another word"])
async def test_a_file_that_changes_revokes_what_it_granted(tmp_path: Path, change: str) -> None:
    """The owner of the key is somebody else now, or said to be."""
    auth.write_certificate(tmp_path, "alice", ALICE, {"role": "admin"})
    judge = auth.KeyFolder(tmp_path)
    granted = await judge(shown(ALICE.public))
    assert isinstance(granted, auth.Granted)
    match change:
        case "another key":
            auth.write_certificate(tmp_path, "alice", BOB)
        case "another name":
            (tmp_path / "alice.key").rename(tmp_path / "eve.key")
        case _:
            auth.write_certificate(tmp_path, "alice", ALICE, {"role": "guest"})
    await judge(shown(BOB.public))
    assert granted.revocations[0].revoked


@pytest.mark.parametrize("watched", [False, True])
async def test_a_file_that_is_written_over_counts_at_once_where_nobody_watches(
    tmp_path: Path,
    autojump_clock: trio.testing.MockClock,
    *,
    watched: bool,
) -> None:
    """As in an authenticator of the program's own, which asks the folder; else in an interval."""
    public, _ = auth.write_certificate(tmp_path, "alice", ALICE)
    judge = auth.KeyFolder(tmp_path, reload_interval=2)
    async with trio.open_nursery() as nursery:
        if watched:
            assert isinstance(judge, auth.Watching)
            nursery.start_soon(judge.watch)
            await trio.testing.wait_all_tasks_blocked()
        with public.open("r+") as file:
            file.write("#")
            file.truncate()
        for later in (False, True):
            answer = await judge(shown(ALICE.public))
            assert isinstance(answer, auth.Granted) is (watched and not later)
            await trio.sleep(2.5)
        nursery.cancel_scope.cancel()


async def test_a_file_that_is_no_certificate_lets_nobody_in_and_is_named_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The others are read all the same."""
    (tmp_path / "broken.key").write_text('curve\n    public-key = "short"\n')
    (tmp_path / "notes.txt").write_text("not a key")
    auth.write_certificate(tmp_path, "alice", ALICE)
    judge = auth.KeyFolder(tmp_path)
    auth.write_certificate(tmp_path, "bob", BOB)
    assert await names(judge, ALICE, BOB) == ["alice", "bob"]
    assert [record.getMessage().count("broken.key") for record in caplog.records] == [1]


async def test_of_two_files_with_one_key_the_first_counts(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """And the other one is named in the log."""
    auth.write_certificate(tmp_path, "alice", ALICE)
    auth.write_certificate(tmp_path, "eve", ALICE)
    assert await names(auth.KeyFolder(tmp_path), ALICE) == ["alice"]
    assert "eve.key" in caplog.text


async def test_a_folder_that_is_gone_lets_nobody_in_and_nobody_stay(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It fails closed, says so once, and recovers."""
    folder, elsewhere = tmp_path / "keys", tmp_path / "elsewhere"
    folder.mkdir()
    auth.write_certificate(folder, "alice", ALICE)
    judge = auth.KeyFolder(folder)
    granted = await judge(shown(ALICE.public))
    assert isinstance(granted, auth.Granted)
    folder.rename(elsewhere)
    assert await names(judge, ALICE, ALICE) == [None, None]
    assert granted.revocations[0].revoked
    assert len(caplog.records) == 1
    elsewhere.rename(folder)
    assert await names(judge, ALICE) == ["alice"]


def test_a_folder_that_is_not_there_is_an_error_where_it_is_given(tmp_path: Path) -> None:
    """So is an interval that is none."""
    with pytest.raises(FileNotFoundError):
        auth.KeyFolder(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="reload_interval"):
        auth.KeyFolder(tmp_path, reload_interval=0)


def test_lists_show_how_many_they_know_and_no_more(tmp_path: Path) -> None:
    """A thousand keys in a repr help nobody."""
    auth.write_certificate(tmp_path, "alice", ALICE)
    assert repr(auth.Keys({"alice": ALICE.public})) == "<Keys of 1 users>"
    assert "with 1 keys" in repr(auth.KeyFolder(tmp_path))
    assert z85_encode(z85_decode(ALICE.public)) == ALICE.public
