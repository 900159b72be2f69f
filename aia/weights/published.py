"""Find or download backbones trained on Kinetics.

PySlowFast's Kinetics-400 files can be downloaded. Those of AIA's authors (Kinetics-700) and others
must be placed by the user: FOLDER/NAME.pth, .pyth or .pkl.
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
"""PySlowFast's file for each of our backbones."""
ENDINGS = (".pth", ".pyth", ".pkl")


def own_backbone_file(name: str, folder: Path | str) -> Path | None:
    """Return the user's file of a backbone's weights, if there is one."""
    files = (Path(folder) / f"{name}{ending}" for ending in ENDINGS)
    return next((file for file in files if file.is_file()), None)


def backbone_file(
    name: str, folder: Path | str, *, config: FetchConfig, address: str = PYSLOWFAST
) -> Path:
    """Return the file of a backbone's weights: the one in the folder, else a downloaded one.

    Args:
        name: Name of the backbone in the settings.
        folder: Folder of the user's files and for downloads.
        config: Settings of downloads.
        address: Address of the published files.

    Raises:
        InputError: The file is missing, and cannot be downloaded.
    """
    folder = Path(folder)
    own = own_backbone_file(name, folder)
    if own is not None:
        return own
    if name not in PUBLISHED:
        raise InputError(
            f"{folder / name}.pth: is missing, and no weights of {name} can be downloaded; "
            "expected a checkpoint trained on Kinetics (AlphAction's list of models has the "
            "authors', for Kinetics-700), or a backbone of "
            f"{', '.join(PUBLISHED)}, or train.init: scratch"
        )
    wanted = wanted_file(f"{address}/{PUBLISHED[name]}", folder)
    fetch_all([wanted], config=config)
    return folder / PUBLISHED[name]
