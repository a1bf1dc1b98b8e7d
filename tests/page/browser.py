# SPDX-License-Identifier: Apache-2.0
"""A browser without a window, in the network namespace of the switch, that
looks at the live page."""

import contextlib
import json
import os
import shutil
import urllib.parse

from selenium import webdriver
from selenium.common.exceptions import (
    NoSuchElementException, StaleElementReferenceException)
from selenium.webdriver.chromium.remote_connection import (
    ChromiumRemoteConnection)
from selenium.webdriver.common.by import By

import pace
from lab import until

PORT = 9475
DRIVER_PORT = 9515
ADDRESS = "127.0.0.1:%d" % PORT
URL = "http://%s/" % ADDRESS


class Browser:
    """What a test does with the page.  All of it happens in the namespace."""

    def __init__(self, bench, driver):
        self.bench = bench
        self.driver = driver

    def _command(self, name, **parameters):
        """Gives Chromium a command of its DevTools protocol."""
        self.driver.execute("executeCdpCommand",
                            {"cmd": name, "params": parameters})

    def open(self, url=URL):
        with self.bench.switch.entered():
            self.driver.get(url)

    def script(self, text, *arguments):
        with self.bench.switch.entered():
            return self.driver.execute_script(text, *arguments)

    def emulate(self, **features):
        """Has the page see these CSS media features; _ stands for -."""
        with self.bench.switch.entered():
            self._command("Emulation.setEmulatedMedia", features=[
                {"name": name.replace("_", "-"), "value": value}
                for name, value in features.items()])

    def size(self, width, height, scale=1):
        with self.bench.switch.entered():
            self._command("Emulation.setDeviceMetricsOverride", width=width,
                          height=height, deviceScaleFactor=scale, mobile=False)

    def keys(self, *keys):
        """Types 'keys' where the focus is."""
        with self.bench.switch.entered():
            self.driver.switch_to.active_element.send_keys(*keys)

    def screenshot(self, path):
        with self.bench.switch.entered():
            self.driver.save_screenshot(path)

    def text(self, selector):
        """Returns the text of the first such element, as it is shown; None if
        there is no such element."""
        with self.bench.switch.entered():
            try:
                return self.driver.find_element(By.CSS_SELECTOR, selector).text
            except (NoSuchElementException, StaleElementReferenceException):
                return None

    def texts(self, selector):
        """Returns the texts of all such elements, shown or not."""
        return self.script(
            "return [...document.querySelectorAll(arguments[0])]"
            ".map((element) => element.textContent)", selector)

    def says(self, selector, wanted, timeout=15.0):
        """Waits until an element's text holds 'wanted'."""
        try:
            until(lambda: wanted in (self.text(selector) or ""), "", timeout)
        except Exception as error:
            raise type(error)("%s has to say %r, but says %r" % (
                selector, wanted, self.text(selector))) from error

    def figure(self, selector):
        """Returns the number that an element shows, None if it shows none."""
        text = self.text(selector)
        digits = "".join(c for c in text or "" if c.isdigit())
        return int(digits) if digits else None

    def complaints(self):
        """Returns what the browser has logged since the last call."""
        with self.bench.switch.entered():
            return [entry["message"] for entry in
                    self.driver.get_log("browser")]

    def requests(self):
        """Returns methods and addresses of the requests of the page since the
        last call."""
        with self.bench.switch.entered():
            events = [json.loads(entry["message"])["message"]
                      for entry in self.driver.get_log("performance")]
        return [(event["params"]["request"]["method"],
                 event["params"]["request"]["url"]) for event in events
                if event["method"] == "Network.requestWillBeSent"]


def elsewhere(url):
    """Whether a request for 'url' goes anywhere but to the daemon."""
    return urllib.parse.urlsplit(url)[:2] != ("http", ADDRESS)


@contextlib.contextmanager
def browser(bench):
    """Runs Chromium; yields a Browser."""
    where = os.path.join(bench.directory, "chromium")
    process = bench.ovs.controller(
        "chromedriver", "--port=%d" % DRIVER_PORT, "--log-level=WARNING")
    options = webdriver.ChromeOptions()
    for argument in (
            "--headless=new", "--no-sandbox", "--disable-gpu",
            "--disable-dev-shm-usage", "--disable-background-networking",
            "--disable-component-update", "--disable-sync", "--no-first-run",
            "--no-default-browser-check", "--remote-debugging-pipe",
            "--hide-scrollbars", "--window-size=1280,900",
            "--user-data-dir=" + where):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs",
                           {"browser": "ALL", "performance": "ALL"})
    driver = None

    def listens():
        return ":%d" % DRIVER_PORT in bench.switch.run("ss", "-Hltn")

    try:
        until(listens, "chromedriver has to listen", 30)
        with bench.switch.entered():
            driver = webdriver.Remote(
                ChromiumRemoteConnection(
                    "http://127.0.0.1:%d" % DRIVER_PORT, "goog", "chrome",
                    ignore_proxy=True),
                options=options)
        yield Browser(bench, driver)
    finally:
        if driver:
            with bench.switch.entered():
                driver.quit()
        process.terminate()
        process.wait(pace.seconds(20))
        bench.ovs.controllers.remove(process)
        shutil.rmtree(where, ignore_errors=True)
