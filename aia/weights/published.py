"""Backbones that were trained on Kinetics: which are published, and where a user's own lie.

PySlowFast publishes its Kinetics-400 files for anyone to fetch. Those of AIA's authors
(Kinetics-700) and of others have to be brought along: FOLDER/NAME.pth, .pyth or .pkl.
"""

from pathlib import Path

from aia.config import FetchConfig
from aia.errors import InputError
from aia.fetch import fetch_all, wanted_file

PYSLOWFAST = "https://dl.fbaipublicfiles.com/pyslowfast/model_zoo/kinetics400"
PUBLISHED = {
    "slowfast_r50_4x16_pyslowfast": "SLOWFAST_4x16_R50.pkl",
    "slowfast_r50_8x8_pyslowfast": "SLOWFAST_8x8_R50.pkl",
    "i3d_r50_8x8": "I3D_8x8_R50.pkl",
    "c2d_r50_8x8_nopool": "C2D_NOPOOL_8x8_R50.pkl",
    "slow_r50_4x16": "SLOWONLY_4x16_R50.pkl",
    "slow_r50_8x8": "SLOWONLY_8x8_R50.pkl",
}
"""PySlowFast's file of each of our backbones."""
ENDINGS = (".pth", ".pyth", ".pkl")


def backbone_file(
    name: str, folder: Path | str, *, config: FetchConfig, address: str = PYSLOWFAST
) -> Path:
    """The file of a backbone's weights: the one that lies in the folder, else the published one.

    Args:
        name: Of the backbone, as in the settings.
        folder: Where files are brought to and fetched to.
        config: How files are fetched.
        address: Of the published files.

    Raises:
        InputError: There is no such file, and none is published for anyone to fetch.
    """
    folder = Path(folder)
    for ending in ENDINGS:
        if (own := folder / f"{name}{ending}").is_file():
            return own
    if name not in PUBLISHED:
        raise InputError(
            f"{folder / name}.pth: is not there, and no weights of {name} are published for anyone "
            "to fetch; expected a checkpoint that was trained on Kinetics (AlphAction's list of "
            "models has the authors', for Kinetics-700), or a backbone of "
            f"{', '.join(PUBLISHED)}, or train.init: scratch"
        )
    wanted = wanted_file(f"{address}/{PUBLISHED[name]}", folder)
    fetch_all([wanted], config=config)
    return folder / PUBLISHED[name]
