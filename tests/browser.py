"""A headless Chromium driven through a pipe (Chrome DevTools Protocol): what a page looks like, prints and logs."""

import base64
import fcntl
import json
import os
import re
import shutil
import sys

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
"""The browser that is installed; None where there is none."""
_WRAPPER = "; ".join(
    (
        "import os, sys",
        "os.dup2(int(sys.argv[1]), 3)",
        "os.dup2(int(sys.argv[2]), 4)",
        "os.execv(sys.argv[3], sys.argv[3:])",
    )
)
"""Chromium reads from descriptor 3 and writes to descriptor 4."""
_PAGE = re.compile(rb"/Type\s*/Page\b")


class Browser:
    """One page of a browser; whoever starts its process ends it.

    Args:
        started: function that starts a process, as `subprocess.Popen` does.
        profile: empty folder for the browser's own files.
    """

    def __init__(self, started, profile):
        theirs_in, ours_out = map(_far, os.pipe())
        ours_in, theirs_out = map(_far, os.pipe())
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
        options += ["--hide-scrollbars", f"--user-data-dir={profile}", "--remote-debugging-pipe"]
        wrapper = [sys.executable, "-c", _WRAPPER, theirs_in, theirs_out]
        started(*wrapper, CHROMIUM, *options, pass_fds=(theirs_in, theirs_out))
        os.close(theirs_in)
        os.close(theirs_out)
        self._out, self._in = os.fdopen(ours_out, "wb", 0), os.fdopen(ours_in, "rb")
        self._number, self._session, self.events = 0, None, []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def close(self):
        """Close the pipes."""
        self._out.close()
        self._in.close()

    def call(self, method, **parameters):
        """Call a method of the protocol, and return its result."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        self._out.write(json.dumps(message).encode() + b"\0")
        while (answer := self._read()).get("id") != self._number:
            self.events.append(answer)
        assert "error" not in answer, answer
        return answer["result"]

    def open(self, path, width, *, height=900, dark=False):
        """Show a file in a window of so many CSS pixels."""
        self.events.clear()
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", media="", features=[scheme])
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
                  mobile=width < 500)  # fmt: skip
        self.call("Page.navigate", url=path.resolve().as_uri())
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            self.events.append(self._read())

    def evaluate(self, script):
        """Return what a script gives, once it is known."""
        found = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def complaints(self):
        """Return errors of the console, exceptions, and addresses asked for besides the page's own."""
        told = [
            event
            for event in self.events
            if event.get("method") in {"Log.entryAdded", "Runtime.exceptionThrown"}
        ]
        asked = [
            event["params"]["request"]["url"]
            for event in self.events
            if event.get("method") == "Network.requestWillBeSent"
        ]
        return told + asked[1:]

    def picture(self, path):
        """Write the whole page as PNG."""
        found = self.call("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(found["data"]))

    def printed(self, width=8.27, height=11.69):
        """Return the page as it is printed, a PDF, and its number of sheets, of A4 or of so many inches."""
        found = self.call("Page.printToPDF", paperWidth=width, paperHeight=height, preferCSSPageSize=True)
        data = base64.b64decode(found["data"])
        return data, len(_PAGE.findall(data))

    def _read(self):
        message = bytearray()
        while (byte := self._in.read(1)) not in {b"\0", b""}:
            message += byte
        assert message, "the browser has ended"
        return json.loads(message)


def _far(descriptor):
    """Move a descriptor beyond those that the browser is given."""
    moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 10)
    os.close(descriptor)
    return moved
