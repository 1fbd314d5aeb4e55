/** How a store's sessions travel, where it has its own ways. */
export interface CredentialProfile {
  /** The session cookie's name. @defaultValue by `baseUrl`: `__Host-orgate`, ... */
  readonly cookieName?: string;
  /**
   * The password's id that sealed sessions carry, whichever password seals: for other libraries that read the same cookie
   * and know one id alone. @defaultValue the password's own number
   */
  readonly passwordId?: string;
  /**
   * A cookie that holds an opaque session token, asked about once per distinct value. Read, and written back from the
   * credential's `refreshToken`, beside the cookie that holds an unsealed JWT.
   */
  readonly opaqueCookieName?: string;
}
