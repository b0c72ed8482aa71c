// Dates, numbers and names as people read them. A date is shown with the precision that it has.
import { ExactNumber } from "./api";

const dayFormat = new Intl.DateTimeFormat(undefined, { year: "numeric", month: "short", day: "numeric" });
const monthFormat = new Intl.DateTimeFormat(undefined, { year: "numeric", month: "short" });
const timeFormat = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const clockFormat = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });

function localDay(text: string): Date {
  const [year, month, day] = text.split("-").map(Number);
  return new Date(year, (month ?? 1) - 1, day ?? 1);
}

export function formatDate(text?: string): string {
  if (!text) return "";
  if (/^\d{4}$/.test(text)) return text;
  if (/^\d{4}-\d{2}$/.test(text)) return monthFormat.format(localDay(text));
  if (/^\d{4}-\d{2}-\d{2}$/.test(text)) return dayFormat.format(localDay(text));
  const at = new Date(text);
  return Number.isNaN(at.getTime()) ? text : dayFormat.format(at);
}

export function formatDateTime(text?: string): string {
  if (!text || !text.includes("T")) return formatDate(text);
  const at = new Date(text);
  return Number.isNaN(at.getTime()) ? text : `${dayFormat.format(at)}, ${timeFormat.format(at)}`;
}

export function formatTime(text?: string): string {
  if (!text?.includes("T")) return "";
  const at = new Date(text);
  return Number.isNaN(at.getTime()) ? "" : timeFormat.format(at);
}

export function yearOf(text?: string): string {
  return text?.slice(0, 4) ?? "Undated";
}

export function age(birthDate?: string): string {
  if (!birthDate || !/^\d{4}(-\d{2}(-\d{2})?)?/.test(birthDate)) return "";
  const born = localDay(birthDate.slice(0, 10));
  const now = new Date();
  let years = now.getFullYear() - born.getFullYear();
  if (now.getMonth() < born.getMonth() || (now.getMonth() === born.getMonth() && now.getDate() < born.getDate())) years--;
  if (years >= 2) return `${years} y`;
  const months = (now.getFullYear() - born.getFullYear()) * 12 + now.getMonth() - born.getMonth();
  return months > 0 ? `${months} mo` : "newborn";
}

export function formatBytes(n: number): string {
  if (n < 1000) return `${n} B`;
  const units = ["kB", "MB", "GB", "TB"];
  let unit = -1;
  do {
    n /= 1000;
    unit++;
  } while (n >= 1000 && unit < units.length - 1);
  return `${n < 10 ? n.toFixed(1) : Math.round(n)} ${units[unit]}`;
}

export const formatMs = (ms: number | ExactNumber) => {
  const n = Number(ms instanceof ExactNumber ? ms.text : ms);
  return n < 1 ? `${n.toFixed(2)} ms` : n < 10 ? `${n.toFixed(1)} ms` : n < 10000 ? `${Math.round(n)} ms` : `${Math.round(n / 1000)} s`;
};

export function formatDuration(seconds: number): string {
  if (seconds < 90) return `${Math.max(0, Math.floor(seconds))} s`;
  if (seconds < 5400) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 129600) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86400)} days`;
}

/** "18:40:12"; with the day where it is another. */
export function formatClock(text: string): string {
  const at = new Date(text);
  const isToday = at.toDateString() === new Date().toDateString();
  return `${isToday ? "" : `${dayFormat.format(at)}, `}${clockFormat.format(at)}`;
}

/** "18:40:12, 35 s ago" */
export const formatSince = (text: string) => `${formatClock(text)}, ${formatDuration((Date.now() - new Date(text).getTime()) / 1000)} ago`;

export const formatCount = (n: number) => n.toLocaleString();

export function ago(text: string): string {
  const seconds = Math.max(0, (Date.now() - new Date(text).getTime()) / 1000);
  if (seconds < 60) return "just now";
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ago`;
  return formatDate(text);
}

/** "urn:oid:1.2.3" -> "1.2.3"; the last telling part of a URL. */
export function shortSystem(system?: string): string {
  if (!system) return "";
  if (system.startsWith("urn:oid:")) return system.slice(8);
  if (system.startsWith("urn:")) return system.slice(system.lastIndexOf(":") + 1);
  return system.replace(/\/+$/, "").split("/").pop() ?? system;
}

/** "HIS|MAIN" -> "HIS": the facility is in the tooltip. */
export const shortSource = (source: string) => source.split("|")[0] || source;

/** A steady hue for a source, so that a system has its colour everywhere. */
export function hue(text: string): number {
  let h = 0;
  for (const c of shortSource(text)) h = (h * 31 + c.charCodeAt(0)) % 360;
  return h;
}
