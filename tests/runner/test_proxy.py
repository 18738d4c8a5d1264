"""Runners live behind proxies: the link asks one for a tunnel, and speaks TLS with the hub inside."""
import base64
import socket
import threading

import pytest


class Proxy:
    """Knows CONNECT, and one name with its password."""

    def __init__(self, user=None):
        self.asked = []  # the head of each request
        self._field = user and b"Proxy-Authorization: Basic " + base64.b64encode(user.encode()) + b"\r\n"
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self._listener.close()

    def _accept(self):
        while True:
            try:
                client = self._listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        head = b""
        while b"\r\n\r\n" not in head:
            piece = client.recv(1)
            if not piece:
                return
            head += piece
        self.asked.append(head)
        if self._field and self._field not in head:
            client.sendall(b"HTTP/1.1 407 Who are you?\r\nContent-Length: 0\r\n\r\n")
            client.close()
            return
        host, _, port = head.split()[1].decode().rpartition(":")
        hub = socket.create_connection(("127.0.0.1" if host == "localhost" else host.strip("[]"), int(port)))
        client.sendall(b"HTTP/1.1 200 Go ahead\r\n\r\n")
        for ends in ((client, hub), (hub, client)):
            threading.Thread(target=self._pump, args=ends, daemon=True).start()

    @staticmethod
    def _pump(here, there):
        try:
            while piece := here.recv(65536):
                there.sendall(piece)
            there.shutdown(socket.SHUT_WR)
        except OSError:
            pass


@pytest.fixture
def proxy():
    proxy = Proxy(user="us@er:pass:word")
    yield proxy
    proxy.close()


def test_it_goes_through_with_its_password(fleet, proxy):
    hub = fleet.hub()
    runner = fleet.runner(hub, env={"https_proxy": f"http://us%40er:pass%3Aword@localhost:{proxy.port}"}).start()
    hub.wait_connected()
    assert hub.result(hub.bash("echo through"))["result"]["stdout"] == "through\n"
    assert proxy.asked[0].startswith(b"CONNECT localhost:%d HTTP/1.1\r\nHost: localhost:%d\r\n" % (hub.port, hub.port))
    assert b"token" not in proxy.asked[0] and "pass" not in runner.stderr


@pytest.mark.parametrize("bad", ["socks5://user:secret-word@127.0.0.1:9", "http://:::"])
def test_one_that_is_none_is_refused_at_the_start(fleet, bad):
    runner = fleet.runner(env={"HTTPS_PROXY": bad})
    with pytest.raises(AssertionError, match="ended with 125"):
        runner.start()
    assert "HTTPS_PROXY: " in runner.stderr and "; write http://HOST:PORT" in runner.stderr
    assert "secret-word" not in runner.stderr


def test_one_that_is_none_harms_nobody_who_needs_none(fleet):
    fleet.runner(env={"HTTPS_PROXY": "socks5://127.0.0.1:9", "NO_PROXY": "localhost,127.0.0.1"}).start()
    fleet.hubs[0].wait_connected()


def test_it_says_when_the_proxy_refuses_and_tries_again(fleet, proxy):
    runner = fleet.runner(fleet.hub(), env={"HTTPS_PROXY": f"http://nobody:x@localhost:{proxy.port}"}).start()
    runner.wait_said("HTTP 407")
    runner.wait_said("next attempt")
    assert runner.hub.requests == []


def test_no_proxy_is_honoured(fleet, proxy):
    hub = fleet.hub()
    env = {"HTTPS_PROXY": f"http://localhost:{proxy.port}", "NO_PROXY": "example.org, localhost"}
    fleet.runner(hub, env=env).start()
    hub.wait_connected()
    assert proxy.asked == []


def test_in_the_clear_there_is_no_proxy(fleet, proxy):
    """ws:// never leaves this machine."""
    hub = fleet.hub(tls=False)
    fleet.runner(hub, env={"HTTPS_PROXY": f"http://localhost:{proxy.port}",
                           "HTTP_PROXY": f"http://localhost:{proxy.port}"}).start()
    hub.wait_connected()
    assert proxy.asked == []


def test_a_proxy_cannot_be_the_hub(fleet, authority, proxy):
    """The hub's certificate is judged through the proxy as without one."""
    from hub import Hub, Manners
    hub = Hub(certificate=authority.foreign, manners=Manners(token="t"))
    fleet.hubs.append(hub)
    runner = fleet.runner(hub, env={"HTTPS_PROXY": f"http://us%40er:pass%3Aword@localhost:{proxy.port}"}).start()
    runner.wait_said("certificate")
    assert hub.requests == []
