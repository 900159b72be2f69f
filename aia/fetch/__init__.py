"""Files from the network: whole and checked, or not at all.

download    one file or several, over lines that break off
content     what a file must be: size, digest, kind
"""

from aia.fetch.content import NOT_YET, Wanted
from aia.fetch.download import fetch, fetch_all, wanted_file

__all__ = ["NOT_YET", "Wanted", "fetch", "fetch_all", "wanted_file"]
