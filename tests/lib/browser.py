"""Headless Chromium, driven through chromedriver by plain HTTP and JSON (W3C WebDriver).

Driver    one chromedriver, and one browser, which takes seconds to start
Browser   a window of it, that knows nobody: go somewhere, wait for what a script says, click, type, keep a screenshot
"""
import base64
import http.client
import json
import os
import re
import shutil
import socket
import subprocess
from pathlib import Path

import procs
from procs import wait_until

CHROMIUM = shutil.which("chromium", path="/usr/bin:/bin")
CHROMEDRIVER = shutil.which("chromedriver", path="/usr/bin:/bin")
ROOT = Path(__file__).resolve().parents[2]
SCREENSHOTS = Path(os.environ.get("CREDFD_SCREENSHOTS") or ROOT / "build-test" / "screenshots")

FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
         "--disable-background-networking", "--disable-component-update", "--disable-default-apps",
         "--disable-dev-shm-usage", "--disable-breakpad", "--disable-extensions", "--window-size=1100,760",
         "--force-color-profile=srgb", "--hide-scrollbars"]
TELEPHONE = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}
# Another program each time: whoever tells browsers apart, by this among others, must not take them all for one.
NAME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36 Test/{}"
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
PATIENCE = 60.0  # a browser on a busy machine
PAUSE = 0.05  # between two questions to a page that is still at work


def why_not():
    missing = [name for name, path in (("chromium", CHROMIUM), ("chromedriver", CHROMEDRIVER)) if not path]
    if missing:
        return f"{' and '.join(missing)} not installed"
    try:
        socket.getaddrinfo("localhost", 1)
    except OSError:
        return "no localhost in /etc/hosts, where chromedriver looks for its browser"
    return None


class Refused(Exception):
    """What WebDriver calls an error: its code, and its words."""


class Driver:
    def __init__(self, session):
        # What a page holds is in its browser's cache, too: Jupyter writes its token into its own.
        self.session, self.folder = session, session.new_folder() / "test-upstream"
        self.folder.mkdir()
        self.log, self.chromium = self.folder / "chromedriver.out", self.folder / "chromium"
        # It dies with chromedriver, which dies with us.
        self.chromium.write_text(f'#!/bin/sh\nexec setpriv --pdeathsig=KILL {CHROMIUM} "$@"\n')
        self.chromium.chmod(0o755)
        # Chromium's orphans stay below chromedriver, so that stop() finds them.
        with open(self.log, "wb") as out:
            self.process = subprocess.Popen(
                [CHROMEDRIVER, "--port=0"], stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                env={"PATH": "/usr/bin:/bin", "HOME": str(self.folder), "LANG": "C.UTF-8", "TMPDIR": str(self.folder)},
                preexec_fn=lambda: (procs.become_subreaper(), procs.die_with_parent()))
        session.services.add(self.process.pid)
        found = wait_until(lambda: re.search(r"started successfully on port (\d+)", self.log.read_text()),
                           lambda: f"chromedriver serves: {self.log.read_text()}", PATIENCE)
        self.connection = http.client.HTTPConnection("127.0.0.1", int(found.group(1)), timeout=PATIENCE)
        self.path, self.first, self.count = None, None, 0

    def call(self, method, path, body=None):
        self.connection.request(method, path, json.dumps(body or {}) if method == "POST" else None)
        answer = json.loads(self.connection.getresponse().read())["value"]
        if isinstance(answer, dict) and "error" in answer:
            raise Refused(answer["error"], answer["message"])
        return answer

    def start(self):
        """The browser, at its first window."""
        options = {"binary": str(self.chromium), "args": [*FLAGS, f"--user-data-dir={self.folder / 'profile'}"]}
        made = self.call("POST", "/session", {"capabilities": {"alwaysMatch": {
            "browserName": "chrome", "pageLoadStrategy": "eager", "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL"}}}})
        self.path = f"/session/{made['sessionId']}"
        self.first = self.call("GET", f"{self.path}/window")

    def open(self):
        """A window. Who was here before is forgotten, and the browser has another name now."""
        if not self.path:
            self.start()
        self.count += 1
        browser = Browser(self, self.call("POST", f"{self.path}/window/new", {"type": "tab"})["handle"])
        browser.tell("Page.bringToFront")
        browser.tell("Network.clearBrowserCookies")
        browser.tell("Emulation.setUserAgentOverride", userAgent=NAME.format(self.count))
        browser.complaints()
        return browser

    def turn_to(self, window):
        self.call("POST", f"{self.path}/window", {"handle": window})

    def stop(self):
        below = procs.descendants(self.process.pid)
        self.process.terminate()
        self.process.wait()
        for pid in below:
            procs.kill(pid)
        self.session.services.discard(self.process.pid)


class Browser:
    def __init__(self, driver, window):
        self.driver = driver
        driver.turn_to(window)

    def call(self, method, path, body=None):
        return self.driver.call(method, self.driver.path + path, body)

    def close(self):
        self.call("DELETE", "/window")
        self.driver.turn_to(self.driver.first)

    # Where it is, and what it sees.

    def go(self, url):
        self.call("POST", "/url", {"url": url})

    def reload(self):
        self.call("POST", "/refresh")

    @property
    def url(self):
        return self.call("GET", "/url")

    @property
    def text(self):
        return self.run("return document.body ? document.body.innerText : ''")

    def run(self, script, *arguments):
        return self.call("POST", "/execute/sync", {"script": script, "args": arguments})

    def wait(self, script, what):
        """Until the script returns what is true; its value. A page that changes meanwhile is asked again."""
        def ask():
            try:
                return self.run(script)
            except Refused:
                return None
        return wait_until(ask, lambda: f"{what}; the page {self.url} says: {self.text[:500]!r}", PATIENCE,
                          PAUSE)

    def see(self, text):
        self.wait(f"return document.body && document.body.innerText.includes({json.dumps(text)})", f"it shows {text!r}")

    def complaints(self):
        """What the console has been told, since it was last asked: faults of scripts, styles that were not allowed."""
        return [entry["message"] for entry in self.call("POST", "/se/log", {"type": "browser"})]

    def cookies(self):
        return {cookie["name"]: cookie["value"] for cookie in self.call("GET", "/cookie")}

    # What it does.

    def find(self, selector):
        found = self.call("POST", "/element", {"using": "css selector", "value": selector})
        return f"/element/{found[ELEMENT]}"

    def type(self, selector, text):
        self.call("POST", self.find(selector) + "/value", {"text": text})

    def click(self, selector):
        self.call("POST", self.find(selector) + "/click")

    def tell(self, command, **parameters):
        """A command of Chromium's own (DevTools)."""
        return self.call("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def become_telephone(self):
        self.tell("Emulation.setDeviceMetricsOverride", **TELEPHONE)

    def is_dark(self, is_dark=True):
        self.tell("Emulation.setEmulatedMedia",
                  features=[{"name": "prefers-color-scheme", "value": "dark" if is_dark else "light"}])

    def keep(self, name):
        """A screenshot, for people."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        (SCREENSHOTS / f"{name}.png").write_bytes(base64.b64decode(self.call("GET", "/screenshot")))
