// The message log: what came in, what was said in return.
import { useEffect, useState } from "preact/hooks";
import { api, type MessageRow } from "./api";
import { formatBytes, formatDateTime } from "./format";
import { link, replaceParameters } from "./router";
import { Empty, Failure, LinkList, Skeleton, SourceBadge, StatusBadge, useLoad, useSettled } from "./ui";

function Row({ message }: { message: MessageRow }) {
  return (
    <li>
      <a class="row message-row" href={link.message(message.number)}>
        <span class="quiet number">{message.number}</span>
        <span class="when">{formatDateTime(message.received)}</span>
        <SourceBadge source={message.sender} />
        <strong class="mono">{[message.type, message.event].filter(Boolean).join("^") || "not readable"}</strong>
        <span class="quiet mono patient">{message.patient}</span>
        <span class="quiet mono control">{message.controlId}</span>
        <span class="quiet size">{formatBytes(message.bytes)}</span>
        <StatusBadge status={message.status} />
        {message.status !== "accepted" && message.reason && <span class="reason">{message.reason}</span>}
      </a>
    </li>
  );
}

const statuses = ["", "accepted", "rejected", "error"];

export function Messages({ initialText, initialStatus }: { initialText: string; initialStatus: string }) {
  const [text, setText] = useState(initialText);
  const [status, setStatus] = useState(initialStatus);
  const [before, setBefore] = useState<number | undefined>(undefined);
  const settled = useSettled(text.trim(), 150);
  useEffect(() => {
    replaceParameters("messages", { text: settled, status });
    setBefore(undefined);
  }, [settled, status]);
  const found = useLoad(`${settled} ${status} ${before ?? ""}`, (signal) => api.messages(settled, status, before, signal), before ? 0 : 5000);
  return (
    <>
      <div class="search">
        <input type="search" value={text} placeholder="Sender, type, control id or patient" aria-label="Search messages" autocomplete="off"
          spellcheck={false} onInput={(event) => setText(event.currentTarget.value)} />
        <kbd class="hint" aria-hidden="true">/</kbd>
      </div>
      <div class="filters">
        {statuses.map((s) => <button key={s} class="chip" aria-pressed={status === s} onClick={() => setStatus(s)}>{s || "all"}</button>)}
      </div>
      <Failure of={found} />
      {!found.value && found.isLoading && <Skeleton lines={8} />}
      {found.value && found.value.messages.length === 0 && <Empty>{settled || status ? "No message matches." : "No message has come in yet."}</Empty>}
      {found.value && found.value.messages.length > 0 && (
        <LinkList label="Messages">{found.value.messages.map((message) => <Row key={message.number} message={message} />)}</LinkList>
      )}
      <p class="pager">
        {before !== undefined && <button onClick={() => setBefore(undefined)}>Newest</button>}
        {found.value?.next ? <button onClick={() => setBefore(found.value!.next)}>Older</button> : null}
      </p>
    </>
  );
}
