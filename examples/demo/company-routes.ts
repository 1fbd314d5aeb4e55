import { urlencoded, type Express } from "express";
import type { GuardOptions } from "orgate";
import { handler } from "orgate/express";
import { rolesFor } from "./company.ts";
import { renderBilling, renderDocuments, renderKeys, renderLive } from "./company-pages.ts";
import type { Library } from "./documents.ts";
import type { Auth, Show } from "./show.ts";
import type { DemoDirectory } from "./storage.ts";

/** Seconds within which a member must have authenticated to see the API keys. */
const RECENT = 60;

/** What the routes need. */
export interface CompanyParts {
  readonly auth: Auth;
  readonly directory: DemoDirectory;
  readonly library: Library;
  readonly show: Show;
}

/**
 * Everything below `/o/:org`. Each guard compares the slug in the path with the session's organization, so a form that is
 * still open in another tab cannot change the organization that the user switched to.
 */
export function addCompanyRoutes(app: Express, { auth, directory, library, show }: CompanyParts): void {
  const here: GuardOptions = { organization: "param:org", by: "slug" };
  const form = urlencoded({ extended: false, limit: "8kb" });

  app.get(
    "/o/:org/documents",
    auth.requirePermission("documents", "read", here),
    handler(async (req, res) => {
      const main = renderDocuments(req.organization, library.list(req.organization.id));
      await show.page(req, res, { title: "Documents", main, current: "documents" });
    }),
  );

  app.post(
    "/o/:org/documents",
    auth.requirePermission("documents", "write", here),
    form,
    handler<{ org: string }>((req, res) => {
      const { title } = req.body as { title?: unknown };
      if (typeof title === "string" && title.trim() !== "") {
        library.add(req.organization.id, title.trim(), req.member.name ?? req.member.id);
      }
      res.redirect(303, `/o/${req.params.org}/documents`);
    }),
  );

  app.post(
    "/o/:org/documents/:id/delete",
    auth.requirePermission("documents", "delete", here),
    handler<{ org: string; id: string }>((req, res) => {
      library.remove(req.organization.id, req.params.id);
      res.redirect(303, `/o/${req.params.org}/documents`);
    }),
  );

  app.get(
    "/o/:org/billing",
    auth.requirePermission("billing", "manage", here),
    auth.denyImpersonation(),
    handler(async (req, res) => {
      await show.page(req, res, {
        title: "Billing",
        main: renderBilling(req.organization),
        current: "billing",
      });
    }),
  );

  app.get(
    "/o/:org/keys",
    auth.requireOrganization(here),
    auth.requireRecentAuth({ maxAge: RECENT }),
    handler(async (req, res) => {
      const main = renderKeys(req.organization, RECENT);
      await show.page(req, res, { title: "API keys", main, current: "keys" });
    }),
  );

  app.get(
    "/o/:org/live",
    auth.requireOrganization({ ...here, maxTokenAge: 0 }),
    handler(async (req, res) => {
      const main = renderLive(req.organization, req.member);
      await show.page(req, res, { title: "Live roles", main, current: "live" });
    }),
  );

  // For the demo only: a real application requires a permission here.
  app.post(
    "/o/:org/role",
    auth.requireOrganization(here),
    auth.denyImpersonation(),
    form,
    handler<{ org: string }>(async (req, res) => {
      const { role } = req.body as { role?: unknown };
      const roles = rolesFor(role);
      const { userId } = req.member;
      if (roles !== undefined && userId !== undefined) {
        await directory.setRoles(userId, req.organization.id, roles);
      }
      res.redirect(303, `/o/${req.params.org}/documents`);
    }),
  );
}
