// Chromium as the console's users have it, and what each check is told by: one line of JSON {"name", "error"}.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

/** `faults` gathers script errors, errors in the browser's console and requests that leave `bases`. */
export async function openBrowser(bases) {
  const profile = await mkdtemp(join(tmpdir(), "callosum-browser-"));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    headless: true,
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
      "--disable-component-update", "--disable-sync"],
    viewport: { width: 1280, height: 900 },
    locale: "en-GB",
    timezoneId: "UTC",
  });
  const page = context.pages()[0] ?? (await context.newPage());
  page.setDefaultTimeout(8000);
  const faults = [];
  page.on("pageerror", (error) => faults.push(`script error: ${error.message}`));
  page.on("console", (entry) => entry.type() === "error" && faults.push(`console: ${entry.text()}`));
  page.on("request", (request) => !bases.some((base) => request.url().startsWith(base)) && !request.url().startsWith("data:") && faults.push(`request to ${request.url()}`));
  const close = async () => {
    await context.close();
    await rm(profile, { recursive: true, force: true });
  };
  return { page, faults, close };
}

export function assert(condition, text) {
  if (!condition) throw new Error(text);
}

export async function visit(page, base, path) {
  await page.goto(`${base}/#${path}`);
  await page.waitForSelector("main > *");
  await page.waitForFunction(() => !document.querySelector(".skeleton"));
}

/** Runs every check, in order; one that fails leaves a picture. */
export async function runChecks(page, checks, artifacts) {
  for (const [name, check] of Object.entries(checks)) {
    let error = null;
    try {
      await check();
    } catch (cause) {
      error = cause.message.split("\n").slice(0, 6).join(" ");
      await page.screenshot({ path: join(artifacts, `failed-${name.replace(/\W+/g, "-")}.png`) }).catch(() => {});
    }
    console.log(JSON.stringify({ name, error }));
  }
}
