"""The pages as a process: how soon they are ready, how big they are, and how much a browser fetches for the first page."""

from __future__ import annotations

import re
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import httpx

from tests.rigs.pages import PagesProcess, sign_in


def figures(rounds: int = 7) -> dict[str, float]:
    """Return milliseconds from the start to READY, megabytes after the first pages, and kilobytes of each first page in all."""
    ready_ms, rss_mb, first_kb = [], [], {}
    for _ in range(rounds):
        with TemporaryDirectory(prefix="fikatap-pages-") as name:
            pages = PagesProcess(Path(name))
            try:
                ready_ms.append(pages.start() * 1000)
                with pages.client() as client:
                    sign_in(client)
                    first_kb = {
                        "pages_screen_first_kb": _kilobytes(client, f"{pages.screen}/screen"),
                        "pages_desk_first_kb": _kilobytes(client, f"{pages.desk}/desk"),
                    }
                rss_mb.append(pages.memory_mb("VmRSS"))
            finally:
                pages.kill()
    return {
        "pages_ready_ms": round(median(ready_ms)),
        "pages_rss_mb": round(median(rss_mb), 1),
        **{key: round(value, 1) for key, value in first_kb.items()},
    }


def _kilobytes(client: httpx.Client, address: str) -> float:
    """Return the size of a page and of all that it names, heads too, as sent."""
    answer = client.get(address)
    root = httpx.URL(address)
    named = set(re.findall(r'(?:src|href)="(/static/[^"]+)"', answer.text))
    return sum(_sent(each) for each in (answer, *(client.get(root.join(path)) for path in named))) / 1000


def _sent(answer: httpx.Response) -> int:
    return answer.num_bytes_downloaded + sum(len(name) + len(value) + 4 for name, value in answer.headers.raw)
