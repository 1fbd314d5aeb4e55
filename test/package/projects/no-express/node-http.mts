import { createServer, type IncomingMessage } from "node:http";
import { definePolicy, orgate, type Member } from "orgate";
import { orgate as plainOrgate } from "orgate/core";
import { createAuthority, memoryDirectory } from "orgate/authority";

/** Nothing but `any` (and what a lost type turns into) can be passed: each call must be an error. */
declare function acceptOnlyAny(value: { readonly any: unique symbol }): void;

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

declare const middlewareParameters: Parameters<typeof auth>;
declare const guardParameters: Parameters<typeof guard>;
declare const nodeRequest: IncomingMessage;
declare const expressRequest: Express.Request;

// @ts-expect-error
acceptOnlyAny(auth);
// @ts-expect-error
acceptOnlyAny(plainAuth);
// @ts-expect-error
acceptOnlyAny(guard);
// @ts-expect-error
acceptOnlyAny(middlewareParameters[0]);
// @ts-expect-error
acceptOnlyAny(middlewareParameters[1]);
// @ts-expect-error
acceptOnlyAny(guardParameters[0]);
// @ts-expect-error
acceptOnlyAny(guardParameters[1]);
// @ts-expect-error
acceptOnlyAny(auth.state(nodeRequest));
// @ts-expect-error
acceptOnlyAny(auth.session(nodeRequest));
// @ts-expect-error
acceptOnlyAny(auth.session(nodeRequest).member);
// @ts-expect-error
acceptOnlyAny(expressRequest.member);
// @ts-expect-error
acceptOnlyAny(expressRequest.organization);
// @ts-expect-error
acceptOnlyAny(expressRequest.memberSession);
// @ts-expect-error
acceptOnlyAny(expressRequest.verdict);

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
