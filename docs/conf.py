"""How Sphinx builds the documentation: ``nox -s docs``, without the network, warnings as errors."""

from __future__ import annotations

import builtins
import importlib
import inspect
import logging
import pkgutil
import re
import sys
from collections.abc import Iterator
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import get_args

import attrs
from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

import trio_mq
from trio_mq import Limits, Options

ROOT = Path(__file__).resolve().parent.parent

project = "trio_mq"
author = "The trio_mq authors"
copyright = "The trio_mq authors"  # noqa: A001  # the name is Sphinx's
version = release = installed_version("trio-mq")

sys.path.insert(0, str(ROOT / "docs" / "_ext"))
extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosectionlabel",
    "sphinx.ext.intersphinx",
    "sphinx.ext.napoleon",
    "diagrams",
]
# A title is named with its page, such as `howto/secure:TLS`.
autosectionlabel_prefix_document = True
exclude_patterns = ["_build", "_ext", "_generated", "questions.toml"]
default_role = "any"
nitpicky = True

# Where trio's names are explained. The inventory is made here, so that no network is needed.
intersphinx_mapping = {
    "trio": ("https://trio.readthedocs.io/en/stable", str(ROOT / "docs/_generated/trio.inv"))
}

html_theme = "furo"
html_title = f"trio_mq {release}"
html_static_path = ["_static"]

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_class_signature = "mixed"
napoleon_google_docstring = True
napoleon_numpy_docstring = False

# What other projects document, and type variables: named in signatures, not linked from here.
nitpick_ignore_regex = [
    (
        "py:.*|any",
        r"(trio|attrs?|collections|contextlib|enum|math|os|socket|ssl|types|typing)\..+",
    ),
    ("py:.*|any", r"(json|logging|opentelemetry|pathlib|prometheus_client)\b.*"),
    ("py:.*|any", "|".join(dir(builtins))),
    ("py:.*", r"trio_mq\._transports\..+"),
    ("py:class", r"trio_mq\.zmtp\.large_boxes\.T"),
]


def find_source_modules() -> None:
    """Undo, for the documentation alone, that public classes say they live in ``trio_mq``.

    That is where programs import them from, but autodoc looks for the texts that describe
    attributes in the file that a class claims to come from.
    """
    for package in (trio_mq, trio_mq.auth):
        for name in package.__all__:
            getattr(package, name)  # which makes it say so, the first time
    for found in pkgutil.walk_packages(trio_mq.__path__, "trio_mq."):
        if found.name == "trio_mq._pytest":
            continue  # only pytest loads it, which is not needed here
        module = importlib.import_module(found.name)
        source = Path(module.__file__ or "").read_text("utf-8")
        for name, thing in vars(module).items():
            if inspect.isclass(thing) and f"\nclass {name}" in source:
                thing.__module__ = found.name


def entries(target: str) -> Iterator[str]:
    """Yield the names under which the reference may have what a text calls by another one."""
    owner, _, name = target.rpartition(".")
    yield f"trio_mq.{name}"
    yield f"trio_mq.zmtp.{name}"
    # What every sender, and every receiver, has is described once; so is what a class inherits.
    yield f"trio_mq.Push.{name}"
    yield f"trio_mq.Pull.{name}"
    heir = getattr(trio_mq, owner.rpartition(".")[2], None)
    for ancestor in heir.__mro__ if inspect.isclass(heir) else ():
        yield f"trio_mq.{ancestor.__name__}.{name}"


def qualify_methods(app: Sphinx, doctree: nodes.document) -> None:
    """Let a class's docstring mean its own method where several classes have one of that name."""
    del app
    for node in doctree.findall(pending_xref):
        owner, target = node.get("py:class"), str(node["reftarget"])
        if node["reftype"] == "any" and hasattr(getattr(trio_mq, str(owner), None), target):
            node["reftarget"] = f"{owner}.{target}"


def resolve_by_name(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.TextElement
) -> nodes.reference | None:
    """Find what an annotation or a docstring calls by a private module's name, or by none."""
    objects = env.domains.python_domain.objects
    found = next(filter(None, map(objects.get, entries(str(node["reftarget"])))), None)
    if found is None:
        return None
    uri = app.builder.get_relative_uri(str(node.get("refdoc", env.docname)), found.docname)
    return nodes.reference("", "", content, internal=True, refuri=f"{uri}#{found.node_id}")


#: Options whose default is said in words.
EXPLAINED = {"limits", "max_peers", "metadata"}
#: How the names of those end that are counted in bytes.
SIZES = ("_bytes", "_size", "_frame", "_value", "_length")

comments: dict[str, list[str]] = {}


def put_comment_aside(
    app: Sphinx, what: str, name: str, thing: object, options: object, lines: list[str]
) -> None:
    """Hide an attribute's comment from napoleon, which takes words before a colon for a type."""
    del app, thing, options
    if what in {"attribute", "property"}:
        comments[name], lines[:] = lines[:], []


def put_comment_back(
    app: Sphinx, what: str, name: str, thing: object, options: object, lines: list[str]
) -> None:
    """Undo the above when napoleon has passed, and say what an option is unless it is given."""
    del app, what, thing, options
    lines[:] = comments.pop(name, lines)
    owner, _, field = name.rpartition(".")
    fields = {"trio_mq.Options": Options, "trio_mq.Limits": Limits}.get(owner)
    if fields is not None and field in attrs.fields_dict(fields) and field not in EXPLAINED:
        lines += ["", f"Default: {shown(field, getattr(fields(), field))}", ""]


def shown(field: str, value: object) -> str:
    """Write a default, and sizes as people do."""
    if not isinstance(value, int) or value < 1024 or not field.endswith(SIZES):
        return f"``{value!r}``"
    return f"{value >> 20} MiB" if value % 1024**2 == 0 else f"{value >> 10} KiB"


def spelling(*names: str) -> re.Pattern[str]:
    """Return what matches a union of these in a signature, with or without their modules."""
    return re.compile(r" \| ".join(rf"(?:~[\w.]+\.)?{re.escape(name)}" for name in names))


#: Where classes are whose objects programs get and never make: their fields say all.
MADE_FOR_YOU = {"trio_mq._events", "trio_mq._peer", "trio_mq._statistics", "trio_mq._tally"}
BUFFERS = ("bytes", "bytearray", "memoryview")
#: Unions that annotations spell out, and what the reference calls them: the longest first.
ALIASES = {
    "Sendable": spelling(*BUFFERS, "Sequence[bytes", *BUFFERS[1:-1], "memoryview]"),
    "BytesLike": spelling(*BUFFERS),
    "Event": spelling(*[kind.__name__ for kind in get_args(trio_mq.Event)]),
}
# Overloads, and modules whose annotations are texts, have the names already.
autodoc_type_aliases = {name: f"trio_mq.{name}" for name in ALIASES}


def say_names(
    app: Sphinx,
    what: str,
    name: str,
    thing: object,
    options: object,
    signature: str | None,
    returns: str | None,
) -> tuple[str | None, str | None]:
    """Write unions by their names in signatures: ``Sendable`` says more than what it stands for."""
    del app, what, name, options
    if getattr(thing, "__module__", "") in MADE_FOR_YOU and inspect.isclass(thing):
        return "", None
    return signature and with_names(signature), returns and with_names(returns)


def with_names(text: str) -> str:
    """Return a signature in which the unions above have their names, without a module in front."""
    text = re.sub(r"~?(?:[\w.]+\.)?TypeAliasForwardRef\('([\w.]+)'\)", r"~\1", text)
    for alias, union in ALIASES.items():
        text = re.sub(rf"(?<!~)\btrio_mq\.{alias}\b", f"~trio_mq.{alias}", text)
        text = union.sub(f"~trio_mq.{alias}", text)
    return text


def show_measurements() -> None:
    """Draw the charts and the tables of the page on performance from the stored figures."""
    sys.path.insert(0, str(ROOT))
    page = importlib.import_module("benchmarks.page")
    report = importlib.import_module("benchmarks.report").Report
    stored = ROOT / "benchmarks" / "results" / "comparison.jsonl"
    page.write(report.load(stored), ROOT / "docs" / "_generated")


def show_floors() -> None:
    """Give the page on the architecture the picture that is the docstring of the package."""
    _, _, picture = (trio_mq.__doc__ or "").partition("::\n")
    (ROOT / "docs" / "_generated" / "floors.rst").write_text(f"::\n{picture}", "utf-8")


def show_departures() -> None:
    """Write the table of what we do differently from the data of the tests."""
    departures = importlib.import_module("tests.spec.departures").Departure
    lines = [".. list-table::", "   :header-rows: 1", "   :widths: 16 28 28 28", ""]
    for cells in [
        ("source", "what is demanded", "what we do", "why"),
        *(
            (row.source, row.demand, row.instead, row.why)
            for row in (each.value for each in departures)
        ),
    ]:
        first, *others = (" ".join(cell.split()) for cell in cells)
        lines += [f"   * - {first}", *(f"     - {other}" for other in others)]
    (ROOT / "docs" / "_generated" / "departures.rst").write_text("\n".join(lines) + "\n", "utf-8")


def show_log_records() -> None:
    """Write the table of everything that is logged from the table that the library logs by."""
    records = importlib.import_module("trio_mq._log").RECORDS.values()
    lines = [".. list-table::", "   :header-rows: 1", "   :widths: 12 18 35 35", ""]
    lines += ["   * - level", "     - logger", "     - text", "     - when"]
    for record in sorted(records, key=lambda each: -each.level):
        lines += [
            f"   * - {logging.getLevelName(record.level)}",
            f"     - ``trio_mq.{record.concern}``",
            f"     - ``{record.text}``",
            f"     - {record.when}",
        ]
    (ROOT / "docs" / "_generated" / "log_records.rst").write_text("\n".join(lines) + "\n", "utf-8")


def show_commands() -> None:
    """Write what the command says of itself: its formats, its exit codes, and the help of verbs."""
    click = importlib.import_module("click")
    group = importlib.import_module("trio_mq._cli.commands").group
    codes = importlib.import_module("trio_mq._cli.outcome").CODES
    table = importlib.import_module("trio_mq._cli.formats").__doc__ or ""
    verbs: list[str] = []
    root = click.Context(group)
    for name in group.list_commands(root):
        command = group.get_command(root, name)
        context = click.Context(command, info_name=f"trio-mq {name}", terminal_width=96)
        shown = [f"   {line}".rstrip() for line in command.get_help(context).splitlines()]
        verbs += [name, "~" * len(name), "", ".. code-block:: text", "", *shown, ""]
    pages = {
        "formats": table.partition("\n\n")[2],
        "exit_codes": "\n\n".join(f"``{code.value}``\n   {text}" for code, text in codes.items()),
        "verbs": "\n".join(verbs),
    }
    for name, text in pages.items():
        (ROOT / "docs" / "_generated" / f"{name}.rst").write_text(f"{text}\n", "utf-8")


def setup(app: Sphinx) -> None:
    """Register the hooks above."""
    find_source_modules()
    show_measurements()
    show_floors()
    show_departures()
    show_log_records()
    generated = importlib.import_module("generated")
    generated.write(ROOT / "docs" / "_generated")
    importlib.import_module("inventory").write(ROOT / "docs" / "_generated" / "trio.inv")
    show_commands()
    app.connect("autodoc-process-signature", say_names)
    app.connect("doctree-read", qualify_methods)
    app.connect("missing-reference", resolve_by_name)
    app.connect("autodoc-process-docstring", put_comment_aside, priority=100)
    app.connect("autodoc-process-docstring", put_comment_back, priority=900)
