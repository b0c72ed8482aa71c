// What the program runs on, who shares it, what goes on behind the requests; also while the store is away.
import { useRef } from "preact/hooks";
import { api, type Job, type Process, type System as SystemData } from "./api";
import { ago, formatBytes, formatCount, formatDateTime, formatClock, formatDuration, formatMs, formatSince } from "./format";
import { Badge, Failure, Pairs, Skeleton, useLoad } from "./ui";

type Store = SystemData["store"];
type Server = NonNullable<Store["server"]>;

function engineName(store: Store): string {
  return [store.engine === "sqlite" ? "SQLite" : "PostgreSQL", store.engineVersion].filter(Boolean).join(" ");
}

const isSocket = (server: Server) => !server.host || /^[/@]/.test(server.host);

/** The folder of a socket, or a host with its port. */
function place(server: Server): string {
  return isSocket(server) ? `${server.host ?? "socket"} (socket)` : server.host + (server.port ? `:${server.port}` : "");
}

function standbys(server: Server): string {
  if (server.standbys === 0) return server.waitsForStandbys ? "none is connected, and commits wait for one" : "none";
  return `${formatCount(server.standbys)} connected` + (server.waitsForStandbys ? ", commits wait for them" : ", commits don't wait for them");
}

function durability(server: Server): string {
  const settings = [["fsync", server.fsync], ["full_page_writes", server.fullPageWrites], ["synchronous_commit", server.synchronousCommit]];
  return settings.filter(([, value]) => value).map(([name, value]) => `${name} ${value}`).join(", ");
}

function StoreCard({ store }: { store: Store }) {
  const server = store.server;
  return (
    <section class="card">
      <h2>Store</h2>
      <Pairs pairs={[
        ["Engine", <strong>{engineName(store)}</strong>],
        ["State", store.isReachable
          ? <><Badge kind="good">reachable</Badge>{store.roundTripMs !== undefined && <> {formatMs(store.roundTripMs)} for a round trip</>}</>
          : <><Badge kind="bad">not reachable</Badge>{store.since && <> since {formatSince(store.since)}</>}</>],
        ["Reason", !store.isReachable && !store.since && store.reason],
        ["File", store.engine === "sqlite" && <span class="mono">{store.path}</span>],
        ["Address", store.engine === "postgresql" && !server && <span class="mono">{store.path}</span>],
        ["Server", server && <span class="mono">{place(server)}</span>],
        ["Database", server && <><span class="mono">{server.database}</span>, schema <span class="mono">{server.schema}</span></>],
        ["Role", server && (server.role === "primary" ? "primary" : "standby, takes no changes")],
        ["Connection", server && (server.isEncrypted ? "encrypted (TLS)" : isSocket(server) ? "within this machine" : "not encrypted")],
        ["Durability", server ? durability(server) : store.engine === "sqlite" && store.isReachable && "each commit is on disk before it is acknowledged"],
        ["Standbys", server && standbys(server)],
        ["Data", store.dataBytes !== undefined && formatBytes(store.dataBytes)],
        ["Log", store.logBytes !== undefined && <>{formatBytes(store.logBytes)} <span class="quiet">not yet moved into the file, or free to be used again</span></>],
        ["Free", store.freeBytes !== undefined && <>{formatBytes(store.freeBytes)} <span class="quiet">on its disk</span></>],
        ["Tables", store.schemaVersion !== undefined && `version ${store.schemaVersion}, ${store.isDistributed ? "distributed over several machines" : "not distributed"}`],
      ]} />
    </section>
  );
}

function CommitsCard({ content, commits }: { content: NonNullable<SystemData["content"]>; commits: SystemData["commits"] }) {
  return (
    <section class="card">
      <h2>Commits</h2>
      <Pairs pairs={[
        ["Last", content.lastCommit ? <><strong>{ago(content.lastCommit)}</strong> <span class="quiet">{formatDateTime(content.lastCommit)}, number {formatCount(content.commits)}</span></> : "none yet"],
        ["Refused", commits.refusedSince && <span class="bad">since {formatSince(commits.refusedSince)}</span>],
        ["One takes", commits.medianMs === undefined || commits.longestMs === undefined ? <span class="quiet">nothing was stored by this process in the last minute</span>
          : <>{formatMs(commits.medianMs)} <span class="quiet">median, {formatMs(commits.longestMs)} longest; this process, last minute</span></>],
        ["Waiting", commits.waiting ? `${formatCount(commits.waiting)} changes wait to be stored` : "none"],
        ["Resources", <>{formatCount(content.resources)} <span class="quiet">in {formatCount(content.versions)} versions</span></>],
        ["Messages", formatCount(content.messages)],
      ]} />
    </section>
  );
}

const JOBS_SHOWN = 8;
const jobNames: Record<string, string> = { reindex: "Index again ($reindex)", async: "Asynchronous request" };

function JobRow({ job }: { job: Job }) {
  const name = jobNames[job.kind] ?? job.kind;
  return (
    <li>
      <div><strong>{name}</strong> <span class="quiet">number {job.number}</span> <Badge>{job.state}</Badge></div>
      {job.total !== undefined && job.state === "running" && <progress value={job.done} max={job.total} aria-label={`${name} ${job.number}`} />}
      <div class="quiet">
        {job.total !== undefined && job.state === "running" && <>{formatCount(job.done)} of {formatCount(job.total)}, </>}
        asked for {ago(job.created)}{job.process && <>, done by <span class="mono">{job.process}</span></>}
      </div>
    </li>
  );
}

function BackgroundCard({ background, processes }: { background: NonNullable<SystemData["background"]>; processes: Process[] }) {
  const holder = processes.find((p) => p.hasBackground);
  const behind = Math.max(0, background.words.changes - background.words.indexed);
  const jobs = [...background.jobs].sort((a, b) => Number(b.state === "running") - Number(a.state === "running")).slice(0, JOBS_SHOWN);
  const hidden = background.jobsUnfinished - jobs.length;
  return (
    <section class="card">
      <h2>Work in the background</h2>
      <Pairs pairs={[
        ["Done by", holder ? <span class="mono">{holder.name}</span> : "nobody at the moment; a process takes it over when the lease of the one before has ended"],
        ["Index of words", behind === 0 ? "has every change" : <><strong>{formatCount(behind)}</strong> {behind === 1 ? "change" : "changes"} behind</>],
        ["Dictionaries", background.dictionaries === 0 ? "none yet" : `${formatCount(background.dictionaries)} for compression`],
        ["Jobs", background.jobsUnfinished === 0 ? "none waits or runs" : `${formatCount(background.jobsUnfinished)} not finished`],
        ["Failed jobs", background.jobsFailed > 0 && <span class="bad">{formatCount(background.jobsFailed)}</span>],
      ]} />
      {jobs.length > 0 && <ul class="jobs" aria-label="Jobs">{jobs.map((job) => <JobRow key={job.number} job={job} />)}</ul>}
      {hidden > 0 && <p class="quiet">and {formatCount(hidden)} more</p>}
    </section>
  );
}

function ProcessRow({ process }: { process: Process }) {
  return (
    <tr class={process.isAlive ? undefined : "gone"}>
      <th scope="row" class="mono">{process.name}</th>
      <td>
        {process.isAlive ? <Badge kind="good">alive</Badge> : <Badge kind="bad">gone</Badge>}
        {process.isThis && <> <Badge>this one</Badge></>}
        {process.isAlive && process.hasBackground && <> <Badge>background</Badge></>}
        {process.isAlive && process.sameConfiguration === false && <> <Badge kind="warn">other configuration</Badge></>}
      </td>
      <td>{process.isThis ? "now" : `${formatDuration(process.seenSecondsAgo)} ago`}</td>
      <td>{formatDateTime(process.started)}</td>
      <td>{process.version}</td>
    </tr>
  );
}

function ProcessesCard({ processes, engine }: { processes: Process[]; engine: Store["engine"] }) {
  return (
    <section class="card">
      <h2 id="processes">Processes that share the store</h2>
      <table class="plain listed" aria-labelledby="processes">
        <thead><tr><th scope="col">Name</th><th scope="col">State</th><th scope="col">Seen</th><th scope="col">Started</th><th scope="col">Version</th></tr></thead>
        <tbody>{processes.map((p) => <ProcessRow key={p.name + p.started} process={p} />)}</tbody>
      </table>
      {engine === "sqlite" && <p class="quiet">A file belongs to one process. Several can share a store on PostgreSQL.</p>}
    </section>
  );
}

export function System() {
  const loaded = useLoad("system", (signal) => api.system(signal), 2000);
  const last = useRef<SystemData>(); // of the time when the store could be reached
  if (loaded.value?.store.isReachable) last.current = loaded.value;
  if (!loaded.value) return loaded.error ? <Failure of={loaded} /> : <Skeleton lines={14} />;
  const now = loaded.value;
  const shown = last.current ?? now;
  const isOld = loaded.error !== undefined || !now.store.isReachable;
  return (
    <article class="system">
      <header class="banner">
        <div>
          <h1>System</h1>
          <p class="facts">
            <span>Callosum {now.version}</span>
            <span class="quiet">started {formatDateTime(now.started)}</span>
            {isOld && shown.content && <span>What is framed by dashes is as it was at {formatClock(shown.now)}, when the store answered last.</span>}
          </p>
        </div>
      </header>
      {now.warnings.length > 0 && (
        <ul class="warnings" aria-label="Warnings">{now.warnings.map((w) => <li key={w.code + w.text}>{w.text}</li>)}</ul>
      )}
      <div class="cards">
        <StoreCard store={now.store.isReachable || !last.current ? now.store : { ...now.store, engineVersion: last.current.store.engineVersion }} />
        {shown.content && <div class={isOld ? "old-state" : undefined}>
          <CommitsCard content={shown.content} commits={now.commits} />
          {shown.background && <BackgroundCard background={shown.background} processes={shown.processes ?? []} />}
        </div>}
      </div>
      {shown.processes && <div class={isOld ? "old-state" : undefined}><ProcessesCard processes={shown.processes} engine={now.store.engine} /></div>}
    </article>
  );
}
