// Small pieces that every page uses.
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { ApiError } from "./api";
import { hue, shortSource } from "./format";

export interface Loaded<T> {
  value?: T; // the last one, also behind an error
  isOfBefore?: boolean; // the value: of another key
  error?: string;
  isPassing?: boolean; // the error: it is tried again by itself
  isHopeless?: boolean; // the error: to try again gives the same
  since?: string; // the error
  status?: number; // the error: of HTTP; 0: nobody answered
  isLoading: boolean;
  reload: () => void;
}

const RETRY_MS = 2000;
const PATIENCE_MS = 10000; // with one answer, before it is asked for again: while the store is away one may take seconds

/** Loads again whenever `key` changes, every `everyMs`, and until it works where the store or the server is away; keeps the
 * old value on the screen meanwhile. */
export function useLoad<T>(key: string, load: (signal: AbortSignal) => Promise<T>, everyMs = 0): Loaded<T> {
  const [state, setState] = useState<Omit<Loaded<T>, "reload" | "isOfBefore"> & { valueKey?: string }>({ isLoading: true });
  const [turn, setTurn] = useState(0);
  const latest = useRef(load);
  const askedAt = useRef(0); // 0: the answer is here
  latest.current = load;
  useEffect(() => {
    const abort = new AbortController();
    setState((old) => ({ ...old, isLoading: true }));
    askedAt.current = Date.now();
    const answered = () => {
      if (!abort.signal.aborted) askedAt.current = 0;
    };
    latest.current(abort.signal).finally(answered).then(
      (value) => {
        if (!abort.signal.aborted) setState({ value, valueKey: key, isLoading: false });
      },
      (cause) => {
        if (abort.signal.aborted) return;
        const known = cause instanceof ApiError ? cause : undefined;
        setState((old) => ({
          value: old.value, valueKey: old.valueKey, isLoading: false, error: known?.message ?? String(cause), since: known?.since, status: known?.status, isPassing: known?.isPassing,
          isHopeless: known !== undefined && known.status >= 400 && known.status < 500,
        }));
      },
    );
    return () => abort.abort();
  }, [key, turn]);
  const waitMs = state.isPassing ? RETRY_MS : everyMs;
  useEffect(() => {
    if (!waitMs) return;
    const again = () => {
      const isWaiting = askedAt.current > 0 && Date.now() - askedAt.current < PATIENCE_MS;
      if (document.visibilityState === "visible" && !isWaiting) setTurn((n) => n + 1);
    };
    const timer = setInterval(again, waitMs);
    document.addEventListener("visibilitychange", again);
    return () => {
      clearInterval(timer);
      document.removeEventListener("visibilitychange", again);
    };
  }, [waitMs]);
  return { ...state, isOfBefore: state.value !== undefined && state.valueKey !== key, reload: () => setTurn((n) => n + 1) };
}

/** The value, once it has not changed for `ms`. */
export function useSettled<T>(value: T, ms: number): T {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), ms);
    return () => clearTimeout(timer);
  }, [value, ms]);
  return settled;
}

export function SourceBadge({ source }: { source?: string }) {
  if (!source) return null;
  return (
    <span class="badge source" style={{ "--hue": String(hue(source)) }} title={`Source: ${source.replace("|", ", ")}`}>
      {shortSource(source)}
    </span>
  );
}

export function StatusBadge({ status }: { status: string }) {
  return <span class={`badge status-${status}`}>{status}</span>;
}

/** What kept a page from being shown. While the store is away the frame says so, and a page that has something to show shows it. */
export function Failure({ of }: { of: Loaded<unknown> }) {
  if (!of.error || (of.isPassing && of.value !== undefined && !of.isOfBefore)) return null;
  return (
    <div class="failure" role="alert">
      <p>{of.isPassing ? `${of.since ? "The store can't be reached." : of.error} What you asked for shows up by itself as soon as it can.` : of.error}</p>
      {!of.isPassing && !of.isHopeless && <button onClick={of.reload}>Try again</button>}
    </div>
  );
}

export function Badge({ kind, children }: { kind?: "good" | "bad" | "warn"; children: ComponentChildren }) {
  return <span class={kind ? `badge is-${kind}` : "badge"}>{children}</span>;
}

/** Names and what they are; what is not there is left out. */
export function Pairs({ pairs }: { pairs: [string, ComponentChildren][] }) {
  const known = pairs.filter(([, value]) => value !== undefined && value !== false && value !== "");
  return <dl class="pairs">{known.map(([name, value]) => <div key={name}><dt>{name}</dt><dd>{value}</dd></div>)}</dl>;
}

export function Empty({ children }: { children: ComponentChildren }) {
  return <p class="empty">{children}</p>;
}

export function Skeleton({ lines }: { lines: number }) {
  return (
    <div class="skeleton" aria-label="Loading">
      {Array.from({ length: lines }, (_, i) => <div key={i} style={{ width: `${90 - ((i * 17) % 40)}%` }} />)}
    </div>
  );
}

/** A list whose rows are links: arrow keys move, Enter opens. `data-list` is what keyboard.tsx looks for. */
export function LinkList({ children, label }: { children: ComponentChildren; label: string }) {
  return <ul class="rows" data-list aria-label={label}>{children}</ul>;
}
