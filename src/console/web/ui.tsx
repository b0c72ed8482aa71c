// Small pieces that every page uses.
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { ApiError } from "./api";
import { hue, shortSource } from "./format";

export interface Loaded<T> {
  value?: T;
  error?: string;
  isLoading: boolean;
  reload: () => void;
}

/** Loads again whenever `key` changes; keeps the old value on the screen meanwhile. */
export function useLoad<T>(key: string, load: (signal: AbortSignal) => Promise<T>, everyMs = 0): Loaded<T> {
  const [state, setState] = useState<{ value?: T; error?: string; isLoading: boolean }>({ isLoading: true });
  const [turn, setTurn] = useState(0);
  const latest = useRef(load);
  latest.current = load;
  useEffect(() => {
    const abort = new AbortController();
    setState((old) => ({ ...old, isLoading: true }));
    latest.current(abort.signal).then(
      (value) => setState({ value, isLoading: false }),
      (cause) => {
        if (abort.signal.aborted) return;
        setState((old) => ({ value: old.value, isLoading: false, error: cause instanceof ApiError ? cause.message : String(cause) }));
      },
    );
    return () => abort.abort();
  }, [key, turn]);
  useEffect(() => {
    if (!everyMs) return;
    const timer = setInterval(() => document.visibilityState === "visible" && setTurn((n) => n + 1), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return { ...state, reload: () => setTurn((n) => n + 1) };
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

export function Failure({ text, retry }: { text: string; retry?: () => void }) {
  return (
    <div class="failure" role="alert">
      <p>{text}</p>
      {retry && <button onClick={retry}>Try again</button>}
    </div>
  );
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
