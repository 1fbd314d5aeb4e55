/** A sample user. */
export interface Persona {
  readonly userId: string;
  readonly name: string;
  readonly about: string;
  /** Organizations and roles, as the card shows them. */
  readonly places: readonly string[];
  readonly impersonator?: { readonly email: string; readonly reason: string };
}

/** The cards of the sign-in page. */
export const PERSONAS: ReadonlyMap<string, Persona> = new Map([
  [
    "ada",
    {
      userId: "user_ada",
      name: "Ada Lovelace",
      about: "Works for two companies, so she is asked for which one.",
      places: ["Acme Press: editor", "Globex Labs: viewer"],
    },
  ],
  [
    "grace",
    {
      userId: "user_grace",
      name: "Grace Hopper",
      about: "Runs one company: manages its members, and who may do what.",
      places: ["Acme Press: admin"],
    },
  ],
  [
    "alan",
    {
      userId: "user_alan",
      name: "Alan Turing",
      about: "May read and nothing else. Try to delete something.",
      places: ["Globex Labs: viewer"],
    },
  ],
  [
    "sam",
    {
      userId: "user_grace",
      name: "Sam Porter, support",
      about: "Acts as Grace Hopper. Sees what she sees, but not her billing.",
      places: ["Acme Press: as Grace"],
      impersonator: { email: "sam@support.example", reason: "ticket 4711" },
    },
  ],
  [
    "margaret",
    {
      userId: "user_margaret",
      name: "Margaret Hamilton",
      about: "Her company demands a second factor: a code of her authenticator app.",
      places: ["Apogee Health: admin"],
    },
  ],
  [
    "dorothy",
    {
      userId: "user_dorothy",
      name: "Dorothy Vaughan",
      about: "Her bank demands single sign-on, which also gives her a role.",
      places: ["Globex Labs: viewer", "Meridian Bank: viewer"],
    },
  ],
  [
    "nora",
    {
      userId: "user_nora",
      name: "Nora Vance",
      about: "New here: a user whom nobody has invited yet.",
      places: ["no organization"],
    },
  ],
]);

/** The ids of all users: those who can sign in. */
export const USER_IDS: ReadonlySet<string> = new Set([...PERSONAS.values()].map(({ userId }) => userId));
