"""The thread that reads for staff, over the real ends of a client's connection."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

from firmware_py.ledger import Ledger
from firmware_py.terminal.control import Command, Request, _Client
from firmware_py.terminal.reading import Question, Reading


def test_what_cannot_be_answered_does_not_end_the_reading(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path / "ledger.db")
    near, far = socket.socketpair()
    client = _Client(near, lambda _: None, lambda _: None)
    client.start()
    reading = Reading(ledger.reader)
    questions: list[Question] = [lambda _: 1 / 0, lambda _: object(), lambda _: "\ud800", lambda _: "well"]
    for number, question in enumerate(questions):
        reading.ask(Command(Request(1, number, "ask"), client), question)
    far.settimeout(20)
    with far, far.makefile("rb") as lines:
        answers: list[dict[str, Any]] = [json.loads(lines.readline()) for _ in questions]
    assert [each["id"] for each in answers] == [0, 1, 2, 3]
    assert answers[0]["error"] == "ask: ZeroDivisionError"
    assert answers[1]["error"] == "ask: TypeError"
    assert answers[2]["error"] == "ask: UnicodeEncodeError"
    assert answers[3]["result"] == "well"
    reading.stop(20)
    client.hang_up()
    near.close()
    ledger.close()
