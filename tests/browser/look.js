// Opens a page in Chromium at some widths, light and dark, and prints what a person would complain about, as JSON.
//
//     node look.js CHROMIUM PAGE.html
"use strict";

const { pathToFileURL } = require("node:url");
const { chromium } = require("playwright-core");
const axe = require("axe-core");

const WIDTHS = [1280, 390];
const SCHEMES = ["light", "dark"];

async function looked(browser, address, width, colorScheme) {
  const context = await browser.newContext({ viewport: { width, height: 800 }, colorScheme, offline: true });
  const page = await context.newPage();
  await page.goto(address);
  await page.evaluate(axe.source);
  const violations = await page.evaluate(async () => {
    document.querySelectorAll("details").forEach((details) => (details.open = true));
    const { violations } = await axe.run(document);
    return violations.map((rule) => `${rule.id}: ${rule.nodes[0].html.slice(0, 200)}: ${rule.nodes[0].failureSummary}`);
  });
  const sizes = await page.evaluate(() => {
    const { scrollWidth, clientWidth } = document.documentElement;
    return { scrollWidth, clientWidth };
  });
  await context.close();
  return { width, colorScheme, ...sizes, violations };
}

(async () => {
  const [executablePath, file] = process.argv.slice(2);
  const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
  const found = [];
  for (const width of WIDTHS) {
    for (const scheme of SCHEMES) found.push(await looked(browser, pathToFileURL(file).href, width, scheme));
  }
  await browser.close();
  console.log(JSON.stringify(found));
})();
