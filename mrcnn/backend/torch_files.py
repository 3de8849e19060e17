"""Files that PyTorch wrote. PyTorch is optional: nothing else here needs it."""

from pathlib import Path

import numpy as np

from mrcnn.errors import InputError


def load_torch(path: str | Path) -> dict[str, np.ndarray]:
    """The tensors of a file of `torch.save`, by name; nothing but tensors is read from it.

    A state dict may lie under a key "model" or "state_dict", as training scripts write it.

    Raises:
        InputError: PyTorch is not installed, or the file is not of that kind.
    """
    try:
        import torch
    except ImportError:
        raise InputError(
            f"to read {path} PyTorch is needed (pip install torch); a state dict in a file "
            ".npz or .safetensors can be read without it"
        ) from None
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        # torch.load raises many kinds of errors for a damaged or forbidden pickle.
        reason = str(error).split("\n")[0]
        raise InputError(f"{path} cannot be read as a file of tensors: {reason}") from None
    for key in ("model", "state_dict"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict) or not all(
        isinstance(name, str) and isinstance(value, torch.Tensor) for name, value in content.items()
    ):
        raise InputError(f"{path} holds no state dict: names with tensors are expected")
    return {name: _array(value) for name, value in content.items()}


def _array(tensor) -> np.ndarray:
    tensor = tensor.detach()
    # NumPy has no bfloat16.
    return (tensor.float() if tensor.is_floating_point() else tensor).numpy()
