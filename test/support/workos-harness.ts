import { workos, type WorkosOptions, type WorkosStore } from "../../src/stores/workos/index.ts";
import type { StoreHarness } from "../../src/testing/contract/subject.ts";
import { API_KEY, CLIENT_ID } from "./fake-workos-world.ts";
import { startFakeWorkos, type FakeWorkos } from "./fake-workos.ts";

/** A store over a fake, in a world that can be moved and broken. */
export interface WorkosHarness extends StoreHarness {
  readonly store: WorkosStore;
  readonly fake: FakeWorkos;
  readonly advance: (seconds: number) => void;
  readonly breakStore: () => void;
  readonly mendStore: () => void;
  readonly close: () => void;
}

const START = 1_800_000_000;
const EMAILS = { 0: "nora@example.com", 1: "bob@example.com", 2: "ada@example.com" } as const;

export async function makeWorkosHarness(options: Partial<WorkosOptions> = {}): Promise<WorkosHarness> {
  let now = START;
  const clock = (): number => now;
  const fake = await startFakeWorkos(clock);
  const store = workos({ clientId: CLIENT_ID, apiKey: API_KEY, baseUrl: fake.url, clock, ...options });
  return {
    store,
    fake,
    clock,
    signIn: ({ organizations }) => {
      const emailAddress = EMAILS[organizations];
      const password = `pw-${emailAddress.split("@", 1)[0]}`;
      return store.authenticateWithPassword({ emailAddress, password });
    },
    advance(seconds) {
      now += seconds;
    },
    async revoke(sessionId) {
      const session = fake.world.sessions.get(sessionId);
      if (session !== undefined) session.status = "revoked";
    },
    breakStore() {
      fake.isDown = true;
    },
    mendStore() {
      fake.isDown = false;
    },
    foreignOrganizationId: "org_closed",
    close: () => fake.close(),
  };
}
