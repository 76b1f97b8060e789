# SPDX-License-Identifier: MIT
"""The live page in headless Chromium, under load from ackload (Debian: chromium-driver,
python3-selenium)"""
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from chromium import chromium, set_scheme, set_width
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "contract"))
from client import wait_for  # noqa: E402
from server import Ackd, parse_series  # noqa: E402

RATE = 20000
CONNECTIONS = 60

# What each card and table shows, as numbers.
READ = """
const card = (id) => document.querySelector(`#card-${id}`);
const number = (id) => card(id).querySelector('.value').textContent;
const under = (id) => card(id).querySelector('.under').textContent;
const notice = document.querySelector('#notice');
return {tick: Number(document.body.dataset.tick),
  state: document.querySelector('#state').textContent,
  recv: number('recv'), send: number('send'), connected: number('connected'), p50: number('p50'),
  p99: number('p99'), errors: number('errors'), memory: number('memory'),
  received: Number(under('recv').replace(/\\D/g, '')),
  sent: Number(under('send').replace(/\\D/g, '')),
  rows: document.querySelectorAll('#conns tbody tr').length,
  workers: document.querySelectorAll('#workers tbody tr').length,
  notice: notice.hidden ? '' : notice.textContent,
  uptime: document.querySelector('#uptime').textContent,
  charts: document.querySelectorAll('#charts canvas').length};
"""


@pytest.fixture
def browser():
    with chromium() as driver:
        yield driver


@pytest.fixture
def server(tmp_path):
    server = Ackd(os.environ["ACKD"], tmp_path, "--workers=2")
    yield server
    server.close()


def scrape(server):
    """/metrics, on a connection of its own: a browser takes its time to start."""
    return parse_series(server.request("/metrics")[2].decode())


@pytest.fixture
def load(server):
    """ackload at a fixed rate, for as long as the test takes."""
    process = subprocess.Popen(
        [os.environ["ACKLOAD"], "run", "--connect", "%s:%d" % server.addresses["spec"], "-c",
         str(CONNECTIONS), "-d", "16", "--rate", str(RATE), "--time", "10m", "--quiet"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    wait_for(lambda: scrape(server)["rsp_send_total"] > RATE, "load flows")
    yield process
    process.terminate()
    process.wait()


def open_page(browser, server):
    browser.get("http://%s:%d/" % server.metrics_address)
    wait_for(lambda: browser.find_element(By.TAG_NAME, "body").get_attribute("data-tick"),
             "the page is drawn")


def read(browser):
    return browser.execute_script(READ)


def wait_a_tick(browser):
    tick = read(browser)["tick"]
    wait_for(lambda: read(browser)["tick"] > tick, "the next second")


def si(text):
    """20.0k/s -> 20000"""
    number, prefix = re.match(r"([\d.]+)\s*([kMG]?)", text).groups()
    return float(number) * {"": 1, "k": 1e3, "M": 1e6, "G": 1e9}[prefix]


def complaints(browser):
    return [entry["message"] for entry in browser.get_log("browser")
            if entry["level"] in ("SEVERE", "WARNING")]


def requested_hosts(browser):
    hosts = set()
    for entry in browser.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            scheme, _, rest = message["params"]["request"]["url"].partition(":")
            if scheme not in ("data", "chrome"):  # what the browser itself is made of
                hosts.add(rest.split("/")[2])
    return hosts


def test_values_move_and_agree_with_metrics(browser, server, load):
    open_page(browser, server)
    wait_for(lambda: read(browser)["rows"] > 0, "connections")
    wait_a_tick(browser)
    before = scrape(server)
    wait_a_tick(browser)
    wait_a_tick(browser)
    shown = read(browser)
    after = scrape(server)
    # A sample that was taken between the two scrapes lies between them.
    assert before["req_recv_total"] < shown["received"] <= after["req_recv_total"]
    assert before["rsp_send_total"] < shown["sent"] <= after["rsp_send_total"]
    assert si(shown["connected"]) == after["client_connected"] == CONNECTIONS
    assert si(shown["recv"]) == pytest.approx(RATE, rel=0.2)
    assert si(shown["errors"]) == 0
    assert shown["p50"] != "–" and shown["p99"] != "–"
    assert (shown["rows"], shown["workers"], shown["charts"]) == (50, 2, 12)
    assert shown["state"] == "running"
    wait_a_tick(browser)
    assert read(browser)["received"] > shown["received"]
    assert complaints(browser) == []
    assert requested_hosts(browser) == {"%s:%d" % server.metrics_address}


def test_deltas_agree_over_time(browser, server, load):
    """Between two ticks the page counts what /api/live counts between the same times, exactly."""
    open_page(browser, server)
    wait_a_tick(browser)
    first = read(browser)
    for _ in range(3):
        wait_a_tick(browser)
    second = read(browser)
    _, _, body = server.request("/api/live")
    answer = json.loads(body)
    column = answer["names"].index("req_recv_total") + 1
    at = {sample[0]: sample[column] for sample in answer["samples"]}
    assert second["received"] - first["received"] == at[second["tick"]] - at[first["tick"]]


def test_history_is_there_on_load(browser, server, load):
    wait_for(lambda: len(json.loads(server.request("/api/live")[2])["samples"]) > 5, "history")
    open_page(browser, server)
    points = browser.execute_script(
        "return window.Chart.getChart(document.querySelector('#charts canvas'))"
        ".data.datasets[0].data.length")
    assert points >= 5


@pytest.mark.parametrize("word, count", [("1h", 2), ("1d", 1)])
def test_ranges(browser, server, word, count):
    open_page(browser, server)
    button = browser.find_element(By.CSS_SELECTOR, f"[data-range='{word}']")
    button.click()
    assert button.get_attribute("aria-pressed") == "true"
    wait_a_tick(browser)
    span = browser.execute_script(
        "const x = window.Chart.getChart(document.querySelector('#charts canvas'))"
        ".options.scales.x; return (x.max - x.min) / 1000")
    assert span == {"1h": 3600, "1d": 86400}[word]
    assert complaints(browser) == []


def listed_peers(browser):
    return browser.execute_script(
        "return [...document.querySelectorAll('#conns tbody th')].map((cell) => cell.textContent)")


def test_connections_are_filtered_and_sorted(browser, server, load):
    open_page(browser, server)
    wait_for(lambda: read(browser)["rows"] == 50, "the list")
    peers = listed_peers(browser)
    box = browser.find_element(By.ID, "filter")
    box.send_keys(peers[7])
    wait_for(lambda: 1 <= read(browser)["rows"] < 50, "filtered")
    assert all(peers[7] in peer for peer in listed_peers(browser))
    box.clear()
    box.send_keys("no such peer")
    wait_for(lambda: read(browser)["rows"] == 0, "none left")
    assert "matches" in browser.find_element(By.ID, "empty").text
    box.clear()
    box.send_keys(" ")
    browser.find_element(By.CSS_SELECTOR, "[data-sort='peer']").send_keys(Keys.ENTER)
    ports = [int(peer.rpartition(":")[2]) for peer in listed_peers(browser)]
    assert len(ports) == 50 and ports == sorted(ports)
    Select(browser.find_element(By.ID, "order")).select_by_value("queued")
    wait_a_tick(browser)
    assert read(browser)["rows"] == 50
    assert complaints(browser) == []


def test_the_keyboard_reaches_and_reads_everything(browser, server, load):
    open_page(browser, server)
    wait_a_tick(browser)
    wait_a_tick(browser)
    reached = []
    for _ in range(40):
        browser.switch_to.active_element.send_keys(Keys.TAB)
        reached.append(browser.execute_script(
            "const e = document.activeElement; return e.id || e.dataset.range || e.dataset.sort ||"
            " e.tagName"))
    for wanted in ("1h", "pause", "theme", "CANVAS", "order", "filter", "rate"):
        assert wanted in reached
    canvas = browser.find_element(By.CSS_SELECTOR, "#charts canvas")
    assert re.match(r"SUBMITs received: now [\d.]+k/s$", canvas.get_attribute("aria-label"))
    canvas.send_keys(Keys.ARROW_LEFT)
    said = browser.find_element(By.ID, "reading").get_attribute("textContent")
    assert re.match(r"SUBMITs received, \d\d:\d\d:\d\d: now [\d.]+k?/s$", said)


def test_what_is_selected_stays_while_values_move(browser, server, load):
    """Tables are filled anew each second, in the same elements."""
    open_page(browser, server)
    wait_for(lambda: read(browser)["rows"] == 50, "the list")
    browser.execute_script("""
window.kept = [...document.querySelectorAll('#conns tbody tr, #workers tbody tr')];
getSelection().selectAllChildren(document.querySelector('#workers tbody th'));""")
    wait_a_tick(browser)
    wait_a_tick(browser)
    assert browser.execute_script("return window.kept.every((row) => row.isConnected)")
    assert browser.execute_script("return String(getSelection()).trim()") == "0"


def is_wider_than_the_screen(browser):
    return browser.execute_script(
        "return document.documentElement.scrollWidth > document.documentElement.clientWidth")


@pytest.mark.parametrize("width", [320, 390, 768, 1280, 2560])
def test_no_width_scrolls_sideways(browser, server, load, width):
    set_width(browser, width)
    open_page(browser, server)
    wait_for(lambda: read(browser)["rows"] == 50, "the list")
    assert browser.execute_script("return window.innerWidth") == width
    assert not is_wider_than_the_screen(browser)


def contrast(browser, selector):
    """The contrast of an element's text, as WCAG counts it."""
    colours = browser.execute_script("""
const e = document.querySelector(arguments[0]);
let back = e;
while (getComputedStyle(back).backgroundColor === 'rgba(0, 0, 0, 0)') back = back.parentElement;
return [getComputedStyle(e).color, getComputedStyle(back).backgroundColor];""", selector)

    def luminance(colour):
        parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    light, dark = sorted((luminance(colour) for colour in colours), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_both_schemes_can_be_read(browser, server, scheme):
    set_scheme(browser, scheme)
    open_page(browser, server)
    assert browser.execute_script("return document.documentElement.dataset.theme") == scheme
    for selector in ("h1", ".card dt", ".card .value", ".card .under", ".pill", ".tools a",
                     "[aria-pressed='true']", "thead th", "#facts dt"):
        assert contrast(browser, selector) >= 4.5, selector
    theme = browser.find_element(By.ID, "theme")
    theme.click()
    theme.click()
    assert browser.execute_script("return document.documentElement.dataset.theme") == "light"
    browser.refresh()
    assert browser.find_element(By.ID, "theme").text == "Light"


def test_profiles_are_linked_where_the_server_has_them(browser, server, tmp_path):
    open_page(browser, server)
    link = browser.find_element(By.ID, "profiles")
    assert not link.is_displayed()  # they are off
    folder = tmp_path / "profiled"
    folder.mkdir()
    profiled = Ackd(os.environ["ACKD"], folder, "--workers=1", pprof="127.0.0.1:0")
    try:
        # By the name that the page goes by: it may have come through a tunnel.
        for host in ("localhost", "127.0.0.1"):
            browser.get("http://%s:%d/" % (host, profiled.metrics_address[1]))
            link = browser.find_element(By.ID, "profiles")
            wait_for(link.is_displayed, "the link")
            assert link.get_attribute("href") == "http://%s:%d/debug/pprof/ui" % (
                host, profiled.pprof_address[1])
        link.click()
        wait_for(lambda: browser.current_url.endswith("/debug/pprof/ui"), "the other page")
        wait_for(lambda: browser.find_element(By.TAG_NAME, "h1").text, "its words")
    finally:
        profiled.close()


def test_profiles_on_a_unix_socket_are_not_linked(browser, tmp_path):
    """No browser gets there; the page is drawn all the same."""
    profiled = Ackd(os.environ["ACKD"], tmp_path, "--workers=1", "--sandbox=off",
                    pprof=f"unix:{tmp_path}/profiles")
    try:
        open_page(browser, profiled)
        assert not browser.find_element(By.ID, "profiles").is_displayed()
        assert complaints(browser) == []
    finally:
        profiled.close()


def test_a_restart_is_survived_and_said(browser, server, tmp_path):
    open_page(browser, server)
    wait_a_tick(browser)
    address = "%s:%d" % server.metrics_address
    server.close()
    wait_for(lambda: "No answer" in read(browser)["notice"], "it says so")
    assert read(browser)["state"] == "no answer"
    folder = tmp_path / "again"
    folder.mkdir()
    again = Ackd(os.environ["ACKD"], folder, "--workers=1", metrics=address)
    try:
        wait_for(lambda: "was restarted at" in read(browser)["notice"], "it says so")
        shown = read(browser)
        assert shown["state"] == "running"
        assert shown["workers"] == 1
        assert "min" not in shown["uptime"]
    finally:
        again.close()


def test_pausing_stops_asking(browser, server):
    open_page(browser, server)
    wait_a_tick(browser)
    browser.find_element(By.ID, "pause").click()
    time.sleep(0.5)
    tick = read(browser)["tick"]
    time.sleep(2.5)
    assert read(browser)["tick"] == tick
    browser.find_element(By.ID, "pause").click()
    wait_a_tick(browser)
