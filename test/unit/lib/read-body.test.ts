import { describe, expect, it } from "@jest/globals";
import * as fc from "fast-check";
import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { PassThrough, Readable } from "node:stream";
import { memberOfBody, readBody } from "../../../src/lib/http.ts";
import type { BodyReading } from "../../../src/lib/http.ts";

const SEED = Number(process.env["FUZZ_SEED"] ?? Date.now());
process.stderr.write(`read-body fuzz: FUZZ_SEED=${SEED}\n`);

const JSON_TYPE = { "content-type": "application/json" };
const FORM_TYPE = { "content-type": "application/x-www-form-urlencoded" };

function toRequest(chunks: Iterable<Buffer | string>, headers: object, body?: unknown): IncomingMessage {
  const stream = Readable.from(chunks, { objectMode: false });
  return Object.assign(stream, {
    headers,
    ...(body !== undefined && { body }),
  }) as unknown as IncomingMessage;
}

const read = (text: string | Buffer, headers: object): Promise<BodyReading> =>
  readBody(toRequest(text.length === 0 ? [] : [text], headers));

const fields = (reading: BodyReading): unknown =>
  reading.status === "read" ? Object.fromEntries(reading.fields) : reading.status;

describe("readBody", () => {
  it.each<[string, string | Buffer, object, unknown]>([
    ["a form", "a=1&b=x%20y+z", FORM_TYPE, { a: "1", b: "x y z" }],
    ["a form with a field twice", "a=1&a=2", FORM_TYPE, { a: ["1", "2"] }],
    ["an empty form", "", FORM_TYPE, {}],
    ["an object", '{"a":"1"}', JSON_TYPE, { a: "1" }],
    ["with a charset", '{"a":"1"}', { "content-type": "Application/JSON; charset=utf-8" }, { a: "1" }],
    ["with a byte order mark", '\ufeff{"a":"1"}', JSON_TYPE, { a: "1" }],
    ["as it is, by name", '{"a":"1"}', { ...JSON_TYPE, "content-encoding": "identity" }, { a: "1" }],
    ["nothing where JSON was said", "", JSON_TYPE, "invalid"],
    ["a list", "[]", JSON_TYPE, "invalid"],
    ["null", "null", JSON_TYPE, "invalid"],
    ["text", '"a"', JSON_TYPE, "invalid"],
    ["broken JSON", '{"a":', JSON_TYPE, "invalid"],
    ["a key twice", '{"a":"1","a":"2"}', JSON_TYPE, "invalid"],
    ["a prototype", '{"__proto__":"x"}', JSON_TYPE, "invalid"],
    ["bytes that are no UTF-8", Buffer.from([0x7b, 0xff, 0x7d]), JSON_TYPE, "invalid"],
    ["compressed", "{}", { ...JSON_TYPE, "content-encoding": "gzip" }, "invalid"],
    ["another type", "a=1", { "content-type": "text/plain" }, "invalid"],
    ["no type", "a=1", {}, "invalid"],
    ["8,192 bytes", `a=${"x".repeat(8_190)}`, FORM_TYPE, { a: "x".repeat(8_190) }],
    ["8,193 bytes", `a=${"x".repeat(8_191)}`, FORM_TYPE, "too_large"],
    ["more announced than allowed", "a=1", { ...FORM_TYPE, "content-length": "8193" }, "too_large"],
  ])("reads %s", async (_what, text, headers, expected) => {
    expect(fields(await read(text, headers))).toEqual(expected);
  });

  it("reads a body in pieces, cut within a character", async () => {
    const bytes = Buffer.from('{"a":"\u00e9"}');
    const pieces = [...bytes].map((byte) => Buffer.from([byte]));
    expect(fields(await readBody(toRequest(pieces, JSON_TYPE)))).toEqual({ a: "\u00e9" });
  });

  it("R-39: keeps hostile names as names", async () => {
    const reading = await read('{"constructor":"y","a":"1"}', JSON_TYPE);
    expect(reading.status === "read" && [...reading.fields]).toEqual([
      ["constructor", "y"],
      ["a", "1"],
    ]);
  });

  it("uses what a parser left, and reads nothing", async () => {
    const request = toRequest(["a=stream"], FORM_TYPE, { a: "parsed" });
    expect(fields(await readBody(request))).toEqual({ a: "parsed" });
    expect(request.readableFlowing).toBe(null);
  });

  it("uses an empty object only if the stream has been read", async () => {
    expect(fields(await readBody(toRequest(["a=stream"], FORM_TYPE, {})))).toEqual({ a: "stream" });
    const done = toRequest([], FORM_TYPE, {});
    done.resume();
    await once(done, "end");
    expect(fields(await readBody(done))).toEqual({});
  });

  it.each<[string, unknown, object, unknown]>([
    ["text", "a=1", FORM_TYPE, { a: "1" }],
    ["bytes", Buffer.from("a=1"), FORM_TYPE, { a: "1" }],
    ["text of JSON", '{"a":"1"}', JSON_TYPE, { a: "1" }],
    ["bytes that it inflated", Buffer.from("a=1"), { ...FORM_TYPE, "content-encoding": "gzip" }, { a: "1" }],
    ["text of another type", "a=1", { "content-type": "text/plain" }, "invalid"],
    ["more text than is read", `a=${"x".repeat(8_191)}`, FORM_TYPE, "too_large"],
    ["a list", ["a"], FORM_TYPE, "invalid"],
    ["nothing", undefined, FORM_TYPE, "invalid"],
  ])("takes what a parser read and left as %s, and does not wait", async (_what, body, headers, expected) => {
    const request = toRequest(["a=1"], headers, body);
    request.resume();
    await once(request, "end");
    expect(fields(await readBody(request))).toEqual(expected);
  });

  it.each<[string, (stream: PassThrough) => void]>([
    ["is gone before", (stream) => void stream.destroy()],
    ["goes away in the middle", (stream) => void (stream.write("a="), setImmediate(() => stream.destroy()))],
    [
      "breaks in the middle",
      (stream) => void (stream.write("a="), setImmediate(() => stream.destroy(new Error("aborted")))),
    ],
  ])("does not wait for a client that %s", async (_what, leave) => {
    const stream = new PassThrough();
    stream.once("error", () => undefined);
    leave(stream);
    const request = Object.assign(stream, { headers: FORM_TYPE }) as unknown as IncomingMessage;
    expect(await readBody(request)).toEqual({ status: "aborted" });
    expect(stream.listenerCount("data") + stream.listenerCount("close")).toBe(0);
  });

  it(`R-07: answers any bytes with a value (seed ${SEED})`, async () => {
    const property = fc.asyncProperty(
      fc.uint8Array({ maxLength: 300 }),
      fc.constantFrom(JSON_TYPE, FORM_TYPE),
      async (bytes, headers) => {
        const { status } = await read(Buffer.from(bytes), headers);
        expect(["read", "invalid"]).toContain(status);
      },
    );
    await fc.assert(property, { seed: SEED, numRuns: 500 });
  });
});

describe("memberOfBody", () => {
  it.each<[string, unknown, unknown]>([
    ["a member", { return_to: "/a" }, "/a"],
    ["one that is inherited", Object.create({ return_to: "/a" }), undefined],
    ["a body without it", {}, undefined],
    ["text", "return_to=/a", undefined],
    ["no body", undefined, undefined],
    ["null", null, undefined],
  ])("of %s", (_what, body, expected) => {
    expect(memberOfBody({ body } as unknown as IncomingMessage, "return_to")).toBe(expected);
  });
});
