"""An identity provider's keys and the assertions (JWT) that it signs, by the openssl command.

Key      one signing key, RSA or EC, with its number
jwks     the set of public keys that is published
"""
import base64
import json
import subprocess
import time

ISSUER = "https://id.test/application/o/credfd/"
AUDIENCE = "credfd"


def encode(data):
    if not isinstance(data, bytes):
        data = json.dumps(data).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def claims(name="alice", **changes):
    """What a good assertion says; what is None is left out."""
    now = int(time.time())
    said = {"iss": ISSUER, "aud": AUDIENCE, "exp": now + 600, "iat": now, "preferred_username": name, **changes}
    return {key: value for key, value in said.items() if value is not None}


class Key:
    def __init__(self, folder, number, kind="RSA"):
        self.number, self.kind, self.file = number, kind, folder / f"{number}.key"
        how = "rsa_keygen_bits:2048" if kind == "RSA" else "ec_paramgen_curve:P-256"
        self._openssl("genpkey", "-algorithm", kind, "-pkeyopt", how, "-out", self.file)

    def _openssl(self, *arguments, data=None):
        done = subprocess.run(["openssl", *map(str, arguments)], input=data, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    @property
    def public(self):
        if self.kind == "RSA":
            shown = self._openssl("rsa", "-in", self.file, "-noout", "-modulus").decode().strip()
            return {"kty": "RSA", "kid": self.number, "use": "sig", "alg": "RS256", "e": "AQAB",
                    "n": encode(bytes.fromhex(shown.partition("=")[2]))}
        point = self._openssl("pkey", "-in", self.file, "-pubout", "-outform", "DER")[-64:]
        return {"kty": "EC", "kid": self.number, "crv": "P-256", "x": encode(point[:32]), "y": encode(point[32:])}

    def sign(self, said=None, **header):
        """A token whose header is as it should be, but for what is given."""
        header = {"alg": "RS256" if self.kind == "RSA" else "ES256", "typ": "JWT", "kid": self.number, **header}
        header = {key: value for key, value in header.items() if value is not None}
        text = f"{encode(header)}.{encode(claims() if said is None else said)}"
        signature = self._openssl("dgst", "-sha256", "-sign", self.file, data=text.encode())
        return f"{text}.{encode(signature if self.kind == 'RSA' else _raw(signature))}"


def _raw(der):
    """R and S of an ECDSA signature, 32 bytes each."""
    numbers, at = b"", 2
    for _ in range(2):
        n = der[at + 1]
        numbers += int.from_bytes(der[at + 2:at + 2 + n], "big").to_bytes(32, "big")
        at += 2 + n
    return numbers


def jwks(*keys):
    return json.dumps({"keys": [key.public for key in keys]})
