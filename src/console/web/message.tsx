// A message and what was made of it, side by side: hover or click one to light up the other. That is the lineage.
import { useEffect, useMemo, useState } from "preact/hooks";
import { api, type Delimiters, type LineageEntry, type MadeResource, type Message as MessageData, type MessageField, type MessageSegment, type Place } from "./api";
import { formatBytes, formatDateTime } from "./format";
import { JsonView } from "./json";
import { link } from "./router";
import { Empty, Failure, Skeleton, SourceBadge, StatusBadge, useLoad } from "./ui";

/** What is lit: a place of the message, or an element of one of the resources. */
type Selection = { place: Required<Place> } | { resource: number; element: string } | null;

const within = (wanted: number, given: number) => wanted === 0 || given === 0 || wanted === given;

/** Do two places touch: is one the other, or part of it? */
function touches(a: Place, b: Place): boolean {
  return a.segment === b.segment && a.field === b.field && within(a.repetition || 1, b.repetition || (b.component ? 1 : 0)) &&
    within(a.component, b.component) && within(a.subcomponent, b.subcomponent);
}

function isElementWithin(element: string, path: string): boolean {
  return element === path || element.startsWith(path + ".") || element.startsWith(path + "[") || path.startsWith(element + ".") || path.startsWith(element + "[");
}

/** What a person looks for first comes first; whom and where it happened, last. The order of the message decides among equals. */
const lastTypes = ["Practitioner", "PractitionerRole", "Organization", "Location"];
function byInterest(resources: MadeResource[]): MadeResource[] {
  const rank = (r: MadeResource) => (r.type === "Patient" ? -1 : lastTypes.indexOf(r.type) + 1);
  return [...resources].sort((a, b) => rank(a) - rank(b));
}

/** Brings what is lit on the other side into view, once the click has been drawn. */
function reveal(selector: string): void {
  requestAnimationFrame(() => requestAnimationFrame(() => document.querySelector(selector)?.scrollIntoView({ block: "center", behavior: "smooth" })));
}

interface RawProps {
  isLit: (place: Required<Place>) => boolean;
  isUsed: (place: Required<Place>) => boolean;
  hover: (place: Required<Place> | null) => void;
  pick: (place: Required<Place>) => void;
}

function Token({ text, place, title, ...props }: RawProps & { text: string; place: Required<Place>; title: string }) {
  if (!text) return null;
  const used = props.isUsed(place);
  return (
    <span class={["token", used ? "used" : "unused", props.isLit(place) ? "lit" : ""].join(" ")} title={title}
      tabIndex={used ? 0 : undefined} role={used ? "button" : undefined}
      onMouseEnter={() => props.hover(place)} onFocus={() => used && props.hover(place)} onClick={() => props.pick(place)}
      onKeyDown={(event) => event.key === "Enter" && props.pick(place)}>
      {text}
    </span>
  );
}

/** "a^b" -> tokens a and b with the delimiter between them, as it stands in the message. */
function Field({ segment, index, field, delimiters, ...props }: RawProps & { segment: MessageSegment; index: number; field: MessageField; delimiters: Delimiters }) {
  const label = (path: string) => `${segment.name}-${field.number}${path}  ${field.name ?? ""}`;
  if (segment.name === "MSH" && field.number <= 2) return <span class="quiet">{field.number === 1 ? "" : field.text}</span>;
  return (
    <>
      {field.text.split(delimiters.repetition).map((repetition, r) => (
        <>
          {r > 0 && <span class="delimiter">{delimiters.repetition}</span>}
          {repetition.split(delimiters.component).map((component, c) => (
            <>
              {c > 0 && <span class="delimiter">{delimiters.component}</span>}
              {component.split(delimiters.subcomponent).map((text, s, all) => (
                <>
                  {s > 0 && <span class="delimiter">{delimiters.subcomponent}</span>}
                  <Token {...props} text={text} title={label(`${r ? `(${r + 1})` : ""}.${c + 1}${all.length > 1 ? "." + (s + 1) : ""}`)}
                    place={{ segment: index, field: field.number, repetition: r + 1, component: c + 1, subcomponent: all.length > 1 ? s + 1 : 0 }} />
                </>
              ))}
            </>
          ))}
        </>
      ))}
    </>
  );
}

function Segment({ segment, index, delimiters, ...props }: RawProps & { segment: MessageSegment; index: number; delimiters: Delimiters }) {
  const byNumber = new Map(segment.fields.map((f) => [f.number, f]));
  const last = Math.max(0, ...byNumber.keys());
  const numbers = Array.from({ length: last }, (_, i) => i + 1);
  return (
    <div class="segment">
      <span class="segment-name" title={segment.title}>{segment.name}</span>
      {numbers.map((n) => {
        const field = byNumber.get(n);
        return (
          <>
            {!(segment.name === "MSH" && n === 2) && <span class="delimiter">{delimiters.field}</span>}
            {field && <Field {...props} segment={segment} index={index} field={field} delimiters={delimiters} />}
          </>
        );
      })}
    </div>
  );
}

function describe(place: Place, message: MessageData): string {
  const segment = place.segment === undefined ? undefined : message.segments[place.segment];
  if (!segment) return "";
  const field = segment.fields.find((f) => f.number === place.field);
  const path = `${segment.name}-${place.field}${place.repetition > 1 ? `(${place.repetition})` : ""}` +
    `${place.component ? "." + place.component : ""}${place.subcomponent ? "." + place.subcomponent : ""}`;
  return field?.name ? `${path} ${field.name}` : path;
}

function Explanation({ selection, message }: { selection: Selection; message: MessageData }) {
  if (!selection) return <p class="explanation quiet">Point at a field or an element to see where it went or came from. Click to hold it; Esc releases.</p>;
  if ("place" in selection) {
    const made = message.resources.flatMap((r) => r.lineage.filter((e) => e.segment !== undefined && touches(e, selection.place)).map((e) => `${r.type}.${e.element}`));
    return (
      <p class="explanation"><strong>{describe(selection.place, message)}</strong>
        {made.length ? <> became <span class="mono">{[...new Set(made)].slice(0, 6).join(", ")}</span>{made.length > 6 && ` and ${made.length - 6} more`}</> : " has no place in the FHIR resources."}</p>
    );
  }
  const resource = message.resources[selection.resource];
  const entries = resource.lineage.filter((e) => isElementWithin(e.element, selection.element));
  return (
    <p class="explanation"><strong class="mono">{resource.type}.{selection.element}</strong>
      {entries.slice(0, 4).map((e) => (
        <span key={e.element + e.line}> {e.segment === undefined ? "is set" : <>comes from <strong>{describe(e, message)}</strong></>}
          {e.file && <span class="quiet"> by {e.file} line {e.line}</span>}</span>
      ))}
      {entries.length === 0 && " was set by the server."}</p>
  );
}

function Made({ resource, index, selection, hover, pick }: {
  resource: MadeResource; index: number; selection: Selection; hover: (s: Selection) => void; pick: (s: Selection) => void;
}) {
  const lineage = resource.lineage;
  const isLit = (path: string) => {
    if (!selection) return false;
    if ("place" in selection) return lineage.some((e: LineageEntry) => e.segment !== undefined && touches(e, selection.place) && isElementWithin(e.element, path));
    return selection.resource === index && selection.element === path;
  };
  const isOpen = selection === null || !("place" in selection) || lineage.some((e) => e.segment !== undefined && touches(e, selection.place));
  return (
    <details open class={isOpen ? "made" : "made dim"}>
      <summary>
        <strong>{resource.type}</strong> <span>{resource.title}</span>
        <span class="quiet"> version {resource.version}</span>
        <a class="quiet" href={resource.type === "Patient" ? link.person(resource.id) : link.resource(resource.type, resource.id)}>open</a>
      </summary>
      <JsonView value={resource.resource} marks={{
        lit: isLit,
        isKnown: (path) => lineage.some((e) => isElementWithin(e.element, path)),
        hover: (path) => hover(path === null ? null : { resource: index, element: path }),
        pick: (path) => pick({ resource: index, element: path }),
      }} />
    </details>
  );
}

/** Each note once, with how often it came: a field that every OBX has is one thing to tell. */
function grouped(notes: string[]): [string, number][] {
  const counts = new Map<string, number>();
  for (const note of notes) counts.set(note, (counts.get(note) ?? 0) + 1);
  return [...counts];
}

function Facts({ message }: { message: MessageData }) {
  return (
    <header class="banner">
      <div>
        <h1><span class="mono">{[message.type, message.event].filter(Boolean).join("^") || "Message"}</span> <span class="quiet">#{message.number}</span></h1>
        <p class="facts">
          <StatusBadge status={message.status} /><SourceBadge source={message.sender} />
          <span>{formatDateTime(message.received)}</span><span class="quiet">{message.channel}</span>
          <span class="quiet mono">{message.controlId}</span>{message.version && <span class="quiet">v{message.version}</span>}
          <span class="quiet">{formatBytes(message.bytes)}</span>
        </p>
        {message.status !== "accepted" && message.reason && <p class="reason">{message.reason}</p>}
      </div>
    </header>
  );
}

export function Message({ number }: { number: number }) {
  const loaded = useLoad(String(number), (signal) => api.message(number, signal));
  const [hovered, setHovered] = useState<Selection>(null);
  const [held, setHeld] = useState<Selection>(null);
  useEffect(() => {
    const release = (event: KeyboardEvent) => event.key === "Escape" && setHeld(null);
    addEventListener("keydown", release);
    return () => removeEventListener("keydown", release);
  }, []);
  const selection = hovered ?? held;
  const used = useMemo(() => (loaded.value?.resources ?? []).flatMap((r) => r.lineage.filter((e) => e.segment !== undefined)), [loaded.value]);

  if (!loaded.value) return loaded.error ? <Failure of={loaded} /> : <Skeleton lines={14} />;
  const message: MessageData = { ...loaded.value, resources: byInterest(loaded.value.resources) };
  const holdPlace = (place: Required<Place>) => {
    setHeld({ place });
    reveal(".json .lit");
  };
  const holdElement = (selected: Selection) => {
    setHeld(selected);
    reveal(".raw .lit");
  };
  const delimiters = message.delimiters ?? { field: "|", component: "^", repetition: "~", escape: "\\", subcomponent: "&" };
  const isLitPlace = (place: Required<Place>) => {
    if (!selection) return false;
    if ("place" in selection) return touches(selection.place, place) && touches(place, selection.place);
    return message.resources[selection.resource].lineage.some((e) => e.segment !== undefined && isElementWithin(e.element, selection.element) && touches(e, place));
  };
  return (
    <article class="message">
      <Facts message={message} />
      <Explanation selection={selection} message={message} />
      <div class="sides">
        <section class="card raw" aria-label="The message as it was received" onMouseLeave={() => setHovered(null)}>
          <h2>Received</h2>
          {message.segments.length > 0
            ? message.segments.map((segment, i) => (
              <Segment key={i} segment={segment} index={i} delimiters={delimiters} isLit={isLitPlace}
                isUsed={(place) => used.some((e) => touches(e, place))}
                hover={(place) => setHovered(place && { place })} pick={holdPlace} />
            ))
            : <pre class="bytes">{message.raw}</pre>}
        </section>
        <section class="card" aria-label="The FHIR resources made of it">
          <h2>Became</h2>
          {message.resources.length === 0 && <Empty>No resource was made of this message.</Empty>}
          {message.resources.map((resource, i) => (
            <Made key={resource.type + resource.id} resource={resource} index={i} selection={selection} hover={setHovered} pick={holdElement} />
          ))}
        </section>
      </div>
      {message.notes && message.notes.length > 0 && (
        <section class="card">
          <h2>Not carried over</h2>
          <ul class="notes">
            {grouped(message.notes).map(([note, n]) => <li key={note}>{note}{n > 1 && <span> ({n} times)</span>}</li>)}
          </ul>
        </section>
      )}
      {message.reply && (
        <section class="card">
          <h2>Answered</h2>
          <pre class="bytes">{message.reply.replace(/\r/g, "\n")}</pre>
        </section>
      )}
    </article>
  );
}
