"""Shared state: what all clients of one registry have in common, if one was made from another."""

from typing import TYPE_CHECKING, NamedTuple

from dxf.names import FOLDER
from dxf.transfer.mount_answers import MountAnswers
from dxf.transfer.refused_sizes import RefusedSizes
from dxf.transport.auth import RegistryAuth

if TYPE_CHECKING:
    from dxf.layout.adapter import LayoutAdapter


class SharedState(NamedTuple):
    """The state of a registry that its clients share.

    :param adapter: answers requests from a folder; ``None`` for a server
    :param refused_sizes: what uploads have learned of the registry
    :param mount_answers: how it answers mounts
    """

    credential: RegistryAuth
    adapter: 'LayoutAdapter | None'
    refused_sizes: RefusedSizes
    mount_answers: MountAnswers


def adapter_for(host: str) -> 'LayoutAdapter':
    """Return what answers requests from a folder."""
    from dxf.layout import adapter
    return adapter.LayoutAdapter(host.removeprefix(FOLDER))
