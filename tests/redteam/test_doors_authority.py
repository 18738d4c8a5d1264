"""Misuse of the authority that a command behind the proxy trusts.

Its key is destroyed before the command begins. Should somebody have it all the same: its certificate says for which
hosts it is good, and clients refuse every other. Here the key is ours: the certificate is signed anew with one that we
made, and all else of it stays (`openssl x509 -signkey`).
"""
import shutil
import ssl
import subprocess

import pytest

HOST = "api.example.com"
OTHERS = ["evil.example.net", f"below.{HOST}", "example.com", "192.0.2.1"]


def openssl(folder, *words):
    done = subprocess.run(["openssl", *map(str, words)], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, f"openssl {words}: {done.stderr}"
    return done.stdout


def forge(folder, pem):
    """The authority with a key of ours: stolen.pem, stolen.key."""
    (folder / "authority.pem").write_text(pem)
    openssl(folder, "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", "stolen.key")
    openssl(folder, "x509", "-in", "authority.pem", "-signkey", "stolen.key", "-days", "1", "-out", "stolen.pem")


def issue(folder, host):
    """A certificate for `host`, signed with what was stolen, and its key: the name of one file of both."""
    kind = "IP" if host[-1].isdigit() else "DNS"
    (folder / "leaf.ext").write_text(f"subjectAltName={kind}:{host}\nbasicConstraints=CA:FALSE\n"
                                     "extendedKeyUsage=serverAuth\nauthorityKeyIdentifier=keyid\n")
    openssl(folder, "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "leaf.key",
            "-subj", "/O=x", "-out", "leaf.csr")
    openssl(folder, "x509", "-req", "-in", "leaf.csr", "-CA", "stolen.pem", "-CAkey", "stolen.key", "-CAcreateserial",
            "-days", "1", "-extfile", "leaf.ext", "-out", "leaf.crt")
    both = folder / f"{host}.pem"
    both.write_text((folder / "leaf.key").read_text() + (folder / "leaf.crt").read_text())
    return both


def python_accepts(folder, leaf, host, _):
    """Both ends of a handshake, in memory."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(leaf)
    client = ssl.create_default_context(cafile=folder / "stolen.pem")
    pipes = [ssl.MemoryBIO(), ssl.MemoryBIO()]
    ends = [client.wrap_bio(*pipes, server_hostname=host), server.wrap_bio(*reversed(pipes), server_side=True)]
    for _ in range(4):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLCertVerificationError:
                return False
    return ends[0].version() is not None


def openssl_accepts(folder, leaf, _host, _):
    done = subprocess.run(["openssl", "verify", "-purpose", "sslserver", "-CAfile", "stolen.pem", leaf], cwd=folder,
                          capture_output=True)
    return done.returncode == 0


def curl_accepts(folder, _leaf, host, port):
    done = subprocess.run(["curl", "-sS", "--noproxy", "*", "--cacert", folder / "stolen.pem", "--resolve",
                           f"{host}:{port}:127.0.0.1", "--connect-to", f"{host}:{port}:127.0.0.1:{port}",
                           f"https://{host}:{port}/"], capture_output=True, text=True)
    assert done.returncode in (0, 60), done
    return done.returncode == 0


NODE = """
const [file, host, port] = process.argv.slice(1)
const to = { host: "127.0.0.1", port, ca: require("fs").readFileSync(file), checkServerIdentity: () => {} }
require("tls").connect(/[0-9]$/.test(host) ? to : { ...to, servername: host }, () => process.exit(0))
    .on("error", error => { console.log(error.message); process.exit(60) })
"""


def node_accepts(folder, _leaf, host, port):
    done = subprocess.run(["node", "-e", NODE, folder / "stolen.pem", host, str(port)], capture_output=True, text=True)
    assert done.returncode in (0, 60), done
    return done.returncode == 0


CLIENTS = {"openssl": openssl_accepts, "python": python_accepts, "curl": curl_accepts, "node": node_accepts}


@pytest.fixture
def stolen(credfd, tmp_path):
    run = credfd.start(["sh", "-c", "cat $SSL_CERT_FILE"], upstream=f"https://{HOST}", extra={"egress": {"allow": []}})
    assert run.wait() == 0, run.stderr
    pem = run.stdout.decode()
    forge(tmp_path, pem[:pem.index("-----END CERTIFICATE-----")] + "-----END CERTIFICATE-----\n")
    return tmp_path


@pytest.mark.defence("constraint")
@pytest.mark.parametrize("client", CLIENTS)
def test_a_stolen_authority_is_good_for_no_other_host(stolen, serve, client):
    if client not in ("python", "openssl") and not shutil.which(client):
        pytest.skip(f"no {client} here")
    accepted = {}
    for host in [HOST, *OTHERS]:
        leaf = issue(stolen, host)
        accepted[host] = CLIENTS[client](stolen, leaf, host, serve(pem=leaf).port)
    assert accepted == {HOST: True, **dict.fromkeys(OTHERS, False)}


def test_it_is_no_authority_for_anything_but_servers(stolen):
    text = openssl(stolen, "x509", "-in", "authority.pem", "-noout", "-text")
    assert "CA:TRUE, pathlen:0" in text and "TLS Web Server Authentication\n" in text
    assert "Certificate Sign, CRL Sign\n" in text and "TLS Web Client Authentication" not in text


def test_what_the_proxy_says_of_itself_is_no_key(credfd):
    """Nowhere in what the command is given stands a key."""
    run = credfd.start(["sh", "-c", "cd $(dirname $SSL_CERT_FILE) && grep -l 'PRIVATE KEY' * && exit 1; "
                                    "if [ -f java.p12 ]; then openssl pkcs12 -in java.p12 -passin pass:changeit -nodes "
                                    "| grep 'PRIVATE KEY' && exit 1; fi; exit 0"],
                       upstream=f"https://{HOST}", extra={"egress": {"allow": []}})
    assert run.wait() == 0, (run.stdout, run.stderr)
