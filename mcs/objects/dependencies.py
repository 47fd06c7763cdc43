"""The ConfigMaps and Secrets that a pod spec names, wherever Kubernetes lets it name one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from mcs.events.constraints import Dependency
from mcs.objects.kinds import Camel

CONFIG_MAP: Final = "ConfigMap"
SECRET: Final = "Secret"  # noqa: S105 # the name of a kind, not a secret


class Named(Camel, frozen=True, kw_only=True):
    """A reference by ``name``."""

    name: str = ""


class SecretVolume(Camel, frozen=True, kw_only=True):
    """``volumes[].secret``, which alone spells it ``secretName``."""

    secret_name: str = ""


class Projection(Camel, frozen=True, kw_only=True):
    """One source of a projected volume."""

    config_map: Named | None = None
    secret: Named | None = None


class Projected(Camel, frozen=True, kw_only=True):
    """``volumes[].projected``."""

    sources: tuple[Projection, ...] | None = None


class Driver(Camel, frozen=True, kw_only=True):
    """A volume driver that is handed a Secret (CSI, flex volumes and the older kinds)."""

    secret_ref: Named | None = None
    node_publish_secret_ref: Named | None = None


class AzureFile(Camel, frozen=True, kw_only=True):
    """``volumes[].azureFile``."""

    secret_name: str = ""


class Volume(Camel, frozen=True, kw_only=True):
    """The parts of a volume that name a ConfigMap or a Secret."""

    name: str = ""
    config_map: Named | None = None
    secret: SecretVolume | None = None
    projected: Projected | None = None
    csi: Driver | None = None
    flex_volume: Driver | None = None
    cephfs: Driver | None = None
    rbd: Driver | None = None
    iscsi: Driver | None = None
    scale_io: Driver | None = msgspec.field(name="scaleIO", default=None)
    storageos: Driver | None = None
    azure_file: AzureFile | None = None


class ValueFrom(Camel, frozen=True, kw_only=True):
    """``env[].valueFrom``."""

    config_map_key_ref: Named | None = None
    secret_key_ref: Named | None = None


class Variable(Camel, frozen=True, kw_only=True):
    """One entry of ``env``."""

    name: str = ""
    value: str | None = None
    value_from: ValueFrom | None = None


class EnvFrom(Camel, frozen=True, kw_only=True):
    """One entry of ``envFrom``."""

    config_map_ref: Named | None = None
    secret_ref: Named | None = None


class Environment(Camel, frozen=True, kw_only=True):
    """The parts of a container that name a ConfigMap or a Secret."""

    env: tuple[Variable, ...] | None = None
    env_from: tuple[EnvFrom, ...] | None = None


class References(Camel, frozen=True, kw_only=True):
    """The parts of a pod spec that name a ConfigMap or a Secret."""

    containers: tuple[Environment, ...] | None = None
    init_containers: tuple[Environment, ...] | None = None
    ephemeral_containers: tuple[Environment, ...] | None = None
    volumes: tuple[Volume, ...] | None = None
    image_pull_secrets: tuple[Named, ...] | None = None

    @property
    def environments(self) -> Iterator[Environment]:
        """Containers of every kind."""
        for group in (self.containers, self.init_containers, self.ephemeral_containers):
            yield from group or ()


def dependencies(references: References) -> tuple[Dependency, ...]:
    """ConfigMaps and Secrets that the pod names, each once, in order of kind and name."""
    found = {
        (kind, name)
        for part in (_of_environments, _of_volumes, _of_registries)
        for kind, name in part(references)
        if name
    }
    return tuple(Dependency(kind=kind, name=name) for kind, name in sorted(found))


def _of_environments(references: References) -> Iterator[tuple[str, str]]:
    for environment in references.environments:
        for variable in environment.env or ():
            if variable.value_from is not None:
                yield from _pair(
                    variable.value_from.config_map_key_ref, variable.value_from.secret_key_ref
                )
        for whole in environment.env_from or ():
            yield from _pair(whole.config_map_ref, whole.secret_ref)


def _of_volumes(references: References) -> Iterator[tuple[str, str]]:
    for volume in references.volumes or ():
        yield from _pair(volume.config_map, None)
        for file in (volume.secret, volume.azure_file):
            if file is not None:
                yield SECRET, file.secret_name
        if volume.projected is not None:
            for source in volume.projected.sources or ():
                yield from _pair(source.config_map, source.secret)
        for driver in _drivers(volume):
            yield from _pair(None, driver.secret_ref)
            yield from _pair(None, driver.node_publish_secret_ref)


def _drivers(volume: Volume) -> Iterable[Driver]:
    drivers = (
        volume.csi,
        volume.flex_volume,
        volume.cephfs,
        volume.rbd,
        volume.iscsi,
        volume.scale_io,
        volume.storageos,
    )
    return (driver for driver in drivers if driver is not None)


def _of_registries(references: References) -> Iterator[tuple[str, str]]:
    for secret in references.image_pull_secrets or ():
        yield SECRET, secret.name


def _pair(config_map: Named | None, secret: Named | None) -> Iterator[tuple[str, str]]:
    if config_map is not None:
        yield CONFIG_MAP, config_map.name
    if secret is not None:
        yield SECRET, secret.name
