"""YAML in which a key stands once: the plain loaders let the later of two entries silently replace the earlier one."""

from __future__ import annotations

from typing import Any

import yaml


class _Loader(yaml.CSafeLoader):
    """The safe loader, refusing repeated keys."""


def read_yaml(content: bytes) -> Any:
    """Return what a file holds. Raises `yaml.YAMLError` for bad YAML and for a key that stands twice, with its line."""
    return yaml.load(content, Loader=_Loader)  # noqa: S506  # it is the safe loader


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: set[Any] = set()
    for key, _ in node.value:
        name = loader.construct_object(key, deep=True)
        if name in seen:
            raise yaml.constructor.ConstructorError(
                "while reading a mapping", node.start_mark, f"{name!r} stands twice", key.start_mark
            )
        seen.add(name)
    return loader.construct_mapping(node, deep=True)


_Loader.add_constructor("tag:yaml.org,2002:map", _mapping)
