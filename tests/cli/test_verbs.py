"""The verbs of the socket types, between shells and against libzmq."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest
import zmq
from click.testing import CliRunner

from tests.cli.shell import SECONDS, finish, run, running
from trio_mq._cli.commands import group


@pytest.fixture
def place(tmp_path: Path) -> str:
    """Return an endpoint that no other test uses."""
    return f"ipc://{tmp_path}/socket"


@pytest.fixture
def peer(place: str) -> zmq.Context[zmq.Socket[bytes]]:
    """Return a context of libzmq, whose sockets give up after a while."""
    context = zmq.Context()
    context.setsockopt(zmq.RCVTIMEO, 100_000)
    context.setsockopt(zmq.SNDTIMEO, 100_000)
    context.setsockopt(zmq.LINGER, 0)
    return context


# -- between shells --


def test_questions_are_answered_by_a_command(place: str) -> None:
    """Each request is the input of a command, and its output is the reply."""
    with running("rep", "-b", place, "--exec", "tr a-z A-Z", "-n", "2") as rep:
        assert run("req", "-c", place, stdin="hello\nworld\n")[:2] == (
            0,
            b"HELLO\nWORLD\n",
        )
        assert finish(rep)[:2] == (0, b"")


def test_a_command_that_fails_declines(place: str) -> None:
    """The next request is answered all the same."""
    command = "read line; test $line = good && echo fine"
    with (
        running("rep", "-b", place, "--exec", command, "-n", "2") as rep,
        running("dealer", "-c", place, "-n", "1") as dealer,
    ):
        assert finish(dealer, b"\tbad\n\tgood\n")[:2] == (0, b"\tfine\n")
        status, _, errors = finish(rep)
    assert (status, "ended with 1: no reply" in errors) == (0, True)


def test_as_many_commands_run_at_once_as_jobs(place: str, tmp_path: Path) -> None:
    """Each of two waits for what the other one says, which only comes when both run."""
    for name in ("left", "right"):
        os.mkfifo(tmp_path / name)
    command = f"cd {tmp_path}; read mine theirs; echo $mine > $mine & cat $theirs"
    with running("rep", "-b", place, "--exec", command, "--jobs", "2", "-n", "2") as rep:
        with running("dealer", "-c", place, "-n", "2") as dealer:
            answers = finish(dealer, b"\tleft right\n\tright left\n")
        assert (answers[0], sorted(answers[1].split())) == (0, [b"left", b"right"])
        assert finish(rep)[:2] == (0, b"")


def test_an_echo_prints_what_it_echoes(place: str) -> None:
    """Of several frames, too."""
    with running("rep", "-b", place, "--echo", "-n", "1", "-J") as rep:
        assert run("req", "-c", place, "-J", stdin='["a", "b"]\n')[1] == b'["a", "b"]\n'
        assert finish(rep)[:2] == (0, b'["a", "b"]\n')


def test_a_person_can_answer(place: str) -> None:
    """With a line of stdin for each request."""
    with (
        running("rep", "-b", place, "-n", "1") as rep,
        running("req", "-c", place, "-D", "who?") as req,
    ):
        assert rep.stdout is not None
        assert rep.stdout.readline() == b"who?\n"
        assert finish(rep, b"me\n")[0] == 0
        assert finish(req)[:2] == (0, b"me\n")


def test_work_is_handed_out_in_order(place: str) -> None:
    """A thousand lines, and an end when all have come."""
    lines = b"".join(b"%d\n" % number for number in range(1000))
    with running("pull", "-b", place, "-n", "1000") as pull:
        assert run("push", "-c", place, stdin=lines)[0] == 0
        assert finish(pull)[:2] == (0, lines)


def test_news_go_to_who_subscribed(place: str) -> None:
    """The publisher waits for its first subscriber."""
    with (
        running("pub", "-b", place, "--wait-peers", "1") as pub,
        running("sub", "-c", place, "-s", "b", "-n", "2") as sub,
    ):
        assert finish(pub, b"a1\nb1\na2\nb2\n")[0] == 0
        assert finish(sub)[:2] == (0, b"b1\nb2\n")


def test_a_file_is_one_frame(place: str, tmp_path: Path) -> None:
    """Byte by byte."""
    picture = tmp_path / "picture"
    picture.write_bytes(bytes(range(256)))
    with running("pull", "-b", place, "-n", "1", "--raw") as pull:
        assert run("push", "-c", place, "-F", str(picture))[0] == 0
        assert finish(pull)[:2] == (0, bytes(range(256)))


def test_data_is_repeated_as_often_as_wanted(place: str) -> None:
    """With pauses between."""
    with running("pull", "-b", place, "-n", "3") as pull:
        assert run("push", "-c", place, "-D", "tick", "-n", "3", "-i", "0.01")[0] == 0
        assert finish(pull)[:2] == (0, b"tick\n" * 3)


def test_a_router_sends_to_a_name_and_a_dealer_has_one(place: str) -> None:
    """And prints who said what."""
    with (
        running("router", "-b", place, "--to", "alice") as router,
        running("dealer", "-c", place, "--identity", "alice", "-n", "1") as dealer,
    ):
        say(dealer, b"from alice\n")
        assert router.stdout is not None
        assert router.stdout.readline() == b"alice\tfrom alice\n"
        say(router, b"for alice\n")
        assert finish(dealer)[:2] == (0, b"for alice\n")


def say(process: subprocess.Popen[bytes], line: bytes) -> None:
    """Type a line."""
    assert process.stdin is not None
    process.stdin.write(line)
    process.stdin.flush()


def test_a_router_answers_like_a_rep(place: str) -> None:
    """With what stands before a request kept."""
    with running("router", "-b", place, "--exec", "tr a-z A-Z", "-n", "1") as router:
        assert run("req", "-c", place, "-D", "hello")[:2] == (0, b"HELLO\n")
        assert finish(router)[0] == 0


def test_a_pair_talks_in_both_directions(place: str) -> None:
    """Each ends when it has what it waits for."""
    with running("pair", "-b", place, "-n", "1", "-D", "left") as left:
        assert run("pair", "-c", place, "-n", "1", "-D", "right")[:2] == (0, b"left\n")
        assert finish(left)[:2] == (0, b"right\n")


def test_subscriptions_are_seen_by_an_xpub(place: str) -> None:
    """As hexadecimal digits, since the first byte is none."""
    with (
        running("xpub", "-b", place, "-n", "1", "--hex") as xpub,
        running("xsub", "-c", place, "-s", "weather"),
    ):
        assert finish(xpub)[:2] == (0, b"01" + b"weather".hex().encode() + b"\n")


# -- how it ends --


def test_a_wrong_port_is_a_time_out_that_says_why() -> None:
    """With what the system said."""
    status, _, errors = run("push", "-c", "ipc:///nonexistent/socket", "-D", "x", "-t", "1")
    assert status == 3
    assert "cannot connect to ipc:///nonexistent/socket" in errors
    assert "Traceback" not in errors


def test_a_wrong_type_is_a_refusal(place: str) -> None:
    """At once, for it won't get better."""
    with running("rep", "-b", place, "--echo"):
        status, _, errors = run("push", "-c", place, "-D", "x")
    assert status == 4
    assert "cannot talk to a peer of type REP" in errors


def test_an_endpoint_that_is_taken_is_an_error(place: str) -> None:
    """Named, with the reason."""
    with running("pull", "-b", place, "-v") as pull:
        assert pull.stderr is not None
        assert b"Listening" in pull.stderr.readline()
        status, _, errors = run("pull", "-b", place)
    assert status == 1
    assert place in errors


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["req", "-D", "x"], "give an endpoint"),
        (["req", "-c", "5555", "-D", "x"], "there is no '://'"),
        (["req", "-c", "ipc://x", "--option", "send_hmw=1"], "perhaps send_hwm"),
        (["req", "-c", "ipc://x", "--option", "linger=-1"], "linger=-1"),
        (["pull", "-c", "ipc://x", "--option", "requeue=no"], "requeue"),
        (["pull", "-c", "ipc://x", "-n", "many"], "many"),
        (["push", "-c", "ipc://x", "-D", "a", "-F", __file__], "not both"),
        (["push", "-c", "ipc://x", "-Q", "-D", r"\q"], "is not an escape"),
        (["pull", "-b", "ipc://x", "--key", __file__], "is not a certificate"),
        (["nonsense"], "No such command"),
    ],
)
def test_wrong_usage_is_2_and_says_what_is_wrong(arguments: list[str], complaint: str) -> None:
    """Without a traceback."""
    status, _, errors = run(*arguments)
    assert (status, complaint in errors) == (2, True), errors
    assert "Traceback" not in errors


def test_ctrl_c_is_130(place: str) -> None:
    """Also while it waits for stdin."""
    with running("rep", "-b", place) as rep, running("req", "-c", place, "-D", "x") as req:
        assert rep.stdout is not None
        assert rep.stdout.readline() == b"x\n"
        for process in (rep, req):
            process.send_signal(signal.SIGINT)
        for process in (rep, req):
            assert process.wait(SECONDS) == 130
            assert process.stderr is not None
            assert b"Traceback" not in process.stderr.read()


def test_whoever_has_read_enough_may_go(place: str) -> None:
    """As `head` does; that is no error."""
    with running("pull", "-b", place) as pull:
        assert pull.stdout is not None
        with running("push", "-c", place, "-D", "x", "-i", "0") as push:
            assert pull.stdout.readline() == b"x\n"
            pull.stdout.close()
            assert pull.wait(SECONDS) == 0
            push.kill()


def test_events_are_printed_to_stderr(place: str) -> None:
    """With -v, beside the messages."""
    with running("pull", "-b", place, "-n", "1", "-v") as pull:
        assert run("push", "-c", place, "-D", "x")[0] == 0
        _, output, errors = finish(pull)
    assert output == b"x\n"
    assert "Listening(" in errors
    assert "Connected(" in errors


def test_options_reach_the_socket(place: str) -> None:
    """A queue for one message is full with one."""
    status, _, errors = run(
        "push", "-c", place, "--option", "send_hwm=1", "--option", "linger=0", "-t", "0.5",
        stdin="1\n2\n",
    )  # fmt: skip
    assert status == 3
    assert "sending took longer" in errors


# -- keys and passwords --


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """Return a folder with the keys of a server and a client, and whom the server lets in."""
    folder, allowed = tmp_path / "keys", tmp_path / "allowed"
    allowed.mkdir()
    for name in ("server", "client"):
        arguments = ["keygen", name, "--folder", str(folder)]
        assert CliRunner().invoke(group, arguments).exit_code == 0
    (allowed / "client.key").write_bytes((folder / "client.key").read_bytes())
    return folder


def serving(keys: Path) -> tuple[str, ...]:
    """Return what makes a verb a server of CURVE."""
    return "--key", str(keys / "server.key_secret"), "--allow", str(keys.parent / "allowed")


def test_keys_that_the_command_made_open_the_door(place: str, keys: Path) -> None:
    """Both ends prove who they are."""
    ours = ("--server-key", str(keys / "server.key"), "--key", str(keys / "client.key_secret"))
    with (
        running("pull", "-b", place, "-n", "1", *serving(keys)) as pull,
        running("push", "-c", place, "-D", "sealed", *ours) as push,
    ):
        assert finish(pull)[:2] == (0, b"sealed\n")
        assert finish(push)[0] == 0


def test_other_keys_are_refused(place: str, keys: Path) -> None:
    """At once, with the exit code for that."""
    theirs = ("--server-key", str(keys / "server.key"))
    with (
        running("pull", "-b", place, *serving(keys)),
        running("push", "-c", place, "-D", "x", *theirs) as push,
    ):
        assert finish(push)[0] == 4


@pytest.mark.parametrize(("password", "code"), [("s3cret", 0), ("guess", 4)])
def test_a_password_opens_the_door(place: str, tmp_path: Path, password: str, code: int) -> None:
    """And a wrong one does not."""
    file = tmp_path / "passwords"
    file.write_text("ada=s3cret\n", "utf-8")
    ours = ("--username", "ada", "--password", password)
    with (
        running("pull", "-b", place, "--passwords", str(file)),
        running("push", "-c", place, "-D", "x", *ours) as push,
    ):
        assert finish(push)[0] == code


# -- libzmq at the other end --


def test_req_asks_a_rep_of_libzmq(place: str, peer: zmq.Context[zmq.Socket[bytes]]) -> None:
    """Two frames there, two back."""
    with peer, peer.socket(zmq.REP) as rep:
        rep.bind(place)
        with running("req", "-c", place, "-J", "-D", '["a", "b"]') as req:
            assert rep.recv_multipart() == [b"a", b"b"]
            rep.send_multipart([b"\xff", b"d"])
            status, output, _ = finish(req)
    assert (status, json.loads(output)) == (0, [{"base64": "/w=="}, "d"])


def test_rep_answers_a_req_of_libzmq(place: str, peer: zmq.Context[zmq.Socket[bytes]]) -> None:
    """With what a command prints."""
    with peer, peer.socket(zmq.REQ) as req:
        req.connect(place)
        with running("rep", "-b", place, "-n", "1", "--exec", "rev") as rep:
            req.send(b"olleh")
            assert req.recv() == b"hello"
            assert finish(rep)[0] == 0


def test_pull_takes_from_a_push_of_libzmq(place: str, peer: zmq.Context[zmq.Socket[bytes]]) -> None:
    """And push gives to a pull."""
    with peer, peer.socket(zmq.PUSH) as push, peer.socket(zmq.PULL) as pull:
        push.connect(place)
        with running("pull", "-b", place, "-n", "1", "-Q") as ours:
            push.send_multipart([b"one", b"t\two"])
            assert finish(ours)[:2] == (0, b"one\tt\\two\n")
        pull.bind(f"{place}-2")
        assert run("push", "-c", f"{place}-2", stdin="one\ttwo\n")[0] == 0
        assert pull.recv_multipart() == [b"one", b"two"]


def test_sub_hears_a_pub_of_libzmq(place: str, peer: zmq.Context[zmq.Socket[bytes]]) -> None:
    """What it subscribed to."""
    with peer, peer.socket(zmq.XPUB) as pub:
        pub.bind(place)
        with running("sub", "-c", place, "-s", "b", "-n", "1") as sub:
            assert pub.recv() == b"\x01b"
            pub.send(b"a")
            pub.send(b"b!")
            assert finish(sub)[:2] == (0, b"b!\n")


def test_pub_is_heard_by_a_sub_of_libzmq(place: str, peer: zmq.Context[zmq.Socket[bytes]]) -> None:
    """Once it is there."""
    with peer, peer.socket(zmq.SUB) as sub:
        sub.subscribe(b"")
        sub.connect(place)
        assert run("pub", "-b", place, "--wait-peers", "1", "-D", "news")[0] == 0
        assert sub.recv() == b"news"
