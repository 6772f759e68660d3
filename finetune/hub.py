"""A finished export on the Hugging Face hub: its files and nothing else, in one commit, so that nobody finds half.

Reads an export's folder; writes to a repository, which must not hold anything else.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from autovcoder.errors import InputError, ModelError, StoreError
from autovcoder.files import sha256_file
from autovcoder.store import MANIFEST, read_manifest

_OF_THE_HUB = ".gitattributes"  # which a new repository has


def is_hub_id(name: str) -> bool:
    """Whether a model of the hub can be called so; a relative path of two parts cannot be told from an id."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

    try:
        validate_repo_id(name)
    except HFValidationError:
        return False
    return True


def check_repository(name: str) -> None:
    """Raises InputError where ``name`` is no OWNER/NAME."""
    if "/" not in name or not is_hub_id(name):
        raise InputError("not a repository's name", where=repr(name), fix="give OWNER/NAME")


def push(out: Path, repository: str, *, public: bool = False) -> str:
    """Upload a finished export to a repository of the Hugging Face hub, in one commit; returns its address.

    The repository is made where there is none, and is private unless ``public``. The token comes from ``HF_TOKEN`` or
    an earlier login.

    Raises:
        InputError: the name is none; the repository is public already and ``public`` was not asked for; or it holds
            files that are not of this export.
        StoreError: ``out`` is not finished, or was changed since. ModelError: the hub cannot be reached or refuses.
    """
    from huggingface_hub import CommitOperationAdd, HfApi
    from huggingface_hub.errors import HfHubHTTPError

    check_repository(repository)
    files = _files(out)
    # What the hub answers is also an error of its HTTP library, the name of which differs from version to version.
    failures: Any = (HfHubHTTPError.__bases__[0], OSError, ValueError, RuntimeError)
    api = HfApi()
    try:
        api.create_repo(repository, private=not public, exist_ok=True)
        found = api.model_info(repository)
        if not public and not found.private:
            raise InputError(
                "the repository is public", where=repository, fix="give --public, or push to another repository"
            )
        _refuse_others(repository, {one.rfilename for one in found.siblings or ()} - {_OF_THE_HUB, *files})
        operations = [CommitOperationAdd(name, out / name) for name in files]
        done = api.create_commit(repository, operations, commit_message="Export of AutoVCoder")
    except failures as error:
        raise _push_error(repository, error) from None
    return str(done.repo_url)


def _files(out: Path) -> list[str]:
    made = read_manifest(out)
    for name, content in made.sha256.items():
        if sha256_file(out / name) != content:
            raise StoreError("the file was changed since the export", where=out / name, fix="export to a new folder")
    return [*made.sha256, MANIFEST]


def _refuse_others(repository: str, names: set[str]) -> None:
    """With another model's files beside them, a program may load what nobody exported."""
    if names:
        raise InputError(
            "the repository holds files that are not of this export",
            where=f"{repository}: {', '.join(sorted(names)[:3])}{', ...' if len(names) > 3 else ''}",
            fix="push to another repository, or delete them there",
        )


def _push_error(repository: str, error: Exception) -> ModelError:
    said = str(error).strip().splitlines() or [type(error).__name__]
    return ModelError(
        f"cannot push to the hub ({said[0]})",
        where=repository,
        fix="check the name, the network and the token: set HF_TOKEN or run `hf auth login`",
    )
