import { randomUUID } from "node:crypto";
import { backOffSeconds, sleep } from "../../lib/concurrency.ts";
import { type ListeningConnection, asError } from "./connection.ts";
import { toListenUnsupported } from "./database-error.ts";
import type { Database } from "./database.ts";

/** Seconds between two checks that the connection still answers. */
const CHECK_INTERVAL = 5;

/** The longest wait before another attempt to listen, in seconds. */
const MAX_RECONNECT_WAIT = 2;

/** Seconds within which our own message must arrive on a channel that works. */
const PROBE_TIMEOUT = 2;

/** What every payload of ours begins with. */
const PROBE = "probe ";

/** What a channel tells. */
export interface ChannelEvents {
  message(payload: string): void;
  lost(cause: Error): void;
  restored(): void;
}

/**
 * Listens to one channel of Postgres on a connection of its own, and connects again when that breaks.
 *
 * A message of our own, sent over the pool, must arrive before the channel counts as open: LISTEN succeeds over PgBouncer in
 * transaction mode too, but nothing arrives.
 */
export class Channel {
  readonly #database: Database;
  /** The database whose connection listens; another one where `#database` goes through a pooler. */
  readonly #listeningDatabase: Database;
  readonly #name: string;
  readonly #events: ChannelEvents;
  readonly #closing = new AbortController();
  #isStarted = false;
  #isOpen = false;
  /** Set while messages may be missed. */
  #isLost = false;

  constructor(database: Database, listeningDatabase: Database, name: string, events: ChannelEvents) {
    this.#database = database;
    this.#listeningDatabase = listeningDatabase;
    this.#name = name;
    this.#events = events;
  }

  /** Whether messages arrive. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Begins to listen, once. */
  start(): void {
    if (this.#isStarted) return;
    this.#isStarted = true;
    void this.#listenUntilClosed();
  }

  close(): void {
    this.#isOpen = false;
    this.#closing.abort();
  }

  async #listenUntilClosed(): Promise<void> {
    const { signal } = this.#closing;
    let failures = 0;
    while (!signal.aborted) {
      const session = new ListeningSession(signal);
      try {
        // Each attempt begins when the one before has ended.
        // oxlint-disable-next-line no-await-in-loop
        await this.#open(session);
        failures = 0;
        // oxlint-disable-next-line no-await-in-loop
        await session.over;
      } catch (error) {
        session.end(asError(error));
      }
      session.close();
      this.#isOpen = false;
      if (signal.aborted) return;
      this.#lose(session.cause);
      failures += 1;
      // oxlint-disable-next-line no-await-in-loop
      await sleep(backOffSeconds(failures, MAX_RECONNECT_WAIT), signal);
    }
  }

  /** Resolves when messages arrive. */
  async #open(session: ListeningSession): Promise<void> {
    const probe = PROBE + randomUUID();
    const arrived = new AbortController();
    session.connection = await this.#listeningDatabase.listen(this.#name, {
      message: (payload) => {
        if (payload === probe) arrived.abort();
        else if (!payload.startsWith(PROBE)) this.#receive(session, payload);
      },
      ended: (cause) => session.end(cause),
    });
    await this.#database.query("SELECT pg_notify($1::text, $2::text)", [this.#name, probe]);
    await sleep(PROBE_TIMEOUT, AbortSignal.any([arrived.signal, session.signal]));
    if (session.signal.aborted) return;
    if (!arrived.signal.aborted) throw toListenUnsupported();
    this.#isOpen = true;
    if (this.#isLost) this.#events.restored();
    this.#isLost = false;
    void session.keepChecking();
  }

  /** What a listener throws must not end the process. Whether it has seen the message is not known: that is a gap. */
  #receive(session: ListeningSession, payload: string): void {
    try {
      this.#events.message(payload);
    } catch (error) {
      session.end(asError(error));
    }
  }

  #lose(cause: Error): void {
    if (this.#isLost) return;
    this.#isLost = true;
    this.#events.lost(cause);
  }
}

/** One connection that listens, until it breaks or the channel is closed. */
class ListeningSession {
  connection: ListeningConnection | undefined;
  cause = new Error("The channel was closed.");
  readonly #ending = new AbortController();
  /** Resolves when the session is over. */
  readonly over = new Promise<void>((resolve) => {
    this.signal.addEventListener("abort", () => resolve(), { once: true });
  });
  readonly #channel: AbortSignal;

  constructor(channel: AbortSignal) {
    this.#channel = channel;
    channel.addEventListener("abort", this.#follow, { once: true });
  }

  /** Aborts when the session is over. */
  get signal(): AbortSignal {
    return this.#ending.signal;
  }

  end(cause: Error): void {
    if (this.signal.aborted) return;
    this.cause = cause;
    this.#ending.abort();
  }

  close(): void {
    this.#channel.removeEventListener("abort", this.#follow);
    this.#ending.abort();
    this.connection?.close();
  }

  /** Ends the session as soon as its connection no longer answers: a network that drops packets tells nobody. */
  async keepChecking(): Promise<void> {
    while (!this.signal.aborted) {
      // oxlint-disable-next-line no-await-in-loop
      await sleep(CHECK_INTERVAL, this.signal);
      try {
        // oxlint-disable-next-line no-await-in-loop
        if (!this.signal.aborted) await this.connection?.check();
      } catch (error) {
        this.end(asError(error));
      }
    }
  }

  readonly #follow = (): void => this.#ending.abort();
}
