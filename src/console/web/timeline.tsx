// A person's timeline: by year and day, filtered by kind and source; numeric results have a trend.
import { useMemo, useState } from "preact/hooks";
import type { Kind, TimelineEntry } from "./api";
import { formatDate, formatDateTime, formatTime, yearOf } from "./format";
import { link } from "./router";
import { Empty, SourceBadge } from "./ui";

const kindNames: Record<Kind, string> = {
  encounter: "Encounters", result: "Results", report: "Reports", problem: "Problems", medication: "Medications", allergy: "Allergies",
  immunization: "Immunizations", appointment: "Appointments", document: "Documents", procedure: "Procedures", order: "Orders",
};
const kindName: Record<Kind, string> = {
  encounter: "Encounter", result: "Result", report: "Report", problem: "Problem", medication: "Medication", allergy: "Allergy",
  immunization: "Immunization", appointment: "Appointment", document: "Document", procedure: "Procedure", order: "Order",
};
const kindOrder = Object.keys(kindNames) as Kind[];

const isAbnormal = (flag?: string) => !!flag && flag !== "N";

/** The values of one measured thing over time, as a small line. */
function Trend({ entries }: { entries: TimelineEntry[] }) {
  const values = entries.map((e) => Number(e.value)).filter(Number.isFinite).reverse();
  if (values.length < 3) return null;
  const low = Math.min(...values), high = Math.max(...values), span = high - low || 1;
  const width = 64, height = 18;
  const points = values.map((v, i) => `${((i / (values.length - 1)) * width).toFixed(1)},${(height - 2 - ((v - low) / span) * (height - 4)).toFixed(1)}`);
  return (
    <svg width={width} height={height} role="img" aria-label={`${values.length} values from ${low} to ${high}`}>
      <polyline points={points.join(" ")} />
    </svg>
  );
}

/** "1 Mar 2026, 08:00 until 5 Mar 2026" of what lasts. */
function Span({ entry }: { entry: TimelineEntry }) {
  if (!entry.end) return entry.status === "in-progress" ? <span class="quiet"> since {formatDateTime(entry.date)}</span> : null;
  const sameDay = formatDate(entry.end) === formatDate(entry.date);
  return <span class="quiet"> until {sameDay ? formatTime(entry.end) : formatDateTime(entry.end)}</span>;
}

function Entry({ entry, trend, isPart }: { entry: TimelineEntry; trend?: TimelineEntry[]; isPart?: boolean }) {
  const abnormal = isAbnormal(entry.flag);
  const title = entry.title || entry.type;
  return (
    <li class={isPart ? "part" : undefined}>
      <a class={`row entry kind-${entry.kind}`} href={link.resource(entry.type, entry.id)}>
        <span class="time quiet">{isPart ? "" : formatTime(entry.date)}</span>
        <span class="kind">{isPart ? "" : kindName[entry.kind]}</span>
        <span class="main">
          {isPart ? title : <strong>{title}</strong>}
          {entry.place && <span class="quiet"> at {entry.place}</span>}
          {entry.detail && <span class="quiet detail"> {entry.detail}</span>}
          {entry.kind === "encounter" && <Span entry={entry} />}
        </span>
        <span class={abnormal ? "value abnormal" : "value"}>
          {entry.value !== undefined && <>{entry.value} <span class="unit">{entry.unit}</span></>}
          {abnormal && <span class="flag">{entry.flag}</span>}
          {entry.range && <span class="quiet range"> {entry.range}</span>}
        </span>
        <span class="trend">{trend && <Trend entries={trend} />}</span>
        <span class={entry.status === "corrected" || entry.status === "amended" ? "state warn" : "state quiet"}>{isPart && entry.status === "final" ? "" : entry.status}</span>
        {isPart ? <span /> : <SourceBadge source={entry.source} />}
      </a>
    </li>
  );
}

function toggled<T>(set: Set<T>, item: T): Set<T> {
  const next = new Set(set);
  if (!next.delete(item)) next.add(item);
  return next;
}

/** A report, then its results: those shown on the same day follow it as its parts. */
function withParts(list: TimelineEntry[]): { entry: TimelineEntry; isPart: boolean }[] {
  const results = new Map(list.filter((e) => e.kind === "result").map((e) => [e.id, e]));
  const reports = list.filter((e) => e.kind === "report" && e.results?.length);
  const partOf = new Map<string, string>();
  for (const report of reports) for (const id of report.results!) if (results.has(id) && !partOf.has(id)) partOf.set(id, report.id);
  return list.flatMap((entry) => {
    if (entry.kind === "result" && partOf.has(entry.id)) return [];
    const parts = entry.kind !== "report" ? [] : (entry.results ?? []).filter((id) => partOf.get(id) === entry.id).map((id) => results.get(id)!);
    return [{ entry, isPart: false }, ...parts.map((part) => ({ entry: part, isPart: true }))];
  });
}

export function Timeline({ entries, more }: { entries: TimelineEntry[]; more: boolean }) {
  const [kinds, setKinds] = useState<Set<Kind>>(new Set());
  const [sources, setSources] = useState<Set<string>>(new Set());
  const [onlyAbnormal, setOnlyAbnormal] = useState(false);

  const present = useMemo(() => kindOrder.map((kind) => [kind, entries.filter((e) => e.kind === kind).length] as const).filter(([, n]) => n > 0), [entries]);
  const presentSources = useMemo(() => [...new Set(entries.map((e) => e.source).filter((s): s is string => !!s))].sort(), [entries]);
  const trends = useMemo(() => {
    const byCode = new Map<string, TimelineEntry[]>();
    for (const entry of entries)
      if (entry.kind === "result" && entry.code?.code) {
        const key = `${entry.code.system ?? ""}|${entry.code.code}|${entry.unit ?? ""}`;
        byCode.set(key, [...(byCode.get(key) ?? []), entry]);
      }
    return byCode;
  }, [entries]);

  // An order that has its report is not news any more, unless one asks for orders.
  const reported = useMemo(() => new Set(entries.map((e) => e.order).filter(Boolean)), [entries]);
  const shown = entries.filter((entry) =>
    (kinds.size === 0 ? !(entry.kind === "order" && entry.status === "completed" && reported.has(entry.id)) : kinds.has(entry.kind)) && (sources.size === 0 || (entry.source !== undefined && sources.has(entry.source))) &&
    (!onlyAbnormal || isAbnormal(entry.flag)));
  const days = new Map<string, TimelineEntry[]>();
  for (const entry of shown) {
    const day = entry.date?.slice(0, 10) ?? "";
    days.set(day, [...(days.get(day) ?? []), entry]);
  }
  const trendOf = (entry: TimelineEntry) =>
    entry.kind === "result" ? trends.get(`${entry.code?.system ?? ""}|${entry.code?.code ?? ""}|${entry.unit ?? ""}`) : undefined;

  let year = "";
  return (
    <section aria-label="Timeline">
      <div class="filters">
        {present.map(([kind, n]) => (
          <button key={kind} class="chip" aria-pressed={kinds.has(kind)} onClick={() => setKinds(toggled(kinds, kind))}>{kindNames[kind]} <span class="quiet">{n}</span></button>
        ))}
        {entries.some((e) => isAbnormal(e.flag)) && (
          <button class="chip warn" aria-pressed={onlyAbnormal} onClick={() => setOnlyAbnormal(!onlyAbnormal)}>Abnormal only</button>
        )}
        {presentSources.length > 1 && <span class="divider" />}
        {presentSources.length > 1 && presentSources.map((source) => (
          <button key={source} class="chip" aria-pressed={sources.has(source)} onClick={() => setSources(toggled(sources, source))}><SourceBadge source={source} /></button>
        ))}
      </div>
      {shown.length === 0 && <Empty>{entries.length === 0 ? "Nothing has happened yet." : "Nothing matches these filters."}</Empty>}
      {[...days].map(([day, list]) => {
        const heading = yearOf(day || undefined) !== year ? (year = yearOf(day || undefined)) : "";
        return (
          <section key={day}>
            {heading && <h2 class="year">{heading}</h2>}
            <h3 class="day">{day ? formatDate(day) : "No date"}</h3>
            <ul class="rows" data-list>{withParts(list).map(({ entry, isPart }) => <Entry key={entry.type + entry.id} entry={entry} isPart={isPart} trend={trendOf(entry)} />)}</ul>
          </section>
        );
      })}
      {more && <p class="quiet more">Older entries are not shown here; the FHIR API has them all (Patient/$everything).</p>}
    </section>
  );
}
