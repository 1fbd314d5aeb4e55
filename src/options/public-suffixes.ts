/** Returns the public suffix of a host name, as `getPublicSuffix` of the package `tldts` does. */
export type PublicSuffixOf = (hostname: string) => string | null | undefined;

/** Top-level names that nobody registers names under: they stay on one machine or in one network (RFC 6761, RFC 6762). */
const LOCAL = wordSet("example internal invalid lan local localhost test");

/** Second-level names that registries of countries sell names under: `co.uk`, `com.au`, `ne.jp`, `gob.mx`. */
const REGISTRY_CATEGORIES = wordSet(`
  ac asso co com coop edu firm gob gouv gov govt gub ltd mil ne net nhs nic nom or org plc sch tm
`);

/** Domains whose names belong to the customers of a registry or of a hosting service. */
const SHARED_DOMAINS = wordSet(`
  ad.jp asn.au biz.id br.com cn.com co.com de.com ed.jp eu.com geek.nz gen.in gen.nz go.id go.jp go.kr gr.jp id.au in.net ind.in iwi.nz
  jpn.com kiwi.nz lg.jp me.uk my.id pe.kr police.uk re.kr ru.com sa.com school.nz uk.com uk.net us.com web.id web.za za.com
  amplifyapp.com app.github.dev appspot.com awsapprunner.com azure-api.net azurecontainerapps.io azureedge.net azurefd.net
  azurestaticapps.net azurewebsites.net b-cdn.net bitbucket.io blogspot.com bolt.host bubbleapps.io cleverapps.io cloudapp.azure.com
  cloudapp.net cloudfront.net cloudfunctions.net codesandbox.io csb.app ddns.net deno.dev digitaloceanspaces.com duckdns.org
  dyndns.org edgekey.net elasticbeanstalk.com encr.app fastly.net firebaseapp.com fly.dev framer.app framer.website gitbook.io
  github.io githubpreview.dev githubusercontent.com gitlab.io gitpod.io glitch.me hasura.app herokuapp.com hf.space koyeb.app
  loca.lt lovable.app myfritz.net myshopify.com neocities.org netlify.app ngrok-free.app ngrok-free.dev ngrok.app ngrok.dev ngrok.io
  nhost.run nip.io no-ip.org northflank.app notion.site now.sh ondigitalocean.app onrender.com pages.dev platformsh.site
  pythonanywhere.com r2.dev railway.app readthedocs.io repl.co replit.app replit.dev rtfd.io run.app scalingo.io square.site sslip.io
  stackblitz.io statichost.eu streamlit.app supabase.co surge.sh synology.me translate.goog trycloudflare.com ts.net tumblr.com
  up.railway.app usercontent.goog vapor.cloud vercel.app vercel.dev web.app webcontainer.io webflow.io weebly.com withgoogle.com
  wixsite.com wordpress.com workers.dev
`);

/** Services whose customers' names stand below the name of a region. */
const REGIONAL_DOMAINS = wordSet(`
  azurecontainerapps.io azurestaticapps.net cloudapp.azure.com digitaloceanspaces.com elasticbeanstalk.com replit.dev run.app
`);

/**
 * Whether names below a domain belong to everybody, so that a wildcard for them trusts strangers.
 *
 * Without `publicSuffixOf` a short rule of our own decides: top-level domains, the usual categories of country registries, and
 * the best-known hosting services.
 */
export function isPublicSuffix(domain: string, publicSuffixOf?: PublicSuffixOf): boolean {
  const labels = domain.split(".");
  if (labels.length === 1 && LOCAL.has(domain)) return false;
  if (publicSuffixOf !== undefined) return publicSuffixOf(domain) === domain;
  const [first = "", ...others] = labels;
  const parent = others.join(".");
  if (labels.length === 1) return true;
  if (parent.length === 2 && REGISTRY_CATEGORIES.has(first)) return true;
  return (
    SHARED_DOMAINS.has(domain) || REGIONAL_DOMAINS.has(parent) || `.${domain}`.endsWith(".amazonaws.com")
  );
}

function wordSet(words: string): ReadonlySet<string> {
  return new Set(words.trim().split(/\s+/));
}
