import keras
import numpy as np
import pytest

from mrcnn.errors import InputError
from mrcnn.training.callbacks import Callbacks
from mrcnn.weights.loading import to_numpy


class Spy(keras.callbacks.Callback):
    """Notes all calls, and stops the run at one of them."""

    def __init__(self, stop_at=None):
        super().__init__()
        self.calls = []
        self.stop_at = stop_at

    def note(self, *call):
        self.calls.append(call)
        if call[:2] == self.stop_at:
            self.model.stop_training = True

    def on_train_begin(self, logs=None):
        self.note("begin", self.params["epochs"], self.params["steps"])

    def on_train_end(self, logs=None):
        self.note("end")

    def on_epoch_begin(self, epoch, logs=None):
        self.note("epoch", epoch)

    def on_epoch_end(self, epoch, logs=None):
        self.note("epoch ends", epoch, logs)

    def on_train_batch_begin(self, batch, logs=None):
        self.note("batch", batch)

    def on_train_batch_end(self, batch, logs=None):
        self.note("batch ends", batch, logs)


@pytest.fixture
def model():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.5), loss="mse")
    return model


def play(callbacks, model, losses, epoch, validation=(), start=0):
    """Run as the loop does, a step for each loss; returns the steps done."""
    callbacks.begin(model)
    for step, loss in enumerate(losses, start + 1):
        callbacks.step_begins(step - 1)
        callbacks.step_ends(step, {"loss": loss})
        if step % epoch == 0 or step == start + len(losses):
            means = {"loss": validation[step // epoch - 1]} if validation else {}
            callbacks.epoch_ends(step, callbacks.close_epoch(step, means))
        if callbacks.stop:
            break
    callbacks.end()
    return step


def test_calls_are_those_of_fit(model):
    """The same calls in the same order, with the same numbers of epochs and batches."""
    ours, theirs = Spy(), Spy()
    play(Callbacks([ours], 2, 4), model, [1, 3, 5, 8], 2)
    x = np.ones((4, 2))
    model.fit(x, np.ones(4), batch_size=2, epochs=2, verbose=0, callbacks=[theirs])
    assert [call[:2] for call in ours.calls] == [call[:2] for call in theirs.calls]
    assert ours.calls[0] == theirs.calls[0] == ("begin", 2, 2)
    ends = [call for call in ours.calls if call[0] == "epoch ends"]
    assert ends == [("epoch ends", 0, {"loss": 2}), ("epoch ends", 1, {"loss": 6.5})]
    assert ("batch ends", 1, {"loss": 8}) in ours.calls


def test_epochs_are_counted_over_all_steps(model):
    spy = Spy()
    play(Callbacks([spy], 4, 12), model, [1] * 3, 4, start=6)
    assert [call[1] for call in spy.calls if call[0] == "epoch"] == [1, 2]
    assert [call[1] for call in spy.calls if call[0] == "batch"] == [2, 3, 0]


@pytest.mark.parametrize(("at", "steps"), [(("batch ends", 0), 1), (("epoch ends", 0), 3)])
def test_stopping(model, at, steps):
    spy = Spy(at)
    assert play(Callbacks([spy], 3, 9), model, [1] * 9, 3) == steps
    assert spy.calls[-1] == ("end",)
    # A later run on the same model is not stopped from the start.
    assert play(Callbacks([], 3, 9), model, [1] * 9, 3) == 9


# Keras 3.15 converts the variable itself to NumPy where it reads the rate.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_keras_own(model, tmp_path):
    """No progress for three epochs: the rate falls after one, the run ends after two."""
    own = [
        keras.callbacks.ReduceLROnPlateau(factor=0.1, patience=1),
        keras.callbacks.EarlyStopping(patience=2),
        keras.callbacks.CSVLogger(tmp_path / "log.csv"),
        keras.callbacks.ModelCheckpoint(tmp_path / "{epoch}.weights.h5", save_weights_only=True),
        keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: None),
        keras.callbacks.TerminateOnNaN(),
    ]
    assert play(Callbacks(own, 2, 20), model, [1.0] * 20, 2, validation=[3.0] * 10) == 6
    assert float(to_numpy(model.optimizer.learning_rate)) == pytest.approx(0.005)
    lines = (tmp_path / "log.csv").read_text().splitlines()
    assert lines[0].split(",")[0] == "epoch" and len(lines) == 4
    assert "val_loss" in lines[0] and "learning_rate" in lines[0]
    assert (tmp_path / "3.weights.h5").is_file()


def test_something_else():
    with pytest.raises(InputError, match="instances of keras.callbacks.Callback, got <class"):
        Callbacks([keras.callbacks.EarlyStopping], 1, 1)


def test_a_callback_without_its_package(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match="needs the package tensorboard"):
        Callbacks([keras.callbacks.TensorBoard(tmp_path)], 1, 1)
