"""Terraform's files as data: what a folder declares, and what of it is used."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hcl2

Json = dict[str, Any]
_REFERENCE = re.compile(r"\b(var|local|module|data|aws_\w+|random_\w+)\.([A-Za-z0-9_]+)(?:\.([A-Za-z0-9_]+))?")


@dataclass(frozen=True)
class Folder:
    """One module or root."""

    path: Path
    blocks: dict[str, list[Json]]

    @classmethod
    def read(cls, path: Path) -> "Folder":
        blocks: dict[str, list[Json]] = {}
        for file in sorted(path.glob("*.tf")):
            for kind, found in hcl2.loads(file.read_text(encoding="utf-8")).items():
                if not kind.startswith("__"):
                    blocks.setdefault(kind, []).extend(found)
        return cls(path, blocks)

    def named(self, kind: str) -> dict[str, Json]:
        """Blocks of one label, as variables, outputs and modules are."""
        return {plain(name): body for block in self.blocks.get(kind, []) for name, body in _labels(block)}

    def resources(self, kind: str = "resource") -> Iterator[tuple[str, str, Json]]:
        """Type, name and content of each resource, or data source."""
        for block in self.blocks.get(kind, []):
            for type_, inner in _labels(block):
                for name, body in _labels(inner):
                    yield plain(type_), plain(name), body

    def locals(self) -> set[str]:
        return {plain(name) for block in self.blocks.get("locals", []) for name, _ in _labels(block)}

    def references(self) -> set[tuple[str, str, str]]:
        """Everything that an expression in this folder names: `(var, name, "")`, `(module, network, vpc_id)`."""
        text = "\n".join(file.read_text(encoding="utf-8") for file in self.path.glob("*.tf"))
        text = re.sub(r"^\s*#.*$|docs/\w+\.md", "", text, flags=re.MULTILINE)
        return {(one, two, three or "") for one, two, three in _REFERENCE.findall(text)}


def plain(text: Any) -> str:
    """A label or a string without the quotes that the parser leaves."""
    return str(text).strip('"')


def _labels(block: Json) -> Iterator[tuple[str, Any]]:
    return ((name, body) for name, body in block.items() if not name.startswith("__"))
