"""Files that PyTorch wrote. PyTorch is optional: nothing else here needs it."""

import warnings
from pathlib import Path

import numpy as np

from mrcnn.errors import InputError
from mrcnn.files.reading import claimable


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
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of kinds of tensors that are refused below
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
    room = claimable(Path(path).stat().st_size)
    return {name: _array(value, f"{path}: {name}", room) for name, value in content.items()}


def _array(tensor, what: str, room: int) -> np.ndarray:
    kind = _other_kind(tensor)
    if kind:
        raise InputError(f"{what} is a {kind} tensor; those of weight files are dense")
    if tensor.numel() * tensor.element_size() > room:
        # A view may repeat one number without end.
        raise InputError(f"{what} claims {tensor.numel()} numbers, far more than the file has")
    tensor = tensor.detach()
    # NumPy has no bfloat16.
    return (tensor.float() if tensor.is_floating_point() else tensor).numpy()


def _other_kind(tensor) -> str:
    """What keeps a tensor from being an array in memory, or ""."""
    if tensor.is_quantized:
        return "quantised"
    if tensor.is_sparse or str(tensor.layout) != "torch.strided":
        return "sparse"
    return "meta" if tensor.is_meta else ""
