"""Headless Chromium, driven over its debugging pipe (JSON with NUL behind it, file descriptors 3 and 4), without any
package. What the page logs, throws and asks the network for is kept."""
import base64
import json
import os
import subprocess


class Browser:
    def __init__(self, program):
        ours_out, theirs_in = os.pipe(), os.pipe()

        def pipes():
            a, b = os.dup(theirs_in[0]), os.dup(ours_out[1])
            a, b = os.dup(a), os.dup(b)  # neither is 3 or 4 any more
            os.dup2(a, 3)
            os.dup2(b, 4)

        self.process = subprocess.Popen(
            [program, "--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", "--no-first-run",
             "--disable-background-networking", "--disable-dev-shm-usage", "--autoplay-policy=no-user-gesture-required",
             "--mute-audio", "--hide-scrollbars", "about:blank"],
            preexec_fn=pipes, close_fds=False, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        os.close(theirs_in[0])
        os.close(ours_out[1])
        self.to, self.come = theirs_in[1], ours_out[0]
        self.buffer, self.number, self.session = b"", 0, None
        self.said, self.requests = [], []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(domain + ".enable")

    def receive(self):
        while b"\0" not in self.buffer:
            more = os.read(self.come, 1 << 20)
            if not more:
                raise RuntimeError("the browser has ended")
            self.buffer += more
        message, self.buffer = self.buffer.split(b"\0", 1)
        message = json.loads(message)
        method, params = message.get("method"), message.get("params", {})
        if method == "Runtime.exceptionThrown":
            self.said.append(json.dumps(params["exceptionDetails"])[:500])
        if method == "Runtime.consoleAPICalled" or method == "Log.entryAdded":
            self.said.append(json.dumps(params)[:500])
        if method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        return message

    def call(self, method, **params):
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.receive()
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]

    def open(self, url, width=1280, height=900, dark=False):
        self.said, self.requests = [], []
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
                  mobile=width < 600)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.call("Page.navigate", url="about:blank")
        self.call("Page.navigate", url=url)
        self.wait("location.href !== 'about:blank' && document.readyState === 'complete'")

    def run(self, script):
        """The value of a script in the page; it may be a promise."""
        result = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            raise RuntimeError(f"{script}: {json.dumps(result['exceptionDetails'])[:600]}")
        return result["result"].get("value")

    def wait(self, script, turns=2000):
        """Until the script is true; bounded by looks, not by the clock."""
        for _ in range(turns):
            if self.run(script):
                return
            self.run("new Promise(done => setTimeout(done, 10))")
        raise RuntimeError(f"never true: {script}")

    def settle(self):
        self.run("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 30))))")

    def key(self, key, shift=False):
        named = {" ": ("Space", 32), "Enter": ("Enter", 13), "Tab": ("Tab", 9), "ArrowRight": ("ArrowRight", 39),
                 "ArrowLeft": ("ArrowLeft", 37), "End": ("End", 35), "Home": ("Home", 36)}
        code, number = named.get(key, ("", ord(key[0])))
        text = {" ": " ", "Enter": "\r"}.get(key, key if len(key) == 1 else "")
        common = dict(key=key, code=code, windowsVirtualKeyCode=number, modifiers=8 if shift else 0)
        typed = {"type": "keyDown", "text": text} if text else {"type": "rawKeyDown"}
        self.call("Input.dispatchKeyEvent", **typed, **common)
        self.call("Input.dispatchKeyEvent", type="keyUp", **common)
        self.settle()

    def shot(self, path, whole=False):
        self.settle()
        picture = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        with open(path, "wb") as file:
            file.write(base64.b64decode(picture["data"]))

    def close(self):
        try:
            self.session = None
            self.call("Browser.close")
        except (RuntimeError, OSError):
            pass
        self.process.wait()
