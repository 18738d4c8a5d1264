"""Everything real: Chromium, nginx with auth_request, the dispatcher as its own user, credfd-mint through sudo with the
shipped line, and Debian's Jupyter as the person's instance. Screenshots are kept: see lib/browser.py.

Where there can be no machine of the test's own (machine.py) the mint command is a plain one, and Jupyter runs as we do.
"""
import dataclasses
import itertools
import os

import pytest

import browser as browsers
import front as fronts
import jupyter as jupyters
import machine as machines
import procs
from dispatch import Dispatch
from procs import wait_until

MISSING = [why for why in (browsers.why_not(), jupyters.why_not(),
                           None if fronts.PROGRAM else "nginx is not installed") if why]
pytestmark = pytest.mark.skipif(bool(MISSING), reason="; ".join(MISSING))

ALICE = machines.ACCOUNTS[1]
ANNA = """return [...document.querySelectorAll('tr')].map(row => row.innerText).filter(row => row.includes('anna'))
            .join(' ').split(/\\s+/)"""
NOTEBOOK = "/notebooks/hello.ipynb"
COUNT = itertools.count(1)


@dataclasses.dataclass
class Site:
    """What stands between a browser and its notebook. People sign in as anna, whose account is alice's, bert or ada."""
    session: object
    served: Dispatch
    jupyter: jupyters.Jupyter
    sign_in: fronts.SignIn
    front: fronts.Front
    machine: machines.Machine = None
    host: str = ""

    def url(self, path="/", port=None):
        return f"http://{self.host}:{port or self.front.port}{path}"

    def table(self, *names):
        self.served.write_table({name: {"os_user": ALICE.name, "port": self.jupyter.port} for name in names})

    def mint_by(self, *words):
        """The command that prints a credential: of the profile that credfd-mint is asked for, or the plain one."""
        if self.machine:
            self.machine.profile("jupyter", *words)
        else:
            self.served.write_mint("#!/bin/sh\nexec " + " ".join(words) + "\n")

    def mint_well(self):
        text = jupyters.MINT.format(token=self.jupyter.token)
        if self.machine:
            self.machine.put("/usr/local/bin/jupyter-token", text, 0o755)
            self.mint_by("/usr/local/bin/jupyter-token")
        else:
            self.served.write_mint(text)

    def visit(self, browser, name, path="/", port=None):
        """Comes to the front, which asks for a name and a password, and goes on to where it was asked for."""
        browser.go(self.url(path, port))
        browser.wait("return location.pathname == '/sign-in' && document.readyState == 'complete'", "the front asks")
        browser.type("input[name=name]", name)
        browser.type("input[name=password]", self.sign_in.passwords[name])
        browser.click("button")
        browser.wait("return location.pathname != '/sign-in'", "the front lets in")


def start_dispatch(session, machine):
    served = Dispatch(session, env={"HOME": "/nonexistent"}, profile="jupyter", admins=["ada"], drain="2s")
    served.write_config(start={"command": ["/usr/bin/touch", str(served.folder / "wanted")], "wait": "60s"})
    if machine:
        os.chown(served.folder, machines.ACCOUNTS[0].uid, machines.ACCOUNTS[0].uid)
        served.write_config(mint={"command": ["/usr/bin/sudo", "-n", "/usr/local/bin/credfd-mint", "{os_user}",
                                              "{recipe}"], "rate": "1000/min", "timeout": "20s"})
    return served


@pytest.fixture(scope="module")
def the_site(session):
    machine = None
    if machines.why_not() is None:
        machine = machines.Machine(session.new_folder(), session.path.parent / "credfd-mint")
        session.services.add(machine.holder.pid)
    folder = session.new_folder() / "test-upstream"
    served, jupyter = start_dispatch(session, machine), jupyters.Jupyter(session, folder, machine, ALICE)
    sign_in = fronts.SignIn("anna", "bert", "ada")
    site = Site(session, served, jupyter, sign_in, fronts.Front(session, sign_in, served.port), machine)
    site.table("anna")
    site.mint_well()
    served.start(machine.as_service() if machine else ())
    jupyter.start()
    yield site
    served.stop()
    for part in (jupyter, site.front, sign_in, *([machine] if machine else [])):
        part.stop() if part is not machine else part.close()
    if machine:
        session.services.discard(machine.holder.pid)
    hits = session.search.in_tree(served.folder)
    assert not hits, f"a credential was left in {hits}"
    assert "runtime error" not in served.stderr and "Sanitizer" not in served.stderr, served.stderr


@pytest.fixture
def site(the_site):
    """As on the first day: the table has anna, and the mint command works. Each test comes by a host name of its own."""
    the_site.host = f"test-{next(COUNT)}.localhost"
    the_site.table("anna")
    the_site.mint_well()
    return the_site


@pytest.fixture(scope="module")
def driver(session):
    driver = browsers.Driver(session)
    yield driver
    driver.stop()


@pytest.fixture
def browser(driver):
    """Empty: nobody has signed in."""
    browser = driver.open()
    yield browser
    browser.close()


def open_notebook(site, browser):
    """Signs anna in; until the notebook is there and its kernel listens."""
    site.visit(browser, "anna", NOTEBOOK)
    wait_for_kernel(browser)


def wait_for_kernel(browser):
    browser.wait("return window.Jupyter && Jupyter.notebook && Jupyter.notebook.kernel "
                 "&& Jupyter.notebook.kernel.is_connected()", "the kernel is connected")


def run_cell(browser):
    browser.run("Jupyter.notebook.execute_all_cells()")
    browser.see("six times seven is 42")
    browser.wait("return !Jupyter.notebook.kernel_busy", "the kernel is idle again")


def test_a_person_signs_in_and_runs_a_cell(site, browser):
    site.visit(browser, "anna")
    browser.see("hello.ipynb")
    assert browser.url.startswith(site.url("/tree"))
    browser.keep("1-landed")
    browser.go(site.url(NOTEBOOK))
    wait_for_kernel(browser)
    run_cell(browser)
    if site.machine:
        browser.see("for alice")
    browser.keep("2-notebook")
    paired, *lines = site.served.access(3)
    assert (paired["name"], paired["path"], paired["status"]) == ("anna", "/", 302)
    assert {line["name"] for line in lines} == {"anna"}, lines
    assert "/channels" in site.served.access(1, "tunnel_open")[0]["path"]


def test_a_dead_cookie_is_replaced_where_the_person_is(site, browser):
    open_notebook(site, browser)
    [(name, old)] = [pair for pair in browser.cookies().items() if pair[0].startswith("username-")]
    browser.go("about:blank")  # a page that is still open would go on asking with the dead cookie, and Jupyter clear it
    site.jupyter.forget_sessions()
    browser.go(site.url(NOTEBOOK + "?kernel_name=python3"))
    wait_for_kernel(browser)
    run_cell(browser)
    assert browser.url == site.url(NOTEBOOK + "?kernel_name=python3")
    assert browser.cookies()[name] != old
    browser.keep("3-after-a-dead-cookie")


def test_who_is_removed_is_cut_off_and_told(site, browser):
    open_notebook(site, browser)
    ended = len(site.served.access(0, "tunnel_end"))
    site.table("somebody-else")
    lines = site.served.access(ended + 1, "tunnel_end")[ended:]
    assert {line["name"] for line in lines} == {"anna"}
    browser.wait("return !Jupyter.notebook.kernel.is_connected()", "the notebook notices")
    browser.reload()
    browser.see("no t3 instance provisioned for this user")
    assert "six times seven" not in browser.text
    browser.keep("4-removed")


def test_a_browser_that_says_who_it_is_is_not_believed(site, browser):
    browser.tell("Network.enable")
    browser.tell("Network.setExtraHTTPHeaders", headers={"X-authentik-username": "anna"})
    browser.go(site.url(NOTEBOOK))
    browser.wait("return location.pathname == '/sign-in'", "the front asks")
    site.visit(browser, "bert", NOTEBOOK)
    browser.see("no t3 instance provisioned for this user")


def readable_on_a_telephone(browser, name):
    browser.become_telephone()
    browser.reload()
    browser.wait("return document.readyState == 'complete'", "it is there again")
    assert browser.run("return document.documentElement.scrollWidth <= window.innerWidth"), "it must be moved sideways"
    browser.keep(name)
    browser.is_dark()
    browser.keep(name + "-dark")
    style = [words for words in browser.complaints() if "Content Security Policy" in words]
    assert not style, "the page's own style is refused by its policy"


def test_a_pairing_that_fails_says_what_to_do(site, browser):
    site.mint_by("/bin/false")
    site.visit(browser, "anna")
    browser.see("pairing mint failed")
    browser.see("Your workspace could not be opened")
    browser.keep("5-mint-failed")
    readable_on_a_telephone(browser, "6-mint-failed-telephone")
    site.mint_well()
    browser.go(site.url())
    browser.see("hello.ipynb")


def test_a_cookie_that_is_not_kept_ends_in_a_page_and_no_loop(site, browser):
    site.visit(browser, "anna", port=site.front.forgetful_port)
    browser.see("Your browser does not keep the session")
    readable_on_a_telephone(browser, "7-cookie-not-kept-telephone")


def test_the_status_page_is_for_administrators(site, browser):
    site.visit(browser, "ada", "/-/credfd")
    browser.see("People and workspaces")
    wait_until(lambda: browser.reload() or "up" in browser.run(ANNA), lambda: f"anna's workspace is up: {browser.text}",
               pause=0.3)
    browser.keep("8-status")
    readable_on_a_telephone(browser, "9-status-telephone")


def test_to_anybody_else_there_is_no_status_page(site, browser):
    site.visit(browser, "bert", "/-/credfd")
    browser.see("no t3 instance provisioned for this user")
    assert "anna" not in browser.text


def test_who_comes_while_it_starts_waits_and_lands_there(site, browser):
    wanted = site.served.folder / "wanted"
    wanted.unlink(missing_ok=True)
    site.jupyter.stop()
    site.visit(browser, "anna", "/tree?sort=name")
    browser.see("Your workspace is starting")
    browser.keep("10-starting")
    wait_until(wanted.exists, "the start command has run")
    site.jupyter.start()
    browser.see("hello.ipynb")
    assert browser.url == site.url("/tree?sort=name")
