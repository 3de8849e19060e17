"""The folder of a run."""

from pathlib import Path

from mrcnn.model import MaskRCNN


def test_a_file_of_weights_is_no_run_folder(tiny_config, tmp_path):
    """Neither one that is there nor one that is not."""
    model = MaskRCNN("inference", tiny_config, tmp_path / "runs")
    (tmp_path / "there.keras").touch()
    (tmp_path / "there.safetensors").touch()
    for name in ("there.keras", "there.safetensors", "x.keras", "x.h5", "x.hdf5"):
        model.set_log_dir(tmp_path / name)
        folder = Path(model.log_dir)
        assert folder.parent == tmp_path / "runs" and folder.name.startswith("tiny2"), name
    for name in ("run", "run.2"):
        model.set_log_dir(tmp_path / name)
        assert Path(model.log_dir) == tmp_path / name
