"""Chromium without a window, driven over its DevTools protocol: https://chromedevtools.github.io/devtools-protocol/

The protocol comes on two pipes, a message of JSON and a zero byte each way. Each page is somebody else's: it shares no
cookie and no connection with another.
"""
import itertools
import json
import os
import signal
import subprocess
import tempfile
import threading
from pathlib import Path

from scene import PATIENCE_S, Failed, wait_until

FLAGS = [
    "--headless=new",
    "--no-sandbox",  # root has none
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-extensions",
    "--disable-background-networking",
    "--disable-renderer-backgrounding",  # nobody looks at the pages
    "--disable-background-timer-throttling",
    "--ignore-certificate-errors",  # it is signed by itself
    "--remote-debugging-pipe",
]


class Browser:
    def __init__(self, folder: Path):
        self.folder = tempfile.TemporaryDirectory(dir=folder)
        self.errors = folder / "browser"
        self._numbers = itertools.count(1)
        self._answers: dict[int, dict] = {}
        self._events: dict[str, list[dict]] = {}  # of each page, by its session
        self._ended = False
        self._changed = threading.Condition()
        its_input, self._to = os.pipe()
        self._from, its_output = os.pipe()
        # Its ends have to be 3 and 4.
        words = ["bash", "-c", f'exec "$@" 3<&{its_input} 4>&{its_output}', "bash", "chromium", *FLAGS]
        words += [f"--user-data-dir={self.folder.name}", "about:blank"]
        with open(self.errors, "wb") as errors:
            self.process = subprocess.Popen(
                words,
                pass_fds=(its_input, its_output),
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
                start_new_session=True,
            )
        os.close(its_input)
        os.close(its_output)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        rest = b""
        while data := os.read(self._from, 65536):
            *messages, rest = (rest + data).split(b"\0")
            with self._changed:
                for message in map(json.loads, messages):
                    if "id" in message:
                        self._answers[message["id"]] = message
                    else:
                        self._events.setdefault(message.get("sessionId", ""), []).append(message)
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        os.close(self._from)

    def call(self, method: str, session: str = "", **parameters) -> dict:
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._to, data) :]
        with self._changed:
            if not self._changed.wait_for(lambda: number in self._answers or self._ended, PATIENCE_S):
                raise Failed(f"the browser does not answer {method}")
            answer = self._answers.pop(number, None)
        if answer is None:
            raise Failed(f"the browser has ended: {self.errors.read_text(errors='replace')[-1000:]}")
        if "error" in answer:
            raise Failed(f"the browser refuses {method}: {answer['error']}")
        return answer["result"]

    def events(self, session: str, method: str) -> list[dict]:
        """The parameters of all events of that kind that the page has had."""
        with self._changed:
            return [event["params"] for event in self._events.get(session, []) if event["method"] == method]

    def stop(self):
        os.killpg(self.process.pid, signal.SIGKILL)  # its children would go on writing into the folder
        self.process.wait()
        os.close(self._to)
        self.folder.cleanup()


class Page:
    def __init__(self, browser: Browser, url: str):
        self.browser = browser
        own = browser.call("Target.createBrowserContext")["browserContextId"]
        target = browser.call("Target.createTarget", url="about:blank", browserContextId=own)["targetId"]
        self.session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime"):
            self.call(f"{domain}.enable")
        self.call("Emulation.setFocusEmulationEnabled", enabled=True)
        failed = self.call("Page.navigate", url=url).get("errorText")
        if failed:
            raise Failed(f"the browser can't load {url}: {failed}")

    def call(self, method: str, **parameters) -> dict:
        return self.browser.call(method, self.session, **parameters)

    def count(self, method: str) -> int:
        return len(self.browser.events(self.session, method))

    def ask(self, expression: str):
        """The value of an expression of JavaScript."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in answer:
            raise Failed(f"{expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def wait(self, expression: str, what: str):
        try:
            wait_until(lambda: self.ask(expression), what)
        except Failed as failure:
            raise Failed(f"{failure}; the page: {self.ask('document.body.innerText')[-500:]!r}") from None

    def type(self, text: str):
        """As by a keyboard, into what has the focus, and Enter."""
        self.call("Input.insertText", text=text)
        enter = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13}
        self.call("Input.dispatchKeyEvent", type="keyDown", text="\r", **enter)
        self.call("Input.dispatchKeyEvent", type="keyUp", **enter)
