"""The table of signatures in docs/diagnose.md, made from the data: `python -m tests.support.signature_listing`."""

from __future__ import annotations

from pathlib import Path

from steadycast.tracking.signatures import Signature, load_table

PAGE = Path(__file__).resolve().parents[2] / "docs/diagnose.md"
TITLE = "## What it knows\n"
INTRODUCTION = "\nThe table is made from the data by `python -m tests.support.signature_listing`; a test compares it.\n"


def listing() -> str:
    """The last section of the page."""
    systems: dict[str, list[Signature]] = {}
    for one in load_table().signatures.values():
        systems.setdefault(one.system, []).append(one)
    parts = [TITLE, INTRODUCTION]
    for system, some in sorted(systems.items()):
        parts.append(
            f"\n### {system}\n\n| signature | what it means | asks for | often taken for |\n| --- | --- | --- | --- |\n"
        )
        parts += [
            f"| {cell(one.name)} | {cell(one.meaning)} | {one.remedy} | {cell(one.mistaken_for or '')} |\n"
            for one in some
        ]
    return "".join(parts)


def cell(text: str) -> str:
    return text.replace("|", "\\|")


def whole(page: str) -> str:
    """The page with its section made anew."""
    return page[: page.index(TITLE)] + listing()


if __name__ == "__main__":
    PAGE.write_text(whole(PAGE.read_text()))
