// One page per person: who, known as what to whom, what matters at a glance, and the timeline.
import { api, type Identifier, type Person as PersonData, type TimelineEntry } from "./api";
import { age, formatDate, shortSystem } from "./format";
import { link } from "./router";
import { Timeline } from "./timeline";
import { Failure, Skeleton, SourceBadge, useLoad } from "./ui";

function Banner({ person }: { person: PersonData }) {
  const otherNames = (person.names ?? []).filter((n) => n.text !== person.name);
  return (
    <header class="banner">
      <div>
        <h1>{person.name || "Name not known"}</h1>
        <p class="facts">
          {person.birthDate && <span>born {formatDate(person.birthDate)}{!person.deceased && <> <strong>{age(person.birthDate)}</strong></>}</span>}
          {person.gender && <span>{person.gender}</span>}
          {person.deceased && <span class="badge quiet">deceased</span>}
          {person.maritalStatus && <span>{person.maritalStatus}</span>}
          {person.language && <span>{person.language}</span>}
        </p>
        {otherNames.length > 0 && <p class="quiet">also {otherNames.map((n) => n.text).join(" · ")}</p>}
        {person.links?.map((l) => (
          <p class="quiet" key={l.id}>
            {l.type === "replaced-by" ? "Merged into " : l.type === "replaces" ? "Merged from " : "See also "}
            <a href={link.person(l.id)}>{l.id.slice(0, 8)}</a>
          </p>
        ))}
      </div>
      <a class="button" href={link.resource("Patient", person.id)}>Explain this record</a>
    </header>
  );
}

function Identifiers({ person }: { person: PersonData }) {
  const systems = new Map<string, Identifier[]>();
  for (const i of person.identifiers ?? []) systems.set(i.system ?? "", [...(systems.get(i.system ?? "") ?? []), i]);
  const isOld = (i: Identifier) => Number(i.use === "old");
  return (
    <section class="card">
      <h2>Known as</h2>
      {[...systems].map(([system, list]) => (
        <div class="known-as" key={system}>
          <div class="quiet" title={system}>{shortSystem(system) || "Nobody said whose number"}</div>
          {[...list].sort((a, b) => isOld(a) - isOld(b)).map((i) => (
            <div class="number-of" key={i.value}>
              <span class={isOld(i) ? "mono old" : "mono"}>{i.value}</span>
              {i.type && <span class="quiet">{i.type}</span>}
              {isOld(i) > 0 && <span class="badge quiet" title="This number belonged to a record that was merged into this one">merged</span>}
              <span class="said-by">{i.sources?.map((s) => <SourceBadge key={s} source={s} />)}</span>
            </div>
          ))}
        </div>
      ))}
    </section>
  );
}

function Contact({ person }: { person: PersonData }) {
  if (!person.telecom?.length && !person.addresses?.length) return null;
  return (
    <section class="card">
      <h2>Contact</h2>
      {person.addresses?.map((a) => <p key={a}>{a}</p>)}
      {person.telecom?.map((t) => <p key={t.value}>{t.value} <span class="quiet">{[t.use, t.system].filter(Boolean).join(" ")}</span></p>)}
    </section>
  );
}

/** What a clinician must not miss, each thing once. */
function Glance({ title, entries, empty }: { title: string; entries: TimelineEntry[]; empty: string }) {
  const seen = new Map<string, TimelineEntry>();
  const sources = new Map<string, Set<string>>();
  for (const entry of entries) {
    const name = (entry.title ?? entry.id).toLocaleLowerCase();
    if (!seen.has(name)) seen.set(name, entry);
    if (entry.source) sources.set(name, (sources.get(name) ?? new Set()).add(entry.source));
  }
  return (
    <section class="card">
      <h2>{title}</h2>
      {seen.size === 0 && <p class="quiet">{empty}</p>}
      <ul class="glance">
        {[...seen].slice(0, 8).map(([name, entry]) => (
          <li key={entry.id}>
            <a href={link.resource(entry.type, entry.id)}>{entry.title || entry.type}</a>
            <span class="quiet">{[entry.detail, entry.status, formatDate(entry.date)].filter(Boolean).join(", ")}</span>
            {[...(sources.get(name) ?? [])].map((source) => <SourceBadge key={source} source={source} />)}
          </li>
        ))}
      </ul>
      {seen.size > 8 && <p class="quiet">and {seen.size - 8} more in the timeline</p>}
    </section>
  );
}

export function Person({ id }: { id: string }) {
  const person = useLoad(id, (signal) => api.person(id, signal), 10000);
  if (!person.value) return person.error ? <Failure of={person} /> : <Skeleton lines={12} />;
  const p = person.value;
  const of = (kind: string) => p.timeline.filter((entry) => entry.kind === kind);
  return (
    <article class="person">
      <Banner person={p} />
      <div class="columns">
        <aside>
          <Glance title="Allergies" entries={of("allergy")} empty="None recorded" />
          <Glance title="Problems" entries={of("problem")} empty="None recorded" />
          <Glance title="Medications" entries={of("medication")} empty="None recorded" />
          <Glance title="Appointments" entries={of("appointment")} empty="None" />
          <Identifiers person={p} />
          <Contact person={p} />
        </aside>
        <Timeline entries={p.timeline} more={p.more} />
      </div>
    </article>
  );
}
