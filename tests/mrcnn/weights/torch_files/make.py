"""Write the files beside this one with PyTorch: `python make.py` with torch installed."""

import argparse
from pathlib import Path

import torch

HERE = Path(__file__).parent


def main():
    base = torch.arange(12, dtype=torch.float32).reshape(3, 4)
    state = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3)).state_dict()
    for value in state.values():
        value.copy_(torch.arange(value.numel()).reshape(value.shape) + 0.5)
    state.update(
        turned=base.T, part=base[1:, 2:], half=base.half(), brain=base.bfloat16(),
        parameter=torch.nn.Parameter(base * 2), scalar=torch.tensor(3), none=torch.zeros(0, 4),
        flags=torch.tensor([True, False]), bytes=torch.tensor([7, 9], dtype=torch.uint8),
        double=base.double(),
    )  # fmt: skip
    # As a training script leaves it: with what is no tensor beside it.
    around = {"model": state, "args": argparse.Namespace(rate=0.1), "epoch": 3}
    for name, content in (("plain", state), ("checkpoint", around)):
        torch.save(content, HERE / f"{name}_zip.pth")
        torch.save(content, HERE / f"{name}_stream.pth", _use_new_zipfile_serialization=False)
    with torch.no_grad():
        refused = {
            "sparse": base.to_sparse(),
            "meta": torch.empty(2, device="meta"),
            "quantised": torch.quantize_per_tensor(base, 0.1, 0, torch.qint8),
            "complex": base.to(torch.complex64),
            "repeated": torch.ones(1).expand(1 << 30),
        }
    for name, tensor in refused.items():
        torch.save({"a": tensor}, HERE / f"{name}.pth")


if __name__ == "__main__":
    main()
