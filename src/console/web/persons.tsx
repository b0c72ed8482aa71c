// The start: find a person.
import { useEffect, useRef, useState } from "preact/hooks";
import { api, type PersonRow } from "./api";
import { age, ago, formatDate, shortSystem } from "./format";
import { link, replaceParameters } from "./router";
import { Empty, Failure, LinkList, Skeleton, useLoad, useSettled } from "./ui";

function Row({ person }: { person: PersonRow }) {
  const current = (person.identifiers ?? []).filter((i) => i.use !== "old");
  const shown = current.slice(0, 3);
  return (
    <li>
      <a class="row person-row" href={link.person(person.id)}>
        <span class="main">
          <strong>{person.name || "Name not known"}</strong>
          {person.deceased && <span class="badge quiet">deceased</span>}
          {person.replacedBy && <span class="badge quiet">merged into another</span>}
        </span>
        <span class="born">
          {person.birthDate ? <>{formatDate(person.birthDate)} <span class="quiet">{person.deceased ? "" : age(person.birthDate)}</span></> : <span class="quiet">birth date not known</span>}
          {person.gender && <span class="quiet"> {person.gender}</span>}
        </span>
        <span class="ids">
          {shown.map((i) => (
            <span class="id" key={(i.system ?? "") + i.value} title={i.system}><span class="quiet">{shortSystem(i.system) || i.type}</span> {i.value}</span>
          ))}
          {current.length > shown.length && <span class="quiet">+{current.length - shown.length}</span>}
        </span>
        <span class="when quiet">{ago(person.lastUpdated)}</span>
      </a>
    </li>
  );
}

export function Persons({ initial }: { initial: string }) {
  const [text, setText] = useState(initial);
  const settled = useSettled(text.trim(), 120);
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => input.current?.focus(), []);
  useEffect(() => replaceParameters("", { text: settled }), [settled]);
  const found = useLoad(settled, (signal) => api.persons(settled, 50, signal), settled ? 0 : 5000);
  return (
    <>
      <div class="search hero">
        <input ref={input} type="search" value={text} placeholder="Name, number or birth date" aria-label="Find a person"
          autocomplete="off" spellcheck={false} onInput={(event) => setText(event.currentTarget.value)} />
        <kbd class="hint" aria-hidden="true">/</kbd>
      </div>
      <h1 class="section">{settled ? "Found" : "Changed last"}</h1>
      <Failure of={found} />
      {!found.value && found.isLoading && <Skeleton lines={6} />}
      {found.value && found.value.persons.length === 0 && (
        settled
          ? <Empty>Nobody matches “{settled}”. Try fewer letters, an identifier, or a birth date such as 1980-02-17.</Empty>
          : <Empty>Nobody is known yet. Send an HL7 message to the MLLP port or a Patient to /fhir, and they show up here.</Empty>
      )}
      {found.value && found.value.persons.length > 0 && (
        <LinkList label="Persons">{found.value.persons.map((person) => <Row key={person.id} person={person} />)}</LinkList>
      )}
      {found.value?.more && <p class="quiet more">More match: type on to narrow it down.</p>}
    </>
  );
}
