// The console's page System in Chromium. Usage: node system.mjs sqlite|postgresql ARTIFACTS_FOLDER URL...
// PostgreSQL: two processes on one store. What is to happen to them it asks for with a line {"ask": "kill 1"}, and goes on when
// a line comes back. Prints one line of JSON per check: {"name", "error"} (error null when it holds).
import { join } from "node:path";
import { createInterface } from "node:readline";
import { assert, openBrowser, runChecks, visit } from "./browser.mjs";

const [engine, artifacts, ...bases] = process.argv.slice(2);
const { page, faults, close } = await openBrowser(bases);
const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

async function ask(what) {
  console.log(JSON.stringify({ ask: what }));
  await answers.next();
}

const open = (path = "/system") => visit(page, bases[0], path);
const shot = (name) => page.screenshot({ path: join(artifacts, `${name}.png`), fullPage: true });
const has = (selector, text, timeout = 15000) => page.waitForSelector(`${selector}:has-text(${JSON.stringify(text)})`, { timeout });
const gone = (selector, timeout = 30000) => page.waitForSelector(selector, { state: "detached", timeout });

const onEither = {
  async "system: it is reached from the navigation, by the keyboard and by its address"() {
    await open("/");
    await page.click("nav a:has-text('System')");
    await has(".system h1", "System");
    assert((await page.locator("nav a[aria-current=page]").innerText()) === "System", "the navigation does not say where one is");
    await open("/messages");
    await page.locator("main").focus();
    await page.keyboard.press("g");
    await page.keyboard.press("s");
    await has(".system h1", "System");
    assert(page.url().endsWith("#/system"), `the address is ${page.url()}`);
  },
  async "system: it tells what the data lies on and what is in it"() {
    await open();
    await has(".pairs dd", engine === "sqlite" ? "SQLite" : "PostgreSQL");
    const text = await page.locator(".system").innerText();
    for (const part of ["reachable", "Resources", "Messages", "Index of words", "this one", "background"]) assert(text.includes(part), `'${part}' is not on the page: ${text}`);
    if (engine === "sqlite") assert(text.includes("callosum.db") && text.includes("Log"), text);
    else for (const part of ["primary", "round trip", "schema", "fsync on", "synchronous_commit on"]) assert(text.includes(part), `'${part}' is not on the page: ${text}`);
    for (const hidden of ["secretword", "callosum@"]) assert(!(await page.content()).includes(hidden), `'${hidden}' is on the page`);
    assert((await page.locator(".warnings").count()) === 0, "it warns of something");
    assert((await page.locator("tbody tr").count()) === bases.length, "not every process is listed once");
    await shot(`system-${engine}`);
  },
  async "system: it can be read without eyes"() {
    await open();
    const headings = await page.locator("main :is(h1, h2)").allInnerTexts();
    assert(headings[0] === "System" && headings.includes("Store") && headings.includes("Processes that share the store"), `the headings are ${headings}`);
    assert(await page.locator("table[aria-labelledby=processes] th[scope=col]").count(), "the columns have no headings");
    assert(await page.locator("table[aria-labelledby=processes] th[scope=row]").count(), "the rows have no headings");
    const pairs = await page.locator("dl.pairs dt").count();
    assert(pairs > 8 && pairs === (await page.locator("dl.pairs dd").count()), "names and values don't match");
  },
  async "system: nothing overflows at phone width, in light and dark"() {
    await page.setViewportSize({ width: 375, height: 760 });
    try {
      for (const colorScheme of ["light", "dark"]) {
        await page.emulateMedia({ colorScheme });
        await open();
        await has(".pairs dd", "reachable");
        const width = await page.evaluate(() => document.scrollingElement.scrollWidth);
        await shot(`phone-system-${engine}-${colorScheme}`);
        assert(width <= 375, `it is ${width} pixels wide`);
      }
    } finally {
      await page.emulateMedia({ colorScheme: "light" });
      await page.setViewportSize({ width: 1280, height: 900 });
    }
  },
  async "system: no script error, no request that leaves the server"() {
    assert(faults.length === 0, faults.join("; "));
  },
};

const onPostgres = {
  async "system: a process that was killed is gone, and its work is taken over"() {
    await open();
    await page.waitForFunction(() => document.querySelectorAll("tbody tr").length === 2);
    await ask("kill 1");
    await has("tbody tr.gone", "gone");
    await page.waitForFunction(() => [...document.querySelectorAll("tbody tr")].some((row) => row.textContent.includes("this one") && row.textContent.includes("background")), undefined, { timeout: 15000 });
    await shot("system-gone");
    await page.waitForFunction(() => !document.querySelector(".health").title.includes("2 processes"), undefined, { timeout: 15000 });
  },
  async "system: a setting that can lose what was acknowledged is warned of"() {
    await ask("weak");
    await has(".warnings", "fsync is off");
    await shot("system-warning");
    await ask("strong");
    await gone(".warnings");
  },
  async "system: while the store is away it says so and since when, and goes on by itself"() {
    await open();
    await has(".pairs dd", "reachable");
    await page.evaluate(() => (window.isTheSame = true));
    await ask("stop");
    await has(".outage", "The store can't be reached");
    await has(".system .badge", "not reachable");
    const said = await page.locator(".outage").innerText();
    assert(/since \d\d:\d\d:\d\d/.test(said), `it says: ${said}`);
    const text = await page.locator(".system").innerText();
    assert(text.includes("framed by dashes") && text.includes("Resources"), `what was known before is not there: ${text}`);
    await shot("system-away");
    await ask("start");
    await gone(".outage");
    await has(".system .badge.is-good", "reachable");
    assert(await page.evaluate(() => window.isTheSame), "the page was loaded again");
  },
  async "system: opened while the store is away, it shows what is known"() {
    await ask("stop");
    await page.goto("about:blank");
    await open();
    await has(".system .badge", "not reachable");
    await shot("system-away-at-first");
    await ask("start");
    await has(".system .badge.is-good", "reachable", 30000);
  },
  async "the other pages stay while the store is away, and go on by themselves"() {
    await open("/messages");
    await page.waitForSelector(".message-row");
    const address = await page.locator(".message-row").first().getAttribute("href");
    await ask("stop");
    await has(".outage", "The store can't be reached");
    assert(await page.locator(".message-row").count(), "the messages that were loaded are not there any more");
    assert((await page.locator(".failure").count()) === 0, "it is said twice");
    await shot("messages-away");
    await page.click(".filters .chip:has-text('rejected')");
    await has(".failure", "What you asked for shows up by itself"); // else the old list would be taken for the answer
    await page.click(".filters .chip:has-text('all')");
    await gone(".failure");
    await page.waitForFunction(() => !location.hash.includes("status"));
    await page.goto(`${bases[0]}/${address}`);
    await has(".failure", "What you asked for shows up by itself");
    await shot("message-away");
    await ask("start");
    await page.waitForSelector(".raw .segment", { timeout: 30000 });
    await gone(".outage");
  },
  async "a process that ends is told from a store that is away"() {
    await open("/messages");
    await page.waitForSelector(".message-row");
    await ask("kill 0");
    await has(".outage", "does not answer");
    assert(await page.locator(".message-row").count(), "the messages that were loaded are not there any more");
  },
};

await runChecks(page, engine === "sqlite" ? onEither : { ...onEither, ...onPostgres }, artifacts);
await close();
process.exit(0);
