"""The peer's half of ``benchmarks.peer_environment.Peer``: questions come as lines of JSON, and so do the answers."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from typing import Any


def answer_questions(answers: Mapping[str, Callable[..., Any]]) -> None:
    """Answer until stdin ends: ``{"do": name, ...}`` calls ``answers[name](...)``."""
    for line in sys.stdin:
        question = json.loads(line)
        answer = answers[question.pop("do")](**question)
        print(json.dumps({"answer": answer}), flush=True)
