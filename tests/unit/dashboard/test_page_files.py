"""The page's files hold what they promise: no outside address, nothing inline, no markup from text, small."""

from __future__ import annotations

import re

import pytest

from steadycast.dashboard.files import PageFile, page_files

FILES = page_files()
SCRIPTS = sorted(name for name in FILES if name.endswith(".js"))


def text_of(name: str) -> str:
    return FILES[name].path.read_text()


def test_index_names_files_that_exist() -> None:
    named = re.findall(r'(?:src|href)="static/([^"]+)"', text_of("index.html"))
    assert {"app.js", "base.css", "theme.js"} <= set(named)
    assert not set(named) - set(FILES)


@pytest.mark.parametrize("name", SCRIPTS)
def test_imports_lead_to_files(name: str) -> None:
    imported = re.findall(r'from "\./([^"]+)"', text_of(name))
    assert not set(imported) - set(FILES)


@pytest.mark.parametrize("name", SCRIPTS)
def test_imports_are_used(name: str) -> None:
    text = text_of(name)
    for names in re.findall(r"import \{ ([^}]+) \} from", text):
        for one in names.split(", "):
            assert len(re.findall(rf"\b{one}\b", text)) > 1, f"{one} is imported for nothing"


@pytest.mark.parametrize("name", sorted(FILES))
def test_nothing_from_outside_and_nothing_inline(name: str) -> None:
    text = text_of(name).replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?://[a-z]", text.replace("rtsp://", ""))
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text)
    if name.endswith(".html"):
        assert not re.search(r"\son\w+=|\sstyle=|<style|<script(?![^>]*src=)", text)
    if name.endswith(".js"):
        assert not re.search(r"setAttribute\(\"style\"|\.confirm\(|\balert\(", text)


@pytest.mark.parametrize("file", FILES.values(), ids=lambda file: file.name)
def test_files_are_small_and_lie_in_the_folder(file: PageFile) -> None:
    assert file.path.read_text().count("\n") <= 300
    assert "charset=utf-8" in file.media_type or file.name.endswith(".svg")
