/**
 * Server-sent events with a state that people can see, resumed where they broke off.
 *
 * The one thing to know: this reads the stream itself and uses no EventSource, because a refusal
 * has a body (where a query does not parse) and because a reader that stops reading slows its
 * server down. The last id goes back as `Last-Event-ID`, so nothing is missed or told twice.
 */

import { Failure } from "./api.js";

/** Between two attempts; doubled each time. */
const RETRY_MS_MIN = 250;
const RETRY_MS_MAX = 5000;

/** Comments and metas come each 2 s; after so long without any the connection is given up. */
const SILENCE_MS_MAX = 15000;

/**
 * Opens a stream and keeps it open until `close()` of what is returned.
 * - `onEvent({name, data, id})` for each event; `data` is text, for whoever needs it decodes it
 * - `onState({state, wait_ms, failure, attempts})` when it changes: `connecting`, `live`,
 *   `reconnecting`, `ended` (there is nothing more to come), `refused` (asking again is of no use)
 * - `isEnd(event)`: whether the stream is over with this event
 */
export function openStream(url, { onEvent, onState, isEnd = () => false, lastId = "" }) {
  const stopping = new AbortController();
  const stream = { lastId, close: () => stopping.abort() };
  follow(stream, url, { onEvent, onState, isEnd, stopping });
  return stream;
}

async function follow(stream, url, { onEvent, onState, isEnd, stopping }) {
  let attempts = 0;
  let retry_ms = RETRY_MS_MIN;
  while (!stopping.signal.aborted) {
    onState({ state: attempts ? "reconnecting" : "connecting", wait_ms: 0, attempts });
    try {
      const isOver = await readOnce(stream, url, stopping, {
        onOpen: () => onState({ state: "live", wait_ms: 0, attempts }),
        onEvent: (event) => {
          retry_ms = RETRY_MS_MIN;
          attempts = 0;
          onEvent(event);
          return isEnd(event);
        },
      });
      if (isOver) return void onState({ state: "ended", wait_ms: 0, attempts });
    } catch (error) {
      if (stopping.signal.aborted) return;
      if (error instanceof Failure && !isWorthAnother(error)) {
        return void onState({ state: "refused", wait_ms: 0, attempts, failure: error });
      }
    }
    if (stopping.signal.aborted) return;
    attempts += 1;
    onState({ state: "reconnecting", wait_ms: retry_ms, attempts });
    await pause(retry_ms, stopping.signal);
    retry_ms = Math.min(RETRY_MS_MAX, retry_ms * 2);
  }
}

/** One connection; true where the stream said that it is over. */
async function readOnce(stream, url, stopping, { onOpen, onEvent }) {
  const silence = new AbortController();
  let watch = setTimeout(() => silence.abort(), SILENCE_MS_MAX);
  const headers = { Accept: "text/event-stream" };
  if (stream.lastId) headers["Last-Event-ID"] = stream.lastId;
  try {
    const answer = await fetch(url, {
      headers,
      signal: AbortSignal.any([stopping.signal, silence.signal]),
      credentials: "same-origin",
      cache: "no-store",
    });
    if (!answer.ok) throw await refusal(answer);
    onOpen();
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return false;
      clearTimeout(watch);
      watch = setTimeout(() => silence.abort(), SILENCE_MS_MAX);
      const blocks = (rest + value.replaceAll("\r", "")).split("\n\n");
      rest = blocks.pop();
      for (const block of blocks) {
        const event = eventOf(block);
        if (event === null) continue;
        if (event.id) stream.lastId = event.id;
        if (onEvent(event)) return true;
      }
    }
  } finally {
    clearTimeout(watch);
  }
}

/** The event of a block of lines; null of a comment. */
export function eventOf(block) {
  let name = "message";
  let id = "";
  let data = null;
  for (const line of block.split("\n")) {
    if (line.startsWith(":")) continue;
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(line[colon + 1] === " " ? colon + 2 : colon + 1);
    if (field === "data") data = data === null ? value : `${data}\n${value}`;
    else if (field === "event") name = value;
    else if (field === "id") id = value;
  }
  return data === null && !id ? null : { name, id, data: data ?? "" };
}

async function refusal(answer) {
  const text = await answer.text();
  let problem = null;
  try {
    problem = JSON.parse(text);
  } catch {
    // Plain text, of a server in front of the one that was asked.
  }
  return new Failure(problem?.message || text.trim().slice(0, 300) || `Status ${answer.status}.`, {
    remedy: problem?.errorDetails || problem?.remedy || "",
    faults: problem?.faults ?? [],
    status: answer.status,
    problem,
  });
}

/** A busy or restarting server is asked again; what it refuses for good is not. */
const isWorthAnother = (failure) => failure.status >= 500 || failure.status === 429;

function pause(wait_ms, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, wait_ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
