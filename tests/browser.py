"""A real browser, headless: Debian's Chromium by its remote debugging protocol, with keys as a person presses them."""

import base64
import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_INSTALL_S = 150.0
_PATIENCE_S = 60.0
# Nothing of its own may go out: what the network shows is the page's.
_QUIET = (
    *("--headless=new", "--disable-gpu", "--no-first-run", "--disable-sync", "--disable-extensions"),
    *("--disable-background-networking", "--disable-component-update", "--disable-default-apps", "--hide-scrollbars"),
)
_KEYS = {"Tab": 9, "Enter": 13}


def require_chromium() -> str:
    """Where Chromium is; it is installed where that can be done, and else the test is skipped with the reason."""
    if found := _found():
        return found
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        pytest.skip("no Chromium on PATH, and no root with apt-get to install it")
    for command in (["update"], ["install", "--yes", "--no-install-recommends", "chromium"]):
        try:
            subprocess.run(
                ["apt-get", "-qq", *command],
                env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"},
                capture_output=True,
                text=True,
                check=True,
                timeout=_INSTALL_S,
            )
        except subprocess.TimeoutExpired:
            pytest.skip(f"Chromium could not be installed in {_INSTALL_S:g} s")
        except subprocess.CalledProcessError as error:
            pytest.skip(f"Chromium could not be installed: {error.stderr.strip()[-300:]}")
    return _found() or pytest.skip("Debian's chromium was installed, and is not on PATH")


def _found() -> str | None:
    return next((path for name in _NAMES if (path := shutil.which(name))), None)


@contextmanager
def browsing(chromium: str, folder: Path) -> Iterator["Browser"]:
    """A browser with an empty profile in `folder`, and one page."""
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []  # it refuses to have one when it is root
    command = [chromium, *_QUIET, *sandbox, "--remote-debugging-port=0", f"--user-data-dir={folder / 'profile'}"]
    with (folder / "chromium.log").open("w") as log:
        process = subprocess.Popen([*command, "about:blank"], stdout=log, stderr=log)
    try:
        port = _port(folder / "profile" / "DevToolsActivePort", process)
        with connect(f"ws://127.0.0.1:{port[0]}{port[1]}", max_size=None) as connection:
            yield Browser(connection)
    finally:
        process.terminate()
        process.wait(_PATIENCE_S)


def _port(file: Path, process: "subprocess.Popen[bytes]") -> list[str]:
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline and process.poll() is None:
        if file.exists() and len(lines := file.read_text().split()) == 2:
            return lines
        time.sleep(0.05)
    raise AssertionError(f"Chromium did not start: {process.poll()}")


class Browser:
    """One page, and everything that it asked for and complained about."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._last, self._session = 0, ""
        self._loads = 0
        self.requested: list[str] = []
        self.complaints: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Log", "Runtime", "Accessibility"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command of the protocol, and its result."""
        self._last += 1
        message = {"id": self._last, "method": method, "params": parameters}
        self._connection.send(json.dumps(message | ({"sessionId": self._session} if self._session else {})))
        while True:
            answer = self._receive(_PATIENCE_S)
            if answer.get("id") == self._last:
                assert "error" not in answer, answer
                return dict(answer["result"])

    def _receive(self, timeout_s: float) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(self._connection.recv(timeout_s))
        match message.get("method"):
            case "Network.requestWillBeSent":
                self.requested.append(message["params"]["request"]["url"])
            case "Log.entryAdded":
                self.complaints.append(message["params"]["entry"]["text"])
            case "Page.loadEventFired":
                self._loads += 1
        return message

    def open(self, url: str) -> None:
        """Go to a page, and wait until it is loaded."""
        with self.loading():
            self.call("Page.navigate", url=url)

    @contextmanager
    def loading(self) -> Iterator[None]:
        """Do what loads another page, and wait until it has."""
        before = self._loads
        yield
        deadline = time.monotonic() + _PATIENCE_S
        while self._loads == before:
            self._receive(deadline - time.monotonic())

    def press(self, key: str) -> None:
        """Press and release a key."""
        text = {"text": "\r"} if key == "Enter" else {}
        common = {"key": key, "code": key, "windowsVirtualKeyCode": _KEYS[key]}
        self.call("Input.dispatchKeyEvent", type="keyDown", **common, **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", **common)

    def type(self, text: str) -> None:
        """Type into what has the focus."""
        self.call("Input.insertText", text=text)

    def evaluate(self, expression: str) -> Any:
        """What a script of ours finds out in the page."""
        return self.call("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def focused(self) -> str:
        """What has the focus: its id, or all of its text."""
        return str(self.evaluate("(e => e.id || e.innerText.trim() || e.tagName)(document.activeElement)"))

    def tab_to(self, wanted: str, most: int = 60) -> None:
        """Press Tab until something has the focus, as a person without a mouse does."""
        passed = []
        for _ in range(most):
            self.press("Tab")
            passed.append(self.focused())
            if passed[-1] == wanted:
                return
        raise AssertionError(f"{wanted!r} is not reached by Tab: {passed}")

    def accessible(self) -> list[tuple[str, str]]:
        """Role and name of everything that a screen reader is told of."""
        nodes = self.call("Accessibility.getFullAXTree")["nodes"]
        told = [node for node in nodes if not node["ignored"]]
        return [(node["role"]["value"], node.get("name", {}).get("value", "").strip()) for node in told]

    def show(self, scheme: str, width: int, height: int = 900) -> None:
        """Prefer `light` or `dark`, in a window of this size."""
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def contrast(self, selector: str) -> float:
        """The contrast of an element's text to what is behind it; WCAG 2, 1.4.3 asks for 4.5."""
        colours = self.evaluate(
            f"(e => {{ const ink = getComputedStyle(e).color; let b = e; const clear = 'rgba(0, 0, 0, 0)';"
            "while (b && getComputedStyle(b).backgroundColor == clear) b = b.parentElement;"
            f"return [ink, getComputedStyle(b).backgroundColor]; }})(document.querySelector({selector!r}))"
        )
        lighter, darker = sorted((_luminance(colour) for colour in colours), reverse=True)
        return (lighter + 0.05) / (darker + 0.05)

    def screenshot(self, path: Path, height: int | None = None) -> None:
        """The page as it is shown, or its first `height` pixels."""
        width = self.evaluate("document.documentElement.clientWidth")
        whole = {"x": 0, "y": 0, "width": width, "height": height or self.evaluate("document.body.scrollHeight")}
        found = self.call("Page.captureScreenshot", captureBeyondViewport=True, clip=whole | {"scale": 1})
        path.write_bytes(base64.b64decode(found["data"]))


def _luminance(colour: str) -> float:
    """Relative luminance of `rgb(r, g, b)`, as WCAG 2 defines it."""
    parts = [int(one) / 255 for one in re.findall(r"\d+", colour)[:3]]
    red, green, blue = (one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
