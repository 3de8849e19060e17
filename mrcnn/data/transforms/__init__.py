"""What images and their objects go through together before they are batched."""

from typing import Any

from mrcnn.compat.moved import moved_name


def __getattr__(name: str) -> Any:
    return moved_name(__name__, name)
