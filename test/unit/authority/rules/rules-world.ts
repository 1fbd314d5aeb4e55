import type {
  AuthorityOptions,
  Directory,
  DirectoryChange,
  DirectoryMembership,
  DirectoryOrganization,
  DirectoryUser,
} from "../../../../src/authority/index.ts";
import type { AuthenticationFactor } from "../../../../src/model.ts";
import { makeDirectory, makeWorld, refusal, type World } from "../set-up.ts";

type Fields = Readonly<Record<string, unknown>>;

/** A world whose organizations, users and members a test can give further fields at any time. */
export interface RulesWorld extends World {
  setOrganization(organizationId: string, fields: Fields): void;
  setUser(userId: string, fields: Fields): void;
  setMember(userId: string, organizationId: string, fields: Fields): void;
}

/** Makes a world. Ada is in Acme and Globex, Bob in Acme, Nora in none. */
export function makeRulesWorld(
  options: Partial<AuthorityOptions> = {},
  more: Partial<Directory> = {},
): RulesWorld {
  const base = makeDirectory();
  const fields = new Map<string, Fields>();
  const listeners = new Set<(change: DirectoryChange) => void>();
  const add = <Row extends object>(name: string, row: Row | undefined): Row | undefined =>
    row && { ...row, ...fields.get(name) };
  const nameOf = ({ userId, organizationId }: DirectoryMembership): string =>
    `member ${userId} ${organizationId}`;
  const set = (name: string, given: Fields, change: DirectoryChange): void => {
    fields.set(name, { ...fields.get(name), ...given });
    for (const listener of listeners) listener(change);
  };
  const directory: Directory = {
    ...base,
    user: async (id) => add<DirectoryUser>(`user ${id}`, await base.user(id)),
    async userByEmailAddress(address) {
      const user = await base.userByEmailAddress(address);
      return user && add<DirectoryUser>(`user ${user.id}`, user);
    },
    organization: async (id) => add<DirectoryOrganization>(`organization ${id}`, await base.organization(id)),
    async membership(userId, organizationId) {
      const membership = await base.membership(userId, organizationId);
      return membership && add(nameOf(membership), membership);
    },
    async memberships(userId) {
      const memberships = await base.memberships(userId);
      return memberships.map((one) => ({ ...one, ...fields.get(nameOf(one)) }));
    },
    onChanged(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    ...more,
  };
  const world = makeWorld({ ...options, directory });
  return {
    ...world,
    directory: base,
    setOrganization: (organizationId, given) =>
      set(`organization ${organizationId}`, given, { organizationId }),
    setUser: (userId, given) => set(`user ${userId}`, given, { userId }),
    setMember: (userId, organizationId, given) =>
      set(`member ${userId} ${organizationId}`, given, { organizationId }),
  };
}

/** What a step-up demands, and the token that continues it. */
export interface Demanded {
  readonly reason: string | undefined;
  readonly details: Fields;
  readonly token: string | undefined;
}

/** The step-up that a promise was refused with. */
export async function demanded(promise: Promise<unknown>): Promise<Demanded> {
  const error = await refusal(promise);
  if (error.name !== "StepUpRequiredError")
    throw new Error(`Expected a step-up, not ${error.code}.`, { cause: error });
  return {
    reason: error.reason,
    details: Reflect.get(error, "details") as Fields,
    token: Reflect.get(error, "pendingAuthenticationToken") as string | undefined,
  };
}

/** A factor of single sign-on by a connection. */
export function sso(connection: string): AuthenticationFactor {
  return {
    type: "sso",
    deliveryMethod: "sso_saml",
    samlSsoFactor: { id: "sso_1", providerId: connection, externalId: "subject" },
  };
}
