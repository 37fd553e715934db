/**
 * The rows of a query as they come: kept up to a number, paused without loss, counted.
 *
 * The one thing to know: rows are kept as the text that came and are decoded when they are looked
 * at, so ten thousand a second cost what the forty in sight cost, and memory does not grow.
 */

import { urlOf } from "./api.js";
import { openStream } from "./stream.js";

/** Rows that are kept; at a few hundred bytes each it is some megabytes. */
export const ROWS_MAX = 20000;
/** So many are let go at once, because letting go of one costs as much. */
const LET_GO = 2000;
/** Rows that run past are written this often; nobody reads faster, and the page stays free. */
const DRAW_MS = 80;
/** The rate is that of so many seconds. */
const RATE_S = 3;

/** One query that runs. `onChange()` is called for what is new, a dozen times a second. */
export class Tail {
  constructor(parameters, onChange) {
    this.onChange = onChange;
    this.parameters = parameters;
    /** What is looked at, the oldest first: `{number, id, text}`. */
    this.rows = [];
    /** What came while it was paused. */
    this.waiting = [];
    this.isPaused = false;
    /** How many came in all, were let go of the kept ones, and came too many while paused. */
    this.total = 0;
    this.letGo = 0;
    this.missed = 0;
    this.state = { state: "connecting", attempts: 0 };
    this.meta = {};
    this.began_at = performance.now();
    this.seconds = [];
    this.columns = [];
    this.frame = this.timer = this.drawn_at = 0;
    this.open();
  }

  open() {
    this.stream = openStream(urlOf("/api/flumina/query/stream", this.parameters), {
      lastId: this.stream?.lastId ?? "",
      onEvent: (event) => this.take(event),
      onState: (state) => {
        this.state = state;
        this.changed();
      },
      isEnd: (event) => event.name === "meta" && JSON.parse(event.data).state === "ended",
    });
  }

  /** Ends the stream; what came stays. */
  close() {
    this.stream.close();
    clearTimeout(this.timer);
    cancelAnimationFrame(this.frame);
  }

  /** Stops or lets go on what is looked at; what comes meanwhile is kept. */
  pause(isPaused) {
    this.isPaused = isPaused;
    if (!isPaused) {
      for (const row of this.waiting) this.rows.push(row);
      this.waiting = [];
      this.trim();
    }
    this.changed();
  }

  /** Forgets what came. */
  clear() {
    this.rows = [];
    this.waiting = [];
    this.letGo = this.missed = 0;
    this.changed();
  }

  /** Rows in a second, of the last seconds. */
  rate() {
    const now = Math.floor(performance.now() / 1000);
    const found = this.seconds.filter(([second]) => second >= now - RATE_S && second < now);
    return found.reduce((sum, [, rows]) => sum + rows, 0) / RATE_S;
  }

  take({ name, data, id }) {
    if (name === "meta") {
      this.meta = { ...this.meta, ...JSON.parse(data) };
      this.changed();
      return;
    }
    if (name !== "row") return;
    this.total += 1;
    this.count();
    const row = { number: this.total, id, text: data };
    if (!this.isPaused) {
      this.rows.push(row);
      this.trim();
    } else if (this.waiting.length < ROWS_MAX) this.waiting.push(row);
    else this.missed += 1;
    this.changed();
  }

  count() {
    const second = Math.floor(performance.now() / 1000);
    const last = this.seconds.at(-1);
    if (last?.[0] === second) last[1] += 1;
    else {
      this.seconds.push([second, 1]);
      if (this.seconds.length > RATE_S + 2) this.seconds.shift();
    }
  }

  trim() {
    if (this.rows.length < ROWS_MAX + LET_GO) return;
    const many = this.rows.length - ROWS_MAX;
    this.rows.splice(0, many);
    this.letGo += many;
  }

  changed() {
    if (this.timer) return;
    const since = performance.now() - this.drawn_at;
    this.timer = setTimeout(
      () => {
        this.frame = requestAnimationFrame(() => {
          this.timer = 0;
          this.drawn_at = performance.now();
          this.onChange();
        });
      },
      Math.max(0, DRAW_MS - since),
    );
  }
}
