"""What goes wrong outside, sorted by what happens next."""

from __future__ import annotations

from kiosk.values import Cause


class FikatapError(Exception):
    """Something that is not our own mistake; the message shows the value and what would have been right."""


class ConfigError(FikatapError, ValueError):
    """The configuration is wrong: the program ends with exit code 78 and is not restarted."""


class DeviceError(FikatapError):
    """A device does not do its work: shown, supervised, reopened with back-off."""


class DeviceMissing(DeviceError, FileNotFoundError):
    """The device is not there, or may not be opened."""


class DeviceLost(DeviceError, ConnectionError):
    """The device was there and went away."""


class DeviceSilent(DeviceError, TimeoutError):
    """The device did not answer within its deadline."""


class DeviceRefused(DeviceError):
    """The device answered that it will not: `cause` says why."""

    def __init__(self, message: str, cause: Cause = Cause.OFFLINE) -> None:
        super().__init__(message)
        self.cause = cause


class DeviceGarbled(DeviceError):
    """The device answered nonsense."""
