/**
 * Questions to the REST API, with a deadline, and errors as sentences.
 *
 * The one thing to know: whatever goes wrong comes out as one `Failure` with a sentence, a remedy
 * and faults by field, so a view shows it and never has to look at a status.
 */

/** An instant may have to be rebuilt from a snapshot; the time machine itself gives up at 25 s. */
const TIMEOUT_MS = 30000;

/** What went wrong, for people: what happened, what to do, and where in a body or a query. */
export class Failure extends Error {
  constructor(message, { remedy = "", faults = [], status = 0, problem = null } = {}) {
    super(message);
    this.name = "Failure";
    this.remedy = remedy;
    this.faults = faults;
    this.status = status;
    this.problem = problem;
  }
}

const listeners = new Set();
const strangers = new Set();

/** What another origin's page cannot send: a write by a cookie needs it. */
export const OURS = { "X-Flumina-Console": "1" };

/** Calls `listener()` after each answer that says that nobody is known here to ask. */
export function onNobody(listener) {
  strangers.add(listener);
}

/** Calls `listener(headers, isReached)` after each answer, and after each that did not come. */
export function onAnswer(listener) {
  listeners.add(listener);
}

/** The decoded JSON that a GET of `path` answers; raises `Failure`. */
export async function get(path, parameters = {}, { signal, timeout_ms = TIMEOUT_MS } = {}) {
  return (await sent("GET", path, parameters, { signal, timeout_ms })).content;
}

/** The text that a GET of `path` answers, for what is no JSON; raises `Failure`. */
export async function getText(path, parameters = {}, { signal, timeout_ms = TIMEOUT_MS } = {}) {
  const options = { signal, timeout_ms, isText: true };
  return (await sent("GET", path, parameters, options)).content;
}

/**
 * The answer `{status, content}` to something that changes the cell; raises `Failure`.
 * `actor` says who asks, `version` makes it hold only for that version.
 */
export async function change(method, path, { parameters = {}, body, actor, version } = {}) {
  const headers = {};
  // A header is Latin-1 to the browser; the API reads UTF-8.
  if (actor) headers["X-Flumina-Actor"] = utf8(actor);
  if (version) headers["If-Match"] = `"${version}"`;
  return sent(method, path, parameters, { body, headers, timeout_ms: TIMEOUT_MS });
}

/** A path with parameters; lists are joined by commas, empty ones are left out. */
export function urlOf(path, parameters = {}) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value === null || value === undefined || value === "") continue;
    query.set(name, Array.isArray(value) ? value.join(",") : String(value));
  }
  const text = query.toString();
  return text ? `${path}?${text}` : path;
}

async function sent(method, path, parameters, options) {
  const { signal, timeout_ms, body, headers = {}, isText = false } = options;
  const deadline = AbortSignal.timeout(timeout_ms);
  const init = {
    method,
    headers: { Accept: isText ? "*/*" : "application/json", ...OURS, ...headers },
    signal: signal ? AbortSignal.any([signal, deadline]) : deadline,
    credentials: "same-origin",
    cache: "no-store",
  };
  if (body !== undefined) {
    init.headers["Content-Type"] = "application/json";
    init.body = JSON.stringify(body);
  }
  let answer;
  try {
    answer = await fetch(urlOf(path, parameters), init);
  } catch (error) {
    if (signal?.aborted) throw error; // Nobody wants the answer any more.
    for (const listener of listeners) listener(null, false);
    throw unreached(error, timeout_ms);
  }
  for (const listener of listeners) listener(answer.headers, true);
  const text = await answer.text();
  if (answer.status === 401) for (const listener of strangers) listener();
  if (!answer.ok) throw refused(answer, text);
  if (isText) return { status: answer.status, headers: answer.headers, content: text };
  return { status: answer.status, headers: answer.headers, content: decoded(text, path) };
}

function decoded(text, path) {
  if (!text) return null;
  try {
    return JSON.parse(text);
  } catch {
    throw new Failure(`The answer of ${path} cannot be read.`, {
      remedy: "Another program may listen on the API's port: look with `flumina doctor`.",
    });
  }
}

function unreached(error, timeout_ms) {
  if (error.name === "TimeoutError") {
    return new Failure(`The API has not answered within ${timeout_ms / 1000} s.`, {
      remedy: "It may be busy with an instant far back, or the cell's Kafka is slow. Try again.",
    });
  }
  return new Failure("The API cannot be reached.", {
    remedy: "Its process may have stopped: `flumina up` starts it again. This page keeps trying.",
  });
}

function refused(answer, text) {
  let problem = null;
  try {
    problem = JSON.parse(text);
  } catch {
    // A server in front of the API answers in plain text.
  }
  if (problem === null || typeof problem !== "object") {
    const said = text.trim().slice(0, 300);
    return new Failure(said || `The API answered ${answer.status}.`, { status: answer.status });
  }
  return new Failure(problem.message || `The API answered ${answer.status}.`, {
    remedy: problem.errorDetails || problem.remedy || "",
    faults: problem.faults ?? [],
    status: answer.status,
    problem,
  });
}

const utf8 = (text) => String.fromCharCode(...new TextEncoder().encode(text));
