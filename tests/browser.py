"""Pages in headless Chromium: what it complains of, asks for, and how a page looks to it."""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
MISSING = "no headless Chromium here: the tests of pages in a browser are skipped"
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
)  # fmt: skip

# Letters that can be seen with their contrast (WCAG 2.2, 1.4.3) to what is behind them; the fields of a confusion
# matrix are no backgrounds to it.
CONTRASTS = """
const channels = (colour) => (colour.match(/[\\d.]+/g) || []).map(Number);
const light = (colour) => {
  const linear = (c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const [r, g, b] = channels(colour).map((c) => linear(c / 255));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const behind = (one) => {
  for (let at = one; at; at = at.parentElement) {
    const colour = getComputedStyle(at).backgroundColor, parts = channels(colour);
    if (parts.length === 3 || parts[3] > 0) return colour;
  }
  return getComputedStyle(document.documentElement).colorScheme.includes("dark") ? "rgb(0,0,0)" : "rgb(255,255,255)";
};
const found = [];
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const one = walker.currentNode.parentElement, text = walker.currentNode.textContent.trim();
  if (!text || !one.getClientRects().length || one.closest("script,style,title,#picture-confusion")) continue;
  const style = getComputedStyle(one);
  const ink = one instanceof SVGElement ? style.fill : style.color;
  const [more, less] = [light(ink), light(behind(one))].sort((a, b) => b - a);
  found.push([text.slice(0, 40), (more + 0.05) / (less + 0.05)]);
}
return found;
"""


class Browser:
    """One Chromium, its console and what it asks the network for."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def open(self, page: Path, width: int = 1280, dark: bool = False) -> None:
        """Shows a page in a window of that width, as a phone would below 500 pixels."""
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
        self.command("Emulation.setDeviceMetricsOverride", size)
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.command("Emulation.setEmulatedMedia", {"features": scheme})
        self.forget()
        self.driver.get(page.resolve().as_uri())

    def forget(self) -> None:
        """Complaints and requests so far."""
        self.driver.get_log("browser")
        self.driver.get_log("performance")

    def command(self, name: str, given: dict[str, Any]) -> Any:
        """One of Chrome's own protocol."""
        return self.driver.execute_cdp_cmd(name, given)

    def ask(self, script: str, *given: Any) -> Any:
        """What a script says in the page."""
        return self.driver.execute_script(script, *given)

    def complaints(self) -> list[str]:
        """What the console has said since."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def requests(self) -> list[str]:
        """Addresses that were asked for since, but for what the page brings with it."""
        messages = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        sent = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
        return [address for address in sent if not address.startswith("data:")]

    def pdf(self) -> bytes:
        """The page as it is printed."""
        return base64.b64decode(self.command("Page.printToPDF", {"printBackground": False})["data"])


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser as long as the block lasts."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in FLAGS:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    try:
        yield Browser(driver)
    finally:
        driver.quit()
