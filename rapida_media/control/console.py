"""The console: a page of HTML, its script and style, which show what the operators' API tells.

The page holds no secret and is open to everybody, as the API's description is; the script asks for
a key where the API wants one. Added to the application by ``ControlServer``.
"""

from __future__ import annotations

from importlib.resources import files

from aiohttp import web
from aiohttp.typedefs import Handler

# Content Security Policy, level 3: nothing but its own files and this server, in no frame.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
PAGES = {
    "/": ("console.html", "text/html"),
    "/console.js": ("console.js", "text/javascript"),
    "/softphone.js": ("softphone.js", "text/javascript"),
    "/console.css": ("console.css", "text/css"),
}


def add_console(app: web.Application) -> None:
    """Route the page and its files, for GET and HEAD."""
    folder = files("rapida_media.control") / "pages"
    for path, (name, content_type) in PAGES.items():
        app.router.add_get(path, _page((folder / name).read_bytes(), content_type))


def _page(content: bytes, content_type: str) -> Handler:
    async def serve(request: web.Request) -> web.Response:
        return web.Response(
            body=content, content_type=content_type, charset="utf-8", headers=HEADERS
        )

    return serve
