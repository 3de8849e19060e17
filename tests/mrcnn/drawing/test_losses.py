import numpy as np
import pytest
from PIL import Image

from mrcnn.drawing.losses import plot_losses
from mrcnn.errors import InputError

LOG = """step,stage,split,loss,rpn_class_loss,mrcnn_mask_edge_loss,images_per_second
1,1,train,4.0,1.0,,2.0
2,1,train,2.0,0.5,,2.0
2,1,val,3.0,1.5,,
3,2,train,nan,0.25,,2.0
4,2,train,1.0,0.25,,2.0
5,2,tr"""


def test_plot_losses_draws_what_the_log_has(tmp_path):
    log, picture = tmp_path / "log.csv", tmp_path / "losses.png"
    log.write_text(LOG)
    figure = plot_losses(log, picture)
    titled = [ax for ax in figure.axes if ax.get_title()]
    assert [ax.get_title() for ax in titled] == ["loss", "rpn class"]
    raw, smooth, val, stage = titled[0].lines
    assert raw.get_xydata().tolist() == [[1, 4], [2, 2], [4, 1]]  # not the line with the NaN
    # So few points are not smoothed, but marked.
    assert smooth.get_ydata().tolist() == [4, 2, 1] and smooth.get_marker() == "o"
    assert titled[0].get_ylim() == pytest.approx((0, 1.05 * 4))
    # A val loss above every train loss is inside of the picture too.
    assert titled[1].get_ylim() == pytest.approx((0, 1.05 * 1.5))
    assert val.get_xydata().tolist() == [[2, 3]]
    assert stage.get_xdata() == [2, 2]  # the last step of stage 1
    with Image.open(picture) as saved:
        assert saved.size[0] > 400


def test_plot_losses_smooths_a_long_run_without_a_lag(tmp_path):
    log = tmp_path / "log.csv"
    rows = [f"{step},1,train,{step % 2}" for step in range(60)]
    log.write_text("\n".join(["step,stage,split,loss", *rows]))
    raw, smooth = plot_losses(log).axes[0].lines
    assert raw.get_ydata().tolist() == [0, 1] * 30
    # 60 points: two neighbors on each side, at the ends those that there are.
    expected = [1 / 3, 2 / 4, *[2 / 5, 3 / 5] * 28, 2 / 4, 2 / 3]
    np.testing.assert_allclose(smooth.get_ydata(), expected)


def test_plot_losses_names_a_log_that_is_missing_or_empty(tmp_path):
    with pytest.raises(InputError, match="nowhere.csv: No such file"):
        plot_losses(tmp_path / "nowhere.csv")
    (tmp_path / "log.csv").write_text(LOG.splitlines()[0])
    with pytest.raises(InputError, match="holds no losses"):
        plot_losses(tmp_path / "log.csv")


def test_steps_are_whole_numbers_and_axes_have_names(tmp_path):
    log = tmp_path / "log.csv"
    log.write_text("step,stage,split,loss\n1,1,train,2.0\n2,1,train,1.0\n3,1,train,1.0")
    (ax,) = plot_losses(log, tmp_path / "losses.png").axes
    ticks = ax.get_xticks()
    assert len(ticks) >= 2 and all(tick == int(tick) for tick in ticks)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("step", "loss")
