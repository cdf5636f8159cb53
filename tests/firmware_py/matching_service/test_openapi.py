"""The service is as its description says, and the description is published."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from firmware_py.matching_service.app import published
from tests.rigs.service import RunningService

DOCUMENT = Path(__file__).parents[3] / "docs" / "openapi.json"
CONFORMANCE = ("status_code", "content_type", "response_headers", "response_schema")
CHECKS = ",".join(["not_a_server_error", *(f"{each}_conformance" for each in CONFORMANCE)])
EXAMPLES = 60


def test_the_published_description_is_that_of_this_version() -> None:
    assert DOCUMENT.read_bytes() == published(), (
        "write it anew: python -c 'import sys; from firmware_py.matching_service.app import published; "
        "sys.stdout.buffer.write(published())' > docs/openapi.json"
    )


@pytest.mark.timeout(600)
def test_no_request_that_schemathesis_thinks_of_breaks_the_service(tmp_path: Path) -> None:
    with RunningService(tmp_path) as service:
        service.add_venue("mitte")
        token = service.token("mitte", "front")
        service.start()
        done = subprocess.run(
            [
                *(sys.executable, "-m", "schemathesis.cli", "--config-file", _settings(tmp_path)),
                *("run", f"{service.urls[0]}/v1/openapi.json"),
                *("--header", f"Authorization: Bearer {token}", "--checks", CHECKS, "--max-examples", str(EXAMPLES)),
                *("--seed", "1", "--generation-deterministic", "--request-timeout", "60", "--no-color"),
                *("--phases", "examples,coverage,fuzzing"),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=tmp_path,
        )
        assert done.returncode == 0, done.stdout
        assert "Traceback" not in service.log()


def _settings(folder: Path) -> str:
    """Let every request go to the venue that the token is of: any other is forbidden."""
    file = folder / "schemathesis.toml"
    file.write_text('[parameters]\n"path.venue" = "mitte"\n')
    return str(file)
