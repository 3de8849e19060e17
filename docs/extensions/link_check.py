"""A look at the built pages: links within the site lead somewhere, and nothing is loaded from
elsewhere.

Sphinx checks the links that it resolves itself; this also sees those of templates, of docstrings
and of raw HTML.
"""

from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

# Elements that make a browser fetch something, and the attribute that says what.
LOADED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "link": "href"}
# Relations of <link> that fetch nothing.
NOT_FETCHED = {"index", "search", "next", "prev", "author", "copyright", "canonical", "license"}


class Page(HTMLParser):
    """The links of a page, what it loads, and the ids that links can lead to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.ids: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect what an element has."""
        values = {name: value or "" for name, value in attrs}
        if "id" in values:
            self.ids.add(values["id"])
        if tag == "a" and values.get("href"):
            self.links.append(values["href"])
        fetched = tag != "link" or values.get("rel") not in NOT_FETCHED
        if tag in LOADED and values.get(LOADED[tag]) and fetched:
            self.loaded.append(values[LOADED[tag]])


def site_faults(root: Path) -> Iterator[str]:
    """Yield in words every dead link and every foreign resource of a built site."""
    root = root.resolve()
    pages = {path: Page(path.read_text("utf-8")) for path in sorted(root.rglob("*.html"))}
    for path, page in pages.items():
        name = path.relative_to(root)
        for address in page.loaded:
            if urlsplit(address).netloc:
                yield f"{name} loads {address}"
        for address in [*page.links, *page.loaded]:
            parts = urlsplit(address)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.is_file():
                yield f"{name} has a link to {address}, which does not exist"
                continue
            fragment = unquote(parts.fragment)
            if fragment and target in pages and fragment not in pages[target].ids:
                yield f"{name} has a link to {address}, where no part has this name"
