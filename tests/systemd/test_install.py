"""What `systemd/install` refuses, fetches and tells the machine; what comes of it is in test_boxes.py."""

from __future__ import annotations

import fcntl
import re
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from firmware_py.texts import load_texts
from kiosk.values import Language
from tools import make_bundle

SHIPPED = Path(__file__).parents[2] / "systemd"
TEXT = (SHIPPED / "install").read_text("utf-8")


def function(names: str, call: str, **variables: str | Path) -> str:
    """Return what functions of the script print."""
    bodies = [
        body for name in names.split() for body in re.findall(rf"^{name}\(\) \{{.*?^\}}$", TEXT, re.MULTILINE | re.DOTALL)
    ]
    assert len(bodies) == len(names.split())
    settings = [f"{key}={str(value)!r}" for key, value in variables.items()]
    command = ["bash", "-euo", "pipefail", "-c", "\n".join([*settings, *bodies, call])]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--from"], "'' is no unpacked bundle; write --from FOLDER"),
        (["--from", "/nowhere at all"], "'/nowhere at all' is no unpacked bundle; write --from FOLDER"),
        (["--form", "/x"], "'--form' is not known; write nothing, --from FOLDER or --remove"),
        ([], "'{}' is no checkout; run it in the folder with the source"),
    ],
)
def test_what_can_not_be_installed_is_refused_in_one_line(arguments: list[str], why: str, tmp_path: Path) -> None:
    (tmp_path / "systemd").mkdir()
    installer = shutil.copy(SHIPPED / "install", tmp_path / "systemd")
    done = subprocess.run([installer, *arguments], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"install: {why.format(tmp_path)}\n"


def test_what_an_update_without_a_network_needs_is_fetched_with_the_first_installation() -> None:
    assert set(function("debian_packages", "debian_packages", **{"from": "/nowhere"}).split()) >= set(
        make_bundle.DEBIAN_PACKAGES
    )


def test_what_the_rules_name_is_there_at_once_for_what_is_plugged_in_already() -> None:
    ruled = set(re.findall(r'^SUBSYSTEM=="(\w+)"', (SHIPPED / "udev.rules").read_text("utf-8"), re.MULTILINE))
    assert len(ruled) > 2
    assert set(re.findall(r"--subsystem-match=(\w+)", TEXT)) == ruled


def test_the_modules_that_are_not_loaded_any_more_are_taken_out_at_once() -> None:
    (removed,) = re.findall(r"for module in ([\w ]+); do\n +modprobe", TEXT)
    assert set(removed.split()) == set(
        re.findall(r"^blacklist (\w+)$", (SHIPPED / "modprobe.conf").read_text("utf-8"), re.MULTILINE)
    )


def test_another_content_or_another_python_is_another_release(tmp_path: Path) -> None:
    for name in ("firmware_py", "kiosk", "drivers", "systemd", "docs", "locks"):
        (tmp_path / name).mkdir()
    (tmp_path / "locks/run.txt").touch()
    (tmp_path / "pyproject.toml").write_text('version = "0.3.0"\n', "utf-8")

    def version(python: str) -> str:
        return function("version_of", f"python3() {{ echo '{python}'; }}\nversion_of", **{"from": tmp_path}).strip()

    first = version("(3, 11)")
    assert re.fullmatch(r"0\.3\.0\+src\.[0-9a-f]{8}", first)
    assert version("(3, 11)") == first
    assert version("(3, 13)") != first
    (tmp_path / "firmware_py/a.pyc").touch()
    assert version("(3, 11)") == first
    (tmp_path / "firmware_py/a.py").touch()
    assert version("(3, 11)") != first


def test_a_release_that_is_put_into_its_place_again_keeps_its_name(tmp_path: Path) -> None:
    release = tmp_path / "0.3.0+src.12345678"
    release.mkdir()
    (release / "complete").touch()
    assert function("version_of", "version_of", **{"from": release}).strip() == release.name


@pytest.mark.parametrize("remedy", ["modules", "rights", "polkit"])
@pytest.mark.parametrize("language", Language)
def test_what_the_doctor_tells_to_run_again_is_on_every_terminal(remedy: str, language: Language) -> None:
    assert "sudo /opt/fikatap/current/systemd/install" in load_texts().say(language, f"doctor.{remedy}_remedy")


FALLS_BACK = """
readlink() {  # the fall-back comes just after the first look
  command readlink "$@"
  if [ -e "$opt/previous" ]; then mv -T "$opt/previous" "$opt/current"; fi
}
"""


@pytest.mark.parametrize("meanwhile", ["", FALLS_BACK], ids=["then", "in the middle"])
def test_a_release_that_was_fallen_back_to_meanwhile_stays(meanwhile: str, tmp_path: Path) -> None:
    for name in ("0.1.0", "0.2.0", "0.3.0"):
        (tmp_path / "releases" / name).mkdir(parents=True)
    (tmp_path / "current").symlink_to(f"releases/{'0.3.0' if meanwhile else '0.2.0'}")
    if meanwhile:
        (tmp_path / "previous").symlink_to("releases/0.2.0")
    function("forget_older", f"{meanwhile}\nforget_older", opt=tmp_path, release=tmp_path / "releases/0.3.0")
    assert (tmp_path / "current").readlink().name == "0.2.0"
    assert sorted(each.name for each in (tmp_path / "releases").iterdir()) == ["0.2.0", "0.3.0"]


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A house in which 0.1.0 is proven, 0.2.0 was fallen back from while 0.3.0 was built, and 0.1.0 runs again."""
    for version in ("0.1.0", "0.2.0", "0.3.0"):
        (tmp_path / "releases" / version / "systemd").mkdir(parents=True)
        shutil.copy(SHIPPED / "fall-back", tmp_path / "releases" / version / "systemd")
    (tmp_path / "current").symlink_to("releases/0.1.0")
    (tmp_path / "marks").mkdir()
    (tmp_path / "marks/0.1.0.healthy").touch()
    (tmp_path / "releases/0.2.0/rejected").touch()
    return tmp_path


def take_over(house: Path) -> tuple[str, list[str]]:
    """Return what is fallen back to once 0.3.0 has taken over, and the releases that are left."""
    release = house / "releases/0.3.0"
    function(
        "swap take_over forget_older",
        "take_over; forget_older",
        opt=house,
        marks=house / "marks",
        version="0.3.0",
        release=release,
    )
    assert (house / "current").readlink() == Path("releases/0.3.0")
    return (house / "previous").readlink().name, sorted(each.name for each in (house / "releases").iterdir())


def test_what_was_fallen_back_to_while_another_release_was_built_is_the_way_back(house: Path) -> None:
    assert take_over(house) == ("0.1.0", ["0.1.0", "0.3.0"])


def test_a_release_that_could_not_stay_up_is_never_the_way_back(house: Path) -> None:
    (house / "current").unlink()
    (house / "current").symlink_to("releases/0.2.0")
    (house / "previous").symlink_to("releases/0.1.0")
    (house / "marks/0.2.0.healthy").touch()
    assert take_over(house) == ("0.1.0", ["0.1.0", "0.3.0"])


def test_a_release_that_could_not_stay_up_is_made_anew() -> None:
    (line,) = re.findall(r'^\[ -e "\$release/complete" \].*$', TEXT, re.MULTILINE)
    assert line.endswith('|| build "$release"')
    for marks, built in (((), "built"), (("complete",), ""), (("complete", "rejected"), "built")):
        with TemporaryDirectory() as release:
            for mark in marks:
                (Path(release) / mark).touch()
            script = f"build() {{ echo built; }}\nrelease='{release}'\n{line}"
            done = subprocess.run(["bash", "-euo", "pipefail", "-c", script], capture_output=True, text=True, check=True)
            assert done.stdout.strip() == built


def test_what_does_not_work_leaves_nothing_else_undone_and_is_told() -> None:
    assert (
        function(
            "",
            "failed=()\n"
            + "\n".join(re.findall(r"^attempt\(\).*$", TEXT, re.MULTILINE))
            + """
attempt false once
attempt echo went on
echo "${failed[*]}"
""",
        )
        == "went on\n'false once'\n"
    )


def test_two_installations_at_once_are_one(house: Path) -> None:
    (lines,) = re.findall(r"^exec 7>>.*\n^flock .*$", TEXT, re.MULTILINE)
    with (house / "install.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        script = f"opt='{house}'\nfail() {{ echo \"$*\"; exit 1; }}\n{lines}\necho in"
        second = ["bash", "-euo", "pipefail", "-c", script]
        assert (
            subprocess.run(second, capture_output=True, text=True, check=False).stdout == "another installation is under way\n"
        )
    assert subprocess.run(second, capture_output=True, text=True, check=True).stdout == "in\n"
