"""A bus of the test's own, with a stand-in for systemd's manager on it, and instances that it starts and stops.

Systemd   the bus and the manager: which units there are and how they behave, what was asked of it
instance  a unit's command: a server that says what its folder tells it to (see SERVER)

Run as a program it is the manager: fake_systemd.py UNITS CALLS, with the bus in $DBUS_SYSTEM_BUS_ADDRESS.
"""
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent

BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path={path}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <allow own="*"/>
    <allow send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true"/>
    <allow receive_type="method_call"/>
    <allow receive_type="signal"/>
    <allow receive_requested_reply="true"/>
  </policy>
</busconfig>
"""

# An instance: GET /activity says what stands in the file `activity`, /health answers the status in `health`, else 200.
SERVER = """
import http.server, pathlib, sys
port, folder = int(sys.argv[1]), pathlib.Path(sys.argv[2])

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        with open(folder / "asked", "a") as asked:
            asked.write(self.path + "\\n")
        file = folder / self.path.strip("/").split("?")[0]
        status = int(file.read_text()) if self.path == "/health" and file.exists() else 200
        body = file.read_bytes() if self.path == "/activity" and file.exists() else b"the instance"
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""


def why_not():
    """Why there can be no such bus here; None when there can."""
    if not shutil.which("dbus-daemon"):
        return "dbus-daemon is not installed"
    tried = subprocess.run([sys.executable, "-c", "import dbus.service, gi.repository.GLib"], capture_output=True)
    return "python3-dbus or python3-gi is not installed" if tried.returncode else None


def instance(port, folder):
    """The command of a unit that is an instance."""
    return [sys.executable, "-c", SERVER, str(port), str(folder)]


class Systemd:
    """`units` as {name: behaviour}, to be changed at any time:

    start    the command that is the unit's process
    result   of its job, "done" by default
    error    the D-Bus error that StartUnit and StopUnit answer with
    hold     a job does not end while this is true
    """

    def __init__(self, folder, units):
        self.folder = Path(folder)
        self.address = f"unix:path={self.folder}/bus"
        self.units_file, self.calls_file = self.folder / "units", self.folder / "calls"
        self.calls_file.touch()
        self.set(**units)
        self.processes = []
        self.start()

    def set(self, **units):
        new = self.folder / "units.new"
        new.write_text(json.dumps(units))
        os.replace(new, self.units_file)

    def start(self):
        config = self.folder / "bus.conf"
        config.write_text(BUS.format(path=self.folder / "bus"))
        self._begin(["dbus-daemon", f"--config-file={config}", "--nofork", "--nopidfile", "--print-address=1"])
        self._begin([sys.executable, __file__, self.units_file, self.calls_file],
                    env={**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": self.address})

    def _begin(self, command, **how):
        process = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, **how)
        assert process.stdout.readline(), f"{command[0]} did not begin"
        self.processes.append(process)

    @property
    def pids(self):
        return [process.pid for process in self.processes]

    def stop(self):
        """The manager ends its units' processes; then the bus ends."""
        for process in reversed(self.processes):
            process.terminate()
            process.communicate()
        self.processes = []

    @property
    def calls(self):
        """(method, unit, mode) of each, in order."""
        return [tuple(json.loads(line)) for line in self.calls_file.read_text().splitlines()]

    def count(self, method, unit=None):
        return sum(call[0] == method and unit in (None, call[1]) for call in self.calls)


def serve(units_file, calls_file):
    import dbus
    import dbus.mainloop.glib
    import dbus.service
    from gi.repository import GLib

    name = "org.freedesktop.systemd1"
    dbus.mainloop.glib.DBusGMainLoop(set_as_default=True)
    bus = dbus.bus.BusConnection(os.environ["DBUS_SYSTEM_BUS_ADDRESS"])
    running = {}

    class Refusal(dbus.DBusException):
        def __init__(self, error):
            super().__init__("not now")
            self._dbus_error_name = error

    class Manager(dbus.service.Object):
        jobs = 0

        def begin(self, method, unit, mode, act):
            with open(calls_file, "a", encoding="utf-8") as calls:
                calls.write(json.dumps([method, unit, mode]) + "\n")
            known = json.loads(Path(units_file).read_text())
            if unit not in known:
                raise Refusal(f"{name}.NoSuchUnit")
            if "error" in known[unit]:
                raise Refusal(known[unit]["error"])
            Manager.jobs += 1
            job, path = Manager.jobs, dbus.ObjectPath(f"/org/freedesktop/systemd1/job/{Manager.jobs}")
            GLib.timeout_add(5, self.step, job, path, unit, act)
            return path

        def step(self, job, path, unit, act):
            behaviour = json.loads(Path(units_file).read_text())[unit]
            if behaviour.get("hold"):
                return True
            act(unit, behaviour)
            self.JobRemoved(job, path, unit, behaviour.get("result", "done"))
            return False

        def run(self, unit, behaviour):
            if "start" in behaviour and (unit not in running or running[unit].poll() is not None):
                running[unit] = subprocess.Popen(behaviour["start"], stdin=subprocess.DEVNULL)

        def end(self, unit, _=None):
            if unit in running:
                running.pop(unit).kill()

        @dbus.service.method(f"{name}.Manager", in_signature="ss", out_signature="o")
        def StartUnit(self, unit, mode):
            return self.begin("StartUnit", unit, mode, self.run)

        @dbus.service.method(f"{name}.Manager", in_signature="ss", out_signature="o")
        def StopUnit(self, unit, mode):
            return self.begin("StopUnit", unit, mode, self.end)

        @dbus.service.signal(f"{name}.Manager", signature="uoss")
        def JobRemoved(self, job, path, unit, result):
            pass

    owned = dbus.service.BusName(name, bus)
    manager = Manager(bus, "/org/freedesktop/systemd1")
    loop = GLib.MainLoop()
    GLib.unix_signal_add(GLib.PRIORITY_HIGH, signal.SIGTERM, loop.quit)
    print("ready", flush=True)
    loop.run()
    for unit in list(running):
        manager.end(unit)
    del owned


if __name__ == "__main__":
    serve(*sys.argv[1:])
