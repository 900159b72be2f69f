"""Models by name: a table of published ones, and repositories of a hub.

A published file is looked for in the cache; from a hub come weights and descriptions alone, never
anything that would execute.
"""

import functools
import re
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from aia.config import FetchConfig, build_section, packaged_settings, suggestion
from aia.errors import InputError
from aia.fetch import Wanted, fetch_all
from aia.files import file_digest
from aia.tensors import read_tensors

ENDINGS = (".pth", ".pyth", ".pkl", ".safetensors")
TAKEN = ("*.safetensors", "*.md", "*.json")
"""Files of a hub's repository that are taken."""
MOST_BYTES = 8 << 30
REPOSITORY = r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}"


@dataclass(frozen=True, kw_only=True)
class PublishedModel:
    """An entry of models.yaml."""

    address: str
    by: str
    """`file`: the address gives the file; `browser`: a page from which one downloads it."""
    source: str
    """Page that lists it."""
    network: str
    classes: str
    protocol: str
    map: float
    """Published mAP, percent."""
    licence: str
    sha256: str | None
    tried: str
    """How far it was run here."""


@functools.cache
def published_models() -> dict[str, PublishedModel]:
    """Read the table of models."""
    text = resources.files("aia.predict").joinpath("models.yaml").read_text(encoding="utf-8")
    return {name: PublishedModel(**entry) for name, entry in yaml.safe_load(text).items()}


def published_file(name: str, folder: Path) -> Path:
    """Return the file of a model of the table, downloaded if its address allows it.

    Args:
        name: A name of the table.
        folder: Folder of downloads, and of files that were put there by hand.

    Raises:
        InputError: No such name, the file is not there and cannot be fetched, or is another.
    """
    models = published_models()
    if name not in models:
        raise InputError(
            f"{name}: is no file, no folder and no model by name{suggestion(name, models)}; "
            "`aia models` lists the names"
        )
    entry = models[name]
    path = next((p for end in ENDINGS if (p := folder / f"{name}{end}").is_file()), None)
    if path is None and entry.by == "browser":
        raise InputError(
            f"{name}: is not here yet; download {entry.address} in a browser and save it as "
            f"{folder / name}.pth ({entry.source})"
        )
    if path is None:
        path = folder / f"{name}{Path(entry.address).suffix or '.pth'}"
        folder.mkdir(parents=True, exist_ok=True)
        settings = packaged_settings("config.yaml")["fetch"]
        fetch_all(
            [Wanted(entry.address, path)], config=build_section(FetchConfig, settings, "fetch")
        )
    if entry.sha256 is not None and (found := file_digest(path)) != entry.sha256:
        raise InputError(
            f"{path}: is not {name} as it was published (SHA-256 {found[:16]}…, expected "
            f"{entry.sha256[:16]}…); was its download cut off?"
        )
    return path


def is_repository(name: str) -> bool:
    """Tell if a name is that of a hub's repository: `user/name`."""
    return re.fullmatch(REPOSITORY, name) is not None


def pull(repository: str, folder: Path) -> Path:
    """Take a model from a hub into a folder: weights, descriptions and nothing else.

    Raises:
        InputError: huggingface_hub is missing, or the hub refuses.
    """
    if not is_repository(repository):
        raise InputError(f"{repository}: expected USER/NAME, as the hub calls a repository")
    hub = _hub()
    try:
        hub.snapshot_download(repo_id=repository, local_dir=str(folder), allow_patterns=list(TAKEN))
    except (OSError, ValueError, RuntimeError) as error:
        raise InputError(
            f"{repository}: cannot be taken from the hub ({_line(error)}); offline, copy its files "
            f"to {folder}"
        ) from None
    for path in folder.glob("*.safetensors"):
        if path.is_symlink() or path.stat().st_size > MOST_BYTES:
            raise InputError(f"{path}: is a link or larger than 8 GB, which no model of ours is")
        read_tensors(path)
    return folder


def push(folder: Path, repository: str, *, private: bool) -> str:
    """Send an exported model to a hub; return its address.

    Raises:
        InputError: It is no exported model, huggingface_hub is missing, or the hub refuses.
    """
    for name in ("model.safetensors", "README.md"):
        if not (folder / name).is_file():
            raise InputError(f"{folder}: has no {name}; expected a folder of `aia export`")
    if not is_repository(repository):
        raise InputError(f"{repository}: expected USER/NAME, as the hub calls a repository")
    api = _hub().HfApi()
    try:
        api.create_repo(repository, private=private, exist_ok=True)
        return str(
            api.upload_folder(
                repo_id=repository, folder_path=str(folder), allow_patterns=list(TAKEN)
            )
        )
    except (OSError, ValueError, RuntimeError) as error:
        raise InputError(f"{repository}: the hub refuses ({_line(error)})") from None


def _hub() -> Any:
    try:
        import huggingface_hub
    except ImportError:
        raise InputError(
            "hubs need the package huggingface_hub, an extra of aia: pip install huggingface_hub"
        ) from None
    return huggingface_hub


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
