"""TensorBoard: event files in the run folder, which `tensorboard --logdir FOLDER` finds below any folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch.utils.tensorboard import SummaryWriter


class TensorboardSink:
    """A run in a folder of event files. A run that is resumed adds a file to it."""

    def __init__(self, folder: Path) -> None:
        self.writer = SummaryWriter(str(folder))

    def parameters(self, settings: Mapping[str, str]) -> None:
        """As one text."""
        self.text("config", "\n".join(f"{key}={value}" for key, value in settings.items()))

    def numbers(self, values: Mapping[str, float], step: int) -> None:
        """A point of a curve each."""
        for name, value in values.items():
            self.writer.add_scalar(name, value, step)

    def text(self, name: str, text: str) -> None:
        """As it stands: what is indented is no Markdown."""
        self.writer.add_text(name, "".join(f"    {line}\n" for line in text.splitlines()))

    def picture(self, name: str, path: Path) -> None:
        """By its pixels."""
        from matplotlib.image import imread

        self.writer.add_image(name, imread(path)[:, :, :3], dataformats="HWC")

    def close(self, completed: bool) -> None:  # noqa: ARG002
        """Everything is written."""
        self.writer.close()
