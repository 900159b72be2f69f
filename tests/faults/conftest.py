"""The same few seconds of film as in the tests of training."""

from tests.train.conftest import films, settings

__all__ = ["films", "settings"]
