"""What belongs to each thing that can be added: docs/maintaining/adding.rst, as tests.

Each test walks whatever exists of one kind, so that a new one is held to the same list.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final, get_args

import attrs
import pytest

import trio_mq
import trio_mq.auth
import trio_mq.zmtp
from tests.interop.pairs import PAIRS
from trio_mq import DropReason, Limits, Options, ProtocolFault, SocketType, _errors, _events
from trio_mq._pyzmq_names import OPTIONS as REMEDIES
from trio_mq._transports.schemes import SCHEMES

ROOT: Final = Path(__file__).parent.parent
PACKAGE: Final = Path(trio_mq.__file__).parent
PAGES: Final = ROOT / "docs" / "maintaining"

SOURCES: Final = {
    str(path.relative_to(PACKAGE)): path.read_text("utf-8") for path in PACKAGE.rglob("*.py")
}
TESTS: Final = {
    path.name: path.read_text("utf-8")
    for folder in ("tests", "fuzz", "chaos")
    for path in (ROOT / folder).rglob("*.py")
    if path.name != Path(__file__).name
}
REFERENCE: Final = "\n".join(
    path.read_text("utf-8") for path in (ROOT / "docs" / "reference").glob("*.rst")
)


def names_in(source: str) -> Iterator[tuple[str, str]]:
    """Yield how a source uses names, and which: to raise, call or warn, or as an attribute."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Raise(exc=ast.Call(func=ast.Name(id=name)) | ast.Name(id=name)):
                yield "raise", name
            case ast.Call(func=ast.Name(id=name)):
                yield "call", name
            case ast.Call(func=ast.Attribute(attr="warn"), args=[_, ast.Name(id=name), *_]):
                yield "warn", name
            case ast.Attribute(attr=name):
                yield "attribute", name


USED: Final = {file: set(names_in(source)) for file, source in SOURCES.items()}


def users(how: str, name: str, *, but: str) -> list[str]:
    """List the files of the package that use a name so, but for the one that defines it."""
    return [file for file, used in USED.items() if (how, name) in used and file != but]


def in_tests(name: str) -> bool:
    """Tell whether any test speaks of it."""
    return any(re.search(rf"\b{name}\b", text) for text in TESTS.values())


# -- options --

OPTIONS: Final = sorted(attrs.fields_dict(Options))
LIMITS: Final = sorted(attrs.fields_dict(Limits))


@pytest.mark.parametrize("name", [*OPTIONS, *LIMITS])
def test_an_option_is_read_somewhere(name: str) -> None:
    """An option that nothing reads does nothing."""
    defined = "_options.py" if name in OPTIONS else "_limits.py"
    assert users("attribute", name, but=defined)


@pytest.mark.parametrize("name", [*OPTIONS, *LIMITS])
def test_an_option_is_tried_by_a_test(name: str) -> None:
    """By its name, as a keyword or in a table of values."""
    assert in_tests(name)


@pytest.mark.parametrize(
    ("kind", "name"), [(Options, n) for n in OPTIONS] + [(Limits, n) for n in LIMITS]
)
def test_an_option_refuses_nonsense_by_name(kind: type, name: str) -> None:
    """Where it is given, and not where it is used; in one sentence, which names the value too."""
    with pytest.raises((TypeError, ValueError), match=rf"^{name}[ =].*object") as caught:
        kind(**{name: object()})
    assert len(caught.value.args) == 1


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (kind, field.name)
        for kind in (Options, Limits)
        for field in attrs.fields(kind)
        if str(field.type) in ("int", "int | None")
    ],
)
def test_a_number_is_refused_that_the_machine_can_not_count_to(kind: type, name: str) -> None:
    """It would fail later, in the midst of things."""
    with pytest.raises(ValueError, match=f"^{name}=.* is not allowed"):
        kind(**{name: sys.maxsize + 1})


def test_the_kinds_of_option_are_all_here() -> None:
    """An empty list would pass the tests above."""
    assert len(OPTIONS) > 40
    assert len(LIMITS) > 15


def test_the_remedies_for_names_of_libzmq_name_options_that_there_are() -> None:
    """Whoever writes ``socket.linger = 0`` is told the keyword, not one that there was once."""
    told = {name for text in REMEDIES.values() for name in re.findall(r"(\w+)=", text)}
    others = {"topics", "peer_routing_id", "server", "listener", "open_stream"}
    assert told - {*OPTIONS, *others} == set()


# -- events, drops, errors --

EVENTS: Final = [
    kind for kind in vars(_events).values() if attrs.has(kind) and kind in get_args(trio_mq.Event)
]
ERRORS: Final = [
    kind for kind in vars(_errors).values() if inspect.isclass(kind) and issubclass(kind, Exception)
]
#: Roots of the tree, which are caught and never raised.
ROOTS: Final = {"MQError", "HandshakeError", "ProtocolError"}


def test_every_event_class_is_an_event() -> None:
    """A class that is not in the union would be unknown to type checkers."""
    public = {k for k in vars(_events).values() if attrs.has(k) and not k.__name__.startswith("_")}
    assert public == set(get_args(trio_mq.Event))


@pytest.mark.parametrize("kind", EVENTS, ids=lambda kind: str(kind.__name__))
def test_an_event_is_made_documented_and_received(kind: type) -> None:
    """By the library, in the reference, and by a test."""
    name = kind.__name__
    assert users("call", name, but="_events.py")
    assert f":: trio_mq.{name}\n" in REFERENCE
    assert in_tests(name)


@pytest.mark.parametrize("member", DropReason, ids=lambda member: str(member.name))
def test_a_reason_for_drops_is_given_and_seen(member: DropReason) -> None:
    """By the library, and by a test."""
    assert users("attribute", member.name, but="_tally.py")
    assert in_tests(member.name) or in_tests(member.value)


@pytest.mark.parametrize("member", ProtocolFault, ids=lambda member: str(member.name))
def test_a_fault_is_found_and_provoked(member: ProtocolFault) -> None:
    """By the library, and by a test."""
    assert users("attribute", member.name, but="_errors.py")
    assert in_tests(member.name) or in_tests(member.value)


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: str(kind.__name__))
def test_an_error_is_in_the_tree_documented_raised_and_expected(kind: type) -> None:
    """Whoever catches one has to find out where it stands."""
    name = kind.__name__
    assert name in (_errors.__doc__ or "")
    assert re.search(rf":: trio_mq\.(zmtp\.)?{name}\b", REFERENCE)
    if name not in ROOTS:
        assert any(users(how, name, but="") for how in ("raise", "call", "warn"))
    assert in_tests(name)


# -- transports, socket types, mechanisms --


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_transport_is_documented_and_tried(scheme: str) -> None:
    """In the table of endpoints, and by tests of its own."""
    assert f"``{scheme}://" in (ROOT / "docs" / "reference" / "sockets.rst").read_text("utf-8")
    assert any(f"{scheme}://" in text for text in TESTS.values())


def test_a_scheme_is_decided_in_one_place() -> None:
    """What is true of one transport alone stands in its own module, or in the table of them."""
    where = {
        file
        for file, source in SOURCES.items()
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Compare)
        for part in ast.walk(node)
        if isinstance(part, ast.Constant) and part.value in SCHEMES
    }
    assert where == set()


@pytest.mark.parametrize("member", SocketType, ids=lambda member: str(member.name))
def test_a_socket_type_is_documented_and_meets_libzmq(member: SocketType) -> None:
    """It has a class, a row in the table, a page, tests of its RFC, and partners of libzmq's."""
    (name,) = [n for n in trio_mq.__all__ if n.upper() == member.name]
    reference = ROOT / "docs" / "reference"
    row = f"   * - :doc:`{name} <{name.lower()}>`\n"
    assert row in (reference / "sockets.rst").read_text("utf-8")
    page = (reference / f"{name.lower()}.rst").read_text("utf-8")
    assert f".. autoclass:: trio_mq.{name}(" in page
    assert any(re.fullmatch(rf"test_rfc\d+_{name.lower()}\.py", file) for file in TESTS)
    assert any(member.value in str(pair).upper() for pair in PAIRS)


#: What users can give as ``mechanism=``.
MECHANISMS: Final = [
    kind
    for module in (trio_mq.auth, trio_mq.zmtp)
    for kind in (getattr(module, name) for name in module.__all__)
    if inspect.isclass(kind) and isinstance(vars(kind).get("name"), str)
]


def name_of(mechanism: type) -> str:
    """Return how the greeting calls a mechanism."""
    return str(vars(mechanism)["name"])


@pytest.mark.parametrize("kind", MECHANISMS, ids=lambda kind: str(kind.__name__))
def test_a_mechanism_is_documented_and_tried(kind: type) -> None:
    """In the reference, by a diagram that is compared with its tables, and against libzmq."""
    assert re.search(rf":: trio_mq\.(auth|zmtp)\.{kind.__name__}\b", REFERENCE)
    name = name_of(kind)
    assert f'"{name}, ' in TESTS["test_diagrams.py"]
    assert name in TESTS["test_security.py"] or name == "NULL"  # every other test is of that


def test_the_mechanisms_are_all_here() -> None:
    """An empty list would pass the test above."""
    assert set(map(name_of, MECHANISMS)) == {"NULL", "PLAIN", "CURVE"}


# -- files --

#: Source files without a test file of their name, and where their tests are.
TESTED_ELSEWHERE: Final = {
    "__main__.py": "cli/test_commands.py",
    "_cli/arguments.py": "cli/test_verbs.py",
    "_cli/bench_peers.py": "cli/test_benching.py",
    "_cli/cheat.py": "cli/test_commands.py",
    "_cli/keys.py": "cli/test_commands.py",
    "_cli/outcome.py": "cli/test_verbs.py, cli/test_probe.py",
    "_cli/picture.py": "cli/test_relay.py",
    "_cli/plan.py": "cli/test_verbs.py",
    "_cli/probing.py": "cli/test_probe.py",
    "_cli/recording.py": "cli/test_relay.py",
    "_cli/security.py": "cli/test_verbs.py",
    "_cli/streams.py": "cli/test_verbs.py",
    "_cli/talking.py": "cli/test_verbs.py",
    "_cli/tape.py": "cli/test_relay.py",
    "_cli/watching.py": "cli/test_relay.py",
    "_chance.py": "testing/test_repeatable.py",
    "_hardened.py": "test_limits.py",
    "_pytest.py": "testing/test_fixture.py",
    "_connections/binder.py": "sockets/test_endpoints.py, connections/test_gate.py",
    "_connections/connected.py": "sockets/test_waited_connects.py, sockets/test_endpoints.py",
    "_connections/dialer.py": "connections/test_backoff.py, spec/test_libzmq_connections.py",
    "zmtp/sealing.py": "zmtp/test_large_boxes.py",
    "_connections/handshake_failure.py": "connections/test_handshake_failures.py",
    "_connections/inproc_endpoints.py": "connections/test_join.py",
    "_connections/inproc_link.py": "connections/test_join.py",
    "_connections/inproc_sizes.py": "connections/test_join.py",
    "_connections/link_side.py": "protocols: connections/test_link.py",
    "_connections/leaving.py": "hostile/test_unread_ends.py, interop/test_closing.py",
    "_connections/origin.py": "a protocol: connections/test_link.py",
    "_connections/our_terms.py": "zmtp/test_terms.py, interop/test_pairs.py",
    "_connections/registry.py": "sockets/test_endpoints.py",
    "_scope.py": "cancellation/test_lifetime.py",
    "_connections/vigil.py": "sockets/test_endpoints.py",
    "_connections/waiting_calls.py": "sockets/test_waited_connects.py",
    "_contract.py": "it has no behaviour but the words for endings: connections/test_link.py",
    "_endpoint_status.py": "data: sockets/test_endpoints.py",
    "_errors.py": "data: test_exports.py, test_completeness.py",
    "_limits.py": "test_options.py",
    "_option_checks.py": "test_options.py",
    "_patterns/balanced.py": "sockets/test_return_queue.py",
    "_patterns/dealer.py": "spec/test_rfc28_dealer.py",
    "_patterns/drop_log.py": "sockets/test_mistakes.py, spec/test_rfc28_router.py",
    "_patterns/exchange.py": "spec/test_replies.py, spec/test_rfc28_req.py",
    "_patterns/ledger.py": "test_statistics.py, sockets/test_figures.py",
    "_patterns/pair.py": "spec/test_rfc31_pair.py",
    "_patterns/partners.py": "spec/test_replies.py",
    "_patterns/pattern.py": "the spec folder: what all types share",
    "_patterns/pub.py": "spec/test_rfc29_pub.py",
    "_patterns/pull.py": "spec/test_rfc30_pull.py",
    "_patterns/push.py": "spec/test_rfc30_push.py",
    "_patterns/rep.py": "spec/test_rfc28_rep.py",
    "_patterns/req.py": "spec/test_rfc28_req.py",
    "_patterns/router.py": "spec/test_rfc28_router.py",
    "_patterns/sub.py": "spec/test_rfc29_sub.py",
    "_patterns/turns.py": "spec/test_replies.py, spec/test_rfc28_req.py",
    "_patterns/unclaimed.py": "spec/test_replies.py, test_budget.py",
    "_patterns/xpub.py": "spec/test_rfc29_xpub.py",
    "_patterns/xsub.py": "spec/test_rfc29_xsub.py",
    "_pipes/printer.py": "property/test_fanout.py, test_edition.py, test_rounds.py",
    "_pipes/shared.py": "property/test_fanout.py, test_edition.py",
    "_pipes/expiring.py": "sockets/test_message_lifetime.py",
    "_pipes/borrower.py": "a protocol: test_pipe.py, connections/test_lifetimes.py",
    "_pipes/gathering.py": "protocols: property/test_fanout.py, connections/test_turn_end.py",
    "_pipes/inbound.py": "test_pipe.py, property/test_conservation.py",
    "_pipes/item.py": "test_pipe.py",
    "_pipes/outbound.py": "test_pipe.py, property/test_admission.py",
    "_pipes/owner.py": "a protocol: property/pipes.py",
    "_patterns/stand_in.py": "connections/test_watch.py",
    "_pipes/watched.py": "a protocol: connections/test_watch.py",
    "_transports/trio_stream.py": "transports/test_stream.py",
    "_prometheus.py": "test_metrics.py",
    "prometheus.py": "test_metrics.py",
    "_proxy.py": "spec/test_libzmq_proxy.py",
    "_pyzmq_names.py": "sockets/test_attributes.py",
    "_sockets/contests.py": "sockets/test_contested_places.py",
    "_sockets/keywords.py": "test_options.py, test_attribute_texts.py",
    "_sockets/life.py": "cancellation/test_lifetime.py",
    "_sockets/membership.py": "sockets/test_sources.py and the rest of that folder",
    "_sockets/pipes.py": "sockets/test_return_queue.py and the rest of that folder",
    "_sockets/one_error.py": "sockets/test_workers.py",
    "_sockets/pair.py": "spec/test_rfc31_pair.py",
    "_sockets/pipeline.py": "spec/test_rfc30_push.py, spec/test_rfc30_pull.py",
    "_sockets/publishing.py": "spec/test_rfc29_pub.py, spec/test_rfc29_xpub.py",
    "_sockets/receiver.py": "cancellation/test_calls.py",
    "_sockets/replying.py": "spec/test_rfc28_rep.py, sockets/test_service.py",
    "_sockets/requests.py": "sockets/test_service.py",
    "_sockets/requesting.py": "spec/test_rfc28_req.py, spec/test_replies.py",
    "_sockets/routing.py": "spec/test_rfc28_router.py, spec/test_rfc28_dealer.py",
    "_sockets/sender.py": "cancellation/test_calls.py, sockets/test_send_many.py",
    "_sockets/socket.py": "cancellation/test_lifetime.py and the folder sockets",
    "_sockets/subscribing.py": "spec/test_rfc29_sub.py, spec/test_rfc29_xsub.py",
    "_tally.py": "test_statistics.py",
    "_transports/failure.py": "transports/test_tcp_dial.py, connections/test_handshake_failures.py",
    "_transports/inproc.py": "connections/test_join.py, test_context.py",
    "_transports/kernel_socket.py": "transports/test_tcp_options.py",
    "_transports/kernel_view.py": "connections/test_heartbeat.py, interop/test_vanished_hosts.py",
    "_transports/schemes.py": "transports/test_endpoint.py",
    "_transports/system.py": "test_platforms.py",
    "_transports/turns.py": "sockets/test_tls.py",
    "_transports/tcp.py": "transports/test_tcp_dial.py, transports/test_tcp_listen.py",
    "auth/__main__.py": "auth/test_command.py",
    "auth/addresses.py": "auth/test_combine.py",
    "auth/files.py": "auth/test_keys.py, auth/test_passwords.py",
    "auth/pyzmq.py": "auth/test_zap.py",
    "auth/roll.py": "auth/test_keys.py, auth/test_passwords.py",
    "testing/history.py": "testing/test_repeatable.py",
    "testing/host.py": "testing/test_network.py",
    "testing/knock.py": "testing/test_network.py",
    "testing/machine.py": "testing/test_network.py",
    "testing/road.py": "testing/test_network.py",
    "testing/schedule.py": "testing/test_repeatable.py",
    "testing/stack.py": "testing/test_network.py",
    "testing/timetable.py": "testing/test_repeatable.py",
    "testing/trouble.py": "testing/test_explore.py",
    "testing/way.py": "testing/test_network.py, testing/test_patterns.py",
    "testing/wire.py": "testing/test_network.py, testing/test_patterns.py",
    "lowlevel.py": "cancellation/test_time_slice.py, test_debug.py, sockets/test_readiness.py",
    "zmtp/sealed.py": "zmtp/test_curve_session.py",
}


def test_each_source_file_has_a_test_file_or_a_reason() -> None:
    """Of its name; otherwise the list says where its tests are, and names no file without need."""
    sources = {file for file in SOURCES if not file.endswith(("__init__.py", "_exports.py"))}
    bare = {file for file in sources if f"test_{Path(file).stem.lstrip('_')}.py" not in TESTS}
    assert bare - TESTED_ELSEWHERE.keys() == set(), "write a test file, or say where its tests are"
    assert TESTED_ELSEWHERE.keys() - sources == set(), "that file is gone"


def test_the_tests_that_the_list_names_are_there() -> None:
    """A test file that was renamed takes its line with it."""
    named = {
        name for where in TESTED_ELSEWHERE.values() for name in re.findall(r"[\w/]+\.py", where)
    }
    assert {name for name in named if not (ROOT / "tests" / name).is_file()} == set()


def paths_named(page: Path) -> set[str]:
    """Return the files and folders of this repository that a page names."""
    text = page.read_text("utf-8")
    kinds = "trio_mq|tests|docs|fuzz|chaos|benchmarks|changelog.d"
    return set(re.findall(rf"``((?:{kinds})/[\w./]+)``", text))


@pytest.mark.parametrize("page", sorted(PAGES.glob("*.rst")), ids=lambda page: str(page.stem))
def test_the_pages_for_maintainers_name_files_that_exist(page: Path) -> None:
    """Whoever moves a file moves its name."""
    missing = {
        name
        for name in paths_named(page)
        if not (PACKAGE.parent / name if name.startswith("trio_mq/") else ROOT / name).exists()
    }
    assert missing == set()


def test_the_pages_name_files() -> None:
    """A pattern that finds none would pass the test above."""
    assert len(paths_named(PAGES / "adding.rst")) > 40


def test_the_page_on_speed_names_works_that_are_measured() -> None:
    """Each device can be seen again."""
    from benchmarks.works import WORKS  # noqa: PLC0415  # takes the loops of all peers along

    page = (PAGES / "speed.rst").read_text("utf-8")
    works = {work.name for work in WORKS}
    named = set(re.findall(r"``((?:push-pull|req-rep|pub-sub)/[\w/]+)``", page))
    assert len(named) >= 5
    assert named <= works
