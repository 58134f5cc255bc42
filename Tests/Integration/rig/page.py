"""The admin page in a browser: going to views, reading them, and looking for what makes a page bad."""

import json
import re
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

from .browser import Chromium
from .node import Node
from .waiting import until

#: Rules of axe-core that are looked at: all of WCAG 2.1 A and AA, and what it calls best practice.
AXE = files("axe_core_python") / "axe.min.js"

#: Texts that are hard to read: their contrast, computed from what the browser draws (WCAG 2.1, 1.4.3). axe leaves out SVG.
CONTRAST = """(() => {
  const parse = text => (text.match(/[\\d.]+/g) ?? []).map(Number)
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map(c => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    return 0.2126 * x + 0.7152 * y + 0.0722 * z
  }
  const over = ([r, g, b, a = 1], under) => [r, g, b].map((c, i) => c * a + under[i] * (1 - a))
  const behind = element => {
    const layers = []
    for (let e = element; e; e = e.parentElement) {
      const colour = parse(getComputedStyle(e).backgroundColor)
      if (colour[3] !== 0) layers.push(colour)
    }
    return layers.reverse().reduce((under, layer) => over(layer, under), [255, 255, 255])
  }
  const found = []
  let count = 0
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
  for (let text = walker.nextNode(); text; text = walker.nextNode()) {
    const element = text.parentElement
    if (!text.textContent.trim() || !element.checkVisibility() || element.closest('.hidden, title, option, noscript, button:disabled')) continue
    const style = getComputedStyle(element)
    const ground = behind(element.closest('svg')?.parentElement ?? element)
    const colour = over(parse(element.closest('svg') ? style.fill : style.color), ground)
    const [a, b] = [light(colour), light(ground)].sort((x, y) => y - x)
    const ratio = (a + 0.05) / (b + 0.05)
    count += 1
    if (ratio < 4.5) found.push(`${ratio.toFixed(2)}: ${text.textContent.trim().slice(0, 40)} (${element.tagName} ${style.color})`)
  }
  return { count, found }
})()"""

#: What is not inside of the window, what is cut by its box, and texts that lie on each other.
LAYOUT = """(() => {
  const found = []
  const width = innerWidth
  if (document.documentElement.scrollWidth > width) found.push(`the page is ${document.documentElement.scrollWidth} wide, the window ${width}`)
  const leaves = []
  for (const element of document.body.querySelectorAll('*')) {
    if (!element.checkVisibility() || element.closest('.hidden, noscript, .skip, dialog')) continue
    const box = element.getBoundingClientRect()
    if (box.width === 0 || box.height === 0) continue
    const name = `${element.tagName}.${element.getAttribute('class') ?? ''} "${element.textContent.trim().slice(0, 30)}"`
    if (box.left < -1 || box.right > width + 1) found.push(`out of the window, ${Math.round(box.left)} to ${Math.round(box.right)}: ${name}`)
    if (!element.closest('svg') && /hidden|clip|auto|scroll/.test(getComputedStyle(element).overflowX) && element.scrollWidth > element.clientWidth + 1
      && !/INPUT|TEXTAREA|SELECT/.test(element.tagName)) found.push(`cut: ${name}`)
    if (element.closest('svg')) continue
    const own = [...element.childNodes].some(node => node.nodeType === 3 && node.textContent.trim())
    if (!own) continue
    const range = document.createRange()
    for (const node of element.childNodes) {
      if (node.nodeType !== 3 || !node.textContent.trim()) continue
      range.selectNodeContents(node)
      for (const rect of range.getClientRects()) leaves.push({ rect, name, element })
    }
  }
  leaves.sort((a, b) => a.rect.top - b.rect.top)
  leaves.forEach((one, index) => {
    for (let other = index + 1; other < leaves.length && leaves[other].rect.top < one.rect.bottom - 3; other += 1) {
      const two = leaves[other]
      const x = Math.min(one.rect.right, two.rect.right) - Math.max(one.rect.left, two.rect.left)
      const y = Math.min(one.rect.bottom, two.rect.bottom) - Math.max(one.rect.top, two.rect.top)
      if (x > 2 && y > 3 && one.element !== two.element) found.push(`on each other: ${one.name} and ${two.name}`)
    }
  })
  return { count: leaves.length, found }
})()"""


class AdminPage:
    """One browser at a node's page."""

    def __init__(self, directory: Path, node: Node, end: str = "") -> None:
        self.node = node
        self.origin = f"http://{node.admin}"
        self.browser = Chromium(directory)
        self.browser.start(f"{self.origin}/{end}", loaded="document.querySelector('#view h1, #login:not([hidden])') != null")
        for domain in ("Network", "Log", "Runtime", "Page"):
            self.browser.command(f"{domain}.enable")
        self.browser.show_as(1280, 900)

    def stop(self) -> None:
        self.browser.stop()

    # Going and reading

    def go(self, place: str, shows: str | None = None) -> None:
        """To a place like `#/nodes`; waits for its view, and for a text in it."""
        self.run(f"location.hash = {json.dumps(place)}")
        self.waits(lambda: self.run(f"location.hash === {json.dumps(place)} || location.hash === {json.dumps('#' + place.lstrip('#'))}"), f"is at {place}")
        if shows:
            self.shows(shows)

    def run(self, expression: str) -> Any:
        return self.browser.evaluate(expression)

    def text(self, selector: str = "#view") -> str:
        """What a person reads there."""
        return self.run(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''")

    def count(self, selector: str) -> int:
        return self.run(f"document.querySelectorAll({json.dumps(selector)}).length")

    def waits(self, condition: Callable[[], Any], what: str, seconds: float = 15) -> Any:
        return until(condition, f"the page {what}", seconds)

    def shows(self, text: str, selector: str = "#view", seconds: float = 15) -> None:
        try:
            until(lambda: text in self.text(selector), f"the page shows {text!r}", seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.text('body')}") from None

    @property
    def summary(self) -> str:
        return self.text("#summary")

    def cells(self, caption: str) -> list[dict[str, str]]:
        """A table by its caption: its rows, by the headers of their columns."""
        return self.run(f"""(() => {{
          const table = [...document.querySelectorAll('table')].find(table => table.caption?.textContent.startsWith({json.dumps(caption)}))
          const heads = [...table?.tHead.rows[0].cells ?? []].map(cell => cell.textContent)
          return [...table?.tBodies[0].rows ?? []].map(row => Object.fromEntries([...row.cells].map((cell, index) => [heads[index], cell.textContent])))
        }})()""")

    def column(self, caption: str, head: str) -> list[str]:
        return [row[head] for row in self.cells(caption)]

    def facts(self, selector: str = "#view .about dl") -> dict[str, str]:
        """Terms and what they are."""
        return self.run(f"""Object.fromEntries([...document.querySelectorAll({json.dumps(selector + " > div")})]
          .map(pair => [pair.querySelector('dt').textContent, pair.querySelector('dd').textContent]))""")

    def press(self, words: str, within: str = "body") -> None:
        """A button that can be seen, by its words."""
        self.waits(lambda: self.run(f"""(() => {{
          const button = [...document.querySelector({json.dumps(within)}).querySelectorAll('button')]
            .find(button => button.textContent.trim() === {json.dumps(words)} && button.checkVisibility() && !button.disabled)
          button?.focus()
          button?.click()
          return button != null
        }})()"""), f"has a button {words!r}")

    def fill(self, label: str, value: str, within: str = "#view") -> None:
        """A field, by its label."""
        filled = self.run(f"""(() => {{
          const label = [...document.querySelector({json.dumps(within)}).querySelectorAll('label')].find(label => label.textContent.trim().startsWith({json.dumps(label)}))
          const field = label?.control
          if (!field) return false
          field.value = {json.dumps(value)}
          field.dispatchEvent(new Event('input', {{ bubbles: true }}))
          if (field.tagName === 'SELECT') field.dispatchEvent(new Event('change', {{ bubbles: true }}))
          return true
        }})()""")
        assert filled, f"no field {label!r}: {self.text(within)}"

    # What makes a page bad

    def requests(self) -> list[str]:
        """The addresses that were asked for since it was opened."""
        self.run("0")
        return [event["params"]["request"]["url"] for event in self.browser.events if event["method"] == "Network.requestWillBeSent"]

    def complaints(self) -> list[str]:
        """What the browser logged as an error: exceptions, violations of the policy. Refusals of the API are no such."""
        self.run("0")
        found = []
        for event in self.browser.events:
            if event["method"] == "Runtime.exceptionThrown":
                details = event["params"]["exceptionDetails"]
                found.append(details.get("exception", {}).get("description", details["text"]))
            elif event["method"] == "Log.entryAdded" and event["params"]["entry"]["level"] == "error" and event["params"]["entry"]["source"] != "network":
                found.append(event["params"]["entry"]["text"])
        return found

    def barriers(self) -> list[str]:
        """What axe-core finds: names, labels, roles, landmarks, headings, tables, contrast."""
        if not self.run("typeof axe === 'object'"):
            self.run(AXE.read_text() + "; 0")
        result = self.run("""axe.run(document, { resultTypes: ['violations'] }).then(result => ({
          passes: result.passes.length,
          found: result.violations.flatMap(rule => rule.nodes.map(node => `${rule.id}: ${rule.help}: ${node.html.slice(0, 150)} ${node.failureSummary ?? ''}`)),
        }))""")
        assert result["passes"] > 15, "axe looked at next to nothing"
        return result["found"]

    def unreadable(self) -> list[str]:
        result = self.run(CONTRAST)
        assert result["count"] > 10, "there is next to no text"
        return result["found"]

    def disorder(self) -> list[str]:
        result = self.run(LAYOUT)
        assert result["count"] > 10, "there is next to no text"
        return result["found"]


def policy(header: str) -> dict[str, list[str]]:
    """A Content-Security-Policy, directive by directive."""
    return {words[0]: words[1:] for words in (re.split(r"\s+", part.strip()) for part in header.split(";")) if words[0]}
