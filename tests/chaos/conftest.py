import pytest

from tests.chaos.runs import Training, assert_equal, make_data


@pytest.fixture(scope="session")
def data(tmp_path_factory, tiny_settings):
    return make_data(tmp_path_factory.mktemp("chaos"), tiny_settings)


@pytest.fixture(scope="session")
def whole(data, tmp_path_factory):
    return Training(data, tmp_path_factory.mktemp("whole") / "run").until_done()


@pytest.fixture
def training(data):
    """`training(folder)`: a run that was not started yet."""
    return lambda folder: Training(data, folder)


@pytest.fixture(scope="session")
def equal(whole):
    """Assert that a run ended as the whole one."""
    return lambda run: assert_equal(run, whole)
