"""Sentences of the checks, marked for translation; the web layer says them in the language of the page.

Placeholders are Python's ``%(name)s``; their values stand beside the sentence in ``Check.values``.
"""

from __future__ import annotations


def N_(sentence: str) -> str:
    """Mark a sentence for translation, and hand it on as it is."""
    return sentence
