import pytest

from lrcn_hub.plugins import forget_plugins


@pytest.fixture(autouse=True)
def _no_plugins(monkeypatch):
    """No plugin that happens to be installed takes part, and none is forgotten afterwards."""
    monkeypatch.setenv("LRCN_PLUGINS", "")
    forget_plugins()
    yield
    forget_plugins()
