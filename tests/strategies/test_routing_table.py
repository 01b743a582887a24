"""Routing tables against a dictionary, and the ids that they invent."""

from __future__ import annotations

from hypothesis import given, strategies as st

from tests.property.pipes import Books, new_pipe
from trio_mq._strategies.routing_table import RoutingTable

names = st.sampled_from([b"", b"a", b"b", b"c"])


@given(steps=st.lists(st.one_of(names, st.integers(0, 20))), first=st.integers(0, 2**33))
def test_a_name_finds_the_pipe_that_took_it_last(steps: list[bytes | int], first: int) -> None:
    """And nobody, once that pipe is gone; an older holder does not take it with it."""
    table, pipes = RoutingTable(first), [new_pipe(Books())]
    model: dict[bytes, int] = {}
    for step in steps:
        if isinstance(step, bytes):
            pipes.append(new_pipe(Books()))
            table.add(pipes[-1], step)
            model[pipes[-1].routing_id] = len(pipes) - 1
        else:
            which = step % len(pipes)
            table.remove(pipes[which])
            model = {name: holder for name, holder in model.items() if holder != which}
    assert len(table) == len(model)
    for name in {b"a", b"b", b"c", *model}:
        assert table.find(name) is (pipes[model[name]] if name in model else None)


def test_invented_ids_are_five_bytes_after_a_zero_and_never_taken() -> None:
    """The counter goes round, past ids that are still in use."""
    table = RoutingTable(2**32 - 1)
    pipes = [new_pipe(Books()) for _ in range(3)]
    for pipe in pipes:
        table.add(pipe, b"")
    assert [pipe.routing_id for pipe in pipes] == [
        b"\x00\xff\xff\xff\xff",
        b"\x00\x00\x00\x00\x00",
        b"\x00\x00\x00\x00\x01",
    ]
    table._counter = 2**32 - 1
    another = new_pipe(Books())
    table.add(another, b"")
    assert another.routing_id == b"\x00\x00\x00\x00\x02"
