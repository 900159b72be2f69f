"""The old name of `aia.tables.schema`."""

from aia.config import LONGEST_NAME
from aia.tables.schema import LONGEST_SEC, NAME, check_video_id

__all__ = ["LONGEST_NAME", "LONGEST_SEC", "NAME", "check_video_id"]
