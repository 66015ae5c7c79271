"""TensorBoard callbacks, which write learning curves while a model trains."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from textcnn.errors import ConfigError, import_extra
from textcnn.progress import Silent


class TensorBoard(Silent):
    """Writes event files: loss and speed at each step, loss and dev metrics at each epoch.

    Curves: ``step/loss`` and ``step/tokens_per_second`` over steps, ``epoch/loss`` and ``epoch/dev_...`` over epochs,
    which count from 1. Where several networks are trained, as with folds, each is a run of its own: the first in the
    folder itself, the next ones in ``2``, ``3`` and so on below it.

    Args:
        folder: of the event files; made if there is none.

    Raises:
        ConfigError: the folder cannot be made.
        MissingExtraError: tensorboard is not installed.
    """

    def __init__(self, folder: str | Path) -> None:
        import_extra("tensorboard", extra="tensorboard", feature="writing for TensorBoard")
        from torch.utils.tensorboard import SummaryWriter

        self._folder, self._make = Path(folder), SummaryWriter
        self._writer: Any = None
        self._runs = self._steps = 0
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as err:
            raise ConfigError(f"expected a folder for TensorBoard, got {str(folder)!r}: {err}") from err

    def start(self, num_steps: int) -> None:
        """Open the event files of a run."""
        self._runs, self._steps = self._runs + 1, 0
        self._writer = self._make(str(self._folder if self._runs == 1 else self._folder / str(self._runs)))

    def step(self, epoch: int, loss: float, tokens_per_second: float) -> None:
        """Write loss and speed."""
        self._steps += 1
        self._writer.add_scalar("step/loss", loss, self._steps)
        self._writer.add_scalar("step/tokens_per_second", tokens_per_second, self._steps)

    def epoch(self, entry: dict[str, Any]) -> None:
        """Write each metric of the epoch, and flush."""
        for name, value in entry.items():
            if isinstance(value, float):
                self._writer.add_scalar(f"epoch/{name}", value, entry["epoch"])
        self._writer.flush()

    def stop(self) -> None:
        """Close the event files."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
