"""XML as a tree, without what makes XML dangerous: document types and entities are refused."""

from __future__ import annotations

from collections.abc import Iterator
from xml.parsers import expat

from content import limits
from content.errors import FormatInvalid

DEPTH_MAX = 64
"""Formats of this room nest seven deep; more is meant to hurt."""


class Node:
    """An element; `name` and the keys of `attributes` are without namespaces."""

    __slots__ = ("attributes", "children", "name", "parts")

    def __init__(self, name: str, attributes: dict[str, str]) -> None:
        self.name = name
        self.attributes = attributes
        self.children: list[Node] = []
        self.parts: list[str] = []

    def all(self, name: str) -> Iterator[Node]:
        """The children of a name, in order."""
        return (child for child in self.children if child.name == name)

    def text(self, name: str) -> str:
        """The trimmed text of the first child of a name; empty where there is none."""
        found = next(self.all(name), None)
        return "".join(found.parts).strip() if found is not None else ""


def parse(data: bytes) -> Node:
    """The root of a document. Raises FormatInvalid with the place of the fault."""
    if len(data) > limits.IMPORT_BYTES_MAX:
        raise FormatInvalid(f"has more than {limits.IMPORT_BYTES_MAX} bytes")
    root = Node("", {})
    open_: list[Node] = [root]
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True

    def start(name: str, attributes: dict[str, str]) -> None:
        if len(open_) > DEPTH_MAX:
            raise FormatInvalid("is nested too deeply", f"line {parser.CurrentLineNumber}")
        local = {key.rsplit(" ", 1)[-1]: value for key, value in attributes.items()}
        node = Node(name.rsplit(" ", 1)[-1], local)
        open_[-1].children.append(node)
        open_.append(node)

    def end(_name: str) -> None:
        open_.pop()

    def refuse(*_rest: object) -> None:
        raise FormatInvalid("has a document type, which may hide entities: remove it")

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = lambda text: open_[-1].parts.append(text)
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        where = f"line {error.lineno} column {error.offset + 1}"
        raise FormatInvalid(f"is not XML: {expat.ErrorString(error.code)}", where) from error
    return root.children[0]
