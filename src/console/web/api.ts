// The administration API (docs/admin-api.md): types and calls.

export interface Figures {
  version: string;
  uptimeSeconds: number;
  resources: Record<string, number>;
  resourcesTotal: number;
  versions: number;
  messages: number;
  commits: number;
  processes: number;
  queue: number;
  fileBytes: number;
  rssBytes: number;
}

export interface Process {
  name: string;
  version: string;
  started: string;
  seenSecondsAgo: number;
  isAlive: boolean;
  hasBackground: boolean;
  sameConfiguration?: boolean;
  isThis: boolean;
}

export interface Job {
  number: number;
  kind: string;
  state: string;
  created: string;
  updated: string;
  done: number;
  total?: number;
  process?: string;
}

/** What is below `commits` is left out while the store can't be reached. */
export interface System {
  version: string;
  now: string;
  started: string;
  store: {
    engine: "sqlite" | "postgresql";
    path: string;
    isReachable: boolean;
    reason?: string;
    since?: string;
    engineVersion?: string;
    schemaVersion?: number;
    isDistributed?: boolean;
    dataBytes?: number;
    logBytes?: number;
    freeBytes?: number;
    roundTripMs?: number | ExactNumber;
    server?: {
      host?: string;
      port?: string;
      database: string;
      schema: string;
      role: "primary" | "standby";
      isEncrypted: boolean;
      standbys: number;
      waitsForStandbys: boolean;
      synchronousCommit?: string;
      fsync?: string;
      fullPageWrites?: string;
    };
  };
  warnings: { code: string; text: string }[];
  commits: { waiting: number; measured: number; medianMs?: number | ExactNumber; longestMs?: number | ExactNumber; refusedSince?: string };
  content?: { resources: number; versions: number; messages: number; commits: number; lastCommit?: string };
  background?: {
    words: { changes: number; indexed: number };
    dictionaries: number;
    jobsUnfinished: number;
    jobsFailed: number;
    jobs: Job[];
  };
  processes?: Process[];
}

export interface Identifier {
  system?: string;
  value: string;
  type?: string;
  use?: string;
  sources?: string[];
}

export interface PersonRow {
  id: string;
  name?: string;
  birthDate?: string;
  gender?: string;
  deceased?: boolean;
  active?: boolean;
  identifiers?: Identifier[];
  lastUpdated: string;
  replacedBy?: string;
}

export type Kind =
  | "encounter" | "result" | "report" | "problem" | "medication" | "allergy"
  | "immunization" | "appointment" | "document" | "procedure" | "order";

export interface TimelineEntry {
  kind: Kind;
  type: string;
  id: string;
  version?: number;
  date?: string;
  end?: string;
  title?: string;
  value?: string;
  unit?: string;
  range?: string;
  flag?: string;
  status?: string;
  detail?: string;
  code?: { system?: string; code?: string };
  encounter?: string;
  results?: string[];
  order?: string;
  place?: string;
  source?: string;
  message?: number;
}

export interface Person extends PersonRow {
  version: number;
  names?: { text: string; use?: string }[];
  telecom?: { system?: string; value: string; use?: string }[];
  addresses?: string[];
  maritalStatus?: string;
  language?: string;
  links?: { id: string; type: string }[];
  sources?: string[];
  timeline: TimelineEntry[];
  more: boolean;
}

export type MessageStatus = "accepted" | "rejected" | "error";

export interface MessageRow {
  number: number;
  received: string;
  channel: string;
  sender?: string;
  controlId?: string;
  type?: string;
  event?: string;
  version?: string;
  patient?: string;
  status: MessageStatus;
  reason?: string;
  bytes: number;
}

export interface Place {
  segment?: number;
  field: number;
  repetition: number;
  component: number;
  subcomponent: number;
}

export interface LineageEntry extends Place {
  element: string;
  file?: string;
  line?: number;
}

export interface MessageField {
  number: number;
  name?: string;
  dataType?: string;
  text: string;
}

export interface MessageSegment {
  name: string;
  title?: string;
  fields: MessageField[];
}

export interface Delimiters {
  field: string;
  component: string;
  repetition: string;
  escape: string;
  subcomponent: string;
}

export interface MadeResource {
  type: string;
  id: string;
  version: number;
  title?: string;
  resource: Json;
  lineage: LineageEntry[];
}

export interface Message extends MessageRow {
  raw: string;
  reply?: string;
  notes?: string[];
  delimiters?: Delimiters;
  segments: MessageSegment[];
  resources: MadeResource[];
}

export interface ExplainedElement extends LineageEntry {
  message?: number;
  sender?: string;
  received?: string;
  segmentName?: string;
  version: number;
}

export interface Explanation {
  resource: Json;
  elements: ExplainedElement[];
  versions: { version: number; updated: string; message?: number; sender?: string }[];
}

export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

export class ApiError extends Error {
  /** `since`: when it began, where the server knows. */
  constructor(readonly status: number, message: string, readonly since?: string) {
    super(message);
  }

  /** It will pass without anybody doing anything here: nobody answers, or the store is away. */
  get isPassing(): boolean {
    return this.status === 0 || (this.status >= 502 && this.status <= 504);
  }
}

async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  let response: Response;
  try {
    response = await fetch(path, { signal, headers: { accept: "application/json" } });
  } catch (cause) {
    if (signal?.aborted) throw cause;
    throw new ApiError(0, "The server does not answer.");
  }
  // Decimals must show as they were written (1.50), so numbers are kept as text where the browser can.
  const text = await response.text().catch(() => "");
  if (!response.ok) throw failure(response.status, text);
  return parseExact(text) as T;
}

/** What is in front of the server (a balancer) may answer in a language of its own. */
function failure(status: number, text: string): ApiError {
  let error: { text?: string; since?: string } | undefined;
  try {
    error = (JSON.parse(text) as { error?: { text?: string; since?: string } } | null)?.error;
  } catch {
    // no JSON
  }
  return new ApiError(status, error?.text ?? `The server answered ${status}.`, error?.since);
}

/** A JSON number that is not the same when written again, kept as it came. */
export class ExactNumber {
  constructor(readonly text: string) {}
}

type Reviver = (this: unknown, key: string, value: unknown, context?: { source?: string }) => unknown;

function parseExact(text: string): unknown {
  const revive: Reviver = (_key, value, context) =>
    typeof value === "number" && context?.source !== undefined && context.source !== String(value)
      ? new ExactNumber(context.source)
      : value;
  return JSON.parse(text || "null", revive as Parameters<typeof JSON.parse>[1]);
}

function query(parameters: Record<string, string | number | undefined>): string {
  const pairs = Object.entries(parameters).filter(([, value]) => value !== undefined && value !== "");
  return pairs.length ? "?" + new URLSearchParams(pairs.map(([name, value]) => [name, String(value)])).toString() : "";
}

export const api = {
  figures: (signal?: AbortSignal) => get<Figures>("/api/figures", signal),
  system: (signal?: AbortSignal) => get<System>("/api/system", signal),
  persons: (text: string, count: number, signal?: AbortSignal) =>
    get<{ persons: PersonRow[]; more: boolean }>("/api/persons" + query({ text, count }), signal),
  person: (id: string, signal?: AbortSignal) => get<Person>(`/api/persons/${encodeURIComponent(id)}`, signal),
  messages: (text: string, status: string, before: number | undefined, signal?: AbortSignal) =>
    get<{ messages: MessageRow[]; next?: number }>("/api/messages" + query({ text, status, before, count: 50 }), signal),
  message: (number: number, signal?: AbortSignal) => get<Message>(`/api/messages/${number}`, signal),
  explain: (type: string, id: string, signal?: AbortSignal) =>
    get<Explanation>(`/api/resources/${type}/${encodeURIComponent(id)}/explain`, signal),
};
