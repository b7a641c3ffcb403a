"""The page in a real browser: it loads without a complaint, the filters work by mouse and keyboard, and it can be read everywhere."""

import base64
import io
import json
import shutil

import pytest
from matplotlib import image

from classifier.reports import render_report
from tests.report_sample import NASTY, sample_background, sample_report, with_everything

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    CHROMIUM is None or DRIVER is None, reason="chromium and chromedriver are not installed: run scripts/install-browser"
)
webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed: pip install selenium")

CONTRAST = """
const parse = (text) => text.match(/[\\d.]+/g).map(Number);
const light = (c) => { const f = (v) => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; };
  return 0.2126 * f(c[0]) + 0.7152 * f(c[1]) + 0.0722 * f(c[2]); };
const canvas = document.createElement("canvas"); canvas.width = canvas.height = 1;
const context = canvas.getContext("2d", { willReadFrequently: true });
const seen = (color) => { context.clearRect(0, 0, 1, 1); context.fillStyle = color; context.fillRect(0, 0, 1, 1);
  return context.getImageData(0, 0, 1, 1).data; };
const ground = (node) => { for (let n = node; n; n = n.parentElement) { const c = seen(getComputedStyle(n).backgroundColor);
  if (c[3] > 250) return c; } return [255, 255, 255, 255]; };
const low = new Set();
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const node = walker.currentNode.parentElement;
  if (!walker.currentNode.data.trim() || ["SCRIPT", "STYLE"].includes(node.tagName) || !node.checkVisibility()) continue;
  const style = getComputedStyle(node);
  const a = light(seen(node instanceof SVGElement ? style.fill : style.color)), b = light(ground(node));
  const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  if (contrast < 4.5) low.add(`${node.tagName}.${node.getAttribute("class")} ${contrast.toFixed(2)}`);
}
return [...low];
"""


@pytest.fixture(scope="module")
def browser():
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    page = render_report(with_everything(sample_report()), backgrounds=[sample_background()], command="classifier report a b")
    path.write_text(page, encoding="utf-8")
    return path.as_uri()


@pytest.fixture
def opened(browser, address):
    def opened(*, width=1280, scheme="light", media=""):
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500})
        features = [{"name": "prefers-color-scheme", "value": scheme}, {"name": "prefers-reduced-motion", "value": "reduce"}]
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": features})
        browser.get(address)
        return browser

    return opened


def shown(browser):
    return browser.execute_script("return [...document.querySelectorAll('.card')].filter(c => c.offsetHeight > 0).map(c => c.dataset.id)")


def choose(browser, name, value):
    from selenium.webdriver.support.ui import Select

    Select(browser.find_element("css selector", f"[data-filter={name}]")).select_by_value(value)


def test_it_loads_without_a_complaint_and_asks_for_nothing_else(opened, address):
    browser = opened()
    browser.get_log("browser")
    browser.get_log("performance")
    browser.get(address)
    assert browser.get_log("browser") == []
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = {m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"}
    assert asked <= {address}


def test_a_script_in_a_text_does_not_run(opened):
    browser = opened()
    assert browser.title.startswith("Evaluation of")
    assert browser.execute_script("return document.images.length") == 0
    assert NASTY in browser.execute_script("return [...document.querySelectorAll('.text')].map(t => t.textContent)")


def test_the_filters_show_what_fits_and_count_it(opened):
    browser = opened()
    expected = [item.id for item in sample_report().mistakes.worst if item.kind == "missed" and item.source == "bio"]
    choose(browser, "kind", "missed")
    choose(browser, "source", "bio")
    assert shown(browser) == expected
    assert 0 < len(expected) < len(sample_report().mistakes.worst)
    assert browser.find_element("id", "found").text == f"{len(expected)} of {len(sample_report().mistakes.worst)}"


@pytest.mark.parametrize(("name", "value"), [("category", "trading"), ("category", "none"), ("tag", "news"), ("tag", "<b>a tag")])
def test_a_category_or_tag_fits_when_it_is_one_of_several(opened, name, value):
    browser = opened()
    choose(browser, name, value)
    expected = []
    for item in sample_report().mistakes.worst:
        values = item.tags if name == "tag" else (item.gold_categories + item.categories or ("none",))
        if value in values:
            expected.append(item.id)
    assert shown(browser) == expected
    assert expected


def test_the_search_finds_text_and_id_whatever_the_case(opened):
    browser = opened()
    find = browser.find_element("id", "find")
    find.send_keys("收u出u")
    expected = [item.id for item in sample_report().mistakes.worst if "收U出U" in item.text]
    assert shown(browser) == expected
    find.clear()
    find.send_keys("T0")
    assert shown(browser) == [item.id for item in sample_report().mistakes.worst if "t0" in item.id]


def test_a_search_without_a_hit_says_so_and_can_be_taken_back(opened):
    browser = opened()
    browser.find_element("id", "find").send_keys("zzz")
    assert shown(browser) == []
    again = browser.find_element("id", "again")
    assert again.is_displayed()
    again.click()
    assert len(shown(browser)) == len(sample_report().mistakes.worst)


def test_the_keyboard_alone_reaches_search_filters_and_details(opened):
    from selenium.webdriver.common.keys import Keys

    browser = opened()
    browser.find_element("tag name", "body").send_keys("/")
    active = browser.switch_to.active_element
    assert active.get_attribute("id") == "find"
    active.send_keys("a/b")
    assert active.get_attribute("value") == "a/b"
    active.clear()
    order = []
    for _ in range(6):
        browser.switch_to.active_element.send_keys(Keys.TAB)
        order.append(browser.execute_script("const a = document.activeElement; return a.dataset.filter || a.tagName"))
    assert order == ["kind", "category", "source", "tag", "BUTTON", "SUMMARY"]
    browser.switch_to.active_element.send_keys(Keys.ENTER)
    assert browser.execute_script("return document.querySelector('.card details').open")


def test_focus_can_be_seen(opened):
    from selenium.webdriver.common.keys import Keys

    browser = opened()
    browser.find_element("tag name", "body").send_keys(Keys.TAB)
    script = "const a = document.activeElement; return [a.className, getComputedStyle(a).outlineStyle, a.getBoundingClientRect().top >= 0]"
    assert browser.execute_script(script) == ["skip", "solid", True]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out_from_its_ground(opened, scheme):
    browser = opened(scheme=scheme)
    browser.execute_script("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert browser.execute_script(CONTRAST) == []


def test_dark_is_dark_and_its_figures_too(opened):
    grounds = {}
    for scheme in ("light", "dark"):
        browser = opened(scheme=scheme)
        grounds[scheme] = browser.execute_script(
            "return [getComputedStyle(document.body).backgroundColor, getComputedStyle(document.querySelector('figure svg text')).fill]"
        )
    assert grounds["light"][0] == "rgb(255, 255, 255)"
    assert grounds["dark"][0] == "rgb(18, 21, 27)"
    assert grounds["light"][1] != grounds["dark"][1]


@pytest.mark.parametrize("width", [380, 768, 1280])
def test_nothing_sticks_out_sideways(opened, width):
    browser = opened(width=width)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    assert browser.execute_script("return [...document.querySelectorAll('figure svg')].every(s => s.getBoundingClientRect().right <= innerWidth)")


def test_print_leaves_out_controls_and_shows_whole_tables(opened):
    browser = opened(media="print", scheme="dark")
    hidden = browser.execute_script("return ['nav', '.filters'].map(s => getComputedStyle(document.querySelector(s)).display)")
    assert hidden == ["none", "none"]
    assert browser.execute_script("return getComputedStyle(document.querySelector('.scroll')).overflowX") == "visible"
    assert browser.execute_script("return getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (380, "light")])
def test_a_picture_of_it_is_no_blank_sheet(opened, width, scheme):
    data = base64.b64decode(opened(width=width, scheme=scheme).get_screenshot_as_base64())
    pixels = image.imread(io.BytesIO(data), format="png")
    assert pixels.shape[1] == width
    assert 0.02 < (abs(pixels[..., :3] - pixels[-1, 2, :3]).max(axis=-1) > 0.1).mean() < 0.6
