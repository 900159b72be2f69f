"""Files from the network: whole and checked, or not at all.

download    one file or several, over lines that break off
content     what a file must be: size, digest, kind
unpack      files out of archives
"""

from aia.fetch.content import NOT_YET, Wanted
from aia.fetch.download import fetch, fetch_all, wanted_file
from aia.fetch.unpack import take_files

__all__ = ["NOT_YET", "Wanted", "fetch", "fetch_all", "take_files", "wanted_file"]
