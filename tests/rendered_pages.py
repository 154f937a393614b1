"""What views hand to their templates: tests look at that, and leave the markup to those who design it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flask import Flask, template_rendered
from jinja2 import Template


class Pages:
    """The pages that were drawn, the newest last."""

    def __init__(self) -> None:
        self.drawn: list[tuple[str, dict[str, Any]]] = []

    def note(self, sender: Flask, template: Template, context: dict[str, Any], **more: Any) -> None:
        self.drawn.append((template.name or "", context))

    def last(self, name: str) -> dict[str, Any]:
        """Context of the newest page, which has to be drawn from this template."""
        found, context = self.drawn[-1]
        assert found == name
        return context


@contextmanager
def noted_pages(app: Flask) -> Iterator[Pages]:
    pages = Pages()
    template_rendered.connect(pages.note, app)
    try:
        yield pages
    finally:
        template_rendered.disconnect(pages.note, app)
