import process from "node:process";
import { afterEach, beforeEach, describe, expect, it, jest } from "@jest/globals";
import { createAuthority, memoryRepository } from "../../../src/authority/index.ts";
import type { AuthorityOptions, Repository } from "../../../src/authority/index.ts";
import type { OrgateEvent } from "../../../src/events.ts";
import { makeDirectory, signInAda, makeWorld } from "./set-up.ts";

const IN_MEMORY = { type: "misconfigured", reason: "memory_in_production" };
const NOT_SEALED = { type: "misconfigured", reason: "keys_not_sealed" };
const SECRET = "a secret that seals the signing keys";

function ofTheApplication(): Repository {
  const { durability: _memory, ...repository } = memoryRepository();
  return repository;
}

let warnings: jest.SpiedFunction<typeof process.emitWarning>;
const environment = process.env["NODE_ENV"];

beforeEach(() => {
  warnings = jest.spyOn(process, "emitWarning").mockImplementation(() => undefined);
  process.env["NODE_ENV"] = "production";
});

afterEach(() => {
  warnings.mockRestore();
  if (environment === undefined) delete process.env["NODE_ENV"];
  else process.env["NODE_ENV"] = environment;
});

/** Makes an authority, and returns what its own listener heard. */
function heard(options: Partial<AuthorityOptions>): readonly OrgateEvent[] {
  const events: OrgateEvent[] = [];
  createAuthority({
    issuer: "https://a.example",
    directory: makeDirectory(),
    events: (event) => events.push(event),
    ...options,
  });
  return events;
}

describe("in production", () => {
  it.each<[string, () => Repository | undefined]>([
    ["by default", () => undefined],
    ["as passed", () => memoryRepository()],
  ])("sessions in memory are reported once, with what to do: %s", (_case, repository) => {
    expect(heard({ repository: repository() })).toEqual([IN_MEMORY]);
    expect(warnings.mock.calls).toEqual([
      [
        expect.stringContaining(
          "orgate: misconfigured (memory_in_production). See the event, and docs/troubleshooting.md.",
        ),
        { type: "OrgateWarning", code: "ORGATE_MEMORY_IN_PRODUCTION" },
      ],
    ]);
  });

  it("a repository of the application's own is not", () => {
    expect(heard({ repository: ofTheApplication(), keyEncryption: SECRET })).toEqual([]);
    expect(warnings).not.toHaveBeenCalled();
  });

  it("warnings: false silences the process warning, and the event remains", () => {
    expect(heard({ warnings: false })).toEqual([IN_MEMORY]);
    expect(warnings).not.toHaveBeenCalled();
  });

  it("every middleware over the authority hears it once, whenever it is made", async () => {
    const authority = createAuthority({ issuer: "https://a.example", directory: makeDirectory() });
    const first: OrgateEvent[] = [];
    const second: OrgateEvent[] = [];
    const stop = authority.onEvent((event) => first.push(event));
    expect(first).toEqual([IN_MEMORY]);
    await authority.jwks();
    authority.onEvent((event) => second.push(event));
    stop();
    expect([first, second]).toEqual([[IN_MEMORY], [IN_MEMORY]]);
    expect(warnings).toHaveBeenCalledTimes(1);
  });
});

describe("outside of production", () => {
  it.each([undefined, "development", "test", "PRODUCTION", "production "])(
    "sessions in memory are nothing to report: NODE_ENV %p",
    (name) => {
      if (name === undefined) delete process.env["NODE_ENV"];
      else process.env["NODE_ENV"] = name;
      expect(heard({})).toEqual([]);
      expect(warnings).not.toHaveBeenCalled();
    },
  );
});

describe("keys that lie in an application's own repository", () => {
  it("are reported once where nothing seals them", async () => {
    expect(heard({ repository: ofTheApplication() })).toEqual([NOT_SEALED]);
    expect(warnings).toHaveBeenCalledTimes(1);
    const world = makeWorld({ repository: ofTheApplication(), warnings: false });
    await signInAda(world);
    await signInAda(world);
    expect(world.events).toEqual([NOT_SEALED]);
  });

  it("are not where they are sealed, or are not there", () => {
    expect(heard({ repository: ofTheApplication(), keyEncryption: { 1: SECRET } })).toEqual([]);
    expect(warnings).not.toHaveBeenCalled();
  });
});
