// Routes live in the fragment, so that the server needs to know one page only.
import { useEffect, useState } from "preact/hooks";

export interface Route {
  path: string[];
  parameters: URLSearchParams;
  turn: number; // counts navigations: a page that is gone to again begins anew
}

function parseRoute(hash: string, turn: number): Route {
  const [path, search] = hash.replace(/^#\/?/, "").split("?", 2);
  return { path: path.split("/").filter(Boolean).map(decodeURIComponent), parameters: new URLSearchParams(search ?? ""), turn };
}

export function useRoute(): Route {
  const [route, setRoute] = useState(() => parseRoute(location.hash, 0));
  useEffect(() => {
    const changed = () => setRoute((old) => parseRoute(location.hash, old.turn + 1));
    addEventListener("hashchange", changed);
    return () => removeEventListener("hashchange", changed);
  }, []);
  return route;
}

export function go(path: string): void {
  location.hash = path;
}

/** Changes the address without a new step of history: for what is being typed. */
export function replaceParameters(path: string, parameters: Record<string, string>): void {
  const kept = Object.entries(parameters).filter(([, value]) => value !== "");
  const search = new URLSearchParams(kept).toString();
  history.replaceState(null, "", `#/${path}${search ? "?" + search : ""}`);
}

export const link = {
  person: (id: string) => `#/persons/${encodeURIComponent(id)}`,
  message: (number: number) => `#/messages/${number}`,
  resource: (type: string, id: string) => `#/resources/${type}/${encodeURIComponent(id)}`,
};
