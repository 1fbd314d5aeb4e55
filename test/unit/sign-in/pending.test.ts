import { describe, expect, it } from "@jest/globals";
import type { IncomingMessage } from "node:http";
import type { Instance } from "../../../src/request/instance.ts";
import {
  clearPending,
  currentPending,
  findPending,
  keepPending,
  readPendingCookie,
  readSelectable,
} from "../../../src/sign-in/pending.ts";
import type { NewPending, Pending, PendingReading } from "../../../src/sign-in/pending.ts";
import { attach, type RequestAuth } from "../../../src/request/request-auth.ts";
import { makeBench } from "../../support/engine-bench.ts";

type Jar = Map<string, string>;

const read = (instance: Instance, request: IncomingMessage): Promise<PendingReading> =>
  readPendingCookie({ instance, request });
const readForSelection = (instance: Instance, request: IncomingMessage): Promise<PendingReading> =>
  readSelectable({ instance, request });
const find = (instance: Instance, request: IncomingMessage): Promise<Pending | undefined> =>
  findPending({ instance, request });

function makeAuth(engine: Instance): RequestAuth {
  return attach({}, engine, { status: "none" }, true);
}

function toRequest(jar: Jar): IncomingMessage {
  const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join("; ");
  return { headers: cookie === "" ? {} : { cookie } } as IncomingMessage;
}

async function begin(
  engine: Instance,
  returnTo = "/x",
  token = "the-pending-token",
  more: Partial<NewPending> = {},
): Promise<Jar> {
  const auth = makeAuth(engine);
  await keepPending(
    { instance: engine, auth },
    { pending: { pendingAuthenticationToken: token }, returnTo, ...more },
  );
  return new Map(
    [...(auth.cookies?.values() ?? [])].map((line): [string, string] => {
      const [pair = ""] = line.split(";", 1);
      return [pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1)];
    }),
  );
}

describe("the cookie of a pending authentication", () => {
  it("is read back in the browser that began", async () => {
    const { engine } = makeBench();
    expect(await read(engine, toRequest(await begin(engine)))).toEqual({
      status: "found",
      pending: {
        authentication: { pendingAuthenticationToken: "the-pending-token" },
        returnTo: "/x",
        expiresAt: 1_800_000_600,
      },
    });
    expect(await read(engine, toRequest(new Map()))).toEqual({ status: "absent" });
  });

  it("has a name without the __Host- prefix over http", async () => {
    const { engine } = makeBench({ baseUrl: "http://localhost:3000" });
    expect([...(await begin(engine)).keys()]).toEqual(["orgate-pending", "orgate-browser"]);
  });

  it("opens with an older password, and not without it", async () => {
    const [old, recent] = [
      "the older one of the passwords of this test",
      "the newer one of the passwords of this test",
    ];
    const before = makeBench({ cookie: { password: { 1: old } } });
    const jar = await begin(before.engine);
    const rotated = makeBench({ cookie: { password: { 1: old, 2: recent } } });
    expect((await read(rotated.engine, toRequest(jar))).status).toBe("found");
    const replaced = makeBench({ cookie: { password: { 2: recent } } });
    expect((await read(replaced.engine, toRequest(jar))).status).toBe("invalid");
  });

  it.each([
    [-6, "invalid"],
    [-5, "found"],
    [0, "found"],
    [599, "found"],
    [599.999, "found"],
    [600, "invalid"],
    [601, "invalid"],
  ])("R-19: after %d seconds of the injected clock is %s", async (seconds, status) => {
    const { engine, clock } = makeBench();
    const jar = await begin(engine);
    clock.now += seconds;
    expect((await read(engine, toRequest(jar))).status).toBe(status);
  });

  it.each<[string, object]>([
    ["of another kind", { kind: "sign_in" }],
    ["without a token", { token: undefined }],
    ["with a binding that is no text", { binding: 7 }],
    ["without a beginning", { issuedAt: undefined }],
    ["without an end", { expiresAt: undefined }],
    ["that claims to last longer", { issuedAt: -1_000 }],
    ["bound to nothing", { binding: "" }],
    ["before a step that is no object", { step: "mfa" }],
    ["before a step without a reason", { step: { by: "sign_in" } }],
    ["before a step begun by nothing known", { step: { reason: "mfa", by: "renewal" } }],
    ["before a step whose details are null", { step: { reason: "mfa", by: "sign_in", details: null } }],
  ])("R-19: is invalid if it was sealed %s", async (_what, change) => {
    const { engine, clock } = makeBench();
    const jar = await begin(engine);
    const [name = ""] = jar.keys();
    const seal = (await engine.sealer?.unsealValue(jar.get(name) ?? "")) as Record<string, unknown>;
    const { issuedAt } = change as { issuedAt?: number };
    const times =
      issuedAt === undefined ? {} : { issuedAt: clock.now + issuedAt, expiresAt: clock.now + 1_000 };
    jar.set(name, (await engine.sealer?.sealValue({ ...seal, ...change, ...times })) ?? "");
    expect((await read(engine, toRequest(jar))).status).toBe("invalid");
  });

  it.each([null, 7, "text", [1]])("R-19: is invalid if %j was sealed", async (value) => {
    const { engine } = makeBench();
    const jar = await begin(engine);
    const [name = ""] = jar.keys();
    jar.set(name, (await engine.sealer?.sealValue(value)) ?? "");
    expect((await read(engine, toRequest(jar))).status).toBe("invalid");
  });

  it("carries the step that is due, the user and the details of the step", async () => {
    const { engine } = makeBench();
    const step = { reason: "mfa", details: { factors: ["totp"] }, by: "sign_in" } as const;
    const pending = { pendingAuthenticationToken: "t", userId: "user_ada" };
    const jar = await begin(engine, "/x", "t", { pending, step });
    expect(await read(engine, toRequest(jar))).toMatchObject({
      pending: { authentication: pending, step },
    });
    expect((await readForSelection(engine, toRequest(jar))).status).toBe("found");
  });

  it("is absent for a selection if a switch left it", async () => {
    const { engine } = makeBench();
    const jar = await begin(engine, "/x", "t", { step: { reason: "mfa", by: "switch" } });
    expect((await read(engine, toRequest(jar))).status).toBe("found");
    expect(await readForSelection(engine, toRequest(jar))).toEqual({ status: "absent" });
    expect(await readForSelection(engine, toRequest(await begin(engine)))).toMatchObject({ status: "found" });
    jar.delete("__Host-orgate-browser");
    expect(await readForSelection(engine, toRequest(jar))).toEqual({
      status: "invalid",
      reason: "pending_of_another_browser",
    });
  });

  it.each([
    ["the same", "t", 1_800_000_600],
    ["another", "another", 1_800_001_000],
  ])("R-19: never lives longer when %s token is sealed again", async (_what, token, expiresAt) => {
    const { engine, clock } = makeBench();
    const previous = await find(engine, toRequest(await begin(engine, "/x", "t")));
    clock.now += 400;
    const later = await find(engine, toRequest(await begin(engine, "/x", token, { previous })));
    expect(later?.expiresAt).toBe(expiresAt);
  });

  it("is read as the response leaves it", async () => {
    const { engine } = makeBench();
    const auth = makeAuth(engine);
    const request = toRequest(await begin(engine, "/before"));
    expect(await currentPending({ instance: engine, request, auth })).toMatchObject({
      pending: { returnTo: "/before" },
    });
    const pending = { pendingAuthenticationToken: "t".repeat(1_500) };
    await keepPending({ instance: engine, auth }, { pending, returnTo: `/${"a".repeat(2_000)}` });
    expect(await currentPending({ instance: engine, request, auth })).toMatchObject({
      pending: { authentication: pending, returnTo: "/" },
    });
    clearPending({ instance: engine, request, auth });
    expect(await currentPending({ instance: engine, request, auth })).toEqual({ status: "absent" });
  });

  it("R-14: drops where to go on before it grows too large, and rejects a token that is too large", async () => {
    const { engine } = makeBench();
    const jar = await begin(engine, `/${"a".repeat(2_047)}`, "t".repeat(1_500));
    const reading = await read(engine, toRequest(jar));
    expect(reading).toMatchObject({ status: "found", pending: { returnTo: "/" } });
    const small = await read(engine, toRequest(await begin(engine, `/${"a".repeat(2_047)}`)));
    expect(small).toMatchObject({ pending: { returnTo: `/${"a".repeat(2_047)}` } });
    await expect(begin(engine, "/", "t".repeat(3_500))).rejects.toMatchObject({ code: "session_too_large" });
  });

  it("is bound to a new secret each time: the secret of an earlier one does not open it", async () => {
    const { engine } = makeBench();
    const [first, second] = [await begin(engine), await begin(engine)];
    const [pending = "", browser = ""] = first.keys();
    const mixed = new Map([
      [pending, second.get(pending) ?? ""],
      [browser, first.get(browser) ?? ""],
    ]);
    expect((await read(engine, toRequest(mixed))).status).toBe("invalid");
  });

  it("is cleared if it exists, and not set if it was about to be", async () => {
    const { engine } = makeBench();
    const auth = makeAuth(engine);
    clearPending({ instance: engine, request: toRequest(await begin(engine)), auth });
    expect([...(auth.cookies?.values() ?? [])].every((line) => line.includes("; Max-Age=0; "))).toBe(true);
    expect(auth.cookies?.size).toBe(2);
    const fresh = makeAuth(engine);
    await keepPending(
      { instance: engine, auth: fresh },
      { pending: { pendingAuthenticationToken: "t" }, returnTo: "/" },
    );
    clearPending({ instance: engine, request: toRequest(new Map()), auth: fresh });
    expect(fresh.cookies?.size).toBe(0);
    const untouched = makeAuth(engine);
    clearPending({ instance: engine, request: toRequest(new Map()), auth: untouched });
    expect(untouched.cookies).toBeUndefined();
  });
});
