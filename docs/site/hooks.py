"""The README as the first page, and links to files that are no pages as plain text."""

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

_LINK = re.compile(r"(?<!!)\[(?P<text>(?:[^\[\]]|\\\[|\\\])+)\]\((?P<target>[^)\s]+)\)")
_CODE = re.compile(r"(^```.*?^```)", re.M | re.S)


def on_files(files: Files, config: Any) -> Files:
    """Add README.md, whose links begin at the repository, as index.md."""
    readme = (Path(config["docs_dir"]).parent / "README.md").read_text(encoding="utf-8")
    content = re.sub(r"\]\(docs/", "](", readme)
    files.append(File.generated(config, "index.md", content=content))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Keep the text alone of links that lead out of the site."""

    def kept(match: re.Match[str]) -> str:
        target = match["target"]
        path = posixpath.normpath(target.partition("#")[0] or page.file.src_uri)
        known = re.match(r"[a-z]+:", target) or files.get_file_from_path(path)
        return match[0] if known else match["text"]

    parts = _CODE.split(markdown)  # every second one is code
    return "".join(part if n % 2 else _LINK.sub(kept, part) for n, part in enumerate(parts))
