"""Java's own HttpClient, where a JRE is: it takes proxy and certificates from JAVA_TOOL_OPTIONS."""
import shutil
import subprocess

import pytest

SOURCE = """
import java.net.URI;
import java.net.http.*;

class Fetch {
    public static void main(String[] words) throws Exception {
        var client = HttpClient.newHttpClient();
        for (String word : words) {
            var request = HttpRequest.newBuilder(URI.create(word)).build();
            var answer = client.send(request, HttpResponse.BodyHandlers.ofString());
            System.out.println(answer.statusCode() + " " + answer.body());
        }
    }
}
"""


@pytest.fixture(scope="module")
def fetch(tmp_path_factory):
    """The program, compiled where a compiler is."""
    if not shutil.which("java"):
        pytest.skip("no java here")
    folder = tmp_path_factory.mktemp("java")
    folder.chmod(0o755)
    (folder / "Fetch.java").write_text(SOURCE)
    done = subprocess.run(["java", "-Xint", "-XX:TieredStopAtLevel=1", "-m", "jdk.compiler/com.sun.tools.javac.Main",
                           "-d", str(folder), str(folder / "Fetch.java")], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"no compiler beside java: {done.stderr[:200]}")
    return folder


def test_http_client_through_the_proxy(fetch, through_proxy, api, key_is_upstream_alone):
    run = through_proxy(f"java -cp {fetch} Fetch https://api.test:$PORT/one https://api.test:$PORT/two; env")
    assert run.wait() == 0, run.stdout
    assert run.stdout.count(b'200 {"method": "GET"') == 2, run.stdout
    assert [seen.path for seen in api.requests] == ["/one", "/two"]
    key_is_upstream_alone(run, api.requests)


def test_http_client_is_refused_another_host(fetch, through_proxy, api):
    run = through_proxy(f"java -cp {fetch} Fetch https://elsewhere.example.org/ || echo status $?")
    assert run.wait() == 0
    assert b"status 1" in run.stdout, run.stdout
    assert api.connections == 0
