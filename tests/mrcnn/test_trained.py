import numpy as np
import pytest

from mrcnn import trained
from mrcnn.config_io import save_config
from mrcnn.data.coco_names import COCO_IDS, COCO_NAMES, class_names
from mrcnn.errors import InputError
from mrcnn.model import MaskRCNN
from mrcnn.weights.loading import to_numpy


@pytest.fixture
def weights(tmp_path, tiny_config):
    """A weight file of the tiny network with its configuration beside it."""
    model = MaskRCNN("inference", tiny_config.update(IMAGES_PER_GPU=4), tmp_path)
    (tmp_path / "run").mkdir()
    path = tmp_path / "run" / "mask_rcnn_tiny_0000001.h5"
    model.save_weights(path)
    save_config(model.config, path.parent / "config.yaml")
    return path, model


def test_a_model_opens_from_its_file_its_folder_or_the_newest_run(weights, capsys):
    path, model = weights
    assert trained.find_weights(path.parent) == path
    assert trained.find_weights("last", path.parents[1]) == path
    opened = trained.open_model(path)
    assert opened.config.BATCH_SIZE == 1 and opened.mode == "inference"
    assert capsys.readouterr().out == f"weights: {path}\n"
    for name, variables in model.layers().items():
        for mine, theirs in zip(variables, opened.layers()[name], strict=True):
            np.testing.assert_array_equal(to_numpy(mine), to_numpy(theirs))


def test_missing_files_are_named(weights, tmp_path):
    path, _ = weights
    with pytest.raises(InputError, match="nowhere.h5 does not exist"):
        trained.find_weights(tmp_path / "nowhere.h5")
    (path.parent / "config.yaml").rename(tmp_path / "other.yaml")
    with pytest.raises(InputError, match="there is no .*config.yaml beside the weights"):
        trained.config_of(path)
    assert trained.config_of(path, tmp_path / "other.yaml").NAME == "tiny"
    (tmp_path / "empty.yaml").write_text("NAME: old\n")
    # As for a file of the original, which comes without settings.
    assert trained.config_of(path, tmp_path / "empty.yaml").NUM_CLASSES == 4


def test_class_names():
    assert len(COCO_NAMES) == len(COCO_IDS) == 80 and COCO_IDS[-1] == 90
    assert class_names(["BG", "cat"], 2) == ["BG", "cat"]
    assert class_names(None, 3) == ["BG", "class 1", "class 2"]
