"""The same few seconds of video as in the tests of training."""

from tests.train.conftest import settings
from tests.train.conftest import videos as films

__all__ = ["films", "settings"]
