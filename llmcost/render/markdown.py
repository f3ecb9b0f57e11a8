"""A document as Markdown, with footnotes."""

from __future__ import annotations

from typing import assert_never

from llmcost.errors import printable
from llmcost.render.data import markdown_text, to_markdown
from llmcost.render.document import (
    ARXIV,
    Block,
    Chart,
    Document,
    Facts,
    Links,
    Listing,
    Table,
    Text,
)


def markdown_page(document: Document) -> str:
    """The text of a document, the same for the same document."""
    pieces = [f"# {markdown_text(document.title)}", *map(_block, document.lead)]
    for part in document.parts:
        pieces.append(f"{'#' * part.level} {markdown_text(part.heading)}")
        pieces += map(_block, part.blocks)
    if document.notes:
        pieces.append("## Notes")
        pieces += [
            f"[^{number}]: {markdown_text(note)}" for number, note in enumerate(document.notes, 1)
        ]
    return printable("\n\n".join(piece for piece in pieces if piece) + "\n")


def _block(block: Block) -> str:
    match block:
        case Text(words, _, notes):
            return markdown_text(words) + "".join(f"[^{number}]" for number in notes)
        case Facts(items):
            rows = [[item.label, item.value, item.range, item.says] for item in items]
            return to_markdown(["", "", "Range", ""], rows, (1,)).rstrip()
        case Table():
            table = to_markdown(block.header, block.rows, block.right).rstrip()
            return f"{markdown_text(block.caption)}:\n\n{table}"
        case Chart():
            return ""  # its figures stand in the table beside it
        case Links():
            return ""  # a Markdown page has the headings
        case Listing(items):
            return "\n".join(
                "- " + ARXIV.sub(r"[arXiv:\1](https://arxiv.org/abs/\1)", markdown_text(item))
                for item in items
            )
        case _:
            assert_never(block)
