"""Load torchvision's video checkpoints, by torchvision's name or from a file of the same layout.

Our backbones have torchvision's names with the prefix `network.`, without the classifier (`head`,
`fc`).
"""

import pickle

from torch import Tensor
from torchvision.models import get_model_weights

from aia.errors import InputError
from aia.features.torchvision_video import CLASSIFIERS, TorchvisionVideo
from aia.tensors import read_tensors


def load_torchvision(backbone: TorchvisionVideo, weights: str) -> None:
    """Load the weights that the settings of a backbone name.

    Args:
        backbone: The backbone, with random weights.
        weights: `scratch`: no change; `KINETICS400_V1`, downloaded once; or a file.

    Raises:
        InputError: The weights cannot be downloaded, or belong to another network.
    """
    if weights == "scratch":
        return
    is_file = weights.endswith((".pth", ".safetensors"))
    state = read_tensors(weights) if is_file else _published(backbone.model, weights)
    classifier = CLASSIFIERS[backbone.model] + "."
    state = {name: tensor for name, tensor in state.items() if not name.startswith(classifier)}
    expected = backbone.network.state_dict()
    missing = sorted(expected.keys() - state.keys())
    unknown = sorted(state.keys() - expected.keys())
    wrong = sorted(
        name for name in expected.keys() & state.keys() if expected[name].shape != state[name].shape
    )
    if missing or unknown or wrong:
        raise InputError(
            f"{weights}: does not fit {backbone.model}: {len(missing)} tensors are missing, "
            f"{len(unknown)} are left over and {len(wrong)} have another shape, the first is "
            f"{(missing or unknown or wrong)[0]}; are they of another network?"
        )
    backbone.network.load_state_dict(state)


def _published(model: str, name: str) -> dict[str, Tensor]:
    published = get_model_weights(model)[name]
    try:
        return published.get_state_dict(progress=False, check_hash=True, weights_only=True)
    except (OSError, RuntimeError, pickle.UnpicklingError) as error:
        raise InputError(
            f"{published}: cannot be downloaded ({error}); if offline, download {published.url} "
            "elsewhere and give the file as the backbone's weights"
        ) from error
