import pytest

from mrcnn.errors import InputError
from mrcnn.training.schedule import SCHEDULES, Stage, before, locate, parse_schedule, set_trainable


def test_the_paper_trains_heads_then_stage_4_then_all():
    stages = parse_schedule("paper")
    assert [(s.layers, s.steps, s.learning_rate) for s in stages] == [
        ("heads", 40_000, 0.001),
        ("4+", 80_000, 0.001),
        ("all", 40_000, 0.0001),
    ]


def test_long_schedules_extend_the_last_stage():
    totals = {name: sum(stage.steps for stage in parse_schedule(name)) for name in SCHEDULES}
    assert totals == {"paper": 160_000, "120k": 120_000, "320k": 320_000, "640k": 640_000}


def test_scaling_keeps_every_stage():
    assert [stage.steps for stage in parse_schedule("paper", 1e-3)] == [40, 80, 40]
    assert [stage.steps for stage in parse_schedule("paper", 1e-9)] == [1, 1, 1]


@pytest.mark.parametrize(
    ("schedule", "scale", "message"),
    [
        ("papre", 1, "Did you mean 'paper'"),
        ([], 1, "at least one stage"),
        ([("all", 0, 0.1)], 1, "positive steps"),
        ([("all", 5, -0.1)], 1, "positive rate"),
        ([("mrcnn_(", 5, 0.1)], 1, "regular expression"),
        ("paper", 0, "scale"),
    ],
)
def test_bad_schedules_are_refused(schedule, scale, message):
    with pytest.raises(InputError, match=message):
        parse_schedule(schedule, scale)


def test_steps_are_found_in_their_stage():
    stages = [Stage("heads", 3, 1.0), Stage("all", 2, 1.0)]
    assert [locate(stages, step) for step in range(6)] == [
        (0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (2, 0),
    ]  # fmt: skip


@pytest.fixture
def network(tiny_config, shared_network):
    return shared_network(tiny_config)


def learning(network):
    return {name for name, layer in network.builder.layers.items() if layer.trainable_variables}


def test_heads_leave_the_backbone_alone(network):
    set_trainable(network, "heads")
    names = learning(network)
    assert {"fpn_p2", "rpn_conv_shared", "mrcnn_mask", "mrcnn_class_bn1"} <= names
    assert not [name for name in names if name.startswith("small_")]


def test_a_stage_takes_what_lies_above_it(network):
    set_trainable(network, "4+")
    stages = {name[9] for name in learning(network) if name.startswith("small_res")}
    assert stages == {"4", "5"}
    set_trainable(network, "all")
    stages = {name[9] for name in learning(network) if name.startswith("small_res")}
    assert stages == {"2", "3", "4", "5"}
    assert "small_conv1" in learning(network)


@pytest.mark.parametrize("count", range(6))
def test_stages_that_may_not_learn_are_frozen_in_every_stage(tiny_config, shared_network, count):
    network = shared_network(tiny_config.update(TRAINABLE_LAYERS=count))
    set_trainable(network, "all")
    names = learning(network)
    assert {name[9] for name in names if name.startswith("small_res")} == {
        str(stage) for stage in range(2, 6) if stage > 5 - count
    }
    assert ("small_conv1" in names) == (count == 5)
    assert {"fpn_p2", "rpn_conv_shared", "mrcnn_mask"} <= names
    set_trainable(network, "5+")
    assert ("small_res5_a" in learning(network)) == (count > 0)
    if not count:
        with pytest.raises(InputError, match="TRAINABLE_LAYERS 0"):
            set_trainable(network, "small_res5_a")


def test_a_regular_expression_must_match_whole_names(network):
    set_trainable(network, "mrcnn_mask_conv1|rpn_class")
    assert learning(network) == {"mrcnn_mask_conv1"}


def test_a_pattern_that_matches_nothing_is_refused(network):
    with pytest.raises(InputError, match="nothing would be trained"):
        set_trainable(network, "res9.*")


def test_what_weights_the_losses_learns_in_every_stage(tiny_config, shared_network):
    network = shared_network(tiny_config.update(LOSS_WEIGHTING="uncertainty"))
    for layers in ("heads", "all", "fpn_p2"):
        count = set_trainable(network, layers)
        assert "losses" in learning(network)
    assert count == 2  # kernel and bias: the losses are not counted
    with pytest.raises(InputError, match="nothing would be trained"):
        set_trainable(network, "res9.*")


def test_the_part_before_a_step():
    stages = [Stage("heads", 4, 0.1), Stage("all", 6, 0.01)]
    assert before(stages, 0) == []
    assert before(stages, 3) == [Stage("heads", 3, 0.1)]
    assert before(stages, 4) == stages[:1]
    assert before(stages, 5) == [stages[0], Stage("all", 1, 0.01)]
    assert before(stages, 10) == before(stages, 99) == stages
