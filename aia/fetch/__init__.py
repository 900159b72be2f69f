"""Files from the network: complete and checked, or not at all.

download    one file or several: resumed, retried, checked
content     what a file must be: size, digest, kind
unpack      files out of archives
sources     what the publishers of AVA, UCF101-24 and EPIC-Kitchens-55 offer
"""

from aia.fetch.content import NOT_YET, Wanted, check_record, has_record
from aia.fetch.download import fetch, fetch_all, wanted_file
from aia.fetch.unpack import take_files

__all__ = [
    "NOT_YET",
    "Wanted",
    "check_record",
    "fetch",
    "fetch_all",
    "has_record",
    "take_files",
    "wanted_file",
]
