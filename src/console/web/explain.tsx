// A resource, and for each of its elements the message that said it.
import { useState } from "preact/hooks";
import { api, type ExplainedElement } from "./api";
import { formatDateTime } from "./format";
import { JsonView } from "./json";
import { link } from "./router";
import { Failure, Skeleton, SourceBadge, useLoad } from "./ui";

function place(e: ExplainedElement): string {
  if (!e.segmentName) return "set by the map";
  return `${e.segmentName}-${e.field}${e.repetition > 1 ? `(${e.repetition})` : ""}${e.component ? "." + e.component : ""}${e.subcomponent ? "." + e.subcomponent : ""}`;
}

export function Explain({ type, id }: { type: string; id: string }) {
  const loaded = useLoad(`${type}/${id}`, (signal) => api.explain(type, id, signal));
  const [at, setAt] = useState<string | null>(null);
  if (!loaded.value) return loaded.error ? <Failure of={loaded} /> : <Skeleton lines={14} />;
  const { resource, elements, versions } = loaded.value;
  const find = (path: string) =>
    elements.find((e) => e.element === path) ?? elements.find((e) => path.startsWith(e.element + ".") || path.startsWith(e.element + "["));
  return (
    <article>
      <header class="banner">
        <div>
          <h1>{type} <span class="quiet mono">{id}</span></h1>
          <p class="facts">
            {type === "Patient" && <a href={link.person(id)}>The person's page</a>}
            <a href={`/fhir/${type}/${encodeURIComponent(id)}?_pretty=true`} target="_blank" rel="noreferrer">FHIR</a>
            <a href={`/fhir/${type}/${encodeURIComponent(id)}/_history?_pretty=true`} target="_blank" rel="noreferrer">History</a>
          </p>
        </div>
      </header>
      <section class="card">
        <h2>Every element, and who said it</h2>
        <JsonView value={resource} marks={{
          lit: (path) => path === at,
          isKnown: (path) => find(path) !== undefined,
          hover: setAt,
          pick: (path) => {
            const found = find(path);
            if (found?.message !== undefined) location.hash = link.message(found.message);
          },
          note: (path) => {
            const e = find(path);
            if (!e) return null;
            return (
              <span class="origin">
                <span class="mono">{place(e)}</span>
                {e.message !== undefined && <a href={link.message(e.message)}>#{e.message}</a>}
                <SourceBadge source={e.sender} />
              </span>
            );
          },
        }} />
      </section>
      <section class="card">
        <h2>Versions</h2>
        <table class="plain">
          <tbody>
            {versions.map((v) => (
              <tr key={v.version}>
                <td>{v.version}</td><td>{formatDateTime(v.updated)}</td>
                <td>{v.message !== undefined && <a href={link.message(v.message)}>message {v.message}</a>}</td>
                <td><SourceBadge source={v.sender} /></td>
              </tr>
            ))}
          </tbody>
        </table>
      </section>
    </article>
  );
}
