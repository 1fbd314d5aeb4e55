import { parseStrictJson } from "../../lib/strict-json.ts";
import { type InvalidationMessage, isInvalidationMessage } from "../coordinator.ts";

/** Postgres takes fewer than 8,000 bytes in one notification. */
const MAX_PART_LENGTH = 7_500;

/** More parts are not joined: no message is that long. */
const MAX_PARTS = 1_000;

/** A part of a message: who sent it, which message it is of, and where in it. */
const PART = /^([\w-]{1,64})\.(\d{1,16})\.(\d{1,4})\.(\d{1,4}):/;

/** Splits a message into parts that each fit into one notification. No two parts are equal: Postgres would send one of them. */
export function splitMessage(
  sender: string,
  number: number,
  message: InvalidationMessage,
): readonly string[] {
  // ASCII, so that a character is a byte and no part ends within one.
  const text = JSON.stringify(message).replaceAll(/[^\x20-\x7e]/g, escapeCharacter);
  const count = Math.max(1, Math.ceil(text.length / MAX_PART_LENGTH));
  return Array.from({ length: count }, (_, index) => {
    const body = text.slice(index * MAX_PART_LENGTH, (index + 1) * MAX_PART_LENGTH);
    return `${sender}.${number}.${index}.${count}:${body}`;
  });
}

function escapeCharacter(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

/** What the parts that have arrived come to. */
export type Received =
  | { readonly status: "whole"; readonly message: InvalidationMessage }
  /** Sent by this process itself, or a part of a message whose end is still to come. */
  | { readonly status: "nothing" }
  | { readonly status: "unreadable" };

/** Joins the parts of messages. Postgres delivers those of one message in order, and nothing in between. */
export class MessageReader {
  readonly #self: string;
  #begun: { readonly of: string; readonly parts: readonly string[] } | undefined;

  /** @param self - the sender whose messages are skipped */
  constructor(self: string) {
    this.#self = self;
  }

  read(payload: string): Received {
    const [head, sender = "", number = "", index = "", count = ""] = PART.exec(payload) ?? [];
    const [position, total] = [Number(index), Number(count)];
    if (head === undefined || total < 1 || total > MAX_PARTS) return { status: "unreadable" };
    if (sender === this.#self) return { status: "nothing" };
    const of = `${sender}.${number}.${count}`;
    const before = this.#begun?.of === of ? this.#begun.parts : [];
    this.#begun = undefined;
    // A part before this one was lost.
    if (before.length !== position) return { status: "unreadable" };
    const parts = [...before, payload.slice(head.length)];
    if (parts.length < total) {
      this.#begun = { of, parts };
      return { status: "nothing" };
    }
    const parsed = parseStrictJson(parts.join(""));
    return parsed.status === "parsed" && isInvalidationMessage(parsed.value)
      ? { status: "whole", message: parsed.value }
      : { status: "unreadable" };
  }
}
