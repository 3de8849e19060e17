import pickle

import numpy as np

from mrcnn.data.pipeline.batch_sampler import BatchSampler

SHAPES = ["wide", "tall", "wide", "wide", "tall", "wide", "wide"]  # 5 wide, 2 tall


def epoch(sampler, number):
    return [sampler.batch(number * len(sampler) + step)[1].tolist() for step in range(len(sampler))]


def test_order_is_kept_without_shuffling():
    sampler = BatchSampler([0] * 5, 2, shuffle=False, seed=0)
    assert len(sampler) == 3
    assert epoch(sampler, 0) == epoch(sampler, 4) == [[0, 1], [2, 3], [4, 0]]


def test_shapes_do_not_mix():
    # wide: 0 2 3 5 6, so [0 2] [3 5] [6 0]; tall: 1 4; batches in the order of their first image.
    assert epoch(BatchSampler(SHAPES, 2, shuffle=False, seed=0), 0) == [
        [0, 2],
        [1, 4],
        [3, 5],
        [6, 0],
    ]
    for batch in epoch(BatchSampler(SHAPES, 2, shuffle=True, seed=3), 1):
        assert len({SHAPES[position] for position in batch}) == 1


def test_every_epoch_shows_every_image_in_a_new_order():
    sampler = BatchSampler(SHAPES * 20, 4, shuffle=True, seed=1)
    orders = [epoch(sampler, number) for number in range(3)]
    for order in orders:
        assert set(np.ravel(order)) == set(range(140))
        assert np.size(order) == 140  # 100 and 40 divide by 4: nothing is shown twice
    assert orders[0] != orders[1] != orders[2]


def test_a_shape_with_fewer_images_than_a_batch_is_repeated():
    sampler = BatchSampler(["a"], 3, shuffle=True, seed=0)
    assert len(sampler) == 1 and sampler.batch(5)[1].tolist() == [0, 0, 0]


def test_the_seed_and_the_step_decide_alone():
    sampler, twin = (BatchSampler([0] * 50, 4, shuffle=True, seed=5) for _ in range(2))
    steps = [40, 3, 12, 13, 25, 0]
    ours = [sampler.batch(step)[1].tolist() for step in steps]
    assert ours == [twin.batch(step)[1].tolist() for step in reversed(steps)][::-1]
    copied = pickle.loads(pickle.dumps(sampler))  # noqa: S301 - our own bytes
    assert ours == [copied.batch(step)[1].tolist() for step in steps]
    other = BatchSampler([0] * 50, 4, shuffle=True, seed=6)
    assert ours != [other.batch(step)[1].tolist() for step in steps]
    assert sampler.batch(27)[0] == 2  # 13 steps an epoch
    # Runs with seeds beside each other do not show the same epochs one after the other.
    assert epoch(sampler, 1) != epoch(other, 0)


def test_shards_cut_every_batch_into_equal_parts():
    whole = BatchSampler(SHAPES * 3, 4, shuffle=True, seed=2)
    shards = [BatchSampler(SHAPES * 3, 4, True, 2, shard=(index, 2)) for index in (0, 1)]
    assert [len(shard) for shard in shards] == [len(whole)] * 2
    for step in range(2 * len(whole)):
        epoch, positions = whole.batch(step)
        parts = [shard.batch(step) for shard in shards]
        assert [part[0] for part in parts] == [epoch, epoch]
        assert [len(part[1]) for part in parts] == [2, 2]
        assert [*parts[0][1], *parts[1][1]] == positions.tolist()
