"""The warning about endpoints that strangers can reach and read."""

from __future__ import annotations

import warnings

import pytest

from trio_mq import Options, Pull, UnencryptedWarning, auth
from trio_mq._connections import protection
from trio_mq._connections.protection import warn_if_open_to_others

CURVE = auth.CurveServer(auth.CurveKeys.generate())


@pytest.fixture(autouse=True)
def _nothing_was_warned_about(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget what other tests have bound."""
    monkeypatch.setattr(protection, "_warned", set())


@pytest.mark.parametrize(
    "resolved",
    [
        "tcp://0.0.0.0:5555",
        "tcp://[::]:5555",
        "tcp://10.0.0.1:5555",
        "tcp://[fe80::1%lo]:1",
        "tcp://a-name:5555",
    ],
)
@pytest.mark.parametrize("mechanism", [None, auth.PlainServer()], ids=["NULL", "PLAIN"])
def test_what_others_reach_in_the_clear_is_warned_about(
    resolved: str, mechanism: auth.PlainServer | None
) -> None:
    """With the endpoint, the mechanism and the remedy."""
    with pytest.warns(UnencryptedWarning, match=r"CurveServer.*UnencryptedWarning") as caught:
        warn_if_open_to_others(resolved, resolved, Options(mechanism=mechanism))
    (warning,) = caught
    assert resolved in str(warning.message)
    assert ("NULL" if mechanism is None else "PLAIN") in str(warning.message)


@pytest.mark.parametrize(
    ("resolved", "options"),
    [
        ("tcp://127.0.0.1:5555", Options()),
        ("tcp://127.1.2.3:5555", Options()),
        ("tcp://[::1]:5555", Options(mechanism=auth.PlainServer())),
        ("ipc:///tmp/x", Options()),
        ("a label", Options()),
        ("tcp://0.0.0.0:5555", Options(mechanism=CURVE)),
    ],
)
def test_what_others_can_neither_reach_nor_read_is_not(resolved: str, options: Options) -> None:
    """Loopback, ipc, a listener of the program's own, and CURVE."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn_if_open_to_others(resolved, resolved, options)
    assert caught == []


async def test_it_comes_once_for_an_endpoint_and_points_to_the_program() -> None:
    """However often that is bound; and for another one again."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for place in ("tcp://*:*", "tcp://*:*", "tcp://0.0.0.0:*"):
            async with Pull(bind=place):
                pass
            async with Pull() as pull:
                await pull.bind(place)
    ours = [each for each in caught if each.category is UnencryptedWarning]
    assert len(ours) == 2
    assert {each.filename for each in ours} == {__file__}


async def test_it_can_be_filtered_by_its_class() -> None:
    """And is nothing else's class."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", UnencryptedWarning)
        async with Pull(bind="tcp://*:*") as pull:
            assert pull.endpoints


async def test_where_it_is_an_error_nothing_is_bound() -> None:
    """The socket stays usable."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        async with Pull() as pull:
            with pytest.raises(UnencryptedWarning):
                await pull.bind("tcp://*:*")
            assert not pull.endpoints
            await pull.bind("tcp://127.0.0.1:*")
