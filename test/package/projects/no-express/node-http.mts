import { createServer, type IncomingMessage } from "node:http";
import { definePolicy, orgate, type Member } from "orgate";
import { orgate as plainOrgate } from "orgate/core";
import { createAuthority, memoryDirectory } from "orgate/authority";

type Known<T> = 0 extends 1 & T ? "any" : "known";

const policy = definePolicy({
  resources: { documents: ["read"] },
  roles: { viewer: { documents: ["read"] } },
});
const directory = memoryDirectory({ users: [], organizations: [], memberships: [] });
const authority = createAuthority({ issuer: "https://app.example.com", directory, policy });
const options = { baseUrl: "https://app.example.com", store: authority, policy };
const auth = orgate(options);
const plainAuth = plainOrgate(options);
const guard = auth.requirePermission("documents", "read");

export const known: readonly "known"[] = [
  "known" satisfies Known<typeof auth>,
  "known" satisfies Known<typeof plainAuth>,
  "known" satisfies Known<typeof guard>,
  "known" satisfies Known<Parameters<typeof auth>[0]>,
  "known" satisfies Known<Parameters<typeof guard>[0]>,
  "known" satisfies Known<Parameters<typeof guard>[1]>,
  "known" satisfies Known<ReturnType<typeof auth.state>>,
  "known" satisfies Known<ReturnType<typeof auth.session>>,
  "known" satisfies Known<ReturnType<typeof auth.session>["member"]>,
  "known" satisfies Known<Express.Request["member"]>,
  "known" satisfies Known<Express.Request["verdict"]>,
];

// @ts-expect-error -- no such action
auth.requirePermission("documents", "raed");

createServer((req: IncomingMessage, res) => {
  auth(req, res, () => {
    guard(req, res, () => {
      const member: Member = auth.session(req).member;
      res.end(member.id);
    });
  });
});
