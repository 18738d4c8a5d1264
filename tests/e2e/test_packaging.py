"""What packaging/ ships, looked at by the tools that will read it."""
import re
import shutil
import subprocess
from pathlib import Path

import pytest

PACKAGING = Path(__file__).resolve().parents[2] / "packaging"
UNITS = ["credfd-dispatch.service", "credfd-dispatch.socket", "credfd-runner.service"]

# docs: packaging/README.md says both.
EXPOSURE, EXPOSURE_WITHOUT_SUDO = 6.1, 1.5

needs_systemd = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
needs_sudo = pytest.mark.skipif(not shutil.which("visudo"), reason="visudo is not installed")


@pytest.fixture
def units(tmp_path):
    """The units as they are installed, with a program that is there."""
    for name in UNITS:
        text = (PACKAGING / name).read_text().replace("@BINDIR@", "/usr/bin")
        assert "@" not in text.replace("@system-service", "")
        (tmp_path / name).write_text(text.replace("/usr/bin/credfd ", "/usr/bin/true "))
    return tmp_path


def drop_in(units):
    for name in ("credfd-dispatch.service.d", "credfd-runner.service.d"):
        (units / name).mkdir()
        shutil.copy(PACKAGING / name / "no-sudo.conf", units / name)


def analyze(*words):
    return subprocess.run(["systemd-analyze", *words], capture_output=True, text=True, timeout=60)


@needs_systemd
@pytest.mark.parametrize("with_sudo", [True, False])
def test_systemd_has_nothing_to_say_about_the_units(units, with_sudo):
    if not with_sudo:
        drop_in(units)
    result = analyze("verify", "--man=no", *(str(units / name) for name in UNITS))
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


@needs_systemd
def test_the_units_are_as_closed_as_the_page_says(units):
    def exposure():
        result = analyze("security", "--offline=true", "--no-pager", str(units / "credfd-dispatch.service"))
        return float(re.search(r"exposure level for \S+: ([0-9.]+)", result.stdout)[1])

    assert exposure() <= EXPOSURE
    drop_in(units)
    assert exposure() <= EXPOSURE_WITHOUT_SUDO
    page = (PACKAGING / "README.md").read_text()
    assert f"{EXPOSURE} (medium)" in page and f"{EXPOSURE_WITHOUT_SUDO} (ok)" in page


def test_what_takes_sudo_its_right_is_in_the_drop_in_alone():
    """systemd.exec(5) of systemd 252 has the list: with User= each of them implies NoNewPrivileges."""
    implies = ("DynamicUser|LockPersonality|MemoryDenyWriteExecute|NoNewPrivileges|PrivateDevices|ProtectClock|"
               "ProtectHostname|ProtectKernelLogs|ProtectKernelModules|ProtectKernelTunables|RestrictAddressFamilies|"
               "RestrictNamespaces|RestrictRealtime|RestrictSUIDSGID|SystemCallArchitectures|SystemCallFilter|"
               "SystemCallLog")
    found = re.compile(rf"^({implies})=", re.M).findall
    assert not found((PACKAGING / "credfd-dispatch.service").read_text())
    assert found((PACKAGING / "credfd-dispatch.service.d" / "no-sudo.conf").read_text())


def test_the_service_manager_hears_no_command():
    """Mint commands run as people, in the service's cgroup: with more than `main` they could speak in its name."""
    text = (PACKAGING / "credfd-dispatch.service").read_text()
    assert re.findall(r"^NotifyAccess=(.*)$", text, re.M) == ["main"]
    assert re.search(r"^TasksMax=\d+$", text, re.M)


@needs_sudo
def test_the_sudoers_line_is_sound(tmp_path):
    line = tmp_path / "credfd"
    line.write_text((PACKAGING / "sudoers").read_text().replace("@BINDIR@", "/usr/local/bin"))
    line.chmod(0o440)
    result = subprocess.run(["visudo", "-c", "-s", "-f", line], capture_output=True, text=True)
    assert result.returncode == 0, result


@pytest.mark.skipif(not shutil.which("systemd-sysusers"), reason="systemd-sysusers is not installed")
def test_the_users_are_made_without_password_or_shell(tmp_path):
    (tmp_path / "etc").mkdir()
    lines = [line for line in (PACKAGING / "sysusers.conf").read_text().splitlines() if not line.startswith("#")]
    subprocess.run(["systemd-sysusers", f"--root={tmp_path}", "--inline", *lines], check=True, capture_output=True)
    made = [line.split(":") for line in (tmp_path / "etc" / "passwd").read_text().splitlines()]
    assert sorted(name for name, *_ in made) == ["credfd", "credfd-runner"]
    for name, _, uid, _, _, home, shell in made:
        assert 0 < int(uid) < 1000 and home == f"/var/lib/{name}" and shell.endswith("nologin")


def test_the_polkit_rule_is_for_instances_alone():
    text = (PACKAGING / "polkit.rules").read_text()
    pattern = re.compile(re.search(r"/(\^t3@.*?\$)/\.test", text)[1])
    assert pattern.match("t3@alice.service") and pattern.match("t3@a-b_1.service")
    for unit in ("ssh.service", "t3@.service", "t3@-x.service", "t3@a/b.service", "t3@alice.socket",
                 "xt3@alice.service", "t3@" + "a" * 33 + ".service", "t3@alice.service.d"):
        assert not pattern.match(unit), unit
    assert 'action.id == "org.freedesktop.systemd1.manage-units"' in text and 'subject.user == "credfd"' in text
