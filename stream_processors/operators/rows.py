"""The rows of a record that is a frame."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from schemas import frame
from stream_processors.ports import Record


class FrameRows:
    """Lets a family's records be cut into rows; what is no frame has none."""

    def rows(self, record: Record) -> int:
        """Return how many rows a record has, 0 where it is none that can be cut."""
        return frame.rows_in(record.value)

    def pick(self, record: Record, rows: npt.NDArray[np.int64]) -> Record:
        """Return the record with these rows alone."""
        return replace(record, value=frame.pick(record.value, rows))
