"""Check that no page of the documentation is wider than the screen of a telephone (make docs-narrow).

A page in headless Chromium loads each page of the documentation in a frame of 400 pixels, and sends the widths of their
contents to this program, which needs nothing else than the standard library.
"""
from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
import tempfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import BinaryIO
from urllib.parse import unquote

WIDTH = 400
SECONDS = 300
"""Maximum time for all pages."""

BROWSERS = ('chromium', 'chromium-browser', 'google-chrome')

MEASURE = """<!doctype html><title>widths</title><body><script>
async function measure(pages) {
  const frame = document.createElement('iframe'), found = {};
  frame.width = WIDTH; frame.height = 800; frame.style.border = 0;
  document.body.append(frame);
  for (const page of pages) {
    await new Promise(loaded => { frame.onload = loaded; frame.src = page; });
    found[page] = frame.contentDocument.documentElement.scrollWidth;
  }
  await fetch('/widths?' + encodeURIComponent(JSON.stringify(found)));
}
measure(PAGES);
</script>"""


class Site(ThreadingHTTPServer):
    """Serves a folder of pages, and a page that measures them; ``widths`` receives the result."""

    def __init__(self, folder: Path) -> None:
        super().__init__(('127.0.0.1', 0), partial(Handler, directory=str(folder)))
        self.pages = sorted(str(file.relative_to(folder)) for file in folder.rglob('*.html'))
        self.widths: Queue[dict[str, int]] = Queue()

    @property
    def address(self) -> str:
        """The URL of the page that measures the others."""
        return f'http://127.0.0.1:{self.server_port}/measure'


class Handler(SimpleHTTPRequestHandler):
    """Answers one request of the browser."""

    def send_head(self) -> io.BytesIO | BinaryIO | None:
        """Send the headers; return the body."""
        assert isinstance(self.server, Site)
        path, _, query = self.path.partition('?')
        if path == '/measure':
            return self._answer(MEASURE.replace('WIDTH', str(WIDTH)).replace('PAGES', json.dumps(self.server.pages)))
        if path == '/widths':
            self.server.widths.put(json.loads(unquote(query)))
            return self._answer('')
        return super().send_head()

    def _answer(self, text: str) -> io.BytesIO:
        body = text.encode()
        self.send_response(200)
        self.send_header('Content-Type', 'text/html; charset=utf-8')
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        return io.BytesIO(body)

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""


def browse(address: str, widths: Queue[dict[str, int]]) -> dict[str, int]:
    """Open a page in Chromium, and return the widths that it sends."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        raise SystemExit('Chromium is missing: on Debian, apt-get install chromium')
    with tempfile.TemporaryDirectory() as profile:
        command = [browser, '--headless', '--no-sandbox', '--disable-gpu', f'--user-data-dir={profile}', address]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            try:
                return widths.get(timeout=SECONDS)
            except Empty:
                raise SystemExit(f'{browser} did not load all pages within {SECONDS} s') from None
            finally:
                process.terminate()


def main(folder: str) -> int:
    """Measure the pages of a folder; print those that are too wide, and return 1 if there are any."""
    with Site(Path(folder)) as site:
        Thread(target=site.serve_forever, daemon=True).start()
        found = browse(site.address, site.widths)
        site.shutdown()
    wide = {page: width for page, width in found.items() if width > WIDTH}
    for page, width in wide.items():
        print(f'{page}: {width} pixels wide, {WIDTH} at most', file=sys.stderr)
    print(f'{len(found) - len(wide)} of {len(found)} pages fit {WIDTH} pixels')
    return 1 if wide or not found else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1]))
