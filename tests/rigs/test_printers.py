"""The rigs' own promises: a serial line is as slow as its baud rate, and a connection can break in the middle."""

from __future__ import annotations

import os
import socket
import time

from tests.rigs.printers import NetworkPrinter, SerialPrinter


def test_a_serial_printer_reads_no_faster_than_its_line() -> None:
    with SerialPrinter(baud=19200) as printer:
        line = os.open(printer.path, os.O_WRONLY | os.O_NOCTTY)
        began = time.monotonic()
        os.write(line, bytes(1920))
        printer.until_received(1920)
        took = time.monotonic() - began
        os.close(line)
    assert took > 0.95


def test_a_connection_breaks_after_as_many_bytes_as_wanted() -> None:
    with NetworkPrinter() as printer, socket.create_connection(("127.0.0.1", printer.port)) as connection:
        printer.kill_after(100)
        connection.sendall(bytes(1000))
        printer.until_received(100)
        connection.settimeout(30)
        try:
            ended = connection.recv(1) == b""
        except ConnectionResetError:
            ended = True
        assert ended
        assert len(printer.received) == 100
