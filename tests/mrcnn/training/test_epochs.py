import pytest

from mrcnn.config import Config
from mrcnn.config_io import load_config, with_rate
from mrcnn.errors import InputError
from mrcnn.training.epochs import in_steps, steps_per_epoch, with_epochs

STAGES = [("heads", 2, 0.01), ("all", 6, 0.01), ("all", 2, 0.001)]


@pytest.fixture
def config():
    return Config().update(
        SCHEDULE=STAGES, SCHEDULE_UNIT="epochs", IMAGES_PER_GPU=4, WARMUP_STEPS=100
    )


@pytest.mark.parametrize(("images", "steps"), [(1, 1), (4, 1), (5, 2), (358, 90)])
def test_an_epoch_shows_every_image(config, images, steps):
    assert steps_per_epoch(config, images) == steps


def test_epochs_become_steps(config):
    found = in_steps(config, 358)
    assert found.SCHEDULE == [("heads", 180, 0.01), ("all", 540, 0.01), ("all", 180, 0.001)]
    assert (found.STEPS_PER_EPOCH, found.WARMUP_STEPS) == (90, 90)
    assert in_steps(found, 1000) is found
    assert in_steps(config.update(WARMUP_STEPS=7), 358).WARMUP_STEPS == 7


def test_a_schedule_in_steps_stays(config):
    paper = Config()
    assert in_steps(paper, 117_266) is paper


def test_no_images_have_no_epoch(config):
    with pytest.raises(InputError, match="at least one training image"):
        in_steps(config, 0)


@pytest.mark.parametrize(
    ("batch", "rates"), [(8, [0.01, 0.01, 0.001]), (2, [0.0025, 0.0025, 0.00025])]
)
def test_rates_are_proportional_to_the_batch(config, batch, rates):
    found = in_steps(config.update(LEARNING_RATE_BATCH=8, IMAGES_PER_GPU=batch), 10)
    two = in_steps(config.update(LEARNING_RATE_BATCH=16, IMAGES_PER_GPU=batch, ACCUMULATE=2), 10)
    assert two.SCHEDULE == found.SCHEDULE
    assert [rate for _, _, rate in found.SCHEDULE] == pytest.approx(rates)
    assert in_steps(found, 10) is found


def test_stages_keep_their_shares_of_the_epochs(config):
    found = with_epochs(config, 20)
    assert [length for _, length, _ in found.SCHEDULE] == [4, 12, 4]
    assert [length for _, length, _ in with_epochs(config, 3).SCHEDULE] == [1, 1, 1]
    assert sum(length for _, length, _ in with_epochs(config, 7).SCHEDULE) == 7
    # The paper's stages of 40, 80 and 40 thousand steps.
    paper = with_epochs(Config(), 11)
    assert [length for _, length, _ in paper.SCHEDULE] == [3, 5, 3]
    assert paper.SCHEDULE_UNIT == "epochs"


def test_with_fewer_epochs_than_stages_the_longest_are_kept(config):
    config = config.update(SCHEDULE=[("heads", 5, 0.1), ("4+", 20, 0.1), ("all", 10, 0.01)])
    assert with_epochs(config, 2).SCHEDULE == [("4+", 1, 0.1), ("all", 1, 0.01)]
    assert with_epochs(config, 1).SCHEDULE == [("4+", 1, 0.1)]
    with pytest.raises(InputError, match="at least 1 epoch, got 0"):
        with_epochs(config, 0)


def test_a_rate_is_that_of_the_first_stage(config):
    found = with_rate(config.update(LEARNING_RATE_BATCH=16), 0.04)
    assert [rate for _, _, rate in found.SCHEDULE] == pytest.approx([0.04, 0.04, 0.004])
    assert (found.LEARNING_RATE, found.LEARNING_RATE_BATCH) == (0.04, None)


@pytest.mark.parametrize(
    ("text", "rates"),
    [
        ("BASE: base.yaml\nLEARNING_RATE: 0.1", [0.1, 0.01]),
        ("BASE: base.yaml", [0.5, 0.05]),
        ("BASE: base.yaml\nLEARNING_RATE: 0.1\nSCHEDULE: [[all, 1, 0.3]]", [0.3]),
        ("LEARNING_RATE: 0.1", [0.1, 0.1, 0.01]),
    ],
)
def test_a_rate_in_a_file_is_over_its_base(tmp_path, text, rates):
    (tmp_path / "base.yaml").write_text("SCHEDULE: [[heads, 3, 0.5], [all, 3, 0.05]]")
    (tmp_path / "own.yaml").write_text(text)
    found = load_config(tmp_path / "own.yaml")
    assert [rate for _, _, rate in found.SCHEDULE] == pytest.approx(rates)
