"""Tables that are made from the code and from data, so that they can't say anything else.

Each function returns the lines of a piece of reStructuredText, which a page includes.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Final, TypedDict

import attrs

import trio_mq
from trio_mq import Options
from trio_mq._options import ConnectionOptions
from trio_mq._pyzmq_names import METHODS, OPTIONS
from trio_mq._sockets import keywords
from trio_mq.zmtp import SocketType
from trio_mq.zmtp.socket_types import LEGAL_PEERS

ROOT: Final = Path(__file__).resolve().parent.parent.parent

#: The order in which people look for them.
TYPES: Final = (
    ("Req", keywords.ReqOptions),
    ("Rep", keywords.SocketOptions),
    ("Dealer", keywords.DealerOptions),
    ("Router", keywords.RouterOptions),
    ("Pub", keywords.PubOptions),
    ("Sub", keywords.SubOptions),
    ("XPub", keywords.XPubOptions),
    ("XSub", keywords.SocketOptions),
    ("Push", keywords.PushOptions),
    ("Pull", keywords.PullOptions),
    ("Pair", keywords.SocketOptions),
)


class Question(TypedDict):
    """What somebody asks, a short answer, and the place of the long one."""

    topic: str
    ask: str
    answer: str
    page: str
    section: str


def questions() -> list[Question]:
    """Return the questions that the documentation has to answer, in order."""
    with (ROOT / "docs" / "questions.toml").open("rb") as file:
        found: list[Question] = tomllib.load(file)["question"]
        return found


def table(head: Sequence[str], rows: Iterable[Sequence[str]], widths: str = "auto") -> list[str]:
    """Return a table of cells that are reStructuredText of one paragraph."""
    lines = [".. list-table::", "   :header-rows: 1", f"   :widths: {widths}", ""]
    for first, *others in [head, *rows]:
        lines += [f"   * - {first}", *(f"     - {other}".rstrip() for other in others)]
    return [*lines, ""]


def faq() -> list[str]:
    """Return each question with its answer and where to read on, by topic."""
    lines = []
    for topic, asked in groupby(questions(), key=lambda question: question["topic"]):
        lines += [topic, "-" * len(topic), ""]
        for question in asked:
            ask = question["ask"]
            lines += [ask, "~" * len(ask), "", *question["answer"].strip().splitlines(), ""]
            target = f"{question['page']}:{question['section']}"
            lines += [f"→ :ref:`{question['section']} <{target}>`", ""]
    return lines


def options_matrix() -> list[str]:
    """Return which socket takes which option, and which options an endpoint may override."""
    per_endpoint = set(ConnectionOptions.__optional_keys__)
    rows = []
    for field in attrs.fields(Options):
        takers = [name for name, kind in TYPES if field.name in kind.__optional_keys__]
        marks = ["●" if name in takers else "" for name, _ in TYPES]
        where = "●" if field.name in per_endpoint else ""
        rows.append([f":attr:`~trio_mq.Options.{field.name}`", where, *marks])
    head = ["option", "per endpoint", *(name for name, _ in TYPES)]
    return [".. rst-class:: matrix", "", *table(head, rows)]


def own_options(name: str) -> list[str]:
    """Return the options that not every socket takes, for one type."""
    common = set(keywords.SocketOptions.__optional_keys__)
    own = sorted(set(dict(TYPES)[name].__optional_keys__) - common)
    links = ", ".join(f":attr:`~trio_mq.Options.{option}`" for option in own)
    own_ones = f"Of its own: {links}." if own else "None of its own."
    return [f"{own_ones} The others are in :doc:`/reference/options_matrix`.", ""]


def partners(name: str) -> list[str]:
    """Return the types that one type talks to, as links."""
    theirs = LEGAL_PEERS[SocketType[name.upper()]]
    names = {kind.upper(): kind for kind, _ in TYPES}
    found = [names[kind.name] for kind in theirs if kind.name in names]
    ordered = [kind for kind, _ in TYPES if kind in found]
    return ["It talks to " + ", ".join(f"`{kind} <trio_mq.{kind}>`" for kind in ordered) + ".", ""]


def pyzmq_options() -> list[str]:
    """Return what to write instead of each socket option of pyzmq."""
    rows = [[f"``{name.upper()}``", _sentence(text)] for name, text in sorted(OPTIONS.items())]
    return table(["pyzmq", "trio_mq"], rows, "35 65")


#: Methods that both have.
SHARED: Final = {
    "bind": "Socket.bind",
    "connect": "Socket.connect",
    "disconnect": "Socket.disconnect",
    "send": "Push.send",
    "socket_type": "Socket",
    "subscribe": "Sub.subscribe",
    "unbind": "Socket.unbind",
    "unsubscribe": "Sub.unsubscribe",
}


def pyzmq_methods() -> list[str]:
    """Return what to write instead of each method and property of a pyzmq socket."""
    same = {name: f"`{thing} <trio_mq.{thing}>`." for name, thing in SHARED.items()}
    told = {name: _sentence(text) for name, text in METHODS.items()}
    rows = [[f"``{name}``", text] for name, text in sorted({**told, **same}.items())]
    return table(["pyzmq", "trio_mq"], rows, "35 65")


#: In quotation marks, or a keyword or a call without them.
_CODE: Final = re.compile(
    r""""([^"]{5,})"(?=,| |$)|'([^'(]*(?:\('[^']*'\))?[^'(]*(?:\([^']*\)[^']*)?)\'"""
    r"|((?<!\w)[\w.]+(?:=(?:[\w.]+\([^)]*\)|[^\s,;]+)|\(\w*\)))"
)


def _sentence(text: str) -> str:
    """Return a remedy as a sentence, with its code marked as such."""
    marked = _CODE.sub(lambda found: f"``{found[1] or found[2] or found[3]}``", text)
    return marked[0].upper() + marked[1:] + "."


_KINDS: Final = {
    "breaking": "What programs must change",
    "deprecation": "Deprecated",
    "change": "New and changed",
    "bugfix": "Mended",
}


def changelog() -> list[str]:
    """Return what has changed since the last release, from the fragments, by kind."""
    lines = [f"{trio_mq.__version__}, not yet released", "-" * 40, ""]
    for kind, title in _KINDS.items():
        found = sorted((ROOT / "changelog.d").glob(f"*.{kind}.md"))
        if found:
            lines += [title, "~" * len(title), ""]
        for path in found:
            for number, paragraph in enumerate(path.read_text("utf-8").strip().split("\n\n")):
                text = " ".join(paragraph.split())
                marked = re.sub(r"(?<!`)`([^`]+)`(?!`)", r"``\1``", text)
                lines += [f"{' ' if number else '*'} {marked}", ""]
    return lines


def write(folder: Path) -> None:
    """Write all of it into a folder."""
    pieces = {
        "questions": faq(),
        "options_matrix": options_matrix(),
        "pyzmq_options": pyzmq_options(),
        "pyzmq_methods": pyzmq_methods(),
        "changelog": changelog(),
    }
    for name, _ in TYPES:
        pieces[f"{name.lower()}_options"] = own_options(name)
        pieces[f"{name.lower()}_partners"] = partners(name)
    for name, lines in pieces.items():
        (folder / f"{name}.rst").write_text("\n".join(lines) + "\n", "utf-8")
