"""How good the matches are: all that `fikatap matching evaluate --all` tells."""

from __future__ import annotations

from firmware_py.evaluation.report import evaluate_all, rounded
from firmware_py.vocabulary import load_vocabulary


def figures() -> dict[str, object]:
    """Return the whole report under one name."""
    return {"evaluation": rounded(evaluate_all(load_vocabulary()))}
