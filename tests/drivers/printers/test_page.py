from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, islice
from threading import Barrier

from drivers.printers.page import print_bytes
from drivers.printers.profiles import SHIPPED
from kiosk.badge import Block, Role

WIDE = SHIPPED["generic-80"]
PAGES = 40


def test_pages_made_by_two_threads_at_once_equal_those_of_one() -> None:
    # Each page is of another size and needs several fonts, so that two at once would set sizes for each other.
    pages = [
        [Block(Role.NAME, "Åsa" * number), Block(Role.PARTNER, "ياسمين" + "ب" * number), Block(Role.TEXT, "王小明" * number)]
        for number in range(1, PAGES + 1)
    ]
    start = Barrier(2)

    def made(first: int) -> list[bytes]:
        start.wait(timeout=30)
        return [print_bytes(page, WIDE) for page in islice(cycle(pages), first, first + PAGES)]

    with ThreadPoolExecutor(2) as threads:
        one, other = threads.map(made, (0, PAGES // 2))
    assert other[PAGES // 2 :] + other[: PAGES // 2] == one
    assert one == [print_bytes(page, WIDE) for page in pages]
