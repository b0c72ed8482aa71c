// Drives the console in Chromium as its users would. Usage: node console.mjs URL ARTIFACTS_FOLDER
// Prints one line of JSON per check: {"name", "error"} (error null when it holds).
import { join } from "node:path";
import { assert, openBrowser, runChecks, visit as visitAt } from "./browser.mjs";

const [base, artifacts] = process.argv.slice(2);
const { page, faults, close } = await openBrowser([base]);
const visit = (path) => visitAt(page, base, path);

async function openLindqvist() {
  await visit("/");
  await page.fill("input[type=search]", "lindqvist");
  await page.click(".person-row:has-text('Lindqvist')");
  await page.waitForSelector(".person .banner");
}

async function openMessage(controlId) {
  await visit("/messages");
  await page.fill("input[type=search]", controlId);
  await page.waitForFunction((id) => {
    const rows = document.querySelectorAll(".message-row");
    return rows.length === 1 && rows[0].textContent.includes(id);
  }, controlId);
  await page.click(".message-row");
  await page.waitForSelector(".raw .segment, .raw .bytes");
}

const shot = (name) => page.screenshot({ path: join(artifacts, `${name}.png`), fullPage: false });

const checks = {
  async "a person is found by name, by number and by birth date"() {
    for (const text of ["lindqvist", "asa lindq", "4711", "L-99", "1980-02-17"]) {
      await visit("/");
      await page.fill("input[type=search]", text);
      await page.waitForFunction(() => document.querySelector("h1.section")?.textContent === "Found");
      await page.waitForSelector(".person-row:has-text('Lindqvist')");
    }
    await shot("persons");
  },
  async "the keyboard alone finds and opens a person"() {
    await visit("/messages");
    await page.locator("main").focus();
    await page.keyboard.press("g");
    await page.keyboard.press("p");
    await page.waitForSelector(".search.hero input:focus");
    await page.keyboard.type("lindqvist");
    await page.waitForSelector(".person-row:has-text('Lindqvist')");
    await page.waitForFunction(() => document.querySelectorAll(".person-row").length === 1);
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Enter");
    await page.waitForSelector(".person .banner h1:has-text('Lindqvist')");
  },
  async "a person's page shows who, known as what, and a timeline with its sources"() {
    await openLindqvist();
    const text = await page.locator("article.person").innerText();
    for (const part of ["Åsa", "4711", "L-99", "Penicillin", "hypertension", "Potassium", "5.90", "Uppsala"]) assert(text.includes(part), `'${part}' is not on the page`);
    for (const kind of ["encounter", "result", "problem", "allergy", "appointment"]) assert(await page.locator(`.entry.kind-${kind}`).count(), `no ${kind} in the timeline`);
    const sources = await page.locator(".entry .badge.source").allInnerTexts();
    for (const source of ["HIS", "LAB", "SCHED"]) assert(sources.includes(source), `no entry has the badge ${source}`);
    assert(await page.locator(".entry .abnormal:has-text('5.90')").count(), "the abnormal potassium is not marked");
    await shot("person");
  },
  async "a report reads as one thing with its results, an encounter with its place"() {
    await openLindqvist();
    const rows = await page.locator(".entry").evaluateAll((all) => all.map((row) => ({ isPart: !!row.closest(".part"), text: row.textContent })));
    const report = rows.findIndex((row) => row.text.includes("metabolic panel") && rows[rows.indexOf(row) + 1]?.text.includes("5.90"));
    assert(report >= 0, "no report is followed by its potassium");
    assert(rows[report + 1].isPart && rows[report + 2].isPart && rows[report + 2].text.includes("140"), "the results are not parts of the report");
    assert(!rows.some((row) => !row.isPart && row.text.includes("5.90")), "the potassium stands by itself, too");
    const encounter = await page.locator(".entry.kind-encounter").first().innerText();
    assert(/inpatient/i.test(encounter) && encounter.includes("W2 12 1"), `the encounter says: ${encounter}`);
    const document = await page.locator(".entry.kind-document").first().innerText();
    assert(document.includes("Discharge summary"), `the document says: ${document}`);
  },
  async "who was merged away is known by the old number, and is no person of its own"() {
    await openLindqvist();
    assert(await page.locator(".number-of:has-text('4713') .badge:has-text('merged')").count(), "4713 is not marked as merged");
    const said = await page.locator(".number-of:has-text('4711') .badge.source").allInnerTexts();
    assert(said.includes("HIS") && said.includes("LAB") && said.includes("SCHED"), `4711 was said by ${said}`);
    await visit("/");
    assert(!(await page.locator(".person-row:has-text('Takenover')").count()), "the merged record is in the list");
    await page.fill("input[type=search]", "4713");
    await page.waitForSelector(".person-row:has-text('Lindqvist')");
  },
  async "the timeline is filtered by kind and by what is abnormal"() {
    await openLindqvist();
    await page.click(".filters .chip:has-text('Results')");
    const kinds = await page.locator(".entry").evaluateAll((rows) => rows.map((r) => r.className));
    assert(kinds.length >= 3 && kinds.every((c) => c.includes("kind-result")), "other entries than results are shown");
    await page.click(".filters .chip.warn");
    assert((await page.locator(".entry").count()) === 1, "the abnormal result is not the only one left");
  },
  async "the message log is searched and filtered"() {
    await visit("/messages");
    assert((await page.locator(".message-row").count()) >= 6, "messages are missing");
    await shot("messages");
    await page.click(".filters .chip:has-text('rejected')");
    await page.waitForFunction(() => [...document.querySelectorAll(".message-row")].every((r) => r.textContent.includes("rejected")));
  },
  async "pointing at a field lights up what it became, and the other way round"() {
    await openMessage("B0001");
    await page.hover(".token.used:text-is('Lindqvist')");
    await page.waitForSelector(".json .lit:has-text('Lindqvist')");
    const explained = await page.locator(".explanation").innerText();
    assert(explained.includes("PID-5") && explained.includes("Patient.name"), `the explanation says: ${explained}`);
    await shot("message");
    await page.hover(".json .known:has-text('1980-02-17')");
    await page.waitForSelector(".token.lit:text-is('19800217')");
    await page.click(".token.used:text-is('4711')");
    await page.hover("header.top");
    assert(await page.locator(".json .lit:has-text('4711')").count(), "a click does not hold the selection");
    await page.keyboard.press("Escape");
    await page.waitForFunction(() => !document.querySelector(".lit"));
  },
  async "every element of a record leads to the message that said it"() {
    await openLindqvist();
    await page.click("a.button:has-text('Explain')");
    await page.waitForSelector(".json .known");
    const line = page.locator(".json .line:has-text('birthDate')");
    assert((await line.innerText()).includes("PID-7"), `birthDate is explained by: ${await line.innerText()}`);
    await shot("explain");
    await line.click();
    await page.waitForSelector(".message .segment");
  },
  async "decimals stand as they were written"() {
    await openMessage("B0002");
    assert(await page.locator(".json .v-number:text-is('5.90')").count(), "5.90 is not shown as 5.90");
  },
  async "a name with markup in it is text"() {
    await visit("/");
    await page.fill("input[type=search]", "mallory");
    await page.waitForSelector(".person-row:has-text('onerror')");
    assert(!(await page.evaluate(() => window.hacked)), "the script in a name ran");
  },
  async "nothing overflows at phone width"() {
    await page.setViewportSize({ width: 375, height: 760 });
    try {
      for (const [name, open] of [["persons", () => visit("/")], ["person", openLindqvist], ["messages", () => visit("/messages")], ["message", () => openMessage("B0001")]]) {
        await open();
        const width = await page.evaluate(() => document.scrollingElement.scrollWidth);
        await shot(`phone-${name}`);
        assert(width <= 375, `${name} is ${width} pixels wide`);
      }
    } finally {
      await page.setViewportSize({ width: 1280, height: 900 });
    }
  },
  async "dark follows the system and can be chosen"() {
    const ground = (isDark) => page.waitForFunction((dark) => {
      const red = Number(getComputedStyle(document.body).backgroundColor.match(/\d+/)[0]);
      return dark ? red < 60 : red > 200;
    }, isDark);
    await page.emulateMedia({ colorScheme: "dark" });
    await openLindqvist();
    await ground(true);
    await shot("person-dark");
    await page.click("button.theme"); // light
    await ground(false);
    await page.click("button.theme"); // dark
    await page.click("button.theme"); // auto
    await page.emulateMedia({ colorScheme: "light" });
    await ground(false);
  },
  async "no script error, no request that leaves the server, a strict policy"() {
    const response = await page.request.get(`${base}/`);
    const policy = response.headers()["content-security-policy"] ?? "";
    assert(/default-src 'none'|default-src 'self'/.test(policy) && !/script-src[^;]*unsafe/.test(policy), `the policy is: ${policy}`);
    assert(faults.length === 0, faults.join("; "));
  },
};

await runChecks(page, checks, artifacts);
await close();
