"""What a data folder remembers of its replays, so that one that was stopped goes on; `replays.json` is its owner's."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from infra.embedded.data_dir import write_private_bytes
from infra.enrol import Enrolled
from schemas.errors import SetupError

_FILE: Final = "replays.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A replay that began: its device, and which second of the recording was now at `start_ms` (Unix)."""

    device: Enrolled
    start_ms: int
    present_s: int


_DECODER: Final = msgspec.json.Decoder(dict[str, Kept])


class Replays:
    """The replays of a data folder, by recording and wearer."""

    def __init__(self, data_dir: Path) -> None:
        self._file = data_dir / _FILE

    def find(self, key: str) -> Kept | None:
        """Return a replay that began.

        Raises:
            SetupError: The file is there and cannot be read.
        """
        return self._read().get(key)

    def keep(self, key: str, replay: Kept) -> None:
        """Remember a replay that begins.

        Raises:
            SetupError: As `find`, or the file cannot be written.
        """
        everything = {**self._read(), key: replay}
        try:
            write_private_bytes(self._file, msgspec.json.format(msgspec.json.encode(everything)))
        except OSError as error:
            raise SetupError(
                f"{self._file} cannot be written: {error.strerror}.", next_step="Mend that, or set PULSERA_DATA_DIR."
            ) from error

    def _read(self) -> dict[str, Kept]:
        try:
            return _DECODER.decode(self._file.read_bytes())
        except FileNotFoundError:
            return {}
        except (OSError, msgspec.MsgspecError) as error:
            raise SetupError(
                f"{self._file} cannot be read: {error}.", next_step="Delete it: recordings then begin anew."
            ) from error
