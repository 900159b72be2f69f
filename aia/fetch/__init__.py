"""Files from the network: complete and checked, or not at all.

download    one file or several: resumed, retried, checked
unpack      files out of archives
sources     what the publishers of AVA, UCF101-24 and EPIC-Kitchens-55 offer
"""

from aia.fetch.download import NOT_YET, Wanted, fetch, fetch_all, wanted_file
from aia.fetch.unpack import take_files

__all__ = ["NOT_YET", "Wanted", "fetch", "fetch_all", "take_files", "wanted_file"]
