// The frame of every page: brand, navigation, the state of the server, light or dark.
import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { api, type Figures } from "./api";
import { formatBytes, formatCount, formatClock } from "./format";
import { useLoad, type Loaded } from "./ui";

type Theme = "auto" | "light" | "dark";
const themes: Theme[] = ["auto", "light", "dark"];

function useTheme(): [Theme, () => void] {
  const [theme, setTheme] = useState<Theme>(() => (localStorage.getItem("theme") as Theme | null) ?? "auto");
  useLayoutEffect(() => {
    if (theme === "auto") {
      delete document.documentElement.dataset.theme;
      localStorage.removeItem("theme");
    } else {
      document.documentElement.dataset.theme = theme;
      localStorage.setItem("theme", theme);
    }
  }, [theme]);
  return [theme, () => setTheme((old) => themes[(themes.indexOf(old) + 1) % themes.length])];
}

function Health({ figures }: { figures: Loaded<Figures> }) {
  if (figures.error) return <a class="health bad" href="#/system">{figures.isPassing ? "offline" : "trouble"}</a>;
  if (!figures.value) return <span class="health" />;
  const f = figures.value;
  const title = `${formatCount(f.messages)} messages, ${formatCount(f.versions)} versions, ${formatBytes(f.fileBytes)} on disk, ` +
    `${formatBytes(f.rssBytes)} of memory, ${formatCount(f.queue)} waiting` + (f.processes > 1 ? `, ${f.processes} processes` : "");
  return <a class="health good" href="#/system" title={title}>{formatCount(f.resourcesTotal)} resources</a>;
}

/** Said on every page, for as long as it lasts. */
function Outage({ figures }: { figures: Loaded<Figures> }) {
  const noticed = useRef<string>();
  if (!figures.error) noticed.current = undefined;
  else noticed.current ??= new Date().toISOString();
  const since = figures.since ?? noticed.current;
  return (
    <div role="status">
      {figures.error && since && (
        <p class="outage">
          <strong>{figures.since ? "The store can't be reached" : figures.error.replace(/\.$/, "")}</strong> since {formatClock(since)}.
          {" "}{figures.isPassing && "What is shown may be out of date; it goes on by itself. "}
          <a href="#/system">System</a>
        </p>
      )}
    </div>
  );
}

const themeIcons: Record<Theme, string> = { auto: "◐", light: "☀", dark: "☾" };

export function Shell({ area, children }: { area: string; children: ComponentChildren }) {
  const [theme, nextTheme] = useTheme();
  const figures = useLoad("figures", (signal) => api.figures(signal), 5000);
  const item = (name: string, href: string, text: string) => (
    <a href={href} aria-current={area === name ? "page" : undefined}>{text}</a>
  );
  return (
    <>
      <a class="skip" href="#main" onClick={(event) => { event.preventDefault(); document.getElementById("main")?.focus(); }}>To the content</a>
      <header class="top">
        <a class="brand" href="#/" aria-label="Callosum, to the start"><img src="/favicon.svg" alt="" width="24" height="24" /><span>Callosum</span></a>
        <nav aria-label="Main">
          {item("persons", "#/", "Persons")}
          {item("messages", "#/messages", "Messages")}
          {item("system", "#/system", "System")}
        </nav>
        <Health figures={figures} />
        <button class="theme" onClick={nextTheme} title={`Colours: ${theme}`} aria-label={`Colours: ${theme}; change`}>{themeIcons[theme]}</button>
      </header>
      <Outage figures={figures} />
      <main id="main" tabIndex={-1}>{children}</main>
    </>
  );
}
