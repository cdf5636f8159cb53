"""Says aloud what the visitors' screen tells the one who tapped: through espeak-ng, an engine of this machine, to headphones.

Source: espeak-ng(1). A name is written by anybody, so the engine gets each text as text, on its standard input: in its
arguments everybody on the machine could read it.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from contextlib import suppress
from pathlib import Path

from firmware_py.config import Config, SpeechTable
from firmware_py.desk.link import Happening, Watch
from firmware_py.desk.whose import Whose
from firmware_py.terminal.notify import Notifier
from firmware_py.texts import load_page_texts
from kiosk.signals import Signal
from kiosk.texts import Texts
from kiosk.values import Language

log = logging.getLogger("fikatap")

ENGINE = Path("/usr/bin/espeak-ng")
FRESH_S = 5.0
"""What was answered longer ago is not begun any more: its visitor may have gone, and somebody else have the headphones on."""
LONGEST_S = 90.0
"""An engine that takes longer over one answer hangs."""
PAUSE_S = 0.5
"""How long an engine that did not speak is left alone before the next try."""
DYING_S = 1.0
"""How long is waited for an engine that was killed; one that sits in a broken driver never goes."""


def spoken(shown: Happening, texts: Texts) -> str:
    """Return what an answer (`Shown`) says to who does not see the screen, in its visitor's language: all that is on it."""
    language = Language(shown["language"])
    parts = [shown["words"]]
    if shown["badge_later"] and shown["signal"] != Signal.WELCOME_NO_BADGE:
        parts.append(texts.say(language, "screen.badge_later"))
    if shown["partner"]:
        parts.append(f"{texts.say(language, 'badge.meet')} {shown['partner']}.")
    if shown["reason"]:
        parts.append(shown["reason"])
    if shown["starter"]:
        parts.append(f"{texts.say(language, 'badge.start')}: {shown['starter']}")
    return " ".join(parts)


def plain(text: str) -> str:
    """Return a text in which the engine finds nothing but words: no [[phonemes]] and no control characters, its commands."""
    return " ".join("".join(each if each.isprintable() and each not in "[]" else " " for each in text).split())


class Speaker:
    """Speaks one answer at a time, the newest; whoever tells it of one never waits."""

    def __init__(self, speech: SpeechTable, longest_s: float = LONGEST_S) -> None:
        self._speech = speech
        self._longest_s = longest_s
        self._texts = load_page_texts()
        self._whose = Whose()
        self._only_one = asyncio.Lock()
        self._speaking: asyncio.Task[None] | None = None
        self._is_mute = False

    def hear(self, happening: Happening) -> None:
        """Begin to speak what concerns the visitor by these headphones; what is being spoken is cut off."""
        is_here = happening["kind"] == "Shown" and happening["reader"] == self._speech.reader
        if is_here and self._whose.takes(happening):
            self.hush()
            self._speaking = asyncio.create_task(self._speak(happening))

    def hush(self) -> None:
        """Speak no further."""
        if self._speaking is not None:
            self._speaking.cancel()

    async def end(self) -> None:
        """Speak no further, and wait until the engine is gone."""
        self.hush()
        if self._speaking is not None:
            await asyncio.wait([self._speaking])

    async def _speak(self, shown: Happening) -> None:
        """Try until it is said, or too old."""
        text = plain(spoken(shown, self._texts))
        # An older terminal does not say when it was.
        said_s = shown["boot_ms"] / 1000 if "boot_ms" in shown else time.clock_gettime(time.CLOCK_BOOTTIME)
        until_s = said_s + FRESH_S
        async with self._only_one:
            while time.clock_gettime(time.CLOCK_BOOTTIME) < until_s:
                trouble = await self._try(text, shown["language"])
                self._tell(trouble)
                if not trouble:
                    return
                await asyncio.sleep(PAUSE_S)

    async def _try(self, text: str, language: str) -> str:
        """Let the engine speak to the end, and return what was wrong, without the text; nothing when it spoke."""
        voice = ("-b", "1", "-v", language, "-s", str(self._speech.speed), "-d", self._speech.device)
        pipe = asyncio.subprocess.PIPE
        try:
            engine = await asyncio.create_subprocess_exec(
                ENGINE, "--stdin", *voice, stdin=pipe, stdout=asyncio.subprocess.DEVNULL, stderr=pipe
            )
        except OSError as error:
            return f"{ENGINE}: {error.strerror}"
        try:
            async with asyncio.timeout(self._longest_s):
                _, said = await engine.communicate(text.encode())
        except TimeoutError:
            return f"{ENGINE.name} hangs"
        finally:
            if engine.returncode is None:
                engine.kill()
                with suppress(TimeoutError):
                    async with asyncio.timeout(DYING_S):
                        await engine.wait()
        if engine.returncode:
            return f"{ENGINE.name} ended with {engine.returncode}"
        # It ends well without a sound, too.
        if any(line.lower().startswith(b"error") for line in said.splitlines()):
            return f"{ENGINE.name} can't use '{self._speech.device}'"
        return ""

    def _tell(self, trouble: str) -> None:
        """Log when speech goes and when it comes back."""
        if trouble and not self._is_mute:
            log.warning("nothing can be spoken: %s", trouble)
        elif self._is_mute and not trouble:
            log.info("speech works again")
        self._is_mute = bool(trouble)


def speak(config: Config) -> None:
    """Speak until SIGTERM or SIGINT, also while no terminal is there; where `[speech]` is not configured, say so and return."""
    if config.speech is None:
        log.info("speech is off: there is no [speech] in %s", config.file)
        return
    asyncio.run(_listen(Speaker(config.speech), Watch(config.control.socket), Notifier()))


async def _listen(speaker: Speaker, watch: Watch, notifier: Notifier) -> None:
    hearing = asyncio.create_task(_hear(speaker, watch, notifier))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, hearing.cancel)
    with suppress(asyncio.CancelledError):
        await hearing


async def _hear(speaker: Speaker, watch: Watch, notifier: Notifier) -> None:
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(watch.run())
            if notifier.watchdog_s is not None:
                group.create_task(_live(notifier, notifier.watchdog_s))
            async for happening in watch.happenings():
                speaker.hear(happening)
    finally:
        await speaker.end()


async def _live(notifier: Notifier, pause_s: float) -> None:
    """Feed systemd's watchdog for as long as the loop goes round."""
    while True:
        notifier.alive()
        await asyncio.sleep(pause_s)
