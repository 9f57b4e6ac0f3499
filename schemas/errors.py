"""The exceptions of Pulsera, drawn as a tree.

PulseraError
├── SetupError             something on this computer is missing or in the way; carries the next step
├── ContractError          data breaks a contract: trying again gives the same answer
│   ├── RecordingError     files are not a recording that we know how to replay
│   ├── FrameError         bytes are not a frame that we know how to read
│   ├── UnreadableVideoError   a file or a picture cannot be measured; carries the reason
│   └── RegistryVersionError   a frame was written by a newer registry than this reader knows
├── PassingError           the world is away for a while: try again with what is in hand
│   ├── BrokerAwayError
│   ├── DatabaseAwayError
│   └── DecoderAwayError   a process that decodes pictures ended, took too long or could not be started
├── StaleOwnerError        somebody else moved the state on: drop ours and restore
├── LeaseLostError         another process may be the active one: drop the state and compete again
├── DeviceStoppedError     a gateway will take no more from this device until a person has done something
├── LogMismatchError       the state belongs to another log: stop, a person decides
└── AccessError            whoever calls may not see or do this
    ├── UnauthenticatedError
    ├── ForbiddenError
    └── UnknownSubjectError
"""

from typing import Final

import msgspec

UNREADABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What decoding of bytes that anybody wrote can end with: text that is no UTF-8 and nesting without end are no
`MsgspecError`."""


class PulseraError(Exception):
    """Every error that Pulsera raises on purpose is one of these."""


class SetupError(PulseraError):
    """Something on this computer is missing or in the way."""

    def __init__(self, message: str, *, next_step: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.next_step = next_step

    def __str__(self) -> str:
        return f"{self.message} {self.next_step}".strip()


class ContractError(PulseraError):
    """Data breaks a contract; a retry cannot help."""


class FrameError(ContractError):
    """Bytes are not a frame that this reader knows."""


class UnreadableVideoError(ContractError):
    """A video, or every picture of a chunk, cannot be measured.

    `reason` is one of: empty, not_a_video, audio_only, incomplete, undecodable, too_large, too_long, no_times, missing.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class RecordingError(ContractError):
    """Files are not a recording in a layout that this client knows."""


class RegistryVersionError(PulseraError):
    """A frame needs a newer registry of vitals than this process has: the reader stops and says so."""


class PassingError(PulseraError):
    """The world is away for a while; the same call may work later."""


class BrokerAwayError(PassingError):
    """Kafka did not take or give a record in time."""


class DatabaseAwayError(PassingError):
    """The database did not answer, or could not take the write now."""


class DecoderAwayError(PassingError):
    """A process that decodes pictures ended, took too long, or could not be started: another one may do it.

    `reason` is one of: process_ended, too_slow, not_started. `had_pictures` says whether the pictures may be to blame.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.had_pictures = reason != "not_started"


class StaleOwnerError(PulseraError):
    """The saved offset is not the one this owner knows: another owner has moved it on."""


class LeaseLostError(PulseraError):
    """This process no longer holds the lock of the active one, or cannot know that it does."""


class DeviceStoppedError(PulseraError):
    """A gateway will take no more from this device until a person has done what the message says."""


class LogMismatchError(PulseraError):
    """The saved state belongs to another Kafka cluster, or lies beyond the end of the log."""


class AccessError(PulseraError):
    """The caller may not see or do this."""


class UnauthenticatedError(AccessError):
    """There is no valid token."""


class ForbiddenError(AccessError):
    """The caller is known, and has no grant for this."""


class UnknownSubjectError(AccessError):
    """There is no such subject, or none that the caller may know of."""
