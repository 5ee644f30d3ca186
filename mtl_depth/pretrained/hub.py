"""The name of encoder weights, a local path or a name on the Hugging Face hub, to a file."""

import pathlib
import re
from typing import NamedTuple

from mtl_depth.errors import UserError
from mtl_depth.pretrained.files import SUFFIXES

_HUB_FILE = "model.safetensors"


class ResolvedWeights(NamedTuple):
    """Where weights are.

    Attributes:
        path: of the file; None if they cannot be had here.
        reason: why not, as a clause; empty if they can.
    """

    path: pathlib.Path | None
    reason: str = ""


def resolve_weights(name_or_path: str) -> ResolvedWeights:
    """Returns where the weights of that name are, fetched from the hub if need be.

    Args:
        name_or_path: a weight file, or a hub name such as `timm/resnet18.tv_in1k`; empty: none are asked for.

    Raises:
        UserError: the file does not exist, or the hub does not have that name.
    """
    if not name_or_path:
        return ResolvedWeights(None, "config.model.encoder_weights is empty")
    path = pathlib.Path(name_or_path).expanduser()
    if path.is_file():
        return ResolvedWeights(path)
    if path.suffix in SUFFIXES or not re.fullmatch(r"[\w.-]+/[\w.-]+", name_or_path):
        raise UserError(
            f"There is no weight file {name_or_path}, and it is not a hub name such as timm/resnet18.tv_in1k either."
        )
    try:
        from huggingface_hub import errors, hf_hub_download
    except ImportError:
        return ResolvedWeights(None, "huggingface_hub is not installed (pip install 'mtl_depth[hub]')")
    try:
        return ResolvedWeights(pathlib.Path(hf_hub_download(name_or_path, _HUB_FILE)))
    except errors.LocalEntryNotFoundError:  # offline and not in the cache; a kind of EntryNotFoundError
        return ResolvedWeights(None, f"the hub cannot be reached, and {name_or_path} is not in the cache")
    except (errors.RepositoryNotFoundError, errors.EntryNotFoundError, errors.HFValidationError) as error:
        raise UserError(f"The hub has no {name_or_path} with a {_HUB_FILE}; is the name right?") from error
    except OSError as error:  # no network, in the words of whichever client library
        return ResolvedWeights(None, f"the hub cannot be reached ({type(error).__name__})")
