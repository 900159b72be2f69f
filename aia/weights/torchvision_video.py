"""torchvision's video checkpoints: by their name there, or as a file of the same layout.

Names are torchvision's own, behind `network.` in a backbone of ours; the classifier (`head`, `fc`)
has no place in it and is left out.
"""

import pickle

from torch import Tensor
from torchvision.models import get_model_weights

from aia.errors import InputError
from aia.features.torchvision_video import CLASSIFIERS, TorchvisionVideo
from aia.tensors import read_tensors


def load_torchvision(backbone: TorchvisionVideo, weights: str) -> None:
    """Give `backbone` what its section names.

    Args:
        backbone: With fresh weights.
        weights: `scratch`: they stay fresh; `KINETICS400_V1`, fetched once; or a file.

    Raises:
        InputError: They cannot be had, or belong to another network.
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
            f"{(missing or unknown or wrong)[0]}; are they another network's?"
        )
    backbone.network.load_state_dict(state)


def _published(model: str, name: str) -> dict[str, Tensor]:
    published = get_model_weights(model)[name]
    try:
        return published.get_state_dict(progress=False, check_hash=True, weights_only=True)
    except (OSError, RuntimeError, pickle.UnpicklingError) as error:
        raise InputError(
            f"{published}: cannot be had ({error}); without a network, fetch {published.url} "
            "elsewhere and give the file as the backbone's weights"
        ) from error
