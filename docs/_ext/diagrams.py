"""The directive ``diagram``, which puts a picture by `drawing` into a page."""

from __future__ import annotations

from docutils import nodes
from drawing import draw
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective


class Diagram(SphinxDirective):
    """Draw what the content describes; the argument says it in a sentence, for who can't see."""

    required_arguments = 1
    final_argument_whitespace = True
    has_content = True

    def run(self) -> list[nodes.Node]:
        """Return the picture, for pages that a browser shows."""
        title = " ".join(self.arguments[0].split())
        try:
            picture = draw(self.content, title)
        except ValueError as error:
            raise self.error(str(error)) from None
        return [nodes.raw("", f'<div class="diagram">{picture}</div>', format="html")]


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive and its style."""
    app.add_directive("diagram", Diagram)
    app.add_css_file("diagrams.css")
    return {"parallel_read_safe": True}
