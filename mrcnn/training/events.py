"""Scalars for TensorBoard."""

import time
from pathlib import Path

from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import Event
from tensorboardX.summary import scalar


class Events:
    """Writes scalars in the thread that has them: what goes wrong with the file is an error here.

    tensorboardX's own SummaryWriter has a thread for this. Where the disk is full that thread ends,
    and the program waits for it forever.

    Args:
        folder: Of the event files; each run that goes on adds one.
    """

    def __init__(self, folder: Path):
        folder.mkdir(parents=True, exist_ok=True)
        self._writer = EventsWriter(str(folder / "events"))

    def add(self, step: int, values: dict[str, float]) -> None:
        """Write values by their tags, and flush them.

        Raises:
            OSError: The file cannot be written.
        """
        for tag, value in values.items():
            event = Event(step=step, wall_time=time.time(), summary=scalar(tag, value))
            self._writer.write_event(event)
        self._writer.flush()

    def close(self) -> None:
        """Close the file."""
        self._writer.close()
