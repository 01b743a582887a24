"""The network in memory: where things are, what gets through, and what goes wrong."""

from __future__ import annotations

import errno
import socket
from typing import Any

import pytest
import trio

import trio_mq
from trio_mq import Options
from trio_mq._transports.schemes import parse_bind, parse_connect
from trio_mq.testing import Host, Network


@pytest.fixture
def lab(mq_network: Network) -> Host:
    """A host that connects."""
    return mq_network.host("lab")


@pytest.fixture
def field(mq_network: Network, lab: Host) -> Host:
    """A host that is connected to, the second one."""
    return mq_network.host("field")


async def seconds_until_received(pull: trio_mq.Pull, body: bytes) -> float:
    """Wait for a message, and return how long that took."""
    start = trio.current_time()
    assert bytes(await pull.receive()) == body
    return trio.current_time() - start


# -- where things are --


@pytest.mark.parametrize(
    ("bound", "dialled"),
    [
        ("tcp://*:5555", "tcp://field:5555"),
        ("tcp://field:5555", "tcp://field:5555"),
        ("tcp://eth0:5555", "tcp://field:5555"),
        ("tcp://0.0.0.0:5555", "tcp://10.0.0.3:5555"),
        ("tcp://[::]:5555", "tcp://field:5555"),
        ("tcp://*:5555", "tcp://lab:0;field:5555"),
    ],
)
async def test_hosts_reach_each_other_by_name_and_address(
    lab: Host, field: Host, bound: str, dialled: str
) -> None:
    """An endpoint means in the network what it means to a kernel."""
    async with (
        trio_mq.Pull(bind=bound, context=field) as pull,
        trio_mq.Push(connect=dialled, context=lab) as push,
    ):
        await push.send(b"hello")
        assert await pull.receive() == (b"hello",)
        assert pull.peers[0].address.startswith(f"{lab.address}:")
        assert push.peers[0].address == f"{field.address}:5555"


@pytest.mark.parametrize("endpoint", ["tcp://127.0.0.1:*", "tcp://localhost:7000", "ipc:///run/x"])
async def test_a_place_of_one_host_is_none_of_another(
    lab: Host, field: Host, endpoint: str
) -> None:
    """Loopback addresses and paths are each host's own; both can have the same."""
    async with (
        trio_mq.Pull(context=lab) as here,
        trio_mq.Pull(context=field) as there,
        trio_mq.Push(context=lab) as push,
    ):
        bound = await here.bind(endpoint)
        await there.bind(endpoint)
        await push.connect(bound)
        await push.send(b"here")
        assert await here.receive() == (b"here",)
        assert there.peers == ()


async def test_ports_and_paths_that_are_chosen_are_free(lab: Host) -> None:
    """Wildcards get a place of their own each."""
    async with trio_mq.Pull(context=lab) as pull:
        endpoints = [await pull.bind("tcp://127.0.0.1:*") for _ in range(3)]
        endpoints += [await pull.bind("ipc://*") for _ in range(3)]
    assert len(set(endpoints)) == 6
    assert endpoints[0] == "tcp://127.0.0.1:49152"


async def test_names_of_inproc_are_each_hosts_own(lab: Host, field: Host) -> None:
    """A host is a context."""
    async with (
        trio_mq.Pull(bind="inproc://a", context=lab),
        trio_mq.Pull(bind="inproc://a", context=field),
    ):
        assert (lab.sockets, field.sockets) == (1, 1)


@pytest.mark.parametrize(
    ("endpoint", "number"),
    [
        ("tcp://field:5555", errno.EADDRNOTAVAIL),
        ("tcp://*:80", errno.EADDRINUSE),
        ("tcp://127.0.0.1:80", errno.EADDRINUSE),
        ("ipc:///run/x", errno.EADDRINUSE),
        ("ipc://@x", errno.EADDRINUSE),
    ],
)
async def test_what_a_kernel_refuses_to_listen_on_is_refused(
    lab: Host, field: Host, endpoint: str, number: int
) -> None:
    """With the number of the system's error."""
    taken = ["tcp://lab:80", "tcp://127.0.0.1:80", "ipc:///run/x", "ipc://@x"]
    async with trio_mq.Pull(bind=taken, context=lab) as pull:
        with pytest.raises(OSError, match="cannot listen") as caught:
            await pull.bind(endpoint)
        assert caught.value.errno == number


async def test_a_port_may_be_shared(lab: Host, field: Host) -> None:
    """With ``reuse_port`` at both; who gets a connection is left to chance."""
    async with (
        trio_mq.Pull(bind="tcp://*:80", context=field, reuse_port=True) as one,
        trio_mq.Pull(bind="tcp://*:80", context=field, reuse_port=True) as other,
        trio_mq.Push(context=lab) as push,
    ):
        for port in range(9001, 9021):
            await push.connect(f"tcp://lab:{port};field:80", wait=True)
        assert len(one.peers) + len(other.peers) == 20
        assert min(len(one.peers), len(other.peers)) > 0


@pytest.mark.parametrize(
    ("endpoint", "error"),
    [
        ("tcp://field:5555", ConnectionRefusedError),
        ("tcp://nobody:5555", socket.gaierror),
        ("tcp://192.168.0.1:5555", OSError),
        ("ipc:///run/nothing", FileNotFoundError),
        ("ipc://@nothing", ConnectionRefusedError),
    ],
)
async def test_who_is_not_there_is_not_reached(
    lab: Host, field: Host, endpoint: str, error: type[OSError]
) -> None:
    """With the kernel's error for it."""
    async with trio_mq.Push(context=lab) as push:
        with pytest.raises(error, match="cannot connect to"):
            await push.connect(endpoint, wait=True)


async def test_there_is_no_tls_in_memory(lab: Host) -> None:
    """Rather than to speak in the clear where TLS was asked for."""
    with pytest.raises(OSError, match="use tcp"):
        await lab.network.listen(parse_bind("tls://*:80"), Options())
    with pytest.raises(OSError, match="use tcp"):
        await lab.network.dial(parse_connect("tls://lab:80"), Options())


async def test_a_host_is_there_once_for_each_name(mq_network: Network) -> None:
    """The same name is the same host; what is no name is refused."""
    assert mq_network.host("a") is mq_network.host("a")
    assert [host.name for host in mq_network.hosts] == ["a"]
    with pytest.raises(ValueError, match="not a name for a host"):
        mq_network.host("a:5")
    with pytest.raises(ValueError, match="'b' is not a host of this network; there are a"):
        mq_network.cut("a", "b")


async def test_a_network_is_used_in_one_block() -> None:
    """Before it there is nothing to use, and afterwards it is used up."""
    net = Network()
    with pytest.raises(RuntimeError, match="not open"):
        net.host("lab")
    async with net:
        net.host("lab")
    with pytest.raises(RuntimeError, match="used before"):
        await net.__aenter__()


async def test_what_is_left_open_fails_with_its_network() -> None:
    """Nobody waits for ever for a network that is gone."""
    async with Network() as net:
        lab = net.host("lab")
        pull = trio_mq.Pull(bind="tcp://*:80", context=lab)
        push = trio_mq.Push(connect="tcp://lab:80", context=lab)
        await pull.__aenter__()
        await push.__aenter__()
        await push.wait_for_peers()
    await push.__aexit__(None, None, None)
    await pull.__aexit__(None, None, None)
    assert (push.peers, pull.peers) == ((), ())


# -- what a link is like --


async def test_a_link_has_a_delay_in_both_directions(
    mq_network: Network, lab: Host, field: Host
) -> None:
    """A message takes the one, and a request with its reply both."""
    mq_network.link(lab, field, delay=0.5)
    async with (
        trio_mq.Rep(bind="tcp://*:80", context=field) as rep,
        trio_mq.Req(connect="tcp://field:80", context=lab) as req,
        trio.open_nursery() as nursery,
    ):
        await rep.wait_for_peers()
        await req.wait_for_peers()
        start = trio.current_time()
        nursery.start_soon(answer, rep)
        await req.request(b"?")
        assert trio.current_time() - start == pytest.approx(1.0)
        nursery.cancel_scope.cancel()


async def answer(rep: trio_mq.Rep) -> None:
    """Repeat what is asked."""
    async for request in rep:
        await rep.send(request)


async def test_jitter_adds_to_the_delay_and_keeps_the_order(
    mq_network: Network, lab: Host, field: Host
) -> None:
    """Each message takes its own time, and none overtakes another."""
    mq_network.link(lab, field, delay=0.1, jitter=0.5)
    async with (
        trio_mq.Pull(bind="tcp://*:80", context=field) as pull,
        trio_mq.Push(connect="tcp://field:80", context=lab) as push,
    ):
        await push.wait_for_peers()
        for number in range(20):
            await push.send(b"%d" % number)
        took = [await seconds_until_received(pull, b"%d" % number) for number in range(20)]
    assert 0.1 <= sum(took) <= 0.6
    assert len({round(seconds, 6) for seconds in took}) > 1


async def test_a_rate_is_shared_by_all_connections(
    mq_network: Network, lab: Host, field: Host
) -> None:
    """Two of a megabyte at a megabyte per second take two seconds."""
    mq_network.link(lab, field, delay=0, rate=1_000_000)
    async with (
        trio_mq.Pull(bind="tcp://*:80", context=field) as pull,
        trio_mq.Push(connect="tcp://field:80", context=lab) as one,
        trio_mq.Push(connect="tcp://field:80", context=lab) as other,
    ):
        await pull.wait_for_peers(2)
        start = trio.current_time()
        await one.send(bytes(1_000_000))
        await other.send(bytes(1_000_000))
        await pull.receive()
        await pull.receive()
        assert trio.current_time() - start == pytest.approx(2.0, rel=0.01)


async def test_a_buffer_is_all_that_the_kernels_hold(
    mq_network: Network, lab: Host, field: Host
) -> None:
    """What a peer does not read fills two buffers, and then waits in the socket."""
    mq_network.link(lab, field, buffer=10_000)
    field.slow_reader(0)
    async with (
        trio_mq.Pull(bind="tcp://*:80", context=field, handshake_timeout=1e6) as pull,
        trio_mq.Push(connect="tcp://field:80", context=lab, handshake_timeout=1e6) as push,
    ):
        field.slow_reader(None)
        await push.wait_for_peers()
        field.slow_reader(0)
        for _ in range(100):
            await push.send(bytes(1000))
        await trio.sleep(60)
        assert push.statistics().waiting_to_send == pytest.approx(80, abs=2)
        field.slow_reader(None)
        for _ in range(100):
            await pull.receive()


@pytest.mark.parametrize("wrong", [{"delay": -1}, {"jitter": -1}, {"rate": 0}, {"buffer": 0}])
async def test_a_link_that_makes_no_sense_is_refused(
    mq_network: Network, lab: Host, field: Host, wrong: dict[str, Any]
) -> None:
    """The error shows what was given, and what can be."""
    with pytest.raises(ValueError, match="give seconds from 0 on"):
        mq_network.link(lab, field, **wrong)


async def test_one_direction_can_differ(mq_network: Network, lab: Host, field: Host) -> None:
    """Such as a slow way up and a fast one down."""
    mq_network.link(lab, field, delay=0.5, one_way=True)
    async with (
        trio_mq.Pair(bind="tcp://*:80", context=field) as there,
        trio_mq.Pair(connect="tcp://field:80", context=lab) as here,
    ):
        await here.wait_for_peers()
        await there.wait_for_peers()
        start = trio.current_time()
        await there.send(b"down")
        await here.receive()
        assert trio.current_time() - start == pytest.approx(0.001)
        await here.send(b"up")
        await there.receive()
        assert trio.current_time() - start == pytest.approx(0.501)


# -- what goes wrong --


async def test_what_is_sent_into_a_cut_arrives_after_it_heals(
    mq_network: Network, lab: Host, field: Host
) -> None:
    """The connection stands, nobody is told, and TCP tries again."""
    async with (
        trio_mq.Pull(bind="tcp://*:80", context=field) as pull,
        trio_mq.Push(connect="tcp://field:80", context=lab) as push,
    ):
        await push.wait_for_peers()
        peer = push.peers[0]
        mq_network.cut(lab, field)
        await push.send(b"patience")
        await trio.sleep(30)
        assert pull.statistics().decoded == 0
        mq_network.heal(lab, field)
        assert 0 < await seconds_until_received(pull, b"patience") < 60
        assert push.peers == (peer,)


async def test_to_dial_through_a_cut_times_out(mq_network: Network, lab: Host, field: Host) -> None:
    """After the endpoint's time, or else the kernel's own two minutes."""
    mq_network.cut(lab, field)
    async with (
        trio_mq.Pull(bind="tcp://*:80", context=field),
        trio_mq.Push(context=lab) as push,
    ):
        start = trio.current_time()
        with pytest.raises(TimeoutError, match="no answer within 7 s"):
            await push.connect("tcp://field:80", wait=True, connect_timeout=7)
        assert trio.current_time() - start == 7
        with pytest.raises(TimeoutError, match="timed out"):
            await push.connect("tcp://field:80", wait=True, connect_timeout=None)
        assert trio.current_time() - start == pytest.approx(7 + 127)


async def test_a_greeting_that_is_lost_is_sent_again(
    mq_network: Network, lab: Host, field: Host
) -> None:
    """Whichever of its three packets it was."""
    async with (
        trio_mq.Pull(bind="tcp://*:80", context=field) as pull,
        trio_mq.Push(context=lab) as push,
        trio.open_nursery() as nursery,
    ):
        for packet in range(3):
            nursery.start_soon(push.connect, f"tcp://lab:{9000 + packet};field:80")
            await trio.sleep(0.0005 + 0.001 * packet)
            mq_network.cut(lab, field)
            await trio.sleep(0.9)
            mq_network.heal(lab, field)
            await pull.wait_for_peers(packet + 1)


async def test_an_idle_connection_through_a_cut_is_found_by_keep_alive(
    mq_network: Network, lab: Host, field: Host
) -> None:
    """At both ends, after idle + interval * count seconds; without keep-alive, never."""
    async with (
        trio_mq.Pull(bind="tcp://*:80", context=field, tcp_keepalive=False) as pull,
        trio_mq.Push(connect="tcp://field:80", context=lab) as push,
    ):
        await push.wait_for_peers()
        await pull.wait_for_peers()
        await trio.sleep(1)  # until everything is acknowledged
        start = trio.current_time()
        mq_network.cut(lab, field)
        await push.peers[0].wait_closed()
        assert trio.current_time() - start == 60 + 10 * 5
        await trio.sleep(3600)
        assert len(pull.peers) == 1


async def test_a_cut_that_heals_in_time_costs_no_connection(
    mq_network: Network, lab: Host, field: Host
) -> None:
    """However often."""
    async with (
        trio_mq.Pull(bind="tcp://*:80", context=field),
        trio_mq.Push(connect="tcp://field:80", context=lab) as push,
    ):
        await push.wait_for_peers()
        for _ in range(10):
            mq_network.cut(lab, field)
            await trio.sleep(100)
            mq_network.heal(lab, field)
            await trio.sleep(100)
        assert push.statistics().reconnects == 0


async def test_a_reset_ends_the_connection_at_both_ends(
    mq_network: Network, lab: Host, field: Host
) -> None:
    """And the connected one dials again."""
    async with (
        trio_mq.Pull(bind="tcp://*:80", context=field) as pull,
        trio_mq.Push(connect="tcp://field:80", context=lab) as push,
    ):
        await push.wait_for_peers()
        await pull.wait_for_peers()
        before, theirs = push.peers[0], pull.peers[0]
        mq_network.reset(lab, field)
        await before.wait_closed()
        await theirs.wait_closed()
        await push.send(b"again")
        assert await pull.receive() == (b"again",)
        assert push.statistics().reconnects == 1


async def test_after_a_silence_connections_are_half_open(
    mq_network: Network, lab: Host, field: Host
) -> None:
    """Nobody hears the other, and without heartbeats nobody notices."""
    async with (
        trio_mq.Pair(bind="tcp://*:80", context=field) as there,
        trio_mq.Pair(connect="tcp://field:80", context=lab) as here,
    ):
        await here.wait_for_peers()
        await there.wait_for_peers()
        mq_network.silence(lab, field)
        await here.send(b"1")
        await there.send(b"2")
        await trio.sleep(60)
        assert (len(here.peers), len(there.peers)) == (1, 1)
        assert (here.statistics().decoded, there.statistics().decoded) == (0, 0)
        mq_network.heal(lab, field)
        assert await here.receive() == (b"2",)
        assert await there.receive() == (b"1",)


async def test_a_silence_can_be_one_way(mq_network: Network, lab: Host, field: Host) -> None:
    """What the other says is still heard."""
    async with (
        trio_mq.Pair(bind="tcp://*:80", context=field) as there,
        trio_mq.Pair(connect="tcp://field:80", context=lab) as here,
    ):
        await here.wait_for_peers()
        await there.wait_for_peers()
        mq_network.silence(lab, field, one_way=True)
        await here.send(b"unheard")
        await there.send(b"heard")
        assert await here.receive() == (b"heard",)
        await trio.sleep(30)
        assert there.statistics().decoded == 0


async def test_heartbeats_find_a_silence(mq_network: Network, lab: Host, field: Host) -> None:
    """Within their time; a dial in the silence connects, and its handshake gets nowhere."""
    async with (
        trio_mq.Pull(bind="tcp://*:80", context=field),
        trio_mq.Push(connect="tcp://field:80", context=lab, heartbeat_interval=1.0) as push,
    ):
        await push.wait_for_peers()
        start = trio.current_time()
        mq_network.silence(lab, field)
        await push.peers[0].wait_closed()
        assert trio.current_time() - start <= 3
        await trio.sleep(15)
        assert push.statistics().handshake_failures
        mq_network.heal(lab, field)
        await push.wait_for_peers()


async def test_who_has_crashed_says_nothing(lab: Host, field: Host) -> None:
    """The other host finds out by its own means."""
    async with (
        trio_mq.Pull(bind="tcp://*:80", context=field) as pull,
        trio_mq.Push(connect="tcp://field:80", context=lab) as push,
    ):
        await push.wait_for_peers()
        start, peer = trio.current_time(), push.peers[0]
        field.crash()
        await trio.sleep(1)
        assert (len(push.peers), len(pull.peers)) == (1, 0)
        await peer.wait_closed()
        assert trio.current_time() - start == 110
        with pytest.raises(TimeoutError):
            await push.connect("tcp://field:81", wait=True)


async def test_who_has_restarted_resets_old_connections(lab: Host, field: Host) -> None:
    """As soon as something comes over one."""
    async with (
        trio_mq.Pull(bind="tcp://*:80", context=field) as pull,
        trio_mq.Push(connect="tcp://field:80", context=lab) as push,
    ):
        await push.wait_for_peers()
        with push.events() as events:
            field.crash()
            field.restart()
            await push.send(b"lost with the old connection")
            while not isinstance(event := await events.receive(), trio_mq.Disconnected):
                pass
        assert "reset" in str(event.error)
        await push.send(b"again")
        assert await pull.receive() == (b"again",)


async def test_keep_alive_asks_who_has_restarted(lab: Host, field: Host) -> None:
    """An idle connection is found to be dead as well, after a while."""
    async with (
        trio_mq.Pull(bind="tcp://*:80", context=field),
        trio_mq.Push(connect="tcp://field:80", context=lab) as push,
    ):
        await push.wait_for_peers()
        peer, start = push.peers[0], trio.current_time()
        field.crash()
        field.restart()
        await peer.wait_closed()
        assert trio.current_time() - start == pytest.approx(60, abs=0.1)
        await push.wait_for_peers()


async def test_a_crash_ends_what_runs_there_and_a_restart_begins_it_anew(
    lab: Host, field: Host, nursery: trio.Nursery
) -> None:
    """`Host.keep_running` is how a program has a host."""
    begun = 0

    async def serve() -> None:
        nonlocal begun
        begun += 1
        async with trio_mq.Rep(bind="tcp://*:80", context=field) as rep:
            await answer(rep)

    nursery.start_soon(field.keep_running, serve)
    async with trio_mq.Req(
        connect="tcp://field:80", context=lab, heartbeat_interval=1, connect_timeout=1
    ) as req:
        assert await req.request(b"1") == (b"1",)
        field.crash()
        await req.peers[0].wait_closed()
        assert field.sockets == 0
        field.restart()
        assert await req.request(b"2") == (b"2",)
    assert begun == 2
    nursery.cancel_scope.cancel()


async def test_a_program_that_ends_has_run(field: Host) -> None:
    """And what it raises, `Host.keep_running` raises."""
    done = []

    async def program(number: int) -> None:
        await trio.sleep(1)
        done.append(number)
        if number > 1:
            raise LookupError

    await field.keep_running(program, 1)
    with pytest.raises(LookupError):
        await field.keep_running(program, 2)
    assert done == [1, 2]


async def test_a_host_that_is_down_can_do_nothing(lab: Host, field: Host) -> None:
    """Neither listen nor dial, until it is up again."""
    lab.crash()
    async with trio_mq.Pull(context=lab) as pull:
        for call in (pull.bind("tcp://*:80"), pull.connect("tcp://field:80", wait=True)):
            with pytest.raises(OSError, match="down"):
                await call
        lab.restart()
        await pull.bind("tcp://*:80")


async def test_a_host_can_refuse(lab: Host, field: Host) -> None:
    """New connections to one endpoint, until it admits them again."""
    async with (
        trio_mq.Pull(bind=["tcp://*:80", "tcp://*:81"], context=field),
        trio_mq.Push(context=lab) as push,
    ):
        field.refuse("tcp://*:80")
        with pytest.raises(ConnectionRefusedError):
            await push.connect("tcp://field:80", wait=True)
        await push.connect("tcp://field:81", wait=True)
        field.admit("tcp://*:80")
        await push.connect("tcp://field:80", wait=True)


async def test_a_slow_reader_reads_at_its_rate(lab: Host, field: Host) -> None:
    """So a message of a hundred thousand bytes takes a hundred seconds at a thousand."""
    async with (
        trio_mq.Pull(
            bind="tcp://*:80", context=field, limits=trio_mq.Limits(frame_progress_timeout=None)
        ) as pull,
        trio_mq.Push(connect="tcp://field:80", context=lab) as push,
    ):
        await push.wait_for_peers()
        await pull.wait_for_peers()
        field.slow_reader(1000)
        await push.send(bytes(100_000))
        start = trio.current_time()
        await pull.receive()
        assert trio.current_time() - start == pytest.approx(100, rel=0.01)
    with pytest.raises(ValueError, match="bytes per second"):
        field.slow_reader(-1)
